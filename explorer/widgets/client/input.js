// Pointer, wheel, touch and keyboard on one view. The view moves its camera by the amounts computed here.

const FRICTION = 0.93 // share of the speed left after one frame of 1/60 s
const CLICK_SLOP = 4 // CSS pixels a pointer may move in a click

class Input {
  constructor(view) {
    this.view = view
    this.pointers = new Map()
    this.trail = []
    this.stopped = new AbortController()
    const { canvas } = view
    const on = (type, handler, options = {}) =>
      canvas.addEventListener(type, handler, { ...options, signal: this.stopped.signal })
    on("pointerdown", (event) => this.down(event))
    on("pointermove", (event) => this.move(event))
    on("pointerup", (event) => this.up(event))
    on("pointercancel", (event) => this.up(event))
    on("pointerleave", () => view.hover(null))
    on("wheel", (event) => this.wheel(event), { passive: false })
    on("dblclick", (event) => view.zoomBy(2, ...this.offset(event)))
    on("keydown", (event) => this.key(event))
  }

  stop() {
    this.stopped.abort()
  }

  // CSS pixels from the middle of the canvas, y up
  offset(event) {
    const box = this.view.canvas.getBoundingClientRect()
    return [event.clientX - box.left - box.width / 2, box.top + box.height / 2 - event.clientY]
  }

  middle() {
    const points = [...this.pointers.values()]
    return [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length)
  }

  spread() {
    const [a, b] = [...this.pointers.values()]
    return Math.hypot(a[0] - b[0], a[1] - b[1])
  }

  grab() {
    const { view } = this
    const [x, y] = this.middle()
    const place = view.placeAt(x, y)
    const span = this.pointers.size > 1 ? this.spread() : 0
    this.grip = { place, x, y, span, zoom: view.camera.zoom, camera: { ...view.camera } }
    this.trail = []
  }

  down(event) {
    if (event.button !== 0) return
    const { view } = this
    view.canvas.setPointerCapture(event.pointerId)
    view.canvas.focus({ preventScroll: true })
    view.glide(null)
    this.pointers.set(event.pointerId, this.offset(event))
    if (view.model.painting) {
      if (this.stroke) return // a second finger neither ends the stroke nor begins another
      Object.assign(this, { stroke: [], brush: event.pointerId, grip: null })
      this.dab(this.offset(event))
      return
    }
    this.wandered = this.pointers.size > 1 ? Infinity : 0
    this.grab()
  }

  move(event) {
    const { view } = this
    const held = this.pointers.get(event.pointerId)
    if (!held) {
      view.hover(this.offset(event))
      return
    }
    const now = this.offset(event)
    if (this.stroke) {
      if (event.pointerId === this.brush) this.dab(now)
      return
    }
    if (!this.grip) return // a finger that was down beside a stroke
    this.wandered += Math.hypot(now[0] - held[0], now[1] - held[1])
    this.pointers.set(event.pointerId, now)
    if (this.wandered < CLICK_SLOP) return
    const [x, y] = this.middle()
    if (this.grip.span) view.setCamera({ zoom: (this.grip.zoom * this.spread()) / this.grip.span })
    if (this.grip.place) view.holdAt(this.grip.place, x, y)
    else view.turnFrom(this.grip.camera, x - this.grip.x, y - this.grip.y)
    this.trail.push({ time: event.timeStamp, lat: view.camera.lat, lon: view.camera.lon })
    while (this.trail.length > 2 && event.timeStamp - this.trail[0].time > 90) this.trail.shift()
  }

  up(event) {
    const { view } = this
    if (!this.pointers.delete(event.pointerId)) return
    if (this.stroke) {
      if (event.pointerId === this.brush) this.endStroke()
    } else if (this.pointers.size) {
      this.grab()
    } else if (this.wandered < CLICK_SLOP && event.type === "pointerup") {
      view.click(...this.offset(event))
    } else {
      view.glide(this.speed(event.timeStamp))
    }
  }

  // Apply the brush here, unless it has moved less than a third of its radius
  dab([x, y]) {
    const { view } = this
    const place = view.placeAt(x, y)
    const radius = view.brushRadius
    const last = this.stroke.at(-1)
    if (!place || (last && Math.hypot(x - last.x, y - last.y) < radius / 3)) return
    this.stroke.push({ x, y, place })
    view.overlay.dab(place)
  }

  endStroke() {
    const points = this.stroke.map(({ place }) => [place.lat, place.lon])
    this.stroke = null
    if (points.length) this.view.paint(points)
  }

  // Enter: apply the brush in the middle of the view if there is one, else click there
  press() {
    const { view } = this
    if (!view.model.painting) return view.click(0, 0)
    this.stroke = []
    this.dab([0, 0])
    this.endStroke()
  }

  // Degrees per frame over the last 90 ms of a drag; null when the pointer rested before it was released
  speed(now) {
    const first = this.trail[0], last = this.trail.at(-1)
    if (!first || now - last.time > 60 || last.time - first.time < 8) return null
    const frames = (last.time - first.time) / (1000 / 60)
    return { lat: (last.lat - first.lat) / frames, lon: wrapLon(last.lon - first.lon) / frames }
  }

  wheel(event) {
    event.preventDefault()
    const pixels = event.deltaMode === 1 ? event.deltaY * 33 : event.deltaY
    this.view.zoomBy(Math.exp(clamp(-pixels, -300, 300) * 0.0022), ...this.offset(event))
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const { view } = this
    const step = 10 / view.camera.zoom
    const actions = {
      ArrowLeft: () => view.turn(0, -step),
      ArrowRight: () => view.turn(0, step),
      ArrowUp: () => view.turn(step, 0),
      ArrowDown: () => view.turn(-step, 0),
      "+": () => view.zoomBy(1.25, 0, 0),
      "=": () => view.zoomBy(1.25, 0, 0),
      "-": () => view.zoomBy(0.8, 0, 0),
      Home: () => view.home(),
      Enter: () => this.press(),
    }
    if (!(event.key in actions)) return
    event.preventDefault()
    view.glide(null)
    actions[event.key]()
  }
}
