"""The baselines by name: what they are called, drawn in, need and cost; engine and explorer read this list."""

from __future__ import annotations

from typing import Literal, NamedTuple

SEA_CELLS = 43_000
"""Cells of the sea of the globe at 1°."""


class BaselineKind(NamedTuple):
    """One baseline.

    ``title`` on screen; ``colour``, its number in the explorer's series of colours; ``needs_truth``, whether it is
    fitted to months whose true mean is known; ``cost``: what a ``cheap`` one needs is nothing beside reading the data,
    a ``costly`` one is kept on disk once it is fitted. ``seconds_fit`` and ``seconds_month`` (an estimated month) are
    those of one core for the :data:`SEA_CELLS` of the globe at 1° (``python -m tests.benchmarks baselines``); a fit
    takes no longer with more than ``cells_fit`` cells.
    """

    title: str
    colour: int
    needs_truth: bool = False
    cost: Literal["cheap", "costly"] = "cheap"
    seconds_fit: float = 0.0
    seconds_month: float = 0.0
    cells_fit: int = SEA_CELLS


BASELINE_KINDS: dict[str, BaselineKind] = {
    "climatology": BaselineKind("Climatology", 4),
    "mean": BaselineKind("Mean of observed days", 3),
    "mean_debiased": BaselineKind("Mean of observed days, debiased", 1, needs_truth=True),
    "climatology_anomaly": BaselineKind("Climatology + mean anomaly", 2, needs_truth=True),
    "dineof": BaselineKind("DINEOF", 6, False, "costly", 42.0, 0.7),
    "optimal_interpolation": BaselineKind("Optimal interpolation", 5, False, "costly", 28.0, 4.5, 2_000),
    "linear_bound": BaselineKind("Linear bound", 7, False, "costly", 80.0, 4.5, 2_000),
}
"""Every baseline by its name in ``scores.json``, the simplest first."""

CHEAP: tuple[str, ...] = ("climatology", "mean", "mean_debiased", "climatology_anomaly")
"""Those that every run has."""


LINEAR_BOUND = "linear_bound"
MEAN_OF_BOTH = "mean_of_both"
"""The mean of the model and the optimal interpolation."""

BESIDE: tuple[str, ...] = (LINEAR_BOUND, MEAN_OF_BOTH)
"""Estimates that are scored beside model and baselines, but that no verdict compares a model with: the first knows more
than anybody can observe, the second contains the model."""


BaselineChoice = Literal["cheap", "interpolation", "all", "bound"]

BASELINE_CHOICES: dict[BaselineChoice, tuple[str, ...]] = {
    "cheap": CHEAP,
    "interpolation": (*CHEAP, "optimal_interpolation"),
    "all": (*CHEAP, "dineof", "optimal_interpolation"),
    "bound": (*CHEAP, "dineof", "optimal_interpolation", "linear_bound"),
}
"""What a run may be compared with."""


def baseline_title(name: str) -> str:
    """The title of an estimate beside the model's; of one that is not known here, its name without underscores."""
    if name == MEAN_OF_BOTH:
        return "Mean of model and interpolation"
    return BASELINE_KINDS[name].title if name in BASELINE_KINDS else name.replace("_", " ").capitalize()
