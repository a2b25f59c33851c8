"""The Train page as a person meets it: a training is launched, watched, stopped, resumed; a sweep; two compared."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from safetensors.numpy import load_file

from engine.provenance import without_folders
from engine.queries.known_sources import with_known_sources
from engine.runs import RunConfig, RunStore, TableSettings
from explorer.pages.train.model import MOST_COMPARED
from tests.support.browser import (
    LONG_MS,
    ROOT,
    Server,
    click_twice,
    eventually,
    fact,
    hold,
    only_run,
    open_page,
    save,
    serving,
    wait_ready,
)
from tests.support.ocean import small_ocean

NUM_EPOCHS = 5


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server on a home of its own, and that home."""
    folder = tmp_path_factory.mktemp("train")
    with serving(folder) as server:
        yield server, folder / "home"


@pytest.fixture(scope="module")
def settings(house: tuple[Server, Path]) -> dict[str, Any]:
    """A training of seconds, for trials: three years of a coarse ocean in a file, and a very small model."""
    path = house[1] / "data" / "sst.nc"  # of the folder that the server may open
    path.parent.mkdir(parents=True)
    daily = small_ocean(3, ice=False).daily.compute()
    daily.attrs.update(units="degree_Celsius", standard_name="sea_surface_temperature")
    daily["lat"].attrs.update(units="degrees_north", standard_name="latitude")
    daily["lon"].attrs.update(units="degrees_east", standard_name="longitude")
    daily.to_netcdf(path)
    demo = RunConfig.demo("sst").settings.model_dump(mode="json")
    small = {"width": 8, "heads": 2, "num_components": 4, "spatial_layers": 1, "decoder_width": 8, "refinement": [1]}
    return demo | {
        "source": {"kind": "file", "path": str(path), "variable": None},
        "climatology": ["2001-01", "2001-12"],
        "train": ["2001-01", "2001-12"],
        "validation": ["2002-02", "2002-11"],
        "test": ["2003-02", "2003-12"],
        "model": demo["model"] | small,
        "basis_degree": 3,
        "window": [12, 12],
        "overlap": 2,
        "epochs": 60,
        "samples": 8,
        "batch": 4,
    }


def import_config(page: Page, settings: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps({"version": 1, "seed": 3, "settings": settings}))
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text("The file's configuration is in the form.")).to_be_visible()


def show_all_settings(page: Page) -> None:
    page.get_by_label("All settings").check()
    expect(page.get_by_label("Window, rows × columns", exact=True)).to_be_visible()


def the_run(page: Page) -> Locator:
    return page.locator("li[data-chosen]")


def test_a_training_is_launched_watched_stopped_resumed_and_repeated_elsewhere(
    page: Page, house: tuple[Server, Path], settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, home = house
    open_page(page, server.url + "?page=train", "Train")
    import_config(page, settings | {"epochs": NUM_EPOCHS}, tmp_path / "config.json")
    page.get_by_label("Name", exact=True).fill("Small")
    page.get_by_label("Name", exact=True).press("Enter")

    show_all_settings(page)
    # several wrong fields are told together, and nothing can be launched until they are right
    page.get_by_label("Window, rows × columns", exact=True).fill("13, 12")
    page.get_by_label("Window, rows × columns", exact=True).press("Enter")
    page.get_by_label("Months per sample", exact=True).fill("99")
    page.get_by_label("Months per sample", exact=True).press("Enter")
    expect(page.get_by_role("alert").get_by_text("2 fields are invalid")).to_be_visible()
    expect(page.get_by_text("patch height 4 does not divide 13; 12 and 16 do").first).to_be_visible()
    expect(page.get_by_role("button", name="Launch")).to_be_disabled()
    page.get_by_label("Window, rows × columns", exact=True).fill("12, 12")
    page.get_by_label("Window, rows × columns", exact=True).press("Enter")
    page.get_by_label("Months per sample", exact=True).fill("1")
    page.get_by_label("Months per sample", exact=True).press("Enter")

    # the second click must not start a second run
    click_twice(page.get_by_role("button", name="Launch"))
    expect(the_run(page)).to_contain_text("Small")
    with RunStore(home) as store:
        run = only_run(store)
        process = hold(run, lambda _: len(run.files.snapshot_epochs()) >= 2)
        shown = fact(page, "Map after epoch")
        expect(shown).to_be_visible(timeout=LONG_MS)
        before, count = shown.inner_text(), len(run.files.snapshot_epochs())
        process.resume()
        hold(run, lambda _: len(run.files.snapshot_epochs()) > count)
        expect(shown).not_to_have_text(before, timeout=LONG_MS)
        expect(page.get_by_text(re.compile("on the validation months so far"))).to_be_visible()

        page.reload()
        wait_ready(page, "Train")
        expect(the_run(page)).to_have_attribute("data-state", "running", timeout=LONG_MS)
        the_run(page).get_by_role("button", name="Cancel").click()
        eventually(lambda: run.record.is_stopping, lambda: run.state)
        process.resume()
        expect(the_run(page)).to_have_attribute("data-state", "cancelled", timeout=LONG_MS)
    the_run(page).get_by_role("button", name="Resume").click()
    expect(the_run(page)).to_have_attribute("data-state", "done", timeout=LONG_MS)
    expect(page.get_by_text(re.compile("(error than|No clear difference from) the best baseline")).last).to_be_visible()
    expect(fact(page, "Map after epoch")).to_contain_text(f"{NUM_EPOCHS}")

    exported = save(page, "Configuration, JSON", tmp_path / "exported.json")
    with RunStore(home) as store:
        (record,) = store.records().values()
        assert record.name == "Small"
        first = store.get(record.id)
        assert json.loads(exported.read_text()) == without_folders(json.loads(first.config.to_json()))
        monkeypatch.setenv("HARMONIA_HOME", str(home))
        # the file names the data without the folders of this server; what opens it knows where they are
        complete = with_known_sources(json.loads(exported.read_text()), exported)
        assert RunConfig.checked(complete) == first.config
        elsewhere, copy = tmp_path / "elsewhere", tmp_path / "copy.json"
        copy.write_text(json.dumps(complete))
        script = "import sys, pathlib; from engine.runs import RunConfig; from engine.training.fit import fit; " \
            "fit(RunConfig.read(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2]))"  # fmt: skip
        subprocess.run(
            [sys.executable, "-c", script, str(copy), str(elsewhere)],
            cwd=ROOT,
            env=os.environ | {"HARMONIA_HOME": str(home)},  # where the months are prepared already
            check=True,
        )
        mine, other = (load_file(folder / "best.safetensors") for folder in (first.folder, elsewhere))
    assert mine.keys() == other.keys()
    for name, values in mine.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)

    # a run that is deleted while it is on screen leaves it, and comes back from the trash
    the_run(page).get_by_role("button", name="Delete").click()
    expect(the_run(page)).to_have_count(0)
    page.get_by_text("Trash: 1 deleted").click()
    page.get_by_role("button", name="Restore").click()
    page.locator(f"li[data-run='{first.id}'] .title").click()
    expect(the_run(page)).to_have_attribute("data-state", "done")


def test_a_sweep_finds_a_trial_that_becomes_the_config_and_two_trials_are_compared(
    page: Page, house: tuple[Server, Path], settings: dict[str, Any], tmp_path: Path
) -> None:
    server, home = house
    open_page(page, server.url + "?page=train&face=new&task=sweep", "Train")
    sweep = {
        "task": "sweep",
        "trial": settings | {"epochs": 1, "samples": 4},
        "space": {"learning_rate": {"kind": "range", "low": 1e-3, "high": 1e-2, "log": True}},
        "trials": 3,
        "sampler": "random",
        "pruner": "none",
    }
    import_config(page, sweep, tmp_path / "sweep.json")
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_text("3 trials of 3: 3 done.").first).to_be_visible(timeout=LONG_MS)
    page.get_by_role("button", name="Use this configuration").click()
    expect(page.get_by_text(re.compile(r"Trial \d+ is in the form"))).to_be_visible()
    with RunStore(home) as store:
        trials = {
            record.id: record for record in store.records().values() if any("sweep" in tag for tag in record.tags)
        }
        best = min(trials.values(), key=lambda record: record.best or 9.0)
        rate = store.get(best.id).config.settings.learning_rate  # type: ignore[union-attr]
    show_all_settings(page)
    page.get_by_text("Training", exact=True).click()
    expect(page.get_by_label("Learning rate", exact=True)).to_have_value(f"{rate:.6g}")

    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_label("Trials of sweeps too").check()
    for trial in ("trial 0", "trial 1"):
        page.get_by_role("checkbox", name=re.compile(f"Compare .*{trial}")).check()
    differing = page.locator("table", has_text="Field").first.get_by_role("row").nth(1)
    expect(differing).to_contain_text("Learning rate")
    expect(differing.get_by_title("learning_rate")).to_be_visible()
    page.wait_for_function("location.search.includes('runs=')")
    page.reload()
    wait_ready(page, "Train")
    expect(differing).to_contain_text("Learning rate")

    # all trials and baselines stand in one table; its head sorts it, a row opens its run
    page.get_by_role("button", name="Scores", exact=True).click()
    board = page.locator("table", has_text="Run time")
    names = board.get_by_role("rowheader")
    expect(board.get_by_role("button", name=re.compile("trial"))).to_have_count(3)
    expect(names.filter(has_text="Climatology").first).to_be_visible()
    errors = board.locator("tbody tr > :nth-child(2)")
    lowest = errors.first.inner_text()
    board.get_by_role("button", name=re.compile("^Error")).click()
    expect(errors.last).to_have_text(lowest)
    page.get_by_role("searchbox", name="Filter by name").fill("trial 1")
    expect(names).to_have_count(1)
    names.get_by_role("button").click()
    expect(page.get_by_text("Model and best baseline on the test months")).to_be_visible()


def test_a_wrong_file_is_refused_with_a_remedy_and_the_draft_stays(
    page: Page, house: tuple[Server, Path], tmp_path: Path
) -> None:
    open_page(page, house[0].url + "?page=train&face=new&task=sweep&set=%7B%22space%22:%7B%7D%7D", "Train")
    empty = page.get_by_text("the search space is empty; choose at least one field").locator("visible=true")
    expect(empty.first).to_be_visible()
    expect(page.get_by_role("button", name="Launch")).to_be_disabled()
    show_all_settings(page)
    path = tmp_path / "wrong.json"
    path.write_text('{"hello": 1}')
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text("The file was not read. Settings: missing")).to_be_visible()
    expect(page.get_by_text("choose a configuration file written by Export")).to_be_visible()
    expect(page.get_by_label("What to learn")).to_have_text("Sweep of reconstructions")
    page.get_by_label("Vary", exact=True).select_option("Learning rate")
    expect(page.get_by_role("button", name="Launch")).to_be_enabled()


def test_what_is_being_typed_stays_when_the_form_changes(
    page: Page, house: tuple[Server, Path], settings: dict[str, Any], tmp_path: Path
) -> None:
    open_page(page, house[0].url + "?page=train&face=new&task=sst&set=%7B%7D", "Train")
    show_all_settings(page)
    window = page.get_by_label("Window, rows × columns", exact=True)
    before = window.input_value()
    window.fill("13, 12")
    import_config(page, settings, tmp_path / "config.json")
    expect(page.get_by_label("Epochs", exact=True)).to_have_value(str(settings["epochs"]))
    expect(window).to_have_value("13, 12")
    window.press("Enter")
    expect(page.get_by_text("patch height 4 does not divide 13; 12 and 16 do").first).to_be_visible()
    # typed back to what it was: nothing is changed, and what came meanwhile is shown
    window.fill("12, 12")
    window.press("Enter")
    expect(page.get_by_role("button", name="Launch")).to_be_enabled()
    window.press_sequentially("5")
    window.press("Backspace")
    page.get_by_label("Name", exact=True).focus()
    expect(window).to_have_value("12, 12")
    assert before != "12, 12"


def test_a_hostile_address_opens_a_page_and_says_what_was_changed(page: Page, house: tuple[Server, Path]) -> None:
    open_page(page, house[0].url + "?page=train&face=new&task=sst&set=%7B%22nothing%22:1%7D&seed=-4&smooth=5", "Train")
    expect(page.get_by_text("the draft in the address has unknown fields: nothing")).to_be_visible()
    open_page(page, house[0].url + "?page=train&face=runs&run=../../etc/passwd", "Train")
    expect(page.get_by_text("This run does not exist. Choose another.")).to_be_visible()


EARLIER_ANSWER = """([first, second]) => {
  first.click()
  second.click()
  const {data} = Bokeh.index.query_one(({model}) => model.class_name === 'RunList').model
  data.rows = data.rows.map((row) => ({...row, is_compared: row.title === 'Table 0'}))
  return second.checked
}"""
"""Two ticks, and then what the server says after it has seen the first."""


def test_a_tick_stays_until_it_is_answered_and_one_too_many_goes_away(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path) as server, RunStore(tmp_path / "home") as store:
        for number in range(MOST_COMPARED + 1):
            store.create(RunConfig(settings=TableSettings()), name=f"Table {number}")
        open_page(page, server.url + "?page=train&face=compare", "Train")
        ticks = [page.get_by_role("checkbox", name=f"Compare Table {number}") for number in range(MOST_COMPARED + 1)]
        assert page.evaluate(EARLIER_ANSWER, [tick.element_handle() for tick in ticks[:2]])
        for tick in ticks[2:-1]:
            tick.check()
        ticks[-1].click()
        expect(page.get_by_text(f"At most {MOST_COMPARED} runs can be compared.")).to_be_visible()
        for tick in ticks[:-1]:
            expect(tick).to_be_checked()
        expect(ticks[-1]).not_to_be_checked()
