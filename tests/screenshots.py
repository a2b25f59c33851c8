"""``python -m tests.screenshots [NAME ...]``: take the pictures of README anew, all or those named.

The server is one of its own with an empty home; the small training of Learned table that two pictures show is launched.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.support.browser import LONG_MS, QUIET, ROOT, fact, patient, serving

FOLDER = ROOT / "assets" / "screenshots"
SIZE = {"width": 1440, "height": 900}
_CALM = """() => {
  const {ready, busy} = document.documentElement.dataset
  const waits = ready !== 'true' || busy === 'true' || [...document.querySelectorAll('[aria-busy=true]')].length > 0
  window.calmSince = waits ? undefined : window.calmSince ?? performance.now()
  return !waits && performance.now() - window.calmSince > 3000
}"""


def train(page: Page) -> None:
    """Fit a table and wait until its field is on screen."""
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text("Learned, done after").wait_for(timeout=LONG_MS)
    page.reload()  # without the message that it is done


def show_log(page: Page) -> None:
    """Open the list of runs, and the log of the first."""
    page.set_viewport_size({**SIZE, "height": 600})
    page.get_by_role("button", name="Runs", exact=True).click()
    page.locator("[data-run]").first.get_by_role("button", name="Log").click()
    page.get_by_text("Hide log").wait_for()


def wait_for_scores(page: Page) -> None:
    """The verdict of the month is on screen."""
    fact(page, "Observed days per cell").wait_for(timeout=LONG_MS)


def nothing(_: Page) -> None:
    """The page as it opens."""


PICTURES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "home-dark": ("", nothing),
    "basis-dark": ("?page=basis", nothing),
    "embeddings-light": ("?page=embeddings&panel=distance", nothing),
    "table-dark": ("?page=table", train),
    "data-dark": ("?page=data&day=2001-01-01", nothing),
    "train-dark": ("?page=train", nothing),
    "reconstruct-dark": (
        "?page=reconstruct&run=pretrained&month=2010-07&panes=swipe&left=observed&right=reconstruction",
        wait_for_scores,
    ),
    "mvmf-dark": ("?page=mvmf", nothing),
    "tokens-dark": ("?page=tokens&show=colours&month=2010-07", nothing),
    "runs-dark": ("?page=table", show_log),
}
"""Name of the file, ``<page>-<theme>`` → the address, and what is done there."""


def main(names: list[str]) -> None:
    """Take the pictures of these names."""
    executable = os.environ.get("HARMONIA_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=QUIET)
        for name in names:
            address, prepare = PICTURES[name]
            context = patient(browser.new_context(viewport=SIZE))  # pyright: ignore[reportArgumentType]
            theme = name.rpartition("-")[2]
            context.add_cookies([{"name": "harmonia-mode", "value": theme, "url": server.url}])
            page = context.new_page()
            page.goto(server.url + address)
            page.wait_for_function(_CALM)
            prepare(page)
            page.mouse.move(0, 0)
            page.wait_for_function(_CALM)
            page.screenshot(path=FOLDER / f"{name}.png")
            context.close()


if __name__ == "__main__":
    main(sys.argv[1:] or list(PICTURES))
