// The folders of the server that data may be chosen from. Everything is set as text.

const CSS = `
:host { display: block }
nav { border: 1px solid var(--mui-palette-divider); border-radius: 8px; overflow: hidden; font: 450 12px/1.4 Inter, system-ui, sans-serif }
header { display: flex; gap: 8px; align-items: center; padding: 6px 10px; color: var(--h-secondary); border-bottom: 1px solid var(--mui-palette-divider) }
header span { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; direction: rtl; text-align: left }
ul { list-style: none; margin: 0; padding: 4px 0; max-height: 168px; overflow-y: auto }
button { all: unset; box-sizing: border-box; cursor: pointer; width: 100%; padding: 4px 10px; display: flex; gap: 8px; color: var(--h-text) }
header button { width: auto; padding: 2px 8px; border: 1px solid var(--mui-palette-text-disabled); border-radius: 6px; font-weight: 600 }
button:hover { background: var(--h-hover) }
button:focus-visible { outline: 2px solid var(--h-accent); outline-offset: -2px }
button[aria-current] { background: var(--h-selected) }
b { flex: 1; font-weight: 450; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
small, p { color: var(--h-secondary); font-size: 11px; white-space: nowrap }
p { margin: 0; padding: 4px 10px 8px; white-space: normal }
[hidden] { display: none }`

const make = (tag, text = '') => Object.assign(document.createElement(tag), {textContent: text})

export function render({model, el}) {
  const nav = make('nav')
  nav.setAttribute('aria-label', 'Files on the server')
  const header = make('header')
  const up = Object.assign(make('button', 'Up'), {type: 'button'})
  const where = make('span')
  const list = make('ul')
  const empty = make('p')
  header.append(up, where)
  nav.append(header, list, empty)
  el.append(Object.assign(make('style'), {textContent: CSS}), nav)
  // the last few requests travel together: of two quick messages the server may see the second only
  const ask = (what, path) => {
    const serial = (model.asked.at(-1)?.serial ?? 0) + 1
    model.asked = [...model.asked.slice(-15), {what, path, serial}]
  }
  up.addEventListener('click', () => ask('folder', model.parent_folder))
  const paint = () => {
    up.hidden = !model.can_go_up
    where.textContent = model.folder ? `\u200e${model.folder}` : 'Folders of this server'
    where.title = model.folder
    empty.textContent = model.remark
    empty.hidden = !model.remark
    list.replaceChildren(...model.entries.map(({name, path, is_data, detail}) => {
      const button = Object.assign(make('button'), {type: 'button', title: path})
      button.append(make('b', is_data ? name : `${name}/`), make('small', detail))
      if (path === model.current) button.setAttribute('aria-current', 'true')
      button.addEventListener('click', () => ask(is_data ? 'data' : 'folder', path))
      const item = make('li')
      item.append(button)
      return item
    }))
  }
  model.on(['entries', 'folder', 'remark', 'can_go_up', 'current'], paint)
  paint()
}
