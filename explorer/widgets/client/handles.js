// Handles on one view: places that the pointer or the arrow keys move. Each is a button, so that Tab reaches it.

const HANDLE_STYLE = `
  .hg .handles { position: absolute; inset: 0; pointer-events: none; overflow: hidden }
  .hg .handles .line { position: absolute; left: 50%; top: calc(50% - 1px); height: 2px; border-radius: 1px; background: #E2604F; transform-origin: 0 50% }
  .hg .handle { all: unset; position: absolute; left: 50%; top: 50%; width: 24px; height: 24px; margin: -12px 0 0 -12px; border-radius: 50%; pointer-events: auto; cursor: grab; touch-action: none }
  .hg .handle::before { content: ""; position: absolute; inset: 6px; border-radius: 50%; background: #3FD0B6; border: 1.5px solid #06231E; box-sizing: border-box; box-shadow: 0 0 0 1px rgba(255, 255, 255, .55) }
  .hg .handle[aria-pressed=true]::before { inset: 3px; box-shadow: 0 0 0 2.5px #fff }
  .hg .handle:focus-visible { outline: 2px solid var(--mui-palette-primary-main, #3FD0B6); outline-offset: 1px }
  .hg .handle:active { cursor: grabbing }`

const HANDLE_WAIT = 400 // ms after which the next place is sent although the last one has not been drawn

class Handles {
  constructor(view) {
    this.view = view
    this.layer = element("div", { className: "handles" })
    this.held = new Map() // id → { button, line, place, to }
    this.layer.append(styleSheet(HANDLE_STYLE))
    view.root.append(this.layer)
  }

  // An element is kept as long as its id exists: it may be dragged or have the focus
  set(handles) {
    const kept = new Set(handles.map(({ id }) => id))
    for (const [id, { button, line }] of this.held) {
      if (kept.has(id)) continue
      button.remove()
      line.remove()
      this.held.delete(id)
    }
    for (const { id, lat, lon, label, pressed = false, to = null } of handles) {
      const handle = this.held.get(id) ?? this.make(id)
      if (this.dragged !== id) handle.place = { lat, lon }
      handle.to = to
      handle.button.setAttribute("aria-label", label)
      handle.button.setAttribute("aria-pressed", pressed)
    }
    this.place()
  }

  make(id) {
    const button = element("button", { className: "handle", type: "button" })
    const line = element("div", { className: "line" })
    const handle = { button, line, place: null, to: null, label: "", color: "#3FD0B6" } // as savePng draws pins
    button.addEventListener("pointerdown", (event) => this.down(id, event))
    button.addEventListener("pointermove", (event) => this.move(id, event))
    // a handle that appears under a resting pointer takes it from the canvas, which then gets pointerleave
    button.addEventListener("pointerenter", (event) => this.view.hover(this.view.input.offset(event)))
    button.addEventListener("pointerup", () => this.up(id))
    button.addEventListener("pointercancel", () => this.up(id))
    button.addEventListener("keydown", (event) => this.key(id, event))
    this.held.set(id, handle)
    this.layer.append(line, button)
    return handle
  }

  place() {
    const { view } = this
    for (const { button, line, place, to } of this.held.values()) {
      view.overlay.placeAt(button, place)
      const from = view.pointOf(place), end = to && view.pointOf(to)
      const length = end ? Math.hypot(end.x - from.x, end.y - from.y) : 0
      line.hidden = !length || !from.visible || !end.visible || length > view.size.width / 2 // over a flat map's edge
      if (line.hidden) continue
      line.style.width = `${length}px`
      line.style.transform = `translate(${from.x}px, ${-from.y}px) rotate(${Math.atan2(from.y - end.y, end.x - from.x)}rad)`
    }
    if (this.busy && view.scene.drawn !== this.sentAt) this.rest()
  }

  // ------------------------------------------------------------ pointer and keys

  down(id, event) {
    if (event.button !== 0) return
    this.held.get(id).button.setPointerCapture(event.pointerId)
    this.view.glide(null)
    this.dragged = id
    this.wandered = 0
    this.last = this.view.input.offset(event)
  }

  move(id, event) {
    const at = this.view.input.offset(event)
    this.view.hover(at)
    if (this.dragged !== id) return
    this.wandered += Math.hypot(at[0] - this.last[0], at[1] - this.last[1])
    this.last = at
    const place = this.view.placeAt(...at)
    if (this.wandered < CLICK_SLOP || !place) return
    this.put(id, place, "move")
  }

  up(id) {
    if (this.dragged !== id) return
    this.dragged = null
    this.waiting = null
    this.say(id, this.wandered < CLICK_SLOP ? "pick" : "drop")
  }

  key(id, event) {
    const { place } = this.held.get(id)
    const step = 2 / this.view.camera.zoom
    const moves = { ArrowLeft: [0, -step], ArrowRight: [0, step], ArrowUp: [step, 0], ArrowDown: [-step, 0] }
    if (event.key in moves) {
      const [north, east] = moves[event.key]
      this.put(id, { lat: clamp(place.lat + north, -90, 90), lon: wrapLon(place.lon + east) }, "drop")
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.say(id, "delete")
    } else if (event.key === "Enter" || event.key === " ") {
      this.say(id, "pick")
    } else return
    event.preventDefault()
  }

  put(id, place, action) {
    Object.assign(this.held.get(id), { place, to: null }) // the line started at its previous place
    this.waiting = { id, action }
    this.place()
    if (this.waiting && (action === "drop" || !this.busy)) this.send()
  }

  // The next place is sent once the last one has been drawn: a slow server gets fewer places, not a queue of them
  send() {
    const { id, action } = this.waiting
    this.waiting = null
    this.busy = true
    this.sentAt = this.view.scene.drawn
    this.say(id, action)
    this.view.after("handles", HANDLE_WAIT, () => this.rest())
  }

  rest() {
    this.busy = false
    if (this.waiting) this.send()
  }

  say(id, action) {
    const { lat, lon } = this.held.get(id).place
    const serial = (this.view.model.moved?.serial ?? 0) + 1
    this.view.model.moved = { id, action, lat, lon, serial }
  }
}
