"""A real `panel serve` and what a person does in a browser on it: waits, clicks, read-outs, runs held still."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import psutil
from playwright.sync_api import BrowserContext, FloatRect, Locator, Page, TimeoutError, expect

from engine.runs import Run, RunRecord, RunStore

ROOT = Path(__file__).resolve().parents[2]
QUIET = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-watchdog",  # a processor that draws for the GPU may be slow
]

# These machines are shared: a slow one is not a fault, and a condition that holds ends the wait at once.
PATIENCE_MS = 300_000
LONG_MS = 1_200_000
"""For what waits for a training."""
expect.set_options(timeout=PATIENCE_MS)

# A message leaves after six seconds, and a slow machine may need longer until the test looks.
STAYING = (
    "(() => { const later = setTimeout;"
    f" window.setTimeout = (act, ms, ...rest) => later(act, ms === 6000 ? {LONG_MS} : ms, ...rest) }})()"
)
SERVER_FAULTS = re.compile(
    r"Error running application handler|Traceback \(most recent call last\)|^.*\bERROR\b.*$", re.M
)


@dataclass
class Server:
    """A running `panel serve`: its address, its log and its process."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def eventually(holds: Callable[[], bool], why: Callable[[], str] = lambda: "", ms: int = PATIENCE_MS) -> None:
    """Poll until it holds; fail with `why` when the patience is at its end."""
    deadline = time.monotonic() + ms / 1000
    while not holds():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)


def open_page(page: Page, url: str, title: str) -> None:
    """Open an address and wait until the page of that title stands."""
    page.goto(url)
    wait_ready(page, title)


def wait_ready(page: Page, title: str) -> None:
    page.wait_for_function("document.documentElement.dataset.ready === 'true'")
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()


def address_of(page: Page) -> dict[str, str]:
    """The current query of the address, read from the page itself: Playwright's `page.url` may lag behind."""
    return dict(parse_qsl(page.evaluate("location.search").removeprefix("?")))


def fact(page: Page, label: str) -> Locator:
    """A value of a read-out."""
    return page.locator("dl > div", has=page.locator("dt", has_text=re.compile(f"^{label}$"))).locator("dd")


def save(page: Page, item: str, path: Path) -> Path:
    """Take a file from the menu "Export"."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
        page.get_by_role("menuitem", name=item).click()
    download.value.save_as(path)
    return path


def middle(thing: Locator) -> tuple[float, float]:
    """The middle of a thing, once it has come to rest."""
    box = resting_box(thing)
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"


def resting_box(thing: Locator) -> FloatRect:
    """Where a thing lies, once it lies there for two frames."""
    boxes = [thing.bounding_box()]

    def rests() -> bool:
        thing.page.evaluate(TWO_FRAMES)
        boxes.append(thing.bounding_box())
        return boxes[-1] is not None and boxes[-1] == boxes[-2]

    eventually(rests, lambda: f"{thing} does not rest: {boxes[-2:]}")
    assert boxes[-1] is not None
    return boxes[-1]


def click_twice(button: Locator) -> None:
    """Click twice at once: the server receives both clicks before it answers the first."""
    expect(button).to_be_enabled()
    button.evaluate("button => { button.click(); button.click() }")


def click_until(button: Locator, sign: Locator) -> None:
    """Click until the sign is there: a click that comes just after another counts as its second half, and does nothing.

    The button may leave in the very moment of a click.
    """

    def is_there() -> bool:
        if not sign.is_visible() and button.is_visible():
            with suppress(TimeoutError):
                button.click(timeout=2_000)
        return sign.is_visible()

    eventually(is_there, lambda: f"{sign} does not appear")


def hold(run: Run, reached: Callable[[RunRecord], bool]) -> psutil.Process:
    """The run's process, suspended once ``reached(record)`` holds, so that it cannot end before it is checked."""
    eventually(lambda: reached(run.record), lambda: f"{run.record}: {run.log_tail()}", LONG_MS)
    pid = run.record.pid
    assert pid is not None, run.record
    process = psutil.Process(pid)
    process.suspend()
    return process


def only_run(store: RunStore) -> Run:
    """The run of a home in which somebody has just started one."""
    eventually(lambda: bool(store.records()), lambda: "no run was created")
    (run,) = store.list()
    return run


def _answers(url: str) -> bool:
    """Whether the page comes, or sends its visitor to a login, which may be that of another host."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.netloc, timeout=5)
    try:
        connection.request("GET", where.path or "/")
        return connection.getresponse().status in (200, 302)
    except (http.client.HTTPException, OSError):
        return False
    finally:
        connection.close()


def start_server(app: Path, log: Path, *args: str, home: Path | None = None) -> Server:
    """`panel serve APP` on a free port, once it answers; its runs live in `home`, by default beside the log."""
    panel = Path(sys.executable).with_name("panel")
    environment = {**os.environ, "HARMONIA_HOME": str(home or log.with_name("home"))}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(panel), "serve", str(app), "--port", "0", *args],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    server = Server("", log, process)
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < deadline and process.poll() is None:
        match = re.search(r"running at: (http://\S+)", server.log_text())
        if match and _answers(match[1]):
            server.url = match[1]
            return server
        time.sleep(0.05)
    server.stop()
    raise RuntimeError(f"panel serve {app} is not ready:\n{server.log_text()}")


def end_runs(home: Path) -> None:
    """End whatever still works below a home."""
    with RunStore(home) as store:
        for record in store.records().values():
            with suppress(psutil.NoSuchProcess):
                if record.pid:
                    psutil.Process(record.pid).kill()


@contextmanager
def serving(folder: Path, *args: str) -> Iterator[Server]:
    """A server with these arguments and a home of its own, `folder / "home"`.

    At its end nothing works there, and its log is in order.
    """
    home = folder / "home"
    server = start_server(Path("explorer"), folder / "log.txt", *args, home=home)
    try:
        yield server
    finally:
        server.stop()
        end_runs(home)
    # not every trace is a fault: Tornado leaves one when a tab is reloaded in the middle of an update
    assert not re.search("Error running application handler|callback failed|work failed", server.log_text()), (
        server.log_text()
    )


def patient(context: BrowserContext) -> BrowserContext:
    """A browser context with timeouts for a slow machine."""
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(STAYING)
    return context
