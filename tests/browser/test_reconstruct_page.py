"""The Reconstruct page as a person meets it: a verdict, a painted cloud, a training that is watched, files to keep."""

from __future__ import annotations

import csv
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import psutil
import pytest
import xarray as xr
from PIL import Image
from playwright.sync_api import Page, expect

from engine import queries
from engine.data.sst import open_sst
from engine.runs import RunConfig, RunStore
from engine.runs.sst_settings import FileSource, SSTSettings
from tests.browser.conftest import Server, start_server
from tests.engine.ocean import GRID, small_ocean
from tests.engine.test_fit import SMALL

LONG_MS = 90_000


@dataclass
class House:
    """A server, its home, a model that has learned the ocean in a file, and that file's part of an address."""

    server: Server
    home: Path
    run: str
    source: str


def settings_of(ocean: Path, **changes: object) -> SSTSettings:
    return SMALL.model_copy(update={"source": FileSource(path=str(ocean), variable="sst"), "samples": 4, **changes})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("reconstruct")
    home, ocean = folder / "home", folder / "data" / "ocean.nc"
    ocean.parent.mkdir()
    daily = small_ocean(4).daily.rename("sst").assign_attrs(standard_name="sea_surface_temperature", units="degC")
    daily["lat"].attrs["units"], daily["lon"].attrs["units"] = "degrees_north", "degrees_east"
    daily.to_netcdf(ocean)
    with pytest.MonkeyPatch.context() as patched, RunStore(home) as store:
        patched.setenv("HARMONIA_DATA", str(ocean.parent))
        patched.setenv("HARMONIA_HOME", str(home))
        run = store.create(RunConfig(settings=settings_of(ocean, epochs=2)), name="Small")
        store.launch(run)
        wait_for(lambda: run.state == "done", lambda: f"{run.state}: {run.log_tail()}")
        server = start_server(Path("explorer"), folder / "log.txt", home=home)
        yield House(server, home, run.id, f"src=path&path={ocean}&var=sst")
        server.stop()
        for record in store.records().values():
            if record.pid and record.pid != os.getpid() and psutil.pid_exists(record.pid):
                psutil.Process(record.pid).kill()
    said = server.said()
    assert not re.search("Error running application handler|callback failed|work failed", said), said


def wait_for(holds, why) -> None:
    deadline = time.monotonic() + LONG_MS / 1000
    while not holds():
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)


def open_page(page: Page, house: House, query: str) -> None:
    page.goto(f"{house.server.url}?page=reconstruct&{house.source}&{query}")
    page.wait_for_function("document.documentElement.dataset.ready === 'true'")
    expect(page.get_by_role("heading", name="Reconstruct", exact=True)).to_be_visible()


def save(page: Page, item: str, path: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
        page.get_by_role("menuitem", name=item).click()
    download.value.save_as(path)
    return path


def paint(page: Page) -> None:
    box = page.get_by_role("application", name=re.compile("^Globe")).bounding_box()
    assert box is not None
    x, y = box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"]
    page.mouse.move(x - 30, y)
    page.mouse.down()
    page.mouse.move(x, y, steps=4)
    page.mouse.move(x + 30, y + 10, steps=4)
    page.mouse.up()


def test_a_newcomer_sees_the_shipped_model_on_the_demo_ocean(page: Page, house: House) -> None:
    page.goto(f"{house.server.url}?page=reconstruct&at=0,-150,2")
    said = page.get_by_text(
        re.compile(r"[12]\d{3}: the model is \d+ % nearer to the truth than the mean of valid days")
    )
    expect(said).to_be_visible(timeout=LONG_MS)
    text = said.inner_text()
    month = datetime.strptime(text.split(":")[0].strip(), "%B %Y")
    # the same month, judged without the page
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_HOME", str(house.home))
        found = queries.verdict(
            [
                queries.reconstructed(
                    queries.Case(source=queries.source_of("pretrained"), year=month.year, month=month.month)
                )
            ]
        )
    assert f"is {100 * found.skill['mean']:.0f} % nearer" in text
    assert f"{found.error_kelvin['model']:.2f} K against {found.error_kelvin['mean']:.2f} K" in text

    page.get_by_text("Paint clouds with the pointer").click()
    page.get_by_role("button", name="600 km").click()
    paint(page)
    under = page.get_by_text(re.compile("Under the painted clouds the model errs by"))
    expect(under).to_be_visible(timeout=LONG_MS)


def test_the_whole_story(page: Page, house: House, tmp_path: Path) -> None:
    # a source without truth says so, and is judged by what is withheld
    open_page(page, house, f"run={house.run}&month=2004-07&at=0,-150,2")
    expect(page.get_by_text("knows no truth")).to_be_visible(timeout=LONG_MS)
    open_page(page, house, f"run={house.run}&month=2004-07&at=0,-150,2&hide=20")
    verdict = page.get_by_text(re.compile("July 2004: the model is"))
    expect(verdict).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text("whose days were withheld")).to_be_visible()

    page.get_by_text("Paint clouds with the pointer").click()
    page.get_by_role("button", name="1200 km").click()
    paint(page)
    expect(page.get_by_text(re.compile("Under the painted clouds|Nothing can be scored under"))).to_be_visible(
        timeout=LONG_MS
    )
    page.get_by_role("button", name="Take the clouds away").click()
    expect(page.get_by_text("Under the painted clouds")).to_be_hidden()

    with xr.open_dataset(save(page, "Month, NetCDF", tmp_path / "month.nc")) as saved:
        assert saved.attrs["Conventions"] == "CF-1.11"
        assert saved["sst"].shape == (1, *GRID.shape)
        assert np.isfinite(saved["sst"].values[0][~small_ocean(4).land]).all()
    assert open_sst(tmp_path / "month.nc", "sst").grid == GRID
    rows = list(csv.DictReader(save(page, "Scores, CSV", tmp_path / "scores.csv").read_text().splitlines()))
    assert {"model", "mean"} <= {row["estimate"] for row in rows}

    # another training begins, and its map sharpens by itself
    with RunStore(house.home) as store:
        live = store.create(RunConfig(seed=1, settings=settings_of(Path(house.source[14:].split("&")[0]), epochs=60)))
        store.launch(live)
        open_page(page, house, f"run={live.id}&panel=training")
        first = page.get_by_text(re.compile(r"epoch \d+ of \d+ so far"))
        expect(first).to_be_visible(timeout=LONG_MS)
        before = first.inner_text()
        expect(first).not_to_have_text(before, timeout=LONG_MS)
        live.cancel()
        wait_for(lambda: live.state == "cancelled", lambda: live.state)
    with Image.open(save(page, "Film of the training, GIF", tmp_path / "film.gif")) as film:
        assert film.n_frames > 1

    # a new one is started here
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text(re.compile("The training (runs in the background|waits for its turn)"))).to_be_visible()
    expect(page.get_by_text("The training has begun")).to_be_visible()
    stop, cancelled = (
        page.get_by_role("button", name="Stop", exact=True),
        page.get_by_text("The training was cancelled"),
    )

    def is_stopped() -> bool:
        if stop.is_visible():  # a click just after the one that launched counts as its second half, and does nothing
            stop.click()
        return cancelled.is_visible()

    wait_for(is_stopped, lambda: "the training goes on")


def test_a_model_that_is_gone_is_said(page: Page, house: House) -> None:
    open_page(page, house, "run=20990101-000000-ffffffffff&month=1999-99")
    expect(page.get_by_text("There is no model of this run")).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text("month=1999-99 in the address is not a month")).to_be_visible()
