"""The verdict on the month that is shown, and on its year, whose other months follow while nothing else is asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from engine.queries import reconstruct
from engine.queries.cache import Progress
from engine.queries.reconstruct import ModelScores, MonthRequest, MonthResult
from explorer.background import Debouncer, LatestTask, unseen
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.stage import Stage
from explorer.widgets.text import html

_CSS = """
:host { padding: 0 24px 8px; box-sizing: border-box; min-height: 108px }
.verdict { font-size: 15px; line-height: 1.35; color: var(--h-text); margin: 0; padding-left: 12px;
  border-left: 3px solid var(--h-divider) }
.verdict.good { border-color: var(--h-success) } .verdict.bad { border-color: var(--h-warning) }
.verdict b { font-weight: 600 } p + p { padding-left: 15px; font-size: 12px }
"""
_KEPT = 24  # months


class Judgement:
    """``part`` says the verdict. ``best`` is the baseline the month is held against, ``now`` its verdict, if there is
    one.

    ``redraw()`` is called when the best baseline changes, ``judged()`` when there is something new to be told; the year
    is computed while ``is_idle()``.
    """

    def __init__(
        self,
        model: ReconstructModel,
        stage: Stage,
        redraw: Callable[[], None],
        judged: Callable[[], None],
        is_idle: Callable[[], bool],
    ) -> None:
        self.model = model
        self.stage = stage
        self.part = html("", _CSS)
        self.best = "climatology_anomaly"
        self.now: ModelScores | None = None
        self._whole: ModelScores | None = None
        self._redraw = redraw
        self._judged = judged
        self._is_idle = is_idle
        self._found: MonthResult | None = None
        self._plain: MonthResult | None = None
        self._year: list[MonthResult] = []
        self._scoring = LatestTask(unseen, self.fail)
        self._following = LatestTask(unseen, lambda error: None)
        self._follow = Debouncer(self._compute_year, 1200)
        model.param.watch(lambda *_: self.judge(), "region")

    def say(self, content: str) -> None:
        """Put HTML in the verdict's place."""
        self.part.object = content

    def fail(self, error: Exception) -> None:
        """There is no verdict, and why."""
        self.say(f"<p class=verdict role=status>{text.escape(str(error))}</p>")

    def pause(self) -> None:
        """Compute no more of the year for now."""
        self._following.cancel()

    def forget_year(self) -> None:
        """Another model or source: its months are others."""
        self._year = []

    def take(self, found: MonthResult, plain: MonthResult) -> None:
        """Judge a month; ``plain`` is the same without clouds of one's own."""
        self._found, self._plain = found, plain
        self.judge()

    @property
    def verdicts(self) -> list[tuple[str, ModelScores]]:
        """What has been judged, each with the months it is of."""
        month = [] if self.now is None else [(self.model.iso[:7], self.now)]
        return month if self._whole is None else [*month, (f"{self._whole.num_months} months", self._whole)]

    def months_with(self, found: MonthResult) -> list[MonthResult]:
        """The months of its year that are at hand, or it alone."""
        return self._months_of(found.request.year) or [found]

    def _months_of(self, year: int) -> list[MonthResult]:
        return list({month.request: month for month in self._year if month.request.year == year}.values())

    def judge(self) -> None:
        """Judge the month, and as many of its year as are at hand."""
        found, plain, region = self._found, self._plain, self.model.region
        if found is None or plain is None or self.model.film:
            return
        year = self._months_of(found.request.year)
        if not reconstruct.can_score(found):
            self.say(text.no_verdict(found))
            self.now = None
            self._judged()
            return

        def work(_: object) -> tuple[Any, ...]:
            now = reconstruct.score_months([found], region)
            others = {month.request: month for month in [*year, plain]}
            whole = reconstruct.score_months(list(others.values()), region) if len(others) > 1 else None
            under = (reconstruct.errors_within(found, found.hidden), reconstruct.errors_within(plain, found.hidden))
            return now, whole, under

        self._scoring.start(work, partial(self._tell, found, region))

    def _tell(self, found: MonthResult, region: str, judged: tuple[Any, ...]) -> None:
        now, whole, (under, before) = judged
        if found is not self._found or self.model.film:
            return
        self.now, self._whole = now, whole
        if now.best != self.best:
            self.best = now.best
            self._redraw()
        learned = reconstruct.is_trained_on(found.request.model, found.request.source, found.request.year)
        notes = [text.LEARNED] if learned else []
        if not found.count.any():
            notes.append(text.EVERYTHING_HIDDEN if found.request.clouds else text.NO_OBSERVATION)
        if found.in_stripes:
            notes.append(text.IN_STRIPES)
        detail = text.under_clouds(under, before, now.best) if found.request.clouds else text.detail(now, whole, region)
        said = text.verdict(now, self.model.iso) + detail
        self.say(said + "".join(f"<p class=caution>{note}</p>" for note in notes))
        self.stage.say_facts(text.read_out(found))
        self._judged()
        self._follow.soon()

    def _compute_year(self) -> None:
        """The other months of the year, one by one, while nothing else is asked for."""
        found, model = self._found, self.model
        if found is None or model.film or not self._is_idle() or self._following.running:
            return
        have = {month.request for month in self._year}
        wanted = [model.case(iso, with_clouds=False) for iso in model.months if iso[:4] == model.iso[:4]]
        missing = [case for case in wanted if case not in have]
        if not missing:
            return

        def then(month: MonthResult) -> None:
            self._year = [*self._year, month][-_KEPT:]
            self.judge()

        self._following.start(partial(_compute, missing[0]), then)


def _compute(case: MonthRequest, report: Progress) -> MonthResult:
    return reconstruct.reconstruct_month(case, report)
