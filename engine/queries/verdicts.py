"""Verdicts on runs, from their folders: the same one for every page, file and command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.config.sweep import SEED
from engine.data.kinds import SST, VariableKind
from engine.errors import DataError, StoreError
from engine.evaluation import Verdict, verdict
from engine.evaluation.comparison import Scores
from engine.evaluation.place import PlaceWorth, place_worth
from engine.evaluation.reliability import Reliability, reliability
from engine.queries.cache import CACHE
from engine.queries.train.run_files import read_scores, scores_key, variable_of
from engine.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from engine.queries.train.curves import SweepSummary, SweepTrial

Summary = TypeVar("Summary", PlaceWorth, Reliability)

_VERDICT_BYTES = 8192
_VALIDATION = "val_mae"


def run_verdict(folder: Path, task: str) -> Verdict | None:
    """The verdict on the test months of a run of the task ``sst``, or of the best trial of a ``sweep``.

    The best trial is the one with the lowest validation error; those that differ from it in the seed only count with
    it, by their mean error.

    None where there are no scores yet, none of a baseline, and for other tasks. Computed once for a file of scores.

    Raises:
        StoreError: the scores are damaged.
    """
    scored = scored_folders(folder, task)
    return verdict_of(scored) if scored else None


def scored_folders(folder: Path, task: str) -> list[Path]:
    """The folders whose scores are those of a run: its own, or of a sweep those of the best trial's seeds.

    Raises:
        StoreError: a file is damaged.
    """
    folders = _best_trials(folder) if task == "sweep" else [folder] if task == "sst" else []
    return [each for each in folders if scores_key(each) is not None]


def run_place(folder: Path, task: str) -> PlaceWorth | None:
    """What the true places are worth to the model of a run, or of the best trial of a sweep over its seeds.

    None where there are no scores yet, and for models without location input.

    Raises:
        StoreError: the scores are damaged.
    """
    return _summary("place", place_worth, scored_folders(folder, task))


def run_reliability(folder: Path, task: str) -> Reliability | None:
    """Whether the predicted uncertainty of a run, or of the best trial of a sweep over its seeds, is right.

    None where there are no scores yet, and for models that predict none.

    Raises:
        StoreError: the scores are damaged.
    """
    return _summary("reliability", reliability, scored_folders(folder, task))


def _summary(
    name: str, summarise: Callable[[Sequence[Scores], VariableKind], Summary | None], folders: Sequence[Path]
) -> Summary | None:
    """What is said of the scores in ``folders`` together; computed once for the same files."""
    if not folders:
        return None
    keys = tuple(scores_key(folder) for folder in folders)
    variable = variable_of(folders[0])
    return CACHE.get(
        (name, keys), lambda: summarise([read_scores(each) for each in folders], variable), lambda _: _VERDICT_BYTES
    )


def run_variable(folder: Path, task: str) -> VariableKind:
    """The kind of variable of a run of the task ``sst``, or of the best trial of a ``sweep``; else that of the sea.

    Raises:
        StoreError: its file is damaged.
    """
    best = _best_trials(folder)[:1] if task == "sweep" else [folder]
    return variable_of(best[0]) if best else SST


def verdict_of(folders: Sequence[Path]) -> Verdict | None:
    """The verdict on several runs of one configuration, which differ in their seed: on their mean error.

    None where one of them has no scores.

    Raises:
        StoreError: the scores of one are damaged, or they are of other months or cells.
    """
    keys = tuple(scores_key(folder) for folder in folders)
    if None in keys:
        return None
    return CACHE.get(("verdict", keys), lambda: _compute(folders), lambda _: _VERDICT_BYTES)


def _compute(folders: Sequence[Path]) -> Verdict | None:
    try:
        return verdict([read_scores(folder) for folder in folders], variable=variable_of(folders[0]))
    except DataError:  # there is nothing to compare
        return None


def validation_verdict(last: Mapping[str, float], variable: VariableKind = SST) -> Verdict | None:
    """The verdict on the newest metrics of a training: on the validation months, without an interval.

    None before the first validation.
    """
    errors = {"model": last.get(_VALIDATION)} | {
        name.removeprefix(f"{_VALIDATION}_"): error
        for name, error in last.items()
        if name.startswith(f"{_VALIDATION}_")
    }
    scores = {name: {"surface": {"sea": {"mae": error}}} for name, error in errors.items()}
    try:
        return verdict(scores, variable=variable)
    except DataError:
        return None


def score_rows(scores: Mapping[str, Any], result: Verdict | None) -> list[dict[str, str | float]]:
    """Verdict and scores as flat rows for CSV: estimate, stratum, label, metric, value.

    Of the verdict: its ``text``; then for all open sea and each part ``level``, ``baseline``, ``margin`` (a fraction of
    the baseline's error, positive where the model's is lower) and the ends of its interval.
    """
    from engine.evaluation.scores import table_rows
    from engine.evaluation.strata import STRATA

    rows: list[dict[str, str | float]] = []
    if result is not None:
        rows.append(_row("verdict", result.stratum, result.label, "text", result.text))
        for part in (result, *result.parts):
            values: dict[str, str | float] = {"level": part.level, "baseline": part.baseline, "margin": part.margin}
            if part.interval is not None:
                values |= {"margin_low": part.interval[0], "margin_high": part.interval[1]}
            rows += [_row("verdict", part.stratum, part.label, metric, value) for metric, value in values.items()]
    kept = (*STRATA, "month")
    tables = {name: {key: strata[key] for key in kept if key in strata} for name, strata in scores.items()}
    return [*rows, *table_rows(tables)]


def _row(estimate: str, stratum: str, label: str, metric: str, value: str | float) -> dict[str, str | float]:
    return {"estimate": estimate, "stratum": stratum, "label": label, "metric": metric, "value": value}


def trial_verdicts(folder: Path, sweep: SweepSummary) -> dict[int, Verdict]:
    """The verdicts on the trials of a sweep by their numbers, of those that are scored."""
    verdicts: dict[int, Verdict] = {}
    for trial in sweep.scored:
        with suppress(StoreError):  # the trial's own page shows it
            result = None if trial.run is None else verdict_of([_trial_folder(folder, trial.run)])
            if result is not None:
                verdicts[trial.number] = result
    return verdicts


def _best_trials(folder: Path) -> list[Path]:
    """The folders of the best trial of a sweep and of those with the same choices but the seed."""
    from engine.queries.train.curves import sweep_summary

    sweep = sweep_summary(folder)
    if sweep.best is None:
        return []
    alike = (trial for trial in sweep.scored if _choices(trial) == _choices(sweep.best))
    return [_trial_folder(folder, trial.run) for trial in alike if trial.run is not None]


def _choices(trial: SweepTrial) -> dict[str, Any]:
    return {name: value for name, value in trial.chosen.items() if name != SEED}


def _trial_folder(sweep: Path, run: str) -> Path:
    return RunFolder.of(run, RunFolder(sweep).home).path
