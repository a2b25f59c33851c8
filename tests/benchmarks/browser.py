"""What a person waits for: the server, the first page, and every movement of a slider until the new pixels."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from tests.benchmarks import Row
from tests.support.browser import QUIET, start_server

MOVES = 40
WINDOW_OPENS_MS = 1000

# Waits until all that was given to the GPU is drawn.
FINISH = """canvas => {
  const gl = canvas.getContext('webgl2')
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4))
}"""

# Times from the key press that moves the slider to finished pixels: when the globe's key changes, the new field has
# been handed to the GPU in this very frame, and reading one pixel waits until it is drawn.
WATCH = """canvas => {
  const gl = canvas.getContext('webgl2')
  window.moved = []
  let pressed = null
  addEventListener('keydown', event => { pressed = event.timeStamp }, true)
  new MutationObserver(() => {
    if (pressed === null) return
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4))
    window.moved.push(performance.now() - pressed)
    pressed = null
  }).observe(canvas.parentNode, {attributes: true, attributeFilter: ['data-key']})
}"""


def rows() -> Iterable[Row]:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        began = time.perf_counter()
        server = start_server(Path("explorer"), Path(folder) / "log.txt")
        yield Row("server ready after `panel serve explorer`", time.perf_counter() - began, "s", target_figure=8)
        browser = start_browser(playwright)
        try:
            yield _visit(browser, server.url, "first visitor", 3)
            yield _visit(browser, server.url, "second visitor", 1.5)
            harmonic = f"{server.url}?page=basis&L=90&l=90&m=0"
            component = f"{server.url}?page=basis&show=component&L={{}}&K=200&k=1&domain=ocean"
            yield slider_row(browser, harmonic, "Order m", "a harmonic, slider → pixels at 721×1440", 100)
            for degree in (20, 40):
                label = f"a PCA component at L={degree}, slider → pixels at 721×1440"
                yield slider_row(browser, component.format(degree), "Component k", label, 150)
            yield _click(
                browser, f"{server.url}?page=embeddings&show=similarity&step=0.25&ph=4&pw=4&L=10&K=64&at=0,0,1"
            )
        finally:
            browser.close()
            server.stop()


def start_browser(playwright: Playwright) -> Browser:
    """The Chromium of the tests."""
    executable = os.environ.get("HARMONIA_CHROMIUM") or shutil.which("chromium")
    return playwright.chromium.launch(executable_path=executable, args=QUIET)


def _visit(browser: Browser, url: str, who: str, target_s: float) -> Row:
    page, taken = open_page(browser, url)
    page.context.close()  # each visitor has a machine of their own
    return Row(f"page usable, {who}", taken, "s", target_figure=target_s)


def open_page(browser: Browser, url: str) -> tuple[Page, float]:
    """A new visitor's page, and the seconds until the first field is drawn, in a window that stands open already."""
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.wait_for_timeout(WINDOW_OPENS_MS)
    began = time.perf_counter()
    page.goto(url)
    page.wait_for_function("document.documentElement.dataset.ready === 'true'")
    page.locator("[data-key]:not([data-key=''])").first.wait_for(state="attached")
    return page, time.perf_counter() - began


def _click(browser: Browser, url: str) -> Row:
    """From a click on the globe to the map of what is like the clicked patch."""
    page, _ = open_page(browser, url)
    globe = page.get_by_label("Globe with the patch embedding")
    globe.evaluate(WATCH.replace("'keydown'", "'pointerup'"))
    canvas, box = globe.element_handle(), globe.bounding_box()
    assert box is not None
    for count in range(1, MOVES // 2 + 1):
        page.mouse.click(box["x"] + box["width"] * (0.35 + 0.015 * count), box["y"] + box["height"] * 0.5)
        _wait_moved(page, canvas, count)
    return _row(page, "similarity map after a click, 0.25° and 4×4 patches", 100)


def slider_row(browser: Browser, url: str, label: str, row_label: str, target_ms: float) -> Row:
    """From each of many steps of a slider of the Basis page to its pixels."""
    page, _ = open_page(browser, url)
    page.wait_for_load_state("networkidle")
    globe = page.get_by_label("Globe with the chosen basis function")
    globe.evaluate(WATCH)
    canvas = globe.element_handle()
    slider = page.get_by_role("slider", name=label, exact=True)
    slider.focus()
    for count in range(1, MOVES + 1):
        page.keyboard.press("ArrowRight")
        _wait_moved(page, canvas, count)
    return _row(page, row_label, target_ms)


def _wait_moved(page: Page, canvas: object, count: int) -> None:
    """Until the step is drawn and the page rests, as between two looks of a person, the sharp picture being done."""
    page.wait_for_function(
        "([count, canvas]) => window.moved.length >= count && canvas.parentNode.dataset.detail === 'full'",
        arg=[count, canvas],
    )
    page.evaluate(FINISH, canvas)


def _row(page: Page, label: str, target_ms: float) -> Row:
    times = sorted(page.evaluate("window.moved"))
    page.context.close()
    p50 = statistics.median(times)
    return Row(f"{label}, p95", times[int(0.95 * len(times)) - 1], "ms", target_figure=target_ms, note=f"p50 {p50:.0f}")
