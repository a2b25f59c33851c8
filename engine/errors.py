"""What the engine says when something cannot be done: what is wrong, where, and the remedy."""

from collections.abc import Sequence


class EngineError(Exception):
    """A sentence for a person: what is wrong, where it is, and what to do about it.

    Raise one of the kinds below, so that callers can tell them apart.

    >>> str(ChoiceError("K = 200 components were asked for", "max_degree L = 10", "choose K ≤ 120"))
    'K = 200 components were asked for (max_degree L = 10). Remedy: choose K ≤ 120.'
    """

    def __init__(self, what: str, where: str, remedy: str) -> None:
        super().__init__(what, where, remedy)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} ({self.where}). Remedy: {self.remedy}."


class GridError(EngineError):
    """Coordinates that do not make a latitude–longitude grid."""


class ChoiceError(EngineError):
    """A choice that cannot work with the others made beside it."""


class DataError(EngineError):
    """Data that cannot be read, or does not hold what it should."""


class QualityError(DataError):
    """Data without observations of the quality that was asked for; it may have others."""


class StoreError(EngineError):
    """A file or folder of ours that is missing, damaged, or written by another version."""


class CancelledError(EngineError):
    """Work that was abandoned because somebody asked for it."""


class RunError(EngineError):
    """A run that cannot do what was asked of it in the state it is in."""


class ConfigError(EngineError):
    """A configuration that cannot be run: every problem at once in ``problems``, each beginning with its field."""

    def __init__(self, problems: Sequence[str], where: str, remedy: str = "correct these fields") -> None:
        super().__init__("; ".join(problems), where, remedy)
        self.problems = list(problems)
        self.args = (self.problems, where, remedy)
