// A table of scores. Its head sorts it, a field above it filters it by name; both happen in the browser.

const CSS = `
:host { display: block }
.tools { display: flex; flex-wrap: wrap; gap: 8px; margin-bottom: 8px }
input { box-sizing: border-box; flex: 0 1 240px; min-height: 30px; padding: 0 8px; border: 1px solid var(--mui-palette-text-disabled); border-radius: 6px;
  background: transparent; color: var(--h-text); font: 450 13px/1.4 Inter, system-ui, sans-serif }
.frame { overflow-x: auto }
table { border-collapse: collapse; width: 100%; color: var(--h-text); font: 450 13px/1.45 Inter, system-ui, sans-serif; font-feature-settings: 'tnum' }
th { font-weight: 450; text-align: left; vertical-align: top }
thead th { color: var(--h-secondary); border-bottom: 1px solid var(--mui-palette-text-disabled); white-space: nowrap }
th, td { padding: 6px 0 6px 20px }
th:first-child { padding-left: 0 }
td, th.number { text-align: right; vertical-align: top; white-space: nowrap }
tbody tr + tr > * { border-top: 1px solid var(--h-divider) }
tbody tr[data-opens]:hover { background: var(--h-hover) }
button { all: unset; cursor: pointer; color: inherit; font: inherit }
button:focus-visible, input:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 2px; border-radius: 3px }
tbody button { font-weight: 560; color: var(--h-accent); overflow-wrap: anywhere }
small { display: block; color: var(--h-secondary); font-size: 12px }
[data-level=lower] { color: var(--h-success) } [data-level=higher] { color: var(--h-error) }
.empty { color: var(--h-secondary); font: 450 13px/1.45 Inter, system-ui, sans-serif }`

const MARKS = {ascending: ' ↑', descending: ' ↓', none: ''}

export function render({model, el}) {
  const send = requestSender(model)
  let sorted = 1, direction = 'ascending'
  const filter = element('input', {type: 'search', placeholder: 'Filter by name', 'aria-label': 'Filter by name', oninput: () => draw()})
  const head = make('tr'), body = make('tbody'), empty = make('p', 'empty', 'Nothing has this name.')
  const table = element('table', {}, element('thead', {}, head), body)
  el.append(styleSheet(CSS), element('div', {className: 'tools'}, filter), element('div', {className: 'frame'}, table), empty)

  const sortBy = (index) => {
    direction = sorted === index && direction === 'ascending' ? 'descending' : 'ascending'
    sorted = index
    draw()
  }
  const compare = (a, b) => {
    const [x, y] = [a, b].map((row) => row.cells[sorted]?.[1] ?? null)
    if (x === null || y === null) return (x === null) - (y === null)  // what is not known comes last
    const order = typeof x === 'number' ? x - y : String(x).localeCompare(String(y))
    return direction === 'ascending' ? order : -order
  }
  const cellOf = (row, index) => {
    const [text] = row.cells[index]
    const [first, second] = text.split('\n')
    const cell = make(index ? 'td' : 'th')
    if (!index) cell.scope = 'row'
    if (!index && row.id) cell.append(element('button', {type: 'button', textContent: first, onclick: () => send('open', {id: row.id})}))
    else cell.append(first)
    if (second) cell.append(make('small', '', second))
    if (model.columns[index].is_skill) cell.dataset.level = row.level
    return cell
  }
  const draw = () => {
    const wanted = filter.value.trim().toLowerCase()
    head.replaceChildren(...model.columns.map((column, index) => {
      const state = index === sorted ? direction : 'none'
      const button = element('button', {type: 'button', title: column.title, textContent: column.label + MARKS[state], onclick: () => { sortBy(index); head.children[index].firstChild.focus() }})
      return element('th', {scope: 'col', className: column.is_number ? 'number' : '', 'aria-sort': state}, button)
    }))
    const rows = model.rows.filter((row) => row.cells[0][0].toLowerCase().includes(wanted)).sort(compare)
    body.replaceChildren(...rows.map((row) => {
      const line = element('tr', {}, ...model.columns.map((_, index) => cellOf(row, index)))
      line.dataset.group = row.group
      if (row.id) line.dataset.opens = ''
      return line
    }))
    empty.hidden = rows.length > 0 || !model.rows.length
  }
  model.on('rows', draw)
  model.on('columns', draw)
  draw()
}
