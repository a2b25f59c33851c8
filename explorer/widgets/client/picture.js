// A view, or all views of its group as they lie on the screen, as a picture with title, colour bar and units.

const PICTURE_RATIO = 2
const SHEET_WIDTH = 640 // CSS pixels from which on the letters of a sheet grow with its width, for projectors
const NOTE_SIZE = 10, NOTE_LINE = 14
const PNG_HEADER = 33 // bytes: the signature and the chunk IHDR
const PAGE = {
  dark: { stage: "#0B0E14", text: "#E8EBF1", secondary: "#9DA7B8" },
  light: { stage: "#F4F6F8", text: "#151A23", secondary: "#566072" },
}

// The panes and their positions: row by row as on the screen, the corner of the first at 0, 0
function panesOf(views) {
  const boxes = views.map((view) => ({ view, box: view.root.getBoundingClientRect() }))
  const left = Math.min(...boxes.map(({ box }) => box.left))
  const tops = [...new Set(boxes.map(({ box }) => Math.round(box.top)))].sort((one, other) => one - other)
  return boxes
    .map(({ view, box }) => ({ view, row: tops.indexOf(Math.round(box.top)), x: box.left - left, y: box.top - tops[0] }))
    .sort((one, other) => one.row - other.row || one.x - other.x)
}

// A sheet has all views of the group, always light; else it is this view as it is. Captions, one list a pane, stand over
// the panes. The key, [name, colour] each, and the note stand at the foot; the texts go into the file
function savePicture(view, { file, title, label, units, logarithmic, isSheet, captions, names, key, note, texts, bars }) {
  const beside = ({ model, size }) => model.group === view.model.group && !model.leader && size.width && size.height
  const panes = panesOf(isSheet ? [...VIEWS].filter(beside) : [view])
  const dark = view.model.dark && !isSheet
  const { stage, text, secondary } = PAGE[dark ? "dark" : "light"]
  const { shown } = view
  const inner = Math.max(...panes.map(({ view: { size }, x }) => x + size.width))
  const width = Math.max(inner, 480), large = isSheet ? Math.max(1, width / SHEET_WIDTH) : 1
  const page = element("canvas", { width: Math.round(width * PICTURE_RATIO) }), context = page.getContext("2d")
  context.font = `450 ${NOTE_SIZE * large}px Inter, system-ui, sans-serif`
  const lines = wrapped(context, note, width - 40), noted = lines.length ? (NOTE_LINE * lines.length + 8) * large : 0
  const head = title ? 56 * large : 16, strip = captions.length ? 28 * large : 0
  const under = bars.length ? 60 * large : 0 // a bar below each pane, where they differ
  const hasBar = shown.mapped && !under && !key.length
  const foot = (hasBar ? 72 * large : key.length ? 40 * large : 16) + noted
  const body = Math.max(...panes.map(({ view: { size }, y, row }) => y + size.height + (strip + under) * (row + 1)))
  page.height = Math.round((head + body + foot) * PICTURE_RATIO)
  const write = (words, weight, size, color, x, y, align = "left", room = undefined) => {
    Object.assign(context, { font: `${weight} ${size * large}px Inter, system-ui, sans-serif`, fillStyle: color, textAlign: align })
    context.fillText(words, x, y, room)
  }
  const bar = (label, units, isLogarithm, [lut, [vmin, vmax]], left, top, long, names = []) => {
    write(label, 450, 11, secondary, left, top - 8 * large, "left", long - 40 * large)
    write(units, 450, 11, secondary, left + long, top - 8 * large, "right")
    drawBar(context, lut, left, top, long, 10 * large)
    const ticks = names.length ? [names[0], "", names[1]] : [vmin, (vmin + vmax) / 2, vmax].map((value) => formatOf(isLogarithm, value, vmax - vmin))
    const ends = [[0, "left"], [long / 2, "center"], [long, "right"]]
    ends.forEach(([x, align], index) => write(ticks[index], 450, 11, secondary, left + x, top + 24 * large, align))
  }
  context.scale(PICTURE_RATIO, PICTURE_RATIO)
  context.fillStyle = stage
  context.fillRect(0, 0, width, head + body + foot)
  panes.forEach((pane, index) => {
    const { size } = pane.view
    const x = pane.x + (width - inner) / 2, y = head + pane.y + strip * (pane.row + 1) + under * pane.row
    drawPane(context, pane.view, dark, x, y, (words, at, up) => write(words, 600, 12, text, at, up))
    const [first, second] = captions[index] ?? []
    const room = size.width / (second ? 2 : 1) - 16
    if (first) write(first, 600, 12, text, x + 8, y - 9 * large, "left", room)
    if (second) write(second, 600, 12, text, x + size.width - 8, y - 9 * large, "right", room)
    const own = bars[index] ?? []
    own.forEach(([label, units, isLogarithm], side) => {
      const share = size.width / own.length, long = Math.min(320 * large, share - 24)
      bar(label, units, isLogarithm, pane.view.shown.scales[side], x + share * (side + 0.5) - long / 2, y + size.height + 24 * large, long)
    })
  })
  if (title) write(title, 600, 18, text, 20, 36 * large)
  if (hasBar) bar(label, units, logarithmic, shown.scales[0], (width - 320 * large) / 2, head + body + 24 * large, 320 * large, names)
  let at = 20
  for (const [name, color] of key) {
    context.fillStyle = color
    context.fillRect(at, head + body + 14 * large, 10 * large, 10 * large)
    write(name, 450, 11, text, at + 16 * large, head + body + 23 * large)
    at += 36 * large + context.measureText(name).width
  }
  lines.forEach((line, index) => write(line, 450, NOTE_SIZE, secondary, 20, head + body + foot - noted + NOTE_LINE * large * (index + 0.75)))
  const address = { harmonia_address: `${location.pathname}${location.search}` }
  page.toBlob(async (blob) => saveFile(file, await withTexts(blob, { ...texts, ...address })), "image/png")
}

// A text in lines of at most this width
function wrapped(context, text, width) {
  const lines = []
  for (const word of text.split(" ").filter(Boolean)) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word
    if (!lines.length || context.measureText(longer).width > width) lines.push(word)
    else lines[lines.length - 1] = longer
  }
  return lines
}

// A PNG with texts by name in chunks of their own (iTXt: UTF-8, not compressed), after its header
async function withTexts(blob, texts) {
  const bytes = new Uint8Array(await blob.arrayBuffer())
  const chunks = Object.entries(texts).map(([name, text]) => pngChunk(`iTXt${name}\0\0\0\0\0${text}`))
  return new Blob([bytes.subarray(0, PNG_HEADER), ...chunks, bytes.subarray(PNG_HEADER)], { type: "image/png" })
}

// Length, type with content, checksum
function pngChunk(text) {
  const content = new TextEncoder().encode(text), chunk = new Uint8Array(content.length + 8)
  const numbers = new DataView(chunk.buffer)
  numbers.setUint32(0, content.length - 4)
  chunk.set(content, 4)
  numbers.setUint32(content.length + 4, crc32(content))
  return chunk
}

// The cyclic redundancy check of PNG, bit by bit
function crc32(bytes) {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

// The map of a view at x, y, its divider and its places, named by `name(text, x, y)`
function drawPane(context, view, dark, x, y, name) {
  const { canvas, size, shown, model } = view
  if (!view.gpu) return
  view.gpu.draw(shown, view.shot(PICTURE_RATIO, dark)) // in the same task, while the drawing buffer can still be copied
  context.drawImage(canvas, x, y, size.width, size.height)
  view.touch()
  const ink = PAGE[dark ? "dark" : "light"]
  Object.assign(context, { font: `500 ${LABEL.size}px Inter, system-ui, sans-serif`, textAlign: "center", textBaseline: "middle", lineJoin: "round" })
  for (const { text, x: right, y: up } of graticuleLabels(view)) {
    const at = [text, x + size.width / 2 + right, y + size.height / 2 - up]
    Object.assign(context, { strokeStyle: `${ink.stage}B8`, lineWidth: 2.5, fillStyle: ink.secondary })
    context.strokeText(...at)
    context.fillText(...at)
  }
  context.textBaseline = "alphabetic"
  for (const { place, label, color } of [...view.overlay.pins, ...view.handles.held.values()]) {
    const point = view.pointOf(place)
    if (!point.visible) continue
    const px = x + size.width / 2 + point.x, py = y + size.height / 2 - point.y
    context.beginPath()
    context.arc(px, py, 5, 0, 2 * Math.PI)
    Object.assign(context, { fillStyle: color, strokeStyle: "#0B0E14", lineWidth: 1.5 })
    context.fill()
    context.stroke()
    name(label, px + 10, py + 4)
  }
  if (!shown.second) return
  context.fillStyle = PAGE[dark ? "dark" : "light"].secondary
  context.fillRect(x + model.swipe * size.width - 1, y, 2, size.height)
}
