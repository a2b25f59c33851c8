"""``python -m tests.faults.soak --sessions 20 --minutes 60 --browsers 3``: tabs that open, go through all pages, and
close again, for a long time. Every minute a line: sessions, memory, the slowest answer, errors in the server's log.

It fails where memory grows by more than ``GROWTH`` after the first sixth of the time, or anything stands in the log.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from playwright.async_api import Browser, async_playwright

from explorer.pages import PAGES
from tests.faults.watched_server import WatchedServer, watching
from tests.support import bokeh_client
from tests.support.bokeh_client import BokehClient
from tests.support.browser import LONG_MS, QUIET

GROWTH = 1.05
_ERRORS = re.compile(r"Traceback|Error running application handler|\bERROR\b|callback failed|work failed")
_PATIENCE_S = 3600.0  # a soak of an hour may have to leave the machine to other work
_VISITS = 4  # pages of a tab before it closes
_LOOKS_S = 10.0, 50.0  # at a page: 20 people who never look would be a load of hundreds


@dataclass
class Tally:
    """What happened so far; ``slowest_s`` is that of the last minute."""

    until: float
    opened: int = 0
    visits: int = 0
    slowest_s: float = 0.0
    rss: list[int] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.until

    def note(self, began: float) -> None:
        self.visits += 1
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)


async def client_tabs(url: str, tally: Tally, random_: random.Random) -> None:
    """One tab after another, without a screen."""
    while tally.goes_on:
        tally.opened += 1
        client = await BokehClient.open(url)
        for page in random_.sample(PAGES, _VISITS):
            began = time.monotonic()
            await client.show(page.name)
            tally.note(began)
            await asyncio.sleep(random_.uniform(*_LOOKS_S))
        client.close()


async def browser_tabs(browser: Browser, url: str, tally: Tally, random_: random.Random) -> None:
    """One tab after another in a real browser."""
    while tally.goes_on:
        tally.opened += 1
        context = await browser.new_context()
        tab = await context.new_page()
        tab.set_default_timeout(LONG_MS)
        for page in random_.sample(PAGES, _VISITS):
            began = time.monotonic()
            await tab.goto(f"{url}?page={page.name}")
            await tab.wait_for_function("document.documentElement.dataset.ready === 'true'")
            tally.note(began)
            await asyncio.sleep(random_.uniform(*_LOOKS_S))
        await context.close()


async def report(server: WatchedServer, tally: Tally) -> None:
    """A line a minute."""
    process, began = psutil.Process(server.process.pid), time.monotonic()
    print("minute  tabs  visits  memory MB  slowest s  errors", flush=True)
    while tally.goes_on:
        await asyncio.sleep(max(0.0, min(60.0, tally.until - time.monotonic())))
        tally.rss.append(process.memory_info().rss)
        minutes, errors = (time.monotonic() - began) / 60, len(_ERRORS.findall(server.log_text()))
        line = f"{minutes:6.1f}  {tally.opened:4}  {tally.visits:6}  {tally.rss[-1] / 1e6:9.0f}  {tally.slowest_s:9.1f}"
        print(f"{line}  {errors:6}", flush=True)
        tally.slowest_s = 0.0


async def soak(server: WatchedServer, sessions: int, browsers: int, minutes: float, seed: int) -> Tally:
    """``sessions`` tabs at a time, ``browsers`` of them in real browsers."""
    tally = Tally(time.monotonic() + 60 * minutes)
    async with async_playwright() as playwright:
        chromium = os.environ.get("HARMONIA_CHROMIUM") or shutil.which("chromium")
        opened = [await playwright.chromium.launch(executable_path=chromium, args=QUIET) for _ in range(browsers)]
        tabs = [
            browser_tabs(browser, server.url, tally, random.Random(f"{seed} {number}"))
            for number, browser in enumerate(opened)
        ]
        clients = [
            client_tabs(server.url, tally, random.Random(f"{seed} client {n}")) for n in range(sessions - browsers)
        ]
        await asyncio.gather(report(server, tally), *tabs, *clients)
        for browser in opened:
            await browser.close()
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--browsers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    bokeh_client.PATIENCE_S = _PATIENCE_S
    with tempfile.TemporaryDirectory() as folder, watching(Path(folder)) as server:
        tally = asyncio.run(soak(server, options.sessions, options.browsers, options.minutes, options.seed))
        log, left = server.log_text(), server.count()
    settled, last = max(tally.rss[: max(1, len(tally.rss) // 6)]), tally.rss[-1]
    errors = sorted(set(re.findall(rf"^.*(?:{_ERRORS.pattern}).*$", log, re.M)))
    print(f"after the first sixth {settled / 1e6:.0f} MB, at the end {last / 1e6:.0f} MB; left: {left}")
    print("\n".join(errors) or "nothing in the log")
    if last > GROWTH * settled or errors:
        raise SystemExit("the soak failed")


if __name__ == "__main__":
    main()
