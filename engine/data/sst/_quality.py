"""Quality filters from the flags of a file: quality levels, and warning bits.

Levels follow the GHRSST Data Specification (GDS 2.0): ``quality_level`` 0 no data, 1 bad, 2 worst, 3 low, 4 acceptable,
5 best quality. AVHRR Pathfinder 5 has levels 0 to 7, of which 4 to 6 are acceptable and 7 is best. NASA's ocean
colour group has the opposite order: ``qual_sst`` 0 best, 1 good, 2 questionable, 3 bad, 4 not processed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.source import Quality
from engine.errors import QualityError
from engine.typed import Singles

_FLAG_NAMES = ("status_flag", "quality_flag")  # CF: the last word of a standard name
_L2P_FLAGS = "l2p_flags"
_LEVELS = {"quality_level": (0, 4, 5), "pathfinder_quality_level": (0, 4, 7)}
"""Names whose levels are known without flag meanings: lowest, lowest good, and best level."""
_NASA = re.compile(r"qual_(sst\w*)")
_NASA_LEVELS = (4, 1, 0)  # the same, best first downwards
_GOOD = ("best", "excellent", "good", "acceptable")  # the better first
_GRADING = {"best", "acceptable", "worst"}
_WARNING = {"cloud", "cloudy", "ice", "land", "bad", "invalid", "fail", "failed", "failure", "suspect", "contaminated"}
_DENYING = {"no", "not", "non", "free", "bad", "unknown"}


@dataclass(frozen=True)
class LevelFilter:
    """Keeps observations of levels ``low`` to ``high``; those without a level are removed."""

    name: str
    low: int
    high: int
    text: str

    def unpack(self, raw: NDArray[Any]) -> Singles:
        """1 where an observation is removed, else 0."""
        return (~((raw >= self.low) & (raw <= self.high))).astype(np.float32)


@dataclass(frozen=True)
class BitFilter:
    """Removes observations with one of the bits of ``bad`` set; fill values remove nothing."""

    name: str
    bad: int
    fill: float
    text: str

    def unpack(self, raw: NDArray[Any]) -> Singles:
        """1 where an observation is removed, else 0."""
        known = np.isfinite(raw) & (raw != self.fill)
        return ((np.where(known, raw, 0).astype(np.int64) & self.bad) != 0).astype(np.float32)


def no_levels_error(quality: int, where: str) -> QualityError:
    """The error for a level where the file has no quality levels."""
    return QualityError(
        f"quality {quality} was requested, but the file has no quality levels", where, "choose 'good' or 'all'"
    )


def filter_of(
    dataset: xr.Dataset, variable: str, axes: tuple[str, str], quality: Quality, where: str
) -> tuple[LevelFilter | BitFilter | None, str | None]:
    """The filter of good observations of ``variable``, or None, and a note. With "all" the caller ignores the filter.

    Flags have the dimensions ``axes`` (latitude, longitude) and the steps of the variable. Candidates are, in this
    order, those named by its ``ancillary_variables``, the names of the producers, a CF standard name of a flag, and
    meanings that grade from best to worst; levels precede bits. Unknown flags are ignored.

    Raises :class:`QualityError` for a level that the file does not have.
    """
    names = list(dict.fromkeys(_flags(dataset, variable, axes)))
    for name in names:
        levels = _levels(name, dataset[name].attrs, quality, where)
        if levels is not None:
            return levels, None
    if isinstance(quality, int):
        raise no_levels_error(quality, where)
    for name in names:
        bits = _bits(name, dataset[name].attrs)
        if bits is not None:
            return bits, None
    listed = ", ".join(repr(name) for name in names)
    return None, f"the flags {listed} are not understood and were left alone" if names else None


def _flags(dataset: xr.Dataset, variable: str, axes: tuple[str, str]) -> Iterator[str]:
    """The flags of a variable, the most explicit first."""
    field = dataset[variable]
    fields = {
        str(name): v
        for name, v in dataset.data_vars.items()
        if name != variable and _lengths(v) == _lengths(field) and set(axes) <= set(v.dims)
    }
    beside = str(field.attrs.get("ancillary_variables", "")).split()
    yield from (n for n in beside if n in fields and _is_flag(fields[n].attrs))
    yield from (n for n in (f"qual_{variable}", *_LEVELS) if n in fields)
    taken = {word for v in fields.values() for word in str(v.attrs.get("ancillary_variables", "")).split()}
    free = {n: v for n, v in fields.items() if n not in taken and not _is_of_another(n, variable, fields)}
    yield from (n for n in free if _is_named_flag(free[n].attrs, field.attrs.get("standard_name")))
    yield from (n for n in free if _GRADING & {token for word in _meanings(free[n].attrs) for token in word})
    yield from (n for n in fields if n == _L2P_FLAGS)


def _lengths(field: xr.DataArray) -> dict[str, int]:
    return {str(dim): size for dim, size in field.sizes.items() if size > 1}


def _is_flag(attrs: Mapping[str, Any]) -> bool:
    return "flag_meanings" in attrs or str(attrs.get("standard_name", "")).endswith(_FLAG_NAMES)


def _is_named_flag(attrs: Mapping[str, Any], standard_name: object) -> bool:
    """Whether the standard name is that of a flag, either general or of a variable of this ``standard_name``."""
    *of, last = str(attrs.get("standard_name", "")).split() or [""]
    return last in _FLAG_NAMES and (not of or standard_name is None or of == [standard_name])


def _is_of_another(name: str, variable: str, fields: Mapping[str, Any]) -> bool:
    """Whether the name assigns the flags to another variable: ``qual_sst4`` beside ``sst``, ``wind_quality``."""
    nasa = _NASA.fullmatch(name)
    return nasa is not None or (variable not in name and any(other in name for other in fields if other != name))


def _meanings(attrs: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The words of each flag meaning, in lower case."""
    text = str(attrs.get("flag_meanings", "")).lower()
    return [tuple(re.findall(r"[a-z0-9]+", word)) for word in (text.split(",") if "," in text else text.split())]


def _numbers(attrs: Mapping[str, Any], name: str) -> list[int]:
    """The flags as integers; empty where they are no numbers."""
    try:
        return [int(value) for value in np.ravel(attrs.get(name, []))]
    except (TypeError, ValueError, OverflowError):
        return []


def _levels(name: str, attrs: Mapping[str, Any], quality: Quality, where: str) -> LevelFilter | None:
    levels = _levels_of_meanings(attrs) or _LEVELS.get(name) or (_NASA_LEVELS if _NASA.fullmatch(name) else None)
    if levels is None:
        return None
    other_end, least, best = levels
    if isinstance(quality, int):
        if not min(other_end, best) <= quality <= max(other_end, best):
            raise QualityError(
                f"{name!r} has no level {quality}",
                where,
                f"choose from {min(other_end, best)} to {max(other_end, best)}, 'good' or 'all'",
            )
        least = quality
    return LevelFilter(name, min(least, best), max(least, best), f"{name} {'≥' if best >= other_end else '≤'} {least}")


def _levels_of_meanings(attrs: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """The level farthest from the best, the lowest good one, and the best, by the flag meanings.

    Some producers write levels as ``flag_masks``; masks that contain 0 are levels.
    """
    meanings, masks = _meanings(attrs), _numbers(attrs, "flag_masks")
    values = _numbers(attrs, "flag_values") or (masks if 0 in masks else [])
    good = [
        (rank, value)
        for value, word in zip(values, meanings, strict=False)
        for rank, praise in enumerate(_GOOD)
        if praise in word and not _DENYING & set(word)
    ]
    if len(values) != len(meanings) or not good:
        return None
    best = min(good)[1]
    return max(values, key=lambda v: abs(v - best)), max((v for _, v in good), key=lambda v: abs(v - best)), best


def _bits(name: str, attrs: Mapping[str, Any]) -> BitFilter | None:
    meanings, masks = _meanings(attrs), _numbers(attrs, "flag_masks")
    if len(masks) != len(meanings) or ("water",) in meanings:  # kinds of surface, not of quality
        return None
    bad = [
        (mask, word)
        for mask, word in zip(masks, meanings, strict=True)
        if _WARNING & set(word) and not (_DENYING - _WARNING) & set(word)
    ]
    if not bad:
        return None
    fill = (*_numbers(attrs, "_FillValue"), np.nan)[0]
    text = f"{name} without {', '.join(' '.join(word) for _, word in bad)}"
    return BitFilter(name, int(np.bitwise_or.reduce([mask for mask, _ in bad])), float(fill), text)
