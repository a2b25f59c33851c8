"""Kinds of variables: what a gappy daily field on a grid may be, in which unit, and what is plausible.

A kind is chosen from a file by CF standard name, then by the usual names, and may be overruled. The default is the
sea-surface temperature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.data.units import (
    CELSIUS,
    FRACTION,
    MASS_CONCENTRATION,
    METRES,
    SALINITY,
    TEMPERATURE,
    TEMPERATURE_DIFFERENCE,
    Units,
)
from engine.errors import ChoiceError


@dataclass(frozen=True)
class VariableKind:
    """A kind of variable.

    Attributes:
        key: its name in configurations and addresses.
        title: its name on screen.
        unit: the unit of values once read, by CF.
        standard_names, names: CF standard names, and names of variables in lower case, that mark it.
        units: the units that are understood, with their conversions to ``unit``.
        limits: plausible values in ``unit``; others are missing.
        transform: what brings values nearer to a normal distribution.
        palette: name of the colour map.
        masked: where there are no values.
        freezing: below this value water is frozen, None where that means nothing.
        zero_is_common: exact zeros are values; else many of them are missing values written as 0.
    """

    key: str
    title: str
    unit: str
    standard_names: tuple[str, ...]
    names: tuple[str, ...]
    units: Units
    limits: tuple[float, float]
    transform: Literal["none", "log10"] = "none"
    palette: str = "thermal"
    masked: Literal["land", "sea"] = "land"
    freezing: float | None = None
    zero_is_common: bool = False


SST = VariableKind(
    "sst", "Sea-surface temperature", CELSIUS,
    (
        "sea_surface_temperature", "sea_surface_foundation_temperature", "sea_surface_subskin_temperature",
        "sea_surface_skin_temperature", "surface_temperature_where_sea",
    ),
    ("sst", "tos", "analysed_sst", "sea_surface_temperature", "sst4", "sea_surface_skin_temperature"),
    TEMPERATURE, (-8.0, 50.0), freezing=-1.8,
)  # fmt: skip

KINDS: Mapping[str, VariableKind] = {
    kind.key: kind
    for kind in (
        SST,
        VariableKind(
            "sst_anomaly", "Sea-surface temperature anomaly", CELSIUS,
            ("sea_surface_temperature_anomaly", "surface_temperature_anomaly"),
            ("anom", "ssta", "sst_anomaly", "sst_anom"), TEMPERATURE_DIFFERENCE, (-25.0, 25.0),
            palette="balance", zero_is_common=True,
        ),
        VariableKind(
            "chlorophyll", "Chlorophyll-a concentration", "mg m-3",
            (
                "mass_concentration_of_chlorophyll_a_in_sea_water", "mass_concentration_of_chlorophyll_in_sea_water",
                "concentration_of_chlorophyll_in_sea_water",
            ),
            ("chlor_a", "chl", "chlorophyll", "chla", "chlorophyll_a"), MASS_CONCENTRATION, (1e-4, 1000.0),
            transform="log10", palette="algae",
        ),
        VariableKind(
            "sea_level_anomaly", "Sea-level anomaly", "m",
            ("sea_surface_height_above_sea_level", "sea_surface_height_above_mean_sea_level"),
            ("sla", "ssha", "sea_level_anomaly"), METRES, (-5.0, 5.0), palette="balance", zero_is_common=True,
        ),
        VariableKind(
            "salinity", "Sea-surface salinity", "1e-3",
            ("sea_surface_salinity", "sea_water_salinity", "sea_water_practical_salinity"),
            ("sss", "sos", "salinity", "smap_sss"), SALINITY, (0.0, 60.0), palette="haline",
        ),
        VariableKind(
            "land_temperature", "Land-surface temperature", CELSIUS,
            ("land_surface_temperature", "surface_temperature_where_land"),
            ("lst", "land_surface_temperature", "lst_day_cmg", "lst_night_cmg"), TEMPERATURE, (-95.0, 85.0),
            masked="sea", freezing=0.0,
        ),
        VariableKind(
            "ice_concentration", "Sea-ice concentration", "1", ("sea_ice_area_fraction",),
            ("siconc", "sic", "ice_conc", "sea_ice_fraction", "icec"), FRACTION, (0.0, 1.02),
            palette="ice", zero_is_common=True,
        ),
    )
}  # fmt: skip


def kind_named(key: str) -> VariableKind:
    """The kind of this key; :class:`ChoiceError` where there is none."""
    if key not in KINDS:
        raise ChoiceError(f"{key!r} is no kind of variable", "kind", f"choose one of: {', '.join(KINDS)}")
    return KINDS[key]


def kind_of(name: str, attrs: Mapping[str, Any]) -> VariableKind:
    """The kind of a variable by its standard name, its name, and words of anomalies; SST where nothing tells."""
    standard_name = str(attrs.get("standard_name", ""))
    by_standard_name = [kind for kind in KINDS.values() if standard_name in kind.standard_names]
    by_name = [kind for kind in KINDS.values() if name.lower() in kind.names]
    kind = (*by_standard_name, *by_name, SST)[0]
    text = " ".join(str(attrs.get(attribute, "")) for attribute in ("standard_name", "long_name", "statistic"))
    is_anomaly = "anomal" in text.lower()
    return KINDS["sst_anomaly"] if is_anomaly and kind.units is TEMPERATURE else kind
