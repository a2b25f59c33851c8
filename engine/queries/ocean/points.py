"""The points of a file that a person may decide: what the file offers for each, and decisions as text of an address."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

from engine.data.regrid import regrid_text
from engine.data.source import Overrules, Regrid
from engine.errors import ChoiceError
from engine.queries.cache import CACHE, Progress
from engine.queries.ocean.sources import SourceChoice, file_paths, file_stamp, short_names

CALENDARS = ("standard", "proleptic_gregorian", "noleap", "all_leap", "360_day", "julian")
STEPS = ("hours", "days", "months")
MASKS = ("coastlines", "never valid")
ZEROS = ("values", "missing")
_MOST_TEXT = 64
_POINTS_BYTES = 2**14


@dataclass(frozen=True)
class FilePoints:
    """What a file offers: its fields, masks, kinds (key, title), units by kind, and regular grids."""

    variables: tuple[str, ...]
    masks: tuple[str, ...]
    kinds: tuple[tuple[str, str], ...]
    units: tuple[tuple[str, tuple[str, ...]], ...]
    regrids: tuple[Regrid, ...]

    def units_of(self, kind: str) -> tuple[str, ...]:
        """The units that a kind understands."""
        return dict(self.units).get(kind, ())


def file_points(choice: SourceChoice, progress: Progress | None = None) -> FilePoints:
    """What the file of a choice offers, from its headers. Raises :class:`DataError` where they cannot be read."""
    del progress  # headers only
    with short_names(choice):
        paths = file_paths(choice)
        stamp = tuple((str(path), *file_stamp(path)) for path in paths)
        return CACHE.get(("ocean points", choice.path, stamp), partial(_read, choice), lambda _: _POINTS_BYTES)


def _read(choice: SourceChoice) -> FilePoints:
    from engine.data.kinds import KINDS
    from engine.data.regrid import STEPS_DEG
    from engine.data.sst import file_fields
    from engine.formats.child import check_in_child

    paths = file_paths(choice)
    fields = file_fields(paths[0] if len(paths) == 1 else paths, check_in_child)
    regrids = [Regrid(step, "conservative") for step in STEPS_DEG if step >= 0.25]
    return FilePoints(
        fields.variables,
        (*fields.masks, *MASKS),
        tuple((kind.key, kind.title) for kind in KINDS.values()),
        tuple((kind.key, tuple(dict.fromkeys(c.name for c in kind.units.by_name.values()))) for kind in KINDS.values()),
        tuple(fields.regrids or regrids),
    )


def decided(choice: SourceChoice, name: str, value: Any) -> SourceChoice:
    """``choice`` with one point decided; None leaves it to the file. ``name`` is one of Overrules, or ``variable``."""
    if name == "variable":
        return replace(choice, variable=value or "")
    return replace(choice, overrules=replace(choice.overrules, **{name: value}))


def decision_text(name: str, value: Any) -> str:
    """A decision as the label of a button that makes it."""
    if isinstance(value, Regrid):
        return f"Regrid to {regrid_text(value)}"
    labels = {
        "variable": f"Read {value}",
        "quality": "Use all observations" if value == "all" else f"Use observations of quality {value}",
        "unit": f"The unit is {value}",
        "calendar": f"The calendar is {value}",
        "step": f"One step is a {str(value).removesuffix('s')}",
        "mask": f"Land: {value}",
    }
    return labels.get(name, f"{name[:1].upper()}{name[1:]}: {value}")


def overrules_text(overrules: Overrules) -> str:
    """Decisions as one key of an address: ``unit=K&regrid=1 bucket``, "" for none."""
    return urlencode({name: point_text(getattr(overrules, name)) for name in overrules.names})


def point_text(value: Any) -> str:
    """A decision as text."""
    if isinstance(value, Regrid):
        return f"{value.step_deg:g} {value.method}"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def point_value(name: str, text: str) -> Any:
    """The decision that :func:`point_text` wrote; None for "".

    Raises :class:`ChoiceError` for one that cannot be.
    """
    text = text.strip()
    if not text:
        return None
    known = {"step": STEPS, "zeros": ZEROS}.get(name, (text,))
    try:
        if len(text) > _MOST_TEXT or text not in known:
            raise ValueError(text)
        if name == "fill":
            value = float(text)
            if not math.isfinite(value):
                raise ValueError(text)
            return value
        if name == "regrid":
            step, _, method = text.partition(" ")
            if method not in ("conservative", "bucket", "bilinear") or not 0.01 <= float(step) <= 30.0:
                raise ValueError(text)
            return Regrid(float(step), method)
        if name not in Overrules().__dataclass_fields__:
            raise ValueError(text)
    except ValueError as error:
        raise ChoiceError(f"{text[:20]!r} is no choice of {name}", "reading the file", "choose another") from error
    return text


def overrules_of_text(text: str) -> Overrules:
    """The decisions of an address. Raises :class:`ChoiceError` for one that cannot be."""
    pairs = parse_qsl(text, max_num_fields=20)
    return Overrules(**{name: point_value(name, value) for name, value in pairs})
