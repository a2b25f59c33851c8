// The exact number under the pointer, asked of the server: one question at a time, and the last place is always asked.

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
  const show = ({ lat, lon }) => {
    part(".place").textContent = lat === null ? model.hint : formatPlace(lat, lon)
    isHere = lat !== null
    wanted = isHere ? { lat, lon } : null
    if (!isHere) part(".value").textContent = "–"
    ask()
  }
  const answered = () => {
    if (model.answer.serial !== asked?.serial) return
    asked = null
    if (isHere) part(".value").textContent = model.answer.text
    ask()
  }
  const name = () => (part(".label").textContent = model.label)
  name()
  show({ lat: null, lon: null })
  model.on("answer", answered)
  model.on(["label"], name)
  followPointer(model, show)
  return root
}

export const render = renderProbe
