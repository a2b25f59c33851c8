"""The shell as a keyboard and a small screen meet it: what comes first, what shows that it is chosen, what waits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import urlopen

from playwright.sync_api import Locator, Page, Route, expect

from tests.support.browser import Server, eventually, open_page, serving

FOCUSED = """() => {
  let node = document.activeElement
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement
  return node.textContent
}"""
MARKS = """() => {
  window.marks = []
  const note = () => window.marks.push([document.documentElement.dataset.busy, document.documentElement.dataset.page])
  new MutationObserver(note).observe(document.documentElement, {attributes: true})
}"""

FOLLOWING = """async () => {
  const model = Bokeh.index.query_one(({model}) => model.data?.label === 'Latitudes, °').model.data
  const set = model.setv.bind(model), wrong = [], ends = []
  model.setv = (values, options) => {
    if ('value' in values && String(values.value) !== String(model.value)) wrong.push([values.value, model.value])
    return set(values, options)
  }
  const task = () => new Promise((done) => {
    const {port1, port2} = new MessageChannel()
    port1.onmessage = done
    port2.postMessage(0)
  })
  for (let round = 0; round < 40; round++) {
    for (let south = -9; south < 10; south++) {
      set({value: [south, 40]})
      await task()
    }
    await new Promise((done) => setTimeout(done, 50))
    ends.push(model.value[0])
  }
  return [wrong, ends]
}"""


def num_sessions(server: Server) -> int:
    with urlopen(urljoin(server.url, "/health")) as answer:
        return json.load(answer)["sessions"]


def test_the_keyboard_reaches_the_pages_first_and_the_runs_and_back(page: Page, serve: Callable[..., str]) -> None:
    open_page(page, serve("explorer") + "?page=basis", "Basis")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Home"
    runs, close = (page.get_by_role("button", name=name, exact=True) for name in ("Runs", "Close"))
    runs.focus()
    page.keyboard.press("Enter")
    expect(close).to_be_focused()
    page.keyboard.press("Escape")
    expect(close).to_be_hidden()
    expect(runs).to_be_focused()
    # a button that the keyboard has reached wears a ring
    link = page.get_by_role("button", name="Copy link")
    link.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(link).to_be_focused()
    expect(link).to_have_css("outline-style", "solid")


def test_a_page_that_was_asked_for_is_waited_for(page: Page, serve: Callable[..., str]) -> None:
    open_page(page, serve("explorer") + "?page=basis", "Basis")
    page.evaluate(MARKS)
    page.get_by_role("link", name="Geolocation").click()
    expect(page.get_by_role("heading", name="Geolocation", exact=True)).to_be_visible()
    page.wait_for_function("document.documentElement.dataset.page === 'mvmf'")
    assert ["true", "basis"] in page.evaluate("window.marks")


def test_a_browser_that_connects_after_its_session_was_given_up_asks_no_other_host(page: Page, tmp_path: Path) -> None:
    """A slow one: its session is made anew by the connection, and no page is sent for it."""
    lifetime = "--unused-session-lifetime", "200", "--check-unused-sessions", "50"
    with serving(tmp_path, *lifetime) as server:

        def answer_late(route: Route) -> None:
            eventually(lambda: num_sessions(server) == 0, lambda: "the session stays")
            route.continue_()

        page.route(re.compile(r"/bokeh\.min\.js"), answer_late)
        open_page(page, f"{server.url}?page=table", "Learned table")
        expect(page.get_by_text("Point at the globe")).to_be_visible()


def test_back_before_the_next_page_is_shown_stays_in_the_app(page: Page, serve: Callable[..., str]) -> None:
    open_page(page, serve("explorer") + "?page=basis&L=12&l=4&m=1", "Basis")
    page.wait_for_function("location.search.includes('show=')")  # the page has written its own address
    link = page.get_by_role("link", name="Geolocation")
    entries = link.evaluate("link => { link.click(); const entries = history.length; history.back(); return entries }")
    page.wait_for_function("location.search.includes('page=basis') && location.search.includes('l=4')")
    page.wait_for_function("document.documentElement.dataset.busy === 'false'")
    expect(page.get_by_role("link", name="Basis", exact=True)).to_have_attribute("aria-current", "page")
    expect(page.get_by_role("heading", name="Basis", exact=True)).to_be_visible()
    page.evaluate("history.forward()")
    expect(page.get_by_role("heading", name="Geolocation", exact=True)).to_be_visible()
    page.wait_for_function("document.documentElement.dataset.page === 'mvmf'")
    assert page.evaluate("[location.search.includes('page=mvmf'), history.length]") == [True, entries]
    page.evaluate("history.back()")  # to the same entry as before
    expect(page.get_by_role("heading", name="Basis", exact=True)).to_be_visible()


def test_a_component_drawn_again_before_it_is_mounted_is_no_error(page: Page, serve: Callable[..., str]) -> None:
    """Panel alone leaves a page error, which the fixture `page` would see."""
    open_page(page, serve("explorer") + "?page=basis", "Basis")
    page.evaluate(
        """async () => {
          const view = Bokeh.index.query_one(({model}) => model.class_name === 'RadioButtonGroup')
          view.react_root = Promise.resolve(null)
          view.render()
          await new Promise((done) => setTimeout(done))
        }"""
    )
    expect(page.get_by_role("button", name="PCA component")).to_be_visible()


def test_values_that_follow_each_other_quickly_stay_as_they_came(page: Page, serve: Callable[..., str]) -> None:
    """Panel alone writes earlier ones back over later ones."""
    open_page(page, serve("explorer") + "?page=basis&show=component&L=4&K=8&domain=box&box=-20,40,-60,90", "Basis")
    south = page.get_by_role("slider", name="Latitudes, °").first
    expect(south).to_have_value("-20")
    wrong, ends = page.evaluate(FOLLOWING)
    assert wrong == []
    assert ends == [9] * 40
    expect(south).to_have_value("9")
    page.wait_for_function("location.search.includes('box=9,40,-60,90')")


def test_numbers_have_names_also_on_a_page_that_came_late(page: Page, serve: Callable[..., str]) -> None:
    open_page(page, serve("explorer") + "?page=basis", "Basis")
    page.get_by_role("link", name="Embeddings").click()
    expect(page.get_by_role("textbox", name="Dimensions K")).to_be_visible()


def test_a_small_screen_shows_heading_and_actions_side_by_side(page: Page, serve: Callable[..., str]) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for name, title in (("embeddings", "Embeddings"), ("reconstruct", "Reconstruct")):
        open_page(page, f"{serve('explorer')}?page={name}", title)
        heading, link = (
            page.get_by_role("heading", name=title, exact=True),
            page.get_by_role("button", name="Copy link"),
        )
        eventually(lambda: edges(heading)[1] <= edges(link)[0] and edges(link)[1] < 390, lambda: title)  # noqa: B023
        expect(page.get_by_role("button", name="Controls")).to_have_attribute("aria-pressed", "false")
        drawer = page.get_by_text("Embedding A" if name == "embeddings" else "Test it", exact=True)
        expect(drawer).to_be_hidden()


SIZES = ((1440, 900), (1280, 720), (390, 844))


def test_what_is_asked_covers_nothing_of_the_globe(page: Page, serve: Callable[..., str]) -> None:
    globe = page.get_by_label("Globe with the learned field")
    train = page.get_by_role("button", name="Train", exact=True)
    open_page(page, serve("explorer") + "?page=table", "Learned table")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        eventually(lambda: heights(globe)[0] < heights(globe)[1] < heights(train)[0] < height, lambda: str(width))  # noqa: B023


def test_words_and_controls_grow_on_a_very_large_screen(page: Page, serve: Callable[..., str]) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    open_page(page, serve("explorer") + "?page=basis", "Basis")
    heading, export = page.get_by_role("heading", name="Basis", exact=True), page.get_by_role("button", name="Export")
    globe = page.get_by_label("Globe with the chosen basis function")
    small = {thing: heights(thing) for thing in (heading, export)}
    page.set_viewport_size({"width": 2560, "height": 1440})
    for thing, (top, bottom) in small.items():
        eventually(lambda: heights(thing)[1] - heights(thing)[0] > 1.2 * (bottom - top), lambda: str(thing))  # noqa: B023
    # what is drawn in pixels is as sharp as before
    is_sharp = "canvas => canvas.width >= canvas.getBoundingClientRect().width"
    eventually(lambda: globe.evaluate(is_sharp), lambda: "the globe is not drawn as fine as the screen")
    # a menu opens where its button is, though the button has grown
    export.click()
    item = page.get_by_role("menuitem").first
    eventually(lambda: -8 <= heights(item)[0] - heights(export)[1] < 40, lambda: str(heights(item)))
    eventually(
        lambda: edges(item)[0] < edges(export)[1] and edges(export)[0] < edges(item)[1], lambda: str(edges(item))
    )


def heights(thing: Locator) -> tuple[float, float]:
    """Top and bottom, in pixels."""
    box = thing.bounding_box()
    return (box["y"], box["y"] + box["height"]) if box else (0.0, 0.0)


def edges(thing: Locator) -> tuple[float, float]:
    """Left and right, in pixels."""
    box = thing.bounding_box()
    return (box["x"], box["x"] + box["width"]) if box else (0.0, 0.0)
