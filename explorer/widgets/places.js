// Places as buttons in a list, two texts each.

const CSS = `
ol { list-style: none; margin: 0; padding: 0; font: 450 13px/1.4 Inter, system-ui, sans-serif; color: var(--h-text);
  font-feature-settings: 'tnum' }
li + li { border-top: 1px solid var(--h-divider) }
button { all: unset; box-sizing: border-box; cursor: pointer; display: flex; justify-content: space-between; gap: 12px;
  width: 100%; padding: 4px 0; border-radius: 6px }
button:hover { background: var(--h-hover) }
button:focus-visible { outline: 2px solid var(--h-accent); outline-offset: -2px }
span { white-space: nowrap } span + span { color: var(--h-secondary) }`

export function render({model, el}) {
  const list = element('ol')
  el.append(styleSheet(CSS), list)
  const paint = () => list.replaceChildren(...model.places.map(({lat, lon, words}) => {
    const choose = () => { model.chosen = {lat, lon, serial: (model.chosen.serial ?? 0) + 1} }
    const texts = words.map((textContent) => element('span', {textContent}))
    return element('li', {}, element('button', {type: 'button', onclick: choose}, ...texts))
  }))
  model.on('places', paint)
  paint()
}
