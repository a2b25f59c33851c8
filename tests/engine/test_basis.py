"""The harmonic basis: moments against brute force, the degenerate sphere, ties, sign, rounding, files, refusals."""

import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.land import land_mask
from engine.embedding import MAX_MASKED_DEGREE, HarmonicBasis, agreement, position_field
from engine.embedding._covariance import (
    TIE_TOLERANCE,
    canonical_order,
    moments,
    principal_axes,
    tie_groups,
    with_signs,
)
from engine.errors import ChoiceError, StoreError
from engine.sphere import HarmonicGrid, LatLonGrid, flat_index, harmonics_at, lat_lon, unit_vectors
from engine.typed import eigh
from tests.support.components import component_field
from tests.support.reference import real_harmonics, rotation, weighted_moments
from tests.support.tolerances import TOLERANCES

EXACT = TOLERANCES[torch.float64]
COARSE = LatLonGrid.regular(6.0)
BOX_GRID = LatLonGrid(np.arange(62.0, 30.0, -2.0), [*np.arange(170.0, 180.0, 2.5), *np.arange(-180.0, -160.0, 2.5)])


def blobs(grid: LatLonGrid, share: float = 0.7) -> np.ndarray:
    """A mask of smooth shapes that covers ``share`` of the cells."""
    rng = np.random.default_rng(3)
    coeffs = np.concatenate([rng.normal(size=2 * degree + 1) / (1 + degree) for degree in range(11)])
    field = HarmonicGrid(grid, 10).synthesise(torch.tensor(coeffs)).numpy()
    return field < np.quantile(field, share)


def lat_lon_box(grid: LatLonGrid, half_width: float = 10.0) -> np.ndarray:
    return (np.abs(grid.lat - 30.0) < half_width)[:, None] & (np.abs(grid.lon) < half_width)[None]


def ocean(grid: LatLonGrid) -> np.ndarray:
    return ~np.asarray(land_mask(grid))


@pytest.fixture(scope="module")
def ocean_basis() -> HarmonicBasis:
    grid = LatLonGrid.regular(1.0)
    return HarmonicBasis.fit(grid, 20, 440, ocean(grid), domain={"kind": "ocean"})


# --- moments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", list(TOLERANCES))
@pytest.mark.parametrize(
    ("grid", "where"),
    [
        (COARSE, blobs(COARSE)),
        (LatLonGrid.poles(9.0), blobs(LatLonGrid.poles(9.0), 0.3)),
        (COARSE, np.ones(COARSE.shape, dtype=bool)),
        (BOX_GRID, np.ones(BOX_GRID.shape, dtype=bool)),
        (BOX_GRID, np.random.default_rng(0).random(BOX_GRID.shape) < 0.5),
    ],
    ids=["blobs", "poles", "whole", "box over the date line", "speckled box"],
)
def test_moments_agree_with_brute_force(grid: LatLonGrid, where: np.ndarray, dtype: torch.dtype) -> None:
    L = 9
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    areas = np.broadcast_to(grid.cell_area_m2[:, None], grid.shape)[where]
    mean, covariance = weighted_moments(real_harmonics(lat[where], lon[where], L), areas)
    computed = moments(grid, torch.tensor(where), L, dtype=dtype)
    assert computed.mean.dtype == dtype
    assert np.abs(computed.mean.numpy() - mean).max() < TOLERANCES[dtype].moment
    assert np.abs(computed.covariance.numpy() - covariance).max() < TOLERANCES[dtype].moment
    assert computed.fraction == pytest.approx(areas.sum() / (4.0 * math.pi * 6_371_000.0**2), rel=1e-12)


def test_components_are_orthonormal_and_standardised_over_the_domain() -> None:
    where = blobs(COARSE)
    basis = HarmonicBasis.fit(COARSE, 8, 60, where)
    gram = basis.components.T @ basis.components
    assert float((gram - torch.eye(60)).abs().max()) < EXACT.orthonormal
    weights = np.broadcast_to(COARSE.cell_area_m2[:, None], COARSE.shape)[where]
    fields = np.stack([component_field(basis, COARSE, k, torch.float64).numpy()[where] for k in range(60)], axis=1)
    mean, covariance = weighted_moments(fields, weights)
    assert np.abs(mean).max() < EXACT.field
    assert np.abs(covariance - np.eye(60)).max() < 1e-7
    assert (basis.eigenvalues[:-1] >= basis.eigenvalues[1:]).all()
    assert torch.allclose(basis.std**2, basis.eigenvalues[:60], rtol=1e-6, atol=0)
    assert float(basis.explained.sum()) < 1.0
    assert float((basis.components[:, 17] ** 2).sum()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("dtype", list(TOLERANCES))
def test_a_component_is_the_centred_projection_on_any_grid(dtype: torch.dtype) -> None:
    basis = HarmonicBasis.fit(COARSE, 6, 20, blobs(COARSE))
    other = LatLonGrid.poles(15.0)
    lat, lon = np.meshgrid(other.lat, other.lon, indexing="ij")
    centred = real_harmonics(lat, lon, 6) - basis.mean.numpy()
    expected = centred @ basis.components.numpy() / basis.std.numpy()
    for k in (0, 7, 19):
        field = component_field(basis, other, k, dtype)
        assert field.dtype == dtype
        assert np.abs(field.numpy() - expected[..., k]).max() < TOLERANCES[dtype].field


def test_factors_make_the_field_and_the_poles_are_points() -> None:
    basis = HarmonicBasis.fit(COARSE, 6, 20, blobs(COARSE))
    other = LatLonGrid.poles(15.0)
    table, orders = basis.component_factors(other, 3)
    assert table.shape == (13, 13)
    assert orders.tolist() == list(range(-6, 7))
    angles = torch.deg2rad(torch.tensor(other.lon)) * orders[:, None].abs()
    trig = torch.where(orders[:, None] < 0, torch.sin(angles), torch.cos(angles))
    assert torch.allclose(table @ trig, component_field(basis, other, 3, torch.float64), atol=1e-12)
    assert (table[[0, -1]][:, orders != 0] == 0).all()


# --- the whole sphere -----------------------------------------------------------------------------------------------


def test_the_whole_sphere_is_its_harmonics_in_canonical_order() -> None:
    basis = HarmonicBasis.fit(LatLonGrid.regular(5.0), 10, 120)
    leading = [int(basis.components[:, k].argmax()) for k in range(8)]
    assert leading == [flat_index(*lm) for lm in ((1, 0), (1, -1), (1, 1), (2, 0), (2, -1), (2, 1), (2, -2), (2, 2))]
    assert (basis.components.sum(0) == 1.0).all()
    assert torch.allclose(basis.eigenvalues[:-1] * 4.0 * math.pi, torch.ones(120).double(), atol=1e-15)
    assert basis.eigenvalues[-1] == 0.0
    assert basis.domain == {"kind": "sphere", "fraction": 1.0}
    assert sorted(canonical_order(3).tolist()) == list(range(16))


def test_the_whole_sphere_is_the_same_on_two_grids_and_as_a_mask_that_counts_all() -> None:
    fits = [
        HarmonicBasis.fit(LatLonGrid.regular(5.0), 7, 40),
        HarmonicBasis.fit(LatLonGrid.poles(1.0), 7, 40),
        HarmonicBasis.fit(COARSE, 7, 40, torch.ones(COARSE.shape, dtype=torch.bool)),
    ]
    for other in fits[1:]:
        for name in ("mean", "components", "eigenvalues", "std"):
            assert torch.equal(getattr(fits[0], name), getattr(other, name))
    assert agreement(fits[0], fits[1]) == 1.0


def kernel(basis: HarmonicBasis, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Σ_k y_k(a) y_k(b) over the components: the projector that the spanned space is."""
    at_a, at_b = (harmonics_at(*lat_lon(p), basis.max_degree, dtype=torch.float64) @ basis.components for p in (a, b))
    return at_a @ at_b.T


@settings(max_examples=20)
@given(st.integers(1, 6), st.tuples(*[st.floats(0.0, 180.0)] * 3))
def test_whole_degrees_span_a_space_that_turns_into_itself(degree: int, angles: tuple[float, float, float]) -> None:
    basis = HarmonicBasis.fit(COARSE, 6, (degree + 1) ** 2 - 1)
    rng = np.random.default_rng(5)
    points = unit_vectors(rng.uniform(-90, 90, 12), rng.uniform(-180, 180, 12))
    turned = points @ torch.tensor(rotation(angles)).T
    change = kernel(basis, points, points) - kernel(basis, turned, turned)
    assert float(change.abs().max()) < EXACT.orthonormal


def test_a_degree_cut_in_two_depends_on_the_axis() -> None:
    basis = HarmonicBasis.fit(COARSE, 6, 30)
    points = unit_vectors(np.array([10.0, 50.0]), np.array([0.0, 80.0]))
    turned = points @ torch.tensor(rotation((0.0, 70.0, 0.0))).T
    assert float((kernel(basis, points, points) - kernel(basis, turned, turned)).abs().max()) > 1e-2


@pytest.mark.parametrize(
    ("num_components", "prefix", "clean"),
    [
        (63, "K = 63 holds degrees 1 to 7 whole", True),
        (64, "K = 64 ends inside degree 8: 1 of its 17 orders is kept", False),
        (79, "K = 79 ends inside degree 8: 16 of its 17 orders are kept", False),
        (80, "K = 80 holds degrees 1 to 8 whole", True),
    ],
)
def test_the_passport_says_which_degree_is_cut(num_components: int, prefix: str, clean: bool) -> None:
    cut = HarmonicBasis.fit(COARSE, 10, num_components).passport(COARSE)["cut"]
    assert cut["text"].startswith(prefix)
    assert cut["clean"] is clean


# --- ties and signs -------------------------------------------------------------------------------------------------


def test_ties_are_runs_of_close_neighbours() -> None:
    step = 0.4 * TIE_TOLERANCE
    values = torch.tensor([1.0, 1.0 - step, 1.0 - 2 * step, 0.5, 0.2, 0.2 - step, 0.0], dtype=torch.float64)
    assert tie_groups(values) == [(0, 2), (4, 5)]
    assert tie_groups(torch.tensor([3.0, 2.0])) == []
    assert tie_groups(torch.ones(4)) == [(0, 3)]


def test_the_first_of_the_nearly_largest_loadings_is_positive() -> None:
    axes = torch.tensor([[0.1, -0.70700], [-0.9, 0.70721], [0.2, 0.0]], dtype=torch.float64)
    signed = with_signs(axes)
    assert signed[1, 0] == 0.9
    assert signed[0, 1] == 0.70700


def test_a_masked_basis_survives_rounding_noise(ocean_basis: HarmonicBasis) -> None:
    """The same cells in another order are the same domain: only rounding differs, and no component may turn or flip."""
    grid, where = ocean_basis.grid, ocean_basis.where
    assert where is not None
    values = ocean_basis.eigenvalues
    gaps = int((values[:-1] - values[1:] < TIE_TOLERANCE * values[0]).sum())
    assert gaps > 20, "the real ocean has a plateau of ties at L = 20"
    turned = LatLonGrid(grid.lat[::-1], np.roll(grid.lon, 77))
    again = HarmonicBasis.fit(turned, 20, 440, torch.roll(where.flip(0), 77, dims=1))
    assert not torch.equal(again.eigenvalues, values), (
        "the second fit must differ by rounding for the test to mean much"
    )
    signed = (ocean_basis.components * again.components).sum(0)
    assert float(signed.min()) > 1.0 - 1e-6


def test_the_tie_rule_is_what_holds_the_components_under_noise(ocean_basis: HarmonicBasis) -> None:
    assert ocean_basis.where is not None
    covariance = moments(ocean_basis.grid, ocean_basis.where, 20).covariance
    noise = 1e-15 * torch.randn(covariance.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    both = covariance, covariance + noise + noise.T
    plain = [with_signs(eigh(matrix)[1].flip(1))[:, :440] for matrix in both]
    ruled = [principal_axes(matrix)[1][:, :440] for matrix in both]
    assert float((plain[0] * plain[1]).sum(0).min()) < 0.9
    assert float((ruled[0] * ruled[1]).sum(0).min()) > 1.0 - 1e-6


# --- passport -------------------------------------------------------------------------------------------------------


def test_the_passport_of_the_ocean(ocean_basis: HarmonicBasis) -> None:
    basis = HarmonicBasis.fit(ocean_basis.grid, 10, 64, ocean_basis.where, domain={"kind": "ocean"})
    land = HarmonicBasis.fit(ocean_basis.grid, 10, 64, ~ocean(ocean_basis.grid), domain={"kind": "land"})
    passport = basis.passport(LatLonGrid.regular(10.0), versus=land)
    json.dumps(passport)
    ceiling = 1.0 / basis.domain["fraction"]
    assert passport["plateau"]["level"] == pytest.approx(ceiling)
    assert passport["plateau"]["first"] == 0
    assert passport["plateau"]["last"] > 5
    assert f"{ceiling:.2f}" in passport["plateau"]["text"]
    assert passport["spectrum"][0] == pytest.approx(ceiling, rel=0.01)
    assert 64 < passport["effective_rank"] < 120
    assert 0.65 < passport["explained"] < 0.8
    # ocean and land share out the sphere, so the leading spaces shun each other
    assert passport["agreement"]["land"] < passport["agreement"]["chance"]
    assert passport["agreement"]["land"] == pytest.approx(agreement(land, basis), abs=1e-14)
    assert passport["resolution_note"] is None
    assert all(value == pytest.approx(1.0, abs=0.1) for value in passport["precision"]["correlations"][-3:])


def test_the_passport_tells_which_components_are_rounding_noise() -> None:
    grid = LatLonGrid.regular(1.0)
    basis = HarmonicBasis.fit(grid, 20, 64, lat_lon_box(grid))
    precision = basis.passport(grid)["precision"]
    assert all(value > 0.999 for value in precision["correlations"][:20])
    assert abs(precision["correlations"][-1]) < 0.9
    assert basis.num_components - 1 in precision["unstable"]
    assert 0 not in precision["unstable"]
    assert "components change when the fit is made in float32" in precision["text"]


@pytest.mark.parametrize(("max_degree", "half_width"), [(10, 10.0), (20, 10.0), (6, 4.0)])
def test_a_small_box_has_the_components_that_float64_determines(max_degree: int, half_width: float) -> None:
    grid = LatLonGrid.regular(1.0)
    where = lat_lon_box(grid, half_width)
    most = (max_degree + 1) ** 2 - 1
    basis = HarmonicBasis.fit(grid, max_degree, most, where)
    rank = basis.num_components
    assert 10 < rank == basis.rank < most
    assert f"determines {rank} of the {most} components" in str(basis.rank_text)
    assert basis.passport(grid)["rank_text"] == basis.rank_text
    # beyond the rank components are correlated up to 0.998; here they are standardised and uncorrelated
    fields = position_field(basis, grid, None, dtype=torch.float64)[torch.tensor(where)]
    area = torch.tensor(np.broadcast_to(grid.cell_area_m2[:, None], grid.shape)[where])
    weighted = fields * (area / area.sum())[:, None]
    torch.testing.assert_close(weighted.sum(0), torch.zeros(rank, dtype=torch.float64), rtol=0.0, atol=1e-4)
    torch.testing.assert_close(weighted.T @ fields, torch.eye(rank, dtype=torch.float64), rtol=0.0, atol=0.1)
    assert float(fields.abs().max()) < 20.0


def test_a_basis_of_full_rank_says_nothing(ocean_basis: HarmonicBasis) -> None:
    assert ocean_basis.rank == 440
    assert ocean_basis.rank_text is None
    assert HarmonicBasis.fit(COARSE, 4, 10).rank_text is None


def test_the_whole_sphere_is_one_plateau() -> None:
    passport = HarmonicBasis.fit(COARSE, 8, 40).passport(COARSE)
    assert passport["plateau"]["last"] == 79
    assert passport["ties"] == [(0, 79)]
    assert passport["plateau"]["text"].startswith("All 80 components tie")
    assert passport["effective_rank"] == pytest.approx(80.0, rel=1e-12)
    assert len(passport["precision"]["unstable"]) > 20
    assert passport["agreement"]["whole sphere"] == 1.0
    assert "alias" in HarmonicBasis.fit(COARSE, 60, 5).passport(COARSE)["resolution_note"]


def test_agreement_of_different_degrees_counts_the_common_harmonics() -> None:
    small, large = (HarmonicBasis.fit(COARSE, L, 15) for L in (3, 6))
    assert agreement(small, large) == agreement(large, small) == 1.0


# --- choices, progress, files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_degree", "num_components", "where", "message"),
    [
        (0, 1, None, "choose L ≥ 1"),
        (10, 0, None, "choose 1 ≤ K ≤ (L+1)² − 1 = 120"),
        (10, 121, None, "choose 1 ≤ K ≤ (L+1)² − 1 = 120"),
        (5, 5, np.zeros(COARSE.shape, dtype=bool), "contains no cell"),
        (5, 5, np.ones((3, 4), dtype=bool), "has shape (3, 4)"),
        (5, 5, np.where(blobs(COARSE), 1.0, np.nan), "holds NaN"),
        (5, 5, torch.tensor(np.where(blobs(COARSE), 1.0, np.nan)), "holds NaN"),
        (5, 5, np.where(blobs(COARSE), 0.3, 0.0), "numbers other than 1 and 0"),
        (5, 5, np.arange(COARSE.shape[0] * COARSE.shape[1]).reshape(COARSE.shape) == 700, "no harmonic varies"),
        (MAX_MASKED_DEGREE + 1, 5, blobs(COARSE), f"choose L ≤ {MAX_MASKED_DEGREE}"),
    ],
)
def test_choices_that_cannot_work_are_refused(
    max_degree: int, num_components: int, where: object, message: str
) -> None:
    with pytest.raises(ChoiceError) as refusal:
        HarmonicBasis.fit(COARSE, max_degree, num_components, where)
    assert message in str(refusal.value)


def test_a_component_that_is_not_there_is_refused() -> None:
    with pytest.raises(ChoiceError, match="choose one from 0 to 4"):
        component_field(HarmonicBasis.fit(COARSE, 5, 5), COARSE, 5)


def test_progress_rises_to_one_and_may_abandon_the_fit() -> None:
    seen: list[float] = []
    HarmonicBasis.fit(COARSE, 6, 5, blobs(COARSE), progress=lambda done, _text: seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 10

    class Abandoned(Exception):  # noqa: N818
        pass

    def give_up(done: float, text: str) -> None:
        assert text
        if done > 0.1:
            raise Abandoned

    with pytest.raises(Abandoned):
        HarmonicBasis.fit(COARSE, 6, 5, blobs(COARSE), progress=give_up)


@pytest.mark.parametrize("where", [None, blobs(COARSE)], ids=["sphere", "mask"])
def test_a_basis_comes_back_from_its_file_to_the_last_bit(where: np.ndarray | None, tmp_path: Path) -> None:
    basis = HarmonicBasis.fit(COARSE, 6, 20, where, domain={"kind": "test", "south": -3.5})
    basis.save(tmp_path / "basis.safetensors")
    back = HarmonicBasis.load(tmp_path / "basis.safetensors")
    assert back.key == basis.key
    assert back.domain == basis.domain
    assert back.grid == basis.grid
    assert back.max_degree == 6
    for name in ("mean", "components", "eigenvalues", "std"):
        assert torch.equal(getattr(back, name), getattr(basis, name))
    assert (back.where is None) == (basis.where is None)
    assert basis.where is None or torch.equal(back.where, basis.where)
    assert [p.name for p in tmp_path.iterdir()] == ["basis.safetensors"]


def test_another_content_has_another_key() -> None:
    keys = {HarmonicBasis.fit(COARSE, 6, K, w).key for K in (5, 6) for w in (None, blobs(COARSE), blobs(COARSE, 0.5))}
    assert len(keys) == 6
    assert HarmonicBasis.fit(COARSE, 6, 5).key in keys


def rewritten_header(data: bytes, **changes: str) -> bytes:
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] |= changes
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def test_files_that_are_not_a_whole_basis_of_ours_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "basis.safetensors"
    with pytest.raises(StoreError, match="no such file"):
        HarmonicBasis.load(path)
    HarmonicBasis.fit(COARSE, 4, 10, blobs(COARSE)).save(path)
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[-100] ^= 1
    for data, message in (
        (b"", "damaged"),
        (b"\x89PNG and so on, not ours at all", "damaged"),
        (good[: len(good) // 2], "damaged"),
        (bytes(flipped), "damaged: its content does not match its hash"),
        (rewritten_header(good, domain="{"), "damaged"),
        (rewritten_header(good, domain='{"kind": "sea", "fraction": 0.7}'), "does not match its hash"),
        (rewritten_header(good, format="something else"), "other than a harmonic basis"),
        (rewritten_header(good, version="99"), "newer version"),
    ):
        path.write_bytes(data)
        with pytest.raises(StoreError, match=message):
            HarmonicBasis.load(path)
    with pytest.raises(StoreError, match="the folder is gone"):
        HarmonicBasis.fit(COARSE, 4, 10).save(tmp_path / "nowhere" / "basis.safetensors")
