"""Whether a model's error is lower than the best baseline's, how sure that is, and where it is otherwise, in words.

This is the only place that words a comparison of a model with its baselines: every page, file and command shows what
it returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.config.baselines import BESIDE, baseline_title
from engine.data.kinds import SST, VariableKind
from engine.errors import DataError
from engine.evaluation.bootstrap import LEVEL
from engine.evaluation.comparison import (
    LEVEL_WITHOUT_INTERVAL,
    PARTS,
    SEA,
    BlockErrors,
    Comparison,
    Scores,
    Stratum,
    compare,
    difference,
    errors_of,
    interval_text,
    percent,
    same_error,
    value_at,
)


@dataclass(frozen=True)
class Verdict(Comparison):
    """The comparison over all open sea.

    Attributes:
        headline: the level and the margin in words, with which ``text`` begins.
        text: the whole verdict in words, with errors, interval, and where it is otherwise.
        parts: the same apart, by number of observed days, in withheld and in never observed cells.
        notes: what a reader of the baselines' numbers should know, a sentence each.
    """

    headline: str
    text: str
    parts: tuple[Comparison, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Level, margin, interval, baseline and text as plain values."""
        return {
            "level": self.level,
            "margin": self.margin,
            "interval": None if self.interval is None else list(self.interval),
            "baseline": self.baseline,
            "text": self.text,
        }


def verdict(scores: Scores | Sequence[Scores], seed: int = 0, variable: VariableKind = SST) -> Verdict:
    """Compare the model with the best of its baselines.

    The best baseline is the one with the lowest error on the same cells, all open sea or one part of it. It is chosen
    on the cells that it is compared on, which flatters it: "lower" is rather too rare. The interval is drawn from
    blocks of space, months and seeds, :func:`engine.evaluation.bootstrap.margin_interval`; it is that of the margin
    to this one baseline.

    Args:
        scores: content of a ``scores.json``, or those of several seeds of one configuration, whose mean error counts.
            Scores of older versions hold no sums by block and month: no interval is known of them.
        seed: of the draws.
        variable: the kind of variable that was scored.

    Raises:
        DataError: there is no error of a model and of a baseline in the scores.
        StoreError: their sums by block and month are damaged, or those of several runs are of other months or blocks.
    """
    runs: Sequence[Scores] = [scores] if isinstance(scores, Mapping) else scores
    blocks = BlockErrors.of(runs)
    sea = compare(runs, SEA._replace(title=variable.everywhere), blocks, seed, variable)
    if sea is None:
        raise DataError(
            "the scores hold no error of a model beside that of a baseline",
            "verdict",
            f"score the {variable.open_place} with both",
        )
    compared = [(stratum, compare(runs, stratum, blocks, seed, variable)) for stratum in PARTS]
    known = [(stratum, part) for stratum, part in compared if part is not None]
    headline = _headline(sea, num_baselines=len(_baseline_errors(runs)))
    text = headline + _details(sea, len(runs), blocks is not None) + _exceptions(sea, known)
    parts = tuple(part for _, part in known)
    return Verdict(**vars(sea), headline=headline, text=text, parts=parts, notes=tuple(_notes(runs)))


def _baseline_errors(runs: Sequence[Scores]) -> dict[str, float]:
    """The errors of those that a model is compared with: neither its own nor what is only scored beside it."""
    return {name: error for name, error in errors_of(runs, SEA).items() if name not in ("model", *BESIDE)}


def _headline(sea: Comparison, num_baselines: int) -> str:
    baseline = f"the {'best ' if num_baselines > 1 else ''}baseline ({_in_sentence(baseline_title(sea.baseline))})"
    if sea.level == "level":
        return f"No clear difference from {baseline}"
    return f"{difference(sea.margin)} error than {baseline}"


def _details(sea: Comparison, num_runs: int, has_blocks: bool) -> str:
    seeds = f" (mean of {num_runs} seeds)" if num_runs > 1 else ""
    model, baseline = map(sea.variable.error_text, (sea.model_error, sea.baseline_error))
    errors = f". Mean absolute error {model}{seeds} against {baseline}"
    if sea.level == "level":
        errors += f", {difference(sea.margin)}"
    if sea.interval is not None:
        return f"{errors}; {100 * LEVEL:.0f} % interval: {interval_text(sea.interval)}."
    why = (
        f"too few months and blocks of the {sea.variable.place}"
        if has_blocks
        else "the scores hold no sums by block and month"
    )
    small = f"less than {100 * LEVEL_WITHOUT_INTERVAL:.0f} % counts as no clear difference"
    return f"{errors}. No interval is known ({why}); {small}."


def _exceptions(sea: Comparison, parts: Sequence[tuple[Stratum, Comparison]]) -> str:
    """Where it is the other way round, a sentence for either way."""
    sentences = ""
    for level in ("higher", "lower"):
        places = [
            f"{stratum.phrase} ({percent(part.margin)} %)"
            for stratum, part in parts
            if part.level == level != sea.level
        ]
        sentences += f" {level.capitalize()} in {_listed(places)}." if places else ""
    return sentences


def _notes(runs: Sequence[Scores]) -> Iterator[str]:
    errors = _baseline_errors(runs)
    if len(errors) > 1:
        yield (
            f"The best of {len(errors)} baselines is the one with the lowest error on the same cells. Being chosen on"
            " them flatters it a little."
        )
    by_observation = value_at(runs[0], "model", "class")
    is_unobserved = bool(by_observation) and "observed" not in by_observation
    groups = {tuple(same_error(errors, error)) for error in errors.values()}
    for group in sorted(group for group in groups if len(group) > 1):
        why = ": no scored cell has an observed day, and without one all of them are the climatology"
        titles = _listed([f"“{baseline_title(name)}”" for name in group])
        yield f"{titles} are the same numbers here{why if is_unobserved else ''}."


def _in_sentence(title: str) -> str:
    return title if title[:2].isupper() else title[:1].lower() + title[1:]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
