"""Synthetic land, ocean windows and the user's own tiles: what is real in them, who may learn from them, refusals."""

import hashlib

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from engine.data.climate import SEA, box_fractions, climate_at
from engine.data.demo_land import BANDS, DemoLand
from engine.data.ocean_tiles import ocean_tiles
from engine.data.source import SSTSource
from engine.data.tile_files import folder_tiles
from engine.data.tiles import BLOCK_DEG, NO_SPLIT, SPLITS, split_of_boxes
from engine.errors import ChoiceError, DataError
from engine.sphere import LatLonGrid, great_circle_km
from tests.support.tiles import split_of_points, write_tiles

BLUE, GREEN, RED, NEAR, SHORT = range(5)


@pytest.fixture(scope="module")
def land() -> DemoLand:
    return DemoLand(pixel_km=10.0)


def greenness(pixels: np.ndarray) -> np.ndarray:
    """NDVI of (N, C, h, w)."""
    return (pixels[:, NEAR] - pixels[:, RED]) / (pixels[:, NEAR] + pixels[:, RED])


def snowiness(pixels: np.ndarray) -> np.ndarray:
    """NDSI of (N, C, h, w)."""
    return (pixels[:, GREEN] - pixels[:, SHORT]) / (pixels[:, GREEN] + pixels[:, SHORT])


# --- parts ----------------------------------------------------------------------------------------------------------


def test_parts_are_whole_blocks_of_the_promised_shares():
    lat, lon = np.random.default_rng(0).uniform((-90, -180), (90, 180), (20000, 2)).T
    parts = split_of_points(lat, lon, seed=3)
    weights = np.cos(np.deg2rad(lat))
    shares = np.bincount(parts, weights, 3) / weights.sum()
    np.testing.assert_allclose(shares, (0.8, 0.1, 0.1), atol=0.02)
    np.testing.assert_array_equal(split_of_points(lat, lon + 360.0, 3), parts)
    assert (split_of_points(lat, lon, seed=4) != parts).mean() > 0.2
    # at the equator a block is as wide as high
    row = split_of_points(1.0, np.arange(-180.0, 180.0, 1 / 24), seed=3)
    assert 30 < np.count_nonzero(np.diff(row)) < 360 / BLOCK_DEG


@pytest.mark.parametrize(("size", "pixel_km"), [(8, 10.0), (32, 10.0), (32, 40.0)])
def test_no_ground_of_a_tested_tile_is_seen_in_training(size, pixel_km):
    """All pixels of every tile lie in blocks of its part, which are at least three tiles high and wide."""
    land = DemoLand(size, pixel_km)
    height = np.rad2deg(size * pixel_km / 6371.0)
    for number, part in enumerate(SPLITS):
        tiles = land.tiles(part, range(300))
        x, y, z = np.moveaxis(land._points(tiles.lat, tiles.lon).astype(float), -1, 0)
        parts = split_of_points(np.rad2deg(np.arcsin(z.clip(-1, 1))), np.rad2deg(np.arctan2(y, x)), land.seed, height)
        assert (parts == number).all()
    everywhere = split_of_points(np.arange(-89.95, 90.0, 0.1)[:, None], np.arange(-180.0, 180.0), land.seed, height)
    borders = np.flatnonzero(np.diff(everywhere, axis=0).any(axis=1))
    assert np.diff(borders).min() * 0.1 > 3 * height - 0.2


def test_ocean_windows_of_different_parts_share_no_cell():
    source = small_ocean(step=2.0, num_days=2)
    tiles = ocean_tiles(source, size=16, num_days=2)
    seen = np.zeros((len(SPLITS), *source.grid.shape), bool)
    for number, part in enumerate(SPLITS):
        shown = tiles.tiles(part, np.arange(tiles.count(part)))
        for lat, lon in zip(shown.lat, shown.lon, strict=True):
            rows = np.abs(source.grid.lat - lat) < 16.0
            seen[number][np.ix_(rows, np.abs((source.grid.lon - lon + 180.0) % 360.0 - 180.0) < 16.0)] = True
    assert seen.any(axis=(1, 2)).all()
    assert seen.sum(axis=0).max() == 1


@pytest.mark.parametrize("tile_deg", [0.5, 10.0, 33.0])
def test_a_box_has_the_part_of_all_points_in_it(tile_deg):
    rng = np.random.default_rng(1)
    count = 300
    size = rng.uniform(0.2, 1.0, (2, count)) * tile_deg
    south, west = rng.uniform(-90.0, 90.0 - size[0]), rng.uniform(-180.0, 180.0, count)
    north, east = south + size[0], west + size[1]
    split = split_of_boxes(south, north, west, east, 7, tile_deg)
    steps = np.concatenate(([1e-6], np.linspace(0.01, 0.99, 99), [1.0 - 1e-6]))
    lat = (south + size[0] * steps[:, None])[:, None]
    lon = (west + size[1] * steps[:, None])[None]
    inside = split_of_points(lat, lon, 7, tile_deg).reshape(-1, count)
    np.testing.assert_array_equal(split, np.where((inside == inside[0]).all(axis=0), inside[0], NO_SPLIT))
    assert 0 < (split == NO_SPLIT).sum() < count


# --- synthetic land -------------------------------------------------------------------------------------------------


def test_it_says_that_it_is_synthetic(land):
    assert "synthetic" in land.name.lower()
    assert land.synthetic
    assert land.count("train") is None


def test_a_tile_is_the_same_whenever_it_is_asked_for(land):
    both = land.tiles("train", [5, 9]), DemoLand(pixel_km=10.0).tiles("train", [9, 7, 5])
    for mine, yours in zip(*both, strict=True):
        np.testing.assert_array_equal(mine, yours[[2, 0]])
    content = hashlib.sha256(both[0].pixels.tobytes()).hexdigest()
    assert content == hashlib.sha256(land.tiles("train", [5, 9]).pixels.tobytes()).hexdigest()
    assert (land.tiles("test", [5]).lat != both[0].lat[0]).all()
    assert (DemoLand(seed=1).tiles("train", [5]).pixels != both[0].pixels[0]).any()


def test_several_lands_take_turns_and_differ_in_what_is_invented_alone():
    several, first = (DemoLand(8, 20.0, 0, num).tiles("train", [4, 0, 1, 5, 2]) for num in (3, 1))
    for field in ("lat", "lon", "day", "climate"):
        assert (getattr(several, field) == getattr(first, field)).all()
    is_same = [bool((a == b).all()) for a, b in zip(several.pixels, first.pixels, strict=True)]
    assert is_same == [False, True, False, False, False]  # of five only number 0 shows the first land
    second = DemoLand(8, 20.0, 1).at(first.lat, first.lon, first.day).pixels
    to_second, to_first = (np.abs(several.pixels - other).mean(axis=(1, 2, 3)) for other in (second, first.pixels))
    assert (to_second < to_first)[[0, 2]].all()  # numbers 4 and 1 show the second one, up to haze and noise


def test_tiles_are_pictures_of_land_everywhere_on_all_days(land):
    tiles = land.tiles("train", range(600))
    assert tiles.pixels.shape == (600, len(BANDS), 32, 32)
    assert tiles.pixels.dtype == np.float32
    assert np.isfinite(tiles.pixels).all()
    assert tiles.pixels.min() > -0.05
    assert tiles.pixels.max() < 1.4
    assert (climate_at(tiles.lat, tiles.lon) != SEA).all()
    assert set(np.histogram(tiles.day, bins=12, range=(1, 366))[0] > 20) == {True}
    # by area: half of the Earth's land lies between 10° S and 40° N, and a tenth is Antarctica's, more or less: blocks
    # of other parts, and what reaches into them, are taken from it
    assert ((tiles.lat > -10) & (tiles.lat < 40)).mean() == pytest.approx(0.48, abs=0.06)
    assert (tiles.lat < -60).mean() == pytest.approx(0.09, abs=0.05)
    np.testing.assert_allclose(tiles.climate.sum(1), 1.0, atol=1e-6)


def test_shares_are_those_of_the_real_classes_in_the_tile(land):
    """Near the equator a tile is nearly a box of degrees."""
    lat, lon = np.array([2.0, -1.5, 0.5]), np.array([102.0, -50.0, 35.0])
    half = np.rad2deg(land.size * land.pixel_km / 2.0 / 6371.0)
    boxes = box_fractions(lat - half, lat + half, lon - half, lon + half)
    np.testing.assert_allclose(land.at(lat, lon, 1).climate, boxes, atol=0.02)


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180))
def test_pixels_lie_where_great_circles_put_them(lat, lon):
    """Also at the poles and the date line; rows go from north to south, columns from west to east."""
    land = DemoLand(size=8, pixel_km=40.0)
    points = land._points(np.array([lat]), np.array([lon]))[0].astype(float)
    pixel_lat = np.rad2deg(np.arcsin(points[..., 2].clip(-1, 1)))
    pixel_lon = np.rad2deg(np.arctan2(points[..., 1], points[..., 0]))
    x = (np.arange(8) - 3.5) * 40.0
    expected = np.hypot(x[:, None], x)
    np.testing.assert_allclose(great_circle_km(lat, lon, pixel_lat, pixel_lon), expected, atol=0.6)
    if abs(lat) < 85:
        assert (np.diff(pixel_lat, axis=0) < 0).all()
        assert (np.diff(np.unwrap(pixel_lon, period=360.0), axis=1) > 0).all()


def test_seasons_turn_with_the_hemisphere(land):
    """Greenest after midsummer, snow in midwinter: Iowa and Moscow against the Pampas and Patagonia."""
    january, july = (land.at([42.0, 56.0, -34.0, 42.0], [-94.0, 38.0, -61.0, -94.0], day).pixels for day in (15, 200))
    for tile in (0, 1):
        assert np.median(greenness(july)[tile]) > np.median(greenness(january)[tile]) + 0.2
        assert np.median(snowiness(january)[tile]) > 0.4 > np.median(snowiness(july)[tile])
    assert np.median(greenness(january)[2]) > np.median(greenness(july)[2]) + 0.1


def test_the_equator_and_the_desert_know_no_seasons(land):
    january, july = (land.at([0.2, 24.0], [22.0, 12.0], day).pixels for day in (15, 196))
    np.testing.assert_allclose(january, july, atol=0.1)
    assert np.median(greenness(july)[0]) > 0.4 > 0.2 > np.median(greenness(july)[1])


def test_the_coast_is_the_real_one(land):
    """Water is dark in the near infrared; the borders of classes are pushed about by a pixel."""
    tiles = land.at([40.0, 38.0, -37.8], [17.0, 23.5, 175.0], 200)
    water = (tiles.pixels[:, NEAR] < 0.05).mean(axis=(1, 2))
    assert ((water > 0.2) & (water < 0.9)).all()
    np.testing.assert_allclose(water, tiles.climate[:, SEA], atol=0.05)


def test_texture_belongs_to_the_place(land):
    """Two tiles that overlap show the same ground: the one lies half a tile east of the other, on the equator."""
    step = np.rad2deg(16 * land.pixel_km / 6371.0)
    pair = land.at([0.0, 0.0], [20.0, 20.0 + step], 100).pixels
    ground, same = pair[0, NEAR, :, 16:].ravel(), pair[1, NEAR, :, :16].ravel()
    elsewhere = land.at(0.0, 40.0, 100).pixels[0, NEAR, :, :16].ravel()
    assert np.corrcoef(ground, same)[0, 1] > 0.4
    assert abs(np.corrcoef(ground, elsewhere)[0, 1]) < 0.2


def test_shots_of_one_place_differ_a_little(land):
    first, second = land.at(45.0, 5.0, 150, shots=[1, 2]).pixels
    assert 0 < np.abs(first - second).mean() < 0.05


@pytest.mark.parametrize("choice", [{"size": 3}, {"pixel_km": 0.1}, {"size": 1000, "pixel_km": 10.0}])
def test_tiles_that_cannot_be_drawn_are_refused(choice):
    with pytest.raises(ChoiceError, match="cannot be drawn"):
        DemoLand(**choice)


# --- the ocean ------------------------------------------------------------------------------------------------------


def small_ocean(step: float = 5.0, num_days: int = 400) -> SSTSource:
    """A source whose temperature tells latitude and day; every fifth day lacks the east."""
    grid = LatLonGrid.regular(step)
    land = climate_at(grid.lat[:, None], grid.lon) != SEA
    time = np.datetime64("2001-01-01") + np.arange(num_days)
    season = np.cos(2 * np.pi * np.arange(num_days) / 365.25)[:, None, None]
    values = np.broadcast_to(grid.lat[:, None] + season, (num_days, *grid.shape)).astype(np.float32).copy()
    values[::5, :, grid.shape[1] // 2 :] = np.nan
    values[:, land] = np.nan
    daily = xr.DataArray(values, {"time": time, "lat": grid.lat, "lon": grid.lon}, ("time", "lat", "lon"))
    return SSTSource("a small ocean", "key", grid, land, (), daily)


def test_ocean_windows_show_what_the_source_holds():
    source = small_ocean()
    assert source.daily is not None
    tiles = ocean_tiles(source, size=8, num_days=400)
    assert tiles.bands == ("temperature", "anomaly", "missing", "land")
    got = tiles.tiles("train", np.arange(tiles.count("train")))
    temperature, anomaly, missing, land = got.pixels.transpose(1, 0, 2, 3)
    np.testing.assert_array_equal(np.isnan(temperature), missing.astype(bool))
    assert missing[land.astype(bool)].all()
    # rows go from north to south, and the latitude of the centre is that of the middle rows
    rows = temperature - np.nanmean(temperature, axis=(1, 2), keepdims=True)
    assert np.nanmean(rows[:, 0]) > 10 > -10 > np.nanmean(rows[:, -1])
    season = np.cos(2 * np.pi * (got.day - 1) / 365.25)
    middle = temperature[:, 3:5].mean(axis=1)
    close = np.abs(middle - got.lat[:, None] - season[:, None]) < 0.5
    assert close[np.isfinite(middle)].all()
    # the anomaly is what the days of one calendar month differ by
    assert np.nanmax(np.abs(anomaly)) < 0.6
    assert {*got.day} <= {*range(1, 366)}


def test_ocean_windows_cross_the_date_line_and_have_the_climate_of_their_box():
    source = small_ocean()
    tiles = ocean_tiles(source, size=8, num_days=3)
    over = np.flatnonzero(np.abs(tiles.lon) > 165.0)
    assert over.size
    half = 4 * 5.0
    for index in over[:5]:
        edges = (np.array([value]) for value in (tiles.lat[index] - half, tiles.lat[index] + half))
        shares = box_fractions(*edges, np.array([tiles.lon[index] - half]), np.array([tiles.lon[index] + half]))
        np.testing.assert_allclose(tiles.climate[index], shares[0], atol=1e-6)


def test_sources_without_days_or_room_are_refused():
    source = small_ocean(num_days=5)
    with pytest.raises(ChoiceError, match="does not fit"):
        ocean_tiles(source, size=64)
    empty = SSTSource("months", "key", source.grid, source.land, (), None, source.daily)
    with pytest.raises(DataError, match="no days"):
        ocean_tiles(empty, size=8)
    assert source.daily is not None
    nothing = SSTSource("nothing", "key", source.grid, source.land, (), source.daily * np.nan)
    with pytest.raises(DataError, match="no window holds enough"):
        ocean_tiles(nothing, size=8)


# --- the user's tiles -----------------------------------------------------------------------------------------------


def test_a_folder_of_tiles_is_read_with_place_time_and_climate(tmp_path):
    write_tiles(tmp_path)
    (tmp_path / "notes.txt").write_text("left alone")
    tiles = folder_tiles(tmp_path)
    assert (tiles.bands, tiles.size, tiles.lat.size) == (("a", "b"), 8, 60)
    assert sum(tiles.count(part) for part in SPLITS) == 60
    read = [tiles.tiles(part, np.arange(tiles.count(part))) for part in SPLITS]
    for part in read:
        np.testing.assert_allclose(part.pixels.mean(axis=(1, 2, 3)), part.lat, atol=0.5)
        np.testing.assert_allclose(part.climate.sum(1), 1.0, atol=1e-6)
    days = np.concatenate([part.day for part in read])
    assert (days == 61).sum() == 30, "1 March 2020 is the 61st day"
    assert {*range(1, 31)} <= {*days}


def test_a_round_through_the_tiles_shows_each_once(tmp_path):
    write_tiles(tmp_path)
    tiles = folder_tiles(tmp_path)
    count = tiles.count("train")
    rounds = [tiles.tiles("train", np.arange(count) + turn * count).lat for turn in range(2)]
    np.testing.assert_array_equal(np.sort(rounds[0]), np.sort(rounds[1]))
    assert (rounds[0] != rounds[1]).any()
    np.testing.assert_array_equal(tiles.tiles("train", [count + 3, 1]).lat, [rounds[1][3], rounds[0][1]])


GOOD = {"pixels": np.ones((2, 8, 8)), "lat": 1.0, "lon": 2.0, "day": 3.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lat": 91.0}, "no point on Earth"),
        ({"lon": np.nan}, "no point on Earth"),
        ({"day": 0.0}, "not in the year"),
        ({"pixels": np.ones((2, 8, 6))}, "cut them square"),
        ({"pixels": np.full((2, 8, 8), np.nan)}, "no pixel has a value"),
        ({"pixels": np.ones((8, 8))}, "no tile"),
        ({"lat": None}, "no tile: 'lat"),
        ({"day": None, "time": "yesterday"}, "no tile"),
        ({"bands": ["one"]}, r"bands has the shape \(1,\) for pixels of \(1, 2, 8, 8\)"),
        ({"bounds": [10.0, 5.0, 0.0, 1.0]}, "the bounds are no box"),
    ],
)
def test_files_that_are_no_tiles_are_refused_by_name(tmp_path, changes, message):
    held = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    np.savez(tmp_path / "wrong.npz", **held)
    with pytest.raises(DataError, match=message) as refusal:
        folder_tiles(tmp_path)
    assert "wrong.npz" in str(refusal.value)


def test_folders_that_hold_no_tiles_or_two_kinds_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"no \.tif, \.tiff, \.nc or \.npz files"):
        folder_tiles(tmp_path)
    np.savez(tmp_path / "a.npz", **GOOD)
    with pytest.raises(DataError, match="none of the 1 tiles lies in a block"):
        folder_tiles(tmp_path)
    np.savez(tmp_path / "b.npz", **{**GOOD, "pixels": np.ones((3, 8, 8))})
    with pytest.raises(DataError, match="3 × 8 × 8 are mixed with tiles of 2 × 8 × 8"):
        folder_tiles(tmp_path)
    (tmp_path / "c.nc").write_bytes(b"not at all")
    with pytest.raises(DataError, match=r"c\.nc"):
        folder_tiles(tmp_path)
