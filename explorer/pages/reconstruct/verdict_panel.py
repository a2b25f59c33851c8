"""The scores of the month on screen and of its year, whose other months are computed while the page is idle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from engine.queries import reconstruct
from engine.queries.cache import Progress
from engine.queries.reconstruct import ModelScores, MonthRequest, MonthResult
from explorer.background import Debouncer, LatestTask, unseen
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.model import ReconstructModel, ResultKey
from explorer.stage import Stage
from explorer.widgets.text import html

_CSS = """
:host { padding: 0 24px 8px; box-sizing: border-box; min-height: 108px }
.verdict { font-size: 15px; line-height: 1.35; color: var(--h-text); margin: 0; padding-left: 12px;
  border-left: 3px solid var(--h-divider) }
.verdict b { font-weight: 600 } p { font-size: 12px }
"""
_KEPT = 24  # months
_USUAL_BEST = "climatology"  # every model has it, and until a month is scored no better one is known


class VerdictPanel:
    """``part`` is the pane, ``best`` the name of the best baseline, ``now`` the scores of the month, if any.

    ``redraw()`` is called when the best baseline is known and ``changed()`` after every scoring; the year is computed,
    and progress shown, while ``is_idle()``: the page is on screen and computes nothing else.
    """

    def __init__(
        self,
        model: ReconstructModel,
        stage: Stage,
        redraw: Callable[[], None],
        changed: Callable[[], None],
        is_idle: Callable[[], bool],
    ) -> None:
        self.model = model
        self.stage = stage
        self.part = html("", _CSS)
        self.best = _USUAL_BEST
        self.now: ModelScores | None = None
        self._whole: ModelScores | None = None
        self.key: ResultKey | None = None
        """What the scores belong to; None where there are none."""
        self._redraw = redraw
        self._changed = changed
        self._is_idle = is_idle
        self._month: MonthResult | None = None
        self._month_without_clouds: MonthResult | None = None
        self._year: list[MonthResult] = []
        self._is_awaited = False
        """Whether scores are computed that the screen lacks."""
        self._scoring = LatestTask(self._show_progress, self._fail)
        self._following = LatestTask(unseen, lambda error: None)
        self._follow = Debouncer(self._compute_year, 1200)

    def say(self, content: str) -> None:
        """Replace the pane's content by this HTML."""
        self.part.object = content

    def _fail(self, error: Exception) -> None:
        """Show an error in place of the scores."""
        self._clear()
        self.key = self.model.key
        self.say(text.failure(error))
        self._changed()

    def _show_progress(self, share: float | None, content: str) -> None:
        if self._is_awaited and self._is_idle():
            self.stage.show_progress(share, content)

    @property
    def is_awaited(self) -> bool:
        """Whether scores are being computed that the screen lacks."""
        return self._scoring.running and self._is_awaited

    def cancel(self, content: str) -> None:
        """Stop scoring, and show this HTML; :meth:`score` starts again."""
        self._scoring.cancel()
        self.say(content)

    def blank(self, content: str) -> None:
        """Remove the scores, and show this HTML instead."""
        self._scoring.cancel()
        self._month = self._month_without_clouds = None
        self._clear()
        if not self.model.film:
            self.say(content)

    def _clear(self) -> None:
        self.now = self._whole = self.key = None

    def follow(self) -> None:
        """Go on computing the rest of the year, soon."""
        self._follow.soon()

    def pause(self) -> None:
        """Stop computing the rest of the year."""
        self._following.cancel()

    def forget_year(self) -> None:
        """Forget the months of another model or source, and which baseline is its best."""
        self._year = []
        now = self.now if self.key == self.model.key else None
        self.best = _USUAL_BEST if now is None else now.best

    def take(self, month: MonthResult, without_clouds: MonthResult) -> None:
        """Score a month; ``without_clouds`` is the same without drawn clouds."""
        self._month, self._month_without_clouds = month, without_clouds
        self.score()

    @property
    def verdicts(self) -> list[tuple[str, ModelScores]]:
        """The scores so far, each with the period it is of."""
        scored = [] if self.now is None or self.key != self.model.key else [(self.model.iso[:7], self.now)]
        if not scored:
            return []
        return scored if self._whole is None else [*scored, (f"{self._whole.num_months} months", self._whole)]

    def months_with(self, month: MonthResult) -> list[MonthResult]:
        """The month, and those of its year that are computed alike; under drawn clouds the month alone."""
        if month.request.clouds:
            return [month]
        alike = {each.request: each for each in [*self._months_like(month), month]}
        return sorted(alike.values(), key=lambda each: each.request.month)

    def _months_like(self, month: MonthResult) -> list[MonthResult]:
        """The computed months of its year with the same weights, source and withheld share, without drawn clouds."""
        alike = {
            each.request: each
            for each in self._year
            if _series(each.request) == _series(month.request) and each.model_key == month.model_key
        }
        return [each for each in alike.values() if not each.request.clouds]

    def score(self) -> None:
        """Score the month, and the months of its year that are computed."""
        month, without_clouds, region = self._month, self._month_without_clouds, self.model.region
        if month is None or without_clouds is None or self.model.film:
            return
        key = ResultKey(month.request, region)
        if key != self.key:
            self._clear()
            self.say(text.scoring(self.model.iso))
        year = self._months_like(month)
        if not reconstruct.can_score(month):
            self._scoring.cancel()
            self.say(text.no_verdict(month))
            self.key = key
            self._changed()
            return

        def work(report: Progress) -> tuple[Any, ...]:
            now = reconstruct.score_months([month], region)
            report(0.3, text.SCORING)
            others = {item.request: item for item in [*year, without_clouds]}
            whole = reconstruct.score_months(list(others.values()), region) if len(others) > 1 else None
            report(0.8, text.SCORING)
            under = (
                reconstruct.errors_within(month, month.hidden),
                reconstruct.errors_within(without_clouds, month.hidden),
            )
            return now, whole, under

        self._scoring.cancel()
        self._is_awaited = key != self.key
        self._scoring.start(work, partial(self._show_verdict, month, region))
        self._show_progress(0.0, text.SCORING)

    def _show_verdict(self, month: MonthResult, region: str, verdicts: tuple[Any, ...]) -> None:
        now, whole, (under, before) = verdicts
        if month is not self._month or self.model.film:
            return
        self.key, self.now, self._whole = ResultKey(month.request, region), now, whole
        is_new, self.best = now.best != self.best, now.best
        if is_new or "error_best" in self.model.shown:
            self._redraw()
        request = month.request
        learned = reconstruct.is_trained_on(request.model, request.source, f"{request.year:04d}-{request.month:02d}")
        notes = [text.LEARNED] if learned else []
        notes += text.fallback(month)
        if month.in_stripes:
            notes.append(text.IN_STRIPES)
        detail = (
            text.under_clouds(under, before, now.best, now.verdict.variable)
            if month.request.clouds
            else text.detail(whole, self._num_in_year)
        )
        result = text.verdict(now, self.model.iso, region) + detail
        self.say(result + "".join(f"<p class=caution>{note}</p>" for note in notes))
        self._changed()
        self._follow.soon()

    @property
    def _num_in_year(self) -> int:
        """Months of the source in the year on screen."""
        return sum(iso[:4] == self.model.iso[:4] for iso in self.model.months)

    def _compute_year(self) -> None:
        """Compute the other months of the year, one by one."""
        month, model = self._month, self.model
        if month is None or model.film or not self._is_idle() or self._following.running:
            return
        if self.key != model.key:  # the month on screen is scored first
            return
        have = {month.request for month in self._year}
        wanted = [model.case(iso, with_clouds=False) for iso in model.months if iso[:4] == model.iso[:4]]
        missing = [case for case in wanted if case not in have]
        if not missing:
            return

        def then(month: MonthResult) -> None:
            self._year = [*self._year, month][-_KEPT:]
            self.score()

        self._following.start(partial(_compute, missing[0]), then)


def _series(request: MonthRequest) -> MonthRequest:
    """What months must share to be scored together: everything but the month and the drawn clouds."""
    return replace(request, month=1, clouds=())


def _compute(case: MonthRequest, report: Progress) -> MonthResult:
    return reconstruct.reconstruct_month(case, report)
