"""Delays on screen while something moves: a training in the background, a dragged centre, a turning globe."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Browser, ElementHandle, Page, sync_playwright

from engine.runs import ACTIVE, Run, RunConfig, RunStore
from tests.benchmarks import Row
from tests.benchmarks.browser import FINISH, WATCH, open_page, slider_row, start_browser
from tests.support.browser import start_server

LONG_S = 300.0
NUM_MEASURED = 5
MOVES = 40
TURNED_MS = 3000
FLUENT = 1.2  # times the display's own time a frame
HARMONIC = "page=basis&L=90&l=90&m=0"

# The figures' largest x: the last step that can be seen.
_LAST_SEEN = """step => [...Bokeh.documents[0]._all_models.values()].some(
  model => model.type === 'ColumnDataSource' && Array.from(model.get_column('x') ?? []).some(x => x >= step))"""

# Frames that the globe drew while `act` changed it with each of them, and milliseconds that they took.
_FRAMES = """([act, lasts]) => new Promise(done => {
  const view = [...harmoniaGlobes].find(view => !view.model.leader)
  const step = new Function('view', 'seconds', act)
  const began = performance.now()
  let count = 0
  const next = () => {
    const seconds = (performance.now() - began) / 1000
    if (1000 * seconds > lasts) return done(1000 * seconds / count)
    count += 1
    step(view, seconds)
    requestAnimationFrame(next)
  }
  requestAnimationFrame(next)
})"""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        home = Path(name)
        server = start_server(Path("explorer"), home / "log.txt", home=home)
        browser = start_browser(playwright)
        try:
            yield from moving(browser, server.url)
            yield dragged(browser, server.url)
            yield from training(browser, server.url, home)
        finally:
            browser.close()
            server.stop()


# a turning globe, and a moving divider


def moving(browser: Browser, url: str) -> Iterator[Row]:
    """Milliseconds a frame while nothing is drawn, while the globe turns, and while two fields are swiped."""
    page, _ = open_page(browser, f"{url}?{HARMONIC}")
    page.wait_for_load_state("networkidle")
    display = page.evaluate(_FRAMES, ["", TURNED_MS])
    acts = {
        "the globe turns": "view.turn(0, 1)",
        "two fields are swiped": "view.scene.second ??= view.scene.first;"
        "view.model.data.setv({swipe: 0.5 + 0.4 * Math.sin(3 * seconds)})",
    }
    for motion, act in acts.items():
        taken = page.evaluate(_FRAMES, [act, TURNED_MS])
        note = f"{1000 / taken:.0f} of the display's {1000 / display:.0f} frames a second"
        yield Row(f"{motion} at 721×1440, a frame", taken, "ms", target_figure=FLUENT * display, note=note)
    page.context.close()


# a dragged centre


def dragged(browser: Browser, url: str) -> Row:
    """One of 4,096 centres is moved: from each step of the pointer to the map without its old place."""
    page, _ = open_page(browser, f"{url}?page=mvmf&start=fibonacci&n=4095&c=20,-60,400,1&sel=4095&at=10,-30,1")
    page.wait_for_load_state("networkidle")
    handle = page.locator("[aria-label*='at 20.0° N 60.0° W']").first
    canvas = page.locator(".hg canvas").first.element_handle()
    box = handle.bounding_box()
    assert canvas is not None
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    canvas.evaluate(WATCH.replace("'keydown'", "'pointermove'").replace("data-key", "data-drawn"))
    for count in range(1, MOVES + 1):
        page.mouse.move(x + 4 * count, y + 2 * count)
        page.wait_for_function("count => window.moved.length >= count", arg=count)
        canvas.evaluate(FINISH)
    page.mouse.up()
    times = sorted(page.evaluate("window.moved"))
    page.context.close()
    note = f"p50 {statistics.median(times):.0f}"
    return Row("one of 4,096 centres dragged, p95", times[int(0.95 * MOVES) - 1], "ms", target_figure=100, note=note)


# a training in the background


def training(browser: Browser, url: str, home: Path) -> Iterator[Row]:
    """The preset `tiny` on the demo ocean: its first output, its updates on screen, and a slider meanwhile."""
    idle = slider_row(browser, f"{url}?{HARMONIC}", "Order m", "idle", 100)
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    with RunStore(home) as store:
        run, taken = launched(page, url, store, home)
        yield Row("launch click → first output of the process", taken, "s", target_figure=1)
        yield from news(page, f"{url}?page=train&face=runs&run={run.id}", run)
        page.context.close()  # a tab that nobody sees draws nothing
        beside = slider_row(browser, f"{url}?{HARMONIC}", "Order m", "beside", 100)
        still = "" if run.state in ACTIVE else "; the training ended on the way"
        label = "a harmonic, slider → pixels beside a training, p95"
        yield Row(label, beside.figure, "ms", target_figure=1.3 * idle.figure, note=f"idle {idle.figure:.0f}{still}")
        run.cancel()
        _until(lambda: run.state not in ACTIVE)


def launched(page: Page, url: str, store: RunStore, home: Path) -> tuple[Run, float]:
    """The demo training, many times as long, launched by a click: and seconds until its first output."""
    path = home / "config.json"
    settings = RunConfig.demo("sst").settings.model_dump(mode="json") | {"epochs": 500}
    path.write_text(json.dumps({"version": 1, "settings": settings}))
    page.goto(f"{url}?page=train&face=new&task=sst")
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_text("The file's configuration is in the form.").wait_for()
    began = time.perf_counter()
    page.get_by_role("button", name="Launch").click()
    _until(lambda: any(log.stat().st_size for log in home.glob("runs/*/log.txt")))
    taken = time.perf_counter() - began
    (run,) = store.list()
    return run, taken


def news(page: Page, url: str, run: Run) -> Iterator[Row]:
    """Seconds until a metric's point and a snapshot's map can be seen, the longest of a few."""
    page.goto(url)
    _until(lambda: len(run.files.snapshot_epochs()) > 0)
    globe = page.locator(".hg:not([data-key=''])[data-key]").first
    globe.wait_for(state="attached", timeout=1000 * LONG_S)
    canvas = globe.locator("canvas").first.element_handle()
    points, maps = [], []
    for _ in range(NUM_MEASURED):
        step = _next_step(run)
        began = time.perf_counter()
        page.wait_for_function(_LAST_SEEN, arg=step, timeout=1000 * LONG_S)
        points.append(time.perf_counter() - began)
        maps.append(_seconds_to_map(page, canvas, run))
    yield Row(
        "metric line written → point on screen", max(points), "s", target_figure=1, note=f"worst of {NUM_MEASURED}"
    )
    yield Row(
        "snapshot of a live run written → map on screen",
        max(maps),
        "s",
        target_figure=2,
        note=f"worst of {NUM_MEASURED}",
    )


def _next_step(run: Run) -> float:
    """The iteration of the next line of the metrics that has another one, as soon as it is written."""
    before = _last_iteration(run)
    _until(lambda: _last_iteration(run) > before)
    return _last_iteration(run)


def _last_iteration(run: Run) -> float:
    whole = (run.folder / "metrics.jsonl").read_bytes().rpartition(b"\n")[0]
    return json.loads(whole.splitlines()[-1]).get("iteration", -1.0)


def _seconds_to_map(page: Page, canvas: ElementHandle, run: Run) -> float:
    count = len(run.files.snapshot_epochs())
    _until(lambda: len(run.files.snapshot_epochs()) > count)
    began = time.perf_counter()
    epoch = run.files.snapshot_epochs()[-1]
    page.wait_for_function(
        "([canvas, epoch]) => +canvas.parentNode.dataset.key.split('-').at(-1) >= epoch",
        arg=[canvas, epoch],
        timeout=1000 * LONG_S,
    )
    return time.perf_counter() - began


def _until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not come about within {LONG_S:g} s")
        time.sleep(0.002)
