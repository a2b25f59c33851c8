// The component: parameters in, clicks out.

const PNG_RATIO = 2
const PAGE = {
  dark: { stage: "#0B0E14", text: "#E8EBF1", secondary: "#9DA7B8" },
  light: { stage: "#F4F6F8", text: "#151A23", secondary: "#566072" },
}

// The view as it stands, with its title, colour bar and units, as a file
function savePng(view, { file, title, label, units }) {
  const { model, canvas, size, shown } = view
  const { stage, text, secondary } = PAGE[model.dark ? "dark" : "light"]
  const width = Math.max(size.width, 480), head = title ? 56 : 16, foot = shown.mapped ? 72 : 16
  const page = document.createElement("canvas")
  Object.assign(page, { width: width * PNG_RATIO, height: (head + size.height + foot) * PNG_RATIO })
  const context = page.getContext("2d")
  const write = (words, font, color, x, y, align = "left") => {
    Object.assign(context, { font: `${font} Inter, system-ui, sans-serif`, fillStyle: color, textAlign: align })
    context.fillText(words, x, y)
  }
  context.scale(PNG_RATIO, PNG_RATIO)
  context.fillStyle = stage
  context.fillRect(0, 0, width, head + size.height + foot)
  view.gpu.draw(shown, view.shot(PNG_RATIO)) // in this very task, so that the drawing buffer is still there to copy
  context.drawImage(canvas, (width - size.width) / 2, head, size.width, size.height)
  view.touch()
  for (const { place, label: name, color } of [...view.overlay.pins, ...view.handles.held.values()]) {
    const point = view.pointOf(place)
    if (!point.visible) continue
    const x = width / 2 + point.x, y = head + size.height / 2 - point.y
    context.beginPath()
    context.arc(x, y, 5, 0, 2 * Math.PI)
    Object.assign(context, { fillStyle: color, strokeStyle: "#0B0E14", lineWidth: 1.5 })
    context.fill()
    context.stroke()
    write(name, "600 12px", text, x + 10, y + 4)
  }
  if (title) write(title, "600 18px", text, 20, 36)
  if (shown.mapped) {
    const left = width / 2 - 160, top = head + size.height + 24
    write(label, "450 11px", secondary, left, top - 8)
    write(units, "450 11px", secondary, left + 320, top - 8, "right")
    drawBar(context, shown.lut, left, top, 320, 10)
    const range = shown.vmax - shown.vmin
    const ticks = [[shown.vmin, 0, "left"], [(shown.vmin + shown.vmax) / 2, 160, "center"], [shown.vmax, 320, "right"]]
    for (const [value, x, align] of ticks) write(formatValue(value, range), "450 11px", secondary, left + x, top + 24, align)
  }
  page.toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { download: file, href: URL.createObjectURL(blob) })
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }, "image/png")
}

export function render({ model }) {
  const root = document.createElement("div")
  root.className = "hg"
  root.append(Object.assign(document.createElement("style"), { textContent: STYLE }))
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
  bind(["blocks"], () => {
    scene.blocks = model.blocks
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
  model.on("msg:custom", (message) => savePng(view, message))
  model.on("remove", () => view.remove())
  return root
}
