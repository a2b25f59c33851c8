"""A month as observed, as the model and the baselines reconstruct it, and as it was."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.config.baselines import MEAN_OF_BOTH, baseline_title
from engine.config.months import Month
from engine.data.kinds import VariableKind
from engine.data.prepare import available, prepare
from engine.data.source import MonthlyData, SSTSource
from engine.errors import ChoiceError
from engine.queries.cache import CACHE, Progress, no_progress
from engine.queries.ocean.sources import SourceChoice, source
from engine.queries.reconstruct.models import PRETRAINED, model_of
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, great_circle_km
from engine.typed import Floats, Ints, Mask, Singles

if TYPE_CHECKING:
    from engine.queries.reconstruct.estimates import Estimates

LAYER_KINDS: dict[str, tuple[str, ...]] = {
    "temperature": ("day", "observed", "reconstruction", "truth"),
    "difference": ("difference",),
    "error": ("error", "error_best", "error_mean", "error_usual"),
    "spread": ("std", "size"),
}
"""The layers of a map, by kind; the layers of a kind share one colour scale."""


@dataclass(frozen=True)
class Cloud:
    """A cloud drawn by the user: a brush of ``radius_km`` along ``points`` (degrees north, east).

    ``day`` of the month from 1, or 0: on all of its days.
    """

    points: tuple[tuple[float, float], ...]
    radius_km: float
    day: int = 0


@dataclass(frozen=True)
class MonthRequest:
    """The month of a source to reconstruct by a model, after some of its observations are withheld.

    ``resample``: the source is resampled to the grid of the model first. ``hidden_percent`` of the cell-months are
    withheld whole; where the source has no truth they are the only cells that can be scored.
    """

    model: str = PRETRAINED
    source: SourceChoice = field(default_factory=SourceChoice)
    year: int = 2001
    month: int = 1
    resample: bool = False
    hidden_percent: int = 0
    clouds: tuple[Cloud, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.hidden_percent <= 90:
            raise ChoiceError(f"{self.hidden_percent} % cannot be withheld", "withheld", "choose 0 to 90 %")


@dataclass(frozen=True, eq=False)
class MonthResult:
    """One reconstructed month. All fields (H, W) float32, in the model space of the variable (°C, or K for errors and
    standard deviations); NaN on land and where unknown.

    Attributes:
        request: what was reconstructed.
        model_key: :attr:`ModelBundle.key` of the model it was computed with; a run that trains writes others.
        data: the input of the model (N = 1); its target is that of the source, or the mean of the withheld days.
        observed: mean of the observed days.
        count: number of observed days; ``withheld``: number of withheld days.
        estimates: ``model`` first, then the baselines, by name; a costly one is computed when it is first read.
        titles: names of the estimates on screen.
        std: predicted standard deviation, K; None where the model predicts none.
        climatology: of this month, from the training years of the model.
        is_climatology: (H, W) True = nothing was observed in any window over the cell: the model's estimate is the
            climatology there. All of the sea in a month without observations.
        ice: (H, W) True = the estimate is a temperature below ice; it is never below the freezing point.
        hidden: (H, W) True = under a drawn cloud.
        in_stripes: whether days were withheld in stripes, because no other month could provide clouds.
        knows_truth: whether the target is that of the source.
    """

    request: MonthRequest
    model_key: str
    data: MonthlyData
    observed: Singles
    count: Ints
    withheld: Ints
    estimates: Estimates
    titles: dict[str, str]
    std: Singles | None
    climatology: Singles
    is_climatology: Mask
    ice: Mask
    hidden: Mask
    in_stripes: bool
    knows_truth: bool

    @property
    def lat(self) -> Floats:
        """(H,) degrees north, ascending."""
        return self.data.grid.lat

    @property
    def lon(self) -> Floats:
        """(W,) degrees east."""
        return self.data.grid.lon

    @property
    def truth(self) -> Singles | None:
        """The true mean of the month, None where unknown."""
        return None if self.data.target is None else self.data.target[0]

    @property
    def variable(self) -> VariableKind:
        """The kind of variable that is reconstructed."""
        return self.data.variable

    @property
    def climatology_share(self) -> float:
        """Share of the sea's area where the model's estimate is the climatology, for want of observations."""
        area = self.data.grid.cell_area_m2[:, None] * ~self.data.land
        return float((area * self.is_climatology).sum() / area.sum())

    def day(self, number: int) -> Singles:
        """The observations of a day of the month, from 1."""
        return self.data.daily[0, number - 1]

    @property
    def num_days(self) -> int:
        """Number of days of the month."""
        return int((~self.data.padded[0]).sum())


# --- months ---------------------------------------------------------------------------------------------------------


def months_of(choice: SourceChoice) -> tuple[str, ...]:
    """The months of the source's days as ISO dates of their first days. Raises DataError where there are no days."""
    first, last = available(source(choice))
    numbers = range(_month_number(first), _month_number(last) + 1)
    return tuple(f"{number // 12:04d}-{number % 12 + 1:02d}-01" for number in numbers)


def reconstruct_month(request: MonthRequest, progress: Progress | None = None) -> MonthResult:
    """The month as observed, reconstructed and true. ``progress`` may raise to cancel the work.

    With drawn clouds only the windows below them are predicted again.

    Raises:
        DataError: no days, no such month, or a sea outside the model's training domain. StoreError: no such model.
        ChoiceError: a grid that the patches of the model do not divide; another kind of variable than the model's.
    """
    compute = partial(_reconstruct, request, progress or no_progress)
    return CACHE.get(_key(request), compute, lambda month: 12 * month.observed.nbytes)


def _key(request: MonthRequest) -> tuple[object, ...]:
    return "reconstructed", request, model_of(request.model).bundle.key, source(request.source).key


def model_source(request: MonthRequest) -> SSTSource:
    """The source as the model reads it, resampled where the request says so."""
    ocean = source(request.source)
    if not request.resample:
        return ocean
    from engine.data.resample import resampled

    grid = model_of(request.model).bundle.climatology.grid
    return CACHE.get(("resampled", ocean.key, grid.key), partial(resampled, ocean, grid), lambda _: 2**20)


def holdout_set(request: MonthRequest, progress: Progress) -> tuple[Any, int]:
    """The months of one sample of the model with observations withheld, and the index of the requested one."""
    from engine.training.sst.holdout import HoldOutSet

    bundle = model_of(request.model).bundle
    bundle.check_variable(source(request.source).variable)
    ocean, num_months = model_source(request), bundle.settings.months
    first, last = (_month_number(month) for month in available(ocean))
    requested = 12 * request.year + request.month - 1
    if not first <= requested <= last:
        raise ChoiceError(
            f"the source has no {request.year}-{request.month:02d}",
            "month",
            f"choose one from {first // 12}-{first % 12 + 1:02d} to {last // 12}-{last % 12 + 1:02d}",
        )
    start = max(first, min(requested - num_months // 2, last - num_months + 1))
    stop = min(last, start + num_months - 1)
    ends = [_month(number) for number in (start, stop)]

    def withhold() -> Any:
        data = prepare(ocean, *ends, progress=progress)
        if data.target is None and not request.hidden_percent:
            num_withheld = np.zeros((len(data.months), *data.grid.shape), np.int64)
            return HoldOutSet(data, num_withheld, data.grid.area_weights[:, None] * ~data.land)
        clouds = _clouds_beside(ocean, ends[0]) if start == stop and request.hidden_percent else None
        return HoldOutSet.of(data, request.hidden_percent / 100.0, seed=0, clouds=clouds)

    key = ("reconstruct holdout", ocean.key, ocean.grid.key, tuple(ends), request.hidden_percent)
    num_bytes = 31 * 4 * ocean.land.size * (stop - start + 1) if request.hidden_percent else 2**20
    return CACHE.get(key, withhold, lambda _: num_bytes), requested - start


def _clouds_beside(ocean: SSTSource, month: Month) -> Mask | None:
    """Clouds of the month after, or before, to lay over a single month; None where the source has no other."""
    from engine.training.sst.holdout import clouds_beside

    first, last = available(ocean)
    if first == last:
        return None
    is_later = month < last
    neighbour = _month(_month_number(month) + (1 if is_later else -1))
    return clouds_beside(prepare(ocean, neighbour, neighbour), is_later)


def _month(number: int) -> Month:
    return Month(number // 12, number % 12 + 1)


def _month_number(month: Month) -> int:
    return 12 * month.year + month.month - 1


def prediction_of(request: MonthRequest, progress: Progress) -> tuple[Any, Any, int]:
    """The tiled prediction for all months of the sample, the hold-out set, and the index of the requested month."""
    from engine.training.sst.tiled_prediction import predict

    holdout, index = holdout_set(request, progress)
    bundle = model_of(request.model).bundle

    def compute() -> Any:
        if not request.clouds:
            return predict(bundle, holdout.data, progress=lambda done: progress(done, "Reconstructing the month"))
        known, _, _ = prediction_of(replace(request, clouds=()), progress)
        hidden = _hidden_days(request, holdout.data, index)
        days = np.array(holdout.data.daily)
        days[index][hidden] = np.nan
        return predict(bundle, replace(holdout.data, daily=days), known=known, changed=np.asarray(hidden.any(axis=0)))

    def size(prediction: Any) -> int:
        fields = 2 * 4 * holdout.data.land.size * len(holdout.data.months)
        return 3 * fields + (prediction.inputs.data.daily.nbytes if request.clouds or request.hidden_percent else 0)

    return CACHE.get(("tiled prediction", _key(request)), compute, size), holdout, index


def _reconstruct(request: MonthRequest, progress: Progress) -> MonthResult:
    from engine.models.baselines import observed_months
    from engine.queries.reconstruct.estimates import estimates_of
    from engine.training.sst.tiled_prediction import ice_mask

    prediction, holdout, index = prediction_of(request, progress)
    progress(0.95, "Computing the baselines")
    model = model_of(request.model)
    data = _single_month(prediction.inputs.data, index)
    month = next(iter(observed_months(data)))
    estimate = prediction.estimate
    hidden = np.zeros(data.land.shape, bool)
    withheld = holdout.num_withheld[index]
    if request.clouds:
        hidden = np.asarray(_hidden_days(request, data, 0).any(axis=0))
        withheld = withheld + np.isfinite(holdout.data.daily[index]).sum(axis=0) - month.num_days
    return MonthResult(
        request=request,
        model_key=model.bundle.key,
        data=data,
        observed=month.mean,
        count=month.num_days.astype(np.int64),
        withheld=withheld,
        estimates=estimates_of(estimate.mean[index], model.baselines_on(data.grid, data.land), data),
        titles={"model": "Model", **model.title, MEAN_OF_BOTH: baseline_title(MEAN_OF_BOTH)},
        std=None if estimate.std is None else estimate.std[index],
        climatology=np.where(data.land, np.float32(np.nan), prediction.inputs.climatology[request.month - 1]),
        is_climatology=estimate.is_climatology[index],
        ice=ice_mask(data, estimate.mean[index : index + 1])[0],
        hidden=hidden,
        in_stripes=holdout.pattern == "swath",
        knows_truth=model_source(request).monthly is not None,
    )


def _single_month(data: MonthlyData, index: int) -> MonthlyData:
    month = slice(index, index + 1)
    names = ("daily", "padded", "phases", "ice", "years", "months")
    arrays: dict[str, Any] = {name: getattr(data, name)[month] for name in names}
    return replace(data, target=None if data.target is None else data.target[month], **arrays)


def _hidden_days(request: MonthRequest, data: MonthlyData, index: int) -> Mask:
    """(31, H, W), True = under a drawn cloud."""
    hidden = np.zeros(data.daily.shape[1:], bool)
    for cloud in request.clouds:
        hidden[cloud.day - 1 if cloud.day else slice(None)] |= cloud_mask(cloud, data.grid)
    return hidden & ~data.padded[index][:, None, None] & ~data.land


def cloud_mask(cloud: Cloud, grid: LatLonGrid) -> Mask:
    """(H, W), True = the centre of the cell lies below the cloud."""
    mask = np.zeros(grid.shape, bool)
    reach_deg = np.rad2deg(cloud.radius_km / EARTH_RADIUS_M * 1000.0)
    for lat, lon in cloud.points:
        rows = np.flatnonzero(np.abs(grid.lat - lat) <= reach_deg)
        distance_km = great_circle_km(lat, lon, grid.lat[rows][:, None], grid.lon[None])
        mask[rows] |= np.asarray(distance_km) <= cloud.radius_km
    return mask


def layers_of(month: MonthResult) -> tuple[str, ...]:
    """The layers of :data:`LAYER_KINDS` that a month has."""
    missing: set[str] = {"std"} if month.std is None else set()
    if month.truth is None:
        missing |= {"truth", "size", *LAYER_KINDS["error"]}
    return tuple(name for names in LAYER_KINDS.values() for name in names if name not in missing)


def layer(month: MonthResult, name: str, *, day: int = 1, best: str = "mean") -> Singles:
    """A layer (H, W), in model space (°C, K); ``best`` is the baseline of ``error_best``. See :func:`layers_of`.

    ``difference`` is the reconstruction minus the mean of the observed days, NaN where no day was observed.
    """
    truth = np.float32(np.nan) if month.truth is None else month.truth
    estimate = {"error": "model", "error_best": best, "error_mean": "mean", "error_usual": "climatology"}
    if name in estimate:
        return month.estimates[estimate[name]] - truth
    if name == "day":
        return month.day(min(day, month.num_days))
    fields = {
        "observed": month.observed,
        "reconstruction": month.estimates["model"],
        "truth": truth,
        "difference": month.estimates["model"] - month.observed,
        "std": month.std,
        "size": np.abs(month.estimates["model"] - truth),
    }
    return np.asarray(fields[name], np.float32)
