// A number: its label, a field to type in and a slider. A choice is shown at once; the server decides its final value.

const CSS = `
:host { display: block }
.number { display: grid; grid-template-columns: minmax(0, 1fr) auto; align-items: center; gap: 0 8px; padding: 3px 0 1px;
  color: var(--mui-palette-text-primary); font: 450 13px/1.4 Inter, system-ui, sans-serif; font-feature-settings: 'tnum' }
.label { color: var(--mui-palette-text-secondary); overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.field { display: flex; align-items: baseline; gap: 4px; color: var(--mui-palette-text-secondary); font-size: 12px }
input[type=text] { box-sizing: border-box; width: 62px; height: 26px; padding: 0 7px; text-align: right; border-radius: 6px;
  border: 1px solid var(--mui-palette-text-disabled); background: transparent; color: var(--mui-palette-text-primary); font: inherit;
  font-size: 13px; font-weight: 560; transition: border-color 120ms }
input[type=text]:hover { border-color: var(--mui-palette-text-secondary) }
input[type=range] { grid-column: 1 / -1; appearance: none; width: 100%; height: 20px; margin: 0; background: transparent; cursor: pointer;
  border-radius: 6px; --track: linear-gradient(to right, var(--mui-palette-primary-main) var(--at), color-mix(in srgb, var(--mui-palette-primary-main) 34%, transparent) var(--at)) }
input:focus-visible { outline: 2px solid var(--mui-palette-primary-main); outline-offset: 1px }
::-webkit-slider-runnable-track { height: 3px; border-radius: 2px; background: var(--track) }
::-moz-range-track { height: 3px; border-radius: 2px; background: var(--track) }
::-webkit-slider-thumb { appearance: none; width: 14px; height: 14px; margin-top: -5.5px; border-radius: 50%; background: var(--mui-palette-primary-main);
  transition: box-shadow 120ms }
::-moz-range-thumb { width: 14px; height: 14px; border: 0; border-radius: 50%; background: var(--mui-palette-primary-main) }
input[type=range]:hover::-webkit-slider-thumb { box-shadow: 0 0 0 6px color-mix(in srgb, var(--mui-palette-primary-main) 16%, transparent) }
input[type=range]:active::-webkit-slider-thumb { box-shadow: 0 0 0 9px color-mix(in srgb, var(--mui-palette-primary-main) 22%, transparent) }
p { grid-column: 1 / -1; margin: 0; font-size: 12px; color: var(--mui-palette-warning-main); text-wrap: pretty }
@media (prefers-reduced-motion: reduce) { * { transition: none !important } }`

const THUMB_PX = 14
const UNIT = /^(.*), (\S{1,3})$/ // a short unit after the label's comma is shown behind the number

export function render({model, el}) {
  const {label, step, decimals, is_whole: isWhole, control} = model
  const [, name, unit] = label.match(UNIT) ?? [label, label, '']
  const note = element('p', {id: 'note', role: 'status'})
  const described = {'aria-label': label, 'aria-describedby': 'note'}
  const slider = element('input', {type: 'range', ...described})
  const number = element('input', {type: 'text', inputMode: isWhole ? 'numeric' : 'decimal', autocomplete: 'off', spellcheck: false, ...described})
  const field = element('span', {className: 'field'}, number, unit)
  el.append(styleSheet(CSS), element('div', {className: 'number'}, element('span', {className: 'label', textContent: name, title: label}), field, slider, note))

  let shown = model.state // value, low and high on screen
  let serial = Math.max(model.choice.serial ?? 0, shown.serial)
  let isDirty = false // the field holds text that has not been taken yet
  let typed = null // a number that was typed and waits for the server's answer

  const round = (value) => (isWhole ? Math.round(value) : Number(value.toFixed(6)))
  const clamp = (value) => Math.min(Math.max(value, shown.low), shown.high)
  const format = (value) => {
    const [exact, fixed] = [String(round(value)), value.toFixed(decimals)]
    return exact.length > fixed.length ? exact : fixed
  }
  // a true minus and a decimal comma are numbers too
  const parse = (text) => (text.trim() ? Number(text.replace('−', '-').replace(',', '.')) : NaN)
  const explain = (end) => setText(note, `A ${isWhole ? 'whole ' : ''}number from ${format(shown.low)} to ${format(shown.high)}: ${end}.`.replaceAll('-', '−'))

  const paint = () => {
    const {value, low, high} = shown
    Object.assign(slider, {min: low, max: high, step, value})
    const share = high > low ? (value - low) / (high - low) : 0
    slider.style.setProperty('--at', `calc(${THUMB_PX / 2}px + ${share} * (100% - ${THUMB_PX}px))`)
    setAttribute(slider, 'aria-valuetext', unit ? `${format(value)} ${unit}` : format(value))
    if (!isDirty) write(format(value))
  }
  // A number selected to be typed over stays selected when another value takes it along: else "1" over "64" is "641".
  const write = (text) => {
    if (number.value === text) return
    const isSelected = number.getRootNode().activeElement === number && number.selectionEnd - number.selectionStart === number.value.length
    number.value = text
    if (isSelected) number.select()
  }
  // Every choice passes here. Beyond the limits known here the server decides, whose limits may be wider.
  const choose = (value) => {
    serial += 1
    isDirty = false
    setText(note, '')
    if (value === clamp(value)) {
      shown = {...shown, value}
      el.dispatchEvent(new CustomEvent('harmonia:control', {bubbles: true, composed: true, detail: {control, value}}))
      paint()
    }
    model.choice = {value, serial}
  }
  const slide = (value) => {
    typed = null
    choose(round(clamp(value)))
  }
  const take = () => {
    if (!isDirty) return
    const value = parse(number.value)
    if (Number.isFinite(value)) {
      typed = value
      choose(round(value))
    } else {
      isDirty = false
      paint()
      explain(`still ${format(shown.value)}`)
    }
  }
  const answer = () => {
    const {state} = model
    if (state.serial < serial) return // the answer to the last choice is on its way
    const isOther = state.value !== shown.value
    shown = state
    paint()
    if (typed !== null && state.value !== typed) explain(`set to ${format(state.value)}`)
    else if (isOther) setText(note, '')
    typed = null
  }

  const KEYS = {ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10}
  number.addEventListener('input', () => { isDirty = true })
  number.addEventListener('blur', take)
  number.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') take()
    else if (event.key === 'Escape' && isDirty) {
      isDirty = false
      paint()
    } else if (event.key in KEYS) {
      event.preventDefault()
      const from = parse(number.value)
      slide((Number.isFinite(from) ? from : shown.value) + KEYS[event.key] * step)
    }
  })
  slider.addEventListener('input', () => slide(Number(slider.value)))
  model.on('state', answer)
  paint()
}
