"""What the numbers of a field are: their unit, and which of them are no values although no attribute says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from engine.data.kinds import VariableKind
from engine.data.sst._field import Field
from engine.data.sst._packing import Packing
from engine.data.sst._sample import Sample, first_values, sampled
from engine.data.sst._times import date_words
from engine.data.units import Conversion
from engine.errors import DataError
from engine.typed import Singles

_TAIL = 5  # per cent of the values that may lie beyond either limit
_MAX_CODES = 8  # distinct numbers beyond the limits that are codes, however many cells have them
_MIN_ZEROS = 4
_ZERO_SHARE = 0.005  # of the values that are exactly zero where zero stands for missing
_ZERO_RATIO = 3.0  # of exact zeros to any other value near zero; values in whole degrees repeat all alike


class Values(NamedTuple):
    """The field in its kind's unit, implausible values missing; its sample, the unit as text, and notes; what exact
    zeros were taken for.
    """

    field: Field
    sample: Sample
    unit: str
    notes: tuple[str, ...]
    conversion: Conversion
    zeros: str


def understood_values(
    field: Field,
    variables: Sequence[xr.DataArray],
    kind: VariableKind,
    where: str,
    removed: str | None = None,
    unit: str | None = None,
    zeros: Literal["values", "missing"] | None = None,
) -> Values:
    """``field`` with its files' units converted to that of ``kind``, and with what is no value missing.

    Values outside the kind's plausible limits are missing: numbers never written, codes such as −1000 for ice, 0 K on
    land. So are exact zeros where there are far more of them than of any value nearby. ``removed`` is a note on
    observations that quality flags remove. A chosen ``unit`` counts in place of the files', chosen ``zeros`` in place
    of their number.

    Raises :class:`DataError` for units that are not those of the kind, values that contradict the unit, a unit that
    changes within the series, and a sample that is missing everywhere.
    """
    stated = [stated_conversion(variable, kind, where, unit) for variable in variables]
    values, description = first_values(field)
    if values.size == 0:
        Sample(values, None, description).check_not_empty(where, removed)
    if all(conversion is None for conversion in stated):
        conversion, text = _guessed(values, kind, where)
        conversions = [conversion] * len(stated)
    else:
        known = [conversion for conversion in stated if conversion is not None]
        if len(known) < len(stated):
            raise DataError("some of the files state a unit, others none", where, "write the unit into all of them")
        conversion, conversions = known[0], known
        _check(values, conversion, kind, where)
        text = _unit_text(known, kind)
    field = _converted(field, conversions)
    sample = sampled(field, kind.limits)
    _refuse_change(field, sample, text, where)
    seems_missing = not kind.zero_is_common and _has_zeros_for_missing(sample)
    zero_is_missing = seems_missing if zeros is None else zeros == "missing"
    field = _limited(field, kind.limits, zero_is_missing)
    sample = sample.without_zeros() if zero_is_missing else sample
    sample.check_not_empty(where, removed)
    first = field.segments[0].decoder
    limited = [_limits_note(sample, kind)] if np.isfinite(kind.limits).all() else []
    notes = [*(first.notes if isinstance(first, Packing) else ()), *limited]
    taken_for = "missing" if zero_is_missing else "values"
    if zero_is_missing or zeros is not None:
        share = f"they are {sample.zeros / max(1, sample.total):.1%} of the sample"
        why = ", as chosen" if zeros is not None else ""
        remedy = "; zeros='values' keeps them" if zeros is None else ""
        notes.append(f"exact zeros are {taken_for}{why}: {share}{remedy}")
    return Values(field, sample, text, tuple(notes), conversion, taken_for)


def stated_conversion(
    variable: xr.DataArray, kind: VariableKind, where: str, chosen: str | None = None
) -> Conversion | None:
    """The conversion from the ``chosen`` unit or the one a variable states, None without one.

    Raises :class:`DataError` for a unit of another kind.
    """
    unit = (chosen or str(variable.attrs.get("units", ""))).strip()
    if not unit:
        return None
    conversion = kind.units.conversion(unit)
    if conversion is None:
        raise DataError(
            f"the unit {unit!r} of {variable.name!r} is no {kind.units.quantity}", where,
            f"choose another variable or its unit, or convert it to {kind.unit}", {"unit": _named(kind)},
        )  # fmt: skip
    return conversion


def _guessed(values: Singles, kind: VariableKind, where: str) -> tuple[Conversion, str]:
    """The conversion that the values fit where no unit is stated."""
    low, high = (float(v) for v in np.percentile(values, (5, 95)))
    for name in kind.units.guessed:
        conversion = kind.units.by_name[name]
        if _fits(values, conversion, kind):
            is_own = (conversion.factor, conversion.offset) == (1.0, 0.0)
            unit = conversion.name + ("" if is_own else f", and converted to {_shown(kind.unit)}")
            return conversion, f"no unit is given; the values, {low:.1f} to {high:.1f}, are taken for {unit}"
    raise DataError(
        f"no unit is given and the values, {low:.4g} to {high:.4g}, are no {_plural(kind)}", where, _CORRECT
    )


def _check(values: Singles, conversion: Conversion, kind: VariableKind, where: str) -> None:
    if not _fits(values, conversion, kind):
        low, high = (float(v) for v in np.percentile(values, (5, 95)))
        raise DataError(
            f"the values, {low:.4g} to {high:.4g}, are no {_plural(kind)}, though the unit is {conversion.name}",
            where, _CORRECT, {"unit": _fitting(values, kind)},
        )  # fmt: skip


def _named(kind: VariableKind) -> tuple[str, ...]:
    """The names of the units of a kind."""
    return tuple(dict.fromkeys(conversion.name for conversion in kind.units.by_name.values()))


def _fitting(values: Singles, kind: VariableKind) -> tuple[str, ...]:
    """The names of the units in which values are plausible."""
    return tuple(dict.fromkeys(c.name for c in kind.units.by_name.values() if _fits(values, c, kind)))


def _fits(values: Singles, conversion: Conversion, kind: VariableKind) -> bool:
    """Whether the values are plausible but for few of them, or for a handful of codes."""
    converted = values.astype(np.float64) * conversion.factor + conversion.offset
    low, high = kind.limits
    inside = (converted >= low) & (converted <= high)
    if inside.all():
        return True
    tails = np.percentile(converted, (_TAIL, 100 - _TAIL))
    if tails[0] >= low and tails[1] <= high:
        return True
    return bool(inside.any()) and np.unique(values[~inside]).size <= _MAX_CODES


def _unit_text(conversions: Sequence[Conversion], kind: VariableKind) -> str:
    names = list(dict.fromkeys(conversion.name for conversion in conversions))
    if len(names) == 1:
        first = conversions[0]
        is_own = (first.factor, first.offset) == (1.0, 0.0)
        return f"unit {names[0]}" if is_own else f"{names[0]}, converted to {_shown(kind.unit)}"
    return f"the unit differs between the files, {' and '.join(names)}: converted to {_shown(kind.unit)}"


def _converted(field: Field, conversions: Sequence[Conversion]) -> Field:
    """``field``, the packing of each file followed by its conversion; that of the fallback too."""
    segments = tuple(
        replace(segment, decoder=segment.decoder.converted(conversion.factor, conversion.offset))
        for segment, conversion in zip(field.segments, conversions, strict=True)
        if isinstance(segment.decoder, Packing)
    )
    fallback = None if field.fallback is None else _converted(field.fallback, conversions)
    return replace(field, segments=segments, fallback=fallback)


def _limited(field: Field, limits: tuple[float, float], zero_is_missing: bool) -> Field:
    segments = tuple(
        replace(segment, decoder=replace(segment.decoder, limits=limits, zero_is_missing=zero_is_missing))
        for segment in field.segments
        if isinstance(segment.decoder, Packing)
    )
    fallback = None if field.fallback is None else _limited(field.fallback, limits, zero_is_missing)
    return replace(field, segments=segments, fallback=fallback)


def converted_field(field: Field, conversion: Conversion) -> Field:
    """``field`` with all its files converted alike."""
    return _converted(field, [conversion] * len(field.segments))


def _has_zeros_for_missing(sample: Sample) -> bool:
    return sample.zeros >= _MIN_ZEROS and sample.zeros > max(_ZERO_RATIO * sample.near_zero, _ZERO_SHARE * sample.total)


def _refuse_change(field: Field, sample: Sample, text: str, where: str) -> None:
    """Raise where all values of some sampled days are implausible, and not codes: they have another unit."""
    if sample.implausible:
        index = sample.implausible[0]
        period = field.periods
        raise DataError(
            f"the unit changes inside the series: on {date_words(period.start[index : index + 1], period.calendar)[0]} "
            f"the values do not fit ({text})",
            where, "convert that part, or open the parts one by one",
        )  # fmt: skip


def _limits_note(sample: Sample, kind: VariableKind) -> str:
    low, high = kind.limits
    text = f"values outside {low:g} to {high:g} {_shown(kind.unit)} are missing"
    if not sample.outside:
        return text
    codes = ", ".join(f"{code:g}" for code in sample.codes)
    return f"{text}: {sample.outside / sample.total:.1%} of the sample" + (f", such as {codes}" if codes else "")


def _plural(kind: VariableKind) -> str:
    return "temperatures of a sea" if kind.key == "sst" else f"values of {kind.phrase}"


def _shown(unit: str) -> str:
    return "°C" if unit == "degC" else unit


_CORRECT = "correct the attribute, for example: ncatted -a units,VARIABLE,o,c,K FILE"
