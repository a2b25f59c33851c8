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

export function render({model, el}) {
  const send = requestSender(model)
  const up = element('button', {type: 'button', textContent: 'Up', onclick: () => send('folder', {path: model.parent_folder})})
  const where = element('span')
  const list = element('ul')
  const empty = element('p')
  el.append(styleSheet(CSS), element('nav', {'aria-label': 'Files on the server'}, element('header', {}, up, where), list, empty))
  const paint = () => {
    up.hidden = !model.can_go_up
    where.textContent = model.folder ? `\u200e${model.folder}` : 'Folders of this server'
    where.title = model.folder
    empty.textContent = model.remark
    empty.hidden = !model.remark
    list.replaceChildren(...model.entries.map(({name, path, is_data, detail}) => {
      const texts = [element('b', {textContent: is_data ? name : `${name}/`}), element('small', {textContent: detail})]
      const button = element('button', {type: 'button', title: path, onclick: () => send(is_data ? 'data' : 'folder', {path})}, ...texts)
      if (path === model.current) button.setAttribute('aria-current', 'true')
      return element('li', {}, button)
    }))
  }
  model.on(['entries', 'folder', 'remark', 'can_go_up', 'current'], paint)
  paint()
}
