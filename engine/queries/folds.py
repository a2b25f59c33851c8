"""The folds of a rolling origin: which runs belong together, and the verdict on all their test months."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.config.months import MonthSpan, span_text
from engine.config.sst import SSTSettings
from engine.errors import DataError
from engine.evaluation import Verdict, verdict
from engine.evaluation.comparison import SEA, Scores, difference, errors_of
from engine.evaluation.folds import pooled
from engine.queries.cache import CACHE
from engine.queries.train.run_files import read_scores, scores_key, variable_of
from engine.runs import Run, RunRecord

_TAG = "folds "
_VERDICT_BYTES = 8192


@dataclass(frozen=True)
class FoldsVerdict:
    """The verdict on the test months of all folds together, and which folds these are, in words."""

    title: str
    verdict: Verdict


def new_tag() -> str:
    """The tag of the runs of a rolling origin that is launched now."""
    return _TAG + secrets.token_hex(4)


def folds_tag(record: RunRecord) -> str:
    """The tag of the rolling origin that a run belongs to; empty where it belongs to none."""
    return next((tag for tag in record.tags if tag.startswith(_TAG)), "")


def folds_verdict(run: Run) -> FoldsVerdict | None:
    """The verdict on the rolling origin that a run belongs to, as far as its folds are scored.

    Its text ends with the margin in each fold, to the same baseline: their spread. None where the run belongs to none,
    and before two folds are scored. Of folds that test the same month the newest counts.

    Raises:
        StoreError: the scores of a fold are damaged, or of other cells than those of the others.
    """
    tag = folds_tag(run.record)
    if not tag:
        return None
    runs = run.tagged(tag)
    scored = _one_after_the_other([(_tested(each), each.folder) for each in runs if scores_key(each.folder)])
    if len(scored) < 2:
        return None
    keys = tuple(scores_key(folder) for _, folder in scored)
    result = CACHE.get(("folds", keys), lambda: _compute(scored), lambda _: _VERDICT_BYTES)
    if result is None:
        return None
    of_all = "" if len(scored) == len(runs) else f" of {len(runs)}"
    months = span_text((scored[0][0][0], scored[-1][0][1]))
    return FoldsVerdict(f"{len(scored)}{of_all} folds together, tested on {months}", result)


def _tested(run: Run) -> MonthSpan:
    settings = run.config.settings
    return settings.test if isinstance(settings, SSTSettings) else ("", "")


def _one_after_the_other(folds: Sequence[tuple[MonthSpan, Path]]) -> list[tuple[MonthSpan, Path]]:
    """The folds in the order of their test months, without those that test a month that a newer one tests."""
    kept: list[tuple[MonthSpan, Path]] = []
    for (first, last), folder in reversed(folds):
        if first and all(last < other[0] or other[1] < first for other, _ in kept):
            kept.append(((first, last), folder))
    return sorted(kept)


def _compute(folds: Sequence[tuple[MonthSpan, Path]]) -> Verdict | None:
    scores = [read_scores(folder) for _, folder in folds]
    try:
        result = verdict(pooled(scores), variable=variable_of(folds[0][1]))
    except DataError:  # there is nothing to compare
        return None
    margins = [_margin(fold, result.baseline) for fold in scores]
    known = [
        f"{span_text(span)} {difference(margin)}"
        for (span, _), margin in zip(folds, margins, strict=True)
        if margin is not None
    ]
    return replace(result, text=f"{result.text} Fold by fold: {'; '.join(known)}.")


def _margin(scores: Scores, baseline: str) -> float | None:
    """1 − error of the model/error of the baseline in one fold; None where it has no such error."""
    errors = errors_of([scores], SEA)
    return None if not errors.get(baseline) or "model" not in errors else 1.0 - errors["model"] / errors[baseline]
