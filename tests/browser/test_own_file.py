"""From a person's own file to an exported reconstruction, by clicks alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import Locator, Page, expect

from engine.config.sst import SSTSettings
from engine.queries import ocean, reconstruct
from engine.queries.reconstruct import MonthRequest
from engine.runs import RunStore
from tests.support.browser import LONG_MS, address_of, only_run, open_page, serving
from tests.support.own_file import write_region

MOST_CLICKS = 12


class Clicks:
    """Counts what a hand presses."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, thing: Locator) -> None:
        thing.click()
        self.count += 1


def test_a_file_of_one_region_is_trained_on_reconstructed_and_exported_in_a_few_clicks(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write_region(tmp_path / "own.nc", shape=(24, 32))
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
        click(page.get_by_role("button", name="Reconstruct with this"))
        expect(page.get_by_role("heading", name="Reconstruct", exact=True)).to_be_visible()
        expect(page.locator("html")).to_have_attribute("data-page", "reconstruct")
        expect(page.locator("html")).to_have_attribute("data-busy", "false", timeout=LONG_MS)
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
            values = dataset["sst"].values.squeeze()
        np.testing.assert_allclose(values, reconstruct.layer(expected, "reconstruction"), atol=1e-3)
        assert np.isfinite(values).mean() > 0.8
    assert click.count <= MOST_CLICKS
