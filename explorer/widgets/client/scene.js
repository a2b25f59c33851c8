// The drawn data as plain arrays: fields, mask, colour table, coast. Independent of screen and WebGL.

const MISSING = 3.0e38 // globe.frag compares with the same number
const REACH = 0.5001 // steps that a grid reaches beyond its last sample: half a step and a margin for rounding
const PREVIEW_WORK = 5e7 // multiplications above which harmonics are first expanded at half resolution

// bytes: uint32 length of the header, the header as JSON, the payload (see globe.py)
function unpack(bytes) {
  if (!bytes || !bytes.byteLength) return null
  const buffer = bytes instanceof ArrayBuffer ? bytes : bytes.slice().buffer
  const length = new DataView(buffer).getUint32(0, true)
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)))
  return { ...header, buffer, start: 4 + length }
}

function gridOf({ lat0, dlat, lon0, dlon, periodic }, height, width) {
  const gap = (row) => {
    const toPole = 90 - Math.abs(lat0 + row * dlat)
    return periodic && toPole > 1e-6 && toPole <= 1.001 * Math.abs(dlat) ? (2 * toPole) / Math.abs(dlat) : 0
  }
  return { lat0, dlat, lon0, dlon, periodic, height, width, gaps: [gap(0), gap(height - 1)] }
}

function expandCodes({ buffer, start, height, width, scale, offset }) {
  const codes = new Uint16Array(buffer, start, height * width)
  const values = new Float32Array(codes.length)
  for (let i = 0; i < codes.length; i++) values[i] = codes[i] === 65535 ? MISSING : offset + scale * codes[i]
  return values
}

function expandMask({ buffer, start, height, width }) {
  return Float32Array.from(new Uint8Array(buffer, start, height * width))
}

// Red, green, blue and 255, or four zeros where the cell is missing
function readColours({ buffer, start, height, width }) {
  return new Uint8Array(buffer, start, 4 * height * width)
}

const EXPAND = { codes: expandCodes, mask: expandMask, colours: readColours }

// Every second row of a table
function everySecond(table, rows, columns) {
  const out = new Float32Array(Math.ceil(rows / 2) * columns)
  for (let i = 0; i < rows; i += 2) out.set(table.subarray(i * columns, (i + 1) * columns), (i / 2) * columns)
  return out
}

// field[i, j] = sum over r of latTable[i, r] · trig[r, j], four terms a pass so that a row stays in the cache
function expandFactors(latTable, trig, height, rank, width) {
  const values = new Float32Array(height * width)
  for (let i = 0; i < height; i++) {
    const row = values.subarray(i * width, (i + 1) * width)
    let r = 0
    for (; r + 4 <= rank; r += 4) {
      const at = i * rank + r
      const a = latTable[at], b = latTable[at + 1], c = latTable[at + 2], d = latTable[at + 3]
      const ta = trig.subarray(r * width, (r + 1) * width), tb = trig.subarray((r + 1) * width, (r + 2) * width)
      const tc = trig.subarray((r + 2) * width, (r + 3) * width), td = trig.subarray((r + 3) * width, (r + 4) * width)
      for (let j = 0; j < width; j++) row[j] += a * ta[j] + b * tb[j] + c * tc[j] + d * td[j]
    }
    for (; r < rank; r++) {
      const a = latTable[i * rank + r]
      const t = trig.subarray(r * width, (r + 1) * width)
      for (let j = 0; j < width; j++) row[j] += a * t[j]
    }
  }
  return values
}

// The waves of harmonic orders on a circle of columns, cos mλ or, for m < 0, sin |m|λ; the last few are cached, because
// one slider uses the same ones repeatedly
const WAVES = new Map()

function wavesOf({ orders, lon0, dlon, width }) {
  const name = `${lon0} ${dlon} ${width} ${orders}`
  if (!WAVES.has(name)) {
    const waves = new Float32Array(orders.length * width)
    orders.forEach((order, r) => {
      const wave = order < 0 ? Math.sin : Math.cos
      for (let j = 0; j < width; j++) waves[r * width + j] = wave((Math.abs(order) * (lon0 + j * dlon) % 360) * Math.PI / 180)
    })
    if (WAVES.size >= 4) WAVES.delete(WAVES.keys().next().value)
    WAVES.set(name, waves)
  }
  return WAVES.get(name)
}

// The same product on a quarter of the circle: cosines and sines of even and odd orders apart tell the other three
function expandQuarter(latTable, { orders, lon0, dlon, height, rank, width }) {
  const quarter = width / 4, first = Math.round(-lon0 / dlon), size = quarter + 1
  const waves = wavesOf({ orders, lon0: 0, dlon, width: size })
  const values = new Float32Array(height * width)
  const parts = new Float64Array(4 * size) // cos even, cos odd, sin even, sin odd
  const places = Int32Array.from({ length: 4 * size }, (_, index) => {
    const k = index % size, column = [k, -k, 2 * quarter - k, 2 * quarter + k][Math.floor(index / size)]
    return (((first + column) % width) + width) % width
  })
  for (let i = 0; i < height; i++) {
    parts.fill(0)
    for (let r = 0; r < rank; r++) {
      const factor = latTable[i * rank + r]
      if (factor === 0) continue
      const start = ((orders[r] < 0 ? 2 : 0) + (Math.abs(orders[r]) % 2)) * size
      for (let k = 0, w = r * size; k < size; k++, w++) parts[start + k] += factor * waves[w]
    }
    const row = values.subarray(i * width, (i + 1) * width)
    for (let k = 0; k < size; k++) {
      const ce = parts[k], co = parts[size + k], se = parts[2 * size + k], so = parts[3 * size + k]
      row[places[k]] = ce + co + se + so
      row[places[size + k]] = ce + co - se - so
      row[places[2 * size + k]] = ce - co - se + so
      row[places[3 * size + k]] = ce - co + se - so
    }
  }
  return values
}

// Whether 0° is a sample of a circle that divides into four
function hasQuarters({ lon0, dlon, width, periodic }) {
  const first = lon0 / dlon
  return periodic && width % 4 === 0 && Math.abs(first - Math.round(first)) < 1e-6
}

function expandProduct(packet, half) {
  const { buffer, start, height, width, rank } = packet
  const latTable = packet.latTable ?? new Float32Array(buffer, start, height * rank)
  const halved = { height: Math.ceil(height / 2), width: width / 2, dlat: 2 * packet.dlat, dlon: 2 * packet.dlon }
  const grid = half ? { ...packet, ...halved } : packet
  const table = half ? everySecond(latTable, height, rank) : latTable
  const values = hasQuarters(grid) ? expandQuarter(table, grid) : expandFactors(table, wavesOf(grid), grid.height, rank, grid.width)
  return { values, grid: gridOf(grid, grid.height, grid.width) }
}

// One layer: {key, values, grid, colours, half}. The values are a Float32Array, or where `colours` RGBA bytes, row by
// row; `half` marks a preview that `sharpen` completes.
function readLayer(bytes) {
  const packet = unpack(bytes)
  if (packet === null) return null
  const { kind, key = "", height, width } = packet
  if (kind === "harmonics") return productLayer(packet)
  const values = EXPAND[kind](packet)
  return { key, packet: null, colours: kind === "colours", half: false, values, grid: gridOf(packet, height, width) }
}

// A layer of harmonics: {key, height, width, rank, orders, …}, with the payload or with its `latTable`
function productLayer(packet) {
  const { key = "", height, width, rank } = packet
  const half = height * width * rank > PREVIEW_WORK && width % 2 === 0
  return { key, packet, colours: false, half, ...expandProduct(packet, half) }
}

function sharpen(layer) {
  return { ...layer, half: false, ...expandProduct(layer.packet, false) }
}

const wrap = (u, turn) => {
  const wrapped = u - turn * Math.floor(u / turn)
  return wrapped < turn ? wrapped : 0
}

function rowAround({ values, grid }, row, u) {
  const { width, periodic } = grid
  const left = Math.floor(u)
  const f = u - left
  const next = left + 1 < width ? left + 1 : periodic ? 0 : left
  const a = values[row * width + left], b = values[row * width + next]
  const wa = a < MISSING ? 1 - f : 0, wb = b < MISSING ? f : 0
  return { sum: (wa && wa * a) + (wb && wb * b), weight: wa + wb, valid: (f < 0.5 ? a : b) < MISSING }
}

// Column and row of a place, in samples; null where the grid does not reach. This and the three functions below repeat
// the rules of globe.frag.
function locate({ lat0, dlat, lon0, dlon, periodic, height, width, gaps }, lat, lon) {
  let u = (lon - lon0) / dlon
  if (periodic) {
    u = wrap(u, width)
  } else {
    const turn = Math.abs(360 / dlon)
    u -= turn * Math.floor((u - 0.5 * (width - 1)) / turn + 0.5)
    if (u < -REACH || u > width - 1 + REACH) return null
    u = Math.min(Math.max(u, 0), width - 1)
  }
  const v = (lat - lat0) / dlat
  const gap = v < 0 ? gaps[0] : gaps[1]
  return gap > 0 || (v >= -REACH && v <= height - 1 + REACH) ? { u, v, gap } : null
}

function smoothAt(layer, { u, v, gap }) {
  const { height, width } = layer.grid
  const inside = Math.min(Math.max(v, 0), height - 1)
  const over = Math.abs(v - inside)
  const polar = over > 0 && gap > 0
  const row = Math.floor(inside)
  const next = polar ? row : Math.min(row + 1, height - 1)
  const f = polar ? Math.min(over / gap, 0.5) : inside - row
  const near = rowAround(layer, row, u)
  const far = rowAround(layer, next, polar ? wrap(u + 0.5 * width, width) : u)
  if (!(f < 0.5 ? near : far).valid) return null
  return ((1 - f) * near.sum + f * far.sum) / ((1 - f) * near.weight + f * far.weight)
}

function blockAt({ values, grid }, { u, v }) {
  const { height, width } = grid
  const column = Math.floor(u + 0.5) % width
  const row = Math.min(Math.max(Math.floor(v + 0.5), 0), height - 1)
  const value = values[row * width + column]
  return value < MISSING ? value : null
}

// The value drawn at a place; null where it is missing or colours are drawn
function valueAt(layer, lat, lon, blocks) {
  const at = layer.colours ? null : locate(layer.grid, lat, lon)
  if (at === null) return null
  return blocks ? blockAt(layer, at) : smoothAt(layer, at)
}

// The coast's signed distance as a picture, and [degrees per byte/255, byte/255 at the coast]
async function readCoast(bytes) {
  const packet = unpack(bytes)
  if (packet === null) return { coast: null, coastScale: [1, 0] }
  const png = new Blob([new Uint8Array(packet.buffer, packet.start)], { type: "image/png" })
  const coast = await createImageBitmap(png, { colorSpaceConversion: "none", premultiplyAlpha: "none" })
  return { coast, coastScale: [255 / packet.levels_per_degree, packet.zero / 255] }
}

// All data that a view shares with the views that follow it
class Scene {
  first = null
  second = null
  domain = null
  hatched = null
  dimmed = true // whether cells outside the domain are dimmed
  coast = null
  coastScale = [1, 0]
  lut = readLut(null)
  vmin = 0
  vmax = 1
  secondLut = null // of the second field, where it has colours of its own
  secondRange = [0, 1]
  blocks = false
  drawn = 0 // number of fields set so far

  // [lut, [vmin, vmax]] of the first and the second field
  get scales() {
    const first = [this.lut, [this.vmin, this.vmax]]
    return [first, this.secondLut ? [this.secondLut, this.secondRange] : first]
  }

  // Whether the colour table and its range are in use
  get mapped() {
    return [this.first, this.second].some((layer) => layer && !layer.colours)
  }
}
