// Numbers as people read them

// As many decimals as make a hundredth of the range visible; a true minus sign
function formatValue(value, range) {
  if (value === null || !Number.isFinite(value)) return "–"
  const size = Math.abs(range) || Math.abs(value) || 1
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2).replaceAll("-", "−")
  const decimals = clampDecimals(2 - Math.floor(Math.log10(size)))
  const text = value.toFixed(decimals)
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−")
}

const clampDecimals = (decimals) => Math.min(Math.max(decimals, 0), 6)

function formatPlace(lat, lon) {
  const side = (value, positive, negative) => `${Math.abs(value).toFixed(1)}° ${value < 0 ? negative : positive}`
  return `${side(lat, "N", "S")} ${side(lon, "E", "W")}`
}

function drawBar(context, lut, x, y, width, height) {
  const gradient = context.createLinearGradient(x, 0, x + width, 0)
  for (let i = 0; i < 256; i += 5) gradient.addColorStop(i / 255, `rgb(${lut[4 * i]} ${lut[4 * i + 1]} ${lut[4 * i + 2]})`)
  context.fillStyle = gradient
  context.beginPath()
  context.roundRect(x, y, width, height, height / 2)
  context.fill()
}
