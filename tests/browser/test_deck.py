"""The browser's deck: what it asks for, how much it holds, and that it draws without the server."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, expect

from engine.queries import ocean
from engine.queries.ocean import SourceChoice
from explorer.widgets.component import client_code
from explorer.widgets.globe import colormap_bytes
from tests.browser.test_data_page import LEVELS, cell, globe, pixel, wait_drawn
from tests.browser.test_synthesis import KEYS
from tests.support.browser import eventually, middle, open_page

CODE = client_code("scene.js", "deck.js")
DECK = """(() => {
  const drawn = [], said = [], wishes = []
  const view = {
    stopped: new AbortController(), root: { dataset: {} }, size: { width: 1 }, timers: {},
    overlay: { note: (text) => said.push(text) },
    scene: { vmin: 0, vmax: 1 }, after() {}, sceneChanged() {}, show: () => drawn.push(deck.shown),
    model: { vmin: 0, vmax: 1, set wish(wish) { wishes.push(wish) } },
  }
  const deck = new Deck(view, 1000)
  readLayer = (bytes) => bytes ?? null
  let number = 0, serial = 0
  const card = (index, size = 10) => deck.take({ deck: "a", index, number: ++number, field: new Uint8Array(size) })
  const go = (value) => deck.choose({ control: "day", value, serial: ++serial, text: `day ${value}` })
  const plan = (count, index) => deck.set({ name: "a", control: "day", count, index }, [])
"""
"""A deck of 1,000 bytes without a screen."""


def of_deck(page: Page, steps: str) -> Any:
    return page.evaluate(f"() => {{ {CODE}\n return {DECK}\n {steps} }})() }}")


def test_the_nearest_in_the_direction_of_travel_comes_first(page: Page) -> None:
    wanted = of_deck(
        page,
        """plan(100, 50); const wanted = [deck.wanted()]
        for (const day of [51, 52, 53]) { go(day); wanted.push(deck.wanted()) }
        go(52); wanted.push(deck.wanted())
        go(99); wanted.push(deck.wanted())
        go(0); wanted.push(deck.wanted())
        return wanted""",
    )
    assert wanted[0] == [51, 49, 52, 48]
    assert wanted[1] == [52, 50, 53]
    assert wanted[2] == [53, 51, 54, 55, 50, 56]  # further, as the hand goes on
    assert wanted[3][:3] == [54, 52, 55]
    assert (min(wanted[3]), max(wanted[3])) == (49, 61)
    assert wanted[4] == [51, 53, 50]  # the hand has turned round
    assert wanted[5] == [0, 98, 1]  # a jump upwards; after the last comes the first
    assert wanted[6] == [1, 99, 2, 3, 98, 4]


def test_what_is_held_stays_within_the_budget_and_the_nearest_stay(page: Page) -> None:
    held, size, wanted = of_deck(
        page,
        """plan(100, 0); for (let day = 1; day < 30; day++) { go(day); card(day + 1, 100) }
        return [[...deck.cards.keys()].sort((a, b) => a - b), deck.bytes, deck.wanted().length]""",
    )
    assert size == 1000
    assert held == list(range(21, 31))
    assert wanted <= 9, "no more than there is room for"


def test_a_single_card_larger_than_the_budget_is_held_alone(page: Page) -> None:
    assert of_deck(
        page, "plan(9, 0); card(1, 5000); card(2, 6000); return [[...deck.cards.keys()], deck.wanted()]"
    ) == [
        [1],
        [],
    ]


def test_a_wish_is_replaced_when_the_hand_goes_elsewhere_and_a_hidden_page_wishes_nothing(page: Page) -> None:
    wishes = of_deck(
        page,
        """plan(100, 50); deck.ask(); deck.ask(); card(51); deck.ask(); go(80); deck.ask()
        view.size.width = 0; go(90); card(81); deck.ask()
        view.size.width = 1; Object.defineProperty(document, "hidden", { value: true, configurable: true })
        deck.ask(); delete document.hidden; deck.ask()
        return wishes.map(({ deck, cards, held, received }) => [deck, cards, held, received])""",
    )
    assert wishes == [
        ["a", [51, 49, 52, 48], [], 0],
        ["a", [49, 52, 48], [51], 1],
        ["a", [81, 79, 82], [51], 1],
        ["a", [79, 82], [51, 81], 2],
    ]


def test_no_late_answer_undoes_what_is_on_screen(page: Page) -> None:
    """The hand goes on to 20 and back to 19; the server's answers to 19 and 20 come afterwards."""
    drawn, late, last, jump = of_deck(
        page,
        """plan(100, 18); for (const day of [19, 20]) card(day)
        go(19); go(20); go(19)
        const packet = (fields) => {
          const text = new TextEncoder().encode(JSON.stringify(fields)), bytes = new Uint8Array(4 + text.length)
          new Uint32Array(bytes.buffer, 0, 1)[0] = text.length
          bytes.set(text, 4)
          return bytes
        }
        const answer = (index, serial, kind = "codes") =>
          deck.answer("first", packet({ kind, index, serial, deck: "a" }))
        const late = [answer(19, 1), answer(20, 2), answer(20, 2, "card")]
        const before = [...drawn]
        const last = [answer(19, 3, "card"), drawn.length - before.length, deck.isAhead]
        go(60)  // not in the deck: the server draws it
        return [before, late, last, [answer(60, 4) !== null, deck.shown, drawn.length - before.length]]""",
    )
    assert drawn == [19, 20, 19]
    assert late == [None, None, None]
    assert last == [None, 0, False]
    assert jump == [True, 60, 0]


def test_a_card_that_is_named_and_was_dropped_is_asked_for_first(page: Page) -> None:
    wished, drawn = of_deck(
        page,
        """plan(100, 50); go(70); deck.lacked = { index: 70, serial }; const wished = deck.wanted()
        card(70)
        return [wished, drawn]""",
    )
    assert wished == [70, 71, 69, 72]
    assert drawn == [70]


# ---------------------------------------------------------------------------------------------------------------------

CHOICE = SourceChoice(step_deg=2.0, seed=3, years=1)
PLACE = (13.0, -47.0)
NOTE = """() => {
  window.drawn = []
  document.addEventListener("harmonia:drawn", ({ detail }) => window.drawn.push(detail.value))
}"""
"""Notes every day that a deck draws from now on."""


def test_days_of_the_deck_are_drawn_while_the_server_stands_still(
    page: Page, serve: Callable[..., str], frozen: Callable[..., None]
) -> None:
    """Value and pixels at a place are those of the engine; a day that is not there is said to be missing."""
    address = "?page=data&src=demo&step=2&seed=3&years=1&layer=truth&day=2001-02-15&map=plate_carree&place=80,10"
    url = serve(Path("explorer"))
    open_page(page, f"{url}{address}&at={PLACE[0]},{PLACE[1]},6", "Data")
    wait_drawn(page, "truth-2001-02-15")
    day = page.get_by_role("slider", name="Day", exact=True)
    page.evaluate(KEYS)
    page.evaluate(NOTE)
    day.press("ArrowRight")
    page.wait_for_function("window.drawn.includes(46)")
    page.wait_for_function("location.search.includes('day=2001-02-16')")  # the next days wait here soon
    x, y = middle(globe(page))
    page.mouse.move(x + 6, y + 6)
    page.mouse.move(x, y)
    truth = [cell(ocean.day_map(CHOICE, "truth", index), PLACE) for index in (47, 48)]
    low, high = ocean.open_source(CHOICE).limits
    colours = np.frombuffer(colormap_bytes("thermal"), np.uint8).reshape(-1, 3).astype(float)
    page.wait_for_function("c => / 47 48/.test(c.parentNode.dataset.deck)", arg=globe(page).element_handle())
    frozen(url, signal.SIGSTOP)
    try:
        for index, value in zip((47, 48), truth, strict=True):
            page.mouse.move(x, y)
            day.press("ArrowRight")
            page.wait_for_function("index => window.drawn.at(-1) === index", arg=index)
            expect(page.locator(".item .value")).to_have_text(f"{value:.1f}".replace("-", "−"))
            page.mouse.move(0, 0)
            colour = colours[round(255 * np.clip((value - low) / (high - low), 0.0, 1.0))]
            eventually(
                lambda colour=colour: np.abs(pixel(page, x, y) - colour).max() <= LEVELS,
                lambda colour=colour: f"{pixel(page, x, y)} is not {colour}",
            )
        day.fill("300")
        missing = "28 October 2001 has not come from the server yet. The map shows 18 February 2001."
        expect(page.get_by_text(missing).first).to_be_visible()
    finally:
        frozen(url, signal.SIGCONT)
    page.wait_for_function("window.keys.at(-1).endsWith('2001-10-28')")
    days = [key[-10:] for key in page.evaluate("window.keys")]
    assert days == ["2001-02-15", "2001-02-16", "2001-02-17", "2001-02-18", "2001-10-28"], "no late answer"
    expect(page.get_by_text("has not come from the server yet").first).to_be_hidden()
