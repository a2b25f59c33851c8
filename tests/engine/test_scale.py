"""Scale features: by hand on easy patches, the published formulas, the date line and the poles."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.embedding import SCALE_FEATURES, scale_features
from engine.errors import ChoiceError
from engine.sphere import LatLonGrid
from tests.support.reference import published_scale

RADIUS_M = 6_371_000.0


def sizes_by_name(grid: LatLonGrid, patch: tuple[int, int], row: int) -> dict[str, float]:
    features = scale_features(grid, patch)[row, 0]
    return dict(zip((name for name, _ in SCALE_FEATURES), features.exp().tolist(), strict=True))


def test_a_patch_at_the_equator_by_hand() -> None:
    # two rows from 0° to 2° north, four columns of 1°: area = R² (sin 2° − sin 0°) · 4° in radians
    sizes = sizes_by_name(LatLonGrid.regular(1.0), (2, 4), 45)
    height = RADIUS_M * math.radians(2.0)
    area = RADIUS_M**2 * math.sin(math.radians(2.0)) * math.radians(4.0)
    assert sizes == pytest.approx(
        {
            "width": area / height,
            "height": height,
            "area": area,
            "width / height": area / height**2,
            "pixel width": area / height / 4.0,
            "pixel height": height / 2.0,
            "pixel size": math.sqrt(area / 8.0),
            "pixel width / height": area / height**2 / 2.0,
            "finest degree eastward": math.pi * RADIUS_M * height / area,
            "finest degree northward": 90.0,
        },
        rel=1e-12,
    )


@given(st.sampled_from([(1, 1), (3, 8), (45, 360), (180, 5)]), st.booleans())
def test_the_areas_are_those_of_the_sphere(patch: tuple[int, int], whole_circle: bool) -> None:
    grid = LatLonGrid.regular(1.0) if whole_circle else LatLonGrid(LatLonGrid.regular(1.0).lat, np.arange(0.5, 360.5))
    features = scale_features(grid, patch)
    assert features.dtype == torch.float64
    assert float(features[..., 2].exp().sum()) == pytest.approx(4.0 * math.pi * RADIUS_M**2, rel=1e-12)
    assert torch.isfinite(features).all()


def test_rows_on_the_poles_are_half_cells() -> None:
    sizes = sizes_by_name(LatLonGrid.poles(2.0), (1, 1), 0)
    assert sizes["height"] == pytest.approx(RADIUS_M * math.radians(1.0), rel=1e-12)
    cap = RADIUS_M**2 * 2.0 * math.sin(math.radians(0.5)) ** 2 * math.radians(2.0)
    assert sizes["area"] == pytest.approx(cap, rel=1e-12)


@pytest.mark.parametrize(
    ("grid", "patch"),
    [
        (LatLonGrid.regular(3.0), (4, 6)),
        (LatLonGrid.poles(9.0), (3, 5)),
        (LatLonGrid(np.arange(62.0, 30.0, -2.0), np.arange(-20.0, 20.0, 2.5)), (2, 8)),
    ],
    ids=["regular", "poles", "descending box"],
)
def test_the_published_convention_is_its_formulas(grid: LatLonGrid, patch: tuple[int, int]) -> None:
    features = scale_features(grid, patch, extent="centres").numpy()
    for i, j in np.ndindex(features.shape[:2]):
        rows, columns = slice(i * patch[0], (i + 1) * patch[0]), slice(j * patch[1], (j + 1) * patch[1])
        np.testing.assert_allclose(features[i, j], published_scale(grid.lat[rows], grid.lon[columns]), rtol=1e-12)
    assert np.abs(features - scale_features(grid, patch).numpy()).max() > 0.1, "the conventions must differ"


def test_the_published_area_is_that_of_the_sphere_by_hand() -> None:
    # rows from 6.5° to 17.5° north and 12 columns, 11° between the outer centres; dx · dy is larger by 1.5e-3
    features = scale_features(LatLonGrid.regular(1.0), (12, 12), extent="centres")[8, 0]
    south, north = (math.sin(math.radians(value)) for value in (6.5, 17.5))
    assert float(features[2]) == pytest.approx(math.log(RADIUS_M**2 * (north - south) * math.radians(11.0)), abs=1e-12)
    assert float(features[0] + features[1] - features[2]) == pytest.approx(math.radians(11.0) ** 2 / 24.0, rel=0.01)


@pytest.mark.parametrize("extent", ["edges", "centres"])
def test_a_patch_over_the_date_line_is_like_any_other(extent: str) -> None:
    lat = np.arange(40.0, 48.0)
    over = LatLonGrid(lat, [176.5, 177.5, 178.5, 179.5, -179.5, -178.5, -177.5, -176.5])
    away = LatLonGrid(lat, np.arange(10.5, 18.5))
    torch.testing.assert_close(
        scale_features(over, (4, 8), extent), scale_features(away, (4, 8), extent), rtol=1e-12, atol=0.0
    )


def test_what_cannot_be_measured_is_refused() -> None:
    grid = LatLonGrid.regular(1.0)
    with pytest.raises(ChoiceError, match="no extent from centre to centre"):
        scale_features(grid, (1, 4), extent="centres")
    with pytest.raises(ChoiceError, match="6 and 9 do"):
        scale_features(grid, (7, 4))
