"""The points of a file as pages decide them: what the file offers, decisions in an address, a run and an export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pydantic import TypeAdapter

from engine.config.sst import FileSource
from engine.data.source import Overrules, Regrid
from engine.errors import ChoiceError, DataError
from engine.queries import ocean
from engine.training.sst.data_module import open_source
from tests.support.people_files import LAT, add, sea, write
from tests.support.producers_native import model

DECIDED = Overrules("sst", "K", "noleap", -5.5, "days", "never valid", "values", Regrid(2.5, "bucket"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("overrules", [Overrules(), DECIDED, Overrules(unit="mg m^-3 & °F=;")])
def test_decisions_survive_an_address(overrules: Overrules) -> None:
    assert ocean.overrules_of_text(ocean.overrules_text(overrules)) == overrules


@pytest.mark.parametrize(
    "text",
    ["step=weeks", "fill=nan", "fill=cold", "regrid=1", "regrid=0 bucket", "regrid=1 magic", "zeros=1", "colour=red"],
)
def test_an_address_that_decides_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ChoiceError, match="is no choice of"):
        ocean.overrules_of_text(text)


def test_a_file_offers_its_fields_masks_and_grids(folder: Path) -> None:
    path = write(folder / "a.nc", sea(2), [0.0, 1.0])
    add(path, "lsm", ("lat", "lon"), np.zeros((LAT.size, 24)), "i1")
    points = ocean.file_points(ocean.SourceChoice("path", path="a.nc"))
    assert points.variables == ("sst", "lsm")
    assert points.masks == ("lsm", "coastlines", "never valid")
    assert points.units_of("sst") == ("°C", "kelvin", "fahrenheit")
    assert {regrid.method for regrid in points.regrids} == {"conservative"}
    model(folder / "b.nc", 1)
    points = ocean.file_points(ocean.SourceChoice("path", path="b.nc"))
    assert [regrid.method for regrid in points.regrids[:2]] == ["bilinear", "bucket"]


def test_every_choice_that_a_refusal_offers_opens_the_file(folder: Path) -> None:
    """Unit, step, variable, grid: the kinds of refusal that a decision mends."""
    write(folder / "unit.nc", sea(2) + 273.15, [0.0, 1.0], "degC")
    write(folder / "step.nc", sea(3), [0.0, 45.0, 95.0])
    two = write(folder / "two.nc", sea(2), [0.0, 1.0], name="analysis")
    add(two, "background", ("time", "lat", "lon"), sea(2), "f4", units="degC", standard_name="sea_surface_temperature")
    model(folder / "grid.nc", 2)
    for name, point in (("unit", "unit"), ("step", "step"), ("two", "variable"), ("grid", "regrid")):
        refused = ocean.SourceChoice("path", path=f"{name}.nc")
        with pytest.raises((DataError, Exception)) as error:
            ocean.open_source(refused)
        choices = error.value.choices  # pyright: ignore
        assert list(choices) == [point]
        assert len(choices[point]) >= 1
        for value in choices[point]:
            summary = ocean.open_source(ocean.decided(refused, point, value))
            assert summary.understood is not None
            if point != "variable":
                assert summary.understood.overruled == (point,)


def test_decisions_stand_in_the_run_and_come_back(folder: Path) -> None:
    write(folder / "a.nc", sea(40) + 273.15, np.arange(40.0), "degC")
    choice = ocean.SourceChoice("path", path="a.nc", overrules=Overrules(unit="kelvin", step="days"))
    settings = ocean.run_source(choice)
    assert isinstance(settings, FileSource)
    again = FileSource.model_validate_json(settings.model_dump_json())
    assert open_source(again).key == ocean.source(choice).key
    assert ocean.source_choice(again).overrules == choice.overrules
    every = ocean.run_source(ocean.SourceChoice("path", path="a.nc", overrules=DECIDED))
    assert ocean.source_choice(every).overrules == DECIDED


def test_exports_say_what_was_understood_and_decided(folder: Path) -> None:
    write(folder / "a.nc", sea(3) + 273.15, [0.0, 1.0, 2.0], "degC")
    choice = ocean.SourceChoice("path", path="a.nc", overrules=Overrules(unit="kelvin"))
    request = ocean.MapChoice(choice, "observed", day=1)
    content = ocean.map_netcdf(request, ocean.chosen_map(request))
    (folder / "map.nc").write_bytes(content)
    with xr.open_dataset(folder / "map.nc") as dataset:
        attrs = dataset.attrs
    assert "unit: kelvin, converted to °C" in attrs["harmonia_data_understood"]
    assert attrs["harmonia_data_decided"] == "unit"
    series = ocean.SeriesChoice(choice, (0.0, 0.0), (0, 3))
    text = ocean.series_csv(series, ocean.chosen_series(series)).decode()
    assert "harmonia_data_decided: unit" in text
    # what the file says of itself makes it anew
    import json

    choices = TypeAdapter(ocean.MapChoice).validate_python(json.loads(attrs["harmonia_choices"]))
    assert choices == request


def test_an_upload_that_a_decision_can_mend_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_HOME", str(folder / "home"))
    content = write(folder / "a.nc", sea(2) + 273.15, [0.0, 1.0], "degC").read_bytes()
    upload = ocean.Upload("a.nc", len(content))
    upload.add(content)
    choice = ocean.SourceChoice("upload", path=upload.finish())
    with pytest.raises(DataError, match="though the unit is") as error:
        ocean.open_source(choice)
    assert ocean.open_source(ocean.decided(choice, "unit", error.value.choices["unit"][0])).days[0] == "2020-01-01"
    upload = ocean.Upload("b.nc", 100)
    upload.add(b"\x89HDF" + bytes(96))
    broken = ocean.SourceChoice("upload", path=upload.finish())
    for problem in ("cannot be read", "no such upload"):
        with pytest.raises(DataError, match=problem):
            ocean.open_source(broken)


def test_a_refused_file_of_the_server_is_named_below_the_data_folder(folder: Path) -> None:
    (folder / "deep").mkdir()
    write(folder / "deep" / "a.nc", sea(2) + 273.15, [0.0, 1.0], "degC")
    for path in ("deep/a.nc", "deep/none.nc"):
        with pytest.raises(DataError) as error:
            ocean.open_source(ocean.SourceChoice("path", path=path))
        assert error.value.where == path
