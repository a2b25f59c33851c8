"""Sources of sea-surface temperature, their months as plain arrays, and the choice of observations by quality."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

from engine.data.kinds import SST, VariableKind
from engine.errors import ChoiceError
from engine.sphere import LatLonGrid
from engine.typed import Ints, Mask, Singles

if TYPE_CHECKING:
    import xarray as xr

Quality = Literal["good", "all"] | int
"""The observations to keep: those of good quality, all, or those of a level or better."""


@dataclass(frozen=True)
class Regrid:
    """The regular grid of ``step_deg`` to which a source is regridded: ``"conservative"``, by area, where its own grid
    has latitudes and longitudes; ``"bucket"``, the mean of the values in a cell, or ``"bilinear"`` for others.
    """

    step_deg: float
    method: Literal["conservative", "bucket", "bilinear"]


@dataclass(frozen=True)
class Overrules:
    """What the user decides in place of what files state; None leaves it to the file.

    Attributes:
        kind: key of a kind of variable (:data:`engine.data.kinds.KINDS`).
        unit: unit of the values in the file, in any spelling that is read.
        calendar: calendar of the times, by CF.
        fill: a further number that stands for missing, as it is in the file.
        step: length of a step.
        mask: name of the variable that is the land mask, ``"coastlines"``, or ``"never valid"`` for the cells without
            any value.
        regrid: another grid. Curvilinear grids and swaths need one.
        zeros: whether exact zeros are ``"values"``, as in icy lakes in °C, or ``"missing"``.
    """

    kind: str | None = None
    unit: str | None = None
    calendar: str | None = None
    fill: float | None = None
    step: Literal["hours", "days", "months"] | None = None
    mask: str | None = None
    zeros: Literal["values", "missing"] | None = None
    regrid: Regrid | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The points that are decided."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) is not None)

    @property
    def text(self) -> str:
        """The decisions as text, "" where there are none; part of a source's key."""
        return ", ".join(f"{name} {getattr(self, name)!r}" for name in self.names)


@dataclass(frozen=True)
class Understood:
    """How the files of a source were interpreted, each point as text, before anything is computed.

    ``overruled`` names the points that the user decided (:class:`Overrules`).
    """

    variable: str
    kind: str
    unit: str
    calendar: str
    fill: str
    step: str
    mask: str
    quality: str
    grid: str
    zeros: str
    overruled: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class SSTSource:
    """Sea-surface temperature, or another kind of variable, on one grid; values are read or computed on access only.

    All fields are lazy :class:`xarray.DataArray` (time, lat, lon), float32, in the unit of ``variable`` (°C), NaN =
    missing, latitude ascending,
    longitude ascending within −180..180, ``time`` the start of the day or month (cftime where the calendar needs it).
    Land is missing everywhere; for a field of the land ``land`` is the sea, True = no values.

    Attributes:
        name: the name on screen; plain text.
        key: hash of the content.
        grid: the cells.
        land: (lat, lon) bool, True = land.
        notes: how the files were interpreted and what was repaired, one sentence each.
        daily: daily observations; None for a source of months only.
        monthly: the mean of each month as the source knows it (for the demo ocean the true one), or None.
        truth: the gap-free field behind the daily observations where it is known (the demo ocean), else None.
        ice: (time, lat, lon) bool on the days of ``daily``, True = covered by ice, where that is known, else None.
        understood: the interpretation of the files point by point; None for a source that is no file.
        grading: a sentence that says which observations are kept, where the files grade them; else empty.
        is_synthetic: whether the days are simulated.
        variable: the kind of its values.
        resampled_from: ``key`` of the source of which this is a copy on another grid; empty for a source as opened.
    """

    name: str
    key: str
    grid: LatLonGrid
    land: Mask
    notes: tuple[str, ...]
    daily: xr.DataArray | None
    monthly: xr.DataArray | None = None
    truth: xr.DataArray | None = None
    ice: xr.DataArray | None = None
    grading: str = ""
    is_synthetic: bool = field(default=False, kw_only=True)
    understood: Understood | None = field(default=None, kw_only=True)
    variable: VariableKind = field(default=SST, kw_only=True)
    resampled_from: str = field(default="", kw_only=True)

    @property
    def opened_key(self) -> str:
        """``key`` of the source as it was opened, which opening it again gives."""
        return self.resampled_from or self.key

    @property
    def kind(self) -> str:
        """The kind of its values, a key of :data:`engine.data.kinds.KINDS`."""
        return self.variable.key


def understood_details(source: SSTSource) -> dict[str, str]:
    """How the files of a source were understood and what was decided by hand, for exported files."""
    known = source.understood
    if known is None:
        return {}
    points = (f"{name}: {value}" for name, value in vars(known).items() if isinstance(value, str))
    return {"data_understood": "; ".join(points), "data_decided": ", ".join(known.overruled) or "nothing"}


@dataclass(frozen=True, eq=False)
class MonthlyData:
    """N consecutive months in memory (or memory-mapped): the input of models, baselines and scores.

    Values are in the model space of ``variable`` (:mod:`engine.data.kinds`): °C, or a logarithm.

    Attributes:
        daily: (N, 31, H, W) float32, observations; NaN = missing, in padded slots, and on land.
        padded: (N, 31) bool, True = no such day in the month (or outside the source's span).
        phases: (N, 31, 3) float32, radians in [0, 2π): month in the year, day in the year, hour in the day.
        target: (N, H, W) float32, the month's true mean; NaN = unknown. None where no month is known.
        ice: (N, H, W) float32, fraction of the month's days under ice, 0 where nothing is known.
        land: (H, W) bool.
        years, months: (N,) int, calendar year, and month from 1 to 12.
        grid: the cells.
        key: hash of the content.
        variable: the kind of the values.
    """

    daily: Singles
    padded: Mask
    phases: Singles
    target: Singles | None
    ice: Singles
    land: Mask
    years: Ints
    months: Ints
    grid: LatLonGrid
    key: str
    variable: VariableKind = SST


def check_quality(quality: object) -> None:
    """Raise :class:`ChoiceError` unless the value is a :data:`Quality`."""
    is_level = isinstance(quality, int) and not isinstance(quality, bool) and quality >= 0
    if quality not in ("good", "all") and not is_level:
        raise ChoiceError(f"{quality!r} is no choice of quality", "quality", "choose 'good', 'all', or a level")


def quality_of(text: str) -> Quality:
    """Parse the quality in an address or a command line: ``good``, ``all``, or a whole number.

    Raises :class:`ChoiceError` for anything else.
    """
    # isdecimal alone accepts digits of other scripts
    quality = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else text
    check_quality(quality)
    return quality  # pyright: ignore[reportReturnType] (checked)
