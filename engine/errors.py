"""Errors of the engine: what is wrong, where, and the remedy."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class EngineError(Exception):
    """What is wrong, where it is, and what to do about it, as one sentence for the user.

    Only the subclasses below are raised.

    >>> str(ChoiceError("K = 200 components were asked for", "max_degree L = 10", "choose K ≤ 120"))
    'K = 200 components were asked for (max_degree L = 10). Remedy: choose K ≤ 120.'
    """

    def __init__(
        self, problem: str, where: str, remedy: str, choices: Mapping[str, tuple[Any, ...]] | None = None
    ) -> None:
        super().__init__(problem, where, remedy)
        self.problem = problem
        self.where = where
        self.remedy = remedy
        self.choices = dict(choices or {})
        """Values that would mend it, by the name of what is chosen: ``{"unit": ("kelvin",)}``."""

    def __str__(self) -> str:
        return f"{self.problem} ({self.where}). Remedy: {self.remedy}."


class GridError(EngineError):
    """Coordinates that do not make a latitude–longitude grid."""


class ChoiceError(EngineError):
    """A choice that cannot work with the other choices."""


def check_choice(kind: str, choice: object, known: Iterable[str], where: str = "") -> None:
    """Raise :class:`ChoiceError` where ``choice`` is not among the ``known`` ones of its ``kind``."""
    if choice not in (known := tuple(known)):
        raise ChoiceError(f"there is no {kind} {choice!r}", where or kind, f"choose one of {', '.join(known)}")


class DataError(EngineError):
    """Data that cannot be read, or does not hold what it should."""


class QualityError(DataError):
    """Data without observations of the requested quality; others may be there."""


class StoreError(EngineError):
    """A file or folder of Harmonia that is missing, damaged, or written by another version."""


class DiskFullError(StoreError):
    """A write that found no room on the disk."""


class CancelledError(EngineError):
    """Work that was abandoned on request."""


class RunError(EngineError):
    """A request that a run cannot fulfil in its state."""


class ConfigError(EngineError):
    """A configuration that cannot be run: every problem at once in ``problems``, each beginning with its field."""

    def __init__(self, problems: Sequence[str], where: str, remedy: str = "correct these fields") -> None:
        super().__init__("; ".join(problems), where, remedy)
        self.problems = list(problems)
        self.args = (self.problems, where, remedy)
