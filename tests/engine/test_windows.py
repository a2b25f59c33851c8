"""Windows: where they lie, how they are cut, and that putting them together changes nothing."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ChoiceError
from engine.sphere import LatLonGrid
from engine.training.sst.windows import Corner, Stitcher, Windows

GLOBE = LatLonGrid.regular(5.0)
REGION = LatLonGrid(np.arange(20.0, 40.0), np.arange(-70.0, -40.0))


def numbered(grid: LatLonGrid) -> np.ndarray:
    return np.arange(grid.lat.size * grid.lon.size, dtype=np.float32).reshape(grid.shape)


@pytest.mark.parametrize("grid", [GLOBE, REGION, LatLonGrid.poles(5.0)], ids=["globe", "region", "poles"])
@pytest.mark.parametrize(("size", "overlap"), [((12, 16), 4), ((8, 8), 0), ((16, 12), 11), ((64, 400), 3)])
def test_the_identity_comes_out_bit_for_bit(grid, size, overlap):
    windows = Windows.of(grid, size, overlap, (4, 4))
    field = np.random.default_rng(0).normal(15.0, 10.0, (2, *grid.shape)).astype(np.float32)
    stitcher = Stitcher(windows, (2,))
    for corner in np.random.default_rng(1).permutation(windows.corners):
        stitcher.add(Corner(*corner), windows.cut(field, Corner(*corner)))
    np.testing.assert_array_equal(stitcher.field, field)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 11), st.sampled_from([GLOBE, REGION]), st.integers(1, 4))
def test_windows_cover_every_cell_and_overlap_as_much_as_asked(rows, columns, overlap, grid, side):
    size = rows * side, columns * side
    if overlap >= min(size) or side * max(rows, columns) > min(grid.shape):
        return
    windows = Windows.of(grid, size, overlap, (side, side))
    count = np.zeros(grid.shape, int)
    for corner in windows.corners:
        columns_seen = (corner.column + np.arange(size[1])) % grid.shape[1]
        assert grid.is_periodic or corner.column + size[1] <= grid.shape[1]
        count[corner.row : corner.row + size[0], columns_seen] += 1
    assert count.min() >= 1
    starts = sorted({corner.row for corner in windows.corners})
    assert all(after - before <= size[0] - overlap for before, after in itertools.pairwise(starts))


def test_a_cut_goes_over_the_date_line():
    windows = Windows.of(GLOBE, (4, 8), 0, (4, 4))
    field = numbered(GLOBE)
    expected = np.concatenate((field[8:12, 68:], field[8:12, :4]), axis=1)
    np.testing.assert_array_equal(windows.cut(field, Corner(8, 68)), expected)
    coordinates = windows.coordinates(Corner(8, 68))
    np.testing.assert_allclose(coordinates.lat, GLOBE.lat[8:12])
    np.testing.assert_allclose((coordinates.lon + 180) % 360 - 180, np.r_[GLOBE.lon[68:], GLOBE.lon[:4]])


def test_overlaps_are_blended_by_their_tapers_by_hand():
    grid = LatLonGrid(np.array([0.5, 1.5]), np.arange(6.0))
    windows = Windows.of(grid, (2, 4), 1, (1, 1))
    assert windows.corners == (Corner(0, 0), Corner(0, 2))
    wide = Windows(grid, (2, 4), 2)
    stitcher = Stitcher(wide)
    stitcher.add(Corner(0, 0), np.full((2, 4), 1.0, np.float32))
    stitcher.add(Corner(0, 2), np.full((2, 4), 3.0, np.float32))
    # sin²(π/8) = 0.1464 and cos²(π/8) = 0.8536 where both lie
    low = np.sin(np.pi / 8) ** 2
    expected = [1.0, 1.0, 1.0 + 2.0 * low, 3.0 - 2.0 * low, 3.0, 3.0]
    np.testing.assert_allclose(stitcher.field, [expected, expected], rtol=1e-6)


def test_the_order_of_the_windows_matters_to_rounding_only():
    windows = Windows.of(GLOBE, (12, 16), 6, (4, 4))
    rng = np.random.default_rng(0)
    parts = {corner: rng.normal(size=(12, 16)).astype(np.float32) for corner in windows.corners}
    fields = []
    for order in (windows.corners, windows.corners[::-1]):
        stitcher = Stitcher(windows)
        for corner in order:
            stitcher.add(corner, parts[corner])
        fields.append(stitcher.field)
    np.testing.assert_allclose(*fields, atol=1e-6)


def test_corners_are_likely_by_the_ocean_they_see():
    windows = Windows.of(GLOBE, (8, 8), 0, (4, 4))
    ocean = np.zeros(GLOBE.shape)
    ocean[10, 71] = 1.0
    corners, chances = windows.likely_corners(ocean)
    assert chances.sum() == pytest.approx(1.0)
    for (row, column), chance in zip(corners, chances, strict=True):
        sees = row <= 10 < row + 8 and (71 - column) % 72 < 8
        assert chance == pytest.approx(1.0 / 64.0 if sees else 0.0, abs=1e-12)


def test_corners_of_a_region_do_not_wrap():
    corners, chances = Windows.of(REGION, (8, 8), 0, (4, 4)).likely_corners(np.ones(REGION.shape))
    assert corners.max(axis=0).tolist() == [12, 22]
    assert np.ptp(chances) < 1e-12


def test_a_window_larger_than_the_grid_takes_the_patches_that_fit():
    windows = Windows.of(REGION, (420, 420), 0, (6, 7))
    assert windows.size == (18, 28)
    assert {corner.row for corner in windows.corners} == {0, 2}


@pytest.mark.parametrize(
    ("size", "overlap", "patch", "message"),
    [
        ((10, 16), 0, (4, 4), "patch height 4 does not divide a window height of 10 .* 8 or 12"),
        ((16, 3), 0, (4, 4), "patch width 4 does not divide a window width of 3 .* 4"),
        ((8, 16), 8, (4, 4), "overlap of 8 cells .* overlap < 8"),
    ],
)
def test_windows_that_cannot_be_are_told_in_words(size, overlap, patch, message):
    with pytest.raises(ChoiceError, match=message):
        Windows.of(GLOBE, size, overlap, patch)


@pytest.mark.parametrize("lat", [np.arange(30.5, 46.0), np.arange(-45.5, -43.0), np.arange(87.5, 90.0), np.arange(2.0)])
def test_a_small_sea_is_covered_whole(lat):
    """16 rows under windows that share 16, or fewer rows than a patch has: the rest of the window is land."""
    grid = LatLonGrid(lat, np.arange(-5.5, 36.5))
    windows = Windows.of(grid, (60, 120), 16, (4, 4))
    field = np.random.default_rng(0).normal(15.0, 5.0, (2, *grid.shape)).astype(np.float32)
    stitcher = Stitcher(windows, (2,))
    for corner in windows.corners:
        window, land = windows.cut(field, corner), windows.cut(np.zeros(grid.shape, bool), corner)
        assert window.shape[1:] == land.shape == windows.coordinates(corner).shape == windows.size
        np.testing.assert_array_equal(np.isnan(window[0]), land)
        assert set(np.round(windows.coordinates(corner).lat[~land.all(axis=1)], 6)) <= set(lat)
        stitcher.add(corner, window)
    np.testing.assert_array_equal(stitcher.field, field)
    if grid.shape[0] < 4:
        with pytest.raises(ChoiceError, match="a patch is larger than the grid's"):
            windows.likely_corners(np.ones(grid.shape))


def test_a_world_without_sea_is_refused():
    with pytest.raises(ChoiceError, match="no window sees a cell to learn from"):
        Windows.of(GLOBE, (8, 8), 0, (4, 4)).likely_corners(np.zeros(GLOBE.shape))


@pytest.mark.parametrize(
    ("grid", "patch", "where"),
    [
        (LatLonGrid.regular(30.0), (16, 16), "over a pole"),
        (LatLonGrid.regular(30.0), (16, 4), "over a pole"),
        (LatLonGrid.regular(30.0), (2, 24), "more than once around the globe"),
        (LatLonGrid(np.arange(-55.0, 60.0, 10.0), np.arange(0.0, 200.0, 10.0)), (18, 20), "over a pole"),
        (LatLonGrid(np.arange(-5.0, 10.0, 10.0), np.arange(0.0, 200.0, 10.0)), (2, 40), "more than once around"),
    ],
)
def test_a_patch_without_room_on_the_sphere_is_refused_with_what_can_be_done(grid, patch, where):
    """Not with a sentence on latitudes beyond a pole, which the grid does not have."""
    with pytest.raises(ChoiceError, match=f"a patch of {patch[0]} × {patch[1]} cells reaches {where}") as refused:
        Windows.of(grid, patch, 1, patch)
    assert "smaller patches" in refused.value.remedy


def test_a_patch_may_reach_beyond_a_smaller_grid_up_to_the_pole():
    grid = LatLonGrid(np.arange(45.0, 90.0, 10.0), np.arange(0.0, 200.0, 10.0))
    windows = Windows.of(grid, (14, 36), 1, (14, 36))
    np.testing.assert_allclose(windows.coordinates(windows.corners[0]).lat, np.arange(-45.0, 90.0, 10.0))
