"""Unpacking of raw numbers: scale, offset, fill values and valid ranges by the CF conventions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.typed import Singles

_SLAB = 2**20  # values
_FILLS, _RANGES = ("_FillValue", "missing_value"), ("valid_range", "valid_min", "valid_max")


ZERO = 2e-5
"""Values nearer to zero than this are written as 0, or as 273.15 K in float32."""


@dataclass(frozen=True)
class Packing:
    """value = raw · scale + offset, missing where raw is a fill value or outside its valid range.

    ``signedness`` is "u" or "i" where integers stand for unsigned or signed ones, else "". Values outside ``limits``
    are missing, and exact zeros with ``zero_is_missing``. ``notes`` on attributes that were left alone.
    """

    scale: float
    offset: float
    fills: tuple[float, ...]
    low: float
    high: float
    signedness: str = ""
    limits: tuple[float, float] = (-np.inf, np.inf)
    zero_is_missing: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, attrs: Mapping[str, Any], dtype: np.dtype[Any], where: str, fill: float | None = None) -> Packing:
        """The packing in the attributes of a variable of ``dtype``; :class:`DataError` where it is no number.

        A valid range of floats on packed integers applies to the unpacked values, as some producers write it. Fill
        values and ranges that are no numbers are left alone, with a note. Where no fill value is declared, it is
        netCDF's default for the type. A further ``fill`` value may be given.
        """
        scale, offset = _number(attrs, "scale_factor", 1.0, where), _number(attrs, "add_offset", 0.0, where)
        if not np.isfinite([scale, offset]).all() or scale == 0.0:
            raise DataError(
                f"the packing is no number: scale_factor {scale:g}, add_offset {offset:g}", where, "correct them"
            )
        attrs, notes = _usable(attrs, where)
        signedness = _signedness(attrs, dtype)
        fills = [value for name in _FILLS if name in attrs for value in _fill_values(attrs, name, where)]
        default = netCDF4.default_fillvals.get(dtype.str[1:])
        if not fills and default is not None and dtype.itemsize > 1:
            fills.append(float(default))
            notes.append(f"no fill value is declared; netCDF's default, {fills[0]:.6g}, counts as missing")
        if fill is not None:
            fills += {fill, float(np.float32(fill))}
        low, high = _valid_range(attrs, where, signedness, dtype)
        limits = next((attrs[n] for n in _RANGES if n in attrs), 0)
        if dtype.kind in "iu" and np.asarray(limits).dtype.kind in "fU" and scale > 0.0:
            low, high = (low - offset) / scale, (high - offset) / scale
        fills = [_rewrapped(value, signedness, dtype) for value in fills]
        return cls(scale, offset, tuple(fills), low, high, signedness, notes=tuple(notes))

    def converted(self, factor: float, offset: float) -> Packing:
        """The same followed by value · ``factor`` + ``offset``."""
        return replace(self, scale=self.scale * factor, offset=self.offset * factor + offset)

    def unpack(self, raw: NDArray[Any]) -> Singles:
        """``raw`` as float32; NaN where missing or infinite."""
        if self.signedness:
            raw = raw.view(raw.dtype.str.replace("iu".replace(self.signedness, ""), self.signedness))
        with np.errstate(invalid="ignore", over="ignore"):  # values that are no numbers are missing
            return self._unpacked(raw)

    def _unpacked(self, raw: NDArray[Any]) -> Singles:
        """A slab at a time: float64 of a large map would take four times its file."""
        unpacked = np.empty(raw.shape, np.float32)
        rows, flat = raw.reshape(-1, raw.shape[-1]), unpacked.reshape(-1, raw.shape[-1])
        step = max(1, _SLAB // max(1, raw.shape[-1]))
        for first in range(0, len(rows), step):
            flat[first : first + step] = self._slab(rows[first : first + step])
        return unpacked

    def _slab(self, raw: NDArray[Any]) -> Singles:
        values = raw.astype(np.float64)
        missing = ~np.isfinite(values)
        for fill in self.fills:
            missing |= values == (np.float32(fill) if raw.dtype == np.float32 else fill)
        if self.low > -np.inf or self.high < np.inf:
            missing |= (values < self.low) | (values > self.high)
        values *= self.scale
        values += self.offset
        if self.limits != (-np.inf, np.inf):
            missing |= (values < self.limits[0]) | (values > self.limits[1])
        if self.zero_is_missing:
            missing |= np.abs(values) < ZERO
        values[missing | ~np.isfinite(values)] = np.nan
        return values.astype(np.float32)


def _usable(attrs: Mapping[str, Any], where: str) -> tuple[dict[str, Any], list[str]]:
    """The attributes without fill values and ranges that are no numbers, and notes on these."""
    usable = dict(attrs)
    notes: list[str] = []
    for name in (*_FILLS, *_RANGES):
        if name in usable:
            try:
                _numbers(usable, name, where)
            except DataError:
                notes.append(f"the attribute {name}, {str(usable.pop(name))[:40]!r}, is no number and was left alone")
    return usable, notes


def _signedness(attrs: Mapping[str, Any], dtype: np.dtype[Any]) -> str:
    """By ``_Unsigned``: "u" for signed integers that are unsigned, "i" for unsigned ones that are signed, else ""."""
    meant = {"true": "u", "false": "i"}.get(str(attrs.get("_Unsigned", "")).lower(), "")
    return meant if dtype.kind in "iu" and dtype.kind != meant else ""


def _rewrapped(value: float, signedness: str, dtype: np.dtype[Any]) -> float:
    """A whole number of the stored type as that of the type it stands for."""
    span = 256.0**dtype.itemsize
    if not signedness or not np.isfinite(value):
        return value
    return value % span if signedness == "u" else (value + span / 2.0) % span - span / 2.0


def _fill_values(attrs: Mapping[str, Any], name: str, where: str) -> list[float]:
    """The numbers of an attribute, those of float32 both as written, −999.99, and as rounded, −999.989990."""
    held = np.atleast_1d(np.asarray(attrs[name])).ravel()
    rounded = [float(value) for value in held] if held.dtype == np.float32 else []
    return list(dict.fromkeys([*_numbers(attrs, name, where), *rounded]))


def unpacked_coordinate(raw: NDArray[Any], attrs: Mapping[str, Any], where: str) -> tuple[NDArray[Any], dict[str, Any]]:
    """The values of a packed coordinate as float64 and its attributes without the packing; others unchanged."""
    scale, offset = _number(attrs, "scale_factor", 1.0, where), _number(attrs, "add_offset", 0.0, where)
    kept = {name: value for name, value in attrs.items() if name not in ("scale_factor", "add_offset")}
    return (raw, kept) if (scale, offset) == (1.0, 0.0) else (raw.astype(np.float64) * scale + offset, kept)


def _valid_range(attrs: Mapping[str, Any], where: str, signedness: str, dtype: np.dtype[Any]) -> tuple[float, float]:
    if "valid_range" in attrs:
        low, high = (*_numbers(attrs, "valid_range", where), np.nan, np.nan)[:2]
    else:
        low, high = _number(attrs, "valid_min", -np.inf, where), _number(attrs, "valid_max", np.inf, where)
    low, high = _rewrapped(low, signedness, dtype), _rewrapped(high, signedness, dtype)
    return (low, high) if low < high else (-np.inf, np.inf)


def _number(attrs: Mapping[str, Any], name: str, default: float, where: str) -> float:
    return _numbers(attrs, name, where)[0] if name in attrs else default


def _numbers(attrs: Mapping[str, Any], name: str, where: str) -> tuple[float, ...]:
    """The numbers of an attribute; text may hold several, as "-3.0, 45.0"."""
    try:
        values = np.atleast_1d(np.asarray(attrs[name])).ravel()
        if values.dtype == np.float32:  # 0.01 and 273.15, which float32 rounds by 2e-8, are meant exactly
            values = np.array([str(value) for value in values])
        elif values.dtype.kind in "UO":
            values = np.array(re.split(r"[\s,;]+", str(values[0]).strip("[]() fF"))) if values.size == 1 else values
        values = values.astype(np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.size == 0:
        raise DataError(f"the attribute {name} is no number: {attrs[name]!r}", where, "correct it with ncatted")
    return tuple(float(value) for value in values)
