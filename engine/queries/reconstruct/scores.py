"""Scores of reconstructed months and their baselines, and where the errors are; see :mod:`engine.evaluation.scores`.

Scored are the cells of the open sea in a region whose truth is known; where the source has no truth, those whose
observations were withheld.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.source import MonthlyData
from engine.errors import DataError, check_choice
from engine.evaluation import Verdict, verdict
from engine.evaluation.scores import ScoreSums, Table, score_table
from engine.evaluation.spectra import Spectrum, spectra
from engine.evaluation.strata import STRATA, Strata
from engine.evaluation.uncertainty import calibration
from engine.models.baselines import ICE_FRACTION
from engine.queries.cache import CACHE
from engine.queries.reconstruct.months import MonthRequest, MonthResult
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, great_circle_km
from engine.training.sst.samples import in_box
from engine.typed import Floats, Ints, Mask

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
"""Regions to score, by name: south, north, west, east in degrees; None: everywhere."""

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Quantiles of the magnitude of the errors, drawn as bands."""

_NUM_BINS = 61
_MIN_CELLS = 20
_SEPARATION_KM = 600.0
_MAX_DEGREE = 90


@dataclass(frozen=True, eq=False)
class ModelScores:
    """Scores of the model and its baselines on the same cells.

    Attributes:
        table: all scores, as :func:`engine.evaluation.scores.score_table` returns them.
        verdict: on the model, beside the best of the baselines.
        num_cells: number of scored cell-months.
        num_months: number of scored months.
        error_kelvin: mean absolute error of every estimate over the open sea.
        withheld_only: whether only withheld cells could be scored.
        region: one of :data:`REGIONS`.
        requests: the scored months; ``model_key``: :attr:`ModelBundle.key` of their model.
    """

    table: Table
    verdict: Verdict
    num_cells: int
    num_months: int
    error_kelvin: dict[str, float]
    withheld_only: bool
    region: str
    requests: tuple[MonthRequest, ...]
    model_key: str

    @property
    def best(self) -> str:
        """The baseline with the smallest error."""
        return self.verdict.baseline


@dataclass(frozen=True)
class LargeError:
    """A cell with a large error of the model: degrees, and values in model space."""

    lat: float
    lon: float
    estimate: float
    truth: float
    error: float
    num_days: int


@dataclass(frozen=True, eq=False)
class ErrorsByObservations:
    """Magnitude of the errors by number of observations: ``count`` (B,), :data:`QUANTILES` by area (B, 5), K."""

    count: Ints
    model: Floats
    baseline: Floats


def score_months(months: Sequence[MonthResult], region: str = "World") -> ModelScores:
    """The scores of ``months`` of one model on one source, and the verdict on them.

    Raises :class:`DataError` where no cell can be scored.
    """
    regional = [_in_region(month, region) for month in months]
    names = list(regional[0].estimates)
    grid, land = regional[0].data.grid, regional[0].data.land
    box = REGIONS[region]
    sums = ScoreSums(_strata(grid, land.tobytes()), names, None if box is None else in_box(grid, box))
    for month in regional:
        assert month.truth is not None
        sums.add(
            month.request.month,
            month.truth,
            month.estimates,
            num_observed=month.count,
            num_withheld=month.withheld,
            ice=month.data.ice[0],
            climatology=month.climatology,
        )
    baselines = names[1:]
    table = score_table(sums, baselines)
    sea = {name: table[name]["surface"].get("sea", {}) for name in names}
    if not sea["model"]:
        raise DataError("no cell can be scored here", region, "choose another region, or withhold more")
    blocks = sums.by_block()
    variable = regional[0].variable
    result = verdict({name: {**table[name], "blocks": blocks[name]} for name in names}, variable=variable)
    num_cells = sum(int(_is_scored(month).sum()) for month in regional)
    errors = {name: sea[name]["mae"] for name in names}
    withheld_only, requests = not months[0].knows_truth, tuple(month.request for month in months)
    return ModelScores(
        table, result, num_cells, len(regional), errors, withheld_only, region, requests, months[0].model_key
    )


def errors_by_stratum(scores: ModelScores, stratum: str) -> dict[str, dict[str, float]]:
    """Mean absolute errors, K, by estimate and label of a stratum or ``month``; labels in their order."""
    labels = STRATA.get(stratum) or tuple(str(month) for month in range(1, 13))
    return {
        name: {label: rows[stratum][label]["mae"] for label in labels if label in rows[stratum]}
        for name, rows in scores.table.items()
    }


def can_score(month: MonthResult) -> bool:
    """Whether a month has cells that can be scored."""
    return month.truth is not None and bool((_is_open(month) & np.isfinite(month.estimates["model"])).any())


def errors_within(month: MonthResult, mask: Mask) -> dict[str, float] | None:
    """Area-weighted mean absolute error by estimate over the cells ``mask`` (H, W), K; None where none is scored."""
    if month.truth is None or not (scored := _is_scored(month) & mask).any():
        return None
    area = _area(month)[scored]
    return {name: float(np.average(np.abs(_error(month, name)[scored]), weights=area)) for name in month.estimates}


def errors_by_observations(months: Sequence[MonthResult], baseline: str, region: str = "World") -> ErrorsByObservations:
    """Errors of model and baseline by number of observed days; each number with at least 20 cells."""
    regional = [_in_region(month, region) for month in months]
    count, area = _scored_values(regional, lambda month: month.count), _scored_values(regional, _area)
    present = np.flatnonzero(np.bincount(count, minlength=1) >= _MIN_CELLS)
    bands: list[Floats] = []
    for name in ("model", baseline):
        size = np.abs(_scored_values(regional, partial(_error, name=name)))
        rows = [
            np.quantile(size[count == n], QUANTILES, weights=area[count == n], method="inverted_cdf") for n in present
        ]
        bands.append(np.array(rows).reshape(-1, len(QUANTILES)))
    return ErrorsByObservations(present.astype(np.int64), *bands)


def errors_histogram(
    months: Sequence[MonthResult], baseline: str, region: str = "World"
) -> tuple[Floats, dict[str, Floats]]:
    """Edges (B+1,) in K, and the fraction of the area (B,) by error of model and baseline."""
    regional = [_in_region(month, region) for month in months]
    errors = {name: _scored_values(regional, partial(_error, name=name)) for name in ("model", baseline)}
    area = _scored_values(regional, _area)
    scale = regional[0].variable.measured_scale
    known = errors[baseline]
    limit = max(0.2 * scale, float(np.quantile(np.abs(known), 0.98))) if known.size else scale
    edges = np.linspace(-limit, limit, _NUM_BINS)
    return edges, {name: np.histogram(values, edges, weights=area)[0] / area.sum() for name, values in errors.items()}


def spectrum_of(months: Sequence[MonthResult], baseline: str) -> dict[str, Spectrum]:
    """Spectra by degree of model, baseline and truth, over the open sea of the globe."""
    scored = [month for month in months if can_score(month)]
    if not scored:
        raise DataError("the truth of these months is not known", "spectrum", "choose a source whose truth is known")
    data = _concatenated(scored)
    estimates = {name: np.stack([month.estimates[name] for month in scored]) for name in ("model", baseline)}
    climatology = {int(month.request.month): month.climatology for month in scored}
    degree = min(_MAX_DEGREE, data.grid.max_resolved_degree)
    made_of = tuple((month.request, month.model_key, month.data.key) for month in scored)
    key = ("reconstruct spectrum", made_of, baseline)
    return CACHE.get(key, lambda: spectra(data, estimates, climatology, degree), lambda _: 2**16)


def reliability(months: Sequence[MonthResult], region: str = "World") -> dict[str, Any] | None:
    """Coverage, CRPS and spread against error of the predicted uncertainty; None where none is predicted."""
    regional = [_in_region(month, region) for month in months]
    stds = [month.std for month in regional if month.std is not None]
    if len(stds) < len(regional):
        return None
    data = _concatenated(regional)
    assert data.target is not None
    scored = np.stack([_is_scored(month) for month in regional])
    data = replace(data, target=np.where(scored, data.target, np.float32(np.nan)))
    return calibration(data, np.stack([month.estimates["model"] for month in regional]), np.stack(stds))


def largest_errors(month: MonthResult, region: str = "World", number: int = 10) -> list[LargeError]:
    """The cells with the largest errors of the model, at least 600 km apart."""
    month = _in_region(month, region)
    if month.truth is None:
        return []
    error = np.where(_is_scored(month), _error(month, "model"), 0.0)
    cells: list[LargeError] = []
    for flat in np.argsort(-np.abs(error), axis=None):
        row, column = divmod(int(flat), error.shape[1])
        if len(cells) == number or error[row, column] == 0.0:
            break
        lat, lon = float(month.lat[row]), float(month.lon[column])
        if all(float(great_circle_km(lat, lon, other.lat, other.lon)) >= _SEPARATION_KM for other in cells):
            estimate, truth = float(month.estimates["model"][row, column]), float(month.truth[row, column])
            error_K = float(error[row, column])
            cells.append(LargeError(lat, lon, estimate, truth, error_K, int(month.count[row, column])))
    return cells


# --- scored cells ---------------------------------------------------------------------------------------------------


def _in_region(month: MonthResult, region: str) -> MonthResult:
    """The month without its truth outside the region."""
    check_choice("region", region, REGIONS)
    box = REGIONS[region]
    if month.truth is None:
        raise DataError(
            "the true mean of this month is not known",
            month.request.source.kind,
            "withhold some observations as the truth",
        )
    if box is None:
        return month
    truth = np.where(in_box(month.data.grid, box), month.truth, np.float32(np.nan))
    return replace(month, data=replace(month.data, target=truth[None]))


def _concatenated(months: Sequence[MonthResult]) -> MonthlyData:
    """Truth, ice and calendar of all months, one after another."""
    return replace(
        months[0].data,
        target=np.stack([month.truth for month in months if month.truth is not None]),
        ice=np.concatenate([month.data.ice for month in months]),
        months=np.concatenate([month.data.months for month in months]),
    )


def _is_open(month: MonthResult) -> Mask:
    """(H, W), True = open sea, truth known."""
    assert month.truth is not None
    return np.isfinite(month.truth) & ~month.data.land & (month.data.ice[0] <= ICE_FRACTION)


def _is_scored(month: MonthResult) -> Mask:
    """(H, W), True = open sea, truth known, and every estimate has a value."""
    is_scored = _is_open(month)
    for field in month.estimates.values():
        is_scored = is_scored & np.isfinite(field)
    return is_scored


def _scored_values(months: Sequence[MonthResult], field: Callable[[MonthResult], NDArray[Any]]) -> NDArray[Any]:
    """The values (P,) of a field in the scored cells of all months."""
    return np.concatenate([field(month)[_is_scored(month)] for month in months])


def _error(month: MonthResult, name: str) -> Floats:
    assert month.truth is not None
    return month.estimates[name].astype(np.float64) - month.truth


def _area(month: MonthResult) -> Floats:
    return np.broadcast_to(month.data.grid.cell_area_m2[:, None], month.data.land.shape) / EARTH_RADIUS_M**2


@lru_cache(maxsize=4)
def _strata(grid: LatLonGrid, land: bytes) -> Strata:
    return Strata.of(grid, np.frombuffer(land, bool).reshape(grid.shape))
