// A form of many fields. Rows are changed in place, so that focus and typed text are kept.

const CSS = `
:host { display: block }
.form { color: var(--h-text); font: 450 13px/1.4 Inter, system-ui, sans-serif; font-feature-settings: 'tnum' }
details { border-top: 1px solid var(--h-divider) }
summary { cursor: pointer; padding: 10px 0; font-weight: 600; display: flex; gap: 8px; align-items: baseline; list-style: none }
summary::-webkit-details-marker { display: none }
summary::before { content: '›'; width: 10px; color: var(--h-secondary); transition: rotate 120ms }
details[open] > summary::before { rotate: 90deg }
summary b { flex: 1; font-weight: 600 }
summary small { color: var(--h-error); font-size: 11px }
summary:focus-visible, input:focus-visible, select:focus-visible, .file:focus-within { outline: 2px solid var(--h-accent); outline-offset: 1px }
.rows { padding: 0 0 10px }
.row { display: grid; grid-template-columns: minmax(0, 1fr) 122px; gap: 0 10px; align-items: center; padding: 3px 0 }
label { overflow: hidden; text-overflow: ellipsis; color: var(--h-text) }
.row.text { grid-template-columns: 92px minmax(0, 1fr) }
input, select { box-sizing: border-box; width: 100%; height: 30px; padding: 0 8px; border: 1px solid var(--mui-palette-text-disabled); border-radius: 6px;
  background: transparent; color: inherit; font: inherit }
select option { background: var(--h-raised); color: var(--h-text) }
input[type=checkbox] { width: 18px; height: 18px; accent-color: var(--h-accent); justify-self: start }
.note { grid-column: 1 / -1; color: var(--h-secondary); font-size: 12px; padding: 2px 0 4px; text-wrap: pretty }
.note[hidden] { display: none }
.wrong .note { color: var(--h-error) }
.wrong input, .wrong select { border-color: var(--h-error) }
.file { display: block; margin-top: 10px; padding: 6px 10px; border: 1px dashed var(--mui-palette-text-disabled); border-radius: 8px; text-align: center;
  cursor: pointer; font-weight: 600; font-size: 12px }
.file:hover { background: var(--h-hover) }
.file input { position: absolute; opacity: 0; width: 1px; height: 1px }
@media (prefers-reduced-motion: reduce) { summary::before { transition: none } }`


export function render({model, el}) {
  const send = requestSender(model, request => request.action !== 'file') // a file is large
  const root = element('div', {className: 'form', role: 'form'})
  const groups = new Map()
  const rows = new Map()
  const file = make('label', 'file', 'Import JSON')
  const chooser = element('input', {type: 'file', accept: '.json,application/json'})
  chooser.addEventListener('change', async () => {
    if (chooser.files[0]) send('file', {name: '', text: await chooser.files[0].slice(0, 1000001).text()})
    chooser.value = ''
  })
  file.append(chooser)
  el.append(styleSheet(CSS), root, file)

  const group = name => {
    if (!groups.has(name)) {
      const box = make('details')
      box.open = model.opened.includes(name)
      const head = make('summary')
      const wrong = make('small')
      head.append(make('b', '', name), wrong)
      const inner = make('div', 'rows')
      box.append(head, inner)
      root.append(box)
      groups.set(name, {box, inner, wrong})
    }
    return groups.get(name)
  }
  const build = field => {
    const row = make('div', `row ${field.kind}`)
    const label = make('label', '', field.label)
    const input = make(field.kind === 'choice' ? 'select' : 'input')
    input.id = label.htmlFor = `field-${field.name}`
    input.name = field.name
    if (field.kind === 'switch') input.type = 'checkbox'
    else if (field.kind === 'whole' || field.kind === 'number') input.inputMode = field.kind === 'whole' ? 'numeric' : 'decimal'
    const note = make('div', 'note')
    note.id = `note-${field.name}`
    input.setAttribute('aria-describedby', note.id)
    const list = make('datalist')
    list.id = `list-${field.name}`
    input.addEventListener('input', () => { rows.get(field.name).isDirty = true })
    input.addEventListener('change', () => { Object.assign(rows.get(field.name), {isDirty: false, drawn: null}); send('set', {name: field.name, text: input.type === 'checkbox' ? String(input.checked) : input.value}) })
    row.addEventListener('focusin', () => { row.dataset.focus = ''; describe(rows.get(field.name)) })
    row.addEventListener('focusout', () => {
      delete row.dataset.focus
      const parts = rows.get(field.name)
      describe(parts)
      if (parts?.isDirty) { // typed back to what it was, which is no change: show what has come meanwhile
        parts.isDirty = false
        input.value = parts.drawn = parts.field.text
      }
    })
    row.append(label, input, note, list)
    group(field.group).inner.append(row)
    return {row, label, input, note, list, kind: field.kind, group: field.group, field}
  }
  // help while the field has the focus, a problem always
  const describe = parts => {
    if (!parts) return
    const {field, row, note} = parts
    const text = field.problem || ('focus' in row.dataset ? field.help : '')
    setText(note, text)
    note.hidden = !text
  }
  const options = (select, wanted) => {
    const now = JSON.stringify(wanted)
    if (select.dataset.options === now) return
    select.dataset.options = now
    select.replaceChildren(...wanted.map(({text, label, is_legal}) =>
      element('option', {value: text, disabled: !is_legal, textContent: is_legal ? label : `${label} (not with the others)`})))
  }
  const draw = () => {
    const wanted = new Map(model.fields.map(field => [field.name, field]))
    for (const [name, parts] of [...rows]) {
      const field = wanted.get(name)
      if (!field || field.kind !== parts.kind || field.group !== parts.group) { parts.row.remove(); rows.delete(name) }
    }
    const placed = new Map()
    for (const field of model.fields) {
      if (!rows.has(field.name)) rows.set(field.name, build(field))
      const parts = rows.get(field.name)
      parts.field = field
      setText(parts.label, field.label)
      parts.label.title = field.help
      const {input} = parts
      if (field.kind === 'choice') options(input, field.options)
      if (field.kind === 'switch') input.checked = field.text === 'true'
      // an answer to an earlier change must not undo a later input, nor take away what is being typed
      else if (parts.drawn !== field.text && !parts.isDirty) input.value = parts.drawn = field.text
      if (field.suggestions?.length) {
        parts.list.replaceChildren(...field.suggestions.map(text => element('option', {value: text})))
        input.setAttribute('list', parts.list.id)
      } else input.removeAttribute('list')
      parts.row.classList.toggle('wrong', Boolean(field.problem))
      input.setAttribute('aria-invalid', String(Boolean(field.problem)))
      describe(parts)
      const {inner} = group(field.group)
      const index = placed.get(inner) ?? 0
      placeChild(inner, index, parts.row)
      placed.set(inner, index + 1)
    }
    for (const [name, {box, inner, wrong}] of groups) {
      box.hidden = !inner.childElementCount
      const count = model.fields.filter(field => field.group === name && field.problem).length
      setText(wrong, count ? `${count} wrong` : '')
    }
  }
  model.on('fields', draw)
  draw()
}
