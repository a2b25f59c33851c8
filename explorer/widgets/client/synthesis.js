// What the browser draws by itself while a hand moves a control: a harmonic, or a component of a basis whose coefficients
// it has. The server's answer to each choice follows, with the read-outs; it is drawn only where it is something else.

const SAMPLED = 4 // every fourth row and column tells how large a field is, as engine.queries.basis takes them

// The next row of fully normalised associated Legendre functions of one order m, degree l, from the two before: (H,)
// values at the sines of latitude. In double precision, the recursion of engine.sphere.harmonics.legendre_rows
function nextLegendre(degree, order, sines, last, beforeLast) {
  const a = Math.sqrt((4 * degree * degree - 1) / (degree * degree - order * order))
  const b = Math.sqrt(((degree - 1) ** 2 - order * order) / (4 * (degree - 1) ** 2 - 1))
  return sines.map((x, i) => a * (x * last[i] - (beforeLast ? b * beforeLast[i] : 0)))
}

// The rows of order m, degrees m … top, orthonormal on the unit sphere with the waves cos mλ and sin mλ
function legendreOf(order, top, sines, cosines) {
  let norm = Math.sqrt((order ? 2 : 1) / (4 * Math.PI))
  for (let m = 1; m <= order; m++) norm *= Math.sqrt((2 * m + 1) / (2 * m))
  const rows = [cosines.map((c) => norm * c ** order)]
  for (let degree = order + 1; degree <= top; degree++) rows.push(nextLegendre(degree, order, sines, rows.at(-1), rows.at(-2)))
  return rows
}

const GRIDS = new Map() // sines and cosines of the rows of a grid

function rowsOf({ lat0, dlat, height }) {
  const name = `${lat0} ${dlat} ${height}`
  if (!GRIDS.has(name)) {
    const angles = Float64Array.from({ length: height }, (_, i) => ((lat0 + i * dlat) * Math.PI) / 180)
    GRIDS.set(name, [angles.map(Math.sin), angles.map((angle) => Math.max(0, Math.cos(angle)))])
  }
  return GRIDS.get(name)
}

// The latitude column of one harmonic and its order
function harmonicFactors({ degree, order }, grid) {
  const latTable = Float32Array.from(legendreOf(Math.abs(order), degree, ...rowsOf(grid)).at(-1))
  return { latTable, orders: [order], rank: 1 }
}

// The table of all orders −L … L of a component: sums over the degrees. `legendre` keeps the rows of every order
function componentFactors({ component }, grid, kit) {
  const { maxDegree, coefficients } = kit, rank = 2 * maxDegree + 1, size = (maxDegree + 1) ** 2
  const latTable = new Float32Array(grid.height * rank)
  const own = coefficients.subarray((component - 1) * size, component * size)
  for (let order = 0; order <= maxDegree; order++) {
    const rows = (kit.legendre[order] ??= legendreOf(order, maxDegree, ...rowsOf(grid)))
    for (const signed of order ? [-order, order] : [0]) {
      const column = new Float64Array(grid.height)
      rows.forEach((row, index) => {
        const degree = order + index, weight = own[degree * degree + degree + signed]
        if (weight) for (let i = 0; i < column.length; i++) column[i] += weight * row[i]
      })
      for (let i = 0; i < column.length; i++) latTable[i * rank + maxDegree + signed] = column[i]
    }
  }
  return { latTable, orders: Array.from({ length: rank }, (_, index) => index - maxDegree), rank }
}

// What is drawn after a choice, of a state such as {degree, order}; null where the control says nothing about it
const CHANGES = {
  harmonic(state, control, value) {
    const next = { ...state }
    if (control === "max_degree") next.degree = Math.min(state.degree, value)
    else if (control === "degree" || control === "order") next[control] = value
    else return null
    if (next.degree < 0 || Math.abs(next.order) > next.degree) next.order = Math.sign(next.order) * Math.max(0, next.degree)
    return next
  },
  components(state, control, value, { count }) {
    return control === "component" && value >= 1 && value <= count ? { component: value } : null
  },
}
const FACTORS = { harmonic: harmonicFactors, components: componentFactors }

// The largest size of a layer's values, from samples
function sizeOf({ values, grid: { width, height } }, half) {
  const step = half ? SAMPLED / 2 : SAMPLED
  let size = 0
  for (let i = 0; i < height; i += step) for (let j = 0; j < width; j += step) size = Math.max(size, Math.abs(values[i * width + j]))
  return size
}

class Synthesis {
  constructor(view) {
    this.view = view
    this.kit = null
    this.state = {}
    this.chosen = [] // keys of the fields that were drawn here and that the server has not answered yet, in order
    this.later = null // a field of the server that answers none of them
    document.addEventListener("harmonia:control", ({ detail }) => this.choose(detail), { signal: view.stopped.signal })
  }

  // Take what the server offers to compute here; empty takes it away
  set(bytes) {
    const packet = unpack(bytes)
    this.kit = packet && { ...packet, coefficients: new Float32Array(packet.buffer, packet.start), legendre: [] }
    this.chosen = []
    if (this.kit?.of === "components") this.prepare(this.kit, 0)
  }

  // Key of the field that was drawn here last, while the server has not answered it
  get awaited() {
    return this.chosen.at(-1)
  }

  // The Legendre functions of all orders, one by one while nothing else is to be done
  prepare(kit, order) {
    if (kit !== this.kit || order > kit.maxDegree) return
    const idle = window.requestIdleCallback ?? ((action) => setTimeout(action, 50))
    idle(() => {
      kit.legendre[order] ??= legendreOf(order, kit.maxDegree, ...rowsOf(kit))
      this.prepare(kit, order + 1)
    })
  }

  choose({ control, value }) {
    const { kit, view } = this
    if (!kit || !view.size.width) return
    const state = CHANGES[kit.of](this.state, control, value, kit)
    if (!state) return
    const key = kit.name.replace(/\{(\w+)\}/g, (_, name) => state[name])
    this.state = state
    if (key === view.scene.first?.key) return
    const { height, width, lat0, dlat, lon0, dlon, periodic } = kit
    const grid = { height, width, lat0, dlat, lon0, dlon, periodic }
    const layer = productLayer({ key, ...grid, ...FACTORS[kit.of](state, grid, kit) })
    const { scene, model } = view, before = scene.first && !scene.first.colours ? sizeOf(scene.first, scene.first.half) : 0
    // colours that follow the field, as the server sets them; those that a person has chosen stay
    if (Math.abs(scene.vmax - before) < 0.02 * before && scene.vmin === -scene.vmax) {
      const size = sizeOf(layer, layer.half)
      Object.assign(scene, { vmin: -size, vmax: size })
    }
    this.chosen.push(key)
    this.later = null
    clearTimeout(view.timers.answer)
    view.show("first", layer)
  }

  // Whether a field of the server is not to be drawn: it is on screen already, or answers an earlier choice, however late
  keeps(bytes) {
    const packet = unpack(bytes), { awaited, view } = this
    if (!awaited) {
      this.state = packet?.at ?? this.state
      return false
    }
    const index = this.chosen.indexOf(packet?.key)
    clearTimeout(view.timers.answer)
    this.later = index < 0 ? bytes : null
    if (index < 0) {
      view.after("answer", ANSWER, () => this.settle())
      return true
    }
    this.chosen.splice(0, index + 1)
    if (packet.key === awaited) {
      this.state = packet.at ?? this.state
      // a field that was chosen twice may be answered once or twice
      if (this.chosen.length) view.after("answer", ANSWER, () => this.settle())
      else this.settle()
    }
    return view.scene.first?.key === packet.key || packet.key !== awaited
  }

  // The server has answered, or a field of its own was not followed by another
  settle() {
    const { later, view } = this
    this.chosen = []
    this.later = null
    Object.assign(view.scene, { vmin: view.model.vmin, vmax: view.model.vmax })
    view.sceneChanged()
    if (later) view.setField("first", later)
  }
}
