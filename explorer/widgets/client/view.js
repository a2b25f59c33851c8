// One view of a scene: a canvas, a camera, the overlay, and the schedule of drawing.

const VIEWS = (window.harmoniaGlobes ??= new Set()) // every view in this page, so that views can follow one another

const FRAME_BUDGET = 30 // ms a frame may take while something moves; slower machines get fewer pixels until it rests
const REST = 300 // ms without change until the sharp picture: longer than the time between two steps of a dragged slider
const FOLLOW = 160 // ms until a follower draws what its leader has drawn
const PIXELS_MAX = 8e6
const EARTH_KM = 6371

const COVERED = { none: 0, land: 1, sea: 2 } // as globe.frag counts

const kindOf = (layer) => (!layer ? 0 : layer.colours ? 2 : 1) // as globe.frag counts

class View {
  constructor(model, root) {
    this.model = model
    this.root = root
    this.scene = new Scene()
    this.overlay = new Overlay(this)
    this.canvas = this.overlay.canvas
    this.camera = { lat: model.center_lat, lon: model.center_lon, zoom: model.zoom }
    this.start = { ...this.camera }
    this.calm = matchMedia("(prefers-reduced-motion: reduce)")
    this.size = { width: 0, height: 0 }
    this.pointed = null // where the pointer is: CSS pixels from the middle, y up
    this.moveShare = 1 // share of the full pixel ratio used while moving
    this.measured = -Infinity
    this.velocity = null
    this.timers = {}
    this.stopped = new AbortController()
    const { signal } = this.stopped
    this.canvas.addEventListener("webglcontextlost", (event) => (event.preventDefault(), (this.gpu = null)), { signal })
    this.canvas.addEventListener("webglcontextrestored", () => this.openGpu(), { signal })
    // also while the pointer turns the map and Input reports no hover
    this.canvas.addEventListener("pointermove", (event) => this.pointed && (this.pointed = this.input.offset(event)), { signal })
    document.addEventListener("harmonia:hover", (event) => this.overlay.echo(event.detail), { signal })
    this.resized = new ResizeObserver(() => this.resize())
    this.resized.observe(root)
    this.input = new Input(this)
    this.outlines = new Outlines(this)
    this.handles = new Handles(this)
    this.framing = new Framing(this)
    this.synthesis = new Synthesis(this)
    this.deck = new Deck(this)
    VIEWS.add(this)
    this.openGpu()
  }

  remove() {
    VIEWS.delete(this)
    this.stopped.abort()
    this.input.stop()
    this.resized.disconnect()
    cancelAnimationFrame(this.pending)
    Object.values(this.timers).forEach(clearTimeout)
    clearTimeout(this.following)
    clearTimeout(this.deck.asking)
    this.gpu?.free()
    this.gpu = null
  }

  openGpu() {
    const gl = this.canvas.getContext("webgl2", { alpha: true, antialias: false, depth: false, powerPreference: "high-performance" })
    this.overlay.say(gl ? "" : "The globe needs WebGL 2, which this browser does not offer here. Remedy: switch on hardware acceleration, or open the page in a current Firefox, Chrome, Edge or Safari.")
    this.gpu = gl ? new Gpu(gl) : null
    this.touch()
  }

  after(name, delay, action) {
    clearTimeout(this.timers[name])
    this.timers[name] = setTimeout(action, delay)
  }

  // ------------------------------------------------------------ scene

  // The scene of the view that this one follows, or its own
  get shown() {
    const { leader } = this.model
    if (!leader) return this.scene
    for (const view of VIEWS) if (view.model.group === leader && !view.model.leader) return view.scene
    return this.scene
  }

  // The scene has changed: draw it here at once and in its followers a few times a second, so that a dragged slider
  // waits for one picture only
  sceneChanged() {
    this.touch()
    for (const view of VIEWS) if (view.model.leader && view.model.leader === this.model.group) view.followSoon()
  }

  followSoon() {
    this.following ??= setTimeout(() => {
      this.following = null
      this.touch()
    }, FOLLOW)
  }

  setField(name, bytes) {
    const drawn = this.deck.answer(name, bytes)
    if (drawn === null || (name === "first" && this.synthesis.keeps(drawn))) return
    this.show(name, readLayer(drawn))
  }

  show(name, layer) {
    this.scene[name] = layer
    if (name === "first") this.scene.drawn += 1
    this.overlay.clearDabs()
    this.sceneChanged()
    if (this.scene[name]?.half) this.after(name, 120, () => this.sharpen(name))
  }

  sharpen(name) {
    if (!this.scene[name]?.half) return
    this.scene[name] = sharpen(this.scene[name])
    this.sceneChanged()
  }

  async setCoast(bytes) {
    Object.assign(this.scene, await readCoast(bytes))
    this.sceneChanged()
  }

  // ------------------------------------------------------------ camera

  get projection() {
    return PROJECTIONS[this.model.projection]
  }

  get scale() {
    return this.projection.fit(this.size.width, this.size.height) * this.camera.zoom
  }

  // The other views that share this one's camera
  get twins() {
    const { group, projection } = this.model
    const isTwin = (view) => view !== this && view.model.group === group && view.model.projection === projection
    return group ? [...VIEWS].filter(isTwin) : []
  }

  setCamera(change, linked = false) {
    this.framing.flight = null
    const next = { ...this.camera, ...change }
    next.zoom = clamp(next.zoom, 1, ZOOM_MAX)
    this.camera = next
    Object.assign(this.camera, this.projection.limit(next, this.scale, this.size.height))
    this.touch()
    this.after("camera", 200, () => this.sendCamera())
    if (!linked) for (const view of this.twins) view.setCamera(this.camera, true)
  }

  sendCamera() {
    const { lat, lon, zoom } = this.camera
    this.model.data.setv({ center_lat: lat, center_lon: lon, zoom })
  }

  cameraFromModel() {
    const { center_lat: lat, center_lon: lon, zoom } = this.model
    if (lat !== this.camera.lat || lon !== this.camera.lon || zoom !== this.camera.zoom) this.setCamera({ lat, lon, zoom })
  }

  placeAt(x, y) {
    return this.projection.place(this.camera, x, y, this.scale, this.size.height)
  }

  pointOf(place) {
    return this.projection.point(this.camera, place, this.scale, this.size.height)
  }

  holdAt(place, x, y) {
    this.setCamera(this.projection.hold(this.camera, place, x, y, this.scale))
  }

  turn(lat, lon) {
    this.setCamera({ lat: this.camera.lat + lat, lon: this.camera.lon + lon })
  }

  turnFrom(camera, dx, dy) {
    const perPixel = 1 / (RAD * this.scale)
    this.setCamera({ lat: camera.lat - dy * perPixel, lon: camera.lon - dx * perPixel })
  }

  zoomBy(factor, x, y) {
    const place = this.placeAt(x, y)
    this.setCamera({ zoom: this.camera.zoom * factor })
    if (place) this.holdAt(place, x, y)
  }

  home() {
    this.framing.goHome()
  }

  glide(velocity) {
    this.framing.flight = null
    this.velocity = this.calm.matches ? null : velocity
    this.touch()
  }

  // ------------------------------------------------------------ reading

  isSecondAt(x) {
    return !!this.shown.second && x + this.size.width / 2 > this.model.swipe * this.size.width
  }

  valueAt(place, x) {
    const { first, second, blocks } = this.shown
    const layer = this.isSecondAt(x) ? second : first
    return layer ? valueAt(layer, place.lat, place.lon, blocks) : null
  }

  // The value at a place in each of this view's panes, by name
  valuesOfPanes({ lat, lon }) {
    const { first, second, blocks } = this.shown
    const layers = [first, second]
    return Object.fromEntries(this.model.panes.map((name, index) => [name, layers[index] ? valueAt(layers[index], lat, lon, blocks) : null]))
  }

  // The pointer is here, null = elsewhere. The value there is sent again whenever the picture under it changes
  hover(offset) {
    this.pointed = offset
    const place = offset && this.placeAt(...offset)
    const value = place ? this.valueAt(place, offset[0]) : null
    const { group, id: origin, panes } = this.model
    const second = !!place && this.isSecondAt(offset[0])
    const pane = panes[second ? 1 : 0] ?? ""
    const values = Object.assign({}, ...[this, ...this.twins].map((view) => (place ? view.valuesOfPanes(place) : {})))
    const detail = { lat: place?.lat ?? null, lon: place?.lon ?? null, value, second, group, origin, pane, values }
    this.root.dispatchEvent(new CustomEvent("harmonia:hover", { detail, bubbles: true, composed: true }))
  }

  click(x, y) {
    const place = this.placeAt(x, y)
    if (!place) return
    this.hover([x, y])
    const serial = (this.model.clicked?.serial ?? 0) + 1
    this.model.clicked = { lat: place.lat, lon: place.lon, value: this.valueAt(place, x), serial }
  }

  // Radius of the brush in CSS pixels, in the middle of the view
  get brushRadius() {
    return this.pixelsOf(this.model.brush)
  }

  pixelsOf(km) {
    return (km / EARTH_KM) * this.scale
  }

  paint(points) {
    const serial = (this.model.stroke?.serial ?? 0) + 1
    this.model.stroke = { points, radius_km: this.model.brush, serial }
  }

  // ------------------------------------------------------------ drawing

  resize() {
    this.size = { width: this.root.clientWidth, height: this.root.clientHeight }
    this.measured = -Infinity
    if (this.size.width && this.size.height) this.framing.refit()
    this.deck.askSoon()
    this.touch()
  }

  // Draw soon, with as many pixels as the frame budget allows; at rest, draw at full resolution
  touch() {
    this.moving = true
    this.stale = true
    this.root.dataset.detail = "quick"
    this.request()
    this.after("rest", REST, () => {
      this.moving = false
      this.request()
    })
  }

  request() {
    this.pending ??= requestAnimationFrame((now) => this.frame(now))
  }

  frame(now) {
    this.pending = null
    const elapsed = Math.min(now - (this.last ?? now), 100)
    this.last = now
    const isSized = this.size.width && this.size.height
    if (isSized) this.framing.notice(this.shown.first)
    if (this.framing.flight) this.framing.advance(now)
    else if (this.velocity || this.spins) this.advance(elapsed)
    else this.last = null
    if (this.gpu && isSized) this.draw()
  }

  get spins() {
    return this.model.spin !== 0 && !this.calm.matches && this.input.pointers.size === 0
  }

  advance(elapsed) {
    const frames = elapsed / (1000 / 60)
    if (this.velocity) {
      this.turn(this.velocity.lat * frames, this.velocity.lon * frames)
      const slow = FRICTION ** frames
      this.velocity = { lat: this.velocity.lat * slow, lon: this.velocity.lon * slow }
      if (Math.hypot(this.velocity.lat, this.velocity.lon) * this.scale * RAD < 0.15) this.velocity = null
    } else {
      this.turn(0, (-this.model.spin * elapsed) / 1000)
    }
    this.request()
  }

  get fullRatio() {
    const { width, height } = this.size
    return Math.min(Math.max(devicePixelRatio, 1.5), 3, Math.sqrt(PIXELS_MAX / (width * height)))
  }

  draw() {
    const scene = this.shown
    const ratio = this.moving ? Math.max(0.75, this.fullRatio * this.moveShare) : this.fullRatio
    if (this.stale || ratio !== this.ratio) {
      const started = performance.now()
      const isChanged = this.stale
      this.ratio = ratio
      this.stale = false
      this.gpu.draw(scene, this.shot(ratio))
      this.overlay.place()
      this.handles.place()
      this.outlines.place()
      if (isChanged && this.pointed) this.hover(this.pointed)
      if (ratio === this.fullRatio && started - this.measured > 5000) this.measure(started)
    }
    const { dataset } = this.root
    const isNew = dataset.drawn !== String(scene.drawn)
    if (isNew) dataset.drawnAt = String(performance.now())
    const sharp = !this.moving && !scene.first?.half && !scene.second?.half
    Object.assign(dataset, { drawn: scene.drawn, key: scene.first?.key ?? "", detail: sharp ? "full" : "quick" })
    if (isNew) this.deck.tell()
  }

  // The time of a whole frame, from the call to the finished pixels; a fence reports its end without blocking
  measure(started) {
    const { gl } = this.gpu
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0)
    gl.flush()
    this.measured = started
    const check = () => {
      if (!this.gpu || this.gpu.gl !== gl || gl.isContextLost()) return
      const pending = gl.clientWaitSync(fence, 0, 0) === gl.TIMEOUT_EXPIRED
      if (pending) return this.after("fence", 4, check)
      gl.deleteSync(fence)
      this.moveShare = Math.min(1, Math.sqrt(FRAME_BUDGET / (performance.now() - started)))
    }
    this.after("fence", 4, check)
  }

  shot(ratio, dark = this.model.dark) {
    const { canvas, model, camera, projection, scale, shown } = this
    const width = Math.round(this.size.width * ratio), height = Math.round(this.size.height * ratio)
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height })
    const theme = dark ? "dark" : "light"
    const onGlobe = projection === PROJECTIONS.globe
    const perDegree = scale * RAD
    const lod = Math.log2((shown.coast?.width ?? 1) / 360 / (perDegree * ratio)) // how many texels a pixel spans
    const reach = (half, side) => (2 * (half * scale * ratio + 2)) / side
    const [across, up] = [reach(projection.half[0], width), reach(projection.half[1], height)]
    return {
      width, height,
      dark,
      halo: onGlobe && model.shading,
      sides: onGlobe ? 64 : 4,
      reach: onGlobe ? [across, up] : [Math.min(across, 1), Math.min(up, 1)],
      frame: frameAt(camera),
      centre: [camera.lon * RAD, projection.yCentre(camera, scale, this.size.height)],
      limb: model.shading ? LIMB[theme] : [1, 0],
      colors: shown.first ? COLORS[theme] : { ...COLORS[theme], uLandColor: BARE_LAND[theme] },
      uScale: scale * ratio,
      uRatio: ratio,
      uSwipe: model.swipe * width,
      uCoastLod: Math.max(lod, 0),
      uLines: 180 / graticuleStep(perDegree),
      features: {
        PROJECTION: projection.index,
        FIELD: kindOf(shown.first),
        SECOND: kindOf(shown.second),
        BLOCKS: shown.blocks,
        DOMAIN: !!shown.domain,
        DIMMED: shown.dimmed,
        HATCHED: !!shown.hatched,
        COAST: !!shown.coast,
        SMOOTH: lod < -0.5,
        COVERED: shown.first ? COVERED[model.covered] : COVERED.land,
        LINE: model.coast,
        GRATICULE: model.graticule,
      },
    }
  }
}
