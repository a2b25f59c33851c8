"""Every exported file says how it was made, passes the CF test, and is made anew to the same values by one command."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from engine import provenance
from engine.config.run_config import RunConfig, TableSettings
from engine.config.sst import FileSource, RegridSettings
from engine.data.resample import resampled
from engine.data.source import Overrules, Regrid
from engine.data.sst import open_sst
from engine.embedding import HarmonicBasis
from engine.errors import ChoiceError, DataError
from engine.provenance import NOT_SYNTHETIC, SYNTHETIC, Provenance, shared_path, without_folders
from engine.queries import basis, basis_files, embeddings, export, ocean, run_exports, table
from engine.queries.basis import BasisConfig, Domain
from engine.queries.cache import Cache
from engine.queries.embeddings import EmbeddingConfig
from engine.queries.exported import attributes_of, differences
from engine.queries.known_sources import with_known_sources
from engine.queries.mvmf import files as mixtures
from engine.queries.mvmf.centres import CentreChoice, Component, PlacedComponent
from engine.queries.ocean import MapChoice, SeriesChoice, SourceChoice
from engine.queries.remake import RECIPES, remake
from engine.queries.server_files import with_checked_paths
from engine.queries.train.script import as_python
from engine.runs.metrics import MetricsReader
from engine.runs.run_folder import RunFolder
from engine.sphere import LatLonGrid
from engine.training.fit import fit
from engine.training.sst.cf import origin_of
from explorer.cli import main
from tests.support.cf import cf_faults
from tests.support.ocean import small_ocean, write_days
from tests.support.trainings import untrained

DEMO = SourceChoice(step_deg=2.0, years=1)
BASIS = BasisConfig(3, 5, Domain("box", -20.0, 40.0, 170.0, -120.0), 5.0)
PATCHES = EmbeddingConfig(BasisConfig(3, 5, Domain("ocean"), 5.0), 5.0, (3, 4))
SINUSOIDAL = EmbeddingConfig(BasisConfig(3, 8), 10.0, (2, 2), None, "sinusoidal")
FITTED = RunConfig(seed=4, settings=TableSettings(width=12, height=6, padding=2, iterations=12))
SANDBOX = mixtures.SandboxChoice(
    CentreChoice("land", 5, 3, 40.0), (PlacedComponent(-1, Component(48.0, 8.0, 900.0, 2.0)),)
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("remake")


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_HOME", str(home))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a table's training."""
    folder = tmp_path_factory.mktemp("table") / "run"
    fit(FITTED, folder)
    return folder


def shown(choice: MapChoice) -> bytes:
    return ocean.map_netcdf(choice, ocean.chosen_map(choice))


def metrics(folder: Path) -> bytes:
    reader = MetricsReader(RunFolder(folder).metrics)
    reader.poll()
    return run_exports.metrics_csv(FITTED, reader.columns)


def series(choice: SeriesChoice) -> bytes:
    return ocean.series_csv(choice, ocean.chosen_series(choice))


EXPORTS: dict[str, Callable[[Path], bytes]] = {
    "harmonic.nc": lambda _: basis_files.harmonic_netcdf(6, -3),
    "component.nc": lambda _: basis_files.component_netcdf(BASIS, 2),
    "basis.nc": lambda _: basis_files.basis_netcdf(BASIS),
    "basis.safetensors": lambda _: basis_files.basis_file(BASIS),
    "spectrum.csv": lambda _: basis_files.spectrum_csv(BASIS),
    "embedding.nc": lambda _: embeddings.embedding_netcdf(PATCHES),
    "embedding.npz": lambda _: embeddings.embedding_npz(PATCHES),
    "sinusoidal.nc": lambda _: embeddings.embedding_netcdf(SINUSOIDAL),
    "observed.nc": lambda _: shown(MapChoice(DEMO, "observed", 40)),
    "truth.nc": lambda _: shown(MapChoice(DEMO, "truth", 40)),
    "gaps.nc": lambda _: shown(MapChoice(DEMO, "gaps", 40)),
    "difference.nc": lambda _: shown(MapChoice(DEMO, "difference", 40, 2)),
    "withheld.nc": lambda _: shown(MapChoice(DEMO, "withheld", 40, percent=30, pattern="swath", seed=5)),
    "mean.nc": lambda _: shown(MapChoice(DEMO, "mean", span=(31, 59))),
    "coverage.nc": lambda _: shown(MapChoice(DEMO, "coverage", span=(31, 59))),
    "count.nc": lambda _: shown(MapChoice(DEMO, "count", span=(31, 59))),
    "series.csv": lambda _: series(SeriesChoice(DEMO, (30.0, -40.0), (0, 31))),
    "centres.csv": lambda _: mixtures.centres_csv(SANDBOX),
    "density.nc": lambda _: mixtures.density_netcdf(SANDBOX),
    "losses.csv": metrics,
    "learned.nc": lambda folder: run_exports.learned_netcdf(FITTED, table.learned_field(folder, 12), 12),
}
SIMULATED = {
    "observed",
    "truth",
    "gaps",
    "difference",
    "withheld",
    "mean",
    "coverage",
    "count",
    "series",
    "losses",
    "learned",
}


@pytest.mark.parametrize("name", EXPORTS)
def test_a_file_is_made_anew_to_the_same_values_by_one_command(name, fitted, tmp_path, capsys) -> None:
    path, again = tmp_path / name, tmp_path / f"again-{name}"
    path.write_bytes(EXPORTS[name](fitted))
    check_provenance(path)
    assert attributes_of(path)["harmonia_synthetic"] == (SYNTHETIC if path.stem in SIMULATED else NOT_SYNTHETIC)
    assert main(["remake", str(path), str(again)]) == 0
    assert capsys.readouterr().out.strip() == f"{again}: all values are equal"
    assert differences(path, again) == []


def check_provenance(path: Path) -> None:
    """The keys that every exported file has, and the CF test for NetCDF."""
    attributes = attributes_of(path)
    assert attributes["harmonia_recipe"] in RECIPES
    json.loads(attributes["harmonia_choices"])
    for key in ("title", "source", "history", "date_created", "harmonia_version"):
        assert attributes[key]
    if path.suffix == ".nc":
        assert attributes["Conventions"] == "CF-1.11"
        assert cf_faults(path) == []


def test_a_map_of_a_file_is_made_anew_and_the_browser_gains_no_path_by_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path / "data"))
    for folder in ("data", "moved"):
        (tmp_path / folder).mkdir()
    write_days(tmp_path / "data" / "days.nc")
    choice = MapChoice(SourceChoice("path", path="days.nc"), "mean", span=(0, 31))
    path = tmp_path / "map.nc"
    path.write_bytes(shown(choice))
    assert attributes_of(path)["harmonia_synthetic"] == NOT_SYNTHETIC
    assert remake(path, tmp_path / "again.nc").differences == ()
    (tmp_path / "data" / "days.nc").rename(tmp_path / "moved" / "days.nc")
    with pytest.raises(DataError, match=r"days\.nc"):
        remake(path, tmp_path / "again.nc")
    texts = remake(path, tmp_path / "again.nc", str(tmp_path / "moved" / "days.nc")).differences
    assert [text.split(" ", 2)[:2] for text in texts] == [["the", "source"]]  # the values are equal
    with pytest.raises(DataError, match="no such file in the folders"):
        ocean.chosen_map(replace(choice, source=SourceChoice("path", path=str(tmp_path / "moved" / "days.nc"))))


def test_no_folder_of_the_server_stands_in_a_file_and_the_data_are_known_by_their_name(tmp_path, monkeypatch) -> None:
    secret = tmp_path / "secret-folder"
    monkeypatch.setenv("HARMONIA_DATA", str(secret))
    for folder in ("", "deep", "other"):
        (secret / folder).mkdir(parents=True, exist_ok=True)
    write_days(secret / "deep" / "days.nc")
    elsewhere = tmp_path / "exports"
    elsewhere.mkdir()
    for text in (str(secret / "deep" / "days.nc"), "deep/days.nc", str(secret / "deep" / "*.nc")):
        path = elsewhere / "map.nc"
        path.write_bytes(shown(MapChoice(SourceChoice("path", path=text), "mean", span=(0, 31))))
        written = json.dumps(attributes_of(path), default=str)
        assert "secret-folder" not in written
        assert "deep" not in written
        assert remake(path, elsewhere / "again.nc").differences == ()
    # of two sources of one name it is the one with the hash
    write_days(secret / "other" / "days.nc")
    path.write_bytes(shown(MapChoice(SourceChoice("path", path="deep/days.nc"), "mean", span=(0, 31))))
    assert remake(path, elsewhere / "again.nc").differences == ()
    (secret / "deep" / "days.nc").rename(secret / "days.nc")
    with pytest.raises(DataError, match=r"2 sources are named 'days\.nc'.*--source"):
        remake(path, elsewhere / "again.nc")
    for folder in ("", "other"):
        (secret / folder / "days.nc").unlink()
    with pytest.raises(DataError, match=r"'days\.nc', are in no folder that is searched"):
        remake(path, elsewhere / "again.nc")


CONFIG = RunConfig.demo("sst")


@pytest.mark.parametrize(
    "path", ["/srv/secret-folder/days.nc", "/srv/secret-folder/*/a.nc", f"/h/uploads/{'a' * 32}/b.nc"]
)
def test_exported_configurations_name_no_folder(path: str) -> None:
    """Those of a run as JSON, as Python code, in its metrics, its pictures and films."""
    settings = CONFIG.settings.model_copy(update={"source": FileSource(path=path)})
    config = RunConfig(settings=settings)
    texts = [
        run_exports.config_json(config).decode(),
        as_python(config),
        run_exports.metrics_csv(config, {"step": np.arange(2.0)}).decode(),
        run_exports.snapshot_origin(config, "run", 3).text(),
    ]
    for text in texts:
        assert "secret-folder" not in text
        assert "/h/uploads" not in text
        assert shared_path(path) in text
    read = RunConfig.from_json(texts[0].encode())
    assert read.settings.source.path == shared_path(path)


def test_of_sources_of_one_name_it_is_the_one_with_the_hash_however_it_was_understood(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        write_days(tmp_path / folder / "days.nc")
    with xr.open_dataset(tmp_path / "second" / "days.nc") as dataset:
        (dataset + 1.0).to_netcdf(tmp_path / "second" / "other.nc")
    (tmp_path / "second" / "other.nc").replace(tmp_path / "second" / "days.nc")
    place = str(tmp_path / "second" / "days.nc")
    decided = Overrules(zeros="values", regrid=Regrid(20.0, "conservative"))
    choice = asdict(SourceChoice("path", path=place, overrules=decided))
    settings = FileSource(path=place, zeros="values", regrid=RegridSettings(step_deg=20.0, method="conservative"))
    key = open_sst(place, overrules=decided).key
    for source in (choice, settings.model_dump(mode="json")):
        assert with_known_sources(without_folders(source), tmp_path / "map.nc", key)["path"] == place


def test_no_path_stays_none() -> None:
    """A demo ocean has the path "", which was written as the current folder."""
    assert shared_path("") == ""
    assert without_folders(asdict(DEMO))["path"] == ""


def test_a_resampled_source_states_the_hash_of_the_files() -> None:
    source, model = small_ocean(1), untrained()
    coarse = resampled(source, LatLonGrid.regular(20.0))
    assert coarse.key != source.key
    assert origin_of(model, coarse, "title", "", {}, {}).details["data_hash"] == source.key


def test_a_shared_configuration_opens_its_data_where_they_are_known(tmp_path: Path, monkeypatch, home: Path) -> None:
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    (tmp_path / "deep").mkdir()
    write_days(tmp_path / "deep" / "days.nc")
    upload = home / "uploads" / ("b" * 32) / "mine.nc"
    upload.parent.mkdir(parents=True)
    write_days(upload)
    for place in (tmp_path / "deep" / "days.nc", upload):
        config = RunConfig(settings=CONFIG.settings.model_copy(update={"source": FileSource(path=str(place))}))
        shared = RunConfig.from_json(run_exports.config_json(config))
        assert with_checked_paths(shared) == config
        assert RunConfig.checked(with_known_sources(shared.model_dump(mode="json"), tmp_path / "c.json")) == config
    (tmp_path / "days.nc.d").mkdir()
    write_days(tmp_path / "days.nc.d" / "days.nc")
    shared = RunConfig(settings=CONFIG.settings.model_copy(update={"source": FileSource(path="days.nc")}))
    with pytest.raises(DataError, match="no such file"):
        with_checked_paths(shared)  # which of the two is not known


def test_an_upload_that_is_gone_is_replaced_by_its_file(home: Path, tmp_path: Path) -> None:
    upload = "0" * 32 + "/days.nc"
    (home / "uploads" / upload).parent.mkdir(parents=True)
    write_days(home / "uploads" / upload)
    choice = SeriesChoice(SourceChoice("upload", path=upload), (30.0, -40.0), (0, 31))
    (tmp_path / "series.csv").write_bytes(series(choice))
    assert remake(tmp_path / "series.csv", tmp_path / "again.csv").differences == ()
    (home / "uploads" / upload).rename(tmp_path / "days.nc")
    with pytest.raises(DataError):
        remake(tmp_path / "series.csv", tmp_path / "again.csv")
    texts = remake(tmp_path / "series.csv", tmp_path / "again.csv", str(tmp_path / "days.nc")).differences
    assert len(texts) == 1  # the hash, which is of the file's name and time


@pytest.mark.parametrize("calendar", ["standard", "360_day"])
def test_the_time_of_a_map_is_that_of_its_span_in_any_calendar(calendar, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    times = xr.date_range("2001-02-01", periods=30, calendar=calendar, use_cftime=calendar != "standard")
    grid = LatLonGrid.regular(30.0)
    sst = xr.DataArray(
        np.full((30, *grid.shape), 15.0, np.float32) + np.arange(30, dtype=np.float32)[:, None, None],
        {"time": times, "lat": grid.lat, "lon": grid.lon},
        ("time", "lat", "lon"),
        attrs={"units": "degree_Celsius", "standard_name": "sea_surface_temperature"},
    )
    sst["lat"].attrs["units"], sst["lon"].attrs["units"] = "degrees_north", "degrees_east"
    sst.to_dataset(name="sst").to_netcdf(tmp_path / "days.nc")
    choice = MapChoice(SourceChoice("path", path="days.nc"), "mean", span=(28, 30))
    path = tmp_path / "map.nc"
    path.write_bytes(shown(choice))
    assert cf_faults(path) == []
    with xr.open_dataset(path, decode_times=xr.coders.CFDatetimeCoder(use_cftime=True)) as dataset:
        bounds = [f"{time:%Y-%m-%d}" for time in dataset["time_bounds"].values[0]]
    # two days from the 29th of a February that has 28 of them, or 30
    assert bounds == {"standard": ["2001-03-01", "2001-03-03"], "360_day": ["2001-02-29", "2001-03-01"]}[calendar]


def test_a_csv_is_read_by_pandas_as_a_plain_table(tmp_path: Path) -> None:
    path = tmp_path / "spectrum.csv"
    path.write_bytes(basis_files.spectrum_csv(BASIS))
    frame = pd.read_csv(path, comment="#")
    assert list(frame) == ["component", "eigenvalue", "explained", "mean_degree"]
    assert len(frame) == basis.fitted(BASIS).num_components


def test_a_basis_says_its_degree_components_and_domain(tmp_path: Path) -> None:
    for name in ("basis.nc", "basis.safetensors", "component.nc"):
        path = tmp_path / name
        path.write_bytes(EXPORTS[name](path))
        attributes = attributes_of(path)
        assert [int(attributes[f"harmonia_{key}"]) for key in ("max_degree", "num_components")] == [3, 5]
        assert attributes["harmonia_domain"] == "box south -20.0 north 40.0 west 170.0 east -120.0"
    saved = HarmonicBasis.load(tmp_path / "basis.safetensors")
    with xr.open_dataset(tmp_path / "basis.nc") as dataset:
        np.testing.assert_array_equal(dataset["loading"].values.T, saved.components)
        np.testing.assert_array_equal(dataset["eigenvalue"], saved.eigenvalues[:5])
    with xr.open_dataset(tmp_path / "component.nc") as dataset:
        np.testing.assert_array_equal(dataset["loading"], saved.components[:, 1])
        assert dataset["degree"].values.tolist() == [0] + 3 * [1] + 5 * [2] + 7 * [3]


def test_a_basis_too_large_for_a_session_is_made_anew_all_the_same(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "spectrum.csv"
    path.write_bytes(basis_files.spectrum_csv(BASIS))
    monkeypatch.setattr(basis, "MAX_FIT_DEGREE", 2)
    monkeypatch.setattr(basis, "CACHE", Cache(2**20))
    with pytest.raises(ChoiceError, match="too large to run in the session"):
        basis_files.spectrum_csv(BASIS)
    assert remake(path, tmp_path / "again.csv").differences == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "does not say how it was made"),
        ("# harmonia_recipe: no.such\n# harmonia_choices: {}\na\n1\n", "there is no recipe 'no.such'"),
        ("# harmonia_recipe: data.map\na\n1\n", "its provenance is damaged"),
        ("# harmonia_recipe: data.map\n# harmonia_choices: [1]\na\n1\n", "the choices are no object"),
        ('# harmonia_recipe: data.map\n# harmonia_choices: {"layer": 3}\na\n1\n', "its choices are damaged"),
        ('# harmonia_recipe: run.metrics\n# harmonia_choices: {"config": {}}\na\n1\n', "settings"),
        ('# harmonia_recipe: basis.harmonic\n# harmonia_choices: {"degree": 1}\na\n1\n', "its choices are damaged"),
    ],
)
def test_a_file_of_others_or_a_damaged_one_is_refused(content: str, message: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    assert main(["remake", str(path), str(tmp_path / "b.csv")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "b.csv").exists()


def test_files_that_cannot_be_remade_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_bytes(b"no NetCDF")
    for name, out, message in (
        ("a.nc", "b.nc", "it cannot be read"),
        ("none.nc", "b.nc", "there is no such file"),
        ("a.nc", "a.nc", "cannot be its copy"),
        ("a.nc", "b.csv", "cannot be its copy"),
        ("a.png", "b.png", "choose a new name that ends in .nc"),
    ):
        with pytest.raises((DataError, ChoiceError), match=message):
            remake(tmp_path / name, tmp_path / out)


def test_a_difference_is_reported_with_its_size(tmp_path: Path) -> None:
    frames = {"same": [1.0, np.nan], "near": [1.0, 2.0], "text": ["a", "b"], "gone": [0, 1]}
    changed = {"same": [1.0, np.nan], "near": [1.0, 2.5], "text": ["a", "c"], "new": [0, 1]}
    origin = Provenance(recipe="data.series", choices={}, title="t", source="s", details={"data_hash": "1"})
    for name, columns, hash_ in (("a.csv", frames, "1"), ("b.csv", changed, "2")):
        (tmp_path / name).write_bytes(export.csv_file(columns, replace(origin, details={"data_hash": hash_})))
    assert differences(tmp_path / "a.csv", tmp_path / "b.csv") == [
        "the source is another one: its hash was 1, and is 2",
        "'near' differs by up to 0.5",
        "'text' has other texts",
        "'gone' is in one of them only",
        "'new' is in one of them only",
    ]


def test_a_value_of_several_lines_stays_in_its_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(provenance, "now", lambda: datetime(2026, 11, 30, 12, tzinfo=UTC))
    origin = Provenance(recipe="r", choices={}, title="one\ntwo: three", source="s")
    (tmp_path / "a.csv").write_bytes(export.csv_file({"x": [1.0]}, origin))
    attributes = attributes_of(tmp_path / "a.csv")
    assert attributes["title"] == "one two: three"
    assert attributes["date_created"] == "2026-11-30T12:00:00Z"
    assert attributes["history"].startswith("2026-11-30T12:00:00Z Harmonia")
    assert pd.read_csv(tmp_path / "a.csv", comment="#")["x"].tolist() == [1.0]
