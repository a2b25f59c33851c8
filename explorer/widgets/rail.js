// The rail: real links, so that a middle click opens a new tab; a plain click stays in this one.

const STROKE = 'fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"'
const ICONS = {
  logo: '<circle cx="12" cy="12" r="9.2"/><path d="M2.8 12c3-6 6.2-6 9.2 0s6.2 6 9.2 0"/>',
  home: '<path d="M4 11l8-7 8 7v9h-5v-6H9v6H4z"/>',
  globe: '<circle cx="12" cy="12" r="9"/><path d="M3 12h18M12 3c3.5 3 3.5 15 0 18M12 3c-3.5 3-3.5 15 0 18"/>',
  patches: '<rect x="4" y="4" width="7" height="7" rx="1.5"/><rect x="13" y="4" width="7" height="7" rx="1.5"/><rect x="4" y="13" width="7" height="7" rx="1.5"/><path d="M13 16.5h7M16.5 13v7"/>',
  table: '<rect x="3.5" y="5" width="17" height="14" rx="2"/><path d="M3.5 9.7h17M3.5 14.3h17M9.2 5v14M14.8 5v14"/>',
  ocean: '<path d="M3 8c3-3 6-3 9 0s6 3 9 0M3 13.5c3-3 6-3 9 0s6 3 9 0M3 19c3-3 6-3 9 0s6 3 9 0"/>',
  train: '<path d="M4 4v16h16"/><path d="M7 8c3 0 3 7 6.5 7s3.5 1.5 6.5 1.5"/>',
  whole: '<circle cx="12" cy="12" r="9"/><path d="M12 3v18M12 7.5h7.5M12 12h9M12 16.5h7.5"/>',
  belief: '<path d="M12 21s-6-6.2-6-10.500a6 6 0 0 1 12 0c0 4.300-6 10.500-6 10.500z"/><circle cx="12" cy="10.500" r="2"/><path d="M3.500 17.500c0 2 3.800 3.800 8.500 3.800s8.500-1.800 8.500-3.800"/>',
  tokens: '<rect x="3.5" y="3.5" width="17" height="17" rx="2"/><path d="M9.2 3.5v17M14.8 3.5v17M3.5 9.2h17M3.5 14.8h17"/><circle cx="12" cy="12" r="1.6" fill="currentColor"/>',
  runs: '<path d="M4 6h10M4 12h16M4 18h7"/><circle cx="18" cy="6" r="1.5"/><circle cx="15" cy="18" r="1.5"/>',
  controls: '<rect x="3.5" y="4.5" width="17" height="15" rx="2"/><path d="M9.5 4.5v15"/>',
  help: '<circle cx="12" cy="12" r="9"/><path d="M9.500 9.500a2.500 2.500 0 1 1 3.600 2.200c-.8.4-1.100.9-1.100 1.800"/><circle cx="12" cy="16.800" r=".6" fill="currentColor"/>',
  sun: '<circle cx="12" cy="12" r="4"/><path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6L7 7M17 17l1.4 1.4M5.6 18.4L7 17M17 7l1.4-1.4"/>',
  moon: '<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z"/>',
}
const icon = (name, size = 20) =>
  `<svg width="${size}" height="${size}" viewBox="0 0 24 24" ${STROKE} aria-hidden="true">${ICONS[name] ?? ICONS.globe}</svg>`

const CSS = `
:host { display: block; height: 100% }
nav { box-sizing: border-box; height: 100%; padding: 14px 4px 8px; display: flex; flex-direction: column; gap: 4px;
  align-items: stretch; background: var(--h-panel); border-right: 1px solid var(--h-divider) }
.pages > a:first-child svg { color: var(--h-accent); width: 28px; height: 28px }
.pages { flex: 1; min-height: 0; display: flex; flex-direction: column; gap: 4px; overflow: hidden auto; scrollbar-width: none }
.pages > a { flex: none }
a, button { all: unset; box-sizing: border-box; cursor: pointer; display: flex; flex-direction: column; gap: 4px;
  align-items: center; justify-content: center; text-align: center; min-height: 56px; border-radius: 10px; color: var(--h-secondary);
  font: 500 11px/1.2 Inter, system-ui, sans-serif; transition: background 120ms, color 120ms }
a:hover, button:hover { background: var(--h-hover); color: var(--h-text) }
a[aria-current] { background: var(--h-selected); color: var(--h-accent) }
button:disabled { opacity: .45; cursor: default; background: none }
a:focus-visible, button:focus-visible { outline: 2px solid var(--h-accent); outline-offset: -2px }
.pair { display: grid; grid-template-columns: 1fr 1fr }
.busy { position: fixed; inset: 0 0 auto 0; height: 2px; z-index: 2000; overflow: hidden; opacity: 0;
  transition: opacity 120ms; pointer-events: none }
.busy.on { opacity: 1; transition-delay: 400ms }
.busy::after { content: ''; position: absolute; inset: 0; width: 30%; background: var(--h-accent) }
.busy.on::after { animation: slide 1.1s ease-in-out infinite }
@keyframes slide { from { transform: translateX(-110%) } to { transform: translateX(440%) } }
@media (prefers-reduced-motion: reduce) { .busy.on::after { animation: none; width: 100% } a, button { transition: none } }
.count { position: absolute; translate: 16px -18px; min-width: 16px; padding: 0 4px; border-radius: 8px; background: var(--h-accent);
  color: var(--h-on-accent); font: 600 10px/16px Inter, system-ui, sans-serif; text-align: center; box-sizing: border-box }
.count[hidden] { display: none }
@media (min-width: 900px) and (max-height: 780px) { /* all pages are seen down to 600 pixels */
  a, button { min-height: 44px; gap: 2px }
  .pages > a:first-child svg { width: 22px; height: 22px }
}
@media (max-width: 899px) {
  nav { flex-direction: row; padding: 4px; border-right: 0; border-top: 1px solid var(--h-divider) }
  /* a shade at an edge shows that there are more links: it is fixed, and a cover that scrolls with the links hides it at the end */
  .pages { flex-direction: row; min-width: 0; overflow: auto hidden; background:
    linear-gradient(to right, var(--h-panel) 40%, transparent) left / 40px 100% no-repeat local,
    linear-gradient(to left, var(--h-panel) 40%, transparent) right / 40px 100% no-repeat local,
    linear-gradient(to right, var(--h-outline), transparent) left / 8px 100% no-repeat scroll,
    linear-gradient(to left, var(--h-outline), transparent) right / 8px 100% no-repeat scroll }
  .pair { display: contents }
  a, button { min-width: 60px; padding: 0 6px; min-height: 52px }
}`

const VIEWS = 'harmonia-views', MOST_VIEWS = 6
// The last view of each page, for the page Home. It stays in this browser, which may keep nothing (private windows).
function keepView(item, address) {
  if (!item || item.plain) return
  try {
    const others = JSON.parse(localStorage.getItem(VIEWS) ?? '[]').filter(({page}) => page !== item.name)
    const view = {page: item.name, title: item.title, icon: item.icon, address, at: Date.now()}
    localStorage.setItem(VIEWS, JSON.stringify([view, ...others].slice(0, MOST_VIEWS)))
    dispatchEvent(new Event('harmonia:views'))
  } catch { /* nothing is kept */ }
}

export function render({model, el}) {
  const nav = element('nav', {'aria-label': 'Pages'})
  const busy = element('div', {className: 'busy'})
  el.append(styleSheet(CSS), nav, busy)
  const links = model.items.map(item => {
    const open = event => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return
      event.preventDefault()
      if (model.page === item.name) return
      history.pushState(null, '', `?page=${item.name}`)  // at once, so that Back leads here before the page is shown
      model.page = item.name
    }
    const a = element('a', {href: `?page=${item.name}`, innerHTML: icon(item.icon), onclick: open})
    a.append(item.title)
    return [item.name, a]
  })
  const button = (name, onclick) => element('button', {type: 'button', innerHTML: name && icon(name), onclick})
  const controls = button('controls', () => { model.drawer_open = !model.drawer_open })
  controls.append('Controls')
  const theme = button('', () => { model.dark = !model.dark })
  const runs = button('runs', () => { model.runs_open = !model.runs_open })
  const count = element('span', {className: 'count'})
  runs.append('Runs', count)
  const pages = element('div', {className: 'pages'}, ...links.map(([, a]) => a))
  const help = button('help', () => dispatchEvent(new Event('harmonia:help')))
  help.append('Help')
  nav.append(pages, runs, controls, element('div', {className: 'pair'}, help, theme))

  // Not scrollIntoView: the browser continues with Tab from its target, so that the first links would be skipped.
  const bringIn = a => {
    const [box, own] = [pages, a].map(part => part.getBoundingClientRect())
    const beyond = (low, high, from, to) => Math.min(0, low - from) + Math.max(0, high - to)
    pages.scrollBy(beyond(own.left, own.right, box.left, box.right), beyond(own.top, own.bottom, box.top, box.bottom))
  }
  const showPage = () => {
    showBusy()
    controls.disabled = Boolean(model.items.find((item) => item.name === model.page)?.plain)
    for (const [name, a] of links) {
      if (name !== model.page) { a.removeAttribute('aria-current'); continue }
      a.setAttribute('aria-current', 'page')
      bringIn(a)
    }
  }
  const showTheme = () => {
    document.documentElement.dataset.mode = model.dark ? 'dark' : 'light'
    document.cookie = `harmonia-mode=${model.dark ? 'dark' : 'light'};path=/;max-age=31536000;samesite=strict`
    theme.innerHTML = icon(model.dark ? 'sun' : 'moon')
    theme.append(model.dark ? 'Light' : 'Dark')
  }
  const showDrawer = () => {
    document.documentElement.dataset.drawer = model.drawer_open ? 'open' : 'closed'
    controls.setAttribute('aria-pressed', String(model.drawer_open))
  }
  let wasOpen = false
  const showRuns = () => {
    if (wasOpen && !model.runs_open) runs.focus()  // the panel has taken the focus when it opened
    wasOpen = model.runs_open
    runs.setAttribute('aria-expanded', String(model.runs_open))
    count.textContent = model.runs_count || ''
    count.hidden = !model.runs_count
    runs.setAttribute('aria-label', model.runs_count ? `Runs, ${model.runs_count} active` : 'Runs')
  }
  const pageOf = query => new URLSearchParams(query).get('page')
  // A click marks its page at once; the address follows when that page is shown.
  const showBusy = () => {
    const [shown, asked] = [pageOf(model.address), pageOf(location.search)]
    const isComing = Boolean(model.address) && (shown !== model.page || (asked !== null && asked !== shown))
    busy.classList.toggle('on', model.busy || isComing)
    document.documentElement.dataset.busy = String(model.busy || isComing)
  }
  // Another page is a new entry of the history (Back returns to the old one); the same page replaces its entry. The
  // address of a page that has been left meanwhile is of no use.
  const showAddress = () => {
    if (model.address) document.documentElement.dataset.page = pageOf(model.address)
    if (model.address && model.address !== location.search && pageOf(model.address) === model.page) {
      const known = pageOf(location.search)
      const step = known && known !== pageOf(model.address) ? 'pushState' : 'replaceState'
      history[step](null, '', model.address + location.hash)
    }
    showBusy()
    keepView(model.items.find((item) => item.name === pageOf(model.address)), model.address)
  }
  // Links of the pages themselves, which may lead to a view of another page: without loading the document anew.
  const onLink = event => {
    const a = event.composedPath().find((node) => node.tagName === 'A')
    if (!a?.getAttribute('href')?.startsWith('?') || a.target || event.defaultPrevented) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return
    event.preventDefault()
    if (a.getAttribute('href') === location.search) return
    history.pushState(null, '', a.getAttribute('href'))
    follow()
  }
  const follow = () => {
    model.visited = ''  // an equal value would not be sent, and one may come back to the same entry
    model.visited = location.search || '?'
    showBusy()
  }
  const onPop = () => {
    const page = pageOf(location.search)
    if (links.some(([name]) => name === page)) model.page = page
    follow()
  }

  for (const [name, show] of Object.entries({
    page: () => { showPage(); showAddress() }, dark: showTheme, runs_open: showRuns, runs_count: showRuns,
    drawer_open: showDrawer, busy: showBusy, address: showAddress,
  })) { model.on(name, show); show() }
  // On a narrow screen the drawer would cover the page. A request before the page is ready gets no answer.
  const closeDrawer = () => {
    if (document.documentElement.dataset.ready) model.drawer_open = false
    else setTimeout(closeDrawer, 30)
  }
  if (matchMedia('(max-width: 899px)').matches) closeDrawer()
  addEventListener('popstate', onPop)
  addEventListener('click', onLink)
  model.on('remove', () => { removeEventListener('popstate', onPop); removeEventListener('click', onLink) })
}
