// The exact number under the pointer, asked of the server: one question at a time, and the last place is always asked.

function renderProbe({ model }) {
  const root = shell("hr items", `<div class="item"><span class="label"></span><b><span class="value">–</span> <small></small></b></div>
    <div class="item">Position<b class="place"></b></div>`)
  const part = (name) => root.querySelector(name)
  let wanted = null, asked = null
  const ask = () => {
    if (!wanted || asked) return
    asked = { ...wanted, serial: (model.at?.serial ?? 0) + 1 }
    wanted = null
    model.at = asked
  }
  const show = ({ lat, lon }) => {
    part(".place").textContent = lat === null ? model.hint : formatPlace(lat, lon)
    wanted = lat === null ? null : { lat, lon }
    if (lat === null) part(".value").textContent = part("small").textContent = ""
    ask()
  }
  const answered = () => {
    if (model.answer.serial !== asked?.serial) return
    asked = null
    part(".value").textContent = model.answer.text
    part("small").textContent = model.answer.units
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
