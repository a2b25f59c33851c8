// Where help belongs on the page: controls by their labels, terms by their words. What is added lies outside of what
// React and Bokeh draw: a button in the control's shadow root, and a link around a word of a text that is only shown.

const EXPLAINED_CSS = `
.explain { all: unset; box-sizing: border-box; position: absolute; z-index: 4; width: 17px; height: 17px; border-radius: 50%; cursor: help;
  text-align: center; font: 600 11px/15px Inter, system-ui, sans-serif; color: var(--h-secondary);
  border: 1px solid var(--h-outline); background: var(--h-panel) }
.explain:hover, .explain[aria-expanded=true] { color: var(--h-accent); border-color: var(--h-accent) }
.explain:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 1px }`

const TERM_CSS = `
a.term { color: inherit; text-decoration: underline dotted var(--h-outline); text-underline-offset: 3px; cursor: help }
a.term:hover { color: var(--h-accent) }
a.term:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 1px; border-radius: 4px }`

function* viewsBelow(view) {
  yield view
  for (const child of view.child_views ?? []) yield* viewsBelow(child)
}
const allViews = () => Bokeh.index.roots.flatMap((root) => [...viewsBelow(root)])
const isShown = (view) => view.el.getClientRects().length > 0

// What a control is called: its own label, or the heading above a group of buttons
const labelOf = (view) => view.model.data?.label || (view.model.type.endsWith('.HTML') ? view.shadow_el?.querySelector('h2')?.textContent : '')

// Where the "i" stands: behind the label of a number or a switch, in the upper edge of a field
function placeOf(view) {
  const label = view.shadow_el.querySelector('.label, h2')
  if (label) {
    const words = document.createRange()
    words.selectNodeContents(label)
    const [left, right, end] = [view.el.getBoundingClientRect().left, words.getBoundingClientRect().right, label.getBoundingClientRect().right]
    const zoom = view.el.currentCSSZoom ?? 1
    return {left: `${(Math.min(right, end) - left) / zoom + 6}px`, top: label.tagName === 'H2' ? '0' : '7px'}
  }
  return view.model.class_name === 'Switch' ? {left: 'calc(100% + 2px)', top: '5px'} : view.model.class_name === 'RangeSlider' ? {right: '0', top: '0'} : {right: '28px', top: '-7px'}
}

function explainControls(texts, page, onOpen) {
  for (const view of allViews()) {
    const label = labelOf(view)
    const entry = label && (texts.controls[`${page}/${label}`] ?? texts.controls[label])
    if (!entry || !view.shadow_el || !isShown(view)) continue
    let button = view.shadow_el.querySelector('.explain')
    if (!button) {
      button = element('button', {type: 'button', className: 'explain', textContent: 'i', 'aria-label': 'What is this?', 'aria-expanded': 'false'})
      button.onclick = () => onOpen(button, label, entry)
      view.shadow_el.append(styleSheet(EXPLAINED_CSS), button)
    }
    Object.assign(button.style, placeOf(view))
  }
}

// The first place of each term in a text becomes a link to it
function linkTerms(texts, onOpen) {
  const known = Object.entries(texts.terms).flatMap(([key, {synonyms}]) => synonyms.map((word) => [word, key]))
  const keys = new Map(known.map(([word, key]) => [word.toLowerCase(), key]))
  const escaped = known.map(([word]) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).sort((a, b) => b.length - a.length)
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}–-])(${escaped.join('|')})(?![\\p{L}\\p{N}])`, 'iu')
  for (const view of allViews()) {
    if (!view.model.type.endsWith('.HTML') || !view.shadow_el || !isShown(view) || view.shadow_el.querySelector('a.term')) continue
    const parts = [...view.shadow_el.querySelectorAll('p, th, dt')].filter((node) => !node.closest('a, button, [role=status]'))
    const seen = new Set()
    for (const node of parts.flatMap((part) => [...part.childNodes]).filter(({nodeType}) => nodeType === Node.TEXT_NODE)) {
      const match = node.data.match(pattern)
      const key = match && keys.get(match[1].toLowerCase())
      if (!key || seen.has(key)) continue
      seen.add(key)
      const word = node.splitText(match.index)
      word.splitText(match[1].length)
      const link = element('a', {className: 'term', href: `#${key}`, onclick: (event) => { event.preventDefault(); onOpen(key) }})
      word.replaceWith(link)
      link.append(word)
    }
    if (seen.size && !view.shadow_el.querySelector('.terms')) view.shadow_el.append(element('style', {className: 'terms', textContent: TERM_CSS}))
  }
}
