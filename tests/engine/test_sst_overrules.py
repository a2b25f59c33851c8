"""What was understood of a file, point by point, and how the user overrules each point, in a run's settings too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from engine.config.sst import FileSource, RegridSettings
from engine.data.prepare import prepare
from engine.data.source import Overrules
from engine.data.sst import open_sst
from engine.errors import ChoiceError, DataError
from engine.provenance import PREFIX, SYNTHETIC
from engine.queries import ocean
from engine.training.sst.data_module import open_source
from tests.support import producers
from tests.support.people_files import LAT, LON, add, sea, write

BOX = np.zeros((LAT.size, LON.size), np.bool_)
BOX[4:8, 12:18] = True


def test_what_was_understood_stands_point_by_point(tmp_path: Path) -> None:
    raw = np.where(BOX, -999.0, sea(3) + 273.15)
    path = write(tmp_path / "a.nc", raw, [0.0, 1.0, 2.0], "K", attrs={"_FillValue": np.float32(-999.0)})
    source = open_sst(path)
    understood = source.understood
    assert understood is not None
    assert (understood.variable, understood.kind, understood.unit, understood.calendar) == (
        "sst",
        "sst",
        "kelvin, converted to °C",
        "standard",
    )
    assert (understood.fill, understood.step, understood.quality, understood.overruled) == (
        "-999",
        "days",
        "no quality flags",
        (),
    )
    assert understood.mask == "land: the cells never valid in all 3 days"
    assert source.is_synthetic is False
    assert "sst" in source.notes[0]


def test_what_was_exported_of_a_simulation_stays_synthetic(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", sea(2), [0.0, 1.0])
    with xr.open_dataset(path) as dataset:
        dataset.assign_attrs({f"{PREFIX}synthetic": SYNTHETIC}).to_netcdf(tmp_path / "b.nc")
    assert open_sst(tmp_path / "b.nc").is_synthetic is True


def test_other_kinds_are_prepared_and_shown_as_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The freezing point of sea water is no limit of an anomaly, and its unit is not °C of a thermometer."""
    path = write(tmp_path / "a.nc", sea(40) - 15.0, np.arange(40.0))
    anomalies = open_sst(path, overrules=Overrules(kind="sst_anomaly"))
    assert anomalies.kind == "sst_anomaly"
    data = prepare(anomalies, (2020, 1), (2020, 1), folder=tmp_path / "prepared")
    assert data.variable.key == "sst_anomaly"
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    with xr.open_dataset(path) as dataset:
        renamed = dataset.rename(sst="anom")
        renamed["anom"].attrs["standard_name"] = "sea_surface_temperature_anomaly"
        renamed.to_netcdf(tmp_path / "c.nc")
    opened = ocean.open_source(ocean.SourceChoice("path", path=str(tmp_path / "c.nc")))
    assert opened.variable.key == "sst_anomaly"
    assert opened.limits[0] == -opened.limits[1]


def test_the_unit_is_overruled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", sea(2) + 273.15, [0.0, 1.0], "degC")
    with pytest.raises(DataError, match="though the unit is °C"):
        open_sst(path)
    source = open_sst(path, overrules=Overrules(unit="K"))
    assert source.daily is not None
    np.testing.assert_allclose(source.daily.values, sea(2), rtol=0, atol=2e-5)
    assert source.understood is not None
    assert source.understood.overruled == ("unit",)


def test_the_calendar_is_overruled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", sea(2), [59.0, 60.0], time_attrs={"units": "days since 2020-01-01"})
    wanted = {None: "2020-02-29", "noleap": "2020-03-01", "360_day": "2020-02-30"}
    for calendar, first in wanted.items():
        daily = open_sst(path, overrules=Overrules(calendar=calendar)).daily
        assert daily is not None
        assert str(daily.time.values[0])[:10] == first


def test_a_fill_value_is_added(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", np.where(BOX, -1.5, sea(2)), [0.0, 1.0])
    known = open_sst(path).daily
    chosen = open_sst(path, overrules=Overrules(fill=-1.5)).daily
    assert known is not None
    assert chosen is not None
    assert np.isfinite(known.values[:, BOX]).all()
    assert np.isnan(chosen.values[:, BOX]).all()


def test_exact_zeros_are_overruled(tmp_path: Path) -> None:
    """A lake under ice is at exactly 0 °C in some products; elsewhere zeros stand for missing."""
    path = write(tmp_path / "a.nc", np.where(BOX, 0.0, sea(3)), [0.0, 1.0, 2.0])
    guessed, kept = open_sst(path), open_sst(path, overrules=Overrules(zeros="values"))
    assert guessed.daily is not None
    assert kept.daily is not None
    assert np.isnan(guessed.daily.values[:, BOX]).all()
    assert guessed.land[BOX].all()
    assert (kept.daily.values[:, BOX] == 0.0).all()
    assert not kept.land[BOX].any()
    assert guessed.understood is not None
    assert kept.understood is not None
    assert (guessed.understood.zeros, guessed.understood.overruled) == ("missing", ())
    assert (kept.understood.zeros, kept.understood.overruled) == ("values", ("zeros",))
    assert any("zeros='values' keeps them" in note for note in guessed.notes)
    assert any(note.startswith("exact zeros are values, as chosen") for note in kept.notes)
    assert guessed.key != kept.key
    # and the other way round, where there are too few to be noticed
    few = sea(1) + 5.0
    few[0, 5, 3:5] = 0.0
    write(tmp_path / "b.nc", few, [0.0])
    for overrules, is_missing in ((Overrules(), False), (Overrules(zeros="missing"), True)):
        daily = open_sst(tmp_path / "b.nc", overrules=overrules).daily
        assert daily is not None
        assert np.isnan(daily.values[0, 5, 3:5]).all() == is_missing
    settings = FileSource.model_validate_json(FileSource(path=str(path), zeros="values").model_dump_json())
    assert open_source(settings).key == kept.key


@pytest.mark.parametrize(("step", "role"), [("days", "daily"), ("months", "monthly")])
def test_the_step_is_overruled(step: str, role: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", sea(3), [0.0, 45.0, 95.0])
    with pytest.raises(DataError, match="choose the step"):
        open_sst(path)
    source = open_sst(path, overrules=Overrules(step=step))  # pyright: ignore[reportArgumentType] (a parameter)
    field = getattr(source, role)
    assert field.sizes["time"] == 3
    assert f"one step is a {step[:-1]}, as chosen" in source.notes


def test_the_land_mask_is_overruled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", np.where(BOX, np.nan, sea(2)), [0.0, 1.0])
    other = np.roll(BOX, 6, axis=1)
    add(path, "lsm", ("lat", "lon"), BOX, "i1")
    add(path, "own", ("lat", "lon"), other, "i1")
    np.testing.assert_array_equal(open_sst(path).land, BOX)
    np.testing.assert_array_equal(open_sst(path, overrules=Overrules(mask="never valid")).land, BOX)
    coast = open_sst(path, overrules=Overrules(mask="coastlines"))
    assert coast.land.mean() > 0.2
    named = open_sst(path, overrules=Overrules(mask="own"))
    assert named.understood is not None
    assert "'own'" in named.understood.mask
    with pytest.raises(DataError, match="no file has a mask 'none'"):
        open_sst(path, overrules=Overrules(mask="none"))


def test_the_kind_is_overruled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", 60.0 + sea(2) / 10.0, [0.0, 1.0], name="t", attrs={"standard_name": "unknown"})
    with pytest.raises(DataError, match="no temperatures of a sea"):
        open_sst(path, "t")
    source = open_sst(path, "t", overrules=Overrules(kind="land_temperature"))
    assert source.daily is not None
    assert source.land.mean() > 0.5  # the sea is left out
    assert "taken for: land-surface temperature" in source.notes
    with pytest.raises(ChoiceError, match="no kind of variable"):
        open_sst(path, "t", overrules=Overrules(kind="weather"))


def test_the_settings_of_a_run_carry_what_was_overruled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", sea(2) + 273.15, [0.0, 1.0], "degC")
    settings = FileSource(
        path=str(path),
        unit="K",
        calendar="noleap",
        time_step="days",
        fill_value=-5.0,
        regrid=RegridSettings(step_deg=30.0, method="conservative"),
    )
    again = FileSource.model_validate_json(settings.model_dump_json())
    source = open_source(again)
    assert source.understood is not None
    assert source.understood.overruled == ("unit", "calendar", "fill", "step", "regrid")
    assert source.key != open_sst(path, overrules=Overrules(unit="K")).key
    assert FileSource.model_validate({"path": "old.nc"}).unit is None


def test_prepared_stores_keep_their_times(tmp_path: Path) -> None:
    folder = producers.prepared(tmp_path)
    understood = open_sst(folder, overrules=Overrules(unit="degC")).understood
    assert understood is not None
    assert (understood.variable, understood.unit, understood.overruled) == ("tos", "unit °C", ("unit",))
    with pytest.raises(ChoiceError, match="leave step, calendar and fill"):
        open_sst(folder, overrules=Overrules(step="days"))
