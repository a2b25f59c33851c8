// The names of meridians and parallels at the edge of the map, in CSS pixels from the middle of the view, y up.

const GRATICULE_STEPS = [30, 10, 5, 1, 0.5, 0.1]
const MOST_APART = 320 // CSS pixels between two lines
const WALK = 14 // CSS pixels between the points of the edge that are looked at
const LABEL = { size: 10, height: 13, letter: 5.6, room: 5 } // CSS pixels
const SMALLEST_LABELLED = [120, 220] // CSS pixels, height or width of a view: of a region, and of the whole sphere
const NEAR_EQUATOR = 12 // degrees: the globe's middle; seen from there all meridians meet the edge at the poles

const graticuleStep = (perDegree) => GRATICULE_STEPS.find((degrees) => degrees * perDegree < MOST_APART) ?? GRATICULE_STEPS.at(-1)

function degreesText(value, [positive, negative]) {
  const size = Number(Math.abs(value).toFixed(1))
  return size === 0 || (size === 180 && positive === "E") ? `${size}°` : `${size}° ${value < 0 ? negative : positive}`
}

// Where a value that changes along a line of {x, y, value} passes a multiple of the step; `turn` closes a circle
function crossings(line, step, turn) {
  const at = []
  for (let k = 1; k < line.length; k++) {
    const from = line[k - 1], to = line[k]
    if (!from || !to) continue
    const change = turn ? wrapLon(to.value - from.value) : to.value - from.value
    if (Math.abs(change) > 3 * step) continue // the lines are too close to each other here
    const low = Math.min(from.value, from.value + change), high = Math.max(from.value, from.value + change)
    for (let n = Math.ceil(low / step - 1e-9); n * step < high - 1e-9; n++) {
      const share = (n * step - from.value) / change
      const value = turn ? wrapLon(n * step) : n * step
      at.push({ x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y), value: value === -180 ? 180 : value })
    }
  }
  return at
}

// The left edge of the map from below, and its lower edge from the left; null where there is no map
function edgesOf(view) {
  const { width, height } = view.size
  const { scale, projection } = view
  const isGlobe = projection === PROJECTIONS.globe
  const along = (from, to) => Array.from({ length: Math.ceil((to - from) / WALK) + 1 }, (_, k) => Math.min(from + k * WALK, to))
  const halfAt = (y) => (isGlobe ? Math.sqrt(Math.max(scale * scale - y * y, 0)) : projection.halfWidthAt(view.camera, y, scale, height))
  const floor = isGlobe ? 0 : -(projection.half[1] * scale) - projection.yCentre(view.camera, scale, height) * scale
  const floorAt = (x) => (isGlobe ? -Math.sqrt(Math.max(scale * scale - x * x, 0)) : floor)
  const read = (x, y, name) => {
    const inside = 1 - 1e-6
    const place = view.placeAt(x * inside, y * inside)
    return place && { x, y, value: place[name] }
  }
  const reach = Math.min(width / 2, scale * projection.half[0]), top = Math.min(height / 2, scale * projection.half[1])
  const up = isGlobe ? top : height / 2
  return {
    left: along(-up, up).map((y) => read(Math.max(-width / 2, -halfAt(y)), y, "lat")),
    bottom: along(-reach, reach).map((x) => read(x, Math.max(-height / 2, floorAt(x)), "lon")),
  }
}

// Where a label goes: outside a disc as far as the view reaches, inside a frame; null where a corner leaves no room
function placed({ x, y, value }, name, view, isBottom) {
  const { width, height } = view.size
  const text = degreesText(value, name === "lat" ? "NS" : "EW")
  const half = { x: (text.length * LABEL.letter) / 2 + LABEL.room, y: LABEL.height / 2 + 1 }
  const isLimb = view.projection === PROJECTIONS.globe && Math.hypot(x, y) > 0.99 * view.scale
  const sign = isLimb ? 1 : -1
  const far = Math.hypot(x, y) || 1
  const away = isLimb ? [x / far, y / far] : isBottom ? [0, -1] : [-1, 0]
  const centre = [x + sign * away[0] * half.x, y + sign * away[1] * half.y]
  const label = {
    text, half,
    x: clamp(centre[0], half.x - width / 2, width / 2 - half.x),
    y: clamp(centre[1], half.y - height / 2, height / 2 - half.y),
  }
  const moved = isBottom ? label.x - centre[0] : label.y - centre[1]
  return isLimb || Math.abs(moved) < 1 ? label : null
}

const overlaps = (one, other) => Math.abs(one.x - other.x) < one.half.x + other.half.x && Math.abs(one.y - other.y) < one.half.y + other.half.y

// {text, x, y} of all labels, none over another
function graticuleLabels(view) {
  const { width, height } = view.size
  const smallest = SMALLEST_LABELLED[view.framing.extent ? 0 : 1]
  if (!view.model.graticule || Math.min(width, height) < smallest) return []
  const step = graticuleStep(view.scale * RAD)
  const { left, bottom } = edgesOf(view)
  const wanted = crossings(left, step, false).filter(({ value }) => Math.abs(value) < 90).map((at) => placed(at, "lat", view, false))
  const isFromEquator = view.projection === PROJECTIONS.globe && view.scale < Math.min(width, height) / 2 && Math.abs(view.camera.lat) < NEAR_EQUATOR
  if (isFromEquator) {
    for (let lon = -180 + step; lon <= 180; lon += step) {
      const { x, y, visible } = view.pointOf({ lat: 0, lon })
      if (visible && Math.abs(x) < 0.9 * view.scale) wanted.push(placed({ x, y: y - 2, value: lon }, "lon", view, true))
    }
  } else {
    wanted.push(...crossings(bottom, step, true).map((at) => placed(at, "lon", view, true)))
  }
  const kept = []
  for (const label of wanted) if (label && !kept.some((other) => overlaps(label, other))) kept.push(label)
  return kept
}
