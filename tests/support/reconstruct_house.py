"""A server with a model that has learned the small ocean in a file, for the browser tests of Reconstruct."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page

from engine.config.sst import FileSource, SSTSettings
from engine.runs import ENDED, RunConfig, RunStore
from tests.support.browser import LONG_MS, Server, eventually, open_page, serving
from tests.support.ocean import small_ocean
from tests.support.trainings import SMALL


@dataclass
class House:
    """A server, its home, a model that has learned the ocean in a file, and that file's part of an address."""

    server: Server
    home: Path
    run: str
    source: str


def settings_of(ocean: Path, **changes: object) -> SSTSettings:
    return SMALL.model_copy(update={"source": FileSource(path=str(ocean), variable="sst"), "samples": 4, **changes})


@contextmanager
def learned_ocean(folder: Path, *args: str) -> Iterator[House]:
    """A house in this folder; ``args`` go to `panel serve`."""
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
        eventually(lambda: run.state in ENDED, lambda: f"{run.state}: {run.log_tail()}", LONG_MS)
        assert run.state == "done", run.log_tail()
        with serving(folder, *args) as server:
            yield House(server, home, run.id, f"src=path&path={ocean}&var=sst")


def open_case(page: Page, house: House, query: str) -> None:
    open_page(page, f"{house.server.url}?page=reconstruct&{house.source}&{query}", "Reconstruct")
