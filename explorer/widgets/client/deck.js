// The deck: fields that the hand may choose next wait in the browser, so that a slider, Next and Play draw them at once
// and only a jump waits for the server. The page says which fields there are and what control chooses one of them
// (`deck` of globe.py); this asks for what is missing, nearest first in the direction of travel, and the server fills.

const DECK_BYTES = 64e6 // of one globe
const IN_FLIGHT = 4 // cards that are asked for at once: more would stand in the way of a jump
const AHEAD = [2, 24] // steps held ahead where the page says nothing: after a jump, and after many steps in one direction
const BACK = 2 // a step back is as likely as so many ahead
const ASK = 30 // ms between two questions at least
const ANSWER = 1500 // ms after the last choice from which on another field of the server is drawn, synthesis.js too
const LATE = 3000 // ms without an answer until a sentence says so

class Deck {
  constructor(view, limit = DECK_BYTES) {
    this.view = view
    this.limit = limit
    this.plan = null
    this.drawn = 0 // serial of the last choice that was drawn here
    this.serial = 0 // of the last choice
    this.isAhead = false // whether the colours are those of a card, and the server has not answered yet
    this.empty()
    const { signal } = view.stopped
    document.addEventListener("harmonia:control", ({ detail }) => this.choose(detail), { signal })
    document.addEventListener("visibilitychange", () => this.askSoon(), { signal })
  }

  empty() {
    this.cards = new Map() // index → { field, field_b, limits, domain, hatched }
    this.bytes = 0
    this.shown = null // index of the card on screen; null where it is none of this deck
    this.lacked = null // { index, serial } of what is to be drawn once it comes
    this.received = 0 // number of the last card
    this.asked = ""
    this.text = this.name = "" // what the hand has chosen, and what is on screen
    this.rest(0)
  }

  get ahead() {
    return this.plan?.ahead ?? AHEAD
  }

  rest(index) {
    Object.assign(this, { at: index, direction: 0, reach: this.ahead[0] })
  }

  // plan: { name, control, count, index, ahead }, empty = no deck. With `frames` all of its fields are here from the beginning
  set(plan, frames) {
    const { name, index = 0 } = plan
    if (name !== this.plan?.name || frames.length) {
      this.plan = plan
      this.empty()
      this.rest(index)
    }
    this.plan = name ? plan : null
    if (!this.plan) return
    this.isWhole = frames.length > 0 // a file has no server to ask
    frames.forEach((field, at) => this.put(at, { field }))
    if (frames.length) this.draw(index, this.drawn)
    this.askSoon()
  }

  // ------------------------------------------------------------ the hand

  choose({ control, value, serial, text }) {
    const { plan, view } = this
    if (control !== plan?.control || value >= plan.count || !view.size.width) return
    this.travel(value)
    Object.assign(this, { serial, text, lacked: null })
    if (this.holds(value)) {
      this.draw(value, serial)
    } else {
      const shown = this.name ? ` The map shows ${this.name}.` : ""
      view.after("late", LATE, () => view.overlay.note(`${text} has not come from the server yet.${shown}`))
    }
    this.askSoon()
  }

  travel(index) {
    const { count } = this.plan, step = index - this.at
    const isStep = Math.abs(step) === 1 || (Math.abs(step) === count - 1 && count > 1)
    const direction = isStep && Math.abs(step) > 1 ? -Math.sign(step) : Math.sign(step)
    if (direction) this.reach = isStep && direction === this.direction ? Math.min(2 * this.reach, this.ahead[1]) : this.ahead[0]
    Object.assign(this, { at: index, direction: direction || this.direction })
  }

  draw(index, serial) {
    const { view } = this, { field, field_b: second, limits, domain, hatched } = this.cards.get(index)
    Object.assign(this, { shown: index, name: this.text, drawn: serial, lacked: null, isAhead: true })
    view.after("answer", ANSWER, () => this.settle())
    if (limits) Object.assign(view.scene, { vmin: limits[0], vmax: limits[1] })
    Object.assign(view.scene, { second: readLayer(second), domain: readLayer(domain), hatched: readLayer(hatched) })
    view.show("first", readLayer(field))
    this.hush()
  }

  // A field is on screen: what plays goes on
  tell() {
    if (this.shown === null) return
    const detail = { control: this.plan.control, value: this.shown }
    document.dispatchEvent(new CustomEvent("harmonia:drawn", { detail }))
  }

  hush() {
    clearTimeout(this.view.timers.late)
    this.view.overlay.note("")
  }

  // ------------------------------------------------------------ the server

  // What is to be drawn of a field of the server; null where it answers an earlier choice than the one on screen, or is a
  // reference to a card, which is drawn here
  answer(name, bytes) {
    const packet = unpack(bytes)
    if (packet?.serial === undefined) return bytes
    const { kind, serial, index, deck } = packet
    if (serial < this.drawn) return null
    if (name === "first") {
      this.settle()
      this.hush()
      if (serial >= this.serial) this.name = this.text
      if (serial >= this.serial && index !== this.at) this.rest(index)
      const isOfThis = deck === this.plan?.name
      if (kind !== "card") this.shown = isOfThis ? index : null
      else if (!isOfThis) return null
      else if (this.holds(index)) this.shown === index || this.draw(index, serial)
      else this.lacked = { index, serial }
      this.askSoon()
    }
    return kind === "card" ? null : bytes
  }

  // The server has answered, or does not: its colours hold
  settle() {
    if (!this.isAhead) return
    const { scene, model } = this.view
    this.isAhead = false
    const { vmin, vmax } = model
    Object.assign(scene, { vmin, vmax, domain: readLayer(model.domain), hatched: readLayer(model.hatched) })
    this.view.sceneChanged()
  }

  // A card of the server, empty where there is none to be had
  take({ deck, index, number, ...card }) {
    if (deck !== this.plan?.name) return
    this.received = number
    this.put(index, card)
    this.view.root.dataset.deck = [...this.cards.keys()].sort((a, b) => a - b).join(" ")
    if (this.lacked?.index === index && card.field.byteLength) this.draw(index, this.lacked.serial)
    this.askSoon()
  }

  put(index, card) {
    this.drop(index)
    this.cards.set(index, card)
    this.bytes += sizeOfCard(card)
    if (this.isWhole) return
    const last = [...this.cards.keys()].sort((a, b) => this.cost(a) - this.cost(b))
    while (this.bytes > this.limit && last.length > 1) this.drop(last.pop())
  }

  // Whether a card is here; an empty one says that there is none to be had
  holds(index) {
    return !!this.cards.get(index)?.field.byteLength
  }

  drop(index) {
    if (!this.cards.has(index)) return
    this.bytes -= sizeOfCard(this.cards.get(index))
    this.cards.delete(index)
  }

  // How far a card is from being needed
  cost(index) {
    const { count } = this.plan, ahead = (((index - this.at) * (this.direction || 1)) % count + count) % count
    return Math.min(ahead, (count - ahead) * (this.direction ? BACK : 1))
  }

  // The cards that may come next and are not here, the nearest first, as many as there is room for
  wanted() {
    const { count } = this.plan
    const room = this.cards.size ? Math.max(0, Math.floor((this.limit * this.cards.size) / this.bytes) - 1) : Infinity
    const near = new Set()
    for (let k = 1; k <= this.reach; k++) for (const index of [this.at + k, this.at - k]) near.add(((index % count) + count) % count)
    near.delete(this.at)
    const next = [...near].filter((index) => this.cost(index) <= this.reach).sort((a, b) => this.cost(a) - this.cost(b))
    const missing = next.slice(0, room).filter((index) => !this.cards.has(index))
    return this.lacked ? [this.lacked.index, ...missing] : missing
  }

  askSoon() {
    this.asking ??= setTimeout(() => {
      this.asking = null
      this.ask()
    }, ASK)
  }

  // A hidden tab, or a page that is not shown, asks for nothing
  ask() {
    const { plan, view, received } = this
    if (!plan || document.hidden || !view.size.width) return
    const cards = this.wanted().slice(0, IN_FLIGHT)
    const asked = JSON.stringify([cards, received])
    if (asked === this.asked || (!cards.length && !this.asked)) return
    this.asked = asked
    view.model.wish = { deck: plan.name, cards, held: [...this.cards.keys()].filter((index) => this.holds(index)), received }
  }
}

const sizeOfCard = ({ field, field_b: second }) => field.byteLength + (second?.byteLength ?? 0)
