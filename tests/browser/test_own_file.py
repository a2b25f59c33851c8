"""From a person's own file to an exported reconstruction, by clicks alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import Locator, Page, expect

from engine.config.sst import SSTSettings
from engine.queries import ocean, reconstruct
from engine.queries.reconstruct import MonthRequest
from engine.runs import RunStore
from tests.support.browser import LONG_MS, address_of, only_run, open_page, serving
from tests.support.own_file import CHLOROPHYLL, COASTAL_SST, LAND_TEMPERATURE, SST, Product, write_region

MOST_CLICKS = 12


@dataclass(frozen=True)
class OwnFile:
    """A file, the name of its variable in the export, its title on a legend, and where it has values."""

    product: Product
    export: str = "sst"
    title: str = "Sea-surface temperature"
    place: str = "sea"
    region: dict[str, Any] = field(default_factory=dict)


FILES = {
    "quarter degree": OwnFile(SST, region={"shape": (24, 32)}),
    "Mediterranean, 1°": OwnFile(
        COASTAL_SST, region={"shape": (16, 42), "corner": (30.0, -6.0), "step_deg": 1.0}
    ),
    "chlorophyll": OwnFile(
        CHLOROPHYLL, "chlorophyll", "Chlorophyll-a concentration",
        region={"shape": (12, 18), "corner": (50.0, -5.0), "step_deg": 0.5},
    ),
    "land temperature": OwnFile(
        LAND_TEMPERATURE, "land_temperature", "Land-surface temperature", "land",
        {"shape": (12, 18), "corner": (37.0, -9.0), "step_deg": 0.5},
    ),
}  # fmt: skip


class Clicks:
    """Counts what a hand presses."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, thing: Locator) -> None:
        thing.click()
        self.count += 1


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_a_file_of_one_region_is_trained_on_reconstructed_and_exported_in_a_few_clicks(
    file: OwnFile, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write_region(tmp_path / "own.nc", file.product, **file.region)
    click = Clicks()
    with serving(tmp_path) as server:
        open_page(page, f"{server.url}?page=data&src=demo&step=2&years=1", "Data")
        click(page.get_by_role("button", name="Upload", exact=True))
        page.locator("input[type=file]").first.set_input_files(own)
        expect(page.get_by_role("button", name="Source: own.nc")).to_be_visible(timeout=LONG_MS)

        click(page.get_by_role("button", name="Train on this"))
        expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
        expect(page.get_by_text("What will happen")).to_be_visible(timeout=LONG_MS)
        expect(page.get_by_role("img", name="train 2019-01")).to_be_visible()
        expect(page.get_by_text(f"Share of the {file.place} observed")).to_be_visible()
        # the time is dragged down to the shortest
        minutes = page.get_by_role("slider", name="Time, minutes")
        minutes.focus()
        minutes.press("Home")
        click.count += 1
        launch = page.get_by_role("button", name="Launch", exact=True)
        expect(launch).to_be_disabled()
        expect(launch).to_be_enabled(timeout=LONG_MS)
        page.get_by_label("Name", exact=True).fill("My sea")
        page.get_by_label("Name", exact=True).press("Enter")
        click(launch)

        with RunStore(tmp_path / "home") as store:
            run = only_run(store)
            assert run.record.name == "My sea"
        again = page.get_by_role("button", name="Reconstruct with this")
        expect(again).to_be_visible(timeout=LONG_MS)
        click(again)
        expect(page.get_by_role("heading", name="Reconstruct", exact=True)).to_be_visible()
        expect(page.locator("html")).to_have_attribute("data-page", "reconstruct")
        expect(page.locator("html")).to_have_attribute("data-busy", "false", timeout=LONG_MS)
        expect(page.get_by_role("button", name=file.title).first).to_be_visible()
        with page.expect_download(timeout=LONG_MS) as download:
            click(page.get_by_role("button", name="Export"))
            click(page.get_by_role("menuitem", name="Month, NetCDF"))
        exported = tmp_path / "month.nc"
        download.value.save_as(exported)
        address = address_of(page)

        monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
        assert address["run"] == run.id
        assert address["src"] == "upload"
        year, month = map(int, address["month"].split("-"))
        settings = run.config.settings
        assert isinstance(settings, SSTSettings)
        source = ocean.source_choice(settings.source)
        expected = reconstruct.reconstruct_month(MonthRequest(run.id, source, year, month))
        with xr.open_dataset(exported) as dataset:
            values = dataset[file.export].values.squeeze()
        shown = expected.variable.restored(reconstruct.layer(expected, "reconstruction"))
        np.testing.assert_allclose(values, shown, atol=1e-3)
        assert np.isfinite(values[~expected.data.land]).all()
    assert click.count <= MOST_CLICKS
