"""The Learned table page as a person meets it: a real run starts, moves, stops, goes on, ends, and is found again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from playwright.sync_api import Page, expect

from engine.queries import table
from engine.runs import RunConfig, RunStore, TableSettings
from explorer.widgets.text import number
from tests.support.browser import (
    LONG_MS,
    Server,
    click_twice,
    click_until,
    fact,
    hold,
    only_run,
    open_page,
    save,
    serving,
)

CHOICE = "?page=table&target=force&W=63&H=32&pad=3&topology=sphere&sample=40&steps=3000&rate=0.01&panel=fields"
SETTINGS = TableSettings(padding=3, sample_fraction=0.4, iterations=3000, learning_rate=0.01)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server on a home of its own, and that home."""
    folder = tmp_path_factory.mktemp("table")
    with serving(folder) as server:
        yield server, folder / "home"


def test_a_table_is_trained_stopped_resumed_exported_and_found_again(
    page: Page, house: tuple[Server, Path], tmp_path: Path
) -> None:
    server, home = house
    open_page(page, server.url + CHOICE, "Learned table")
    expect(page.get_by_text("from 40 % of its points in 3")).to_be_visible()
    # the second click must neither start a second run nor stop the first
    click_twice(page.get_by_role("button", name="Train", exact=True))
    with RunStore(home) as store:
        run = only_run(store)
        process = hold(run, lambda record: (record.epoch or 0) > 0)
        expect(page.get_by_text("The training runs in the background")).to_be_visible()
        expect(page.get_by_text(re.compile("Learned, at step"))).to_be_visible(timeout=LONG_MS)

        page.get_by_role("button", name="Loss").click()
        seen = fact(page, "Error, test")
        expect(seen).to_be_visible()
        before, step = seen.inner_text(), run.record.epoch or 0
        process.resume()
        hold(run, lambda record: (record.epoch or 0) > step + 200)
        expect(seen).not_to_have_text(before)

        click_until(page.get_by_role("button", name="Stop", exact=True), page.get_by_text("is being stopped"))
        process.resume()
        expect(page.get_by_text("The training was cancelled")).to_be_visible(timeout=LONG_MS)
        assert [record.state for record in store.records().values()] == ["cancelled"]
        assert run.config == RunConfig(settings=SETTINGS)
    config = RunConfig.from_json(save(page, "Choices, JSON", tmp_path / "config.json").read_bytes())
    assert config == RunConfig(settings=SETTINGS)
    assert json.loads((tmp_path / "config.json").read_bytes())["settings"]["task"] == "table"
    page.get_by_role("button", name="Resume", exact=True).click()
    page.get_by_role("button", name="Fields").click()
    expect(page.get_by_text("Learned, done after 3")).to_be_visible(timeout=LONG_MS)

    metrics = run.metrics()
    metrics.poll()
    assert metrics.columns["iteration"].tolist() == list(range(3001))
    error = number(metrics.columns["test_l1"][-1])
    expect(seen).to_have_text(re.compile(f"^{re.escape(error)}"))
    baseline = table.nearest_baseline(run.folder).test_l1
    relation = "lower" if metrics.columns["test_l1"][-1] < baseline else "higher"
    expect(page.get_by_text(f"{number(baseline)}: the table has the {relation} error.")).to_be_visible()

    page.get_by_role("button", name="Edges").click()
    expect(page.get_by_text("The learned table")).to_be_visible()
    expect(page.get_by_role("row", name="Kink at the poles: test points, sphere")).to_contain_text(error)
    expect(page.get_by_role("row", name="Kink at the poles: test points, clamp")).to_contain_text("not trained")

    losses = pd.read_csv(save(page, "Losses, CSV", tmp_path / "losses.csv"), comment="#")
    np.testing.assert_allclose(losses["test_l1"], metrics.columns["test_l1"], rtol=1e-8)
    learned = table.table_fields(run.folder).learned
    assert learned is not None
    with xr.open_dataset(save(page, "Learned field, NetCDF", tmp_path / "learned.nc")) as saved:
        np.testing.assert_array_equal(saved["u"], learned["u"])
        np.testing.assert_array_equal(saved["v"], learned["v"])

    page.wait_for_function("location.search.includes('panel=edges')")
    page.reload()
    expect(seen).to_have_text(re.compile(f"^{re.escape(error)}"))
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_hidden()


def test_a_hostile_address_opens_a_page_and_says_what_was_changed(page: Page, house: tuple[Server, Path]) -> None:
    open_page(page, f"{house[0].url}?page=table&W=9999&H=2&pad=15&topology=%3Cscript%3E&target=august", "Learned table")
    expect(page.get_by_text("width 9999 was clamped to 1 … 720")).to_be_visible()
    page.wait_for_function("location.search.includes('target=august&W=720&H=2&pad=2&topology=sphere')")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()
