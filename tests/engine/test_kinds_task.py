"""Every kind of variable from its file through training, scores and reconstruction to the files that leave Harmonia."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from engine.config.sst import FileSource, SSTSettings
from engine.data.kinds import KINDS, VariableKind, kind_from
from engine.data.prepare import prepare
from engine.data.sst import open_sst
from engine.errors import ChoiceError, StoreError
from engine.queries.ocean import SourceChoice
from engine.queries.reconstruct import MonthRequest, cell_detail, reconstruct_month, remedies, score_months
from engine.queries.reconstruct.files import month_netcdf, scores_csv
from engine.queries.report import run_report
from engine.queries.run_exports import snapshot_netcdf
from engine.queries.train.run_files import snapshot_fields, variable_of
from engine.queries.verdicts import run_variable, run_verdict
from engine.runs import RunConfig, RunStore
from engine.training.sst.model_bundle import VERSION_OF_KINDS, load_model
from engine.training.sst.reconstruct import reconstruct
from explorer.pages.reconstruct import text
from explorer.report import report_html
from tests.support.cf import cf_faults
from tests.support.kinds import KINDS_OF_FILES, KindOfFile, write_kind
from tests.support.trainings import SMALL, learn

SPLITS = {
    "climatology": ("2001-01", "2001-12"),
    "train": ("2001-01", "2001-12"),
    "validation": ("2002-02", "2002-04"),
    "test": ("2002-06", "2002-08"),
}
FOREIGN = re.compile(r"°C|\bK\b|kelvin|[Ss]ea.surface.temperature|\bsst\b|freez", re.ASCII)
"""Words of a sea-surface temperature, which are wrong on anything else."""


@dataclass(frozen=True)
class RunOfKind:
    """A run of a few steps on a file of a kind."""

    kind: KindOfFile
    file: Path
    home: Path
    run: str

    @property
    def folder(self) -> Path:
        return self.home / "runs" / self.run

    @property
    def variable(self) -> VariableKind:
        return load_model(self.folder).variable


@pytest.fixture(scope="module", params=KINDS_OF_FILES, ids=lambda kind: kind.key)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunOfKind:
    kind: KindOfFile = request.param
    home = tmp_path_factory.mktemp(kind.key)
    file = write_kind(home / f"{kind.key}.nc", kind)
    source = FileSource(path=str(file), variable=kind.variable)
    model = SMALL.model.model_copy(update={"uncertainty": True})
    short = {"source": source, "epochs": 1, "samples": 2, "model": model, **SPLITS}
    settings = SSTSettings.model_validate(SMALL.model_dump() | short)
    with RunStore(home) as store:
        run = store.create(RunConfig(settings=settings))
    learn(run.folder, settings)
    return RunOfKind(kind, file, home, run.id)


@pytest.fixture
def here(trained: RunOfKind, monkeypatch: pytest.MonkeyPatch) -> RunOfKind:
    monkeypatch.setenv("HARMONIA_HOME", str(trained.home))
    monkeypatch.setenv("HARMONIA_DATA", str(trained.home))
    return trained


def month(here: RunOfKind) -> MonthRequest:
    choice = SourceChoice("path", path=here.file.name, variable=here.kind.variable)
    return MonthRequest(here.run, choice, 2002, 7, hidden_percent=10)


def physical(here: RunOfKind) -> xr.DataArray:
    """The file's values in the unit of the kind."""
    return open_sst(here.file, here.kind.variable).daily  # pyright: ignore[reportReturnType]


def test_months_are_in_model_space_and_the_model_stays_near_them(here: RunOfKind) -> None:
    source = open_sst(here.file, here.kind.variable)
    data = prepare(source, (2002, 7), (2002, 7), folder=here.home / "own")
    days = physical(here).sel(time="2002-07").values
    expected = np.log10(days) if here.kind.is_log else days
    np.testing.assert_allclose(data.daily[0], np.where(source.land, np.nan, expected), rtol=1e-6)
    estimate = reconstruct_month(month(here)).estimates["model"]
    sea = ~data.land
    assert np.isfinite(estimate[sea]).all()
    # one epoch leaves the model near its climatology, whatever the unit: no scale of °C is in it
    assert np.abs(estimate[sea] - np.nanmean(expected)).max() < 6 * np.nanstd(expected) + 1e-6
    low, high = here.variable.least, here.variable.most
    if not here.kind.is_log:
        assert low is None or estimate[sea].min() >= low
        assert high is None or estimate[sea].max() <= high


def test_the_run_says_its_kind_and_scores_in_its_unit(here: RunOfKind) -> None:
    stated = json.loads((here.folder / "variable.json").read_text())
    assert (stated["key"], stated["unit"]) == (here.kind.key, here.kind.unit)
    assert run_variable(here.folder, "sst") == here.variable == kind_from(stated)
    verdict = run_verdict(here.folder, "sst")
    assert verdict is not None
    assert f" {here.kind.error}" in verdict.text
    assert ("a factor of" in verdict.text) == here.kind.is_log
    assert not FOREIGN.search(verdict.text.replace(" K", "") if here.kind.error == "K" else verdict.text)


def test_the_exported_month_is_in_the_unit_of_the_kind_and_reads_back(here: RunOfKind, tmp_path: Path) -> None:
    result = reconstruct_month(month(here))
    path = tmp_path / "month.nc"
    path.write_bytes(month_netcdf(result))
    assert cf_faults(path) == []
    with xr.open_dataset(path) as dataset:
        field, std = dataset[here.kind.export], dataset[f"{here.kind.export}_std"]
        values = result.estimates["model"]
        np.testing.assert_allclose(field.values[0], 10.0**values if here.kind.is_log else values, rtol=1e-5)
        np.testing.assert_array_equal(std.values[0], np.where(result.is_climatology, np.nan, result.std))
        assert field.attrs["units"] == {"degC": "degree_Celsius"}.get(here.kind.unit, here.kind.unit)
        assert ("geometric" in field.attrs["cell_methods"]) == here.kind.is_log
        assert "sst" not in dataset
        assert "ice" not in dataset
        stated = " ".join(str(value) for name in dataset.variables for value in dataset[name].attrs.values())
        allowed = here.kind.key in ("sst_anomaly", "land_temperature")
        assert allowed or not FOREIGN.search(f"{stated} {dataset.attrs['title']}")
        field.astype("f8").load()
    read = open_sst(path, here.kind.export)
    assert read.variable.unit == here.kind.unit
    if here.kind.key != "other":
        assert read.kind == here.kind.key


def test_an_exported_snapshot_has_names_and_units_of_its_kind(here: RunOfKind, tmp_path: Path) -> None:
    settings = SSTSettings(source=FileSource(path=here.file.name), **SPLITS)
    fields = snapshot_fields(here.folder, 1)
    path = tmp_path / "snapshot.nc"
    path.write_bytes(snapshot_netcdf(RunConfig(settings=settings), here.run, fields, variable_of(here.folder)))
    assert cf_faults(path) == []
    with xr.open_dataset(path) as dataset:
        for name in ("reconstruction", "target", "observed"):
            attrs = dataset[name].attrs
            assert attrs["units"] == {"degC": "degree_Celsius"}.get(here.kind.unit, here.kind.unit)
            assert attrs.get("standard_name", "") == here.variable.cf_name
        for name in ("error", "mean_error", "std"):
            assert dataset[name].attrs["units"] == here.variable.error_unit
            assert ("logarithm" in dataset[name].attrs.get("comment", "")) == here.kind.is_log
        np.testing.assert_array_equal(dataset["error"], fields["error"])


def test_scores_and_report_name_the_kind(here: RunOfKind) -> None:
    result = reconstruct_month(month(here))
    table = scores_csv([("2002-07", score_months([result]))]).decode()
    assert f"{here.variable.title}, {here.kind.unit}" in table
    with RunStore(here.home) as store:
        page = report_html(run_report(store.get(here.run), store))
    assert here.variable.phrase in page
    assert here.kind.error in page
    shown = re.sub(r"<pre>.*?</pre>|<style>.*?</style>|src='[^']*'", "", page, flags=re.S)
    assert here.kind.error == "K" or not FOREIGN.search(shown)


def test_texts_of_the_reconstruct_page_hold_no_word_of_another_kind(here: RunOfKind) -> None:
    """Every text that the page makes of a month, its scores, a place and the model."""
    from engine.queries.reconstruct import largest_errors, model_card

    request = month(here)
    result, detail, card = reconstruct_month(request), cell_detail(request, (40.0, -50.0)), model_card(here.run)
    scores = score_months([result])
    variable = result.variable
    texts = [
        *text.kinds(variable), *text.scale_label("temperature", variable), *text.scale_label("error", variable),
        text.verdict(scores, "2002-07-01", "World"), text.no_verdict(result), text.about(card),
        text.under_clouds(scores.error_kelvin, scores.error_kelvin, scores.best, variable),
        text.under_clouds(None, None, scores.best, variable),
        *(cell for row in text.score_rows(scores, result.titles) for cell in row),
        *(cell for row in text.anatomy_rows(detail, result.titles) for cell in row),
        *(word for cell in largest_errors(result) for word in text.worst(cell, variable)),
        *text.fallback(result), *(sentence for sentence, _ in text.anatomy(detail, "2002-07-01")),
        *(cell for row in text.read_out(result) for cell in row),
    ]  # fmt: skip
    joined = " ".join(texts)
    assert variable.error_symbol in joined
    assert variable.symbol in joined
    for word in texts:
        if here.kind.key not in ("sst_anomaly", "land_temperature"):
            assert not FOREIGN.search(word), word
        if variable.masked == "sea":
            assert not re.search("open sea|of the sea", word), word


def test_a_model_refuses_data_of_another_kind(here: RunOfKind) -> None:
    other = next(kind for kind in KINDS_OF_FILES if kind.key != here.kind.key)
    file = write_kind(here.home / "another.nc", other)
    source = open_sst(file, other.variable)
    with pytest.raises(ChoiceError, match=f"has learned {re.escape(here.variable.phrase)} .*this is ") as caught:
        reconstruct(here.folder, source, (2002, 7), (2002, 7))
    assert "choose a model that was trained on" in caught.value.remedy
    with pytest.raises(ChoiceError, match="has learned sea-surface temperature"):
        reconstruct("pretrained", open_sst(here.file, here.kind.variable), (2002, 7), (2002, 7))


def test_what_can_be_done_with_a_source_of_another_kind(here: RunOfKind) -> None:
    other = next(kind for kind in KINDS_OF_FILES if kind.key != here.kind.key)
    another = SourceChoice("path", path=write_kind(here.home / "another.nc", other).name)
    own = month(here).source
    assert remedies(here.run, another) == ("own source", "train", "demo")
    assert remedies(here.run, own) == ("train", "demo")
    assert remedies(here.run, SourceChoice(step_deg=2.0, years=1)) == ("own source", "shipped model", "train", "demo")
    assert remedies(here.run, SourceChoice("path", path="gone.nc")) == ("own source", "open on Data", "demo")
    assert remedies("pretrained", own) == ("train", "demo"), "the shipped model has learned another variable"


def test_programs_that_know_sst_alone_refuse_the_model(here: RunOfKind) -> None:
    from engine.runs.checkpoints import read_checkpoint, write_checkpoint

    path = here.folder / "best.safetensors"
    kept = read_checkpoint(path)
    assert kept is not None
    assert kept.metadata["version"] == VERSION_OF_KINDS
    newer = here.home / "newer.safetensors"
    write_checkpoint(newer, kept.arrays, kept.metadata | {"version": VERSION_OF_KINDS + 1})
    with pytest.raises(StoreError, match="newer Harmonia"):
        load_model(newer)


def test_every_kind_of_the_table_has_a_file_here_or_is_an_anomaly() -> None:
    files = {kind.key for kind in KINDS_OF_FILES}
    assert {key for key in KINDS if not key.endswith("_anomaly")} - files == {"sst"}
