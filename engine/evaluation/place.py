"""What the location input is worth to a trained model, in words: errors with the true places of patches and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.data.kinds import SST, VariableKind
from engine.errors import StoreError
from engine.evaluation.bootstrap import LEVEL, margin_interval
from engine.evaluation.comparison import Interval, Level, Scores, level_of, percent, value_at
from engine.typed import Floats

TRUE = "true"
PLACES = {
    "zero": "no place: all patches at one point",
    "shifted": "longitudes shifted by 180°",
    "other": "the place of another patch",
}
"""What a model is told in place of the true places, by the names of :func:`engine.training.sst.place.place_scores`."""

NOTE = (
    "The weights stay as they are. A model that is trained without a place learns to do without, and loses less than"
    " this one does."
)


@dataclass(frozen=True)
class OtherPlace:
    """The error with other places than the true ones, beside that with the true ones.

    Attributes:
        name, title: of the change, see :data:`PLACES`.
        error: mean absolute error, model space (K).
        worth: 1 − error with the true places/this error, positive where the true places lower the error.
        interval: of ``worth``, 95 %, from blocks of space, months and seeds; None where too few are known.
        level: ``lower`` where the error with the true places is.
    """

    name: str
    title: str
    error: float
    worth: float
    interval: Interval | None
    level: Level

    @property
    def worth_text(self) -> str:
        """``1.1 % (0.7 to 1.5 %)``."""
        bounds = "" if self.interval is None else f" ({_range(self.interval)})"
        return f"{_signed(self.worth)} %{bounds}"


@dataclass(frozen=True)
class PlaceWorth:
    """What the true places are worth to a model on one source.

    Attributes:
        error: mean absolute error with the true places, model space (K).
        others: with the others, in the order of :data:`PLACES`.
        text: in words.
    """

    error: float
    others: tuple[OtherPlace, ...]
    text: str


def place_worth(runs: Sequence[Scores], variable: VariableKind = SST, seed: int = 0) -> PlaceWorth | None:
    """What the true places are worth, of the content of ``scores.json`` of runs that differ in their seed only.

    None where one of them has no errors with other places: a model without location input, or an older run.

    Raises:
        StoreError: the sums of one are damaged, or those of other months or cells.
    """
    tables = [value_at(run, "model", "place") for run in runs]
    if not tables or not all(tables):
        return None
    try:
        sums = {name: np.array([table[name]["abs_error"] for table in tables], np.float64) for name in (TRUE, *PLACES)}
        errors = {name: float(np.mean([table[name]["mae"] for table in tables])) for name in (TRUE, *PLACES)}
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged() from error
    shape = sums[TRUE].shape
    if len(shape) != 3 or any(each.shape != shape or not np.isfinite(each).all() for each in sums.values()):
        raise _damaged()
    if not all(errors[name] > 0.0 for name in PLACES):
        return None
    others = tuple(_other(name, errors, sums[TRUE], sums[name].mean(axis=0), seed) for name in PLACES)
    return PlaceWorth(errors[TRUE], others, _text(others, errors[TRUE], variable))


def _other(name: str, errors: dict[str, float], true: Floats, other: Floats, seed: int) -> OtherPlace:
    worth = 1.0 - errors[TRUE] / errors[name]
    interval = margin_interval(true, other, seed)
    return OtherPlace(name, PLACES[name], errors[name], worth, interval, level_of(worth, interval))


def _text(others: tuple[OtherPlace, ...], error: float, variable: VariableKind) -> str:
    zero, shifted, permuted = others
    if zero.level == "level":
        begin = "Place makes no clear difference to this model on this source"
    elif zero.level == "lower":
        begin = f"Place is worth {percent(zero.worth)} % of the error to this model on this source"
    else:
        begin = f"Place costs this model {percent(zero.worth)} % of the error on this source"
    bounds = "" if zero.interval is None else f"; {100 * LEVEL:.0f} % interval: {_range(zero.interval)}"
    return (
        f"{begin}: {variable.error_text(error)} with the true places, {variable.error_text(zero.error)} without"
        f"{bounds}. {_sentence(shifted, 'With longitudes shifted by 180°')}"
        f" {_sentence(permuted, 'With the place of another patch')}"
    )


def _sentence(other: OtherPlace, begin: str) -> str:
    if other.level == "level":
        return f"{begin} the error is not clearly different."
    ratio = 1.0 / (1.0 - other.worth) - 1.0
    return f"{begin} the error is {percent(ratio)} % {'higher' if ratio > 0 else 'lower'}."


def _range(interval: Interval) -> str:
    return " to ".join(map(_signed, interval)) + " %"


def _signed(fraction: float) -> str:
    shown = percent(fraction)
    return f"−{shown}" if fraction < 0.0 and float(shown) else shown


def _damaged() -> StoreError:
    return StoreError("the errors with other places are damaged", "scores", "score the run again")
