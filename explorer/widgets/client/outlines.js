// Outlines of boxes on the map: lines of constant latitude and longitude, behind which nothing is hidden.

const OUTLINE_STYLE = `
  .hg .outlines { position: absolute; left: 50%; top: 50%; width: 1px; height: 1px; overflow: visible; pointer-events: none }
  .hg .outlines path { fill: none; stroke: #3FD0B6; stroke-width: 1.5; vector-effect: non-scaling-stroke }
  .hg .outlines path.halo { stroke: #06231E; stroke-width: 3.5; opacity: .55 }`
const OUTLINE_STEP = 3 // degrees between the points of an edge, at most

class Outlines {
  constructor(view) {
    this.view = view
    this.lines = []
    const template = document.createElement("template")
    template.innerHTML = '<svg class="outlines"><path class="halo"/><path class="line"/></svg>'
    this.root = template.content.firstChild
    this.paths = [...this.root.children]
    view.root.append(styleSheet(OUTLINE_STYLE), this.root)
  }

  // Boxes [south, north, west, width], degrees
  set(boxes) {
    this.lines = boxes.flatMap(([south, north, west, width]) => {
      const along = (count, at) => Array.from({ length: count + 1 }, (_, k) => at(k / count))
      const across = Math.max(1, Math.ceil(width / OUTLINE_STEP)), up = Math.max(1, Math.ceil((north - south) / OUTLINE_STEP))
      const parallel = (lat) => along(across, (share) => ({ lat, lon: wrapLon(west + share * width) }))
      const meridian = (lon) => along(up, (share) => ({ lat: south + share * (north - south), lon: wrapLon(lon) }))
      const closes = width >= 359.999 ? [] : [meridian(west), meridian(west + width)]
      return [parallel(south), parallel(north), ...closes]
    })
    this.place()
  }

  place() {
    const { view } = this
    const parts = []
    for (const line of this.lines) {
      let last = null
      for (const at of line) {
        const point = view.pointOf(at)
        const isSeen = point && point.visible
        // a jump across the view is the seam of a flat map
        const isNext = last && isSeen && Math.hypot(point.x - last.x, point.y - last.y) < view.size.width / 2
        if (isSeen) parts.push(`${isNext ? "L" : "M"}${point.x.toFixed(1)} ${(-point.y).toFixed(1)}`)
        last = isSeen ? point : null
      }
    }
    const shape = parts.join("")
    for (const path of this.paths) path.setAttribute("d", shape)
  }
}
