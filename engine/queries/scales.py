"""Ends of colour scales of values and errors of a kind of variable, in its model space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.kinds import VariableKind

_SEASONAL_MARGIN = 3.0  # times the scale: how far other seasons reach beyond the days at hand
_NICE = (1.0, 2.0, 5.0, 10.0, 20.0)
_TINY = float(np.finfo(np.float32).tiny)
_LEAST_ERROR = 0.5  # times the scale, and the step of the limits of errors


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
