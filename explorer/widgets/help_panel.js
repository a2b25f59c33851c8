// The panel over any page: what the controls on screen do, the keys, the glossary; and the card of one control.

const CSS = `
:host { font: 450 13px/1.5 Inter, system-ui, sans-serif; color: var(--h-text) }
section { position: fixed; z-index: 60; inset: 0 0 0 auto; width: min(400px, 100vw); zoom: var(--h-zoom); box-sizing: border-box;
  overflow-y: auto; box-shadow: -12px 0 32px rgba(0, 0, 0, .28); padding: 16px 20px 24px; background: var(--h-raised);
  border-left: 1px solid var(--h-divider) }
header { display: flex; align-items: center; gap: 8px; margin-bottom: 12px }
h2 { font: 600 15px/1.2 Inter, system-ui, sans-serif; margin: 0; flex: 1 }
h3 { font: 600 13px/1.3 Inter, system-ui, sans-serif; margin: 20px 0 4px }
p { margin: 2px 0 0; text-wrap: pretty }
.formula, .more { color: var(--h-secondary); font-size: 12px }
dl { margin: 0 } dt { font-weight: 600; margin-top: 12px; scroll-margin-top: 12px } dd { margin: 0 }
dt.chosen { color: var(--h-accent) }
kbd { font: 600 12px/1.5 Inter, system-ui, sans-serif; padding: 0 6px; border: 1px solid var(--h-outline); border-radius: 5px }
table { border-collapse: collapse } td { padding: 3px 12px 3px 0; vertical-align: top }
input { box-sizing: border-box; width: 100%; min-height: 32px; padding: 0 10px; border: 1px solid var(--h-outline); border-radius: 8px;
  background: transparent; color: inherit; font: inherit }
button { all: unset; cursor: pointer; padding: 3px 10px; border: 1px solid var(--h-outline); border-radius: 8px; font: 600 12px/1.5 Inter, system-ui, sans-serif }
button:hover { background: var(--h-hover) }
button.link { border: 0; padding: 0; color: var(--h-accent); text-decoration: underline; font-weight: 450 }
button:focus-visible, input:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 1px }
.card { position: fixed; z-index: 70; width: 280px; box-sizing: border-box; padding: 12px 14px; border-radius: 10px; background: var(--h-raised);
  border: 1px solid var(--h-divider); box-shadow: 0 8px 28px rgba(0, 0, 0, .32) }
.card b { font-weight: 600 }
[hidden] { display: none !important }`

const KEYS = [
  ['?', 'this help, open and closed'], ['Tab', 'from control to control; Enter on an i explains the one before it'],
  ['← → ↑ ↓', 'turn a globe, or change a slider'], ['+ −', 'zoom a globe'], ['Home', 'a globe as at first'],
  ['Enter', 'on a globe: pick the place in the middle'], ['Esc', 'close what lies over the page'],
]

export function render({model}) {
  const {texts} = model
  const card = element('div', {className: 'card', role: 'status', hidden: true})
  const search = element('input', {type: 'search', placeholder: 'Search', 'aria-label': 'Search the help'})
  const close = element('button', {type: 'button', textContent: 'Close', onclick: () => open(false)})
  const controls = element('div')
  const keys = element('table', {}, ...KEYS.map(([key, what]) =>
    element('tr', {}, element('td', {}, make('kbd', '', key)), make('td', '', what))))
  const glossary = element('dl')
  const panel = element('section', {'aria-label': 'Help', hidden: true}, element('header', {}, make('h2', '', 'Help'), close), search,
    controls, element('div', {className: 'keys'}, make('h3', '', 'Keys'), keys), make('h3', '', 'Glossary'), glossary)
  // over everything: an element inside the page's boxes would be clipped by them
  const over = element('div')
  over.attachShadow({mode: 'open'}).append(styleSheet(CSS), panel, card)
  document.body.append(over)

  const lines = ({text, formula, unit, source}) => [
    make('p', '', text), ...(formula ? [make('p', 'formula', formula)] : []),
    ...(unit || source ? [make('p', 'more', [unit && `Unit: ${unit}.`, source && `Source: ${source}.`].filter(Boolean).join(' '))] : []),
  ]
  const terms = new Map(Object.entries(texts.terms).sort(([, a], [, b]) => a.name.localeCompare(b.name)).map(([key, term]) => {
    const [name, meaning] = [element('dt', {textContent: term.name, tabIndex: -1}), element('dd', {}, ...lines(term))]
    glossary.append(name, meaning)
    return [key, [name, meaning]]
  }))

  // the card of one control
  let opened = null
  const hideCard = () => {
    if (!opened) return
    card.hidden = true
    opened.setAttribute('aria-expanded', 'false')
    opened = null
  }
  const showCard = (button, label, entry) => {
    const isSame = opened === button
    hideCard()
    if (isSame) return
    opened = button
    button.setAttribute('aria-expanded', 'true')
    const related = entry.terms.map((key) => element('button', {type: 'button', className: 'link', textContent: texts.terms[key].name, onclick: () => showTerm(key)}))
    const more = related.length ? [element('p', {className: 'more'}, ...related.flatMap((link, at) => (at ? [', ', link] : [link])))] : []
    card.replaceChildren(make('b', '', label), ...lines(entry), ...more)
    card.hidden = false
    const at = button.getBoundingClientRect()
    card.style.left = `${Math.max(8, Math.min(at.right + 10, innerWidth - 292))}px`
    card.style.top = `${Math.max(8, Math.min(at.top - 10, innerHeight - card.offsetHeight - 8))}px`
  }

  // the panel
  const page = () => document.documentElement.dataset.page
  const drawControls = () => {
    const shown = allViews().filter((view) => labelOf(view) && isShown(view)).map(labelOf)
    const known = [...new Set(shown)].map((label) => [label, texts.controls[`${page()}/${label}`] ?? texts.controls[label]]).filter(([, entry]) => entry)
    const list = element('dl', {}, ...known.flatMap(([label, entry]) => [make('dt', '', label), element('dd', {}, ...lines(entry))]))
    controls.replaceChildren(...(known.length ? [make('h3', '', 'On this page'), list] : []))
    filter()
  }
  const filter = () => {
    const wanted = search.value.trim().toLowerCase()
    for (const name of panel.querySelectorAll('dt')) {
      const isFound = `${name.textContent} ${name.nextSibling.textContent}`.toLowerCase().includes(wanted)
      name.hidden = name.nextSibling.hidden = !isFound
    }
    panel.querySelector('.keys').hidden = Boolean(wanted)
  }
  search.oninput = filter
  const showTerm = (key) => {
    hideCard()
    search.value = ''
    open(true)
    for (const [name] of terms.values()) name.classList.remove('chosen')
    const [name] = terms.get(key)
    name.classList.add('chosen')
    name.scrollIntoView({block: 'start'})
    name.focus({preventScroll: true})
  }
  let before = null
  const focused = () => {
    let node = document.activeElement
    while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement
    return node
  }
  const isTyped = (node) => node?.matches?.('input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]')
  const open = (wanted) => {
    if (wanted === !panel.hidden) return
    panel.hidden = !wanted
    if (wanted) {
      before = focused()
      drawControls()
      close.focus()
    } else {
      for (const [name] of terms.values()) name.classList.remove('chosen')
      before?.focus?.()
      before = null
    }
  }

  // Controls come and go with choices: look again a moment after anything changed.
  let timer = 0
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      if (!document.documentElement.dataset.ready) return soon()
      explainControls(texts, page(), showCard)
      linkTerms(texts, showTerm)
      if (!panel.hidden) drawControls()
    }, 300)
  }
  const onKey = (event) => {
    if (event.key === 'Escape') {
      if (opened) { opened.focus(); hideCard() } else open(false)
    } else if (event.key === '?' && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyped(focused())) {
      event.preventDefault()
      open(panel.hidden)
    }
  }
  const onPress = (event) => { if (opened && !event.composedPath().some((node) => node === card || node === opened)) hideCard() }
  addEventListener('keydown', onKey)
  addEventListener('pointerdown', onPress)
  addEventListener('resize', soon)
  const toggle = () => open(panel.hidden)
  addEventListener('harmonia:help', toggle)
  for (const doc of Bokeh.documents) doc.on_change(soon)
  const attributes = new MutationObserver(() => { hideCard(); soon() })
  attributes.observe(document.documentElement, {attributeFilter: ['data-page', 'data-ready', 'data-drawer']})
  model.on('remove', () => {
    removeEventListener('keydown', onKey)
    removeEventListener('pointerdown', onPress)
    removeEventListener('resize', soon)
    removeEventListener('harmonia:help', toggle)
    for (const doc of Bokeh.documents) doc.remove_on_change(soon)
    attributes.disconnect()
    over.remove()
  })
  soon()
}
