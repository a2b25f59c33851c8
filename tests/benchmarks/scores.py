"""Gaps, baselines and scores on made-up months: coverage of an archive, withholding, baselines, strata, spectra."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace

import dask.array as da
import numpy as np
import torch
import xarray as xr

from engine.data.gaps import coverage, withhold
from engine.data.land import land_mask
from engine.data.source import MonthlyData
from engine.evaluation import verdict
from engine.evaluation.bootstrap import NUM_DRAWS, draw_weights, margin_interval
from engine.evaluation.scores import ScoreSums, score, score_table
from engine.evaluation.spectra import SpectrumSums
from engine.evaluation.strata import Strata, coast_distance_km
from engine.models.baselines import Baselines
from engine.sphere import HarmonicGrid, LatLonGrid, unit_vectors
from tests.benchmarks import Row, peak_mb_above_base, seconds
from tests.support.scores import drawn_one_by_one, with_blocks

ARCHIVE_DAYS = 14_610  # 40 years
READ_DAYS = 730
READ_STEP = 0.5


def rows() -> Iterator[Row]:
    yield from gap_rows()
    yield from baseline_rows()
    yield from score_rows()
    yield from verdict_rows()


def verdict_rows() -> Iterator[Row]:
    """The draws behind a verdict on a year in 120 blocks, beside the same draws as loops."""
    rng = np.random.default_rng(0)
    model, baseline = rng.uniform(1.0, 2.0, (1, 12, 120)), rng.uniform(1.0, 2.0, (12, 120))
    few = [draw_weights(size, 10, (0, axis)) for axis, size in enumerate(model.shape)]
    yield Row(
        f"interval of a margin, {NUM_DRAWS} draws, a year in 120 blocks",
        1e3 * seconds(lambda: margin_interval(model, baseline)),
        "ms",
        naive=1e3 * NUM_DRAWS / 10 * seconds(lambda: drawn_one_by_one(model, baseline, *few)),
        note="naive: 10 draws as loops, times the number",
    )
    scores = with_blocks(num_blocks=120, model=0.2, mean=0.25, climatology=0.4)
    yield Row("a verdict on a year", 1e3 * seconds(lambda: verdict(scores)), "ms")


def gap_rows() -> Iterator[Row]:
    """Coverage of an archive that is made block by block as it is read, and hiding a fifth of a year of days."""
    yield Row(
        "coverage of 40 years of days at 0.25°, asked for",
        seconds(lambda: coverage(archive(ARCHIVE_DAYS, 0.25), land(0.25))),
        "s",
        note="480 chunks of a month; nothing is read",
    )
    whole_mb = READ_DAYS * np.prod(LatLonGrid.regular(READ_STEP).shape) / 1e6
    yield Row(
        f"coverage of {READ_DAYS} days at {READ_STEP}°: gaps, days and months",
        seconds(compute_coverage),
        "s",
        note="synchronous, the making of the masks included",
    )
    yield Row(
        "its memory above base",
        peak_mb_above_base(compute_coverage, warm=small_coverage),
        "MB",
        naive=whole_mb,
        note="naive: the masks of all days alone, in memory",
    )
    months = made_up(12)
    missing = np.isnan(months.daily)
    for pattern in ("clouds", "swath", "random"):
        yield Row(
            f"withhold 20 % of a year at 1°, {pattern}",
            seconds(lambda p=pattern: withhold(missing, months.land, 0.2, 0, p)),
            "s",
        )
    yield Row(
        "the same, clouds over whole months",
        seconds(lambda: withhold(missing, months.land, 0.2, 0, whole_month=True)),
        "s",
    )


def baseline_rows() -> Iterator[Row]:
    train, validation = made_up(36), made_up(12, 1)
    fitted = Baselines.fit(train, validation)
    yield Row("all baselines fitted, 36 + 12 months at 1°", seconds(lambda: Baselines.fit(train, validation)), "s")
    yield Row(
        "12 months estimated by all baselines",
        seconds(lambda: fitted.predict(validation)),
        "s",
        naive=seconds(lambda: [one_by_one(fitted, name, validation) for name in fitted.fitted]),
        note="naive: the days averaged anew for each baseline",
    )


def score_rows() -> Iterator[Row]:
    data = made_up(12)
    rng = np.random.default_rng(5)
    assert data.target is not None
    estimates = {str(n): (data.target + rng.normal(0, 0.3, data.target.shape)).astype(np.float32) for n in range(5)}
    strata = Strata.of(data.grid, data.land)
    sums = score(data, estimates, strata=strata)
    count = np.isfinite(data.daily[0]).sum(axis=0)
    yield Row(
        "one month of 5 estimates at 1° scored in all strata",
        1e3 * seconds(lambda: add_month(ScoreSums(strata, list(estimates)), data, estimates, count)),
        "ms",
        naive=1e3 * seconds(lambda: masked_averages(strata, data, estimates, count)),
        note="naive: a mask and averages for each of the 21 labels",
    )
    yield Row("table of 12 months with error bars", 1e3 * seconds(lambda: score_table(sums, ["0"])), "ms")
    for step in (1.0, 0.25):
        grid, where = LatLonGrid.regular(step), land(step)
        yield Row(
            f"distance to the coast at {step:g}°",
            seconds(lambda g=grid, w=where: coast_distance_km(g, w)),
            "s",
            naive=seconds(lambda g=grid, w=where: by_tree(g, w)),
            note="naive: SciPy's k-d tree, a compiled library",
        )
        field = np.where(where, np.nan, rng.normal(size=grid.shape))
        yield Row(
            f"spectrum of one month to degree {min(180, grid.max_resolved_degree)} at {step:g}°",
            seconds(lambda g=grid, f=field, w=where: SpectrumSums(g).add(f, f, ~w)),
            "s",
        )


# --- made-up data ---------------------------------------------------------------------------------------------------


@functools.cache
def land(step_deg: float) -> np.ndarray:
    return np.array(land_mask(LatLonGrid.regular(step_deg)))


def archive(num_days: int, step_deg: float) -> xr.DataArray:
    """Daily masks in chunks of a month, drawn when they are read."""
    grid = LatLonGrid.regular(step_deg)
    chunks = tuple(np.diff([*range(0, num_days, 30), num_days]).tolist())
    masks = da.map_blocks(
        drawn, chunks=(chunks, *((n,) for n in grid.shape)), dtype=bool, meta=np.empty((0, 0, 0), bool)
    )
    coords = {"time": xr.date_range("1981-09-01", periods=num_days), "lat": grid.lat, "lon": grid.lon}
    return xr.DataArray(masks, coords, dims=("time", "lat", "lon"))


def drawn(block_info: dict | None = None) -> np.ndarray:
    info = block_info[None]
    first, last = info["array-location"][0]
    shape = info["chunk-shape"][1:]
    bits = np.random.default_rng(first).integers(0, 256, (last - first, shape[0], shape[1] // 8), np.uint8)
    return np.unpackbits(bits, axis=-1).astype(bool)


def compute_coverage() -> None:
    names = ["observations", "longest_gap", "day_share", "month_share", "month_unseen"]
    coverage(archive(READ_DAYS, READ_STEP), land(READ_STEP))[names].compute(scheduler="synchronous")


def small_coverage() -> None:
    land(READ_STEP)
    coverage(archive(60, 5.0), land(5.0)).compute(scheduler="synchronous")


def made_up(num_months: int, seed: int = 0) -> MonthlyData:
    """Months at 1° with a random truth, noise and random clouds of degree 20."""
    grid, rng = LatLonGrid.regular(1.0), np.random.default_rng(seed)
    where, month = land(1.0), np.arange(num_months) % 12 + 1
    harmonics = HarmonicGrid(grid, 20)
    daily = np.empty((num_months, 31, *grid.shape), np.float32)
    target = np.empty((num_months, *grid.shape), np.float32)
    for n in range(num_months):
        coeffs = rng.normal(size=(32, harmonics.num_harmonics)) / (1.0 + np.sqrt(np.arange(harmonics.num_harmonics)))
        fields = harmonics.synthesise(torch.tensor(coeffs)).numpy()
        target[n] = 15.0 + fields[0]
        daily[n] = target[n] + rng.normal(size=(31, *grid.shape), scale=0.3)
        daily[n][(fields[1:] > -0.1) | where] = np.nan
    target[:, where] = np.nan
    return MonthlyData(
        daily=daily,
        padded=np.zeros((num_months, 31), bool),
        phases=np.zeros((num_months, 31, 3), np.float32),
        target=target,
        ice=np.zeros_like(target),
        land=where,
        years=2001 + np.arange(num_months) // 12,
        months=month,
        grid=grid,
        key=f"made up {seed}",
    )


# --- the naive ways -------------------------------------------------------------------------------------------------


def one_by_one(baselines: Baselines, name: str, data: MonthlyData) -> None:
    replace(baselines, fitted={name: baselines.fitted[name]}).predict(data)


def add_month(sums: ScoreSums, data: MonthlyData, estimates: dict[str, np.ndarray], count: np.ndarray) -> None:
    assert data.target is not None
    sums.add(1, data.target[0], {name: values[0] for name, values in estimates.items()}, num_observed=count)


def masked_averages(strata: Strata, data: MonthlyData, estimates: dict[str, np.ndarray], count: np.ndarray) -> None:
    assert data.target is not None
    area = np.broadcast_to(data.grid.cell_area_m2[:, None], data.grid.shape)
    lat, sea = np.broadcast_to(data.grid.lat[:, None], data.grid.shape), ~data.land
    masks = [sea, sea & (data.ice[0] > 0.15), *(sea & w for w in (count > 0, count == 0, count < 0))]
    masks += [sea & (count >= a) & (count <= b) for a, b in ((0, 0), (1, 3), (4, 8), (9, 31))]
    masks += [sea & (lat >= a) & (lat < a + 26) for a in range(-90, 90, 26)]
    masks += [sea & (strata.coast_km >= a) & (strata.coast_km < 3 * a) for a in (33, 100, 300, 1000)]
    for values in estimates.values():
        for mask in masks:
            if mask.any():
                p, t, w = values[0][mask].astype(float), data.target[0][mask].astype(float), area[mask]
                for term in (abs(p - t), p - t, (p - t) ** 2, p, p**2, t, t**2, p * t):
                    np.average(term, weights=w)


def by_tree(grid: LatLonGrid, where: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    points = unit_vectors(lat, lon).numpy()
    return 2.0 * np.arcsin(cKDTree(points[where]).query(points)[0] / 2.0)
