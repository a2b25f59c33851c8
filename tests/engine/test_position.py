"""Position embeddings: the fused pass against every harmonic on every cell, patches and their areas, refusals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.data import land_mask
from engine.embedding import HarmonicBasis, Patches, clipped_fraction, position, position_embedding, position_field
from engine.errors import ChoiceError
from engine.sphere import LatLonGrid
from tests.support.reference import patch_means, position_pixels

#: How close the fused pass is to the slow reference (issue 4: 1e-6 in float32).
FUSED = {torch.float32: 1e-6, torch.float64: 1e-11}

SPHERE_M2 = 4.0 * math.pi * 6_371_000.0**2
COARSE = LatLonGrid.regular(3.0)
OVER_DATE_LINE = LatLonGrid(
    np.arange(60.0, 36.0, -2.0), [*np.arange(171.0, 180.0, 2.0), *np.arange(-179.0, -172.0, 2.0)]
)
GRIDS = {
    "regular": (COARSE, (4, 6)),
    "rows on the poles": (LatLonGrid.poles(9.0), (3, 5)),
    "one cell a patch": (LatLonGrid.regular(10.0), (1, 1)),
    "one patch": (LatLonGrid.regular(10.0), (18, 36)),
    "box over the date line, descending": (OVER_DATE_LINE, (4, 3)),
}


@pytest.fixture(scope="module", params=["sphere", "ocean"])
def basis(request: pytest.FixtureRequest) -> HarmonicBasis:
    where = None if request.param == "sphere" else ~land_mask(COARSE)
    return HarmonicBasis.fit(COARSE, 10, 64, where)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows at a time, so that chunks end inside patches and tables inside the grid."""
    monkeypatch.setattr(position, "_CHUNK_BYTES", {"cpu": 3 * 120 * 64 * 4})
    monkeypatch.setattr(position, "_TABLE_BYTES", {"cpu": 7 * 8 * 21 * 64})


# --- the fused pass -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", list(FUSED))
@pytest.mark.parametrize("name", list(GRIDS))
def test_the_fused_pass_is_the_slow_one(basis: HarmonicBasis, name: str, dtype: torch.dtype) -> None:
    grid, patch = GRIDS[name]
    slow = patch_means(position_pixels(basis, grid, 3.0), grid.cell_area_m2, patch)
    fused = position_embedding(basis, grid, patch, dtype=dtype)
    assert fused.dtype == dtype
    assert fused.shape == slow.shape
    assert np.abs(fused.numpy() - slow).max() < FUSED[dtype]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("patch", [(4, 6), (1, 120), (60, 1), (30, 20)])
def test_chunks_may_end_anywhere(basis: HarmonicBasis, patch: tuple[int, int]) -> None:
    slow = patch_means(position_pixels(basis, COARSE, 3.0), COARSE.cell_area_m2, patch)
    assert np.abs(position_embedding(basis, COARSE, patch).numpy() - slow).max() < FUSED[torch.float32]


@pytest.mark.parametrize("clip", [None, 0.5, 3.0])
def test_the_field_is_the_slow_one_and_its_patch_means_the_embedding(basis: HarmonicBasis, clip: float | None) -> None:
    slow = position_pixels(basis, COARSE, clip)
    field = position_field(basis, COARSE, clip, dtype=torch.float64)
    assert np.abs(field.numpy() - slow).max() < FUSED[torch.float64] * max(1.0, np.abs(slow).max())
    if clip is not None:
        assert float(field.abs().max()) <= clip
    means = patch_means(field.numpy(), COARSE.cell_area_m2, (4, 6))
    embedding = position_embedding(basis, COARSE, (4, 6), clip, dtype=torch.float64)
    np.testing.assert_allclose(embedding.numpy(), means, atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("name", ["regular", "rows on the poles", "box over the date line, descending"])
def test_the_published_convention_standardises_over_the_pixels(basis: HarmonicBasis, name: str) -> None:
    grid, patch = GRIDS[name]
    slow = position_pixels(basis, grid, 3.0, published=True)
    field = position_field(basis, grid, standardise="pixels", dtype=torch.float64)
    assert np.abs(field.numpy() - slow).max() < 1e-9
    fused = position_embedding(basis, grid, patch, standardise="pixels")
    assert np.abs(fused.numpy() - patch_means(slow, grid.cell_area_m2, patch)).max() < FUSED[torch.float32]
    assert float((fused - position_embedding(basis, grid, patch)).abs().max()) > 0.01, "the conventions must differ"


def test_the_field_has_mean_0_and_variance_1_over_the_fit_domain(basis: HarmonicBasis) -> None:
    field = position_field(basis, COARSE, None, dtype=torch.float64).numpy()
    counted = np.ones(COARSE.shape, dtype=bool) if basis.where is None else basis.where.numpy()
    weights = (COARSE.cell_area_m2[:, None] * counted)[..., None] / (COARSE.cell_area_m2[:, None] * counted).sum()
    mean = (weights * field).sum(axis=(0, 1))
    variance = (weights * (field - mean) ** 2).sum(axis=(0, 1))
    # over the whole sphere the moments are the exact ones, and the grid's sums come near them
    near = 1e-9 if basis.where is not None else 0.05
    assert np.abs(mean).max() < near
    assert np.abs(variance - 1.0).max() < max(near, 1e-7)


def test_fewer_components_are_the_first_ones(basis: HarmonicBasis) -> None:
    all_of_them = position_embedding(basis, COARSE, (4, 6), dtype=torch.float64)
    first = position_embedding(basis, COARSE, (4, 6), num_components=5, dtype=torch.float64)
    torch.testing.assert_close(first, all_of_them[..., :5], atol=1e-12, rtol=0.0)
    assert clipped_fraction(basis, COARSE, 1.0, num_components=5).shape == (5,)


def test_the_clipped_fraction_is_the_area_beyond_the_clip(basis: HarmonicBasis) -> None:
    beyond = np.abs(position_pixels(basis, COARSE, None)) > 1.7
    area = COARSE.cell_area_m2 / (COARSE.cell_area_m2.sum() * COARSE.shape[1])
    expected = np.einsum("h,hwk->k", area, beyond)
    fraction = clipped_fraction(basis, COARSE, 1.7).numpy()
    assert expected.max() > 0.05
    # a cell whose value meets the clip to rounding may fall on either side
    np.testing.assert_allclose(fraction, expected, atol=1e-3)


def test_the_poles_are_points_and_the_date_line_is_no_edge(basis: HarmonicBasis) -> None:
    on_poles = position_field(basis, LatLonGrid.poles(15.0), dtype=torch.float64)
    for row in (0, -1):
        assert float(np.ptp(on_poles[row].numpy(), axis=0).max()) < 1e-12
    turned = LatLonGrid(COARSE.lat, COARSE.lon + 180.0)
    here = position_embedding(basis, COARSE, (4, 6), dtype=torch.float64)
    there = position_embedding(basis, turned, (4, 6), dtype=torch.float64)
    torch.testing.assert_close(torch.roll(there, 10, dims=1), here, atol=1e-12, rtol=0.0)
    np.testing.assert_allclose(np.roll(Patches(turned, (4, 6)).lon, 10), Patches(COARSE, (4, 6)).lon, atol=1e-12)


def test_progress_rises_to_one_and_may_abandon(basis: HarmonicBasis, small_chunks: None) -> None:
    seen: list[float] = []
    position_embedding(basis, COARSE, (4, 6), progress=lambda share, _text: seen.append(share))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 5

    class Abandoned(Exception):  # noqa: N818
        pass

    def give_up(share: float, text: str) -> None:
        raise Abandoned

    with pytest.raises(Abandoned):
        position_embedding(basis, COARSE, (4, 6), progress=give_up)


def test_choices_that_cannot_work_are_refused(basis: HarmonicBasis) -> None:
    with pytest.raises(ChoiceError, match="choose more than 0"):
        position_field(basis, COARSE, 0.0)
    with pytest.raises(ChoiceError, match="choose K from 1 to 64"):
        position_embedding(basis, COARSE, (4, 4), num_components=65)
    with pytest.raises(ChoiceError, match="patch height 7 does not divide 60 latitudes"):
        position_embedding(basis, COARSE, (7, 4))


# --- patches --------------------------------------------------------------------------------------------------------


@given(st.sampled_from([0.5, 1.0, 2.25, 4.0, 9.0]), st.booleans(), st.data())
def test_the_areas_of_the_patches_add_up_to_the_sphere(step: float, on_poles: bool, data: st.DataObject) -> None:
    grid = LatLonGrid.poles(step) if on_poles else LatLonGrid.regular(step)
    patch = tuple(
        data.draw(st.sampled_from([n for n in range(1, cells + 1) if cells % n == 0])) for cells in grid.shape
    )
    patches = Patches(grid, patch)
    assert patches.area_m2.sum() * patches.shape[1] == pytest.approx(SPHERE_M2, rel=1e-12)
    cells = grid.cell_area_m2.reshape(patches.shape[0], -1).sum(axis=1) * patch[1]
    np.testing.assert_allclose(patches.area_m2, cells, rtol=1e-12)
    np.testing.assert_allclose(patches.row_weights.sum(axis=1), 1.0, rtol=1e-12)
    assert (patches.lon >= -180.0).all()
    assert (patches.lon < 180.0).all()


def test_patches_over_the_date_line_lie_where_they_are() -> None:
    patches = Patches(OVER_DATE_LINE, (4, 3))
    np.testing.assert_allclose(patches.lon, [173.0, 179.0, -175.0])
    np.testing.assert_allclose(patches.lat, [57.0, 49.0, 41.0])
    np.testing.assert_allclose(patches.lon_bounds, [170.0, 176.0, 182.0, 188.0])


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ((7, 4), r"patch height 7 does not divide 180 latitudes \(grid \(180, 360\)\). Remedy: 6 and 9 do\."),
        ((4, 7), "patch width 7 does not divide 360 longitudes .* 6 and 8 do"),
        ((0, 4), "patch height 0 does not divide 180 latitudes .* 1 does"),
        ((200, 4), "180 does"),
    ],
)
def test_patches_that_do_not_fill_the_grid_are_refused(patch: tuple[int, int], message: str) -> None:
    with pytest.raises(ChoiceError, match=message):
        Patches(LatLonGrid.regular(1.0), patch)
