"""Rolling origin: the scores of several runs on months one after the other, as the scores of all these months."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.errors import StoreError
from engine.evaluation.comparison import Scores, value_at
from engine.typed import Floats


def pooled(folds: Sequence[Scores]) -> dict[str, Any]:
    """The scores of folds whose test months differ, as those of one run on all these months.

    Of each estimate that all folds have, ``blocks`` hold the sums of every month, and the mean absolute error
    Σ|e|·area/Σ area over months, blocks and folds stands where :func:`engine.evaluation.report.report` writes it:
    ``surface`` "sea", ``class`` and ``observations``. A month counts by its area with a known truth, a fold by its
    months; errors of different models are pooled, which is what a rolling origin tests: the way they are made.

    Args:
        folds: content of the ``scores.json`` of each, in the order of their months.

    Raises:
        StoreError: a fold holds no sums by block and month, or they are damaged or of other cells.
    """
    names = [name for name in folds[0] if all(value_at(fold, name, "blocks") for fold in folds)]
    if "model" not in names:
        raise _unusable()
    return {name: _pooled([fold[name]["blocks"] for fold in folds]) for name in names}


def _pooled(blocks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One estimate's scores from its sums (month, block, label) in every fold."""
    first = blocks[0]
    try:
        area, abs_error = (
            np.concatenate([np.array(each[name], np.float64) for each in blocks]) for name in ("area", "abs_error")
        )
        cells = [(each["labels"], each["lat"], each["lon"]) for each in blocks]
        months = [month for each in blocks for month in each["months"]]
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable() from error
    shape = (len(months), len(first["lat"]), len(first["labels"]))
    if any(other != cells[0] for other in cells) or area.shape != shape or abs_error.shape != shape:
        raise _unusable()
    own = {label: (area[..., at].sum(), abs_error[..., at].sum()) for at, label in enumerate(first["labels"])}
    from engine.evaluation.strata import STRATA  # here: it needs torch, and a list of runs does not

    classes = {label: own[label] for label in STRATA["class"] if label in own}
    observations = {label: own[label] for label in STRATA["observations"] if label in own}
    observed = tuple(np.sum(list(observations.values()), axis=0))
    return {
        "surface": {"sea": _error(*np.sum(list(own.values()), axis=0))},
        "class": _errors({"observed": observed, **classes}),
        "observations": _errors(observations),
        "blocks": {**first, "months": months, "area": area.tolist(), "abs_error": abs_error.tolist()},
    }


def _errors(sums: Mapping[str, tuple[Floats, ...]]) -> dict[str, dict[str, float]]:
    return {label: _error(area, error) for label, (area, error) in sums.items() if area > 0.0}


def _error(area: Any, abs_error: Any) -> dict[str, float]:
    return {"mae": float(abs_error / area)} if area > 0.0 else {}


def _unusable() -> StoreError:
    return StoreError(
        "the folds hold no sums by block and month of the same cells", "scores of the folds", "train the folds anew"
    )
