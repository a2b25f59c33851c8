"""Every producer's layout opens and gives the ocean that was written into it, as lazily and as named as promised."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

from engine.data.august import august_sst
from engine.data.calendar import by_month
from engine.data.source import SSTSource
from engine.data.sst import _field, _sample, _storage, map_note, open_sst, series_note
from engine.errors import DataError
from tests.support import producers
from tests.support import producers_agencies as agencies
from tests.support.ocean import small_ocean
from tests.support.producers import FIRST, NUM_DAYS

KELVIN_32_C = 1.8e-5
"""Half a unit in the last place of a float32 near 300 K, which is what files in float32 kelvin can hold."""
EXACT_C = 1e-6
"""A float32 near 30 °C is right to 1e-6."""


PRODUCERS: Mapping[str, Callable[[Path], Path]] = {
    "NOAA OISST v2.1": agencies.oisst,
    "ESA CCI L4": agencies.cci,
    "ERA5 hourly": agencies.era5,
    "CMIP noleap": lambda folder: agencies.cmip(folder, "noleap"),
    "CMIP 360_day": lambda folder: agencies.cmip(folder, "360_day"),
    "MODIS L3 mapped": agencies.modis,
    "Zarr v2": lambda folder: producers.zarr(folder, 2),
    "Zarr v3": lambda folder: producers.zarr(folder, 3),
    "published days": producers.published,
    "published hours": lambda folder: producers.published(folder, hourly=True),
    "prepared days": producers.prepared,
    "prepared hours": lambda folder: producers.prepared(folder, hourly=True),
}


def expected(source: SSTSource, day: int, clouds: bool) -> np.ndarray:
    lat, lon = source.grid.lat, source.grid.lon
    hidden = producers.land(lat, lon) | (producers.clouds(lat, lon, day) if clouds else False)
    return np.where(hidden, np.nan, producers.truth_c(lat, lon, day))


@pytest.fixture(params=PRODUCERS, ids=str, scope="module")
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, SSTSource]:
    return request.param, open_sst(PRODUCERS[request.param](tmp_path_factory.mktemp("archive")))


def test_a_layout_gives_the_field_that_was_written(opened: tuple[str, SSTSource]) -> None:
    name, source = opened
    assert source.daily is not None
    days = 3 if name.startswith("ERA5") else NUM_DAYS
    assert source.daily.shape == (days, *source.grid.shape)
    assert source.daily.dtype == np.float32
    cloudy = name.startswith(("MODIS", "Zarr", "published", "prepared"))
    tolerance = KELVIN_32_C if name.startswith(("ERA5", "published", "prepared hours")) else EXACT_C
    for day in (0, days // 2, days - 1):
        values, wanted = source.daily[day].values, expected(source, day, cloudy)
        np.testing.assert_array_equal(np.isnan(values), np.isnan(wanted))
        assert np.nanmax(np.abs(values - wanted)) <= tolerance


def test_times_grid_and_mask_are_those_of_the_file(opened: tuple[str, SSTSource]) -> None:
    name, source = opened
    assert source.daily is not None
    first = source.daily.time.values[0]
    assert str(first)[:10] == str(FIRST)
    assert ("360_day" in name or "noleap" in name) == (source.daily.time.dtype == object)
    grid = source.grid
    assert np.all(np.diff(grid.lat) > 0.0)
    assert np.all(np.diff(grid.lon) > 0.0)
    assert grid.lon[0] >= -180.0
    assert grid.lon[-1] < 180.0
    np.testing.assert_array_equal(source.daily.lat, grid.lat)
    np.testing.assert_array_equal(source.land, producers.land(grid.lat, grid.lon))
    assert source.land.dtype == bool


def test_notes_say_what_was_understood(opened: tuple[str, SSTSource]) -> None:
    name, source = opened
    notes = " | ".join(source.notes)
    expected_notes = {
        "NOAA OISST v2.1": [
            "'sst', Daily sea surface temperature",
            "zlev",
            "longitude rolled",
            "40 files",
            "ice: 'ice'",
        ],
        "ESA CCI L4": ["kelvin", "the file's own mask 'mask'", "ice: 'sea_ice_fraction'"],
        "ERA5 hourly": ["kelvin", "latitude flipped", "24 steps a day averaged"],
        "CMIP noleap": ["Sea Surface Temperature", "noleap calendar"],
        "CMIP 360_day": ["360_day calendar"],
        "MODIS L3 mapped": ["latitude flipped", "never valid in 36 of 40 days", "nearly regular|unit °C"],
        "published days": ["own mask 'lsm'", "monthly: 2 months", "truth: 40 days"],
        "published hours": ["24 steps a day"],
        "prepared days": ["no unit is given", "prepared in 1 folders"],
    }.get(name, ["40 days, 2020-02-20 to 2020-03-30, standard calendar"])
    for note in expected_notes:
        assert any(option in notes for option in note.split("|")), (note, notes)


def test_the_hour_of_day_is_kept(tmp_path: Path) -> None:
    noon, hours = tmp_path / "noon", tmp_path / "hours"
    noon.mkdir()
    hours.mkdir()
    daily = open_sst(agencies.cmip(noon)).daily
    averaged = open_sst(agencies.era5(hours)).daily
    assert daily is not None
    assert averaged is not None
    assert daily["hour"].values.tolist() == [12.0] * NUM_DAYS
    assert averaged["hour"].values.tolist() == [11.5] * 3
    assert by_month(daily).phases[0, 25, 2] == pytest.approx(np.pi)


def test_ice_where_it_is_known(tmp_path: Path) -> None:
    for producer in (agencies.oisst, agencies.cci):
        folder = tmp_path / producer.__name__
        folder.mkdir()
        source = open_sst(producer(folder, days=2))
        assert source.ice is not None
        assert source.ice.dtype == bool
        lat, lon = source.grid.lat, source.grid.lon
        np.testing.assert_array_equal(source.ice[1].values, np.nan_to_num(producers.ice(lat, lon)) >= 0.15)


def test_published_pairs_have_truth_and_months(tmp_path: Path) -> None:
    source = open_sst(producers.published(tmp_path))
    assert source.truth is not None
    assert source.monthly is not None
    np.testing.assert_allclose(source.truth[7].values, expected(source, 7, clouds=False), rtol=0, atol=KELVIN_32_C)
    wanted = source.truth.resample(time="MS").mean().values
    np.testing.assert_allclose(source.monthly.values, wanted, rtol=0, atol=1e-4)
    assert [str(t)[:10] for t in source.monthly.time.values] == ["2020-02-01", "2020-03-01"]
    for month in tmp_path.glob("*_mon_*"):
        month.unlink()
    without = open_sst(tmp_path).monthly
    assert without is not None
    np.testing.assert_allclose(without.values, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("residual", [False, True])
def test_prepared_months_are_means_though_stored_as_residuals(residual: bool, tmp_path: Path) -> None:
    monthly = open_sst(producers.prepared(tmp_path, residual=residual)).monthly
    assert monthly is not None
    full = producers.dataset(name="tos", gaps=False)["tos"]
    for index, month in enumerate((2, 3)):
        wanted = full.sel(time=full.time.dt.month == month).mean("time")
        values = monthly[index].sel(lon=(wanted.lon.values + 180.0) % 360.0 - 180.0).values
        valid = np.isfinite(values)
        assert valid.sum() == np.isfinite(wanted.values).sum()
        np.testing.assert_allclose(values[valid], wanted.values[valid], rtol=0, atol=2e-5)


def test_days_and_months_of_one_file_or_of_two(tmp_path: Path) -> None:
    days = producers.dataset(gaps=False).rename(sst="sst_day")
    months = days.resample(time="MS").mean().rename(sst_day="sst_month", time="month")
    months["sst_month"].attrs = days["sst_day"].attrs
    days.to_netcdf(tmp_path / "days.nc")
    months.to_netcdf(tmp_path / "months.nc")
    xr.merge([days, months]).to_netcdf(tmp_path / "both.nc4")
    two = open_sst([tmp_path / "days.nc", tmp_path / "months.nc"])
    both = open_sst(tmp_path / "both.nc4")
    for source in (both, two):
        assert source.daily is not None
        assert source.monthly is not None
        assert source.daily.sizes["time"] == NUM_DAYS
        assert source.monthly.sizes["time"] == 2
    assert both.key != two.key


def test_the_real_month_that_comes_with_cartopy() -> None:
    source = open_sst(str(files("cartopy") / "data/netcdf/HadISST1_SST_update.nc"))
    assert source.daily is None
    assert source.monthly is not None
    assert [str(t)[:10] for t in source.monthly.time.values] == ["2012-08-01"]
    values, known = source.monthly[0].values, august_sst().values[::-1]
    assert np.isfinite(values).mean() == pytest.approx(0.661, abs=1e-3)
    np.testing.assert_array_equal(values, known)


@pytest.mark.parametrize("dims", [("time", "lon", "lat"), ("lat", "lon", "time"), ("time", "lat", "lon")])
@pytest.mark.parametrize("east_first", [0.0, -180.0, 20.0])
def test_any_order_of_axes_and_any_first_meridian(dims: tuple[str, ...], east_first: float, tmp_path: Path) -> None:
    lat, lon = producers.regular(10.0, east_first)
    data = np.stack([producers.truth_c(lat, lon, day) for day in range(3)])[:, ::-1]
    ds = xr.Dataset(
        {"sst": (("time", "lat", "lon"), data.astype("f4"), {"units": "degC"})},
        {"time": FIRST + np.arange(3), "lat": lat[::-1], "lon": lon},
    )
    ds.transpose(*dims).to_netcdf(tmp_path / "any.nc")
    source = open_sst(tmp_path / "any.nc")
    assert source.daily is not None
    grid = source.grid
    np.testing.assert_allclose(source.daily[2].values, producers.truth_c(grid.lat, grid.lon, 2), rtol=0, atol=EXACT_C)
    np.testing.assert_array_equal(source.daily[1, 3:7, 16:22].values, source.daily[1].values[3:7, 16:22])
    np.testing.assert_array_equal(source.daily[:, 5, 30].values, source.daily.values[:, 5, 30])


def test_a_region_over_the_date_line_stays_whole(tmp_path: Path) -> None:
    ds = producers.dataset(2, gaps=False).sel(lon=slice(150, 230))
    ds.to_netcdf(tmp_path / "pacific.nc")
    source = open_sst(tmp_path / "pacific.nc")
    assert source.grid.lon[0] == 152.5
    assert source.grid.lon[-1] == 227.5
    assert "crosses the date line" in " ".join(source.notes)


def test_packing_by_file_and_fill_values(tmp_path: Path) -> None:
    ds = producers.dataset(2)
    for day, (scale, offset) in enumerate([(0.01, 0.0), (0.02, 10.0)]):
        encoding = {"sst": {"dtype": "i2", "scale_factor": scale, "add_offset": offset, "_FillValue": -32768}}
        ds.isel(time=[day]).to_netcdf(tmp_path / f"day{day}.nc", encoding=encoding)
    source = open_sst(f"{tmp_path}/day*.nc")
    assert source.daily is not None
    for day, step in enumerate((0.0, 0.01)):
        values, wanted = source.daily[day].values, expected(source, day, clouds=True)
        np.testing.assert_array_equal(np.isnan(values), np.isnan(wanted))
        assert np.nanmax(np.abs(values - wanted)) <= step + EXACT_C


def test_unsorted_times_are_sorted_and_noted(tmp_path: Path) -> None:
    producers.dataset(6).isel(time=[3, 0, 5, 1, 4, 2]).to_netcdf(tmp_path / "mixed.nc")
    source = open_sst(tmp_path / "mixed.nc")
    assert source.daily is not None
    assert "times were not in order and were sorted" in source.notes
    for day in range(6):
        np.testing.assert_allclose(source.daily[day].values, expected(source, day, True), rtol=0, atol=EXACT_C)


def test_infinities_are_missing(tmp_path: Path) -> None:
    ds = producers.dataset(4, gaps=False)
    ds["sst"][0] = np.inf
    ds["sst"][2, 10, 30:40] = -np.inf
    ds.to_netcdf(tmp_path / "infinite.nc")
    source = open_sst(tmp_path / "infinite.nc")
    assert source.daily is not None
    assert np.isnan(source.daily[0].values).all()
    assert not np.isinf(source.daily.values).any()
    np.testing.assert_array_equal(source.land, producers.land(source.grid.lat, source.grid.lon))


def test_nothing_is_read_twice_as_wide_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_sst(producers.zarr(tmp_path, 3))
    indices: list[tuple] = []
    read = _field.read
    monkeypatch.setattr(
        _field, "read", lambda location, name, index: indices.append(index) or read(location, name, index)
    )
    assert source.daily is not None
    assert indices == []
    with dask.config.set(scheduler="synchronous"):
        source.daily[7].load()
    assert {(index[0].start, index[0].stop) for index in indices} == {(7, 8)}


def test_a_source_travels_to_another_process(tmp_path: Path) -> None:
    source = open_sst(producers.zarr(tmp_path, 2, days=2))
    assert source.daily is not None
    back = pickle.loads(pickle.dumps(source.daily))
    np.testing.assert_array_equal(back.values, source.daily.values)


def test_the_key_follows_the_files_and_the_variable(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    producers.dataset(2).to_netcdf(path)
    key = open_sst(path).key
    assert open_sst(str(path)).key == key
    assert open_sst(path, "sst").key != key
    producers.dataset(3).to_netcdf(path)
    assert open_sst(path).key != key


def test_files_are_not_modified_and_a_change_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    producers.dataset(2).to_netcdf(path)
    before, when = path.read_bytes(), path.stat().st_mtime_ns
    source = open_sst(path)
    assert source.daily is not None
    source.daily.load()
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == when
    source = open_sst(path)
    producers.dataset(5).to_netcdf(path)
    assert source.daily is not None
    with pytest.raises(DataError, match="changed while it was open"):
        source.daily[1].load()
    path.unlink()
    with pytest.raises(DataError, match="the file is gone"):
        source.daily[1].load()


def test_a_sentence_about_chunks_where_a_series_must_be_slow(tmp_path: Path) -> None:
    lazy = dask.array.zeros((14600, 720, 1440), chunks=(1, 720, 1440), dtype="f4")
    by_day = xr.DataArray(lazy, dims=("time", "lat", "lon"))
    note = series_note(by_day)
    assert note is not None
    assert "chunked by day of 720 × 1440 cells" in note
    assert "60.5 GB" in note
    assert series_note(by_day.chunk(time=-1, lat=16, lon=16)) is None
    source = open_sst(producers.zarr(tmp_path, 3))
    assert source.daily is not None
    assert source.daily.encoding["chunksizes"] == (1, 36, 72)
    assert series_note(source.daily) is None


def test_a_store_chunked_in_space_opens_without_reading_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sample, "MAX_BYTES", 1e5)  # one map of this store reads 415 kB
    source = open_sst(producers.zarr(tmp_path, 3, chunks=(NUM_DAYS, 12, 12)))
    assert source.daily is not None
    assert source.daily.encoding["chunksizes"] == (NUM_DAYS, 12, 12)
    assert "coastlines" in source.notes[-1]
    values = source.daily[:, 18, 5].values
    wanted = [expected(source, day, clouds=True)[18, 5] for day in range(NUM_DAYS)]
    np.testing.assert_allclose(values, wanted, rtol=0, atol=EXACT_C)


def test_a_sentence_about_chunks_where_a_map_must_be_slow() -> None:
    lazy = dask.array.zeros((14600, 720, 1440), chunks=(14600, 16, 16), dtype="f4")
    in_space = xr.DataArray(lazy, dims=("time", "lat", "lon"))
    note = map_note(in_space)
    assert note is not None
    assert "chunked by 14,600 days of 16 × 16 cells: one map reads 60.5 GB" in note
    assert series_note(in_space) is None
    assert map_note(in_space.chunk(time=1, lat=720, lon=1440)) is None


@pytest.mark.parametrize(
    ("edges", "first"), [(np.cumsum([0, 31, 28, 31, 30]), "2001-01-01"), (np.arange(5), "2001-01-01")]
)
def test_means_that_are_stamped_at_the_end_of_their_interval(edges: np.ndarray, first: str, tmp_path: Path) -> None:
    """As CESM writes them: the bounds say what a step stands for, its stamp is that of the next one."""
    values = np.broadcast_to(10.0 + np.arange(4.0)[:, None, None], (4, 7, 12))
    time = {"units": "days since 2001-01-01", "calendar": "noleap", "bounds": "time_bnds"}
    xr.Dataset(
        {
            "sst": (("time", "lat", "lon"), values, {"units": "degC", "standard_name": "sea_surface_temperature"}),
            "time_bnds": (("time", "nv"), np.stack((edges[:-1], edges[1:]), 1).astype(float)),
        },
        {
            "time": ("time", edges[1:].astype(float), time),
            "lat": ("lat", np.arange(-45.0, 46.0, 15.0), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(0.0, 360.0, 30.0), {"units": "degrees_east"}),
        },
    ).to_netcdf(tmp_path / "ends.nc")
    source = open_sst(tmp_path / "ends.nc")
    field = source.monthly if source.daily is None else source.daily
    assert field is not None
    assert str(field.time.values[0])[:10] == first
    np.testing.assert_array_equal(field[:, 0, 0], values[:, 0, 0])


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_months_of_a_model(calendar: str, tmp_path: Path) -> None:
    source = open_sst(agencies.cmip(tmp_path, calendar, days=14, frequency="mon"))
    assert source.daily is None
    assert source.monthly is not None
    dates = [(t.year, t.month, t.day) for t in source.monthly.time.values]
    assert dates == [(2020 + m // 12, m % 12 + 1, 1) for m in range(14)]
    np.testing.assert_allclose(source.monthly[5].values, expected(source, 5, clouds=False), rtol=0, atol=EXACT_C)


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
def test_a_chunk_of_many_days_is_unpacked_once_for_all_of_them(tmp_path, monkeypatch, kind):
    """One compressed chunk with all days was unpacked for every day."""
    source = small_ocean(1, monthly=False)
    days = source.daily.assign_attrs(units="degC").chunk({"time": -1}).rename("sst").to_dataset()
    path = tmp_path / f"days.{'nc' if kind == 'netcdf' else 'zarr'}"
    if kind == "netcdf":
        days.to_netcdf(path, encoding={"sst": {"zlib": True, "chunksizes": days["sst"].shape}})
    else:
        days.to_zarr(path, zarr_format=3, consolidated=False)
    opened = open_sst(path)
    reads: list[object] = []
    read = _storage._Array.read
    monkeypatch.setattr(_storage._Array, "read", lambda array, index: reads.append(index) or read(array, index))
    for day in (300, 0, 17, 364):
        np.testing.assert_array_equal(opened.daily[day].values, source.daily[day].values)
    np.testing.assert_array_equal(opened.daily[31:59, 3:9, 5:12].values, source.daily[31:59, 3:9, 5:12].values)
    assert len(reads) <= 2  # of whole maps, and of the rows and columns


def test_every_other_row_and_column_are_read_in_any_order(tmp_path):
    source = small_ocean(1, monthly=False)
    source.daily.assign_attrs(units="degC").to_dataset(name="sst").to_netcdf(tmp_path / "days.nc")
    opened = open_sst(tmp_path / "days.nc").daily
    for index in np.s_[3, ::4, 1::5], np.s_[::-50, ::-1, 30:2:-3], np.s_[3:5, 4:4, :]:
        np.testing.assert_array_equal(opened[index].values, source.daily[index].values)


def test_blocks_that_are_kept_stay_within_their_bytes():
    kept = _storage._Blocks(100)
    for number in range(5):
        kept.put((number,), np.zeros(40, np.uint8))
        kept.get((0,))
    assert [number for number in range(5) if kept.get((number,)) is not None] == [0, 4]
