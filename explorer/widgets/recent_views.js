// The last view of each page, newest first. The rail writes them (`keepView`).

const CSS = `
:host { display: block; font: 450 13px/1.5 Inter, system-ui, sans-serif; color: var(--h-text) }
h2 { font: 600 13px/1.3 Inter, system-ui, sans-serif; margin: 0 0 8px }
p { margin: 0; color: var(--h-secondary); text-wrap: pretty }
ul { list-style: none; margin: 0; padding: 0 }
a { display: flex; gap: 12px; justify-content: space-between; padding: 5px 8px; margin: 0 -8px; border-radius: 8px; color: inherit;
  text-decoration: none }
a:hover { background: var(--h-hover) }
a:focus-visible { outline: 2px solid var(--h-accent); outline-offset: -2px }
b { font-weight: 560 }
span { color: var(--h-secondary); white-space: nowrap; font-feature-settings: 'tnum' }`

function timeText(at) {
  const then = new Date(at)
  const isToday = then.toDateString() === new Date().toDateString()
  const time = then.toLocaleTimeString('en-GB', {hour: '2-digit', minute: '2-digit'})
  return isToday ? time : then.toLocaleDateString('en-GB', {day: 'numeric', month: 'short'})
}

function keptViews() {
  try {
    return JSON.parse(localStorage.getItem('harmonia-views') ?? '[]').filter(({address}) => address.startsWith('?'))
  } catch {
    return []
  }
}

export function render({model, el}) {
  const list = element('ul')
  const empty = make('p', '', 'What you look at is listed here, in this browser only.')
  el.append(styleSheet(CSS), make('h2', '', model.heading), empty, list)
  const draw = () => {
    const views = keptViews()
    empty.hidden = views.length > 0
    list.replaceChildren(...views.map(({title, address, at}) => {
      const link = element('a', {href: address}, make('b', '', title), make('span', '', timeText(at)))
      return element('li', {}, link)
    }))
  }
  draw()
  addEventListener('harmonia:views', draw)
  model.on('remove', () => removeEventListener('harmonia:views', draw))
}
