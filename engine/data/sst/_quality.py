"""Which observations a file itself calls good: levels of quality, and bits that warn.

Levels follow the GHRSST Data Specification (GDS 2.0): ``quality_level`` 0 no data, 1 bad, 2 worst, 3 low, 4 acceptable,
5 best quality. AVHRR Pathfinder 5 maps its own 0 to 7 to these, 4 to 6 being acceptable and 7 the best. NASA's ocean
colour group counts the other way: ``qual_sst`` 0 best, 1 good, 2 questionable, 3 bad, 4 not processed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.quality import Quality
from engine.errors import QualityError

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
class Levels:
    """Observations of the levels ``low`` to ``high`` count, those without a level do not."""

    name: str
    low: int
    high: int
    words: str

    def unpack(self, raw: NDArray[Any], shift: float = 0.0) -> NDArray[np.float32]:
        """1 where an observation does not count, else 0; there is nothing to shift."""
        del shift
        return (~((raw >= self.low) & (raw <= self.high))).astype(np.float32)


@dataclass(frozen=True)
class Bits:
    """Observations with one of the bits of ``bad`` set do not count; where all is fill, nothing is said."""

    name: str
    bad: int
    fill: float
    words: str

    def unpack(self, raw: NDArray[Any], shift: float = 0.0) -> NDArray[np.float32]:
        """1 where an observation does not count, else 0; there is nothing to shift."""
        del shift
        known = np.isfinite(raw) & (raw != self.fill)
        return ((np.where(known, raw, 0).astype(np.int64) & self.bad) != 0).astype(np.float32)


def no_levels(quality: int, where: str) -> QualityError:
    """What is said to somebody who asks for a level that nothing in the file has."""
    return QualityError(
        f"quality {quality} was asked for, but no levels of quality are known", where, "choose 'good' or 'all'"
    )


def screen_of(
    dataset: xr.Dataset, variable: str, axes: tuple[str, str], quality: Quality, where: str
) -> tuple[Levels | Bits | None, str | None]:
    """What tells good observations of ``variable`` from others, and what there is to say; None where nothing does.

    Of "all" it is what would tell good ones from others, and not to be kept to.

    The flags lie along ``axes`` (latitude, longitude) and as many steps as the variable. Looked for are, in this order,
    those named by its ``ancillary_variables``, the producers' usual names, a CF standard name of a flag, and meanings
    that grade from best to worst; levels go before bits. Flags that are not understood are left alone.

    Raises :class:`QualityError` where a level is asked for that the file does not have.
    """
    names = list(dict.fromkeys(_flags(dataset, variable, axes)))
    for name in names:
        levels = _levels(name, dataset[name].attrs, quality, where)
        if levels is not None:
            return levels, None
    if isinstance(quality, int):
        raise no_levels(quality, where)
    for name in names:
        bits = _bits(name, dataset[name].attrs)
        if bits is not None:
            return bits, None
    listed = ", ".join(repr(name) for name in names)
    return None, f"the flags {listed} are not understood and were left alone" if names else None


def _flags(dataset: xr.Dataset, variable: str, axes: tuple[str, str]) -> Iterator[str]:
    """The flags of a variable, the surest first."""
    own = dataset[variable]
    fields = {
        str(name): v
        for name, v in dataset.data_vars.items()
        if name != variable and _lengths(v) == _lengths(own) and set(axes) <= set(v.dims)
    }
    beside = str(own.attrs.get("ancillary_variables", "")).split()
    yield from (n for n in beside if n in fields and _is_flag(fields[n].attrs))
    yield from (n for n in (f"qual_{variable}", *_LEVELS) if n in fields)
    taken = {word for v in fields.values() for word in str(v.attrs.get("ancillary_variables", "")).split()}
    free = {n: v for n, v in fields.items() if n not in taken and not _is_of_another(n, variable, fields)}
    yield from (n for n in free if _is_named_flag(free[n].attrs, own.attrs.get("standard_name")))
    yield from (n for n in free if _GRADING & {token for word in _meanings(free[n].attrs) for token in word})
    yield from (n for n in fields if n == _L2P_FLAGS)


def _lengths(field: xr.DataArray) -> dict[str, int]:
    return {str(dim): size for dim, size in field.sizes.items() if size > 1}


def _is_flag(attrs: Mapping[str, Any]) -> bool:
    return "flag_meanings" in attrs or str(attrs.get("standard_name", "")).endswith(_FLAG_NAMES)


def _is_named_flag(attrs: Mapping[str, Any], standard_name: object) -> bool:
    """Whether the standard name is a flag's, of no variable in particular or of one of this ``standard_name``."""
    *of, last = str(attrs.get("standard_name", "")).split() or [""]
    return last in _FLAG_NAMES and (not of or standard_name is None or of == [standard_name])


def _is_of_another(name: str, variable: str, fields: Mapping[str, Any]) -> bool:
    """Whether the name says that the flags are another variable's: ``qual_sst4`` beside ``sst``, ``wind_quality``."""
    nasa = _NASA.fullmatch(name)
    return nasa is not None or (variable not in name and any(other in name for other in fields if other != name))


def _meanings(attrs: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The words of each flag meaning, in lower case."""
    text = str(attrs.get("flag_meanings", "")).lower()
    return [tuple(re.findall(r"[a-z0-9]+", word)) for word in (text.split(",") if "," in text else text.split())]


def _numbers(attrs: Mapping[str, Any], name: str) -> list[int]:
    """The flags' numbers; none where they are no numbers."""
    try:
        return [int(value) for value in np.ravel(attrs.get(name, []))]
    except (TypeError, ValueError, OverflowError):
        return []


def _levels(name: str, attrs: Mapping[str, Any], quality: Quality, where: str) -> Levels | None:
    told = _told(attrs) or _LEVELS.get(name) or (_NASA_LEVELS if _NASA.fullmatch(name) else None)
    if told is None:
        return None
    other_end, least, best = told
    if isinstance(quality, int):
        if not min(other_end, best) <= quality <= max(other_end, best):
            raise QualityError(
                f"{name!r} has no level {quality}",
                where,
                f"choose from {min(other_end, best)} to {max(other_end, best)}, 'good' or 'all'",
            )
        least = quality
    return Levels(name, min(least, best), max(least, best), f"{name} {'≥' if best >= other_end else '≤'} {least}")


def _told(attrs: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """The level farthest from the best, the least good one, and the best, from the meanings of the flags.

    Some producers write levels as ``flag_masks``; what holds 0 is no mask.
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


def _bits(name: str, attrs: Mapping[str, Any]) -> Bits | None:
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
    words = f"{name} without {', '.join(' '.join(word) for _, word in bad)}"
    return Bits(name, int(np.bitwise_or.reduce([mask for mask, _ in bad])), float(fill), words)
