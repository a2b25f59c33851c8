// Colour scale and read-out: both follow the pointer over the globes of one group.

const READOUT_STYLE = `
  .hr { font: 450 11px/1.3 Inter, system-ui, sans-serif; color: var(--mui-palette-text-secondary, #8A93A3); width: 100%; box-sizing: border-box }
  .hr .row { display: flex; justify-content: space-between; gap: 8px; white-space: nowrap; font-variant-numeric: tabular-nums }
  .hr .bar { position: relative; height: 9px; margin: 4px 0 }
  .hr canvas { width: 100%; height: 100%; display: block; border-radius: 5px; box-shadow: 0 0 0 1px var(--mui-palette-divider, rgba(128,140,160,.35)) }
  .hr .mark { position: absolute; top: -3px; width: 3px; height: 15px; margin-left: -1.5px; border-radius: 2px; background: var(--mui-palette-text-primary, #E8EBF1); box-shadow: 0 0 0 1.5px var(--mui-palette-background-paper, #11151D) }
  .hr.items { display: flex; gap: 28px; align-items: center; min-height: 44px; line-height: 1.5 }
  .hr .item { min-width: 72px; white-space: nowrap }
  .hr .item + .item { min-width: 132px }
  .hr .item b { display: block; margin-top: 2px; font: 560 15px/1.2 Inter, system-ui, sans-serif; font-variant-numeric: tabular-nums; color: var(--mui-palette-text-primary, currentColor) }
  .hr .item small { font: 450 12px Inter, system-ui, sans-serif; color: var(--mui-palette-text-secondary, #8A93A3) }
  .hr .named .middle { display: none }
  .hr [hidden] { display: none }`

function shell(className, html) {
  const root = element("div", { className, innerHTML: html })
  root.prepend(styleSheet(READOUT_STYLE))
  return root
}

function followPointer(model, show) {
  const stopped = new AbortController()
  const listen = ({ detail }) => detail.group === model.group && show(detail)
  document.addEventListener("harmonia:hover", listen, { signal: stopped.signal })
  model.on("remove", () => stopped.abort())
}

function renderBar({ model }) {
  const root = shell("hr", `<div class="row"><span class="label"></span><span class="units"></span></div>
    <div class="bar"><canvas width="512" height="18"></canvas><div class="mark" hidden></div></div>
    <div class="row"><span class="low"></span><span class="middle"></span><span class="high"></span></div>`)
  const part = (name) => root.querySelector(`.${name}`)
  const canvas = root.querySelector("canvas")
  let pointed = null
  const point = () => {
    part("mark").hidden = pointed === null
    const share = (pointed - model.vmin) / (model.vmax - model.vmin)
    part("mark").style.left = `${100 * Math.min(Math.max(share, 0), 1)}%`
  }
  const paint = () => {
    const { vmin, vmax } = model
    const texts = { label: model.label, units: model.units }
    const numbers = { low: vmin, middle: (vmin + vmax) / 2, high: vmax }
    for (const [name, text] of Object.entries(texts)) part(name).textContent = text
    for (const [name, value] of Object.entries(numbers)) part(name).textContent = formatOf(model.logarithmic, value, vmax - vmin)
    const [first, last] = model.names ?? []
    part("middle").parentElement.classList.toggle("named", !!last)
    if (last) {
      part("low").textContent = first
      part("high").textContent = last
    }
    point()
    canvas.hidden = !model.colormap?.byteLength
    if (canvas.hidden) return
    const context = canvas.getContext("2d")
    context.clearRect(0, 0, canvas.width, canvas.height)
    drawBar(context, readLut(model.colormap), 0, 0, canvas.width, canvas.height)
  }
  paint()
  model.on(["colormap", "vmin", "vmax", "label", "units", "names", "logarithmic"], paint)
  followPointer(model, ({ value, values }) => {
    pointed = model.pane ? values[model.pane] ?? null : value
    point()
    if (!model.pane) return
    const number = make("b", "", pointed === null ? "" : formatOf(model.logarithmic, pointed, model.vmax - model.vmin))
    part("units").replaceChildren(number, ` ${model.units}`)
  })
  return root
}

function renderHover({ model }) {
  const root = shell("hr items", `<div class="item">Value<b><span class="value">–</span> <small></small></b></div>
    <div class="item">Position<b class="place"></b></div>`)
  const part = (name) => root.querySelector(name)
  const show = ({ lat, lon, value, pane }) => {
    const [span, units, logarithmic] = model.scales?.[pane] ?? [model.span, model.units, model.logarithmic]
    part(".value").textContent = formatOf(logarithmic, value, span)
    part("small").textContent = value === null ? "" : units
    part(".place").textContent = lat === null ? model.hint : formatPosition(lat, lon)
  }
  show({ lat: null, lon: null, value: null })
  followPointer(model, show)
  return root
}
