"""What a person waits for on the Reconstruct page: another month, a painted cloud, a new snapshot on the screen."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from playwright.sync_api import Browser, sync_playwright

from engine.compute import use_thread_policy
from engine.config.sst import SSTSettings
from engine.data.land import land_mask
from engine.models import SpatioTemporalConfig, SpatioTemporalModel
from engine.models.baselines import Climatology
from engine.queries import reconstruct
from engine.queries.reconstruct import Cloud, MonthRequest
from engine.sphere import LatLonGrid
from engine.training.sst.model_bundle import ModelBundle
from engine.training.sst.positions import fit_basis
from tests.benchmarks import Row
from tests.benchmarks.browser import WATCH
from tests.support.browser import QUIET, start_server

RUN = "20260101-000000-0000000000"
MONTHS = ("2006-05", "2006-06", "2006-07")
MOVES = 6

# A verdict that comes later may resize the globe, which draws the same field again: only another field counts.
_OTHER_FIELD = WATCH.replace("let pressed = null", "let pressed = null, last = canvas.parentNode.dataset.key").replace(
    "if (pressed === null) return",
    "if (pressed === null || canvas.parentNode.dataset.key === last) return\n    last = canvas.parentNode.dataset.key",
)


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name, patch.dict(os.environ, HARMONIA_HOME=name):
        use_thread_policy()
        home = Path(name)
        untrained(home / "runs" / RUN)
        yield from engine_rows()
        yield from browser_rows(home)


def untrained(folder: Path) -> None:
    """A model of the preset ``tiny`` at 1° as a run leaves it: how fast it is does not depend on what it knows."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    settings = SSTSettings(model=SpatioTemporalConfig.preset("tiny"))
    grid = LatLonGrid.regular(1.0)
    coeffs = np.zeros((5, *grid.shape), np.float32)
    coeffs[0] = 28.0 * np.cos(np.deg2rad(grid.lat))[:, None]
    coeffs[:, land_mask(grid).numpy()] = np.nan
    basis = fit_basis(settings.model, settings.basis_degree)
    model = SpatioTemporalModel(settings.model).eval()
    ModelBundle(model, settings, 0, basis, Climatology(coeffs, grid), {}).save(folder / "best.safetensors")


def case(month: str, *clouds: Cloud) -> MonthRequest:
    return MonthRequest(RUN, reconstruct.source_of(RUN), int(month[:4]), int(month[5:]), clouds=clouds)


def engine_rows() -> Iterator[Row]:
    began = time.perf_counter()
    reconstruct.reconstruct_month(case(MONTHS[0]))
    first = time.perf_counter() - began
    yield Row("a month at 1° that nobody has asked for, its days made on the way", first, "s", target_figure=4.0)
    times = []
    for number in range(3):
        cloud = Cloud(((30.0 + number, -150.0),), 1100.0)
        began = time.perf_counter()
        reconstruct.reconstruct_month(case(MONTHS[0], cloud))
        times.append(time.perf_counter() - began)
    yield Row("a cloud of 20° painted, all that it changes at 1°", statistics.median(times), "s", target_figure=1.0)
    began = time.perf_counter()
    reconstruct.score_months([reconstruct.reconstruct_month(case(MONTHS[0]))])
    yield Row("the verdict on a month at 1°", 1e3 * (time.perf_counter() - began), "ms")
    for month in MONTHS[1:]:
        reconstruct.reconstruct_month(case(month))


def browser_rows(home: Path) -> Iterator[Row]:
    """From the key that moves the months to finished pixels, once the server knows them."""
    with sync_playwright() as playwright:
        server = start_server(Path("explorer"), home / "log.txt", home=home)
        executable = os.environ.get("HARMONIA_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=QUIET)
        try:
            yield _months(browser, f"{server.url}?page=reconstruct&run={RUN}&src=demo&month={MONTHS[0]}")
        finally:
            browser.close()
            server.stop()


def _months(browser: Browser, url: str) -> Row:
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.goto(url)
    globe = page.get_by_label("Globe with the month")
    slider = page.get_by_role("slider", name="Month", exact=True)

    def shown(count: int) -> None:
        page.wait_for_function("count => window.moved.length >= count", arg=count, timeout=60_000)

    page.locator("[data-key]:not([data-key=''])").first.wait_for(state="attached", timeout=60_000)
    globe.evaluate(_OTHER_FIELD)
    slider.focus()
    turns = ["ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"]
    for count, key in enumerate(turns, 1):  # now the server has all of them
        page.keyboard.press(key)
        shown(count)
    for count in range(len(turns) + 1, len(turns) + MOVES + 1):
        page.keyboard.press("ArrowRight" if count % 2 else "ArrowLeft")
        shown(count)
    times = sorted(page.evaluate("window.moved")[len(turns) :])
    page.context.close()
    note = f"p50 {statistics.median(times):.0f}"
    return Row("another month that is computed → pixels, p95", times[-1], "ms", target_figure=150, note=note)
