"""Whether a model's intervals hold, of the content of ``scores.json``: all open sea, and apart by kind of cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from engine.data.kinds import SST, VariableKind
from engine.errors import StoreError
from engine.evaluation.comparison import Scores, value_at

TOLERANCE = 0.05
"""Intervals whose coverage differs by less from their level count as holding."""

_LEVELS = ("50", "90")
_TITLES = {"observations": "Observed days", "latitude": "Latitude", "season": "Season"}
_PHRASES = {"ice": "under ice", "0": "in cells without an observed day"}

Width = Literal["right", "narrow", "wide"]


@dataclass(frozen=True)
class Coverage:
    """Share of the truths, by area, within the central 50 % and 90 % intervals of one kind of cells; CRPS there.

    ``group`` is what the cells are sorted by; ``area`` their share of all that was counted.
    """

    group: str
    label: str
    half: float
    ninety: float
    crps: float
    area: float

    @property
    def width(self) -> Width:
        """Whether the intervals are right, too narrow or too wide, by the one that is farther off."""
        off = max(self.half - 0.5, self.ninety - 0.9, key=abs)
        return "right" if abs(off) < TOLERANCE else "wide" if off > 0.0 else "narrow"


@dataclass(frozen=True)
class Reliability:
    """Whether the predicted standard deviation is right.

    Attributes:
        sea: over all open sea.
        parts: apart, by number of observed days (ice among them), latitude and season.
        pit: shares of the area in equal bins of the probability integral transform; empty in older scores.
        spread_skill: (root mean square of the standard deviation, that of the error) by bins of the deviation, K.
        factors: by class of cells, what the network's deviation is multiplied by.
        headline, text: in words; ``text`` begins with the headline.
    """

    sea: Coverage
    parts: tuple[Coverage, ...]
    pit: tuple[float, ...]
    spread_skill: tuple[tuple[float, float], ...]
    factors: Mapping[str, float]
    headline: str
    text: str


def reliability(runs: Sequence[Scores], variable: VariableKind = SST) -> Reliability | None:
    """Of the contents of ``scores.json`` of runs that differ in their seed only: the mean over the runs.

    None where one of them predicts no standard deviation. Parts and histogram are those that all runs have, spread and
    error those of the first.

    Raises:
        StoreError: they are damaged.
    """
    tables = [value_at(run, "model", "calibration") for run in runs]
    if not tables or not all(tables):
        return None
    try:
        sea = _mean([_coverage("", "all", table, 1.0) for table in tables])
        parts = [
            _mean([_coverage(group, label, each, each["area"]) for each in cells])
            for group in _TITLES
            for label in cast("Mapping[str, Any]", tables[0].get("by", {}).get(group, {}))
            if all(cells := [value_at(table, "by", group, label) for table in tables])
        ]
        histograms = [np.array(table.get("pit", ()), np.float64) for table in tables]
        pit = np.mean(histograms, axis=0).tolist()
        points = tuple((float(each["spread"]), float(each["error"])) for each in tables[0]["spread_skill"])
        scaled = cast("Mapping[str, Any]", runs[0]["model"].get("std_factors") or {})
        factors = {label: float(factor) for label, factor in scaled.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        remedy = "score the run again"
        raise StoreError("the scores of the predicted uncertainty are damaged", "scores", remedy) from error
    headline = _headline(sea)
    return Reliability(
        sea, tuple(parts), tuple(pit), points, factors, headline, headline + _details(sea, parts, variable)
    )


def group_title(group: str) -> str:
    """What the cells of :attr:`Coverage.group` are sorted by."""
    return _TITLES[group]


def _coverage(group: str, label: str, table: Mapping[str, Any], area: Any) -> Coverage:
    half, ninety = (float(table["coverage"][level]) for level in _LEVELS)
    return Coverage(group, label, half, ninety, float(table["crps"]), float(area))


def _mean(each: Sequence[Coverage]) -> Coverage:
    means = (
        float(np.mean([getattr(coverage, name) for coverage in each])) for name in ("half", "ninety", "crps", "area")
    )
    return Coverage(each[0].group, each[0].label, *means)


def _headline(sea: Coverage) -> str:
    sizes: dict[Width, str] = {"right": "right", "narrow": "too small", "wide": "too large"}
    return f"The uncertainty is {sizes[sea.width]}"


def _details(sea: Coverage, parts: Sequence[Coverage], variable: VariableKind) -> str:
    text = (
        f": the 50 % intervals hold {100 * sea.half:.0f} % of the truths, the 90 % intervals {100 * sea.ninety:.0f} %,"
        f" over {variable.everywhere[:1].lower()}{variable.everywhere[1:]}. CRPS {variable.error_text(sea.crps)}."
    )
    wrong = [part for part in parts if part.group == "observations" and part.width != "right"]
    for part in wrong:
        where = _PHRASES.get(part.label, f"in cells with {part.label} observed days")
        text += f" Too {part.width} {where}: {100 * part.half:.0f} and {100 * part.ninety:.0f} %."
    return text
