"""What a file calls good counts, in each producer's words, and nothing else; what it does not say changes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest
import xarray as xr

from engine.config.sst import DemoSource, FileSource
from engine.data.prepare import prepare
from engine.data.source import Quality, quality_of
from engine.data.sst import open_sst
from engine.data.sst._quality import filter_of
from engine.errors import ChoiceError, DataError, QualityError
from engine.queries.reconstruct import command
from engine.queries.reconstruct.command import reconstruct_file
from engine.training.sst import reconstruct as task
from engine.training.sst.data_module import open_source
from tests.support import producers
from tests.support import producers_agencies as agencies

GHRSST = "no_data bad_data worst_quality low_quality acceptable_quality best_quality"
NASA = "BEST GOOD QUESTIONABLE BAD NOTPROCESSED"
ARGO = "no_qc_performed good_data probably_good_data bad_data_that_are_potentially_correctable bad_data value_changed"
L2P = {
    "flag_meanings": "microwave land ice lake river reserved_for_future_use",
    "flag_masks": np.array([1, 2, 4, 8, 16, 32], "i2"),
}
DAYS = 4


def values(*numbers: int) -> np.ndarray:
    return np.array(numbers, "i1")


def grades(ds: xr.Dataset, best: int, worst: int) -> np.ndarray:
    """(time, lat, lon) levels in stripes that no cell keeps for long."""
    levels = np.arange(min(best, worst), max(best, worst) + 1)
    rows, columns = np.indices(ds["sst"].shape[1:])
    return np.stack([levels[(rows + 2 * columns + day) % levels.size] for day in range(ds.sizes["time"])])


def graded(name: str, attrs: dict[str, object], best: int = 5, worst: int = 0, fill: int = -128) -> xr.Dataset:
    """The made-up ocean without clouds, its quality in bytes beside it."""
    ds = producers.dataset(DAYS, gaps=False)
    ds[name] = (ds["sst"].dims, grades(ds, best, worst).astype("i1"), {"_FillValue": np.int8(fill), **attrs})
    return ds


def written(ds: xr.Dataset, path: Path) -> Path:
    ds.to_netcdf(path)
    return path


def seen(path: Path, **choice: object) -> tuple[np.ndarray, str]:
    """(time, lat, lon) True = observed, in the order of the file, and the notes."""
    source = open_sst(path, **choice)  # type: ignore[arg-type]
    assert source.daily is not None
    east = source.daily.assign_coords(lon=source.daily["lon"] % 360.0).sortby("lon")
    return np.isfinite(east.values), " | ".join(source.notes)


CASES: dict[str, tuple[str, dict[str, object], int, int, tuple[int, ...], str]] = {
    "GHRSST": ("quality_level", {"flag_meanings": GHRSST, "flag_values": values(0, 1, 2, 3, 4, 5)}, 5, 0, (4, 5),
               "quality_level ≥ 4"),
    "Pathfinder": ("quality_level", {"flag_meanings": " ".join(GHRSST.split()[1:]),
                                     "flag_values": values(1, 2, 3, 4, 5)}, 5, 1, (4, 5), "quality_level ≥ 4"),
    "GHRSST without meanings": ("quality_level", {}, 5, 0, (4, 5), "quality_level ≥ 4"),
    "Pathfinder's own": ("pathfinder_quality_level", {}, 7, 0, (4, 5, 6, 7), "pathfinder_quality_level ≥ 4"),
    "NASA": ("qual_sst", {"long_name": "Quality Levels, Sea Surface Temperature"}, 0, 4, (0, 1), "qual_sst ≤ 1"),
    "NASA, levels called masks": ("qual_sst", {"flag_meanings": NASA, "flag_masks": values(0, 1, 2, 3, 4)}, 0, 4,
                                  (0, 1), "qual_sst ≤ 1"),
    "only the best is good": ("quality_level", {"flag_meanings": "invalid cloudy doubtful best_quality",
                                                "flag_values": values(0, 1, 3, 5)}, 5, 0, (5,), "quality_level ≥ 5"),
    "a CF standard name": ("flags", {"standard_name": "sea_surface_temperature status_flag", "flag_meanings": ARGO,
                                     "flag_values": values(0, 1, 2, 3, 4, 5)}, 0, 5, (1, 2), "flags ≤ 2"),
    "meanings alone": ("confidence", {"flag_meanings": "worst_of_all middling best_of_all",
                                      "flag_values": values(0, 1, 2)}, 2, 0, (2,), "confidence ≥ 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("layout", ["netcdf", "zarr"])
def test_only_good_observations_count(case: str, layout: str, tmp_path: Path) -> None:
    name, attrs, best, worst, good, criterion = CASES[case]
    ds = graded(name, attrs, best, worst)
    if layout == "netcdf":
        path = written(ds.transpose("time", "lon", "lat"), tmp_path / "a.nc")
    else:
        path = tmp_path / "a.zarr"
        ds.to_zarr(path, zarr_format=3, consolidated=False)
    wet = ~producers.land(ds["lat"].values, ds["lon"].values)
    kept = np.isin(ds[name].values, good)
    observed, notes = seen(path)
    np.testing.assert_array_equal(observed, kept & wet)
    assert f"kept {criterion}: {1 - kept[:, wet].mean():.0%} of observations left out" in notes
    everything, notes = seen(path, quality="all")
    np.testing.assert_array_equal(everything, np.broadcast_to(wet, kept.shape))
    assert f"all observations are used; '{name}' is ignored" in notes


def test_the_temperatures_that_count_are_unchanged(tmp_path: Path) -> None:
    path = written(graded("quality_level", {}), tmp_path / "a.nc")
    good, every = open_sst(path).daily, open_sst(path, quality="all").daily
    assert good is not None
    assert every is not None
    np.testing.assert_array_equal(good.values, np.where(np.isfinite(good.values), every.values, np.nan))


@pytest.mark.parametrize(("name", "best", "worst", "level", "good"), [
    ("quality_level", 5, 0, 3, (3, 4, 5)), ("quality_level", 5, 0, 5, (5,)), ("quality_level", 5, 0, 0, range(6)),
    ("qual_sst", 0, 4, 0, (0,)), ("qual_sst", 0, 4, 2, (0, 1, 2)),
])  # fmt: skip
def test_a_level_and_better_ones_may_be_asked_for(
    name: str, best: int, worst: int, level: int, good: Sequence[int], tmp_path: Path
) -> None:
    ds = graded(name, {}, best, worst)
    observed, _ = seen(written(ds, tmp_path / "a.nc"), quality=level)
    wet = ~producers.land(ds["lat"].values, ds["lon"].values)
    np.testing.assert_array_equal(observed, np.isin(ds[name].values, list(good)) & wet)


def test_bits_that_warn_are_left_out_where_there_are_no_levels(tmp_path: Path) -> None:
    ds = producers.dataset(DAYS, gaps=False)
    rng = np.random.default_rng(0)
    bits = rng.choice([0, 1, 2, 4, 5, 8, 33, -1], ds["sst"].shape, p=[0.6, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05])
    ds["l2p_flags"] = (ds["sst"].dims, bits.astype("i2"), {"_FillValue": np.int16(-1), **L2P})
    observed, notes = seen(written(ds, tmp_path / "a.nc"))
    wet = ~producers.land(ds["lat"].values, ds["lon"].values)
    np.testing.assert_array_equal(observed, ~np.isin(bits, (2, 4, 5)) & wet)
    assert "kept l2p_flags without land, ice: 15% of observations left out" in notes
    assert "own mask" not in notes
    ds["quality_level"] = (ds["sst"].dims, np.full(ds["sst"].shape, 5, "i1"))
    observed, notes = seen(written(ds, tmp_path / "b.nc"))
    np.testing.assert_array_equal(observed, np.broadcast_to(wet, observed.shape))
    assert "kept quality_level ≥ 4: 0% of observations left out" in notes


def test_what_is_not_understood_is_left_alone_and_said(tmp_path: Path) -> None:
    odd = {"standard_name": "quality_flag", "flag_meanings": "red green blue", "flag_values": values(0, 1, 2)}
    ds = graded("colour", odd, 2, 0)
    observed, notes = seen(written(ds, tmp_path / "a.nc"))
    assert observed[:, ~producers.land(ds["lat"].values, ds["lon"].values)].all()
    assert "the flags 'colour' are not understood and were left alone" in notes
    assert open_sst(tmp_path / "a.nc").grading == open_sst(tmp_path / "a.nc", quality="all").grading == ""


@pytest.mark.parametrize(("name", "attrs"), [
    ("qual_sst4", {}),
    ("wind_speed_quality", {"flag_meanings": GHRSST, "flag_values": values(0, 1, 2, 3, 4, 5)}),
    ("flags", {"standard_name": "salinity status_flag", "flag_meanings": "bad fair", "flag_masks": values(1, 2)}),
    ("mask", {"flag_meanings": "water land sea_ice", "flag_masks": values(1, 2, 4)}),
])  # fmt: skip
def test_flags_of_other_things_are_no_flags_of_the_temperature(
    name: str, attrs: dict[str, object], tmp_path: Path
) -> None:
    ds = graded(name, attrs)
    ds["wind_speed"] = ds["sst"].copy().assign_attrs(units="m s-1", standard_name="wind_speed")
    assert filter_of(ds, "sst", ("lat", "lon"), "good", "here") == (None, None)


def test_a_variable_names_the_flags_that_are_its_own(tmp_path: Path) -> None:
    """Of two flags with the same meanings the one that ``ancillary_variables`` names is taken."""
    attrs = {"flag_meanings": GHRSST, "flag_values": values(0, 1, 2, 3, 4, 5)}
    ds = graded("night_grades", attrs)
    ds["day_grades"] = (ds["sst"].dims, np.full(ds["sst"].shape, 5, "i1"), attrs)
    for named, left in (("day_grades", "0%"), ("night_grades", "67%")):
        ds["sst"].attrs["ancillary_variables"] = f"sses_bias {named}"
        _, notes = seen(written(ds, tmp_path / f"{named}.nc"))
        assert f"kept {named} ≥ 4: {left} of observations left out" in notes


def test_flags_of_many_files_follow_their_files(tmp_path: Path) -> None:
    """MODIS: one map a file, latitude descending, quality in unsigned bytes without meanings."""
    folder = agencies.modis(tmp_path, days=9)
    for day, path in enumerate(sorted(folder.glob("*.nc"))):
        with netCDF4.Dataset(path, "a") as file:
            file["qual_sst"][:, 10:20] = 2 + day % 3
            file["qual_sst"][:, 20:30] = 1
    observed, notes = seen(folder)
    lat, lon = producers.regular(east_first=-180.0)
    for day in range(9):
        wanted = ~producers.land(lat, lon) & ~producers.clouds(lat, lon, day)
        wanted[:, 10:20] = False
        np.testing.assert_array_equal(observed[day], wanted[:, np.argsort(lon % 360.0)])
    assert re.search(r"kept qual_sst ≤ 1: \d\d% of observations left out \(on 6 of 9 days\)", notes)


def test_a_file_without_the_flags_of_the_first_leaves_all_in(tmp_path: Path) -> None:
    ds = graded("quality_level", {})
    written(ds.isel(time=slice(0, 2)), tmp_path / "day1.nc")
    written(ds.isel(time=slice(2, 4)).drop_vars("quality_level"), tmp_path / "day2.nc")
    observed, notes = seen(tmp_path)
    assert observed[:, ~producers.land(ds["lat"].values, ds["lon"].values)].all()
    assert "all observations are used, because day2.nc has no 'quality_level'" in notes


def test_a_bad_hour_does_not_spoil_its_day(tmp_path: Path) -> None:
    """Quality is of the hour that was measured; the day is the mean of the good ones."""
    ds = producers.dataset(1, gaps=False)
    hours = xr.concat([ds["sst"] + float(hour) for hour in range(3)], "time").values
    grade = np.full(hours.shape, 5, "i1")
    grade[2] = 1
    grade[:, 0, 0] = 3
    times = producers.FIRST.astype("datetime64[h]") + np.arange(3)
    hourly = xr.Dataset(
        {"sst": (ds["sst"].dims, hours, ds["sst"].attrs), "quality_level": (ds["sst"].dims, grade)},
        {"time": times.astype("datetime64[ns]"), "lat": ds["lat"], "lon": ds["lon"]},
    )
    daily = open_sst(written(hourly, tmp_path / "a.nc")).daily
    assert daily is not None
    east = daily.assign_coords(lon=daily["lon"] % 360.0).sortby("lon").values[0]
    wanted = hours[:2].mean(axis=0)
    wanted[0, 0] = np.nan
    np.testing.assert_allclose(east, wanted, rtol=0, atol=1e-5)


def test_ice_is_known_where_temperatures_are_not_good(tmp_path: Path) -> None:
    path = agencies.oisst(tmp_path, days=2)
    for file_path in path.glob("*.nc"):
        with netCDF4.Dataset(file_path, "a") as file:
            flags = file.createVariable("quality_level", "i1", file["sst"].dimensions)
            flags[:] = 5
            flags[..., :9, :] = 1
    source = open_sst(path)
    assert source.ice is not None
    assert source.daily is not None
    lat, lon = source.grid.lat, source.grid.lon
    np.testing.assert_array_equal(source.ice[0].values, np.nan_to_num(producers.ice(lat, lon)) >= 0.15)
    assert not np.isfinite(source.daily[0, :9].values).any()


def test_the_key_tells_what_counts(tmp_path: Path) -> None:
    path = written(graded("quality_level", {}), tmp_path / "a.nc")
    keys = [open_sst(path, quality=quality).key for quality in ("good", 4, 3, "all")]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(("quality", "kind", "message"), [
    (9, QualityError, "'quality_level' has no level 9.*choose from 0 to 5, 'good' or 'all'"),
    (-1, ChoiceError, "-1 is no choice of quality"),
    ("fine", ChoiceError, "'fine' is no choice of quality"),
    (True, ChoiceError, "no choice of quality"),
])  # fmt: skip
def test_a_quality_that_cannot_be_is_refused(
    quality: object, kind: type[Exception], message: str, tmp_path: Path
) -> None:
    path = written(graded("quality_level", {}), tmp_path / "a.nc")
    with pytest.raises(kind, match=message):
        open_sst(path, quality=quality)  # type: ignore[arg-type]


def test_a_level_where_nothing_is_graded_is_refused(tmp_path: Path) -> None:
    path = written(producers.dataset(2), tmp_path / "a.nc")
    with pytest.raises(QualityError, match="quality 4 was requested, but the file has no quality levels"):
        open_sst(path, quality=4)
    stores = tmp_path / "stores"
    stores.mkdir()
    with pytest.raises(DataError, match="the file has no quality levels"):
        open_sst(producers.prepared(stores), quality=4)


def test_nothing_good_at_all_is_refused_in_words(tmp_path: Path) -> None:
    path = written(graded("quality_level", {}, best=2), tmp_path / "a.nc")
    message = r"kept quality_level ≥ 4: 100% of observations left out.*choose all observations \(quality 'all'\)"
    with pytest.raises(QualityError, match=message):
        open_sst(path)
    assert open_sst(path, quality="all").daily is not None


def test_where_nothing_was_measured_no_other_quality_is_offered(tmp_path: Path) -> None:
    ds = graded("quality_level", {})
    ds["sst"][:] = np.nan
    path = written(ds, tmp_path / "a.nc")
    with pytest.raises(DataError) as refusal:
        open_sst(path, quality="all")
    assert not isinstance(refusal.value, QualityError)
    assert "quality" not in refusal.value.remedy


def test_a_source_says_whether_there_is_a_choice(tmp_path: Path) -> None:
    path = written(graded("quality_level", {}), tmp_path / "a.nc")
    assert open_sst(path).grading == "kept quality_level ≥ 4: 67% of observations left out"
    assert open_sst(path, quality="all").grading == "all observations are used; 'quality_level' is ignored"
    plain = written(producers.dataset(2), tmp_path / "b.nc")
    assert open_sst(plain).grading == open_sst(plain, quality="all").grading == ""


@pytest.mark.parametrize(("quality", "share"), [("good", 2 / 6), (3, 3 / 6), ("all", 1.0)])
def test_a_run_opens_the_observations_that_its_configuration_names(
    quality: Quality, share: float, tmp_path: Path
) -> None:
    path = written(graded("quality_level", {}), tmp_path / "a.nc")
    source = open_source(FileSource(path=str(path), quality=quality))
    assert source.daily is not None
    kept = np.isfinite(source.daily.values)[:, ~source.land]
    assert kept.mean() == pytest.approx(share, abs=0.02)
    assert source.key == open_sst(path, quality=quality).key


def test_months_prepared_of_one_quality_are_not_taken_for_another(tmp_path: Path) -> None:
    path = written(graded("quality_level", {}), tmp_path / "a.nc")
    year, month = (int(part) for part in str(producers.FIRST)[:7].split("-"))
    first = prepare(open_sst(path), (year, month), (year, month), folder=tmp_path / "months")
    every = prepare(open_sst(path, quality="all"), (year, month), (year, month), folder=tmp_path / "months")
    assert first.key != every.key
    assert np.isfinite(first.daily).sum() < np.isfinite(every.daily).sum()


@pytest.mark.parametrize(("choice", "learned", "taken"), [
    (None, FileSource(path="b.nc", quality="all"), "all"), (None, FileSource(path="b.nc", quality=3), 3),
    ("good", FileSource(path="b.nc", quality="all"), "good"), (None, DemoSource(), "good"), (5, DemoSource(), 5),
])  # fmt: skip
def test_a_file_is_reconstructed_from_what_the_model_learned_to_see(
    choice: Quality | None, learned: object, taken: Quality, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(graded("quality_level", {}), tmp_path / "a.nc")
    opened, messages = [], []
    trained = SimpleNamespace(settings=SimpleNamespace(source=learned))
    for module in (command, task):
        monkeypatch.setattr(module, "load_model", lambda _: trained)
    monkeypatch.setattr(task, "reconstruct", lambda _, source, *__, **___: opened.append(source))
    reconstruct_file(
        "run", str(path), tmp_path / "out.nc", quality=choice, progress=lambda _, text: messages.append(text)
    )
    assert [source.key for source in opened] == [open_sst(path, quality=taken).key]
    assert messages == [opened[0].grading]


@pytest.mark.parametrize(("text", "quality"), [("good", "good"), ("all", "all"), ("0", 0), ("12", 12)])
def test_a_choice_can_be_spelled(text: str, quality: Quality) -> None:
    assert quality_of(text) == quality


@pytest.mark.parametrize("text", ["", "GOOD", "-1", "1.5", "٣", "best", "9999", "True"])
def test_what_is_no_choice_is_refused(text: str) -> None:
    with pytest.raises(ChoiceError, match="is no choice of quality"):
        quality_of(text)
