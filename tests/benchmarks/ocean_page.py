"""What a person waits for on the Data page: another day on the map, a month's mean, a series, an upload."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import xarray as xr
from playwright.sync_api import Browser, Page, sync_playwright

from engine.queries import ocean
from engine.queries.cache import Cache
from engine.queries.ocean import SourceChoice
from engine.queries.ocean import days as ocean_days
from engine.queries.ocean import maps as ocean_maps
from engine.queries.ocean import sources as ocean_sources
from engine.sphere import LatLonGrid
from tests.benchmarks import Row, seconds
from tests.benchmarks.browser import WATCH
from tests.support.browser import QUIET, start_server

MOVES = 20
NUM_DAYS = 40
DEMO = SourceChoice()


def rows() -> Iterator[Row]:
    with (
        tempfile.TemporaryDirectory() as name,
        patch.dict(os.environ, HARMONIA_DATA=name, HARMONIA_HOME=f"{name}/home"),
    ):
        folder = Path(name)
        by_day, by_place = folder / "by-day.zarr", folder / "by-place.zarr"
        write(by_day, 0.25, (1, 720, 1440))
        write(by_place, 0.25, (NUM_DAYS, 60, 60))
        write(folder / "one-degree.zarr", 1.0, (1, 180, 360))
        yield from engine_rows(by_day, by_place)
        yield from browser_rows(folder)


def write(path: Path, step_deg: float, chunks: tuple[int, int, int]) -> None:
    """Made-up days as a store of 16-bit numbers, half of them missing."""
    grid = LatLonGrid.regular(step_deg)
    rng = np.random.default_rng(0)
    day = (15.0 + rng.normal(0.0, 4.0, grid.shape)).astype(np.float32)
    values = np.stack([np.roll(day, 7 * index, axis=1) for index in range(NUM_DAYS)])
    values[rng.random(values.shape, np.float32) < 0.5] = np.nan
    coords = {
        "time": (np.datetime64("2012-01-01") + np.arange(NUM_DAYS)).astype("datetime64[ns]"),
        "lat": ("lat", grid.lat, {"units": "degrees_north"}),
        "lon": ("lon", grid.lon, {"units": "degrees_east"}),
    }
    sst = (("time", "lat", "lon"), values, {"units": "degC", "standard_name": "sea_surface_temperature"})
    packed = {"dtype": "int16", "scale_factor": 0.01, "_FillValue": -32768, "chunks": chunks}
    xr.Dataset({"sst": sst}, coords).to_zarr(path, zarr_format=2, consolidated=True, encoding={"sst": packed})


@contextmanager
def empty_cache() -> Iterator[None]:
    with ExitStack() as stack:
        fresh = Cache(512 * 2**20)
        for module in (ocean_maps, ocean_days, ocean_sources):
            stack.enter_context(patch.object(module, "CACHE", fresh))
        yield


def engine_rows(by_day: Path, by_place: Path) -> Iterator[Row]:
    """Answers of the query layer; each day is one that nobody has asked for."""
    demo_days, file_days = iter(range(100, 2000)), iter(range(NUM_DAYS))
    choice = SourceChoice("path", path=str(by_day))
    with empty_cache():
        ocean.open_source(DEMO)
        taken = seconds(lambda: ocean.day_map(DEMO, "observed", next(demo_days)))
        yield Row("a new day of the demo ocean at 1°, as a map", 1e3 * taken, "ms", target_figure=150)
        ocean.open_source(choice)
        taken = seconds(lambda: ocean.day_map(choice, "observed", next(file_days)))
        yield Row("a new day of a Zarr by day at 0.25°, as a map", 1e3 * taken, "ms", target_figure=150)
    choice = SourceChoice("path", path=str(by_place))
    with empty_cache():
        ocean.open_source(choice)
        places = iter(np.linspace(-60.0, 60.0, 50))
        taken = seconds(lambda: ocean.series(choice, (float(next(places)), -30.0), slice(0, NUM_DAYS)))
        note = f"{NUM_DAYS} days"
        yield Row("a series of a Zarr by place at 0.25°", 1e3 * taken, "ms", target_figure=300, note=note)


def browser_rows(folder: Path) -> Iterator[Row]:
    """From the key that moves the slider of days to finished pixels."""
    with sync_playwright() as playwright:
        server = start_server(Path("explorer"), folder / "log.txt", home=folder / "home")
        executable = os.environ.get("HARMONIA_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=QUIET)
        try:
            url = f"{server.url}?page=data"
            yield _days(browser, f"{url}&src=demo&step=1&day=2003-05-01", "the demo ocean at 1°")
            yield _days(browser, f"{url}&src=path&path=one-degree.zarr", "a Zarr by day at 1°")
        finally:
            browser.close()
            server.stop()


def _days(browser: Browser, url: str, label: str) -> Row:
    page: Page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.goto(url)
    page.locator("[data-key]:not([data-key=''])").first.wait_for(state="attached")
    page.wait_for_load_state("networkidle")
    globe = page.get_by_label("Globe with the ocean")
    globe.evaluate(WATCH)
    canvas = globe.element_handle()
    page.get_by_role("slider", name="Day", exact=True).focus()
    for count in range(1, MOVES + 1):
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "([count, canvas]) => window.moved.length >= count && canvas.parentNode.dataset.detail === 'full'",
            arg=[count, canvas],
        )
    times = sorted(page.evaluate("window.moved"))
    page.context.close()
    p50 = statistics.median(times)
    p95 = times[int(0.95 * len(times)) - 1]
    return Row(f"{label}, next day → pixels, p95", p95, "ms", target_figure=150, note=f"p50 {p50:.0f}")
