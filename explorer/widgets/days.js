// Days under the globe: play, step, drag. The date is formatted here, so that it follows a drag without the server.
// pmui's Player does not suffice: it steps by a timer whether or not the last day has been drawn, and shows no dates.

const CSS = `
:host { display: block }
.days { display: flex; align-items: center; gap: 8px; padding: 0 24px 10px; box-sizing: border-box; color: var(--h-text);
  font: 560 13px/1.3 Inter, system-ui, sans-serif; font-feature-settings: 'tnum' }
button { all: unset; box-sizing: border-box; cursor: pointer; height: 28px; min-width: 28px; display: grid; place-content: center;
  border: 1px solid var(--mui-palette-text-disabled); border-radius: 8px }
button:hover { background: var(--h-hover) }
.play:hover { background: var(--h-accent); filter: brightness(1.1) }
button:focus-visible, input:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 2px }
.play { min-width: 36px; background: var(--h-accent); color: var(--h-on-accent); border-color: transparent }
input { flex: 1; min-width: 60px; accent-color: var(--h-accent); height: 20px; margin: 0 4px }
output { min-width: 122px; text-align: right; white-space: nowrap }`

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']
const PATHS = { play: 'M5 3l8 5-8 5z', stop: 'M4 4h8v8H4z', back: 'M10 3L5 8l5 5', next: 'M6 3l5 5-5 5' }
const drawing = (name) => {
  const style = name === 'back' || name === 'next' ? 'fill="none" stroke="currentColor" stroke-width="1.6"' : 'fill="currentColor"'
  return `<svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true"><path ${style} d="${PATHS[name]}"/></svg>`
}

function formatDay(iso, unit) {
  if (unit === 'epoch' || unit === 'step') return `${unit[0].toUpperCase()}${unit.slice(1)} ${iso}`
  const [year, month, day] = iso.split('-')
  const name = MONTHS[Number(month) - 1]
  return unit === 'month' ? `${name} ${year}` : `${Number(day)} ${name} ${year}`
}

export function render({model, el}) {
  const play = element('button', {type: 'button', className: 'play'})
  const back = element('button', {type: 'button', innerHTML: drawing('back')})
  const next = element('button', {type: 'button', innerHTML: drawing('next')})
  const line = element('input', {type: 'range', min: 0, step: 1})
  const date = element('output')
  el.append(styleSheet(CSS), element('div', {className: 'days', role: 'group', 'aria-label': 'Days'}, play, back, next, line, date))

  let timer = null
  let changed = 0 // when the day on screen was chosen
  let drawn = model.drawn
  const last = () => Math.max(0, model.days.length - 1)
  const write = (index) => {
    const text = model.days.length ? formatDay(model.days[Math.min(index, last())], model.unit) : ''
    date.textContent = text
    setAttribute(line, 'aria-valuetext', text)
  }
  const paint = () => {
    const unit = model.unit
    line.max = last()
    line.disabled = play.disabled = back.disabled = next.disabled = last() === 0
    line.value = model.day
    setAttribute(line, 'aria-label', unit[0].toUpperCase() + unit.slice(1))
    setAttribute(back, 'aria-label', `Previous ${unit}`)
    setAttribute(next, 'aria-label', `Next ${unit}`)
    setAttribute(play, 'aria-label', timer ? 'Stop' : 'Play')
    play.innerHTML = drawing(timer ? 'stop' : 'play')
    write(model.day)
  }
  // The browser's own views draw the day before the server hears of it
  const go = (index) => {
    const {control, unit, serial} = model
    const value = (index + last() + 1) % (last() + 1)
    const detail = {control, value, serial: serial + 1, text: formatDay(model.days[value], unit)}
    el.dispatchEvent(new CustomEvent('harmonia:control', {bubbles: true, composed: true, detail}))
    model.data.setv({serial: serial + 1, day: value})
    line.value = value
    write(value)
  }
  const halt = () => { cancelAnimationFrame(timer); timer = null }
  // The next day is shown once the last one has been drawn; in a hidden tab nothing is
  const film = (now) => {
    timer = requestAnimationFrame(film)
    if (drawn !== model.day || now - changed < model.pace_ms) return
    changed = now
    go(model.day + 1)
  }
  play.addEventListener('click', () => {
    if (timer) halt()
    else timer = requestAnimationFrame(film)
    paint()
  })
  back.addEventListener('click', () => go(model.day - 1))
  next.addEventListener('click', () => go(model.day + 1))
  line.addEventListener('input', () => go(Number(line.value)))
  model.on(['days', 'unit', 'day'], paint)
  // what the server says later of earlier days does not hold the film
  model.on('drawn', () => { if (drawn !== model.day) drawn = model.drawn })
  const stopped = new AbortController()
  document.addEventListener('harmonia:drawn', ({detail}) => { if (detail.control === model.control) drawn = detail.value }, {signal: stopped.signal})
  model.on('remove', () => { halt(); stopped.abort() })
  paint()
}
