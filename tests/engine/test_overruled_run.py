"""A file that says the wrong thing of itself: what was decided by hand stands wherever its model and results do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from engine.config.sst import FileSource, SSTSettings
from engine.queries.ocean import run_source, source_choice
from engine.queries.reconstruct import MonthRequest, month_origin, reconstruct_month, score_months
from engine.queries.reconstruct.files import month_netcdf, scores_csv
from engine.queries.report import run_report
from engine.runs import RunConfig, RunStore
from explorer.report import report_html
from tests.support.kinds import KINDS_OF_FILES, write_kind
from tests.support.trainings import SMALL, learn

SPLITS = {
    "climatology": ("2001-01", "2001-12"),
    "train": ("2001-01", "2001-12"),
    "validation": ("2002-02", "2002-04"),
    "test": ("2002-06", "2002-08"),
}
DECIDED = {"variable_kind": "land_temperature", "unit": "kelvin"}


def test_decisions_stand_in_configuration_report_and_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    land = next(kind for kind in KINDS_OF_FILES if kind.key == "land_temperature")
    # kelvins that are called °C, of a variable whose name says nothing
    file = write_kind(tmp_path / "skin.nc", replace(land, variable="skt", attrs={"units": "degC"}))
    source = FileSource(path=str(file), variable="skt", **DECIDED)
    short = {"source": source, "epochs": 1, "samples": 2, **SPLITS}
    settings = SSTSettings.model_validate(SMALL.model_dump() | short)
    with RunStore(tmp_path) as store:
        run = store.create(RunConfig(settings=settings))
        learn(run.folder, settings)

        saved = json.loads(run.files.config.read_text())
        assert DECIDED.items() <= saved["settings"]["source"].items()
        page = report_html(run_report(run, store))
    decided, understood = "kind, unit", "unit: kelvin, converted to °C"
    assert "Decided by hand" in page
    assert decided in page
    assert understood in page

    choice = source_choice(source)
    assert run_source(choice) == source
    month = reconstruct_month(MonthRequest(run.id, choice, 2002, 7, hidden_percent=20))
    exported = tmp_path / "month.nc"
    exported.write_bytes(month_netcdf(month))
    with xr.open_dataset(exported) as dataset:
        assert dataset.attrs["harmonia_data_decided"] == decided
        assert understood in dataset.attrs["harmonia_data_understood"]
        assert 0.0 < float(np.nanmean(dataset["land_temperature"])) < 30.0, "°C, not kelvins"
    table = scores_csv([("2002-07", score_months([month]))]).decode()
    assert f"# harmonia_data_decided: {decided}" in table
    assert understood in table
    assert f"decided by hand about the data: {decided}" in month_origin(month).caption()
