// The view that shows all of regional data, and how a view comes there. Angles in degrees.

const FRAME_SHARE = 0.86 // of the view's width and height, for the extent of the data
const FLIGHT_MS = 700
const FULL_CIRCLE = 350, MOST_LATITUDES = 120 // data that reach this far are shown as a whole sphere
const EDGE_POINTS = 24 // along each edge of an extent

// Edge to edge: south, north, west and width eastwards; null where the data cover most of the sphere
function extentOf({ lat0, dlat, lon0, dlon, height, width }) {
  const [south, north] = [lat0 - dlat / 2, lat0 + (height - 0.5) * dlat].map((lat) => clamp(lat, -90, 90)).sort((one, other) => one - other)
  const across = Math.min(Math.abs(dlon) * width, 360)
  if (across > FULL_CIRCLE && north - south > MOST_LATITUDES) return null
  return { south, north, west: wrapLon(dlon > 0 ? lon0 - dlon / 2 : lon0 + (width - 0.5) * dlon), width: across }
}

// A text that is the same for equal extents
const extentKey = (extent) => (extent ? Object.values(extent).map((value) => value.toFixed(3)).join() : "")

// Places along the edges of an extent
function outlineOf({ south, north, west, width }) {
  const places = []
  for (let k = 0; k <= EDGE_POINTS; k++) {
    const share = k / EDGE_POINTS
    const lat = south + share * (north - south), lon = wrapLon(west + share * width)
    places.push({ lat: south, lon }, { lat: north, lon }, { lat, lon: wrapLon(west) }, { lat, lon: wrapLon(west + width) })
  }
  return places
}

// The camera that fits an extent into a view of this size; `lon` stays in the middle where the extent is a full circle
function framing(projection, extent, { width, height }, lon) {
  const middle = (extent.south + extent.north) / 2, isGlobe = projection === PROJECTIONS.globe
  if (extent.width < FULL_CIRCLE) lon = wrapLon(extent.west + extent.width / 2)
  const places = outlineOf(extent)
  const fit = projection.fit(width, height)
  const boundsAt = (lat) => {
    const points = places.map((place) => projection.point({ lat, lon }, place, 1, 0))
    const ups = points.map(({ y }) => y)
    return {
      across: Math.max(...points.map(({ x }) => Math.abs(x))),
      low: Math.min(...ups), high: Math.max(...ups),
      seen: !isGlobe || points.every(({ visible }) => visible),
    }
  }
  const cameraAt = (first) => {
    let lat = first, bounds = boundsAt(lat)
    for (let k = 0; k < 4 && Math.abs(first) < 90; k++) {
      lat = projection.place({ lat, lon }, 0, clamp((bounds.low + bounds.high) / 2, -0.99, 0.99), 1, 0).lat
      bounds = boundsAt(lat)
    }
    const up = Math.max(Math.abs(bounds.low), Math.abs(bounds.high))
    const scale = Math.min((FRAME_SHARE * width) / 2 / bounds.across, (FRAME_SHARE * height) / 2 / up)
    return { lat, lon, zoom: bounds.seen ? clamp(scale / fit, 1, ZOOM_MAX) : 1 }
  }
  const cameras = (isGlobe ? [middle, middle < 0 ? -90 : 90] : [middle]).map(cameraAt)
  return cameras.reduce((best, camera) => (camera.zoom > best.zoom ? camera : best))
}

// Flights of one view: to the extent of the data when another is drawn, and home
class Framing {
  constructor(view) {
    this.view = view
    this.extent = null
    this.key = "" // of the extent
    this.framed = null // the camera that shows the extent
    this.flight = null
  }

  get home() {
    const { projection, size, camera } = this.view
    return framing(projection, this.extent, size, camera.lon)
  }

  get isFramed() {
    const { camera } = this.view
    return !!this.framed && ["lat", "lon", "zoom"].every((name) => Math.abs(camera[name] - this.framed[name]) < 1e-3)
  }

  // Data of another extent are drawn: go there, unless an address has chosen the view
  notice(layer) {
    if (!layer) return
    const { view } = this
    const extent = extentOf(layer.grid), key = extentKey(extent)
    if (key === this.key) return
    Object.assign(this, { extent, key, framed: null })
    const twin = view.twins.find(({ framing }) => framing.key === key)
    if (twin) {
      this.framed = twin.framing.framed
      view.camera = { ...twin.camera }
      view.touch()
    } else if (view.model.fly) {
      this.flyTo(extent ? this.home : view.start)
    }
  }

  // The extent; from there, and where the data cover the sphere, the first view
  goHome() {
    const { view } = this
    if (!this.extent) this.flyTo(view.start)
    else this.flyTo(this.isFramed ? { ...view.camera, zoom: 1 } : this.home)
  }

  // The view has another size or projection: what was framed stays so
  refit() {
    if (this.extent && this.framed) this.arrive(this.home)
  }

  flyTo(target) {
    const { view } = this
    view.glide(null)
    if (view.calm.matches) return this.arrive(target)
    this.flight = { from: { ...view.camera }, target, started: null }
    view.touch()
  }

  advance(now) {
    const { flight, view } = this
    flight.started ??= now
    const share = (now - flight.started) / FLIGHT_MS
    if (share >= 1) return this.arrive(flight.target)
    const eased = share * share * (3 - 2 * share)
    const { from, target } = flight
    view.setCamera({
      lat: from.lat + eased * (target.lat - from.lat),
      lon: wrapLon(from.lon + eased * wrapLon(target.lon - from.lon)),
      zoom: from.zoom * (target.zoom / from.zoom) ** eased,
    })
    this.flight = flight // the view's camera was set: by this flight
  }

  arrive(target) {
    const { view } = this
    this.flight = null
    view.setCamera(target)
    const isHome = !!this.extent && target.zoom > 1
    for (const { framing, camera } of [view, ...view.twins]) framing.framed = isHome ? { ...camera } : null
    if (this.extent) this.putDividerOnExtent()
  }

  putDividerOnExtent() {
    const { view } = this
    const across = outlineOf(this.extent).map((place) => view.pointOf(place)).filter(({ visible }) => visible).map(({ x }) => x)
    const at = (view.model.swipe - 0.5) * view.size.width
    if (at <= Math.min(...across) || at >= Math.max(...across)) view.model.swipe = 0.5
  }
}
