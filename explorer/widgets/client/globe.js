// The component: parameters in, clicks out.

export function render({ model }) {
  const root = element("div", { className: "hg" }, styleSheet(STYLE))
  const view = new View(model, root)
  const { scene } = view
  const bind = (names, action) => {
    action()
    model.on(names, action)
  }
  bind(["field"], () => view.setField("first", model.field))
  bind(["field_b"], () => view.setField("second", model.field_b))
  bind(["domain"], () => {
    scene.domain = readLayer(model.domain)
    view.sceneChanged()
  })
  bind(["colormap"], () => {
    scene.lut = readLut(model.colormap)
    view.sceneChanged()
  })
  bind(["blocks", "dim_outside"], () => {
    Object.assign(scene, { blocks: model.blocks, dimmed: model.dim_outside })
    view.sceneChanged()
  })
  bind(["vmin", "vmax"], () => {
    Object.assign(scene, { vmin: model.vmin, vmax: model.vmax })
    view.sceneChanged()
  })
  bind(["coast_image"], () => view.setCoast(model.coast_image))
  bind(["handles"], () => view.handles.set(model.handles))
  bind(["markers"], () => view.overlay.setMarkers(model.markers))
  bind(["dark", "label", "brush"], () => view.overlay.dress())
  model.on(["center_lat", "center_lon", "zoom"], () => view.cameraFromModel())
  model.on(["projection", "leader", "group"], () => view.setCamera({}))
  model.on(["coast", "graticule", "land_shade", "shading", "dark", "spin", "swipe"], () => view.touch())
  model.on("msg:custom", (message) => savePicture(view, message))
  model.on("remove", () => view.remove())
  return root
}
