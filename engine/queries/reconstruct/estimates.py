"""The estimates of one month, of which the costly ones are computed when they are first read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from engine.config.baselines import BASELINE_KINDS, MEAN_OF_BOTH
from engine.data.source import MonthlyData
from engine.models.baselines import Baselines
from engine.typed import Singles

_INTERPOLATION = "optimal_interpolation"


class Estimates(Mapping[str, Singles]):
    """Fields (H, W) float32 by name, in the order of ``names``: those ``known``, and those that ``compute()`` gives.

    A map of the model need not wait for a costly baseline. Reading one that is not known takes seconds; threads that
    read at once wait for one computation.
    """

    def __init__(
        self, known: Mapping[str, Singles], names: Sequence[str], compute: Callable[[], Mapping[str, Singles]]
    ) -> None:
        self._known = dict(known)
        self._names = tuple(names)
        self._compute = compute
        self._lock = threading.Lock()

    def is_known(self, name: str) -> bool:
        """Whether reading the estimate ``name`` computes nothing."""
        return name in self._known

    def __getitem__(self, name: str) -> Singles:
        if name not in self._names:
            raise KeyError(name)
        with self._lock:
            if name not in self._known:
                self._known |= self._compute()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def estimates_of(model: Singles, baselines: Baselines, month: MonthlyData) -> Estimates:
    """``model``, the estimate of a model, those of the baselines for the one month of ``month``, and with an optimal
    interpolation the mean of it and the model."""
    costly = {name for name in baselines.fitted if name in BASELINE_KINDS and BASELINE_KINDS[name].cost == "costly"}

    def predicted(is_costly: bool) -> dict[str, Singles]:
        some = {name: each for name, each in baselines.fitted.items() if (name in costly) == is_costly}
        fields = Baselines(baselines.climatology, some).predict(month)
        return {name: field[0] for name, field in fields.items()}

    def predicted_late() -> dict[str, Singles]:
        fields = predicted(True)
        return fields | {MEAN_OF_BOTH: 0.5 * (model + fields[_INTERPOLATION])} if has_both else fields

    has_both = _INTERPOLATION in costly
    names = ("model", *baselines.fitted, *((MEAN_OF_BOTH,) if has_both else ()))
    return Estimates({"model": model, **predicted(False)}, names, predicted_late)
