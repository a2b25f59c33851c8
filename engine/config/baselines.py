"""What the baselines are called on screen and in texts: names that need no model."""

from __future__ import annotations

BASELINE_TITLES = {
    "climatology": "Climatology",
    "mean": "Mean of observed days",
    "mean_debiased": "Mean of observed days, debiased",
    "climatology_anomaly": "Climatology + mean anomaly",
}
"""Titles by the name in ``scores.json``, the simplest baseline first."""


def baseline_title(name: str) -> str:
    """The title of a baseline; of one that is not known here, its name without underscores."""
    return BASELINE_TITLES.get(name, name.replace("_", " ").capitalize())
