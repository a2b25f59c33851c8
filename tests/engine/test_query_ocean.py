"""The Data page's numbers: right whatever the source's size and layout, and only from where they may come."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from engine.data.gaps import coverage
from engine.data.source import SSTSource
from engine.errors import CancelledError, ChoiceError, DataError, QualityError
from engine.queries import ocean
from engine.queries import server_files as ocean_files
from engine.queries.cache import Cache
from engine.queries.ocean import SourceChoice
from engine.queries.ocean import days as ocean_days
from engine.queries.ocean import maps as ocean_maps
from engine.queries.ocean import sources as ocean_sources
from engine.queries.ocean import uploads as ocean_uploads
from engine.sphere import LatLonGrid

DEMO = SourceChoice(step_deg=2.0, seed=7, years=1)
GRID = LatLonGrid.regular(10.0)
NUM_DAYS = 75  # 2001-12-20 to 2002-03-04: parts of two years and of four months
CUBE = (NUM_DAYS, *GRID.shape)


def made_up(chunks: tuple[int, int, int] = (1, *GRID.shape)) -> SSTSource:
    rng = np.random.default_rng(3)
    land = np.zeros(GRID.shape, bool)
    land[5:9, 10:20] = True
    truth = rng.normal(15.0, 5.0, CUBE).astype(np.float32)
    truth[:, land] = np.nan
    daily = np.where(rng.random(CUBE) < 0.6, np.float32(np.nan), truth)
    daily[:, 2, 3] = np.nan
    ice = np.zeros(CUBE, bool)
    ice[:, -1] = ~land[-1]
    daily[ice] = np.nan
    time = np.datetime64("2001-12-20") + np.arange(NUM_DAYS)
    coords = {"time": time.astype("datetime64[ns]"), "lat": GRID.lat, "lon": GRID.lon}

    def lazy(values: np.ndarray) -> xr.DataArray:
        return xr.DataArray(da.from_array(values, chunks=chunks), coords, ("time", "lat", "lon"))

    return SSTSource("Made up", f"key {chunks}", GRID, land, ("Nothing.",), lazy(daily), None, lazy(truth), lazy(ice))


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Cache(64 * 2**20)
    for module in (ocean_maps, ocean_days, ocean_sources):
        monkeypatch.setattr(module, "CACHE", fresh)


@pytest.fixture
def given_source(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SSTSource]:
    """Puts a source in the place of the demo ocean."""

    def give(source: SSTSource | None = None) -> SSTSource:
        held = source or made_up()
        monkeypatch.setattr(ocean_sources, "_demo", lambda choice: held)
        return held

    return give


def values_of(source: SSTSource) -> np.ndarray:
    assert source.daily is not None
    return source.daily.values


# ---------------------------------------------------------------- choices


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "cloud"}, "there is no source 'cloud'"),
        ({"kind": "path"}, "no file is named"),
        ({"kind": "upload", "path": "  "}, "no file is named"),
        ({"step_deg": 3.0}, "no step of 3°"),
        ({"seed": -1}, "seed -1"),
        ({"years": 21}, "21 years"),
        ({"quality": "best"}, "'best' is no choice of quality"),
        ({"quality": True}, "True is no choice of quality"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ChoiceError, match=message):
        SourceChoice(**fields)  # type: ignore[arg-type]


def test_the_demo_ocean_opens_with_all_that_it_knows() -> None:
    source = ocean.open_source(DEMO)
    assert source.shape == (90, 180)
    assert source.unit == "day"
    assert (source.days[0], source.days[-1], len(source.days)) == ("2001-01-01", "2001-12-31", 365)
    assert source.layers == tuple(ocean.LAYERS)
    assert source.limits == (-2.0, 32.0)
    assert 25 < source.land_percent < 35
    truth, seen = (ocean.day_map(DEMO, layer, 40).values for layer in ("truth", "observed"))
    held = ocean.source(DEMO)
    assert held.truth is not None
    np.testing.assert_array_equal(truth, held.truth[40].values)
    assert held.daily is not None
    np.testing.assert_array_equal(seen, held.daily[40].values)
    assert 0.1 < np.isfinite(seen).sum() / np.isfinite(truth).sum() < 0.6


# ---------------------------------------------------------------- days


def test_days_are_the_source_s_own(given_source: Callable[..., SSTSource]) -> None:
    held = given_source()
    daily, land = values_of(held), held.land
    seen = ocean.day_map(DEMO, "observed", 40)
    np.testing.assert_array_equal(seen.values, daily[40])
    np.testing.assert_array_equal(seen["lat"], GRID.lat)
    assert seen.attrs == {"long_name": "Observed, 2002-01-29", "units": "°C"}
    gaps = ocean.day_map(DEMO, "gaps", 40).values
    np.testing.assert_array_equal(np.isnan(gaps), land)
    np.testing.assert_array_equal(gaps == ocean_sources.OBSERVED, np.isfinite(daily[40]))
    np.testing.assert_array_equal((gaps == ocean_sources.ICE)[-1], ~land[-1])
    assert (gaps[:-1][~land[:-1] & np.isnan(daily[40, :-1])] == ocean_sources.MISSING).all()
    np.testing.assert_array_equal(ocean.difference_map(DEMO, 40, 2).values, daily[40] - daily[2])


def test_a_day_is_the_same_out_of_its_month(given_source: Callable[..., SSTSource]) -> None:
    held = given_source()
    month = ocean.span_of(ocean.open_source(DEMO).days, 40, "month")
    ocean.statistics(DEMO, month)
    np.testing.assert_array_equal(ocean.day_map(DEMO, "observed", 40).values, values_of(held)[40])


def test_a_source_of_months_takes_the_place_of_days(given_source: Callable[..., SSTSource]) -> None:
    held = made_up()
    months = held.daily[::31] if held.daily is not None else None
    given_source(replace(held, daily=None, monthly=months, truth=None))
    source = ocean.open_source(DEMO)
    assert source.unit == "month"
    assert source.days == ("2001-12-20", "2002-01-20", "2002-02-20")
    assert "truth" not in source.layers
    assert "withheld" not in source.layers
    np.testing.assert_array_equal(ocean.day_map(DEMO, "observed", 1).values, values_of(held)[31])
    with pytest.raises(ChoiceError, match="has no truth"):
        ocean.day_map(DEMO, "truth", 0)


@pytest.mark.parametrize("pattern", ocean.WITHHOLDING)
def test_withholding_hides_a_share_of_what_was_observed(given_source: Callable[..., SSTSource], pattern: str) -> None:
    held = given_source()
    left = ocean.withheld_map(DEMO, 40, 0.4, pattern, 0).values
    day = values_of(held)[40]
    stays = np.isfinite(left)
    np.testing.assert_array_equal(left[stays], day[stays])
    assert stays.sum() / np.isfinite(day).sum() == pytest.approx(0.6, abs=0.05)
    np.testing.assert_array_equal(left, ocean.withheld_map(DEMO, 40, 0.4, pattern, 0).values)
    assert not np.array_equal(left, ocean.withheld_map(DEMO, 40, 0.4, pattern, 1).values, equal_nan=True)


# ---------------------------------------------------------------- spans


def test_spans_are_the_month_the_year_or_all(given_source: Callable[..., SSTSource]) -> None:
    given_source()
    days = ocean.open_source(DEMO).days
    assert [ocean.span_of(days, 11, span) for span in ocean.SPANS] == [slice(0, 12), slice(0, 12), slice(0, 75)]
    assert ocean.span_of(days, 12, "month") == slice(12, 43)
    assert ocean.span_of(days, 74, "year") == slice(12, 75)


def test_days_of_other_calendars_keep_their_names(given_source: Callable[..., SSTSource]) -> None:
    held = made_up()
    assert held.daily is not None
    time = xr.date_range("2001-12-20", periods=NUM_DAYS, calendar="360_day", use_cftime=True)
    given_source(replace(held, daily=held.daily.assign_coords(time=time)))
    source = ocean.open_source(DEMO)
    assert source.calendar == "360_day"
    assert "2002-02-30" in source.days
    assert ocean.span_of(source.days, source.days.index("2002-02-30"), "month") == slice(41, 71)


@given(st.integers(0, 400), st.integers(1, 400))
def test_months_divide_a_span_without_rest(first: int, count: int) -> None:
    days = tuple(np.datetime_as_string(np.datetime64("1999-11-11") + np.arange(first + count), "D").tolist())
    index, met = 0, 0
    while index < len(days):
        month = ocean.span_of(days, index, "month")
        assert month.start == index
        assert len({day[:7] for day in days[month]}) == 1
        assert days[month.stop : month.stop + 1] == () or days[month.stop][:7] != days[index][:7]
        index, met = month.stop, met + 1
    assert met == len({day[:7] for day in days})


@pytest.mark.parametrize("kept_bytes", [0, 2**26])
@pytest.mark.parametrize("chunks", [(1, 18, 36), (13, 18, 36), (75, 3, 4)])
@pytest.mark.parametrize("span", [slice(0, 75), slice(12, 43), slice(3, 50)])
def test_statistics_are_those_of_the_whole_cube(
    given_source: Callable[..., SSTSource],
    monkeypatch: pytest.MonkeyPatch,
    chunks: tuple[int, int, int],
    kept_bytes: int,
    span: slice,
) -> None:
    monkeypatch.setattr(ocean_days, "KEPT_BYTES", kept_bytes)
    held = given_source(made_up(chunks))
    cube = values_of(held)[span].astype(np.float64)
    shares: list[float] = []
    statistics = ocean.statistics(DEMO, span, lambda share, text: shares.append(share))
    count = np.isfinite(cube).sum(axis=0)
    np.testing.assert_array_equal(statistics.count, count)
    expected = np.where(count > 0, np.nansum(cube, axis=0) / np.maximum(count, 1), np.nan)
    np.testing.assert_allclose(statistics.mean, expected, rtol=1e-6)
    assert shares == sorted(shares)
    assert 0.0 <= shares[0] <= shares[-1] < 1.0
    assert held.daily is not None
    of_gaps = coverage(held.daily[span].isnull(), held.land)
    sea = ~held.land
    np.testing.assert_array_equal(statistics.count[sea], of_gaps["observations"].values[sea])


def test_maps_of_a_span(given_source: Callable[..., SSTSource]) -> None:
    held = given_source()
    span = slice(12, 43)
    count = np.isfinite(values_of(held)[span]).sum(axis=0)
    shown = ocean.span_map(DEMO, "coverage", span)
    np.testing.assert_allclose(shown.values[~held.land], 100.0 * count[~held.land] / 31, rtol=1e-6)
    assert np.isnan(shown.values[held.land]).all()
    assert shown.attrs == {"long_name": "Fraction of days observed, 2002-01-01 to 2002-01-31", "units": "%"}
    assert ocean.span_map(DEMO, "count", span).values[2, 3] == 0.0
    assert np.isnan(ocean.span_map(DEMO, "mean", span).values[2, 3])


def test_a_read_that_is_abandoned_keeps_nothing(given_source: Callable[..., SSTSource]) -> None:
    given_source()
    span = slice(0, 75)

    def stop(share: float, text: str) -> None:
        if share > 0.5:
            raise CancelledError("enough", text, "start again")

    with pytest.raises(CancelledError):
        ocean.statistics(DEMO, span, stop)
    assert not ocean.has_statistics(DEMO, span)
    ocean.statistics(DEMO, span)
    assert ocean.has_statistics(DEMO, span)


@pytest.mark.parametrize("chunks", [(1, 18, 36), (75, 3, 4)])
@pytest.mark.parametrize(
    ("place", "cell"), [((34.0, 62.0), (12, 24)), ((-90.0, 180.0), (0, 0)), ((90.0, -179.9), (17, 0))]
)
def test_a_series_is_that_of_the_nearest_cell(
    given_source: Callable[..., SSTSource],
    chunks: tuple[int, int, int],
    place: tuple[float, float],
    cell: tuple[int, int],
) -> None:
    held = given_source(made_up(chunks))
    seen = ocean.series(DEMO, place, slice(5, 60))
    assert (seen.lat, seen.lon) == (GRID.lat[cell[0]], GRID.lon[cell[1]])
    assert held.truth is not None
    np.testing.assert_array_equal(seen.observed, values_of(held)[5:60, cell[0], cell[1]])
    np.testing.assert_array_equal(seen.truth, held.truth.values[5:60, cell[0], cell[1]])
    assert (seen.days[0], len(seen.days)) == ("2001-12-25", 55)


def test_cost_counts_whole_chunks(given_source: Callable[..., SSTSource]) -> None:
    given_source(made_up((13, 18, 36)))
    source = replace(ocean.open_source(DEMO), bytes_per_second=1e6)
    cost = ocean.read_cost(source, slice(12, 14))
    # two days that lie in two chunks of 13
    assert cost.read_bytes == 2 * 13 * 18 * 36 * 4
    assert (cost.num_days, cost.memory_bytes) == (2, 2 * 18 * 36 * 4)
    assert cost.seconds == pytest.approx(cost.read_bytes / 1e6)


# ---------------------------------------------------------------- figures of a map


def test_a_histogram_is_of_areas(given_source: Callable[..., SSTSource]) -> None:
    # by sin φ, the cap north of 30° is a quarter of the sphere
    field = xr.DataArray(
        np.repeat(np.where(GRID.lat > 30.0, 9.0, 1.0)[:, None], 36, axis=1).astype(np.float32),
        {"lat": GRID.lat, "lon": GRID.lon},
        ("lat", "lon"),
    )
    edges, share = ocean.map_histogram(field, (0.0, 8.0), bins=4)
    np.testing.assert_allclose(edges, [0.0, 2.0, 4.0, 6.0, 8.0])
    np.testing.assert_allclose(share, [0.75, 0.0, 0.0, 0.25], atol=1e-6)
    empty = ocean.map_histogram(field.where(field > 100.0), (0.0, 8.0))[1]
    assert (empty == 0.0).all()


def test_the_seen_share_is_of_the_sea_s_area(given_source: Callable[..., SSTSource]) -> None:
    held = given_source()
    field = ocean.day_map(DEMO, "observed", 40)
    everything = field.copy(data=np.where(held.land, np.float32(np.nan), np.float32(1.0)))
    assert ocean.coverage_percent(DEMO, everything) == pytest.approx(100.0)
    north = everything.where(everything["lat"] > 0)
    area = np.where(held.land, 0.0, GRID.cell_area_m2[:, None])
    assert ocean.coverage_percent(DEMO, north) == pytest.approx(100.0 * area[GRID.lat > 0].sum() / area.sum())


# ---------------------------------------------------------------- files to take away


def test_a_map_and_a_series_can_be_taken_away(given_source: Callable[..., SSTSource], tmp_path: Path) -> None:
    given_source()
    choice = ocean.MapChoice(DEMO, "observed", 40)
    field = ocean.chosen_map(choice)
    (tmp_path / "map.nc").write_bytes(ocean.map_netcdf(choice, field))
    with xr.open_dataset(tmp_path / "map.nc") as saved:
        np.testing.assert_array_equal(saved["observed"][0], field.values)
        assert saved["observed"].attrs["units"] == "degree_Celsius"
        assert saved["time"].dt.strftime("%Y-%m-%d").item() == field.attrs["long_name"][-10:]
        assert (saved["time_bounds"].diff("bounds") == np.timedelta64(1, "D")).all()
        assert saved["lat"].attrs["standard_name"] == "latitude"
    place = ocean.SeriesChoice(DEMO, (34.0, 62.0), (0, 75))
    seen = ocean.chosen_series(place)
    text = ocean.series_csv(place, seen).decode().splitlines()
    lines = [line for line in text if not line.startswith("#")]
    assert lines[0].startswith("date,observed_degC")
    assert len(lines) == 76
    for line, value in zip(lines[1:], seen.observed, strict=True):
        written = line.split(",")[1]
        assert (written == "") == np.isnan(value)
        assert not written or float(written) == pytest.approx(value, abs=5e-5)


# ---------------------------------------------------------------- where files may lie


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one allowed folder: a file, a store, a folder, and beside it what nobody may reach."""
    inside = tmp_path / "allowed"
    (inside / "2012").mkdir(parents=True)
    for name in ("a.nc", "b.nc", "2012/c.nc", "notes.txt", ".hidden.nc"):
        (inside / name).write_bytes(b"x")
    (inside / "store.zarr").mkdir()
    (inside / "store.zarr" / "zarr.json").write_text("{}")
    (tmp_path / "secret.nc").write_bytes(b"secret")
    (tmp_path / "allowed-too").mkdir()
    monkeypatch.setenv("HARMONIA_DATA", str(inside))
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    return inside


def test_folders_offer_folders_and_data_only(root: Path) -> None:
    top = ocean.list_folder()
    assert [entry.path for entry in top.entries] == [str(root)]
    assert top.parent is None
    listing = ocean.list_folder(str(root))
    assert [(entry.name, entry.is_data) for entry in listing.entries] == [
        ("2012", False),
        ("a.nc", True),
        ("b.nc", True),
        ("store.zarr", True),
    ]
    assert listing.parent == ""
    assert ocean.list_folder(str(root / "2012")).parent == str(root)


def test_what_is_inside_is_found(root: Path) -> None:
    assert ocean_files.resolved("a.nc") == [root / "a.nc"]
    assert ocean_files.resolved(str(root / "2012" / "c.nc")) == [root / "2012" / "c.nc"]
    assert ocean_files.resolved("*.nc") == [root / "a.nc", root / "b.nc"]
    assert ocean_files.resolved("store.zarr") == [root / "store.zarr"]


@pytest.mark.parametrize(
    "path",
    ["../secret.nc", "2012/../../secret.nc", "{parent}/secret.nc", "{parent}/allowed-too", "{parent}/*.nc",
     "/etc/passwd", "~/x.nc", "nothing.nc", "no*thing.nc", "link.nc", "folder/secret.nc", "a.nc\0", "\0", "."],
)  # fmt: skip
def test_what_is_outside_is_not_there(root: Path, path: str) -> None:
    (root / "link.nc").symlink_to(root.parent / "secret.nc")
    (root / "folder").symlink_to(root.parent)
    with pytest.raises(DataError) as failure:
        ocean_files.resolved(path.format(parent=root.parent))
    assert "secret.nc" not in str(failure.value) or "secret.nc" in path
    assert [
        entry.name for entry in ocean.list_folder(str(root)).entries if "link" in entry.name or entry.name == "folder"
    ] == []


def test_a_link_out_of_a_data_set_is_refused(root: Path) -> None:
    (root / "2012" / "d.nc").symlink_to(root.parent / "secret.nc")
    with pytest.raises(DataError, match="a link leads out"):
        ocean_files.resolved("2012")
    for outside in (str(root.parent), "/", str(root / "folder")):
        with pytest.raises(DataError):
            ocean.list_folder(outside)


def test_a_link_that_stays_inside_is_followed(root: Path) -> None:
    (root / "inner.nc").symlink_to(root / "2012" / "c.nc")
    assert ocean_files.resolved("inner.nc") == [root / "2012" / "c.nc"]


# ---------------------------------------------------------------- what people bring along


def upload(name: str, content: bytes, chunk: int = 7) -> str:
    arriving = ocean.Upload(name, len(content))
    for start in range(0, len(content), chunk):
        arriving.add(content[start : start + chunk])
    return arriving.finish()


@given(name=st.text(max_size=40))
def test_an_upload_is_kept_by_its_content_whatever_its_name(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.getbasetemp() / "upload-home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARMONIA_HOME", str(home))
        kept = ocean_uploads.uploaded(upload(name, b"the same content"))
        assert kept.read_bytes() == b"the same content"
        assert kept.parent.parent == home / "uploads"
        assert kept.resolve() == kept


def test_uploads_have_a_limit_and_leave_nothing_behind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_UPLOAD_MB", "1")
    folder = root.parent / "home" / "uploads"
    for size, message in ((1_000_001, "the limit is 1"), (0, "the file is empty"), (-5, "the file is empty")):
        with pytest.raises(DataError, match=message):
            ocean.Upload("large.nc", size)
    arriving = ocean.Upload("x.nc", 3)
    with pytest.raises(DataError, match="larger than announced"):
        arriving.add(b"four")
    arriving.abandon()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["", "x", "../../secret.nc", "0" * 32 + "/../a.nc", "0" * 32 + "/a.nc", "/etc/passwd"])
def test_only_what_was_uploaded_can_be_asked_for(root: Path, name: str) -> None:
    with pytest.raises(DataError, match="no such upload"):
        ocean_uploads.uploaded(name)


# ---------------------------------------------------------------- real files


def write(path: Path, offset: float = 0.0, levels: tuple[int, ...] = ()) -> np.ndarray:
    """Days of observations; with ``levels`` those are their quality, rows in turn."""
    rng = np.random.default_rng(1)
    values = (15.0 + offset + rng.normal(0, 3, CUBE)).astype(np.float32)
    time = np.datetime64("2001-12-20") + np.arange(NUM_DAYS)
    coords = {
        "time": time.astype("datetime64[ns]"),
        "lat": ("lat", GRID.lat, {"units": "degrees_north"}),
        "lon": ("lon", GRID.lon, {"units": "degrees_east"}),
    }
    sst = (("time", "lat", "lon"), values, {"units": "degC", "standard_name": "sea_surface_temperature"})
    fields: dict[str, object] = {"sst": sst}
    if levels:
        rows = np.resize(levels, GRID.shape[0]).astype("i1")
        fields["quality_level"] = (("time", "lat", "lon"), np.broadcast_to(rows[:, None], CUBE))
    xr.Dataset(fields, coords).to_netcdf(path)
    return values


def test_a_file_is_opened_once_until_it_changes(root: Path) -> None:
    first = write(root / "sst.nc")
    choice = SourceChoice("path", path="sst.nc")
    source = ocean.open_source(choice)
    assert source.days[0] == "2001-12-20"
    held = ocean.source(choice)
    assert ocean.source(choice) is held
    np.testing.assert_allclose(ocean.day_map(choice, "observed", 3).values, first[3], atol=1e-6)
    second = write(root / "sst.nc", offset=2.0)
    os.utime(root / "sst.nc", ns=(1, 10**18))
    assert ocean.source(choice) is not held
    np.testing.assert_allclose(ocean.day_map(choice, "observed", 3).values, second[3], atol=1e-6)


def test_each_choice_of_quality_is_a_source_of_its_own(root: Path) -> None:
    values = write(root / "sst.nc", levels=(5, 3))
    good, every, three = (SourceChoice("path", path="sst.nc", quality=quality) for quality in ("good", "all", 3))
    sources = [ocean.open_source(choice) for choice in (good, every, three)]
    assert [source.grading[:30] for source in sources] == [
        "kept quality_level ≥ 4: 50% of", "all observations are used; 'qu", "kept quality_level ≥ 3: 0% of "
    ]  # fmt: skip
    assert len({source.key for source in sources}) == 3
    for choice, rows in ((good, slice(0, None, 2)), (every, slice(None)), (good, slice(0, None, 2))):
        seen = ocean.day_map(choice, "observed", 3).values
        wanted = np.full(GRID.shape, np.nan, np.float32)
        wanted[rows] = values[3][rows]
        np.testing.assert_allclose(seen, wanted, atol=1e-6)
    run = ocean.run_source(three)
    assert (run.path, run.quality) == (str(root / "sst.nc"), 3)  # type: ignore[union-attr]
    write(root / "plain.nc")
    assert ocean.open_source(SourceChoice("path", path="plain.nc")).grading == ""


def test_an_upload_without_good_observations_is_kept_for_another_choice(root: Path) -> None:
    write(root / "sst.nc", levels=(1, 2))
    name = upload("low.nc", (root / "sst.nc").read_bytes(), chunk=10_000)
    with pytest.raises(QualityError, match=r"\(low\.nc\).*choose all observations") as refusal:
        ocean.open_source(SourceChoice("upload", path=name))
    assert str(root) not in str(refusal.value)
    assert ocean.open_source(SourceChoice("upload", path=name, quality="all")).shape == GRID.shape


def test_an_upload_that_is_no_ocean_is_removed(root: Path) -> None:
    write(root / "sst.nc")
    kept = upload("good.nc", (root / "sst.nc").read_bytes(), chunk=10_000)
    assert ocean.open_source(SourceChoice("upload", path=kept)).shape == GRID.shape
    assert ocean_uploads.uploaded(kept).is_file()
    useless = upload("bad.nc", b"this is no NetCDF file")
    with pytest.raises(DataError, match=r"\(bad\.nc\)") as refusal:
        ocean.open_source(SourceChoice("upload", path=useless))
    assert str(root) not in str(refusal.value)
    with pytest.raises(DataError, match="no such upload"):
        ocean_uploads.uploaded(useless)
