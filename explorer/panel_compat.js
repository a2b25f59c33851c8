// The code that depends on internals of Panel and Bokeh in the browser, for panel 1.9.4 and bokeh 3.9.2. NEEDLES of
// panel_compat.py lists the pieces of their source that it needs; a missing piece is an error in the console.

const harmoniaCompat = {
  // `is_idle` of the only root means that everything has been laid out. Bokeh has no event for it.
  isIdle: () => typeof Bokeh !== 'undefined' && Boolean(Bokeh.index?.roots?.[0]?.is_idle),
}

if (typeof Bokeh !== 'undefined') {
  const component = Bokeh.Models.get('panel.models.esm.ReactComponent')?.prototype
  const patch = (holds, name) => holds || console.error(`panel_compat.js: ${name} is not in this version of Panel`)

  // Panel writes a component's state back to its model after it is drawn. Where one value follows another quickly, the
  // earlier one overwrites the later one and stays, here and on the server. (It concerns every Material control whose
  // value the server changes: range sliders, choices, switches.) Here the model leads: a value that a component sets
  // goes to it at once, and changes from before the component listened are applied.
  const replacements = {
    'targetModel.setv({ [resolvedProp]: value })': '',
    'return [value, setValue]': `return [value, React.useCallback((next) => {
      const now = typeof next === 'function' ? next(targetModel.attributes[resolvedProp]) : next
      setValue(now)
      if (!target.model.events.includes(resolvedProp)) targetModel.setv({[resolvedProp]: now})
    }, [])]`,
    'react_proxy.on(prop, cb, true)': `react_proxy.on(prop, cb, true)
      if (!target.model.events.includes(resolvedProp)) cb()`,
  }
  if (patch(component?._render_code, '_render_code')) {
    const code = component._render_code
    component._render_code = function () {
      return Object.entries(replacements).reduce((text, [theirs, ours]) => {
        patch(text.includes(theirs), theirs)
        return text.replace(theirs, () => ours)
      }, code.call(this))
    }
  }

  // When the children of a box change while its page is opening, Panel renders a component again that is not mounted
  // yet, and reads the root it does not have.
  const view = component?.default_view?.prototype
  if (patch(view?.render, 'render')) {
    const render = view.render
    view.render = function () {
      this.react_root &&= this.react_root.then((root) => root ?? {unmount() {}})
      render.call(this)
    }
  }
}
