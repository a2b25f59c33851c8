// A story over live pages. It changes the page only by following links, as a person would.

const CSS = `
:host { font: 450 13px/1.5 Inter, system-ui, sans-serif; color: var(--h-text) }
section { position: fixed; z-index: 50; right: 16px; bottom: 76px; width: min(400px, calc(100vw - 32px)); max-height: calc(100vh - 160px); overflow-y: auto;
  box-sizing: border-box; padding: 16px 18px; border-radius: 14px; background: var(--h-raised); border: 1px solid var(--h-divider);
  box-shadow: 0 12px 40px rgba(0, 0, 0, .36); zoom: var(--h-zoom) }
header { display: flex; align-items: center; gap: 8px; color: var(--h-secondary); font-size: 12px }
header span { flex: 1 }
h2 { font: 620 17px/1.3 Inter, system-ui, sans-serif; margin: 6px 0 4px }
p { margin: 4px 0; text-wrap: pretty }
.task { border-left: 2px solid var(--h-accent); padding-left: 10px; margin: 10px 0 }
.dots { display: flex; gap: 5px; flex: 1; align-items: center }
.dots i { width: 7px; height: 7px; border-radius: 50%; background: var(--h-outline) } .dots i.on { background: var(--h-accent) }
footer { display: flex; gap: 8px; align-items: center; margin-top: 12px }
button { all: unset; cursor: pointer; padding: 5px 12px; border: 1px solid var(--h-outline); border-radius: 8px; font: 600 12px/1.5 Inter, system-ui, sans-serif }
button:hover { background: var(--h-hover) } button:disabled { opacity: .45; cursor: default }
button.plain { border-color: transparent; padding: 3px 6px; color: var(--h-secondary) }
button.main { background: var(--h-accent); color: var(--h-on-accent); border-color: var(--h-accent) }
button:focus-visible, input:focus-visible, textarea:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 2px }
ol { margin: 8px 0; padding-left: 20px } li { margin-bottom: 10px }
input, textarea { box-sizing: border-box; width: 100%; margin-bottom: 4px; padding: 4px 8px; border: 1px solid var(--h-outline); border-radius: 6px;
  background: transparent; color: inherit; font: inherit }
textarea { min-height: 52px; resize: vertical }
.row { display: flex; gap: 4px; flex-wrap: wrap }
[hidden] { display: none !important }`

const PLACE = 'harmonia-story'

export function render({model}) {
  const over = element('div')
  const button = (label, onclick, className = '') => element('button', {type: 'button', textContent: label, onclick, className})
  const panel = element('section', {'aria-label': 'Story', hidden: true})
  over.attachShadow({mode: 'open'}).append(styleSheet(CSS), panel)
  document.body.append(over)

  let {story} = model
  let at = 0
  let isEdited = false
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE) ?? 'null')
    if (kept?.story?.steps?.length) ({story, at} = kept)
  } catch { /* nothing is kept */ }
  const keep = () => {
    try { localStorage.setItem(PLACE, JSON.stringify({story, at})) } catch { /* nothing is kept */ }
  }

  // Links are followed by the rail, which listens at the window: the link must stand in the document
  const goTo = (index) => {
    at = Math.min(Math.max(index, 0), story.steps.length - 1)
    const link = element('a', {href: story.steps[at].address, hidden: true})
    over.append(link)
    link.click()
    link.remove()
    keep()
    draw()
  }
  const prepareNext = () => {
    const next = story.steps[at + 1]
    if (!panel.hidden && next) model.prepare = next.address
  }
  const show = () => { panel.hidden = false; isEdited = false; goTo(at); panel.querySelector('.main')?.focus() }
  const hide = () => { panel.hidden = true }

  const draw = () => {
    if (isEdited) drawEditor()
    else drawStep()
  }
  const drawStep = () => {
    const step = story.steps[at]
    const isLast = at === story.steps.length - 1
    const next = isLast ? button('Finish', () => { at = 0; keep(); hide() }, 'main') : button('Next', () => goTo(at + 1), 'main')
    const back = button('Back', () => goTo(at - 1))
    back.disabled = at === 0
    const hadFocus = over.shadowRoot.activeElement !== null
    panel.replaceChildren(
      element('header', {}, make('span', '', `${story.title} · ${at + 1} of ${story.steps.length}`),
        button('Edit', () => { isEdited = true; draw() }, 'plain'), button('Close', hide, 'plain')),
      make('h2', '', step.title), make('p', '', step.text), ...(step.task ? [make('p', 'task', `Try: ${step.task}`)] : []),
      element('footer', {}, element('div', {className: 'dots', 'aria-hidden': 'true'}, ...story.steps.map((_, index) => make('i', index <= at ? 'on' : ''))), back, next))
    if (hadFocus) next.focus()
  }

  // the editor
  const change = (steps, index = at) => {
    story = {...story, steps}
    at = Math.min(Math.max(index, 0), steps.length - 1)
    keep()
    draw()
  }
  const setStep = (index, name, value) => {
    story = {...story, steps: story.steps.map((step, other) => (other === index ? {...step, [name]: value} : step))}
    keep()
  }
  const move = (index, by) => {
    const steps = [...story.steps]
    const [step] = steps.splice(index, 1)
    steps.splice(index + by, 0, step)
    change(steps, index + by)
  }
  const drawEditor = () => {
    const field = (tag, index, name, label) => element(tag, {value: story.steps[index][name] ?? '', placeholder: label, 'aria-label': `${label} of step ${index + 1}`, oninput: ({target}) => setStep(index, name, target.value)})
    const items = story.steps.map((step, index) => {
      const [up, down, remove] = [button('Up', () => move(index, -1)), button('Down', () => move(index, 1)), button('Remove', () => change(story.steps.filter((_, other) => other !== index)))]
      up.disabled = index === 0
      down.disabled = index === story.steps.length - 1
      remove.disabled = story.steps.length === 1
      return element('li', {}, field('input', index, 'title', 'Title'), field('textarea', index, 'text', 'Words'), field('input', index, 'task', 'To try'),
        field('input', index, 'note', 'Note for the speaker'), element('div', {className: 'row'}, up, down, remove))
    })
    const name = element('input', {value: story.title, 'aria-label': 'Title of the story', oninput: ({target}) => { story = {...story, title: target.value}; keep() }})
    const file = element('input', {type: 'file', accept: '.json,application/json', hidden: true, 'aria-label': 'File of a story'})
    file.onchange = async () => {
      const text = await file.files[0].text()
      model.opened = ''
      model.opened = text
      file.value = ''
    }
    const title = () => document.documentElement.dataset.page.replace(/^./, (letter) => letter.toUpperCase())
    const add = () => change([...story.steps, {title: title(), text: '', task: '', note: '', address: location.search}], story.steps.length)
    const save = () => saveFile('story.json', new Blob([JSON.stringify(story, null, 2)], {type: 'application/json'}))
    panel.replaceChildren(
      element('header', {}, make('span', '', 'Edit the story'), button('Done', () => { isEdited = false; draw() }, 'plain'), button('Close', hide, 'plain')),
      name, element('ol', {}, ...items),
      element('div', {className: 'row'}, button('Add this view', add, 'main'), button('Save', save), button('Open', () => file.click()),
        button('The built-in story', () => { story = model.story; change(story.steps, 0) })), file)
  }

  const isTyped = ([node]) => node?.matches?.('input, textarea, select, [contenteditable]')
  const onKey = (event) => {
    if (panel.hidden || isEdited || isTyped(event.composedPath())) return
    const by = {PageDown: 1, PageUp: -1}[event.key]
    if (!by) return
    event.preventDefault()
    goTo(at + by)
  }
  const onClick = (event) => {
    const link = event.composedPath().find((node) => node.tagName === 'A')
    if (link?.getAttribute('href') !== '#story') return
    event.preventDefault()
    show()
  }
  // the next page is built when the present one has been drawn
  const whenIdle = new MutationObserver(() => { if (document.documentElement.dataset.busy === 'false') prepareNext() })
  whenIdle.observe(document.documentElement, {attributeFilter: ['data-busy', 'data-page']})
  addEventListener('keydown', onKey)
  addEventListener('click', onClick)
  model.on('story', () => { ({story} = model); isEdited = false; at = 0; goTo(0) })
  model.on('remove', () => {
    whenIdle.disconnect()
    removeEventListener('keydown', onKey)
    removeEventListener('click', onClick)
    over.remove()
  })
}
