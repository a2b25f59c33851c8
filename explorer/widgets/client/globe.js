// The component: parameters in, clicks out.

export function render({ model }) {
  const root = element("div", { className: "hg" }, styleSheet(STYLE))
  const view = new View(model, root)
  const bind = (names, action) => {
    action()
    model.on(names, action)
  }
  bind(["synthesis"], () => view.synthesis.set(model.synthesis))
  bind(["deck", "frames"], () => view.deck.set(model.deck, model.frames))
  bind(["field"], () => model.frames.length || view.setField("first", model.field))
  bind(["field_b"], () => view.setField("second", model.field_b))
  const bindScene = (names, read) => bind(names, () => {
    Object.assign(view.scene, read())
    view.sceneChanged()
  })
  // while the browser is ahead of the server, what is not of the field that it has drawn waits
  const isAhead = () => view.deck.isAhead || view.synthesis.awaited
  bindScene(["domain"], () => (view.deck.isAhead ? {} : { domain: readLayer(model.domain) }))
  bindScene(["hatched"], () => (view.deck.isAhead ? {} : { hatched: readLayer(model.hatched) }))
  bindScene(["colormap"], () => ({ lut: readLut(model.colormap) }))
  bindScene(["blocks", "dim_outside"], () => ({ blocks: model.blocks, dimmed: model.dim_outside }))
  bindScene(["vmin", "vmax"], () => (isAhead() ? {} : { vmin: model.vmin, vmax: model.vmax }))
  bindScene(["colormap_b", "vmin_b", "vmax_b"], () => ({
    secondLut: model.colormap_b?.byteLength ? readLut(model.colormap_b) : null,
    secondRange: [model.vmin_b, model.vmax_b],
  }))
  bind(["coast_image"], () => view.setCoast(model.coast_image))
  bind(["handles"], () => view.handles.set(model.handles))
  bind(["outlines"], () => view.outlines.set(model.outlines))
  bind(["markers"], () => view.overlay.setMarkers(model.markers))
  bind(["dark", "label", "painting"], () => view.overlay.dress())
  model.on(["center_lat", "center_lon", "zoom"], () => view.cameraFromModel())
  model.on(["projection", "leader", "group"], () => {
    view.setCamera({})
    view.framing.refit()
  })
  model.on(["coast", "graticule", "covered", "shading", "dark", "spin", "swipe"], () => view.touch())
  model.on("msg:custom", ({ card, ...picture }) => (card ? view.deck.take(card) : savePicture(view, picture)))
  model.on("remove", () => view.remove())
  return root
}
