// One file to the server, a chunk at a time: the next one is sent when the last has arrived, so that none queue up.

const CSS = `
:host { display: block }
.drop { border: 1px dashed var(--mui-palette-text-disabled); border-radius: 8px; padding: 14px 12px; display: flex; flex-direction: column; gap: 8px;
  align-items: center; color: var(--h-secondary); font: 450 12px/1.45 Inter, system-ui, sans-serif; text-align: center }
.drop.over { background: var(--h-selected); border-color: var(--h-accent) }
p { margin: 0; overflow-wrap: anywhere }
button { all: unset; box-sizing: border-box; cursor: pointer; padding: 4px 12px; border: 1px solid var(--mui-palette-text-disabled); border-radius: 8px;
  font: 600 12px/1.6 Inter, system-ui, sans-serif; color: var(--h-text) }
button:hover { background: var(--h-hover) }
button:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 1px }
progress { appearance: none; width: 100%; height: 4px; border: 0; border-radius: 2px; overflow: hidden; background: var(--mui-palette-divider) }
progress::-webkit-progress-bar { background: var(--mui-palette-divider) }
progress::-webkit-progress-value { background: var(--h-accent) }
progress::-moz-progress-bar { background: var(--h-accent) }
[hidden] { display: none }`

export function render({model, el}) {
  const input = element('input', {type: 'file', accept: model.accept, hidden: true, 'aria-label': 'File to upload'})
  const status = element('p', {role: 'status'})
  const bar = element('progress', {max: 1, hidden: true, 'aria-label': 'Uploaded'})
  const button = element('button', {type: 'button'})
  const drop = element('div', {className: 'drop'}, button, status, bar, input)
  el.append(styleSheet(CSS), drop)

  let file = null
  let serial = 0
  const rest = () => {
    file = null
    bar.hidden = true
    button.textContent = 'Choose a file'
    status.textContent = `or drop it here: ${model.kinds}, at most ${model.limit_mb} MB`
  }
  const show = (sent) => {
    bar.hidden = false
    bar.value = sent / Math.max(file.size, 1)
    button.textContent = 'Cancel'
    status.textContent = `${file.name}: ${formatBytes(sent)} of ${formatBytes(file.size)}`
  }
  const send = async (offset) => {
    const mine = serial
    const {name, size} = file
    const content = await file.slice(offset, offset + model.chunk_bytes).arrayBuffer()
    if (mine === serial && file) model.chunk = {serial, name, size, offset, content}
  }
  const begin = (chosen) => {
    if (!chosen) return
    file = chosen
    serial = Math.max(serial, model.chunk?.serial ?? 0) + 1
    show(0)
    send(0)
  }
  const stop = () => {
    model.chunk = {serial, stop: true}
    rest()
  }
  button.addEventListener('click', () => (file ? stop() : input.click()))
  input.addEventListener('change', () => { begin(input.files[0]); input.value = '' })
  for (const type of ['dragenter', 'dragover', 'dragleave', 'drop']) {
    drop.addEventListener(type, (event) => {
      event.preventDefault()
      drop.classList.toggle('over', type === 'dragenter' || type === 'dragover')
    })
  }
  drop.addEventListener('drop', (event) => { if (!file) begin(event.dataTransfer.files[0]) })
  model.on('reply', () => {
    if (!file || model.reply.serial !== serial) return
    if (model.reply.is_over) rest()
    else {
      show(model.reply.received)
      send(model.reply.received)
    }
  })
  rest()
}
