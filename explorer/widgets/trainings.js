// The list of runs of the Train page. Rows are kept and changed, not made anew, so that focus and scroll stay.

const CSS = `
:host { display: block }
.list { color: var(--h-text); font: 450 13px/1.45 Inter, system-ui, sans-serif; font-feature-settings: 'tnum' }
.tools { display: grid; grid-template-columns: minmax(0, 1fr) 96px; gap: 8px; margin-bottom: 6px }
input[type=search], input[type=text], select, textarea { box-sizing: border-box; width: 100%; min-height: 30px; padding: 0 8px;
  border: 1px solid var(--mui-palette-text-disabled); border-radius: 6px; background: transparent; color: inherit; font: inherit }
textarea { padding: 6px 8px; min-height: 56px; resize: vertical }
select option { background: var(--h-raised); color: var(--h-text) }
.trials { display: flex; gap: 6px; align-items: center; font-size: 12px; color: var(--h-secondary); padding-bottom: 6px }
.trials[hidden] { display: none }
input[type=checkbox] { width: 16px; height: 16px; margin: 0; accent-color: var(--h-accent) }
ul { list-style: none; margin: 0; padding: 0 }
li { border-top: 1px solid var(--h-divider); padding: 8px; margin: 0 -8px; border-radius: 8px; position: relative }
li[data-chosen] { background: var(--h-selected) }
.line { display: flex; gap: 8px; align-items: center }
.title { all: unset; flex: 1; cursor: pointer; font-weight: 560; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.title::after { content: ''; position: absolute; inset: 0 }
.line input, .actions, .edit { position: relative; z-index: 1 }
.state { color: var(--h-secondary); white-space: nowrap; font-size: 12px }
.state::before { content: ''; display: inline-block; width: 7px; height: 7px; border-radius: 50%; margin-right: 5px; background: var(--h-disabled) }
[data-state=running] .state::before { background: var(--h-accent) }
[data-state=queued] .state::before, [data-state=created] .state::before { background: var(--h-info) }
[data-state=done] .state::before { background: var(--h-success) }
[data-state=failed] .state::before, [data-state=unreadable] .state::before { background: var(--h-error) }
[data-state=interrupted] .state::before { background: var(--h-warning) }
.detail, .failure, .empty { color: var(--h-secondary); font-size: 12px; overflow-wrap: anywhere }
.failure { color: var(--h-error) }
.badge { display: inline-block; margin: 3px 0 1px; padding: 1px 8px; border: 1px solid var(--mui-palette-text-disabled); border-radius: 10px; font: 600 11px/1.5 Inter, system-ui, sans-serif }
.badge[hidden] { display: none }
.badge.good { color: var(--h-success); border-color: currentColor }
.badge.bad { color: var(--h-error); border-color: currentColor }
progress { appearance: none; width: 100%; height: 4px; margin: 5px 0 2px; display: block; border: 0; border-radius: 2px; overflow: hidden; background: var(--h-divider) }
progress::-webkit-progress-bar { background: var(--h-divider) }
progress::-webkit-progress-value { background: var(--h-accent) }
progress::-moz-progress-bar { background: var(--h-accent) }
progress[hidden], .actions[hidden], .edit[hidden] { display: none }
.actions, .edit { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 8px }
button.act { all: unset; box-sizing: border-box; cursor: pointer; padding: 3px 8px; border: 1px solid var(--mui-palette-text-disabled); border-radius: 8px;
  font: 600 12px/1.4 Inter, system-ui, sans-serif; background: var(--h-panel) }
button.act[hidden] { display: none }
button.act:hover { background: var(--h-hover) }
button:focus-visible, input:focus-visible, select:focus-visible, textarea:focus-visible, summary:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 1px }
details { border-top: 1px solid var(--h-divider); padding-top: 8px; margin-top: 4px; font-size: 12px }
details[hidden] { display: none }
summary { cursor: pointer; color: var(--h-secondary) }
details .line { padding-top: 6px } details .line span { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.problem { border-left: 2px solid var(--h-error); padding-left: 10px; margin: 0 0 8px }
.problem[hidden], .empty[hidden] { display: none }`

const ACTIONS = [['cancel', 'Cancel'], ['resume', 'Resume'], ['earlier', 'Earlier'], ['later', 'Later'], ['use', 'Use as config'],
  ['duplicate', 'Duplicate'], ['edit', 'Rename, note, tags'], ['delete', 'Delete']]
const ORDERS = {
  Newest: (a, b) => b.created - a.created,
  'Best score': (a, b) => (a.score ?? Infinity) - (b.score ?? Infinity),
  Name: (a, b) => a.title.localeCompare(b.title),
  State: (a, b) => a.state.localeCompare(b.state) || b.created - a.created,
}
const make = (tag, className = '', text = '') => {
  const node = document.createElement(tag)
  node.className = className
  node.textContent = text
  return node
}
const put = (node, text) => { if (node.textContent !== text) node.textContent = text }

export function render({model, el}) {
  // the last few requests travel together: of two quick messages the server may see the second only
  const ask = (what, id = '', more = {}) => {
    const serial = (model.asked.at(-1)?.serial ?? 0) + 1
    model.asked = [...model.asked.slice(-15), {what, id, ...more, serial}]
    return serial
  }
  const act = (label, what, id = '') => {
    const node = make('button', 'act', label)
    node.type = 'button'
    node.addEventListener('click', () => ask(what, id))
    return node
  }
  const root = make('div', 'list')
  const tools = make('div', 'tools')
  const filter = make('input')
  Object.assign(filter, {type: 'search', placeholder: 'Filter'})
  filter.setAttribute('aria-label', 'Filter runs')
  const order = make('select')
  order.setAttribute('aria-label', 'Sort runs')
  for (const name of Object.keys(ORDERS)) order.append(make('option', '', name))
  tools.append(filter, order)
  const trials = make('label', 'trials')
  const withTrials = make('input')
  withTrials.type = 'checkbox'
  trials.append(withTrials, 'Trials of sweeps too')
  const problem = make('p', 'problem')
  const empty = make('p', 'empty')
  const list = make('ul')
  const bin = make('details')
  const binHead = make('summary')
  const binned = make('div')
  bin.append(binHead, binned)
  root.append(tools, trials, problem, empty, list, bin)
  el.append(make('style', '', CSS), root)

  const shown = new Map()
  // what was ticked stays as the hand left it until the server has answered that very tick, and not an earlier one
  const ticked = new Map()
  const labelled = (node, label) => { node.setAttribute('aria-label', label); node.placeholder = label; return node }
  const row = id => {
    const parts = {
      item: make('li'), check: make('input'), title: make('button', 'title'), state: make('span', 'state'), badge: make('span', 'badge'),
      bar: make('progress'), detail: make('div', 'detail'), failure: make('div', 'failure'), actions: make('div', 'actions'),
      edit: make('div', 'edit'), name: labelled(make('input'), 'Name'), note: labelled(make('textarea'), 'Note'),
      tags: labelled(make('input'), 'Tags, with commas'), buttons: {},
    }
    parts.check.type = 'checkbox'
    parts.name.type = parts.tags.type = 'text'
    parts.check.addEventListener('change', () => ticked.set(id, {checked: parts.check.checked, serial: ask('compare', id)}))
    parts.title.type = 'button'
    parts.title.addEventListener('click', () => ask('open', id))
    for (const [what, label] of ACTIONS) {
      const button = act(label, what, id)
      if (what === 'edit') {
        const toggle = make('button', 'act', label)
        toggle.type = 'button'
        toggle.addEventListener('click', () => {
          const one = model.rows.find(other => other.id === id)
          Object.assign(parts.name, {value: one.name})
          Object.assign(parts.note, {value: one.note})
          Object.assign(parts.tags, {value: one.tags.join(', ')})
          parts.edit.hidden = !parts.edit.hidden
          if (!parts.edit.hidden) parts.name.focus()
        })
        parts.buttons[what] = toggle
      } else parts.buttons[what] = button
      parts.actions.append(parts.buttons[what])
    }
    const save = make('button', 'act', 'Save')
    save.type = 'button'
    save.addEventListener('click', () => {
      const tags = parts.tags.value.split(',').map(tag => tag.trim()).filter(Boolean)
      ask('annotate', id, {name: parts.name.value, note: parts.note.value, tags})
      parts.edit.hidden = true
    })
    parts.edit.hidden = true
    parts.edit.append(parts.name, parts.note, parts.tags, save)
    const line = make('div', 'line')
    line.append(parts.check, parts.title, parts.state)
    parts.item.append(line, parts.badge, parts.bar, parts.detail, parts.failure, parts.actions, parts.edit)
    parts.item.dataset.run = id
    return parts
  }
  const draw = () => {
    for (const [id, {serial}] of ticked) if (serial <= model.answered) ticked.delete(id)
    const wanted = filter.value.trim().toLowerCase()
    const matches = one => [one.title, one.state, one.detail, one.note, ...one.tags].join(' ').toLowerCase().includes(wanted)
    const rows = model.rows.filter(one => (withTrials.checked || !one.is_trial || one.id === model.chosen || one.is_compared) && matches(one))
    rows.sort(ORDERS[order.value])
    const ids = new Set(rows.map(one => one.id))
    for (const [id, parts] of [...shown]) if (!ids.has(id)) { parts.item.remove(); shown.delete(id) }
    rows.forEach((one, index) => {
      if (!shown.has(one.id)) shown.set(one.id, row(one.id))
      const parts = shown.get(one.id)
      if (list.children[index] !== parts.item) list.insertBefore(parts.item, list.children[index] ?? null)
      const isChosen = one.id === model.chosen
      parts.item.dataset.state = one.state
      parts.item.toggleAttribute('data-chosen', isChosen)
      parts.title.setAttribute('aria-pressed', String(isChosen))
      parts.check.checked = ticked.get(one.id)?.checked ?? one.is_compared
      parts.check.setAttribute('aria-label', `Compare ${one.title}`)
      parts.check.title = 'Compare'
      put(parts.title, one.title)
      put(parts.state, one.label)
      put(parts.badge, one.badge)
      parts.badge.className = `badge ${one.verdict}`
      parts.badge.hidden = !one.badge
      put(parts.detail, [one.detail, one.tags.map(tag => `#${tag}`).join(' '), isChosen ? one.note : ''].filter(Boolean).join(' · '))
      put(parts.failure, one.failure)
      parts.bar.hidden = one.share === null
      if (one.share !== null) { parts.bar.value = one.share; parts.bar.setAttribute('aria-label', `Progress of ${one.title}`) }
      parts.actions.hidden = !isChosen
      if (!isChosen) parts.edit.hidden = true
      const can = {cancel: 'cancel', resume: 'resume', earlier: 'move', later: 'move', delete: 'delete'}
      for (const [what, need] of Object.entries(can)) parts.buttons[what].hidden = !one.can.includes(need)
    })
    trials.hidden = !model.rows.some(one => one.is_trial)
    problem.hidden = !model.problem
    put(problem, model.problem)
    empty.hidden = rows.length > 0 || Boolean(model.problem)
    put(empty, wanted ? 'No run is like that.' : 'No run yet. Start one under New.')
  }
  const drawBin = () => {
    bin.hidden = !model.deleted.length
    put(binHead, `Bin: ${model.deleted.length} deleted`)
    binned.replaceChildren(...model.deleted.map(one => {
      const line = make('div', 'line')
      line.append(make('span', '', one.title), act('Restore', 'restore', one.id))
      return line
    }), act('Empty the bin', 'empty'))
    binned.lastChild.style.marginTop = '8px'
  }
  filter.addEventListener('input', draw)
  order.addEventListener('change', draw)
  withTrials.addEventListener('change', draw)
  for (const name of ['rows', 'chosen', 'problem', 'answered']) model.on(name, draw)
  model.on('deleted', drawBin)
  draw()
  drawBin()
}
