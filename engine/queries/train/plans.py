"""Plans of trainings: settings that suit a source, and what a training of given settings will do.

:func:`propose` goes from a source, a size and minutes to settings that run; :func:`explain` says of settings, proposed
or edited, which months, windows and cost they mean, and what stands in their way, each problem with remedies. Both read
a little of the source and take seconds: call them off the event loop.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from engine.config.model import SpatioTemporalConfig
from engine.config.months import Month, MonthSpan, days_between, months_in, span_text
from engine.config.sst import SPLITS, DemoSource, FileSource, SSTSettings
from engine.errors import CancelledError, EngineError, QualityError, check_choice
from engine.queries.cache import Progress, no_progress, sub_progress
from engine.queries.ocean.points import decision_text
from engine.queries.ocean.run_sources import with_decision
from engine.queries.text import counted, duration
from engine.queries.train.cost import TrainingCost, training_cost
from engine.queries.train.observed import MonthShare, SourceOverview, Stop, source_overview
from engine.queries.train.problems import (
    Problem,
    Remedy,
    changed,
    on_demo,
    problems_of,
    step_estimate,
    too_much_memory,
    window_boxes,
    within_memory,
)
from engine.queries.train.splits import LEAST_TRAIN, ROLLING, Splits, allocate, rolling

Size = Literal["tiny", "small", "base", "large"]
SIZES: tuple[Size, ...] = get_args(Size)
"""The presets that are offered, smallest first; the others are trained as published."""

_WINDOW = (60, 120)
_MOST_OVERLAP = 16
_LEAST_SAMPLES, _MOST_SAMPLES = 16, 240
_EPOCHS = range(10, 101)  # fewer validations cannot choose among weights; more hardly help
_FEW_STEPS = 300
_LEAST_EPOCHS = 3  # of a size that is offered
_MOST_CHOICES = 4  # of one point of a file that are offered


@dataclass(frozen=True)
class SplitMonths:
    """A split: its ``first`` and ``last`` month as ``2001-07``, and how many months of it are observed."""

    name: str
    first: str
    last: str
    num_months: int
    num_observed: int


@dataclass(frozen=True)
class Gap:
    """Months between two splits: ``first`` and ``last``, and the days in them."""

    first: str
    last: str
    days: int


@dataclass(frozen=True, eq=False)
class Plan:
    """What a training of ``settings`` will do.

    Attributes:
        settings: the settings.
        overview: the source; None where it cannot be opened.
        splits: climatology, train, validation and test.
        gaps: what lies between train, validation and test, in time.
        observed: every month of the source with the share of it that is observed.
        windows: (south, north, west, east) in degrees of the windows that hold sea, as a prediction lays them; those
            of the training have the same size and lie anywhere.
        cost: time, memory and size; None where the settings cannot run.
        notes: sentences on choices that weaken the result.
        problems: why it cannot run; empty where it can.
    """

    settings: SSTSettings
    overview: SourceOverview | None
    splits: tuple[SplitMonths, ...]
    gaps: tuple[Gap, ...]
    observed: tuple[MonthShare, ...]
    windows: tuple[tuple[float, float, float, float], ...]
    cost: TrainingCost | None
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class SizeOffer:
    """A size of model: ``epochs`` of it fit into the minutes asked for. ``reason`` says why it is not offered."""

    name: str
    num_parameters: int
    memory_bytes: int
    epochs: int
    text: str
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A training proposed for a source.

    Attributes:
        settings: settings that run; None where the source is refused.
        plan: what they do; None where the source is refused.
        notes: sentences on what was decided and why; the same as the plan's where there is one.
        refusal: why nothing can be trained on the source, with remedies.
        observed: every month of the source with the share of it that is observed.
        sizes: the sizes of model, with what each can do in the minutes.
        folds: rolling origin, where there is little data: settings of the same training that ends earlier, oldest
            first; the last is ``settings``. Each is a run of its own, on test months of its own. Empty where one test
            is long enough, or more do not fit.
    """

    settings: SSTSettings | None
    plan: Plan | None
    notes: tuple[str, ...]
    refusal: Problem | None = None
    observed: tuple[MonthShare, ...] = ()
    sizes: tuple[SizeOffer, ...] = ()
    folds: tuple[SSTSettings, ...] = field(default=())


def propose(
    source: DemoSource | FileSource,
    size: str = "tiny",
    minutes: float = 20.0,
    *,
    measure: bool = True,
    progress: Progress = no_progress,
    should_stop: Stop = lambda: False,
) -> Proposal:
    """A training on ``source`` that takes about ``minutes``.

    Args:
        source: the daily fields.
        size: one of :data:`SIZES`.
        minutes: for preparation, epochs and scores together.
        measure: measure two steps on this machine (seconds, cached) for the time; else it is estimated from the number
            of operations.
        progress: called with the fraction done and a text.
        should_stop: asked often; True abandons the work.

    Raises:
        ChoiceError: there is no such size.
        CancelledError: ``should_stop`` returned True.
    """
    check_choice("size", size, SIZES)
    try:
        overview = source_overview(source, sub_progress(progress, 0.0, 0.6), should_stop)
    except CancelledError:
        raise
    except EngineError as error:
        return Proposal(None, None, (), _unreadable(error, source))
    draft = _draft(source, overview, size)
    splits, folds = _splits(overview, draft.gap_days)
    if splits is None:
        return Proposal(None, None, (), _too_little(draft, overview), overview.months)
    settings = changed(draft, **splits.changes())
    progress(0.6, "Measuring the cost")
    settings = within_memory(settings)
    cost = training_cost(settings, overview, measure, should_stop)
    settings = _within_time(settings, overview, cost, minutes)
    plan = explain(settings, measure=measure, progress=sub_progress(progress, 0.8, 1.0), should_stop=should_stop)
    notes = (*_time_notes(plan, minutes), *_span_notes(overview, folds), *plan.notes)
    refusal = next(iter(plan.problems), None)
    return Proposal(
        settings if refusal is None else None,
        plan,
        notes,
        refusal,
        overview.months,
        _sizes(settings, overview, cost, minutes),
        tuple(changed(settings, **fold.changes()) for fold in folds),
    )


def explain(
    settings: SSTSettings,
    *,
    measure: bool = True,
    progress: Progress = no_progress,
    should_stop: Stop = lambda: False,
) -> Plan:
    """What a training of ``settings`` will do; arguments as those of :func:`propose`.

    Raises:
        CancelledError: ``should_stop`` returned True.
    """
    try:
        overview = source_overview(settings.source, sub_progress(progress, 0.0, 0.7), should_stop)
    except CancelledError:
        raise
    except EngineError as error:
        problem = _unreadable(error, settings.source, settings)
        return Plan(settings, None, _split_months(settings, set()), _gaps(settings), (), (), None, (), (problem,))
    observed = {str(month) for month in overview.observed}
    problems = problems_of(settings, overview)
    progress(0.7, "Measuring the cost")
    cost = None if problems else training_cost(settings, overview, measure, should_stop)
    progress(1.0, "")
    return Plan(
        settings,
        overview,
        _split_months(settings, observed),
        _gaps(settings),
        overview.months,
        window_boxes(settings, overview),
        cost,
        tuple(_notes(settings, observed, cost)),
        tuple(problems),
    )


def _split_months(settings: SSTSettings, observed: set[str]) -> tuple[SplitMonths, ...]:
    spans: dict[str, MonthSpan] = {name: getattr(settings, name) for name in SPLITS}
    return tuple(
        SplitMonths(name, first, last, len(months), sum(str(month) in observed for month in months))
        for name, (first, last) in spans.items()
        for months in [months_in((first, last))]
    )


def _gaps(settings: SSTSettings) -> tuple[Gap, ...]:
    spans = sorted((settings.train, settings.validation, settings.test))
    gaps: list[Gap] = []
    for earlier, later in itertools.pairwise(spans):
        days = days_between(earlier, later)
        if days > 0:
            first, last = Month.parse(earlier[1]).plus(1), Month.parse(later[0]).plus(-1)
            gaps.append(Gap(str(first), str(last), days))
    return tuple(gaps)


def _unreadable(error: EngineError, source: DemoSource | FileSource, settings: SSTSettings | None = None) -> Problem:
    """A source that cannot be opened, with what may open it."""
    start = settings or SSTSettings()
    remedies = [Remedy("Train on the demo ocean", on_demo(start))]
    if isinstance(source, FileSource):
        choices = {"quality": ("all",)} if isinstance(error, QualityError) else error.choices
        remedies = [
            Remedy(decision_text(name, value), start.model_copy(update={"source": with_decision(source, name, value)}))
            for name, values in choices.items()
            for value in values[:_MOST_CHOICES]
        ] + remedies
    return Problem(f"{error.problem} ({error.where}). {error.remedy[:1].upper()}{error.remedy[1:]}.", tuple(remedies))


def _draft(source: DemoSource | FileSource, overview: SourceOverview, size: str) -> SSTSettings:
    """Settings for the grid of a source, with months that are still to be chosen."""
    height, width = overview.grid.shape
    preset = SpatioTemporalConfig.preset(size)  # type: ignore[arg-type]  (checked)
    days, *sides = preset.patch
    rows, columns = (max(1, min(side, length)) for side, length in zip(sides, (height, width), strict=True))
    model = SpatioTemporalConfig.preset(
        size,  # type: ignore[arg-type]  (checked)
        patch=(days, rows, columns),
        overlap=min(preset.overlap, rows, columns),
        uncertainty=True,
    )
    window = _fitting(_WINDOW[0], height, rows), _fitting(_WINDOW[1], width, columns)
    return SSTSettings(
        source=DemoSource(), model=model, window=window, overlap=min(_MOST_OVERLAP, min(window) // 4)
    ).model_copy(update={"source": source})


def _fitting(most: int, length: int, side: int) -> int:
    """The most cells of whole patches within a grid's ``length``, at most ``most``."""
    return min(most, length) // side * side


def _splits(overview: SourceOverview, gap_days: int) -> tuple[Splits | None, tuple[Splits, ...]]:
    """The months of every split, and of the folds where there are few months."""
    observed = overview.observed
    folds = rolling(observed, gap_days) if len(observed) in ROLLING else ()
    return (folds[-1] if folds else allocate(observed, gap_days)), folds


def _too_little(draft: SSTSettings, overview: SourceOverview) -> Problem:
    """Too few observed months, or no days."""
    num = len(overview.observed)
    if not overview.months:
        text = f"{overview.name} has no daily fields: a model learns to make months from days"
        remedy = Remedy("Train on the demo ocean", on_demo(draft))
        return Problem(text, (remedy,))
    have = "no month with an observation" if not num else "1 observed month" if num == 1 else f"{num} observed months"
    text = (
        f"{have}: training ({LEAST_TRAIN} months at least), validation and test, with {draft.gap_days} days between "
        "them, need ten to twelve. Add files, or reconstruct these months with a model that is trained already"
    )
    remedies = [Remedy("Reconstruct with the model that comes with Harmonia", page="reconstruct")]
    near = allocate(overview.observed, 0, least_train=1) if num >= 3 else None
    if near is not None:
        label = "Train all the same, without gaps: scores will be too good"
        remedies.append(Remedy(label, changed(draft, gap_days=0, **near.changes())))
    remedies.append(Remedy("Train on the demo ocean", on_demo(draft)))
    return Problem(text, tuple(remedies))


def _within_time(settings: SSTSettings, overview: SourceOverview, cost: TrainingCost, minutes: float) -> SSTSettings:
    """The settings with as many samples an epoch as the data are worth, and the epochs that fit into the minutes."""
    samples, epochs = _schedule(settings, overview, cost, minutes)
    return settings.model_copy(update={"samples": samples, "epochs": epochs})


def _schedule(settings: SSTSettings, overview: SourceOverview, cost: TrainingCost, minutes: float) -> tuple[int, int]:
    budget = max(0.0, 60.0 * minutes - cost.seconds_prepare - cost.seconds_baselines - cost.seconds_score)
    per_step = settings.batch * settings.accumulate
    worth = 2 * max(1, len(window_boxes(settings, overview))) * len(settings.months_of("train"))
    samples = min(_MOST_SAMPLES, max(_LEAST_SAMPLES, worth))

    def epochs(samples: int) -> int:
        return int(budget / (math.ceil(samples / per_step) * cost.seconds_per_step + cost.seconds_validate))

    if epochs(samples) < _EPOCHS.start:
        left = budget / _EPOCHS.start - cost.seconds_validate
        samples = min(samples, max(_LEAST_SAMPLES, int(left / cost.seconds_per_step) * per_step))  # whole steps
    return samples, max(1, min(_EPOCHS.stop - 1, epochs(samples)))


def _sizes(
    settings: SSTSettings, overview: SourceOverview, cost: TrainingCost, minutes: float
) -> tuple[SizeOffer, ...]:
    """Every size on this source: measured time of the chosen one, scaled by the estimates of the others."""
    here = step_estimate(settings).step_seconds
    offers: list[SizeOffer] = []
    for size in SIZES:
        model = _draft(settings.source, overview, size).model
        other = settings.model_copy(update={"model": model})
        estimate = step_estimate(other)
        ratio = estimate.step_seconds / here
        _, epochs = _schedule(other, overview, cost.scaled(ratio), minutes)
        many = counted(epochs, "epoch")
        text = f"{estimate.num_parameters / 1e6:.2g} million parameters, {many} in {duration(60.0 * minutes)}"
        reason = ""
        if too_much := too_much_memory(other):
            reason = too_much
        elif epochs < _LEAST_EPOCHS:
            reason = f"only {many} within {duration(60.0 * minutes)}: choose a longer time"
        offers.append(SizeOffer(size, estimate.num_parameters, estimate.memory_bytes, epochs, text, reason))
    return tuple(offers)


def _time_notes(plan: Plan, minutes: float) -> list[str]:
    """That the minutes are too few for the least training."""
    if plan.cost is None or plan.settings.epochs > 1 or plan.cost.seconds_total <= 60.0 * minutes:
        return []
    return [
        f"A single epoch, with preparation, baselines and scores, takes {duration(plan.cost.seconds_total)}, longer "
        f"than the {duration(60.0 * minutes)} asked for: choose a longer time or a smaller size."
    ]


def _span_notes(overview: SourceOverview, folds: tuple[Splits, ...]) -> list[str]:
    """What was decided because of how many months there are."""
    num, notes = len(overview.observed), list[str]()
    if num < len(overview.months):
        notes.append(
            f"{len(overview.months) - num} of {len(overview.months)} months hold no observation and are left out."
        )
    if folds:
        span = span_text((folds[0].test[0], folds[-1].test[1]))
        notes.append(
            f"Only {num} months: one test covers {len(months_in(folds[-1].test))} of them. {len(folds)} runs that end "
            f"one after the other (rolling origin) test {span} together, each on months that it has not seen."
        )
    elif num < ROLLING.start:
        notes.append(f"Only {num} months: validation and test are a month or two each, and their scores are uncertain.")
    return notes


def _notes(settings: SSTSettings, observed: set[str], cost: TrainingCost | None) -> list[str]:
    """What weakens the result of settings."""
    notes: list[str] = []
    if days_between(settings.climatology, settings.train) < 0:
        notes.append(
            "The climatology is the mean annual cycle of months that are trained on too: anomalies look smaller in "
            "training than they are."
        )
    seasons = {month.month for month in settings.months_of("climatology") if str(month) in observed}
    if len(seasons) < 12:
        notes.append(f"The climatology has seen {len(seasons)} of the 12 months of a year.")
    tested = {month.month for month in settings.months_of("test") if str(month) in observed}
    if len(tested) < 6:
        notes.append(f"The test covers {len(tested)} months of the year: it says little about the others.")
    if settings.gap_days < 31:
        notes.append(
            f"Splits may lie {settings.gap_days} days apart, less than 31: they share weather, and scores are too good."
        )
    steps = settings.epochs * settings.steps_per_epoch
    if cost is not None and steps < _FEW_STEPS:
        notes.append(f"Only {steps} steps: give it more time or a smaller size to become better than the baselines.")
    return notes
