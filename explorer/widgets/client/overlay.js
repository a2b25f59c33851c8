// The DOM over the canvas: markers, the position of another view's pointer, the divider between two fields, a message.

const STYLE = `
  .hg { position: relative; isolation: isolate; width: 100%; height: 100%; min-height: 0; overflow: hidden; font: 500 calc(12px * var(--h-zoom, 1))/1.2 Inter, system-ui, sans-serif }
  .hg canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; cursor: grab; touch-action: none; outline: none; border-radius: 8px }
  .hg canvas:active { cursor: grabbing }
  .hg canvas:focus-visible { box-shadow: inset 0 0 0 2px var(--mui-palette-primary-main, #3FD0B6) }
  .hg .layer { position: absolute; inset: 0; pointer-events: none; overflow: hidden }
  .hg .echo, .hg .pin { position: absolute; left: 50%; top: 50%; width: 0; height: 0 }
  .hg .pin { z-index: 1 }
  .hg .echo::before { content: ""; position: absolute; left: -8px; top: -8px; width: 12px; height: 12px; border: 2px solid #fff; border-radius: 50%; box-shadow: 0 0 0 1px rgba(11,14,20,.7), inset 0 0 0 1px rgba(11,14,20,.5) }
  .hg .pin svg { position: absolute; left: -11px; top: -28px; width: 22px; height: 30px; filter: drop-shadow(0 1px 2px rgba(0,0,0,.5)) }
  .hg .pin.under svg { top: -2px; rotate: 180deg }
  .hg .pin.under span { top: 6px }
  .hg .pin span { position: absolute; left: 13px; top: -28px; padding: 3px 7px; border-radius: 6px; white-space: nowrap; color: #E8EBF1; background: rgba(17,21,29,.82) }
  .hg .pin.before span { left: auto; right: 13px }
  .hg[data-theme=light] .pin span { color: #151A23; background: rgba(255,255,255,.9); box-shadow: 0 0 0 1px #E1E5EA }
  .hg .degrees { position: absolute; left: 50%; top: 50%; margin: 0; font: 500 10px/13px Inter, system-ui, sans-serif; font-variant-numeric: tabular-nums; white-space: nowrap; color: var(--mui-palette-text-secondary, #9DA7B8); paint-order: stroke; -webkit-text-stroke: 2.5px color-mix(in srgb, var(--mui-palette-background-default, #0B0E14) 72%, transparent); translate: -50% -50% }
  .hg .dab { position: absolute; left: 50%; top: 50%; border-radius: 50%; translate: -50% -50%; background: rgba(222,228,238,.5); box-shadow: 0 0 0 1px rgba(11,14,20,.35) }
  .hg[data-brush] canvas { cursor: crosshair }
  .hg .divider { position: absolute; top: 0; bottom: 0; width: 24px; margin-left: -12px; cursor: ew-resize; touch-action: none; outline: none }
  .hg .divider::before { content: ""; position: absolute; left: 11px; top: 0; bottom: 0; width: 2px; background: #fff; box-shadow: 0 0 0 1px rgba(11,14,20,.45) }
  .hg .divider::after { content: "‹ ›"; position: absolute; left: -2px; top: 50%; width: 28px; height: 28px; margin-top: -14px; border-radius: 50%; background: #fff; color: #151A23; font-weight: 700; line-height: 27px; text-align: center; box-shadow: 0 1px 4px rgba(0,0,0,.45) }
  .hg .divider:focus-visible::after { box-shadow: 0 0 0 3px var(--mui-palette-primary-main, #3FD0B6) }
  .hg .say { position: absolute; inset: 0; display: grid; place-content: center; margin: 0; padding: 24px; text-align: center; font-size: 13px; line-height: 1.5; color: var(--mui-palette-text-secondary, #768296) }
  .hg .note { position: absolute; top: 12px; left: 50%; translate: -50% 0; max-width: 80%; margin: 0; padding: 6px 12px; border-radius: 8px; line-height: 1.4; text-align: center; text-wrap: balance; color: var(--h-text, #E8EBF1); background: var(--h-raised, #181D27); box-shadow: 0 1px 6px rgba(0,0,0,.3) }
  .hg [hidden] { display: none }`

const PIN_HEIGHT = 30
const PIN_SIDE = 13 // from its tip to its label
const PIN = `<svg viewBox="0 0 22 30" aria-hidden="true"><path d="M11 29C11 29 2 17.5 2 11a9 9 0 0 1 18 0c0 6.500-9 18-9 18z" fill="currentColor" stroke="#0B0E14" stroke-width="1.500"/><circle cx="11" cy="11" r="3.500" fill="#0B0E14"/></svg>`

class Overlay {
  constructor(view) {
    this.view = view
    this.canvas = element("canvas", { role: "application", tabindex: "0", "aria-roledescription": "globe" })
    this.layer = element("div", { className: "layer" })
    this.ring = element("div", { className: "echo" })
    this.ring.hidden = true
    this.divider = element("div", { className: "divider", role: "slider", tabindex: "0", "aria-label": "Divider between the two fields", "aria-valuemin": "0", "aria-valuemax": "100" })
    this.sentence = element("p", { className: "say" })
    this.message = element("p", { className: "note", role: "status" })
    this.message.hidden = true
    this.pins = []
    this.dabs = []
    this.degrees = [] // labels of the graticule, hidden while not needed
    this.layer.append(this.ring)
    view.root.append(this.canvas, this.layer, this.divider, this.sentence, this.message)
    this.listen()
  }

  listen() {
    const { divider, view } = this
    divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId))
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return
      const box = view.root.getBoundingClientRect()
      view.model.swipe = clamp((event.clientX - box.left) / box.width, 0, 1)
    })
    divider.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key]
      if (step) view.model.swipe = clamp(view.model.swipe + step, 0, 1)
    })
  }

  say(sentence) {
    this.sentence.textContent = sentence
    this.sentence.hidden = !sentence
  }

  // What the map lacks, over it
  note(sentence) {
    setText(this.message, sentence)
    this.message.hidden = !sentence
  }

  dress() {
    const { model, root } = this.view
    root.dataset.theme = model.dark ? "dark" : "light"
    root.toggleAttribute("data-brush", model.painting)
    this.canvas.setAttribute("aria-label", model.label)
  }

  // The pointer is over this place in another view of the group
  echo({ lat, lon, group, origin }) {
    const { model } = this.view
    const here = group !== "" && group === model.group && origin !== model.id && lat !== null
    this.echoed = here ? { lat, lon } : null
    this.placeAt(this.ring, this.echoed)
  }

  setMarkers(markers) {
    this.pins.forEach(({ pin }) => pin.remove())
    this.pins = markers.map(({ lat, lon, label = "", color = "#3FD0B6" }) => {
      const pin = element("div", { className: "pin" })
      pin.innerHTML = PIN
      pin.style.color = color
      if (label) pin.append(Object.assign(element("span", ""), { textContent: label }))
      this.layer.append(pin)
      return { pin, label, color, place: { lat, lon } }
    })
    this.place()
  }

  // The strokes of the brush, until the field computed from them is drawn
  dab(place) {
    const mark = element("div", { className: "dab" })
    this.dabs.push({ mark, place, km: this.view.model.brush })
    this.layer.append(mark)
    this.placeDabs()
  }

  clearDabs() {
    this.dabs.forEach(({ mark }) => mark.remove())
    this.dabs = []
  }

  placeDabs() {
    for (const { mark, place, km } of this.dabs) {
      mark.style.width = mark.style.height = `${2 * this.view.pixelsOf(km)}px`
      this.placeAt(mark, place)
    }
  }

  placeDegrees() {
    const labels = graticuleLabels(this.view)
    while (this.degrees.length < labels.length) {
      const mark = element("span", { className: "degrees", "aria-hidden": "true" })
      this.degrees.push(mark)
      this.layer.prepend(mark)
    }
    this.degrees.forEach((mark, index) => {
      const label = labels[index]
      mark.hidden = !label
      if (!label) return
      setText(mark, label.text)
      mark.style.transform = `translate(${label.x}px, ${-label.y}px)`
    })
  }

  place() {
    const { width, height } = this.view.size
    this.placeDegrees()
    for (const mark of this.pins) {
      const point = this.placeAt(mark.pin, mark.place)
      if (!point?.visible) continue
      mark.reach ||= mark.label ? mark.pin.lastChild.offsetWidth : 0 // measured once: each measurement forces a layout
      // at the lower or right edge the label is put on the other side
      mark.pin.classList.toggle("under", point.y + PIN_HEIGHT > height / 2)
      mark.pin.classList.toggle("before", point.x + PIN_SIDE + mark.reach > width / 2)
    }
    this.placeAt(this.ring, this.echoed)
    this.placeDabs()
    const { model, shown } = this.view
    this.divider.hidden = !shown.second
    this.divider.style.left = `${100 * model.swipe}%`
    this.divider.setAttribute("aria-valuenow", Math.round(100 * model.swipe))
  }

  placeAt(mark, place) {
    const point = place && this.view.pointOf(place)
    mark.hidden = !point || !point.visible
    if (point) mark.style.transform = `translate(${point.x}px, ${-point.y}px)`
    return point
  }
}
