"""Months of a file divided among climatology, training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.config.months import Month, MonthSpan, days_between

LEAST_TRAIN = 6
"""Fewer observed months than these are not proposed to train on: half a year is one warming or one cooling."""

_SHARES = (0.2, 0.15)  # of test and validation
_MOST = 12  # months of validation and of test: a whole year
_CLIMATOLOGY_FROM = 60  # observed months before validation from which the climatology has months of its own
_CLIMATOLOGY_SHARE = 0.35
_MOST_FOLDS, _MOST_FOLD_MONTHS = 4, 4
ROLLING = range(14, 31)
"""Numbers of observed months for which one test of a few months says little, and several folds are proposed."""


@dataclass(frozen=True)
class Splits:
    """The first and the last month of every split, as :class:`engine.config.sst.SSTSettings` names them."""

    climatology: MonthSpan
    train: MonthSpan
    validation: MonthSpan
    test: MonthSpan

    def changes(self) -> dict[str, MonthSpan]:
        """The fields of the settings."""
        return {
            "climatology": self.climatology,
            "train": self.train,
            "validation": self.validation,
            "test": self.test,
        }


def allocate(months: Sequence[Month], gap_days: int, least_train: int = LEAST_TRAIN) -> Splits | None:
    """The splits of observed months, in time: training, validation, test, each at least ``gap_days`` from the next.

    About a fifth is tested and a seventh validates, at most a year each; every split begins and ends with an observed
    month. From five years on the climatology has the first third of what lies before validation for itself, else it
    is that of the training months.

    None where less than ``least_train`` months would be left to train on.
    """
    num_test, num_validation = (max(1, min(_MOST, round(share * len(months)))) for share in _SHARES)
    while True:
        splits = place(months, gap_days, num_test, num_validation, least_train)
        if splits is not None or num_test == num_validation == 1:
            return splits
        num_test, num_validation = max(1, num_test - 1), max(1, num_validation - 1)


def place(
    months: Sequence[Month], gap_days: int, num_test: int, num_validation: int, least_train: int = LEAST_TRAIN
) -> Splits | None:
    """:func:`allocate` with given numbers of months of test and validation, which are the last ones."""
    test = list(months[-num_test:])
    validation = _apart(months, test, gap_days)[-num_validation:]
    learned = _apart(months, validation, gap_days)
    if len(test) < num_test or len(validation) < num_validation or len(learned) < max(1, least_train):
        return None
    climatology, train = _with_climatology(learned)
    return Splits(climatology, train, _span(validation), _span(test))


def rolling(months: Sequence[Month], gap_days: int) -> tuple[Splits, ...]:
    """Rolling origin: folds of which each trains on what lies before its validation and test, oldest first.

    The test months of the folds follow each other without overlap and end with the last month, so that together they
    test up to a year where one split could test a season. Empty where fewer than two folds fit.
    """
    best: tuple[Splits, ...] = ()
    tested = 0
    for num_folds in range(2, _MOST_FOLDS + 1):
        for size in range(1, _MOST_FOLD_MONTHS + 1):
            if num_folds * size <= tested or num_folds * size > _MOST:
                continue
            ends = [len(months) - size * later for later in reversed(range(num_folds))]
            num_validation = max(1, size // 2)
            folds = [place(months[: max(0, end)], gap_days, size, num_validation) for end in ends]
            placed = tuple(fold for fold in folds if fold is not None)
            if len(placed) == num_folds:
                best, tested = placed, num_folds * size
    return best


def _apart(months: Sequence[Month], later: Sequence[Month], gap_days: int) -> list[Month]:
    """The months that end at least ``gap_days`` before the first of ``later``."""
    if not later:
        return []
    first = str(later[0])
    return [m for m in months if m < later[0] and days_between((str(m), str(m)), (first, first)) >= gap_days]


def _with_climatology(learned: Sequence[Month]) -> tuple[MonthSpan, MonthSpan]:
    """The spans of climatology, whole years where it has months of its own, and training."""
    if len(learned) < _CLIMATOLOGY_FROM:
        return _span(learned), _span(learned)
    first = learned[0]
    num_years = max(2, round(_CLIMATOLOGY_SHARE * (learned[-1].number - first.number + 1) / 12))
    train = [month for month in learned if month.number >= first.number + 12 * num_years]
    return (str(first), str(train[0].plus(-1))), _span(train)


def _span(months: Sequence[Month]) -> MonthSpan:
    return str(months[0]), str(months[-1])
