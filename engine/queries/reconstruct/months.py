"""Numbers of the Reconstruct page: a month as it was seen, as model and baselines reconstruct it, and as it was."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.prepare import Month, available, prepare
from engine.data.source import MonthlyData, SSTSource
from engine.errors import ChoiceError, EngineError
from engine.queries.cache import CACHE, Progress
from engine.queries.ocean.sources import SourceChoice, source
from engine.queries.reconstruct.models import PRETRAINED, model_of
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, great_circle_km

Singles = NDArray[np.float32]
Mask = NDArray[np.bool_]

LAYER_KINDS: dict[str, tuple[str, ...]] = {
    "temperature": ("day", "observed", "reconstruction", "truth"),
    "error": ("error", "error_best", "error_mean", "error_usual"),
    "spread": ("std", "size"),
}
"""What a map can show, by kind; the layers of a kind share one colour scale."""


@dataclass(frozen=True)
class Cloud:
    """A cloud that was drawn: a brush of ``radius_km`` along ``points`` (degrees north, east).

    ``day`` of the month from 1, or 0: on all of its days.
    """

    points: tuple[tuple[float, float], ...]
    radius_km: float
    day: int = 0


@dataclass(frozen=True)
class MonthCase:
    """What is to be reconstructed: a month of a source by a model, after some of its observations were taken away.

    ``resample``: the source is brought to the model's grid first. ``hidden_percent`` of the cell-months are withheld
    whole; where the source knows no truth they are what can be scored.
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
class Reconstructed:
    """One month. All fields (H, W) float32, °C or K; NaN on land and where nothing is known.

    Attributes:
        case: what was asked for.
        data: the month as the model saw it (N = 1); its target is the source's, or the mean of what was withheld.
        observed: mean of the valid days that were seen.
        count: valid days that were seen; ``withheld``: days that were hidden.
        estimates: ``model`` first, then the baselines, by name.
        titles: what people call them.
        std: predicted standard deviation, K; None where the model predicts none.
        usual: the model's climatology of the month.
        hidden: (H, W) True = under a cloud that was drawn.
        in_stripes: whether days were withheld in stripes, since no clouds of another month could be laid over this one.
        knows_truth: whether the target is the source's own.
    """

    case: MonthCase
    data: MonthlyData
    observed: Singles
    count: NDArray[np.int64]
    withheld: NDArray[np.int64]
    estimates: dict[str, Singles]
    titles: dict[str, str]
    std: Singles | None
    usual: Singles
    hidden: Mask
    in_stripes: bool
    knows_truth: bool

    @property
    def lat(self) -> NDArray[np.float64]:
        """(H,) degrees north, ascending."""
        return self.data.grid.lat

    @property
    def lon(self) -> NDArray[np.float64]:
        """(W,) degrees east."""
        return self.data.grid.lon

    @property
    def truth(self) -> Singles | None:
        """The month's mean to be found, where something is known of it."""
        return None if self.data.target is None else self.data.target[0]

    def day(self, number: int) -> Singles:
        """What was seen on a day of the month, from 1."""
        return self.data.daily[0, number - 1]

    @property
    def num_days(self) -> int:
        """Of the month."""
        return int((~self.data.padded[0]).sum())


# --- months ---------------------------------------------------------------------------------------------------------


def months_of(choice: SourceChoice) -> tuple[str, ...]:
    """The months of the source's days as ISO dates of their first days. Raises DataError where there are no days."""
    first, last = available(source(choice))
    numbers = range(12 * first.year + first.month - 1, 12 * last.year + last.month)
    return tuple(f"{number // 12:04d}-{number % 12 + 1:02d}-01" for number in numbers)


def is_at_hand(case: MonthCase) -> bool:
    """Whether :func:`reconstructed` answers at once."""
    try:
        return _key(case) in CACHE
    except EngineError:
        return False


def reconstructed(case: MonthCase, progress: Progress | None = None) -> Reconstructed:
    """The month as seen, reconstructed and known. ``progress`` may raise to abandon the work.

    After clouds were drawn only the windows below them are asked again.

    Raises:
        DataError: no days, no such month, a sea the model knows nothing of. StoreError: no such model.
        ChoiceError: a grid that the model's patches do not fit on.
    """
    return CACHE.get(
        _key(case), partial(_reconstruct, case, progress or no_progress), lambda made: 12 * made.observed.nbytes
    )


def _key(case: MonthCase) -> tuple[object, ...]:
    return "reconstructed", case, model_of(case.model).trained.key, source(case.source).key


def source_in_use(case: MonthCase) -> SSTSource:
    """The source as the model sees it, resampled where that is asked for."""
    ocean = source(case.source)
    if not case.resample:
        return ocean
    from engine.data.resample import resampled

    grid = model_of(case.model).trained.climatology.grid
    return CACHE.get(("resampled", ocean.key, grid.key), partial(resampled, ocean, grid), lambda _: 2**20)


def exam_of(case: MonthCase, progress: Progress) -> tuple[Any, int]:
    """The months that the model sees together, with what is withheld of them, and which of them is asked for."""
    from engine.training.sst.holdout import HoldOutSet

    ocean, size = source_in_use(case), model_of(case.model).trained.settings.months
    first, last = (12 * month.year + month.month - 1 for month in available(ocean))
    wanted = 12 * case.year + case.month - 1
    if not first <= wanted <= last:
        raise ChoiceError(
            f"the source has no {case.year}-{case.month:02d}",
            "month",
            f"choose one from {first // 12}-{first % 12 + 1:02d} to {last // 12}-{last % 12 + 1:02d}",
        )
    start = max(first, min(wanted - size // 2, last - size + 1))
    stop = min(last, start + size - 1)
    ends = [_month(number) for number in (start, stop)]

    def withhold() -> Any:
        data = prepare(ocean, *ends, progress=progress)
        if data.target is None and not case.hidden_percent:
            unknown = np.zeros((len(data.months), *data.grid.shape), np.int64)
            return HoldOutSet(data, unknown, data.grid.area_weights[:, None] * ~data.land)
        clouds = _clouds_beside(ocean, ends[0]) if start == stop and case.hidden_percent else None
        return HoldOutSet.of(data, case.hidden_percent / 100.0, seed=0, clouds=clouds)

    key = ("reconstruct exam", ocean.key, ocean.grid.key, tuple(ends), case.hidden_percent)
    held = 31 * 4 * ocean.land.size * (stop - start + 1) if case.hidden_percent else 2**20
    return CACHE.get(key, withhold, lambda _: held), wanted - start


def _clouds_beside(ocean: SSTSource, month: Month) -> Mask | None:
    """Clouds of the month after, or before, to lay over one that stands alone; None where the source has no other."""
    from engine.training.sst.holdout import clouds_beside

    first, last = available(ocean)
    if first == last:
        return None
    is_later = month < last
    beside = _month(12 * month.year + month.month - 1 + (1 if is_later else -1))
    return clouds_beside(prepare(ocean, beside, beside), is_later)


def _month(number: int) -> Month:
    return Month(number // 12, number % 12 + 1)


def answers_of(case: MonthCase, progress: Progress) -> tuple[Any, Any, int]:
    """What the model says of all months it sees together, the exam, and which month is asked for."""
    from engine.training.sst.tiled_prediction import predict

    exam, index = exam_of(case, progress)
    trained = model_of(case.model).trained

    def ask() -> Any:
        if not case.clouds:
            return predict(trained, exam.data, progress=lambda share: progress(share, "Reconstructing the month"))
        known, _, _ = answers_of(replace(case, clouds=()), progress)
        hidden = _hidden_days(case, exam.data, index)
        days = np.array(exam.data.daily)
        days[index][hidden] = np.nan
        return predict(trained, replace(exam.data, daily=days), known=known, changed=np.asarray(hidden.any(axis=0)))

    def size(made: Any) -> int:
        fields = 2 * 4 * exam.data.land.size * len(exam.data.months)
        return 3 * fields + (made.inputs.data.daily.nbytes if case.clouds or case.hidden_percent else 0)

    key = ("reconstruct answers", _key(case))
    return CACHE.get(key, ask, size), exam, index


def _reconstruct(case: MonthCase, progress: Progress) -> Reconstructed:
    from engine.models.baselines import observed_months

    answers, exam, index = answers_of(case, progress)
    progress(0.95, "Asking the baselines")
    model = model_of(case.model)
    data = _one(answers.inputs.data, index)
    month = next(iter(observed_months(data)))
    baselines = model.baselines_on(data.grid, data.land)
    found = answers.estimate
    withheld = exam.num_withheld[index]
    if case.clouds:
        withheld = withheld + np.isfinite(exam.data.daily[index]).sum(axis=0) - month.num_days
    return Reconstructed(
        case=case,
        data=data,
        observed=month.mean,
        count=month.num_days.astype(np.int64),
        withheld=withheld,
        estimates={"model": found.mean[index], **{name: field[0] for name, field in baselines.predict(data).items()}},
        titles={"model": "Model", **model.title},
        std=None if found.std is None else found.std[index],
        usual=np.where(data.land, np.float32(np.nan), answers.inputs.climatology[case.month - 1]),
        hidden=np.zeros(data.land.shape, bool)
        if not case.clouds
        else np.asarray(_hidden_days(case, data, 0).any(axis=0)),
        in_stripes=exam.pattern == "swath",
        knows_truth=source_in_use(case).monthly is not None,
    )


def _one(data: MonthlyData, index: int) -> MonthlyData:
    one = slice(index, index + 1)
    names = ("daily", "padded", "phases", "ice", "years", "months")
    parts: dict[str, Any] = {name: getattr(data, name)[one] for name in names}
    return replace(data, target=None if data.target is None else data.target[one], **parts)


def _hidden_days(case: MonthCase, data: MonthlyData, index: int) -> Mask:
    """(31, H, W), True = under a cloud that was drawn."""
    hidden = np.zeros(data.daily.shape[1:], bool)
    for cloud in case.clouds:
        below = cloud_mask(cloud, data.grid)
        if cloud.day:
            hidden[cloud.day - 1] |= below
        else:
            hidden |= below
    return hidden & ~data.padded[index][:, None, None] & ~data.land


def cloud_mask(cloud: Cloud, grid: LatLonGrid) -> Mask:
    """(H, W), True = the cell's centre lies below the cloud."""
    below = np.zeros(grid.shape, bool)
    reach = np.rad2deg(cloud.radius_km / (EARTH_RADIUS_M / 1000.0))
    for lat, lon in cloud.points:
        rows = np.flatnonzero(np.abs(grid.lat - lat) <= reach)
        distance = great_circle_km(lat, lon, grid.lat[rows][:, None], grid.lon[None])
        below[rows] |= np.asarray(distance) <= cloud.radius_km
    return below


def layers_of(found: Reconstructed) -> tuple[str, ...]:
    """The layers of :data:`LAYER_KINDS` that a month has."""
    missing: set[str] = {"std"} if found.std is None else set()
    if found.truth is None:
        missing |= {"truth", "size", *LAYER_KINDS["error"]}
    return tuple(name for names in LAYER_KINDS.values() for name in names if name not in missing)


def layer(found: Reconstructed, name: str, *, day: int = 1, best: str = "mean") -> Singles:
    """A layer (H, W), °C or K; ``best`` names the baseline of ``error_best``. See :func:`layers_of`."""
    truth = np.float32(np.nan) if found.truth is None else found.truth
    whose = {"error": "model", "error_best": best, "error_mean": "mean", "error_usual": "climatology"}
    if name in whose:
        return found.estimates[whose[name]] - truth
    if name == "day":
        return found.day(min(day, found.num_days))
    fields = {
        "observed": found.observed,
        "reconstruction": found.estimates["model"],
        "truth": truth,
        "std": found.std,
        "size": np.abs(found.estimates["model"] - truth),
    }
    return np.asarray(fields[name], np.float32)


def no_progress(share: float, text: str) -> None:
    """Nobody is told."""
    del share, text
