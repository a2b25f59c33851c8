"""Ends of colour scales: of what maps hold, and of values and errors of a kind of variable, in its model space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.kinds import VariableKind
from engine.typed import Floats

_SHOWN = (1.0, 99.0)
"""Percentiles between which the values of a map have a colour of their own."""
_SEASONAL_MARGIN = 3.0  # times the scale: how far other seasons reach beyond the days at hand
_NICE = (1.0, 2.0, 5.0, 10.0, 20.0)
_TINY = float(np.finfo(np.float32).tiny)
_LEAST_ERROR = 0.5  # times the scale, and the step of the limits of errors


def is_global(lat_deg: Floats) -> bool:
    """Whether rows at these latitudes (H,) are shown in the colours of the whole globe: they span more than 90°."""
    return bool(np.ptp(lat_deg) > 90.0)


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


def value_limits(
    variable: VariableKind, values: NDArray[Any], is_global: bool, of_all_days: bool = False
) -> tuple[float, float]:
    """Ends for all days: those of the kind for the globe; for a region those of ``values``, with a seasonal margin
    unless the values are those of all seasons.

    Colours that are centred on 0 have limits that are symmetric.
    """
    known = values[np.isfinite(values)]
    shown = None
    if variable.shown is not None:
        ends: list[float] = variable.transformed(np.array(variable.shown)).tolist()
        shown = ends[0], ends[1]
    if shown is not None and (is_global or not known.size):
        return shown
    if not known.size:
        return 0.0, 1.0
    low, high = (float(end) for end in np.percentile(known, (1, 99)))
    step = variable.scale or max((high - low) / 20.0, _TINY)
    margin = _SEASONAL_MARGIN * variable.scale if variable.scale and variable.has_season else step
    if of_all_days:
        step, margin = nice_step(max(high - low, 1e-3 * max(abs(low), abs(high)))), 0.0
    low, high = step * float(np.floor((low - margin) / step)), step * float(np.ceil((high + margin) / step))
    high = max(high, low + step)
    if variable.is_diverging:
        limit = max(-low, high)
        return -limit, limit
    if variable.least is not None:
        low = max(low, shown[0] if variable.has_ice and shown else variable.least)
    return low, high if variable.most is None else min(high, variable.most)


def nice_step(size: float) -> float:
    """1, 2 or 5 times a power of ten, about a twentieth of ``size``: to what ends are rounded."""
    wanted = max(size / 20.0, _TINY)
    power = 10.0 ** float(np.floor(np.log10(wanted)))
    return power * next(nice for nice in _NICE if nice * power >= wanted * (1.0 - 1e-9))


def error_limit(variable: VariableKind, errors: NDArray[Any], factor: float = 1.0) -> float:
    """``factor`` times the size that 98 % of ``errors`` stay below, rounded up to half the kind's scale."""
    size = np.abs(errors[np.isfinite(errors)])
    step = _LEAST_ERROR * variable.measured_scale
    if not size.size:
        return step if factor != 1.0 else 2.0 * step
    quantile = factor * float(np.quantile(size, 0.98))
    if variable.scale is None:
        return max(quantile, _TINY)
    return max(step, step * float(np.ceil(quantile / step)))
