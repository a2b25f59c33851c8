// The runs panel. Everything is set as text; a row is kept and changed, not made anew, so that focus and scroll stay.

const CSS = `
:host { display: block; height: 100% }
section { height: 100%; box-sizing: border-box; overflow-y: auto; padding: 16px 16px 24px; background: var(--h-raised);
  color: var(--h-text); font: 450 13px/1.45 Inter, system-ui, sans-serif; border-left: 1px solid var(--h-divider);
  font-feature-settings: 'tnum' }
header { display: flex; align-items: center; gap: 8px; margin-bottom: 12px }
h2 { font: 600 15px/1.2 inherit; font-family: inherit; margin: 0; flex: 1 }
button { all: unset; box-sizing: border-box; cursor: pointer; padding: 4px 10px; border: 1px solid var(--h-outline); border-radius: 8px;
  font: 600 12px/1.4 Inter, system-ui, sans-serif; color: var(--h-text) }
button:hover { background: var(--h-hover) }
button:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 1px }
button[hidden] { display: none }
ul { list-style: none; margin: 0; padding: 0 }
li { border-top: 1px solid var(--h-divider); padding: 10px 0 }
.line { display: flex; gap: 8px; align-items: baseline }
.title { flex: 1; font-weight: 560; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.state { color: var(--h-secondary); white-space: nowrap }
.state::before { content: ''; display: inline-block; width: 7px; height: 7px; border-radius: 50%; margin-right: 6px;
  background: var(--h-disabled) }
[data-state=running] .state::before { background: var(--h-accent) }
[data-state=queued] .state::before, [data-state=created] .state::before { background: var(--h-info) }
[data-state=done] .state::before { background: var(--h-success) }
[data-state=failed] .state::before, [data-state=unreadable] .state::before { background: var(--h-error) }
[data-state=interrupted] .state::before { background: var(--h-warning) }
.detail, .failure, .empty { color: var(--h-secondary); font-size: 12px; overflow-wrap: anywhere }
.failure { color: var(--h-error) }
progress { appearance: none; width: 100%; height: 4px; margin: 6px 0 2px; display: block; border: 0; border-radius: 2px; overflow: hidden;
  background: var(--h-divider) }
progress::-webkit-progress-bar { background: var(--h-divider) }
progress::-webkit-progress-value { background: var(--h-accent) }
progress::-moz-progress-bar { background: var(--h-accent) }
progress[hidden] { display: none }
.actions { display: flex; gap: 8px; margin-top: 6px }
pre { margin: 8px 0 0; padding: 8px; max-height: 180px; overflow: auto; background: var(--h-stage); border-radius: 8px;
  font: 400 11px/1.5 ui-monospace, 'DejaVu Sans Mono', monospace; white-space: pre-wrap; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: auto 1fr; gap: 2px 12px; margin: 6px 0 0; font-size: 12px }
dt { color: var(--h-secondary) } dd { margin: 0; text-align: right; overflow-wrap: anywhere }
.machine { border-top: 1px solid var(--h-divider); margin-top: 12px; padding-top: 12px }
.machine h3 { font: 600 13px/1.3 Inter, system-ui, sans-serif; margin: 0 }
a { color: var(--h-accent) }
.problem { border-left: 2px solid var(--h-error); padding-left: 10px; margin: 0 0 12px }
.problem[hidden] { display: none }`

const make = (tag, className = '', text = '') => {
  const node = document.createElement(tag)
  node.className = className
  node.textContent = text
  return node
}
const put = (node, text) => { if (node.textContent !== text) node.textContent = text }
const pairs = (list, values) => list.replaceChildren(...values.flatMap(([label, value]) => [make('dt', '', label), make('dd', '', value)]))

export function render({model, el}) {
  // the last few requests travel together: of two quick messages the server may see the second only
  const ask = (what, id = '') => {
    const serial = (model.asked.at(-1)?.serial ?? 0) + 1
    model.asked = [...model.asked.slice(-15), {what, id, serial}]
  }
  const action = (label, what, id) => {
    const node = make('button', '', label)
    node.type = 'button'
    node.addEventListener('click', () => ask(what, id?.() ?? ''))
    return node
  }
  const section = make('section')
  section.setAttribute('aria-label', 'Runs')
  const header = make('header')
  const close = action('Close', 'close')
  header.append(make('h2', '', 'Runs'), close)
  const problem = make('p', 'problem')
  const empty = make('p', 'empty', 'No run yet. Long work that a page starts appears here and goes on when you close the browser.')
  const list = make('ul')
  const older = action('', 'more')
  const machine = make('div', 'machine')
  const facts = make('dl')
  const dashboard = make('a', '', 'Dask dashboard')
  dashboard.target = '_blank'
  dashboard.rel = 'noreferrer'
  machine.append(make('h3', '', 'This machine'), facts, dashboard)
  section.append(header, problem, empty, list, older, machine)
  const style = make('style')
  style.textContent = CSS
  el.append(style, section)

  const shown = new Map()
  const row = id => {
    const item = make('li')
    const parts = {
      item, title: make('span', 'title'), state: make('span', 'state'), bar: make('progress'), detail: make('div', 'detail'),
      failure: make('div', 'failure'), cancel: action('Cancel', 'cancel', () => id), resume: action('Resume', 'resume', () => id),
      open: action('Log', 'open', () => id), log: make('pre'), figures: make('dl'),
    }
    const line = make('div', 'line')
    line.append(parts.title, parts.state)
    const actions = make('div', 'actions')
    actions.append(parts.cancel, parts.resume, parts.open)
    parts.log.tabIndex = 0
    item.append(line, parts.bar, parts.detail, parts.failure, actions, parts.figures, parts.log)
    item.dataset.run = id
    return parts
  }
  const drawRows = () => {
    const rows = model.rows
    for (const id of [...shown.keys()]) {
      if (!rows.some(one => one.id === id)) { shown.get(id).item.remove(); shown.delete(id) }
    }
    rows.forEach((one, index) => {
      if (!shown.has(one.id)) shown.set(one.id, row(one.id))
      const parts = shown.get(one.id)
      if (list.children[index] !== parts.item) list.insertBefore(parts.item, list.children[index] ?? null)
      parts.item.dataset.state = one.state
      put(parts.title, one.title)
      put(parts.state, one.label)
      put(parts.detail, one.detail)
      put(parts.failure, one.failure)
      parts.bar.hidden = one.share === null
      if (one.share !== null) { parts.bar.value = one.share; parts.bar.setAttribute('aria-label', `Progress of ${one.title}`) }
      parts.cancel.hidden = !one.can_cancel
      parts.resume.hidden = !one.can_resume
    })
    empty.hidden = rows.length > 0 || Boolean(model.problem)
    older.hidden = model.more === 0
    put(older, `${model.more} older`)
    drawChosen()
  }
  const drawChosen = () => {
    for (const [id, parts] of shown) {
      const open = id === model.chosen
      parts.log.hidden = parts.figures.hidden = !open
      parts.log.style.display = open ? '' : 'none'
      put(parts.open, open ? 'Hide log' : 'Log')
      parts.open.setAttribute('aria-expanded', String(open))
      if (open) {
        const atEnd = parts.log.scrollTop + parts.log.clientHeight >= parts.log.scrollHeight - 8
        put(parts.log, model.log || 'The log is empty.')
        if (atEnd) parts.log.scrollTop = parts.log.scrollHeight
        pairs(parts.figures, model.figures)
      }
    }
  }
  const drawMachine = () => {
    pairs(facts, model.machine)
    dashboard.hidden = !model.dashboard
    if (/^https?:/.test(model.dashboard)) dashboard.href = model.dashboard
  }
  const drawProblem = () => {
    problem.hidden = !model.problem
    put(problem, model.problem)
    empty.hidden = model.rows.length > 0 || Boolean(model.problem)
  }
  // The page shows and hides the panel. Opening brings the focus into it; the rail takes it back.
  let isOpen = false
  const watch = new IntersectionObserver(seen => {
    const opens = seen.at(-1).isIntersecting
    if (opens && !isOpen) close.focus()
    isOpen = opens
  })
  watch.observe(section)
  const onKey = event => { if (event.key === 'Escape' && isOpen) ask('close') }
  addEventListener('keydown', onKey)
  model.on('remove', () => { watch.disconnect(); removeEventListener('keydown', onKey) })
  model.on('rows', drawRows)
  model.on('more', drawRows)
  for (const name of ['chosen', 'log', 'figures']) model.on(name, drawChosen)
  for (const name of ['machine', 'dashboard']) model.on(name, drawMachine)
  model.on('problem', drawProblem)
  drawRows()
  drawMachine()
  drawProblem()
}
