"""Kinds of variables: what a gappy daily field on a grid may be, in which unit, and what is plausible.

A kind is chosen from a file by CF standard name, then by the usual names, and may be overruled. Where nothing tells, a
temperature is that of the sea's surface, and anything else the kind ``other`` with the file's own unit and name.

Models learn, and baselines and scores are computed, in the *model space* of a kind: its values, or their decimal
logarithm where they are nearly log-normal (chlorophyll: Campbell 1995, doi:10.1029/95JC00458). A mean of logarithms
that is restored, 10^mean, is the geometric mean, which is the median of a log-normal distribution; it is what maps,
files and read-outs show. The arithmetic mean would be higher by the factor exp((σ ln 10)²/2). Quantiles are restored
exactly, so that an interval holds the truth as often as it does in model space. Errors stay in model space: an error of
e decades is a factor of 10^e.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.data.units import (
    CELSIUS,
    FRACTION,
    MASS_CONCENTRATION,
    METRES,
    SALINITY,
    TEMPERATURE,
    TEMPERATURE_DIFFERENCE,
    Units,
    own_units,
)
from engine.errors import ChoiceError

Values = NDArray[np.floating[Any]]

LOG_ERRORS = "log₁₀ units"
"""The unit of errors of logarithms, on screen."""

_SYMBOLS = {"degC": "°C", "mg m-3": "mg m⁻³", "1e-3": "psu", "1": ""}
_DIFFERENCE_SYMBOLS = {"degC": "K", "%": "percentage points"}


@dataclass(frozen=True)
class VariableKind:
    """A kind of variable.

    Attributes:
        key: its name in configurations and addresses.
        title: its name on screen.
        short: the same in one or two words.
        unit: the unit of values once read, by CF.
        standard_names, names: CF standard names, and names of variables in lower case, that mark it.
        units: the units that are understood, with their conversions to ``unit``.
        limits: plausible values in ``unit``; others are missing.
        cf_name: the CF standard name that files are written with; "" where there is none.
        transform: from values to model space.
        palette: name of the colour map of cmocean.
        masked: where there are no values.
        least, most: no value is below or above, in ``unit``; None: no such bound.
        scale: size of ordinary differences from the climatology, in model space; None: measured on the data.
        has_season: whether the climatology has an annual cycle; anomalies have none by definition.
        has_ice: whether water stands at its ``least``, the freezing point, below ice, which is marked and scored apart.
        shown: ends of the colour scale of maps of the globe, in ``unit``; None: those of the data.
        zero_is_common: exact zeros are values; else many of them are missing values written as 0.
    """

    key: str
    title: str
    short: str
    unit: str
    standard_names: tuple[str, ...]
    names: tuple[str, ...]
    units: Units
    limits: tuple[float, float]
    cf_name: str = ""
    transform: Literal["none", "log10"] = "none"
    palette: str = "thermal"
    masked: Literal["land", "sea", "neither"] = "land"
    least: float | None = None
    most: float | None = None
    scale: float | None = 1.0
    has_season: bool = True
    has_ice: bool = False
    shown: tuple[float, float] | None = None
    zero_is_common: bool = False

    # model space

    def transformed(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values in ``unit`` as values in model space; NaN where they have none."""
        if self.transform == "none":
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(values > 0.0, np.log10(values), np.nan).astype(values.dtype)

    def restored(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values in model space as values in ``unit``."""
        return values if self.transform == "none" else np.power(values.dtype.type(10.0), values)

    def restored_value(self, value: float) -> float:
        """One value."""
        return value if self.transform == "none" else 10.0**value

    def bounded(self, values: Values) -> Values:
        """Values in model space, none of them below ``least`` or above ``most``."""
        if self.is_logarithmic:  # a logarithm has no bounds of its own
            return values
        if self.least is not None:
            values = np.maximum(values, values.dtype.type(self.least))
        return values if self.most is None else np.minimum(values, values.dtype.type(self.most))

    @property
    def is_logarithmic(self) -> bool:
        """Whether model space holds logarithms."""
        return self.transform == "log10"

    @property
    def is_diverging(self) -> bool:
        """Whether colours are centred on 0."""
        return self.palette == "balance"

    @property
    def measured_scale(self) -> float:
        """``scale`` where it is known; data of the kinds without one carry their own."""
        return 1.0 if self.scale is None else self.scale

    # words

    @property
    def name(self) -> str:
        """The name of the variable in files that are written."""
        return self.names[0] if self.key == OTHER_KEY else self.key

    @property
    def phrase(self) -> str:
        """The title within a sentence."""
        return self.title if self.title[:2].isupper() else self.title[:1].lower() + self.title[1:]

    @property
    def symbol(self) -> str:
        """The unit of values on screen."""
        return _SYMBOLS.get(self.unit, self.unit)

    @property
    def model_symbol(self) -> str:
        """The unit of values in model space on screen."""
        return f"log₁₀ {self.symbol}" if self.is_logarithmic else self.symbol

    @property
    def error_symbol(self) -> str:
        """The unit of errors and standard deviations on screen."""
        return LOG_ERRORS if self.is_logarithmic else self.difference_symbol

    @property
    def difference_symbol(self) -> str:
        """The unit of differences of values on screen."""
        return _DIFFERENCE_SYMBOLS.get(self.unit, self.symbol)

    @property
    def error_unit(self) -> str:
        """The unit of errors in files, by CF."""
        return "1" if self.is_logarithmic else {"degC": "kelvin"}.get(self.unit, self.unit)

    @property
    def place(self) -> str:
        """Where there are values: sea, land, or the whole grid."""
        return {"land": "sea", "sea": "land", "neither": "grid"}[self.masked]

    @property
    def open_place(self) -> str:
        """Where values are scored."""
        return {"land": "open sea", "sea": "open land", "neither": "grid"}[self.masked]

    @property
    def everywhere(self) -> str:
        """The title of scores over all of it."""
        return "The whole grid" if self.masked == "neither" else f"All {self.open_place}"

    @property
    def left_out(self) -> str:
        """What the cells without values are."""
        return {"land": "land", "sea": "sea", "neither": "left out"}[self.masked]

    def error_text(self, error: float) -> str:
        """An error in words: ``0.512 K``, ``0.120 log₁₀ units (a factor of 1.32)``."""
        text = f"{error:.3f} {self.error_symbol}".rstrip()
        return f"{text} (a factor of {10.0**error:.2f})" if self.is_logarithmic else text

    # plain values

    def as_dict(self) -> dict[str, Any]:
        """What distinguishes data of this kind, as plain values: :func:`kind_from`."""
        return {"key": self.key, "title": self.title, "unit": self.unit, "names": list(self.names), "scale": self.scale}


OTHER_KEY = "other"
_ANOMALY = "_anomaly"

SST = VariableKind(
    "sst", "Sea-surface temperature", "Temperature", CELSIUS,
    (
        "sea_surface_temperature", "sea_surface_foundation_temperature", "sea_surface_subskin_temperature",
        "sea_surface_skin_temperature", "surface_temperature_where_sea",
    ),
    ("sst", "tos", "analysed_sst", "sea_surface_temperature", "sst4", "sea_surface_skin_temperature"),
    TEMPERATURE, (-8.0, 50.0), "sea_surface_temperature", least=-1.8, has_ice=True, shown=(-2.0, 32.0),
)  # fmt: skip
"""``least`` is the freezing point of sea water as analyses have it under ice (HadISST, OSTIA)."""

CHLOROPHYLL = VariableKind(
    "chlorophyll", "Chlorophyll-a concentration", "Chlorophyll", "mg m-3",
    (
        "mass_concentration_of_chlorophyll_a_in_sea_water", "mass_concentration_of_chlorophyll_in_sea_water",
        "concentration_of_chlorophyll_in_sea_water",
    ),
    ("chlor_a", "chl", "chlorophyll", "chla", "chlorophyll_a"), MASS_CONCENTRATION, (1e-4, 1000.0),
    "mass_concentration_of_chlorophyll_a_in_sea_water", transform="log10", palette="algae", scale=0.25,
    shown=(0.01, 20.0),
)  # fmt: skip

SEA_LEVEL_ANOMALY = VariableKind(
    "sea_level_anomaly", "Sea-level anomaly", "Sea level", "m",
    ("sea_surface_height_above_sea_level", "sea_surface_height_above_mean_sea_level"),
    ("sla", "ssha", "sea_level_anomaly"), METRES, (-5.0, 5.0), "sea_surface_height_above_mean_sea_level",
    palette="balance", scale=0.1, shown=(-0.5, 0.5), zero_is_common=True,
)  # fmt: skip

SURFACE_SALINITY = VariableKind(
    "salinity", "Sea-surface salinity", "Salinity", "1e-3",
    ("sea_surface_salinity", "sea_water_salinity", "sea_water_practical_salinity"),
    ("sss", "sos", "salinity", "smap_sss"), SALINITY, (0.0, 60.0), "sea_surface_salinity", palette="haline",
    least=0.0, shown=(30.0, 38.0),
)  # fmt: skip

LAND_TEMPERATURE = VariableKind(
    "land_temperature", "Land-surface temperature", "Temperature", CELSIUS,
    ("land_surface_temperature", "surface_temperature_where_land"),
    ("lst", "land_surface_temperature", "lst_day_cmg", "lst_night_cmg"), TEMPERATURE, (-95.0, 85.0),
    "surface_temperature", masked="sea", scale=3.0, shown=(-40.0, 50.0),
)  # fmt: skip

ICE_CONCENTRATION = VariableKind(
    "ice_concentration", "Sea-ice concentration", "Concentration", "%", ("sea_ice_area_fraction",),
    ("siconc", "sic", "ice_conc", "sea_ice_fraction", "icec"), FRACTION, (0.0, 102.0), "sea_ice_area_fraction",
    palette="ice", least=0.0, most=100.0, scale=15.0, shown=(0.0, 100.0), zero_is_common=True,
)  # fmt: skip

OTHER = VariableKind(
    OTHER_KEY, "Other variable", "Value", "1", (), ("value",), own_units("1"), (-np.inf, np.inf), palette="matter",
    masked="neither", scale=None, zero_is_common=True,
)  # fmt: skip
"""A variable of no known kind; :func:`own_kind` gives it the unit and the name of its file."""


def _anomaly(kind: VariableKind, standard_names: tuple[str, ...], names: tuple[str, ...], cf_name: str) -> VariableKind:
    """The kind of differences from a climatology: centred colours, units without offset, no bounds of its own."""
    extent = kind.limits[1] - kind.limits[0]
    return replace(
        kind,
        key=kind.key + _ANOMALY,
        title=f"{kind.title} anomaly",
        short="Anomaly",
        standard_names=standard_names,
        names=names,
        units=TEMPERATURE_DIFFERENCE if kind.units is TEMPERATURE else kind.units,
        limits=(-25.0, 25.0) if kind is SST else (-extent, extent),
        cf_name=cf_name,
        transform="none",
        palette="balance",
        least=None,
        most=None,
        scale=None if kind.transform == "log10" else kind.scale,
        has_season=False,
        has_ice=False,
        shown=None,
        zero_is_common=True,
    )


KINDS: Mapping[str, VariableKind] = {
    kind.key: kind
    for kind in (
        SST,
        _anomaly(
            SST, ("sea_surface_temperature_anomaly", "surface_temperature_anomaly"),
            ("anom", "ssta", "sst_anomaly", "sst_anom"), "surface_temperature_anomaly",
        ),
        CHLOROPHYLL,
        _anomaly(CHLOROPHYLL, (), ("chl_anomaly", "chlor_a_anomaly", "chlorophyll_anomaly"), ""),
        SEA_LEVEL_ANOMALY,
        SURFACE_SALINITY,
        _anomaly(SURFACE_SALINITY, (), ("sss_anomaly", "salinity_anomaly"), ""),
        LAND_TEMPERATURE,
        _anomaly(
            LAND_TEMPERATURE, ("surface_temperature_anomaly",), ("lst_anomaly", "land_temperature_anomaly"),
            "surface_temperature_anomaly",
        ),
        ICE_CONCENTRATION,
        _anomaly(ICE_CONCENTRATION, (), ("siconc_anomaly", "ice_concentration_anomaly"), ""),
        OTHER,
    )
}  # fmt: skip


def kind_named(key: str) -> VariableKind:
    """The kind of this key; :class:`ChoiceError` where there is none."""
    if key not in KINDS:
        raise ChoiceError(f"{key!r} is no kind of variable", "kind", f"choose one of: {', '.join(KINDS)}")
    return KINDS[key]


def kind_of(name: str, attrs: Mapping[str, Any]) -> VariableKind:
    """The kind of a variable by its standard name, its name, and words of anomalies.

    Where nothing tells it is the sea-surface temperature, or the kind ``other`` if its unit is that of no temperature.
    """
    standard_name, unit = str(attrs.get("standard_name", "")), str(attrs.get("units", "")).strip()
    by_name = [kind for kind in KINDS.values() if name.lower() in (*kind.names, kind.key)]
    named = {kind.key.removesuffix(_ANOMALY) for kind in by_name}
    by_standard_name = sorted(  # the name decides where several kinds have the standard name
        (kind for kind in KINDS.values() if standard_name in kind.standard_names),
        key=lambda kind: kind.key.removesuffix(_ANOMALY) not in named,
    )
    unknown = OTHER if unit and TEMPERATURE.conversion(unit) is None else SST
    kind = (*by_standard_name, *by_name, unknown)[0]
    text = " ".join(str(attrs.get(attribute, "")) for attribute in ("standard_name", "long_name", "statistic"))
    return KINDS.get(kind.key + _ANOMALY, kind) if "anomal" in text.lower() else kind


def own_kind(kind: VariableKind, name: str, attrs: Mapping[str, Any], unit: str | None = None) -> VariableKind:
    """``kind``, or where that is ``other`` the same with the unit and the name of the variable in its file."""
    if kind.key != OTHER_KEY:
        return kind
    title = str(attrs.get("long_name") or attrs.get("standard_name") or name).replace("_", " ").strip()
    plain = re.sub(r"\W+", "_", name)
    unit = (unit or str(attrs.get("units", ""))).strip() or "1"
    own = replace(kind, title=title[:1].upper() + title[1:], unit=unit, names=(plain,), units=own_units(unit))
    return replace(own, palette="balance", has_season=False) if "anomal" in title.lower() else own


def kind_from(values: Mapping[str, Any] | None) -> VariableKind:
    """The kind that :meth:`VariableKind.as_dict` describes; None is the sea-surface temperature.

    Raises :class:`ChoiceError` for a kind that does not exist.
    """
    if values is None:
        return SST
    kind = kind_named(str(values["key"]))
    if kind.key == OTHER_KEY:
        attrs = {"long_name": str(values["title"]), "units": str(values["unit"])}
        kind = own_kind(kind, str(values["names"][0]), attrs)
    return replace(kind, scale=None if values["scale"] is None else float(values["scale"]))
