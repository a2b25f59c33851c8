// The exact number under the pointer, asked of the server: one question at a time, and the last place is always asked.
// The globe tells the place anew with every new picture under the pointer, so that is asked about too.

function renderProbe({ model }) {
  const root = shell("hr items", `<div class="item"><span class="label"></span><b class="value"></b></div>
    <div class="item">Position<b class="place"></b></div>`)
  const part = (name) => root.querySelector(name)
  let wanted = null, asked = null, isHere = false
  const ask = () => {
    if (!wanted || asked) return
    asked = { ...wanted, serial: (model.at?.serial ?? 0) + 1 }
    wanted = null
    model.at = asked
  }
  const show = ({ lat, lon, value, second }) => {
    part(".place").textContent = lat === null ? model.hint : formatPosition(lat, lon)
    isHere = lat !== null
    wanted = isHere ? { lat, lon, value, second } : null
    if (!isHere) part(".value").textContent = "–"
    ask()
  }
  const answered = () => {
    if (model.answer.serial !== asked?.serial) return
    asked = null
    if (isHere) part(".value").textContent = model.answer.text
    ask()
  }
  // the number on screen is of another kind than the new label says
  const name = () => {
    part(".label").textContent = model.label
    part(".value").textContent = "–"
  }
  name()
  show({ lat: null, lon: null })
  model.on("answer", answered)
  model.on(["label"], name)
  followPointer(model, show)
  return root
}

export const render = renderProbe
