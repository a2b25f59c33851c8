"""Unpacking of raw numbers: scale, offset, fill values and valid ranges by the CF conventions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.typed import Singles

_SLAB = 2**20  # values


@dataclass(frozen=True)
class Packing:
    """value = raw · scale + offset, missing where raw is a fill value or outside its valid range."""

    scale: float
    offset: float
    fills: tuple[float, ...]
    low: float
    high: float
    unsigned: bool

    @classmethod
    def of(cls, attrs: Mapping[str, Any], dtype: np.dtype[Any], where: str) -> Packing:
        """The packing in the attributes of a variable of ``dtype``; :class:`DataError` where it is no number.

        A valid range of floats on packed integers applies to the unpacked values, as some producers write it.
        """
        scale, offset = _number(attrs, "scale_factor", 1.0, where), _number(attrs, "add_offset", 0.0, where)
        if not np.isfinite([scale, offset]).all() or scale == 0.0:
            raise DataError(
                f"the packing is no number: scale_factor {scale:g}, add_offset {offset:g}", where, "correct them"
            )
        low, high = _valid_range(attrs, where)
        limits = next((attrs[n] for n in ("valid_range", "valid_min", "valid_max") if n in attrs), 0)
        if dtype.kind in "iu" and np.asarray(limits).dtype.kind == "f" and scale > 0.0:
            low, high = (low - offset) / scale, (high - offset) / scale
        fills = [v for n in ("_FillValue", "missing_value") if n in attrs for v in _numbers(attrs, n, where)]
        unsigned = dtype.kind == "i" and str(attrs.get("_Unsigned", "")).lower() == "true"
        if unsigned:
            fills = [value % 256.0**dtype.itemsize for value in fills]
        return cls(scale, offset, tuple(fills), low, high, unsigned)

    def unpack(self, raw: NDArray[Any], shift: float = 0.0) -> Singles:
        """``raw`` as float32, plus ``shift``; NaN where missing or infinite."""
        if self.unsigned:
            raw = raw.view(raw.dtype.str.replace("i", "u"))
        with np.errstate(invalid="ignore", over="ignore"):  # values that are no numbers are missing
            return self._unpacked(raw, shift)

    def _unpacked(self, raw: NDArray[Any], shift: float) -> Singles:
        """A slab at a time: float64 of a large map would take four times its file."""
        unpacked = np.empty(raw.shape, np.float32)
        rows, flat = raw.reshape(-1, raw.shape[-1]), unpacked.reshape(-1, raw.shape[-1])
        step = max(1, _SLAB // max(1, raw.shape[-1]))
        for first in range(0, len(rows), step):
            flat[first : first + step] = self._slab(rows[first : first + step], shift)
        return unpacked

    def _slab(self, raw: NDArray[Any], shift: float) -> Singles:
        values = raw.astype(np.float64)
        missing = ~np.isfinite(values)
        for fill in self.fills:
            missing |= values == (np.float32(fill) if raw.dtype == np.float32 else fill)
        if self.low > -np.inf or self.high < np.inf:
            missing |= (values < self.low) | (values > self.high)
        values *= self.scale
        values += self.offset + shift
        values[missing | ~np.isfinite(values)] = np.nan
        return values.astype(np.float32)


def unpacked_coordinate(raw: NDArray[Any], attrs: Mapping[str, Any], where: str) -> tuple[NDArray[Any], dict[str, Any]]:
    """The values of a packed coordinate as float64 and its attributes without the packing; others unchanged."""
    scale, offset = _number(attrs, "scale_factor", 1.0, where), _number(attrs, "add_offset", 0.0, where)
    kept = {name: value for name, value in attrs.items() if name not in ("scale_factor", "add_offset")}
    return (raw, kept) if (scale, offset) == (1.0, 0.0) else (raw.astype(np.float64) * scale + offset, kept)


def _valid_range(attrs: Mapping[str, Any], where: str) -> tuple[float, float]:
    if "valid_range" in attrs:
        low, high = (*_numbers(attrs, "valid_range", where), np.nan, np.nan)[:2]
    else:
        low, high = _number(attrs, "valid_min", -np.inf, where), _number(attrs, "valid_max", np.inf, where)
    return (low, high) if low < high else (-np.inf, np.inf)


def _number(attrs: Mapping[str, Any], name: str, default: float, where: str) -> float:
    return _numbers(attrs, name, where)[0] if name in attrs else default


def _numbers(attrs: Mapping[str, Any], name: str, where: str) -> tuple[float, ...]:
    try:
        values = np.atleast_1d(np.asarray(attrs[name])).ravel()
        if values.dtype == np.float32:  # 0.01 and 273.15, which float32 rounds by 2e-8, are meant exactly
            values = np.array([str(value) for value in values])
        values = values.astype(np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.size == 0:
        raise DataError(f"the attribute {name} is no number: {attrs[name]!r}", where, "correct it with ncatted")
    return tuple(float(value) for value in values)
