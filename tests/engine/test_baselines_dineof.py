"""DINEOF: fields of known rank, its own references, and bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.config.baselines import BASELINE_KINDS
from engine.data.source import MonthlyData
from engine.errors import ChoiceError, DataError
from engine.models.baselines import BASELINES, Baselines, dineof, optimal_interpolation
from engine.models.baselines.dineof import _truncated, withheld_clouds
from engine.models.baselines.mode_blocks import block_size_deg, blocks_of, fill, interpolate, persistence_factor
from engine.models.baselines.part_months import DAYS_APART, NUM_PARTS
from engine.sphere import LatLonGrid
from tests.support.gaussian_ocean import gaussian_months


def field_of_rank(rank: int, times: int = 60, places: int = 400, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    sizes = 2.0 ** -np.arange(rank)
    return torch.as_tensor((rng.normal(size=(times, rank)) * sizes) @ rng.normal(size=(rank, places)))


def with_gaps(field: torch.Tensor, fraction: float, seed: int = 1) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.where(torch.as_tensor(rng.random(field.shape) < fraction), torch.nan, field)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_field_of_rank_three_is_recovered_from_forty_percent_of_it(transposed: bool):
    field = field_of_rank(3)
    gappy = with_gaps(field, 0.6)
    if transposed:
        field, gappy = field.T, gappy.T
    filled, modes = dineof(gappy)
    assert modes == 3
    known = ~gappy.isnan()
    assert torch.equal(filled[known], gappy[known])
    assert float((filled - field).square().mean().sqrt()) < 1e-3 * float(field.square().mean().sqrt())


def test_noise_stops_the_modes():
    """More modes fit the noise: the withheld clouds show it."""
    field = field_of_rank(3)
    noise = torch.as_tensor(np.random.default_rng(5).normal(size=field.shape))
    filled, modes = dineof(with_gaps(field + 0.1 * noise, 0.5))
    assert modes == 3
    assert float((filled - field).square().mean().sqrt()) < 0.15


def test_the_truncation_is_that_of_the_singular_value_decomposition():
    values = field_of_rank(8, 30, 50)
    left, singular, right = np.linalg.svd(values.numpy(), full_matrices=False)
    wanted = (left[:, :4] * singular[:4]) @ right[:4]
    np.testing.assert_allclose(_truncated(values, 4), wanted, atol=1e-10)
    np.testing.assert_allclose(_truncated(values.T, 4), wanted.T, atol=1e-10)


def test_the_fill_stands_still():
    gappy = with_gaps(field_of_rank(6), 0.5)
    filled, modes = dineof(gappy, num_modes=2)
    assert modes == 2
    missing = gappy.isnan()
    torch.testing.assert_close(_truncated(filled, 2)[missing], filled[missing], atol=1e-4, rtol=0.0)


def test_the_same_seed_withholds_the_same_clouds_and_only_what_is_known():
    known = ~with_gaps(field_of_rank(2), 0.3).isnan()
    first, again, other = (withheld_clouds(known, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not bool((first & ~known).any())
    assert 0.02 < float(first.sum() / known.sum()) < 0.12


def test_noise_shrinks_the_singular_values_and_fills_by_ridge_regression():
    """Modes that stand still give each time the ridge estimate with penalty noise·max(T, N)/(s² − noise·max(T, N))."""
    gappy = with_gaps(field_of_rank(3, 40, 60), 0.4)
    noise = 0.02
    filled, _ = dineof(gappy, 3, noise=noise)
    shrunk, patterns = _truncated(filled, 3, noise), np.linalg.svd(filled.numpy(), full_matrices=False)
    np.testing.assert_allclose(shrunk[gappy.isnan()], filled[gappy.isnan()], atol=1e-4)
    beyond, right = noise * 60, patterns[2][:3]
    for time in range(3):
        seen = ~gappy[time].isnan().numpy()
        penalty = np.diag(beyond / (patterns[1][:3] ** 2 - beyond))
        gram = right[:, seen] @ right[:, seen].T + penalty
        wanted = np.linalg.solve(gram, right[:, seen] @ gappy[time].numpy()[seen]) @ right
        np.testing.assert_allclose(filled[time].numpy()[~seen], wanted[~seen], atol=2e-3)


def test_float32_stays_float32():
    filled, _ = dineof(with_gaps(field_of_rank(2), 0.3).float(), num_modes=2)
    assert filled.dtype == torch.float32


@pytest.mark.parametrize(
    ("values", "modes", "error"),
    [
        (torch.zeros(4), None, ChoiceError),
        (torch.zeros(4, 5), 5, ChoiceError),
        (torch.zeros(4, 5), 0, ChoiceError),
        (torch.full((4, 5), torch.nan), None, DataError),
        (torch.full((4, 5), torch.inf), None, DataError),
    ],
)
def test_what_cannot_be_filled_is_refused(values, modes, error):
    with pytest.raises(error):
        dineof(values, modes)


def test_a_negative_variance_is_refused():
    with pytest.raises(ChoiceError, match="variance"):
        dineof(torch.ones(4, 5), 1, noise=-1.0)


def test_a_constant_field_a_lost_day_and_a_lost_place():
    field = torch.full((10, 20), 2.0, dtype=torch.float64)
    field[3], field[:, 7] = torch.nan, torch.nan
    field[0, 0] = torch.nan
    filled, modes = dineof(field)
    assert modes == 1
    assert float(filled[0, 0]) == pytest.approx(2.0, abs=1e-3)
    # nothing is known about these: the prior mean of an anomaly
    np.testing.assert_allclose(filled[3], 0.0, atol=1e-6)
    np.testing.assert_allclose(filled[:, 7], 0.0, atol=1e-6)
    whole, _ = dineof(torch.ones(3, 4))
    assert torch.equal(whole, torch.ones(3, 4))
    empty, _ = dineof(torch.zeros(3, 4))
    assert torch.equal(empty, torch.zeros(3, 4))


# --- blocks ---------------------------------------------------------------------------------------------------------


def test_blocks_filled_together_are_matrices_filled_one_by_one():
    wide, narrow = with_gaps(field_of_rank(3, 40, 60), 0.4), with_gaps(field_of_rank(2, 40, 25, 3), 0.5)
    both = torch.full((2, 40, 60), torch.nan, dtype=torch.float64)
    both[0], both[1, :, :25] = wide, narrow
    modes, filled = fill(both, torch.tensor([60, 25]), 3, 0.01, 1e-7, 2000)
    for own, mine in ((wide, filled[0]), (narrow, filled[1, :, :25])):
        np.testing.assert_allclose(mine, dineof(own, 3, noise=0.01)[0], atol=2e-3)
    products = modes @ modes.transpose(1, 2)
    np.testing.assert_allclose(products, torch.diag_embed(products.diagonal(dim1=1, dim2=2)), atol=1e-8)
    assert not modes[1, :, 25:].any()


def test_blocks_that_were_hardly_observed_are_filled():
    """Their eigenvalues are nearly all equal, and failed to converge in float32."""
    values = torch.full((4, 288, 280), torch.nan)
    values[1, 3, 7] = 1.0
    values[2, :, :5] = 1e-4
    values[3, ::50] = torch.as_tensor(np.random.default_rng(0).normal(size=(6, 280))).float()
    modes, filled = fill(values, torch.full((4,), 280), 32, 0.4, 3e-3, 15)
    assert torch.isfinite(modes).all()
    assert torch.isfinite(filled).all()
    assert not modes[0].any()


def test_a_month_by_modes_is_kriging_with_their_covariance():
    rng = np.random.default_rng(3)
    modes, persistence = torch.as_tensor(rng.normal(size=(1, 4, 7))), torch.tensor([0.9, 0.5, 0.0, 0.98]).double()
    values = torch.as_tensor(np.where(rng.random((1, NUM_PARTS, 7)) < 0.5, rng.normal(size=(1, NUM_PARTS, 7)), np.nan))
    day, cell = np.meshgrid(np.arange(NUM_PARTS) * DAYS_APART, np.arange(7.0), indexing="ij")
    places = torch.as_tensor(np.stack((cell, np.zeros_like(cell), day), axis=-1).reshape(-1, 3))

    def covariance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        lag = (a[:, None, 2] - b[None, :, 2]).abs() / DAYS_APART
        near = modes[0][:, a[:, 0].long()].T[:, None] * modes[0][:, b[:, 0].long()].T
        return (near * persistence ** lag[..., None]).sum(dim=-1)

    seen = ~values.flatten().isnan()
    wanted, _ = optimal_interpolation(places[seen], values.flatten()[seen], 0.3**0.5, places, covariance)
    ours = interpolate(modes, values, 0.3, persistence_factor(persistence))
    np.testing.assert_allclose(ours.flatten(), wanted, atol=1e-8)


@pytest.mark.parametrize("grid", [LatLonGrid.regular(5.0), LatLonGrid(np.arange(10.0, 40.0), np.arange(-30.0, 20.0))])
def test_every_tiling_covers_the_sea_once_and_lies_where_it_does_on_a_finer_grid(grid: LatLonGrid):
    sea = np.random.default_rng(0).random(grid.shape) < 0.7
    size, seen = block_size_deg(grid), np.zeros((4, sea.size), int)
    for blocks in blocks_of(grid, sea, size, torch.device("cpu")):
        assert (blocks.weight[blocks.is_cell] > 0.0).all()
        assert not blocks.weight[~blocks.is_cell].any()
        np.add.at(seen[blocks.tiling], blocks.cells[blocks.is_cell].numpy(), 1)
    np.testing.assert_array_equal(seen, np.broadcast_to(sea.ravel(), seen.shape))
    if not grid.is_periodic:  # half a cell more at its edges can reach into other blocks
        return
    quarter = abs(float(grid.lat[1] - grid.lat[0])) / 4.0
    halves = ((axis[:, None] + np.array([-quarter, quarter])).ravel() for axis in (grid.lat, grid.lon))
    finer = LatLonGrid(*halves)
    num_blocks = [
        sum(len(blocks.cells) for blocks in blocks_of(each, np.ones(each.shape, bool), size, torch.device("cpu")))
        for each in (grid, finer)
    ]
    assert num_blocks[0] == num_blocks[1]


# --- the baseline ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted() -> Baselines:
    return Baselines.fit(gaussian_months(3, 0), gaussian_months(1, 1), ["climatology", "climatology_anomaly", "dineof"])


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def test_as_a_baseline_it_uses_its_neighbours(fitted):
    test = gaussian_months(1, 2)
    errors = {name: rms(mean - test.target) for name, mean in fitted.predict(test).items()}
    assert errors["dineof"] < 0.9 * errors["climatology"]
    unseen = np.isfinite(test.daily).sum(axis=1) == 0
    estimates = fitted.predict(test)
    assert rms((estimates["dineof"] - test.target)[unseen]) < 0.95 * rms(
        (estimates["climatology"] - test.target)[unseen]
    )


def patterned_months(years: int, seed: int) -> MonthlyData:
    """Twenty patterns of some 700 km, of random size each month, under clouds that hide a patch for a whole month."""
    grid = LatLonGrid(np.arange(-15.0, 16.0, 2.0), np.arange(-23.0, 24.0, 2.0))
    rng, centres = np.random.default_rng(seed), np.random.default_rng(99).uniform((-16, -24), (16, 24), (20, 2))
    apart = (grid.lat[:, None] - centres[:, :1, None]) ** 2 + (grid.lon - centres[:, 1:, None]) ** 2
    target = 15.0 + np.tensordot(rng.normal(size=(12 * years, 20)), np.exp(-apart / 72.0), axes=1)
    days = target[:, None] + 0.5 * rng.normal(size=(12 * years, 31, *grid.shape))
    overcast = (rng.random((12 * years, 1, 4, 6)) < 0.5).repeat(4, axis=2).repeat(4, axis=3)
    seen = ~overcast & (rng.random(days.shape) < 0.15)
    months = gaussian_months(years, seed, grid=LatLonGrid([0.0, 1.0], [0.0, 1.0]))
    return replace(
        months,
        daily=np.where(seen, days, np.nan).astype(np.float32),
        target=target.astype(np.float32),
        ice=np.zeros(target.shape, np.float32),
        land=np.zeros(grid.shape, bool),
        grid=grid,
        key=f"patterned {years} {seed}",
    )


def test_a_cell_that_is_not_observed_in_a_month_is_filled_from_its_neighbours():
    """It was worse than climatology: modes of the whole region fitted noise where it was seldom observed."""
    fitted = Baselines.fit(patterned_months(3, 0), patterned_months(1, 1), ["climatology", "dineof"])
    test = patterned_months(1, 2)
    unseen = np.isfinite(test.daily).sum(axis=1) == 0
    errors = {name: rms((mean - test.target)[unseen]) for name, mean in fitted.predict(test).items()}
    assert errors["dineof"] < 0.7 * errors["climatology"]


def test_it_travels_as_plain_arrays(fitted, tmp_path):
    np.savez(tmp_path / "baselines.npz", **fitted.state_dict())
    with np.load(tmp_path / "baselines.npz", allow_pickle=False) as arrays:
        again = Baselines.from_state_dict(dict(arrays))
    data = gaussian_months(1, 3)
    for mine, theirs in zip(
        fitted.predict_with_std(data)["dineof"], again.predict_with_std(data)["dineof"], strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_modes_of_an_earlier_version_leave_the_other_baselines(fitted):
    state = {name: array for name, array in fitted.state_dict().items() if not name.startswith("dineof.")}
    earlier = Baselines.from_state_dict(state | {"dineof.modes": np.zeros((3, 104), np.float32)})
    assert set(earlier.fitted) == {"mean", "climatology", "climatology_anomaly"}


def test_every_baseline_stands_in_the_one_list():
    assert set(BASELINES) <= set(BASELINE_KINDS)
    assert all(baseline.title() == BASELINE_KINDS[name].title for name, baseline in BASELINES.items())
    colours = [kind.colour for kind in BASELINE_KINDS.values()]
    assert len(set(colours)) == len(colours)
    assert 0 not in colours  # the model's own
