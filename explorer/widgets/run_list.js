// The list of runs. Rows are changed in place, so that focus and scroll are kept.

const CSS = `
:host { display: block; height: 100% }
.list { color: var(--h-text); font: 450 13px/1.45 Inter, system-ui, sans-serif; font-feature-settings: 'tnum' }
section.list { height: 100%; box-sizing: border-box; overflow-y: auto; padding: 16px 16px 24px; background: var(--h-raised);
  border-left: 1px solid var(--h-divider) }
header { display: flex; align-items: center; gap: 8px; margin-bottom: 12px }
h2 { font: 600 15px/1.2 Inter, system-ui, sans-serif; margin: 0; flex: 1 }
button { all: unset; box-sizing: border-box; cursor: pointer; padding: 3px 8px; border: 1px solid var(--mui-palette-text-disabled); border-radius: 8px;
  font: 600 12px/1.4 Inter, system-ui, sans-serif; color: var(--h-text); background: var(--h-panel) }
button:hover { background: var(--h-hover) }
button:focus-visible, input:focus-visible, select:focus-visible, textarea:focus-visible, summary:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 1px }
.tools { display: grid; grid-template-columns: minmax(0, 1fr) 96px; gap: 8px; margin-bottom: 6px }
input[type=search], input[type=text], select, textarea { box-sizing: border-box; width: 100%; min-height: 30px; padding: 0 8px;
  border: 1px solid var(--mui-palette-text-disabled); border-radius: 6px; background: transparent; color: inherit; font: inherit }
textarea { padding: 6px 8px; min-height: 56px; resize: vertical }
select option { background: var(--h-raised); color: var(--h-text) }
.trials { display: flex; gap: 6px; align-items: center; font-size: 12px; color: var(--h-secondary); padding-bottom: 6px }
input[type=checkbox] { width: 16px; height: 16px; margin: 0; accent-color: var(--h-accent) }
ul { list-style: none; margin: 0; padding: 0 }
li { border-top: 1px solid var(--h-divider); padding: 10px 0; position: relative }
div.list li { padding: 8px; margin: 0 -8px; border-radius: 8px }
li[data-chosen] { background: var(--h-selected) }
.line { display: flex; gap: 8px; align-items: center }
.title { flex: 1; font-weight: 560; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
button.title { all: unset; flex: 1; cursor: pointer; font-weight: 560; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
button.title::after { content: ''; position: absolute; inset: 0 }
.line input, .actions, .edit { position: relative; z-index: 1 }
.state { color: var(--h-secondary); white-space: nowrap; font-size: 12px }
.state::before { content: ''; display: inline-block; width: 7px; height: 7px; border-radius: 50%; margin-right: 6px; background: var(--h-disabled) }
[data-state=running] .state::before { background: var(--h-accent) }
[data-state=queued] .state::before, [data-state=created] .state::before { background: var(--h-info) }
[data-state=done] .state::before { background: var(--h-success) }
[data-state=failed] .state::before, [data-state=unreadable] .state::before { background: var(--h-error) }
[data-state=interrupted] .state::before { background: var(--h-warning) }
.detail, .failure, .empty { color: var(--h-secondary); font-size: 12px; overflow-wrap: anywhere }
.failure { color: var(--h-error) }
.badge { display: inline-block; margin: 3px 0 1px; padding: 1px 8px; border: 1px solid var(--mui-palette-text-disabled); border-radius: 10px; font: 600 11px/1.5 Inter, system-ui, sans-serif }
.badge.lower { color: var(--h-success); border-color: currentColor }
.badge.higher { color: var(--h-error); border-color: currentColor }
progress { appearance: none; width: 100%; height: 4px; margin: 6px 0 2px; display: block; border: 0; border-radius: 2px; overflow: hidden; background: var(--h-divider) }
progress::-webkit-progress-bar { background: var(--h-divider) }
progress::-webkit-progress-value { background: var(--h-accent) }
progress::-moz-progress-bar { background: var(--h-accent) }
.actions, .edit { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 8px }
pre { margin: 8px 0 0; padding: 8px; max-height: 180px; overflow: auto; background: var(--h-stage); border-radius: 8px;
  font: 400 11px/1.5 ui-monospace, 'DejaVu Sans Mono', monospace; white-space: pre-wrap; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: auto 1fr; gap: 2px 12px; margin: 6px 0 0; font-size: 12px }
dt { color: var(--h-secondary) } dd { margin: 0; text-align: right; overflow-wrap: anywhere }
.machine { border-top: 1px solid var(--h-divider); margin-top: 12px; padding-top: 12px }
h3 { font: 600 13px/1.3 Inter, system-ui, sans-serif; margin: 0 }
a { color: var(--h-accent) }
details { border-top: 1px solid var(--h-divider); padding-top: 8px; margin-top: 4px; font-size: 12px }
summary { cursor: pointer; color: var(--h-secondary) }
details .line { padding-top: 6px } details .line span { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.problem { border-left: 2px solid var(--h-error); padding-left: 10px; margin: 0 0 8px }
[hidden] { display: none !important }`

const ORDERS = {
  Newest: (a, b) => b.created - a.created,
  'Best score': (a, b) => (a.score ?? Infinity) - (b.score ?? Infinity),
  Name: (a, b) => a.title.localeCompare(b.title),
  State: (a, b) => a.state.localeCompare(b.state) || b.created - a.created,
}
// action, its label, what a row must allow ("" = always shown)
const ACTIONS = [['cancel', 'Cancel', 'cancel'], ['resume', 'Resume', 'resume'], ['earlier', 'Earlier', 'move'], ['later', 'Later', 'move'],
  ['use', 'Use as config', ''], ['duplicate', 'Duplicate', ''], ['edit', 'Rename, note, tags', ''], ['delete', 'Delete', 'delete']]
const PANEL_ACTIONS = ACTIONS.slice(0, 2)

const button = (label, onclick) => element('button', {type: 'button', textContent: label, onclick})

export function render({model, el}) {
  const send = requestSender(model)
  const request = (action, id = '', fields = {}) => send(action, {id, ...fields})
  const problem = make('p', 'problem')
  const empty = make('p', 'empty')
  const list = make('ul')
  const variant = (model.is_panel ? panel : selection)(model, request, () => draw(), {problem, empty, list})
  el.append(styleSheet(CSS), variant.root)

  const shown = new Map()
  const build = (id) => {
    const parts = {
      title: model.is_panel ? make('span', 'title') : element('button', {type: 'button', className: 'title', onclick: () => request('open', id)}),
      state: make('span', 'state'), badge: make('span', 'badge'), bar: make('progress'), detail: make('div', 'detail'),
      failure: make('div', 'failure'), actions: make('div', 'actions'), buttons: {},
    }
    for (const [action, label] of model.is_panel ? PANEL_ACTIONS : ACTIONS) {
      parts.buttons[action] = button(label, () => (action === 'edit' ? variant.edit(parts, id) : request(action, id)))
    }
    parts.actions.append(...Object.values(parts.buttons))
    parts.line = element('div', {className: 'line'}, parts.title, parts.state)
    parts.item = element('li', {'data-run': id}, parts.line, parts.badge, parts.bar, parts.detail, parts.failure, parts.actions)
    variant.extend(parts, id)
    return parts
  }
  const draw = () => {
    const rows = variant.rows()
    const ids = new Set(rows.map((row) => row.id))
    for (const [id, {item}] of [...shown]) if (!ids.has(id)) { item.remove(); shown.delete(id) }
    rows.forEach((row, index) => {
      if (!shown.has(row.id)) shown.set(row.id, build(row.id))
      const parts = shown.get(row.id)
      placeChild(list, index, parts.item)
      parts.item.dataset.state = row.state
      setText(parts.title, row.title)
      setText(parts.state, row.label)
      setText(parts.badge, row.badge ?? '')
      parts.badge.hidden = !row.badge
      setText(parts.failure, row.failure)
      parts.bar.hidden = row.share === null
      if (row.share !== null) {
        parts.bar.value = row.share
        setAttribute(parts.bar, 'aria-label', `Progress of ${row.title}`)
      }
      for (const [action, , need] of ACTIONS) if (parts.buttons[action]) parts.buttons[action].hidden = Boolean(need) && !row.can.includes(need)
      variant.draw(parts, row)
      for (const act of parts.actions.children) setAttribute(act, 'aria-label', `${act.textContent} ${row.title}`)
    })
    problem.hidden = !model.problem
    setText(problem, model.problem)
    empty.hidden = rows.length > 0 || Boolean(model.problem)
    variant.finish()
  }
  model.on(['rows', 'chosen', 'problem', ...variant.follows], draw)
  draw()
}

// Over any page: a heading with Close, the log of a run, older runs, the machine
function panel(model, request, draw, {problem, empty, list}) {
  const close = button('Close', () => request('close'))
  const older = button('', () => request('more'))
  const properties = make('dl')
  const dashboard = element('a', {textContent: 'Dask dashboard', target: '_blank', rel: 'noreferrer'})
  const machine = element('div', {className: 'machine'}, make('h3', '', 'This machine'), properties, dashboard)
  const head = element('header', {}, make('h2', '', 'Runs'), close)
  const root = element('section', {className: 'list', 'aria-label': 'Runs'}, head, problem, empty, list, older, machine)
  const setPairs = (node, pairs) => node.replaceChildren(...pairs.flatMap(([label, value]) => [make('dt', '', label), make('dd', '', value)]))

  // The page shows and hides the panel. Opening moves the focus into it; the rail takes it back.
  let isOpen = false
  const visibility = new IntersectionObserver((entries) => {
    const opens = entries.at(-1).isIntersecting
    if (opens && !isOpen) close.focus()
    isOpen = opens
  })
  visibility.observe(root)
  const onKey = (event) => { if (event.key === 'Escape' && isOpen) request('close') }
  addEventListener('keydown', onKey)
  model.on('remove', () => { visibility.disconnect(); removeEventListener('keydown', onKey) })
  setText(empty, 'No run yet. Long work that a page starts appears here and continues when you close the browser.')

  return {
    root,
    follows: ['num_older', 'log', 'figures', 'machine', 'dashboard'],
    rows: () => model.rows,
    extend: (parts, id) => {
      Object.assign(parts, {open: button('Log', () => request('open', id)), figures: make('dl'), log: element('pre', {tabIndex: 0})})
      parts.actions.append(parts.open)
      parts.item.append(parts.figures, parts.log)
    },
    draw: (parts, row) => {
      const isChosen = row.id === model.chosen
      setText(parts.detail, row.detail)
      parts.log.hidden = parts.figures.hidden = !isChosen
      setText(parts.open, isChosen ? 'Hide log' : 'Log')
      setAttribute(parts.open, 'aria-expanded', isChosen)
      if (!isChosen) return
      const isAtEnd = parts.log.scrollTop + parts.log.clientHeight >= parts.log.scrollHeight - 8
      setText(parts.log, model.log || 'The log is empty.')
      if (isAtEnd) parts.log.scrollTop = parts.log.scrollHeight
      setPairs(parts.figures, model.figures)
    },
    finish: () => {
      older.hidden = model.num_older === 0
      setText(older, `${model.num_older} older`)
      setPairs(properties, model.machine)
      dashboard.hidden = !model.dashboard
      if (/^https?:/.test(model.dashboard)) dashboard.href = model.dashboard
    },
  }
}

// In a drawer: filter, sort, choose, compare, rename, delete
function selection(model, request, draw, {problem, empty, list}) {
  const filter = element('input', {type: 'search', placeholder: 'Filter', 'aria-label': 'Filter runs', oninput: draw})
  const options = Object.keys(ORDERS).map((name) => make('option', '', name))
  const order = element('select', {'aria-label': 'Sort runs', onchange: draw}, ...options)
  const withTrials = element('input', {type: 'checkbox', onchange: draw})
  const trials = element('label', {className: 'trials'}, withTrials, 'Trials of sweeps too')
  const trashHead = make('summary')
  const trashed = make('div')
  const trash = element('details', {}, trashHead, trashed)
  const root = element('div', {className: 'list'}, element('div', {className: 'tools'}, filter, order), trials, problem, empty, list, trash)
  // a tick keeps its state until the server has answered this tick, not an earlier one
  const ticked = new Map()

  const save = (parts, id) => {
    const tags = parts.tags.value.split(',').map((tag) => tag.trim()).filter(Boolean)
    request('annotate', id, {name: parts.name.value, note: parts.note.value, tags})
    parts.edit.hidden = true
  }
  const drawTrash = () => {
    trash.hidden = !model.deleted.length
    setText(trashHead, `Trash: ${model.deleted.length} deleted`)
    const lines = model.deleted.map(({id, title}) =>
      element('div', {className: 'line'}, make('span', '', title), button('Restore', () => request('restore', id))))
    trashed.replaceChildren(...lines, element('div', {className: 'actions'}, button('Empty the trash', () => request('empty'))))
  }
  model.on('deleted', drawTrash)
  drawTrash()

  return {
    root,
    follows: ['answered'],
    rows: () => {
      for (const [id, {serial}] of ticked) if (serial <= model.answered) ticked.delete(id)
      const text = filter.value.trim().toLowerCase()
      const matches = (row) => [row.title, row.state, row.detail, row.note, ...row.tags].join(' ').toLowerCase().includes(text)
      const isListed = (row) => withTrials.checked || !row.is_trial || row.id === model.chosen || row.is_compared
      return model.rows.filter((row) => isListed(row) && matches(row)).sort(ORDERS[order.value])
    },
    extend: (parts, id) => {
      const named = (tag, label) => element(tag, {'aria-label': label, placeholder: label, ...(tag === 'input' && {type: 'text'})})
      parts.check = element('input', {type: 'checkbox', title: 'Compare'})
      parts.check.addEventListener('change', () => ticked.set(id, {checked: parts.check.checked, serial: request('compare', id)}))
      Object.assign(parts, {name: named('input', 'Name'), note: named('textarea', 'Note'), tags: named('input', 'Tags, with commas')})
      parts.edit = element('div', {className: 'edit', hidden: true}, parts.name, parts.note, parts.tags, button('Save', () => save(parts, id)))
      parts.line.prepend(parts.check)
      parts.item.append(parts.edit)
    },
    edit: (parts, id) => {
      const {name, note, tags} = model.rows.find((row) => row.id === id)
      parts.name.value = name
      parts.note.value = note
      parts.tags.value = tags.join(', ')
      parts.edit.hidden = !parts.edit.hidden
      if (!parts.edit.hidden) parts.name.focus()
    },
    draw: (parts, row) => {
      const isChosen = row.id === model.chosen
      parts.item.toggleAttribute('data-chosen', isChosen)
      setAttribute(parts.title, 'aria-pressed', isChosen)
      parts.check.checked = ticked.get(row.id)?.checked ?? row.is_compared
      setAttribute(parts.check, 'aria-label', `Compare ${row.title}`)
      parts.badge.className = `badge ${row.level}`
      const tags = row.tags.map((tag) => `#${tag}`).join(' ')
      setText(parts.detail, [row.detail, tags, isChosen ? row.note : ''].filter(Boolean).join(' · '))
      parts.actions.hidden = !isChosen
      if (!isChosen) parts.edit.hidden = true
    },
    finish: () => {
      trials.hidden = !model.rows.some((row) => row.is_trial)
      setText(empty, filter.value.trim() ? 'No run matches the filter.' : 'No run yet. Start one under New.')
    },
  }
}
