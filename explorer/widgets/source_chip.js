// The source in use, and a menu of others. The menu is a popover, so that no box of the page clips it.

const CSS = `
:host { display: block }
button { all: unset; box-sizing: border-box; cursor: pointer; color: var(--h-text); font: 560 12px/1.35 Inter, system-ui, sans-serif;
  font-feature-settings: 'tnum' }
button:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 2px }
button small { display: block; font-size: 11px; font-weight: 450; color: var(--h-secondary) }
button span, button small { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.chip { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 10px; align-items: center; width: 100%; max-width: 350px;
  padding: 4px 10px; border: 1px solid var(--h-outline); border-radius: 8px }
.chip:hover { background: var(--h-hover) }
.chip > div { min-width: 0 } .chip span { display: block }
.chip i { width: 6px; height: 6px; border: solid var(--h-secondary); border-width: 0 1.5px 1.5px 0; rotate: 45deg; translate: 0 -2px }
.chip[data-waiting] i { border-width: 1.5px; border-radius: 50%; border-right-color: transparent; translate: 0; animation: turn 800ms linear infinite }
@keyframes turn { to { rotate: 405deg } }
@media (prefers-reduced-motion: reduce) { .chip[data-waiting] i { animation: none } }
.menu { position: fixed; margin: 0; inset: auto; box-sizing: border-box; width: 320px; max-height: 60vh; overflow: auto; padding: 6px; color: var(--h-text);
  background: var(--h-raised); border: 1px solid var(--h-divider); border-radius: 8px; box-shadow: 0 8px 24px rgba(0, 0, 0, .24) }
.menu button { display: block; width: 100%; padding: 6px 10px; border-radius: 6px }
.menu button:hover, .menu button:focus-visible { background: var(--h-hover) }
.menu button[aria-checked=true] { background: var(--h-selected) }`

export function render({model, el}) {
  const send = requestSender(model)
  const name = make('span')
  const detail = make('small')
  const chip = element('button', {type: 'button', className: 'chip', 'aria-haspopup': 'menu', 'aria-expanded': 'false'}, element('div', {}, name, detail), element('i', {}))
  const menu = element('div', {className: 'menu', role: 'menu', popover: 'auto', 'aria-label': 'Sources'})
  el.append(styleSheet(CSS), chip, menu)

  const draw = () => {
    setText(name, model.heading)
    setText(detail, model.detail)
    chip.title = [model.heading, model.detail].filter(Boolean).join('\n')
    chip.setAttribute('aria-label', `Source: ${model.heading}. ${model.detail}`)
    chip.toggleAttribute('data-waiting', model.is_waiting)
  }
  const drawEntries = () => menu.replaceChildren(...model.entries.map((entry, index) => {
    const choose = () => { menu.hidePopover(); chip.focus(); send('choose', {index}) }
    const item = element('button', {type: 'button', role: 'menuitemradio', 'aria-checked': String(entry.is_current), onclick: choose}, make('span', '', entry.heading))
    if (entry.detail) item.append(make('small', '', entry.detail))
    return item
  }))
  chip.addEventListener('click', () => {
    if (menu.matches(':popover-open')) { menu.hidePopover(); return }
    send('open', {index: -1})
    menu.showPopover()
    const box = chip.getBoundingClientRect(), own = menu.getBoundingClientRect()
    const grown = own.width / menu.offsetWidth || 1  // type grows on very large screens
    const left = Math.max(8, Math.min(box.left, innerWidth - own.width - 8))
    Object.assign(menu.style, {left: `${left / grown}px`, top: `${(box.bottom + 4) / grown}px`})
  })
  menu.addEventListener('toggle', event => chip.setAttribute('aria-expanded', String(event.newState === 'open')))
  el.addEventListener('keydown', event => {
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key]
    if (!step || !menu.matches(':popover-open')) return
    event.preventDefault()
    const items = [...menu.children]
    const now = items.indexOf(menu.getRootNode().activeElement)
    items[(now < 0 && step < 0 ? items.length - 1 : now + step + items.length) % items.length]?.focus()
  })
  for (const property of ['heading', 'detail', 'is_waiting']) model.on(property, draw)
  model.on('entries', drawEntries)
  draw()
  drawEntries()
}
