// Where on the screen a place lies, and back. Angles in degrees, screen offsets in CSS pixels from the middle, y up.

const RAD = Math.PI / 180
const ZOOM_MAX = 200 // globe.py and page_model.py limit it too
const EQUAL_EARTH = { a1: 1.340264, a2: -0.081106, a3: 0.000893, a4: 0.003796, halfWidth: 2.706629, halfHeight: 1.317362 }

const clamp = (x, low, high) => Math.min(Math.max(x, low), high)
const wrapLon = (lon) => lon - 360 * Math.floor((lon + 180) / 360)

// y of a latitude, and x per radian of longitude there (Šavrič, Patterson and Jenny 2018)
function equalEarthRow(lat) {
  const { a1, a2, a3, a4 } = EQUAL_EARTH
  const t = Math.asin((Math.sqrt(3) / 2) * Math.sin(lat * RAD))
  const t2 = t * t, t6 = t2 ** 3
  const slope = a1 + 3 * a2 * t2 + t6 * (7 * a3 + 9 * a4 * t2)
  return { y: t * (a1 + a2 * t2 + t6 * (a3 + a4 * t2)), perRadian: (2 * Math.cos(t)) / (Math.sqrt(3) * slope) }
}

function equalEarthLat(y) {
  let low = -90, high = 90 // y grows with latitude: bisection needs no starting value and cannot fail
  for (let k = 0; k < 60; k++) {
    const middle = (low + high) / 2
    if (equalEarthRow(middle).y < y) low = middle
    else high = middle
  }
  return (low + high) / 2
}

const globe = {
  index: 0,
  fit: (width, height) => 0.455 * Math.min(width, height),
  limit: (camera) => ({ lat: clamp(camera.lat, -90, 90), lon: wrapLon(camera.lon) }),
  half: [1, 1],
  yCentre: () => 0,
  place(camera, x, y, scale) {
    const px = x / scale, py = y / scale
    const r2 = px * px + py * py
    if (r2 > 1) return null
    const pz = Math.sqrt(1 - r2)
    const s = Math.sin(camera.lat * RAD), c = Math.cos(camera.lat * RAD)
    const z = py * c + pz * s
    const away = pz * c - py * s
    return { lat: Math.atan2(z, Math.hypot(px, away)) / RAD, lon: wrapLon(camera.lon + Math.atan2(px, away) / RAD) }
  },
  point(camera, { lat, lon }, scale) {
    const s = Math.sin(camera.lat * RAD), c = Math.cos(camera.lat * RAD)
    const turn = (lon - camera.lon) * RAD
    const sp = Math.sin(lat * RAD), cp = Math.cos(lat * RAD)
    const visible = s * sp + c * cp * Math.cos(turn) > 0
    return { x: scale * cp * Math.sin(turn), y: scale * (c * sp - s * cp * Math.cos(turn)), visible }
  },
  // The camera that shows `place` at (x, y), north up: sin Δ = x / cos φ, then the latitude by one rotation
  hold(camera, place, x, y, scale) {
    const r = Math.hypot(x, y) / scale
    const px = x / scale / Math.max(1, r / 0.995), py = y / scale / Math.max(1, r / 0.995)
    const pz = Math.sqrt(Math.max(0, 1 - px * px - py * py))
    const cosLat = Math.max(Math.cos(place.lat * RAD), 1e-6)
    let turn = Math.asin(clamp(px / cosLat, -1, 1))
    if (Math.cos((place.lon - camera.lon) * RAD) < 0) turn = Math.PI - turn // the point lies beyond the pole
    const up = Math.atan2(Math.sin(place.lat * RAD), cosLat * Math.cos(turn)) - Math.atan2(py, pz)
    return { lat: clamp(up / RAD, -90, 90), lon: wrapLon(place.lon - turn / RAD) }
  },
}

// Both flat maps put the central meridian in the middle; latitude moves only as far as the map is taller than the view.
function flat(index, halfWidth, halfHeight, rowAt, latAt) {
  const slack = (scale, height) => Math.max(0, halfHeight - height / 2 / scale)
  const yCentre = (camera, scale, height) => clamp(rowAt(camera.lat).y, -slack(scale, height), slack(scale, height))
  return {
    index,
    half: [halfWidth, halfHeight],
    yCentre,
    halfWidthAt: (camera, y, scale, height) => {
      const row = y / scale + yCentre(camera, scale, height)
      return Math.abs(row) > halfHeight ? 0 : Math.PI * scale * rowAt(latAt(row)).perRadian
    },
    fit: (width, height) => Math.min(width / 2 / halfWidth, height / 2 / halfHeight) * 0.985,
    limit: (camera, scale, height) => ({ lat: latAt(yCentre(camera, scale, height)), lon: wrapLon(camera.lon) }),
    place(camera, x, y, scale, height) {
      const row = y / scale + yCentre(camera, scale, height)
      if (Math.abs(row) > halfHeight) return null
      const lat = latAt(row)
      const turn = x / scale / rowAt(lat).perRadian
      return Math.abs(turn) > Math.PI ? null : { lat, lon: wrapLon(camera.lon + turn / RAD) }
    },
    point(camera, { lat, lon }, scale, height) {
      const { y, perRadian } = rowAt(lat)
      const up = scale * (y - yCentre(camera, scale, height))
      return { x: scale * perRadian * wrapLon(lon - camera.lon) * RAD, y: up, visible: Math.abs(up) <= height / 2 }
    },
    hold(camera, place, x, y, scale) {
      const { y: row, perRadian } = rowAt(place.lat)
      return { lat: latAt(clamp(row - y / scale, -halfHeight, halfHeight)), lon: wrapLon(place.lon - x / scale / perRadian / RAD) }
    },
  }
}

const PROJECTIONS = {
  globe,
  equal_earth: flat(1, EQUAL_EARTH.halfWidth, EQUAL_EARTH.halfHeight, equalEarthRow, equalEarthLat),
  plate_carree: flat(2, Math.PI, Math.PI / 2, (lat) => ({ y: lat * RAD, perRadian: 1 }), (y) => y / RAD),
}

// East, north and outward at the centre, column by column, as the shader's mat3
function frameAt({ lat, lon }) {
  const s = Math.sin(lat * RAD), c = Math.cos(lat * RAD), sl = Math.sin(lon * RAD), cl = Math.cos(lon * RAD)
  return [-sl, cl, 0, -s * cl, -s * sl, c, c * cl, c * sl, s]
}
