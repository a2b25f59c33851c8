"""How good a reconstruction is, beside its baselines, and where it fails: all of it by :mod:`engine.evaluation.scores`.

What is scored are cells of the open sea in the region whose truth is known; where the source knows none, those whose
observations were withheld.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.source import MonthlyData
from engine.errors import ChoiceError, DataError
from engine.evaluation.scores import STRATA, ScoreSums, Strata, Table, calibration, score_table
from engine.evaluation.spectra import Spectrum, spectra
from engine.models.baselines import ICE_FRACTION
from engine.queries.cache import CACHE
from engine.queries.reconstruct.months import Reconstructed
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, great_circle_km
from engine.training.sst.samples import in_box

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

REGIONS: dict[str, tuple[float, float, float, float] | None] = {
    "World": None,
    "Tropics": (-20.0, 20.0, -180.0, 180.0),
    "Gulf Stream": (30.0, 50.0, -80.0, -40.0),
    "Kuroshio": (25.0, 45.0, 130.0, 170.0),
    "Equatorial Pacific": (-10.0, 10.0, 160.0, 280.0),
    "North Atlantic": (0.0, 65.0, -80.0, 0.0),
    "Indian Ocean": (-35.0, 25.0, 40.0, 110.0),
    "Southern Ocean": (-65.0, -40.0, -180.0, 180.0),
}
"""Where scores are taken, by name: south, north, west, east in degrees; None: everywhere."""

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Of the size of the errors, as bands."""

SPLITS = ("class", "observations", "latitude", "coast", "month")
"""What the scores can be looked at by."""

_NUM_BINS = 61
_APART_KM = 600.0
_MAX_DEGREE = 90


@dataclass(frozen=True, eq=False)
class Verdict:
    """Skill of the model, 1 − its mean absolute error over the baseline's, on the same cells.

    Attributes:
        table: all scores, as :func:`engine.evaluation.scores.score_table` gives them.
        num_cells: cell-months that were scored.
        num_months: months that were.
        best: the baseline with the smallest error.
        error_kelvin: mean absolute error of every estimate over the open sea.
        skill: against each baseline; ``spread``: its standard error, by how the months differ; None for a single one.
        withheld_only: whether only withheld cells could be scored.
    """

    table: Table
    num_cells: int
    num_months: int
    best: str
    error_kelvin: dict[str, float]
    skill: dict[str, float]
    spread: dict[str, float | None]
    withheld_only: bool


@dataclass(frozen=True)
class Worst:
    """A place where the model errs most: degrees, °C, K."""

    lat: float
    lon: float
    estimate: float
    truth: float
    error: float
    num_days: int


@dataclass(frozen=True, eq=False)
class ByCount:
    """Size of the errors by number of observations: ``count`` (B,), :data:`QUANTILES` of the area (B, 5), K."""

    count: NDArray[np.int64]
    model: Floats
    baseline: Floats


def verdict(months: Sequence[Reconstructed], region: str = "World") -> Verdict:
    """The scores of ``months`` of one model on one source, and the best of the baselines.

    Raises :class:`DataError` where no cell can be scored.
    """
    found = [_within(month, region) for month in months]
    names = list(found[0].estimates)
    strata = _strata(found[0].data.grid, found[0].data.land)
    sums = ScoreSums(strata, names)
    for month in found:
        assert month.truth is not None
        sums.add(
            month.case.month,
            month.truth,
            month.estimates,
            num_observed=month.count,
            num_withheld=month.withheld,
            ice=month.data.ice[0],
            climatology=month.usual,
        )
    baselines = names[1:]
    table = score_table(sums, baselines)
    sea = {name: table[name]["surface"].get("sea", {}) for name in names}
    if not sea["model"]:
        raise DataError("no cell can be scored here", region, "choose another region, or withhold more")
    best = min(baselines, key=lambda name: sea[name]["mae"])
    skills = {name: sea["model"][f"skill_mae_vs_{name}"] for name in baselines}
    bars = {name: sea["model"].get(f"skill_mae_vs_{name}_bar") for name in baselines}
    cells = sum(int(_scored(month).sum()) for month in found)
    errors = {name: sea[name]["mae"] for name in names}
    return Verdict(table, cells, len(found), best, errors, skills, bars, not months[0].knows_truth)


def by(found: Verdict, split: str) -> dict[str, dict[str, float]]:
    """Mean absolute errors, K, by estimate and label of one of :data:`SPLITS`; labels in their order."""
    labels = STRATA.get(split) or tuple(str(month) for month in range(1, 13))
    return {
        name: {label: rows[split][label]["mae"] for label in labels if label in rows[split]}
        for name, rows in found.table.items()
    }


def can_score(month: Reconstructed) -> bool:
    """Whether anything of a month can be scored."""
    return month.truth is not None and bool(_scored(month).any())


def error_under_clouds(month: Reconstructed) -> dict[str, float] | None:
    """Area-weighted mean absolute error below what was drawn, by estimate, K; None where nothing can be told."""
    return _mae(month, month.hidden)


def error_of_hidden(month: Reconstructed, hidden: Mask) -> dict[str, float] | None:
    """The same of a month that saw everything, over the cells ``hidden`` (H, W) in another."""
    return _mae(month, hidden)


def by_count(months: Sequence[Reconstructed], baseline: str, region: str = "World") -> ByCount:
    """How far model and baseline err where a cell was seen n times."""
    most = 31
    found = [(month, _scored(month)) for month in (_within(month, region) for month in months)]
    count = np.concatenate([np.clip(month.count[counted], 0, most) for month, counted in found])
    area = np.concatenate([_area(month)[counted] for month, counted in found])
    present = np.flatnonzero(np.bincount(count, minlength=most + 1) >= 20)
    bands: list[Floats] = []
    for name in ("model", baseline):
        size = np.concatenate([np.abs(_error(month, name)[counted]) for month, counted in found])
        rows = [_quantiles(size[count == n], area[count == n]) for n in present]
        bands.append(np.array(rows).reshape(-1, len(QUANTILES)))
    return ByCount(present.astype(np.int64), *bands)


def _quantiles(values: Floats, area: Floats) -> Floats:
    """:data:`QUANTILES` by area: the smallest values that so much of the area does not exceed."""
    return np.quantile(values, QUANTILES, weights=area, method="inverted_cdf")


def errors_histogram(
    months: Sequence[Reconstructed], baseline: str, region: str = "World"
) -> tuple[Floats, dict[str, Floats]]:
    """Edges (B+1,) in K, and the share of the area (B,) by error of model and baseline; what is beyond is left out."""
    found = [_within(month, region) for month in months]
    errors = {name: np.concatenate([_error(one, name)[_scored(one)] for one in found]) for name in ("model", baseline)}
    area = np.concatenate([_area(one)[_scored(one)] for one in found])
    limit = max(0.2, float(np.quantile(np.abs(errors[baseline]), 0.98))) if errors[baseline].size else 1.0
    edges = np.linspace(-limit, limit, _NUM_BINS)
    shares = {name: np.histogram(values, edges, weights=area)[0] / area.sum() for name, values in errors.items()}
    return edges, shares


def spectrum_of(months: Sequence[Reconstructed], baseline: str) -> dict[str, Spectrum]:
    """Spectra by degree of model and baseline beside the truth's, over the open sea of the world."""
    held = [month for month in months if can_score(month)]
    if not held:
        raise DataError("the truth of these months is not known", "spectrum", "choose a source whose truth is known")
    data = _joined(held)
    estimates = {name: np.stack([month.estimates[name] for month in held]) for name in ("model", baseline)}
    usual = {int(month.case.month): month.usual for month in held}
    degree = min(_MAX_DEGREE, data.grid.max_resolved_degree)
    key = ("reconstruct spectrum", tuple(month.case for month in held), held[0].data.key, baseline)
    return CACHE.get(key, lambda: spectra(data, estimates, usual, degree), lambda _: 2**16)


def reliability(months: Sequence[Reconstructed], region: str = "World") -> dict[str, Any] | None:
    """Coverage, CRPS and spread against error of the predicted uncertainty; None where none is predicted."""
    found = [_within(month, region) for month in months]
    spreads = [month.std for month in found if month.std is not None]
    if len(spreads) < len(found):
        return None
    data = _joined(found)
    assert data.target is not None
    counted = np.stack([_scored(month) for month in found])
    data = replace(data, target=np.where(counted, data.target, np.float32(np.nan)))
    return calibration(data, np.stack([month.estimates["model"] for month in found]), np.stack(spreads))


def worst_places(month: Reconstructed, region: str = "World", number: int = 10) -> list[Worst]:
    """The places where the model errs most, at least 600 km apart."""
    month = _within(month, region)
    if month.truth is None:
        return []
    error = np.where(_scored(month), _error(month, "model"), 0.0)
    places: list[Worst] = []
    for flat in np.argsort(-np.abs(error), axis=None):
        row, column = divmod(int(flat), error.shape[1])
        if len(places) == number or error[row, column] == 0.0:
            break
        lat, lon = float(month.lat[row]), float(month.lon[column])
        if all(float(great_circle_km(lat, lon, other.lat, other.lon)) >= _APART_KM for other in places):
            found = float(month.estimates["model"][row, column]), float(month.truth[row, column])
            places.append(Worst(lat, lon, *found, float(error[row, column]), int(month.count[row, column])))
    return places


# --- the cells that count -------------------------------------------------------------------------------------------


def _within(month: Reconstructed, region: str) -> Reconstructed:
    """The month with its truth known inside the region only."""
    if region not in REGIONS:
        raise ChoiceError(f"there is no region {region!r}", "region", f"choose {', '.join(REGIONS)}")
    box = REGIONS[region]
    if month.truth is None:
        raise DataError(
            "the true mean of this month is not known", month.case.source.kind, "withhold some observations to score by"
        )
    if box is None:
        return month
    truth = np.where(in_box(month.data.grid, box), month.truth, np.float32(np.nan))
    return replace(month, data=replace(month.data, target=truth[None]))


def _joined(months: Sequence[Reconstructed]) -> MonthlyData:
    """Truth, ice and calendar of all months, one after another."""
    return replace(
        months[0].data,
        target=np.stack([month.truth for month in months if month.truth is not None]),
        ice=np.concatenate([month.data.ice for month in months]),
        months=np.concatenate([month.data.months for month in months]),
    )


def _scored(month: Reconstructed) -> Mask:
    """(H, W), True = open sea, truth known, and every estimate has a value."""
    assert month.truth is not None
    counted = np.isfinite(month.truth) & ~month.data.land & (month.data.ice[0] <= ICE_FRACTION)
    for field in month.estimates.values():
        counted = counted & np.isfinite(field)
    return counted


def _error(month: Reconstructed, name: str) -> Floats:
    assert month.truth is not None
    return month.estimates[name].astype(np.float64) - month.truth


def _area(month: Reconstructed) -> Floats:
    return np.broadcast_to(month.data.grid.cell_area_m2[:, None], month.data.land.shape) / EARTH_RADIUS_M**2


def _mae(month: Reconstructed, where: Mask) -> dict[str, float] | None:
    if month.truth is None or not (counted := _scored(month) & where).any():
        return None
    area = _area(month)[counted]
    return {name: float(np.average(np.abs(_error(month, name)[counted]), weights=area)) for name in month.estimates}


def _strata(grid: LatLonGrid, land: Mask) -> Strata:
    return _strata_of(grid, land.tobytes())


@lru_cache(maxsize=4)
def _strata_of(grid: LatLonGrid, land: bytes) -> Strata:
    return Strata.of(grid, np.frombuffer(land, bool).reshape(grid.shape))
