// Shared by our components: elements, requests to the server, numbers as text. Text is always set as text content, so
// that text from outside never becomes markup.

// An element; a name that is not one of its properties becomes an attribute, "on…" a listener
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value)
    else if (name in node) node[name] = value
    else node.setAttribute(name, value)
  }
  node.append(...children)
  return node
}

// An element with a class and a text
const make = (tag, className = "", text = "") => element(tag, { className, textContent: text })

const styleSheet = (css) => element("style", { textContent: css })

// Only a difference is written: text that is set again loses its selection, and a screen reader repeats it
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}
function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value)
}

// Keyed children in order; a node is moved only where it must be, since a moved one loses focus and scroll
function placeChild(parent, index, node) {
  if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null)
}

// send(action, fields) → serial. The last few requests are sent together, because of two quick messages the server may
// see only the second. `isKept` selects the earlier ones that are sent again.
function requestSender(model, isKept = () => true) {
  return (action, fields = {}) => {
    const serial = (model.requests.at(-1)?.serial ?? 0) + 1
    model.requests = [...model.requests.filter(isKept).slice(-15), { action, ...fields, serial }]
    return serial
  }
}

// Let the browser save a file
function saveFile(name, blob) {
  const link = element("a", { download: name, href: URL.createObjectURL(blob) })
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10000)
}

const asBytes = (value) => (value instanceof Uint8Array ? value : new Uint8Array(value ?? 0))

// The colour table as RGBA, 256 entries; grey until one is set
function readLut(bytes) {
  const rgb = bytes && bytes.byteLength === 768 ? new Uint8Array(bytes) : null
  const rgba = new Uint8Array(1024).fill(255)
  for (let i = 0; i < 256; i++) for (let c = 0; c < 3; c++) rgba[4 * i + c] = rgb ? rgb[3 * i + c] : i
  return rgba
}

// As many decimals as make a hundredth of the range visible; a true minus sign
function formatValue(value, range) {
  if (value === null || !Number.isFinite(value)) return "–"
  const size = Math.abs(range) || Math.abs(value) || 1
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2).replaceAll("-", "−")
  const decimals = Math.min(Math.max(2 - Math.floor(Math.log10(size)), 0), 6)
  const text = value.toFixed(decimals)
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−")
}

// Of a logarithm the value itself is shown, with three digits
function formatOf(isLogarithm, value, range) {
  if (!isLogarithm || value === null || !Number.isFinite(value)) return formatValue(value, range)
  return String(Number((10 ** value).toPrecision(3)))
}

function formatPosition(lat, lon) {
  const side = (value, positive, negative) => `${Math.abs(value).toFixed(1)}° ${value < 0 ? negative : positive}`
  return `${side(lat, "N", "S")} ${side(lon, "E", "W")}`
}

const formatBytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`

function drawBar(context, lut, x, y, width, height) {
  const gradient = context.createLinearGradient(x, 0, x + width, 0)
  for (let i = 0; i < 256; i += 5) gradient.addColorStop(i / 255, `rgb(${lut[4 * i]} ${lut[4 * i + 1]} ${lut[4 * i + 2]})`)
  context.fillStyle = gradient
  context.beginPath()
  context.roundRect(x, y, width, height, height / 2)
  context.fill()
}
