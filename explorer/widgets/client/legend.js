// The control that opens on a legend: where the ends of the scale come from, the palette, its direction.

const LEGEND_STYLE = `
  .hr.legend { position: relative }
  .hr .open { all: unset; box-sizing: border-box; width: 100%; display: block; cursor: pointer; border-radius: 6px; padding: 2px 4px; margin: -2px -4px }
  .hr .open:hover { background: var(--h-hover, rgba(128,140,160,.12)) }
  .hr .open:focus-visible { outline: 2px solid var(--mui-palette-primary-main, #3FD0B6); outline-offset: 1px }
  .hr .open:disabled { cursor: default; background: none }
  .hr .open:not(:disabled) .units::after { content: " ▾"; color: var(--mui-palette-text-secondary) }
  .hr .units b { font-weight: 560; color: var(--mui-palette-text-primary) }
  .colours { box-sizing: border-box; width: 272px; margin: 0; padding: 14px 16px 16px; border-radius: 10px; border: 1px solid var(--h-divider, #232936);
    background: var(--h-raised, #181D27); color: var(--h-text, #E8EBF1); box-shadow: 0 12px 32px rgba(0,0,0,.35); font: 450 13px/1.4 Inter, system-ui, sans-serif }
  .colours fieldset { border: 0; margin: 0 0 12px; padding: 0; min-width: 0 }
  .colours legend { padding: 0; margin-bottom: 6px; font-weight: 600 }
  .colours label { display: flex; align-items: center; gap: 8px; min-height: 26px; cursor: pointer }
  .colours input { accent-color: var(--h-accent, #3FD0B6); margin: 0 }
  .colours .ends { display: grid; grid-template-columns: 1fr auto 1fr; gap: 8px; align-items: center; margin-left: 24px }
  .colours .ends input { box-sizing: border-box; width: 100%; height: 28px; padding: 0 8px; border-radius: 6px; border: 1px solid var(--h-outline, #66728A); background: transparent; color: inherit; font: inherit; font-variant-numeric: tabular-nums }
  .colours .ends input[aria-invalid=true] { border-color: var(--h-error, #F2766D) }
  .colours canvas { flex: 1; height: 12px; border-radius: 4px; min-width: 0 }
  .colours .name { width: 62px }
  .colours p { margin: 4px 0 0 24px; font-size: 12px; color: var(--h-error, #F2766D); text-wrap: pretty }
  .colours p:empty { display: none }
  .colours :focus-visible { outline: 2px solid var(--h-accent, #3FD0B6); outline-offset: 1px }
  .colours button { all: unset; cursor: pointer; color: var(--h-accent, #3FD0B6); font-weight: 600; font-size: 12px; border-radius: 4px }`

const NOT_A_RANGE = "Two numbers, the lower one first."
const NOT_POSITIVE = "Two numbers above 0, the lower one first."
const readNumber = (text) => (text.trim() ? Number(text.replace("−", "-").replace(",", ".")) : NaN)

function renderLegend({ model }) {
  const root = renderBar({ model })
  root.classList.add("legend")
  root.append(styleSheet(LEGEND_STYLE))
  const open = element("button", { className: "open", type: "button", "aria-haspopup": "dialog" })
  open.append(...[...root.children].filter((part) => part.tagName !== "STYLE"))
  const panel = element("div", { className: "colours", role: "dialog", "aria-label": "Colours" })
  panel.popover = "auto"
  root.append(open, panel)
  const control = new ColourControl(model, panel)
  const dress = () => {
    open.disabled = !Object.keys(model.ranges).length
    setAttribute(open, "aria-label", `Colours of ${model.label || "the map"}: ${formatOf(model.logarithmic, model.vmin, model.vmax - model.vmin)} to ${formatOf(model.logarithmic, model.vmax, model.vmax - model.vmin)} ${model.units}`)
    if (open.disabled && panel.matches(":popover-open")) panel.hidePopover()
    else if (panel.matches(":popover-open")) control.paint()
  }
  open.addEventListener("click", () => {
    control.forget()
    control.paint()
    panel.togglePopover()
  })
  panel.addEventListener("toggle", ({ newState }) => {
    open.setAttribute("aria-expanded", newState === "open")
    if (newState !== "open") {
      // the control that held the focus may have been painted anew, and the browser cannot give the focus back
      const held = root.getRootNode().activeElement
      if (held ? panel.contains(held) : document.activeElement === document.body) open.focus()
      return
    }
    control.place(open)
    panel.querySelector("input:checked")?.focus()
  })
  model.on(["chosen", "ranges", "palettes", "vmin", "vmax", "label", "units", "logarithmic"], dress)
  dress()
  return root
}

class ColourControl {
  constructor(model, panel) {
    Object.assign(this, { model, panel })
    this.problem = make("p")
    this.problem.setAttribute("role", "alert")
  }

  // Above the legend where there is room, else below; the top layer is not cut off by the page's areas
  place(open) {
    const { panel } = this
    const box = open.getBoundingClientRect(), own = panel.getBoundingClientRect()
    const grown = own.width / panel.offsetWidth || 1 // type grows on very large screens
    const top = box.top - own.height - 8 > 0 ? box.top - own.height - 8 : Math.min(box.bottom + 8, innerHeight - own.height - 8)
    const left = Math.min(Math.max(box.left, 8), innerWidth - own.width - 8)
    Object.assign(panel.style, { position: "fixed", inset: "auto", left: `${left / grown}px`, top: `${Math.max(top, 8) / grown}px` })
  }

  // What is typed and not in use, by the end: an answer to an earlier choice must not take it away
  drafts() {
    const isDraft = (end) => end && !Object.is(readNumber(end.value), readNumber(end.defaultValue))
    return [this.low, this.high].map((end) => isDraft(end) ? end.value : null)
  }

  forget() {
    for (const end of [this.low, this.high]) if (end) end.value = end.defaultValue
    this.problem.textContent = ""
  }

  paint() {
    const { model, panel } = this
    const { chosen, ranges, palettes } = model
    const drafts = this.drafts()
    const held = panel.getRootNode().activeElement
    const { selectionStart: from = null, selectionEnd: to = null } = held ?? {}
    const isWhole = from === 0 && to === held.value.length // after Tab: what is typed next replaces it
    const { low, high } = this.ends()
    const size = model.logarithmic ? low : high - low
    const radio = (group, value, ...rest) => element("label", {}, element("input", {
      type: "radio", name: group, value, checked: chosen[group] === value, "data-name": `${group}-${value}`,
      onchange: () => this.send({ [group]: value }),
    }), ...rest)
    const end = (name, value) => element("input", {
      type: "text", inputMode: "decimal", autocomplete: "off", "aria-label": name, "data-name": name,
      defaultValue: Number(value.toPrecision(Math.max(3, Math.ceil(Math.log10(Math.abs(value) / size || 1)) + 3))).toString().replace("-", "−"),
      onchange: () => this.typed(), onkeydown: (event) => event.key === "Enter" && this.typed(),
    })
    this.low = end("Lowest value", low)
    this.high = end("Highest value", high)
    const range = element("fieldset", {}, make("legend", "", `Range${model.units ? `, ${model.units}` : ""}`),
      ...Object.entries(ranges).map(([name, label]) => radio("range", name, label)),
      radio("range", "typed", "From … to"), element("div", { className: "ends" }, this.low, "–", this.high), this.problem)
    const palette = element("fieldset", {}, make("legend", "", "Palette"),
      ...palettes.map((name, index) => radio("palette", name, make("span", "name", name), this.swatch(index))))
    const turn = element("input", { type: "checkbox", checked: !!chosen.reversed, "data-name": "reversed", onchange: () => this.send({ reversed: turn.checked }) })
    const reset = element("button", { type: "button", "data-name": "reset", textContent: "Reset", onclick: () => this.send({ range: "all", palette: chosen.own, reversed: false }) })
    this.problem.textContent = ""
    panel.replaceChildren(range, palette, element("label", {}, turn, "Reversed"), reset)
    ;[this.low, this.high].forEach((end, at) => drafts[at] !== null && (end.value = drafts[at]))
    if (drafts.some((draft) => draft !== null)) this.isLegal()
    const again = held?.dataset?.name && panel.querySelector(`[data-name="${held.dataset.name}"]`)
    if (!again) return
    again.focus()
    if (from !== null) again.setSelectionRange(isWhole ? 0 : from, isWhole ? again.value.length : to)
  }

  swatch(index) {
    const canvas = element("canvas", { width: 256, height: 12 })
    const bytes = asBytes(this.model.tables).slice(768 * index, 768 * (index + 1))
    drawBar(canvas.getContext("2d"), readLut(bytes), 0, 0, 256, 12)
    return canvas
  }

  // As they are read: of logarithms the values themselves
  ends() {
    const { vmin, vmax, logarithmic } = this.model
    return logarithmic ? { low: 10 ** vmin, high: 10 ** vmax } : { low: vmin, high: vmax }
  }

  isLegal() {
    const low = readNumber(this.low.value), high = readNumber(this.high.value)
    const { logarithmic } = this.model
    const isLegal = Number.isFinite(low) && Number.isFinite(high) && low < high && (!logarithmic || low > 0)
    this.problem.textContent = isLegal ? "" : logarithmic ? NOT_POSITIVE : NOT_A_RANGE
    for (const end of [this.low, this.high]) end.setAttribute("aria-invalid", !isLegal)
    return isLegal
  }

  typed() {
    if (this.isLegal()) this.send({ range: "typed", low: readNumber(this.low.value), high: readNumber(this.high.value) })
  }

  // A change of what was chosen last, which the server may not have answered yet
  send(change) {
    const { model } = this
    const { choice } = model
    const isAnswered = (model.chosen.serial ?? 0) === (choice.serial ?? 0)
    const { range, palette, reversed } = isAnswered ? model.chosen : choice
    const shown = isAnswered ? this.ends() : { low: choice.low, high: choice.high }
    const ends = range === "typed" ? shown : { low: null, high: null }
    if (change.low === undefined) this.forget()
    if (change.range === "typed" && change.low === undefined) Object.assign(change, this.ends())
    model.choice = { range, palette, reversed: !!reversed, ...ends, ...change, serial: (choice.serial ?? 0) + 1 }
  }
}
