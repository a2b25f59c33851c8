"""What a person waits for on the Train page: the first step after a launch, eight long runs compared, a large sweep."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import holoviews as hv
import numpy as np
from playwright.sync_api import Page, sync_playwright

from engine.config.sst import SSTSettings
from engine.queries.train import curves as trainings
from engine.queries.train.curves import SweepSummary, SweepTrial
from engine.runs import Run, RunConfig, RunRecord, RunStore
from explorer.pages.train import markup
from explorer.pages.train.comparisons import read_compared
from explorer.pages.train.run_reader import CurveOptions, RunReader
from explorer.plots import training as figures
from tests.benchmarks import Row, seconds
from tests.support.browser import QUIET, eventually, start_server
from tests.support.ocean import small_ocean

NUM_RUNS, NUM_LINES, NUM_TRIALS = 8, 100_000, 200


def rows() -> Iterable[Row]:
    hv.extension("bokeh", logo=False)  # type: ignore[operator]
    yield from _comparison()
    yield _sweep()
    yield from _launch()


def _comparison() -> Iterable[Row]:
    with tempfile.TemporaryDirectory() as folder, RunStore(folder) as store:
        created = [_long_run(store, seed) for seed in range(NUM_RUNS)]
        records = {run.id: RunRecord(id=run.id, state="done", best=0.2, name=run.id[-4:]) for run in created}
        options = CurveOptions("val_mae", "step", 0.8)

        def draw(runs: list[RunReader]) -> None:
            compared = read_compared(runs, records, options)
            hv.render(figures.curves(compared.lines, False, "Step", "K", 320))
            markup.differences(compared.comparison, [(run.run.id, "red") for run in runs])

        began = time.perf_counter()
        runs = [RunReader(run) for run in created]
        draw(runs)
        first = time.perf_counter() - began
        label = f"{NUM_RUNS} runs of {NUM_LINES:,} points compared"
        yield Row(f"{label}, read from their files", 1000 * first, "ms", target_figure=500)
        yield Row(f"{label}, drawn again", 1000 * seconds(lambda: draw(runs)), "ms", target_figure=500)


def _long_run(store: RunStore, seed: int) -> Run:
    run = store.create(RunConfig(seed=seed, settings=SSTSettings()))
    values = 0.2 + np.random.default_rng(seed).random(NUM_LINES) / 10
    lines = (
        f'{{"step":{step},"time":{step / 10},"iteration":{step},"epoch":{step // 1000},"val_mae":{value:.9g}}}\n'
        for step, value in enumerate(values.tolist())
    )
    (run.folder / "metrics.jsonl").write_text("".join(lines))
    return run


def _sweep() -> Row:
    rng = np.random.default_rng(0)
    names = ("learning_rate", "model.width", "model.heads", "basis_degree", "model.dropout", "batch")
    trials = tuple(
        SweepTrial(number, "done", dict(zip(names, rng.random(len(names)).tolist(), strict=True)), "run", value, [], "")
        for number, value in enumerate((0.2 + 0.1 * rng.random(NUM_TRIALS)).tolist())
    )
    view = SweepSummary(names, trials, dict.fromkeys(names, 1 / len(names)))

    def draw() -> None:
        coordinates = trainings.parallel_coordinates(view)
        hv.render(figures.parallel(coordinates, [*names, "Score"], 0))
        hv.render(figures.best_so_far(coordinates, view.best_so_far, "K"))
        hv.render(figures.slice_of(coordinates, 0, names[0], "K"))
        markup.trials_table(view, "K")

    return Row(f"a sweep of {NUM_TRIALS} trials drawn", seconds(draw), "s", target_figure=1)


def _launch() -> Iterable[Row]:
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        config = _small_config(folder)
        server = start_server(Path("explorer"), folder / "log.txt", home=folder / "home")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        try:
            page = browser.new_page()
            page.goto(f"{server.url}?page=train&face=new&task=sst")
            page.locator("input[type=file]").set_input_files(config)
            page.get_by_text("The file's configuration is in the form.").wait_for()
            yield Row("launch click → first training step, small data", _first_step(page, folder), "s", target_figure=8)
        finally:
            browser.close()
            server.stop()


def _first_step(page: Page, folder: Path) -> float:
    began = time.perf_counter()
    page.get_by_role("button", name="Launch").click()
    eventually(lambda: any('"iteration":1,' in path.read_text() for path in folder.glob("home/runs/*/metrics.jsonl")))
    return time.perf_counter() - began


def _small_config(folder: Path) -> Path:
    daily = small_ocean(3, ice=False).daily.compute()
    daily.attrs.update(units="degree_Celsius", standard_name="sea_surface_temperature")
    daily.to_netcdf(folder / "sst.nc")
    values = RunConfig.demo("sst").settings.model_dump(mode="json") | {
        "source": {"kind": "file", "path": str(folder / "sst.nc")},
        "climatology": ["2001-01", "2001-12"],
        "train": ["2001-01", "2001-12"],
        "validation": ["2002-02", "2002-11"],
        "test": ["2003-02", "2003-12"],
        "window": [12, 12],
        "overlap": 2,
        "epochs": 1,
    }
    path = folder / "config.json"
    path.write_text(json.dumps({"version": 1, "settings": values}))
    return path
