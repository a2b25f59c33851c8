// All tiles are one image, and the pyramid is painted once for each size: up to degree 40 it has 1681 tiles, and the
// mark that follows the pointer or a slider must not wait for them.

const CSS = `
:host { display: block; width: 100% }
canvas { display: block; width: 100%; cursor: pointer; border-radius: 6px; touch-action: manipulation }
canvas:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 2px }
p { margin: 4px 0 0; font: 450 12px/1.4 Inter, system-ui, sans-serif; color: var(--h-secondary); font-feature-settings: 'tnum' }`

export function render({model, el}) {
  const canvas = element('canvas', {tabIndex: 0, role: 'application'})
  const caption = element('p')
  el.append(styleSheet(CSS), canvas, caption)
  const context = canvas.getContext('2d')

  const picture = element('canvas') // the pyramid at the size of the screen, without marks
  let degree = 0, cell = [0, 0], sheet = null, hover = null, painted = 0

  const place = (l, m) => [(degree + m) * cell[0], l * cell[1]]
  // Tiles of h × w pixels side by side in one image, placed as in the pyramid
  const read = () => {
    const bytes = asBytes(model.tiles)
    const lut = asBytes(model.colormap)
    sheet = null
    if (bytes.length < 6 || lut.length < 768) return
    const header = new DataView(bytes.buffer, bytes.byteOffset, 6)
    degree = header.getUint16(0, true)
    const [h, w] = [header.getUint16(2, true), header.getUint16(4, true)]
    const colors = new Uint32Array(256) // in the byte order of the pixels; 0 is transparent
    const channels = new Uint8Array(colors.buffer)
    for (let level = 1; level < 256; level++) channels.set([lut[3 * level], lut[3 * level + 1], lut[3 * level + 2], 255], 4 * level)
    const image = new ImageData((2 * degree + 1) * w, (degree + 1) * h)
    const pixels = new Uint32Array(image.data.buffer)
    let next = 6
    for (let l = 0; l <= degree; l++)
      for (let m = -l; m <= l; m++)
        for (let y = 0; y < h; y++) {
          const row = (l * h + y) * image.width + (degree + m) * w
          for (let x = 0; x < w; x++) pixels[row + x] = colors[bytes[next++]]
        }
    const whole = new OffscreenCanvas(image.width, image.height)
    whole.getContext('2d').putImageData(image, 0, 0)
    sheet = { whole, h, w }
  }
  const tileSize = () => {
    const side = Math.min(cell[0], 52)
    return { side, gap: side > 12 ? 1.5 : side > 5 ? 0.5 : 0 }
  }
  const paint = () => {
    const width = canvas.clientWidth
    if (!sheet || !width) return
    painted = width
    const ratio = Math.max(devicePixelRatio, 1.5)
    const pitch = width / (2 * degree + 1)
    cell = [pitch, Math.max(Math.min(pitch, 52), 2)]
    const height = Math.ceil(cell[1] * (degree + 1))
    canvas.style.height = `${height}px`
    Object.assign(picture, { width: Math.round(width * ratio), height: Math.round(height * ratio) })
    const { whole, h, w } = sheet
    const { side, gap } = tileSize()
    const onto = picture.getContext('2d')
    onto.scale(ratio, ratio)
    onto.imageSmoothingEnabled = w > 1
    onto.imageSmoothingQuality = 'high'
    for (let l = 0; l <= degree; l++)
      for (let m = -l; m <= l; m++) {
        const [x, y] = place(l, m)
        onto.drawImage(whole, (degree + m) * w, l * h, w, h, x + (pitch - side) / 2 + gap, y + gap, side - 2 * gap, side - 2 * gap)
      }
    draw()
  }
  const draw = () => {
    if (!sheet || !painted) return
    const ratio = picture.width / painted
    const [pitch] = cell
    const { side } = tileSize()
    Object.assign(canvas, { width: picture.width, height: picture.height })
    context.drawImage(picture, 0, 0)
    context.scale(ratio, ratio)
    const ink = getComputedStyle(el).getPropertyValue('--h-accent') || '#3FD0B6'
    for (const [mark, weight] of [[hover, 1], [model.selected, 2]]) {
      if (!mark?.length || mark[0] > degree) continue
      const [x, y] = place(...mark)
      context.strokeStyle = ink
      context.lineWidth = weight
      context.strokeRect(x + (pitch - side) / 2 + 0.5, y + 0.5, Math.max(side - 1, 3), Math.max(side - 1, 3))
    }
    const [l, m] = hover ?? model.selected
    caption.textContent = l == null ? '' : `degree ${l}, order ${m}`.replace('-', '−')
    canvas.setAttribute('aria-label', `${model.label}; ${caption.textContent}; arrow keys move`)
  }
  const at = event => {
    const box = canvas.getBoundingClientRect()
    const l = Math.floor((event.clientY - box.top) / cell[1])
    const m = Math.floor((event.clientX - box.left) / cell[0]) - degree
    return l >= 0 && l <= degree && Math.abs(m) <= l ? [l, m] : null
  }
  canvas.addEventListener('pointermove', event => { hover = at(event); draw() })
  canvas.addEventListener('pointerleave', () => { hover = null; draw() })
  canvas.addEventListener('click', event => { const mark = at(event); if (mark) { model.selected = mark; draw() } })
  canvas.addEventListener('keydown', event => {
    const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key]
    if (!step) return
    event.preventDefault()
    const [degreeNow, orderNow] = model.selected.length ? model.selected : [0, 0]
    const l = Math.min(Math.max(degreeNow + step[0], 0), degree)
    model.selected = [l, Math.min(Math.max(orderNow + step[1], -l), l)]
    draw()
  })
  const sized = new ResizeObserver(() => { if (canvas.clientWidth !== painted) paint() })
  sized.observe(canvas)
  model.on(['tiles', 'colormap'], () => { read(); paint() })
  model.on('selected', draw)
  model.on('remove', () => sized.disconnect())
  read()
  paint()
}
