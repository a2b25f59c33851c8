"""The ends of colour scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHOWN = (1.0, 99.0)
"""Percentiles between which the values of a map have a colour of their own."""


def limits_of(fields: Sequence[NDArray[np.floating[Any]]], symmetric: bool = False) -> tuple[float, float]:
    """Ends of a colour scale for maps (H, W), in their units: the 1st and 99th percentile of their finite values.

    ``symmetric``: ± the 99th percentile of their size. Without two different values the ends are still apart.
    """
    values = np.concatenate([field[np.isfinite(field)].ravel() for field in fields])
    if not values.size:
        return (-1.0, 1.0) if symmetric else (0.0, 1.0)
    if symmetric:
        size = float(np.percentile(np.abs(values), _SHOWN[1])) or 1.0
        return -size, size
    low, high = (float(end) for end in np.percentile(values, _SHOWN))
    return (low, high) if low < high else (low, low + 1.0)
