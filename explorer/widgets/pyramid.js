// One canvas for all tiles: a pyramid to degree 40 has 1681 of them.

const CSS = `
:host { display: block; width: 100% }
canvas { display: block; width: 100%; cursor: pointer; border-radius: 6px; touch-action: manipulation }
canvas:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 2px }
p { margin: 4px 0 0; font: 450 12px/1.4 Inter, system-ui, sans-serif; color: var(--h-secondary); font-feature-settings: 'tnum' }`

const asBytes = value => (value instanceof Uint8Array ? value : new Uint8Array(value ?? 0))

export function render({model, el}) {
  const style = document.createElement('style')
  style.textContent = CSS
  const canvas = document.createElement('canvas')
  canvas.tabIndex = 0
  canvas.setAttribute('role', 'application')
  const caption = document.createElement('p')
  el.append(style, canvas, caption)
  const context = canvas.getContext('2d')

  let degree = 0, cell = [0, 0], sheet = null, hover = null

  const place = (l, m) => [(degree + m) * cell[0], l * cell[1]]
  const read = () => {
    const bytes = asBytes(model.tiles)
    const lut = asBytes(model.colormap)
    if (bytes.length < 6 || lut.length < 768) { sheet = null; return }
    const header = new DataView(bytes.buffer, bytes.byteOffset, 6)
    degree = header.getUint16(0, true)
    const [h, w] = [header.getUint16(2, true), header.getUint16(4, true)]
    sheet = []
    for (let i = 0; i < (degree + 1) ** 2; i++) {
      const image = new ImageData(w, h)
      for (let p = 0; p < w * h; p++) {
        const level = bytes[6 + i * w * h + p]
        if (level) image.data.set([lut[3 * level], lut[3 * level + 1], lut[3 * level + 2], 255], 4 * p)
      }
      const tile = new OffscreenCanvas(w, h)
      tile.getContext('2d').putImageData(image, 0, 0)
      sheet.push(tile)
    }
  }
  const draw = () => {
    const width = canvas.clientWidth
    if (!sheet || !width) return
    const ratio = Math.max(devicePixelRatio, 1.5)
    const pitch = width / (2 * degree + 1)
    const side = Math.min(pitch, 52)
    cell = [pitch, Math.max(side, 2)]
    canvas.style.height = `${Math.ceil(cell[1] * (degree + 1))}px`
    canvas.width = Math.round(width * ratio)
    canvas.height = Math.round(Math.ceil(cell[1] * (degree + 1)) * ratio)
    context.scale(ratio, ratio)
    context.imageSmoothingEnabled = sheet[0].width > 1
    context.imageSmoothingQuality = 'high'
    const gap = side > 12 ? 1.5 : side > 5 ? 0.5 : 0
    const ink = getComputedStyle(el).getPropertyValue('--h-accent') || '#3FD0B6'
    for (let l = 0; l <= degree; l++) {
      for (let m = -l; m <= l; m++) {
        const [x, y] = place(l, m)
        context.drawImage(sheet[l * l + l + m], x + (pitch - side) / 2 + gap, y + gap, side - 2 * gap, side - 2 * gap)
      }
    }
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
  const sized = new ResizeObserver(draw)
  sized.observe(canvas)
  model.on('tiles', () => { read(); draw() })
  model.on('colormap', () => { read(); draw() })
  model.on('selected', draw)
  model.on('remove', () => sized.disconnect())
  read()
  draw()
}
