"""What a drafted training will do, read off the event loop: its proposal or plan, and a day of its data."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import xarray as xr

from engine.config.sst import DemoSource, FileSource, SSTSettings
from engine.errors import CancelledError, EngineError
from engine.queries import ocean
from engine.queries.cache import Progress
from engine.queries.embeddings import advice, shipped_probe
from engine.queries.ocean import VariableKind
from engine.queries.train import plans
from engine.queries.train.observed import MonthShare
from engine.queries.train.plans import Plan, SizeOffer
from engine.queries.train.problems import Problem
from explorer.background import LatestTask

_ABOUT = "Looking at the source"


@dataclass(frozen=True, eq=False)
class Day:
    """The observations of a day as they are drawn, ``field`` (lat, lon), with the ends of their colour scale."""

    field: xr.DataArray
    limits: tuple[float, float]
    variable: VariableKind


@dataclass(frozen=True, eq=False)
class Outlook:
    """What a training will do, or what stands in its way.

    ``settings`` are those that are planned, of a refused source None. Of a proposal, ``sizes`` are the models to choose
    from, and ``folds`` the runs of a rolling origin. ``day`` is one of the training months, where a page can show it.
    """

    settings: SSTSettings | None
    plan: Plan | None
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]
    observed: tuple[MonthShare, ...]
    sizes: tuple[SizeOffer, ...] = ()
    folds: tuple[SSTSettings, ...] = ()
    day: Day | None = None


class Planner:
    """Proposes settings or explains them; a newer request replaces an older one. ``take`` is called with the result.

    ``progress`` and ``failed`` are those of :class:`LatestTask`.
    """

    def __init__(
        self,
        take: Callable[[Outlook], None],
        progress: Callable[[float | None, str], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._take = take
        self._task = LatestTask(progress, failed)
        self._progress = progress

    @property
    def running(self) -> bool:
        """Whether a plan is being made."""
        return self._task.running

    def cancel(self) -> None:
        """Make no plan."""
        self._task.cancel()

    def propose(self, source: Callable[[], DemoSource | FileSource], size: str, minutes: int) -> None:
        """Plan a training on a source."""

        def work(report: Progress) -> Outlook:
            chosen = source()
            proposal = plans.propose(chosen, size, minutes, progress=report, should_stop=_stop(report))
            problems = () if proposal.refusal is None else (proposal.refusal,)
            settings = proposal.settings
            day = _day_of(chosen, None if settings is None else settings.train, report)
            return Outlook(
                settings,
                proposal.plan,
                (*proposal.notes, *_advice(settings)),
                problems,
                proposal.observed,
                proposal.sizes,
                proposal.folds,
                day,
            )

        self._start(work)

    def explain(self, settings: SSTSettings) -> None:
        """Plan the training of these settings."""

        def work(report: Progress) -> Outlook:
            plan = plans.explain(settings, progress=report, should_stop=_stop(report))
            day = _day_of(settings.source, settings.train, report)
            return Outlook(settings, plan, (*plan.notes, *_advice(settings)), plan.problems, plan.observed, day=day)

        self._start(work)

    def _start(self, work: Callable[[Progress], Outlook]) -> None:
        self._task.start(work, self._take)
        self._progress(0.0, _ABOUT)


def _advice(settings: SSTSettings | None) -> tuple[str, ...]:
    """What the probe measured for the encoder of the model, if it was probed."""
    if settings is None:
        return ()
    model = settings.model
    sentence = advice(shipped_probe(), model.encoder, settings.basis_degree, model.num_components)
    return (sentence,) if sentence else ()


def _stop(report: Progress) -> Callable[[], bool]:
    """Whether the work was abandoned: its progress is refused then."""

    def is_abandoned() -> bool:
        try:
            report(0.8, _ABOUT)
        except CancelledError:
            return True
        return False

    return is_abandoned


def _day_of(source: DemoSource | FileSource, span: tuple[str, str] | None, report: Progress) -> Day | None:
    """The middle day of a span of months, or of all; None of a source that no page can choose."""
    with suppress(EngineError):
        choice = ocean.source_choice(source)
        summary = ocean.open_source(choice, report)
        first, last = span or (summary.days[0][:7], summary.days[-1][:7])
        inside = [index for index, day in enumerate(summary.days) if first <= day[:7] <= last]
        if inside:
            field = ocean.drawn(choice, ocean.day_map(choice, "observed", inside[len(inside) // 2]))
            seen = field.values[np.isfinite(field.values)]
            limits = (float(seen.min()), float(seen.max())) if seen.size else summary.limits
            return Day(field, limits, summary.variable)
    return None
