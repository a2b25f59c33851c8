// The exact number under the pointer, requested from the server: one request at a time, the last place always included.
// The globe sends the place again after every new picture, so that the number is updated too.

function renderProbe({ model }) {
  const root = shell("hr items", `<div class="item"><span class="label"></span><b class="value"></b></div>
    <div class="item">Position<b class="place"></b></div>`)
  const part = (name) => root.querySelector(name)
  let wanted = null, pending = null, isHere = false
  const request = () => {
    if (!wanted || pending) return
    pending = { ...wanted, serial: (model.at?.serial ?? 0) + 1 }
    wanted = null
    model.at = pending
  }
  const show = ({ lat, lon, value, second }) => {
    part(".place").textContent = lat === null ? model.hint : formatPosition(lat, lon)
    isHere = lat !== null
    wanted = isHere ? { lat, lon, value, second } : null
    if (!isHere) part(".value").textContent = "–"
    request()
  }
  const receive = () => {
    if (model.answer.serial !== pending?.serial) return
    pending = null
    if (isHere) part(".value").textContent = model.answer.text
    request()
  }
  // the number on screen belongs to the previous label
  const name = () => {
    part(".label").textContent = model.label
    part(".value").textContent = "–"
  }
  name()
  show({ lat: null, lon: null })
  model.on("answer", receive)
  model.on(["label"], name)
  followPointer(model, show)
  return root
}

export const render = renderProbe
