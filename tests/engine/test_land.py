"""The land mask and the coastlines, against known places, shapely and the shipped distance image."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest
import shapely
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.assets import asset
from engine.data import coastlines, land_mask
from engine.data.land import _draw_cached, _rings
from engine.errors import ChoiceError
from engine.sphere import LatLonGrid

RESOLUTIONS = ("110m", "50m")

# name, latitude, longitude, land at 50m; places well inside, so that 110m agrees except where the name says so
PLACES = [
    ("Paris", 48.86, 2.35, True),
    ("Nairobi", -1.29, 36.82, True),
    ("Ulaanbaatar", 47.92, 106.91, True),
    ("Alice Springs", -23.70, 133.88, True),
    ("Brasília", -15.79, -47.88, True),
    ("Denver", 39.74, -104.99, True),
    ("Greenland summit", 72.58, -38.46, True),
    ("Vostok", -78.46, 106.84, True),
    ("South Pole Station", -89.99, 0.0, True),
    ("Madagascar", -19.0, 46.7, True),
    ("Chukotka, west of 180°", 67.0, 179.5, True),
    ("Chukotka, east of 180°", 67.0, -179.5, True),
    ("Lake Victoria counts as land", -1.0, 33.0, True),
    ("Lake Superior counts as land", 47.7, -87.5, True),
    ("Caspian Sea", 41.5, 50.8, False),
    ("Black Sea", 43.0, 34.0, False),
    ("Hudson Bay", 60.0, -86.0, False),
    ("Gulf of Guinea", 0.0, 0.0, False),
    ("Point Nemo", -48.88, -123.39, False),
    ("mid Pacific, west of 180°", 0.0, 179.9, False),
    ("mid Pacific, east of 180°", 0.0, -179.9, False),
    ("Southern Ocean on 180°", -50.0, -180.0, False),
    ("Ross Ice Shelf counts as sea", -81.0, 180.0, False),
    ("Arctic Ocean", 88.0, 0.0, False),
]
FINE_PLACES = [
    ("Taveuni, Fiji", -16.85, -179.98, True),
    ("Taveuni, Fiji, in the other convention", -16.85, 180.02, True),
    ("Koro Sea, Fiji", -17.3, 179.95, False),
    ("Wrangel Island, west of 180°", 71.2, 179.5, True),
    ("Wrangel Island, east of 180°", 71.2, -179.5, True),
    ("Ogurchinsky, an island in the Caspian", 38.93, 53.06, True),
    ("Crete", 35.2, 24.9, True),
    ("Oahu", 21.45, -158.0, True),
]


def is_land_at(lat: float, lon: float, resolution: str) -> bool:
    """The mask of a tiny grid whose first cell centre is the place (its second row lies towards the equator)."""
    grid = LatLonGrid([lat, lat - np.copysign(0.01, lat)], [lon, lon + 0.01])
    return bool(land_mask(grid, resolution)[0, 0])


def is_land_by_shapely(lat: np.ndarray, lon: np.ndarray, resolution: str) -> np.ndarray:
    """Even–odd over the rings as shapely polygons."""
    polygons = shapely.STRtree([shapely.Polygon(ring) for ring in _rings(resolution)])
    inside, _ = polygons.query(shapely.points(lon, lat), predicate="within")
    return np.bincount(inside, minlength=len(lon)) % 2 == 1


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize(("name", "lat", "lon", "expected"), PLACES, ids=[p[0] for p in PLACES])
def test_known_places(name: str, lat: float, lon: float, expected: bool, resolution: str) -> None:
    assert is_land_at(lat, lon, resolution) is expected, name


@pytest.mark.parametrize(("name", "lat", "lon", "expected"), FINE_PLACES, ids=[p[0] for p in FINE_PLACES])
def test_small_places_at_50m(name: str, lat: float, lon: float, expected: bool) -> None:
    assert is_land_at(lat, lon, "50m") is expected, name


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_the_south_pole_is_land_and_the_north_pole_is_sea(resolution: str) -> None:
    mask = land_mask(LatLonGrid(np.linspace(-90.0, 90.0, 181), np.arange(360.0)), resolution)
    assert mask[0].all()
    assert not mask[-1].any()


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_ocean_share_of_the_sphere(resolution: str) -> None:
    # NOAA: 361.9 of 510.1 million km² are ocean. Here ice shelves (1.6 million km²) and small islands are sea too.
    grid = LatLonGrid.regular(0.5)
    ocean = (~land_mask(grid, resolution).numpy()).mean(axis=1) @ grid.cell_area_m2 / grid.cell_area_m2.sum()
    assert 361.9 / 510.1 < ocean < (361.9 + 1.6) / 510.1 + 0.002


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize(
    ("south", "west", "step"),
    [(-89.5, -179.3, 3.7), (35.0, 22.0, 0.07), (-20.0, 177.0, 0.09), (68.0, -120.0, 0.13), (-85.5, 165.0, 0.31)],
    ids=["whole sphere", "Aegean", "Fiji over 180°", "Canadian Arctic", "Ross Sea over 180°"],
)
def test_agrees_with_shapely(south: float, west: float, step: float, resolution: str) -> None:
    rows = min(48, int((89.9 - south) / step))
    grid = LatLonGrid(south + step * np.arange(rows), west + step * np.arange(int(min(96, 360 // step))))
    lat, lon = (values.ravel() for values in np.meshgrid(grid.lat, (grid.lon + 180.0) % 360.0 - 180.0, indexing="ij"))
    expected = is_land_by_shapely(lat, lon, resolution).reshape(grid.shape)
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(land_mask(grid, resolution).numpy(), expected)


@given(first=st.integers(0, 179), turns=st.integers(-1, 1))
@settings(max_examples=30, deadline=None)
def test_longitude_convention_does_not_matter(first: int, turns: int) -> None:
    grid = LatLonGrid.regular(2.0)
    moved = LatLonGrid(grid.lat, grid.lon + 2.0 * first + 360.0 * turns)
    expected = np.roll(land_mask(grid).numpy(), -first, axis=1)
    np.testing.assert_array_equal(land_mask(moved).numpy(), expected)


def test_rows_may_run_south() -> None:
    grid = LatLonGrid.regular(2.0)
    southward = LatLonGrid(grid.lat[::-1].copy(), grid.lon)
    assert torch.equal(land_mask(southward), land_mask(grid).flip(0))


@pytest.mark.parametrize("band", [1, 7, 64])
def test_bands_put_together_equal_the_whole(band: int) -> None:
    grid = LatLonGrid.regular(1.0)
    bands = [land_mask(grid, rows=slice(start, start + band)) for start in range(0, grid.shape[0], band)]
    assert torch.equal(torch.cat(bands), land_mask(grid))


def test_a_band_of_a_very_fine_grid_is_drawn_alone() -> None:
    grid = LatLonGrid.regular(0.02)
    band = land_mask(grid, rows=slice(6400, 6402))  # 38.01°N and 38.03°N
    assert band.shape == (2, 18000)
    lon = grid.lon[::50]
    expected = is_land_by_shapely(np.full_like(lon, grid.lat[6401]), lon, "50m")
    np.testing.assert_array_equal(band[1, ::50].numpy(), expected)


def test_the_mask_is_cached_and_the_callers_own() -> None:
    mask = land_mask(LatLonGrid.regular(4.0))
    kept = mask.clone()
    mask.fill_(True)
    hits = _draw_cached.cache_info().hits
    assert torch.equal(land_mask(LatLonGrid.regular(4.0)), kept)
    assert _draw_cached.cache_info().hits == hits + 1


def test_an_unknown_resolution_is_refused() -> None:
    with pytest.raises(ChoiceError, match=r"10m.*choose one of 110m, 50m"):
        land_mask(LatLonGrid.regular(4.0), "10m")  # type: ignore[arg-type]
    with pytest.raises(ChoiceError):
        coastlines("10m")  # type: ignore[arg-type]


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_rings_are_closed_valid_and_do_not_overlap(resolution: str) -> None:
    rings = _rings(resolution)
    assert all(np.array_equal(ring[0], ring[-1]) for ring in rings)
    assert all(np.all(np.abs(ring) <= (180.0, 90.0)) for ring in rings)
    polygons = np.array([shapely.Polygon(ring) for ring in rings])
    assert shapely.is_valid(polygons).all()
    assert shapely.STRtree(polygons).query(polygons, predicate="overlaps").size == 0


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_no_coastline_runs_along_the_date_line_or_to_the_pole(resolution: str) -> None:
    for line in coastlines(resolution):
        on_date_line = np.abs(line[:, 0]) == 180.0
        assert not np.any(on_date_line[:-1] & on_date_line[1:])
        assert np.abs(np.diff(line[:, 0])).max() < 10.0
        assert line[:, 1].min() > -86.0
        assert np.array_equal(line[0], line[-1]) or (on_date_line[0] and on_date_line[-1])
        assert not line.flags.writeable


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_a_coast_that_ends_at_the_date_line_goes_on_beyond_it(resolution: str) -> None:
    ends = np.concatenate([line[[0, -1]] for line in coastlines(resolution) if not np.array_equal(line[0], line[-1])])
    west, east = (np.sort(ends[ends[:, 0] == side, 1]) for side in (-180.0, 180.0))
    # Natural Earth's own cut through Taveuni differs by 0.002° between the two sides
    np.testing.assert_allclose(west, east, atol=2e-3)


# --- coast-sdf.png --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sdf() -> tuple[np.ndarray, LatLonGrid, dict[str, float]]:
    """Distance in degrees (H, W), its grid (first row north) and what is written beside the image."""
    about = json.loads(asset("coast-sdf.json").read_text())
    levels = np.asarray(Image.open(asset("coast-sdf.png")))
    height, width = levels.shape
    assert (height, width) == (about["height"], about["width"])
    lat = 90.0 - (np.arange(height) + 0.5) * 180.0 / height
    lon = -180.0 + (np.arange(width) + 0.5) * 360.0 / width
    return (levels.astype(float) - about["zero"]) / about["levels_per_degree"], LatLonGrid(lat, lon), about


def test_the_distance_image_has_the_masks_sign(sdf) -> None:
    distance, grid, about = sdf
    mask = land_mask(grid, "50m").numpy()
    away = np.abs(distance) > 1.0 / about["levels_per_degree"]
    np.testing.assert_array_equal(distance[away] > 0.0, mask[away])
    assert away.mean() > 0.95


def distance_on_a_flat_window(coast: shapely.MultiLineString, lat: float, lon: float) -> float:
    """Degrees to the coast within 2°, in a plane true at the point's own parallel."""
    shrink = np.array([np.cos(np.radians(lat)), 1.0])
    window = shapely.clip_by_rect(coast, lon - 2.0 / shrink[0], lat - 2.0, lon + 2.0 / shrink[0], lat + 2.0)
    return shapely.transform(window, lambda lonlat: lonlat * shrink).distance(shapely.Point(lon * shrink[0], lat))


def test_the_distance_image_measures_great_circle_degrees(sdf) -> None:
    distance, grid, about = sdf
    coast = shapely.MultiLineString(list(coastlines("50m")))
    near = np.argwhere((np.abs(distance) < 0.9 * about["limit_deg"]) & (np.abs(grid.lat) < 60.0)[:, None])
    near = near[np.abs(grid.lon[near[:, 1]]) < 175.0]
    for row, column in np.random.default_rng(0).permutation(near)[:60]:
        flat = distance_on_a_flat_window(coast, grid.lat[row], grid.lon[column])
        # the parallel a distance d away is longer or shorter by d·tan(lat): at most 1.1° · 1.1° · tan 60° · π/180
        assert abs(distance[row, column]) == pytest.approx(flat, abs=0.5 / about["levels_per_degree"] + 0.037)


@pytest.mark.parametrize(
    ("lat", "sign"), [(67.0, 1), (-88.0, 1), (-89.9, 1), (30.0, -1), (-50.0, -1), (89.9, -1)], ids=str
)
def test_no_false_coast_on_the_date_line_or_at_the_poles(sdf, lat: float, sign: int) -> None:
    distance, grid, _ = sdf
    row = int(np.abs(grid.lat - lat).argmin())
    assert np.all(sign * distance[row, [0, 1, -2, -1]] > 0.5)


def test_the_shipped_files_are_those_the_readme_describes() -> None:
    readme = asset("README.md").read_text()
    sums = re.findall(r"^([0-9a-f]{64})  (\S+)$", readme, flags=re.MULTILINE)
    assert len(sums) >= 7
    assert {name: hashlib.sha256(asset(name).read_bytes()).hexdigest() for _, name in sums} == {n: s for s, n in sums}
