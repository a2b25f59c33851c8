"""The texts of the Data page, from plain values."""

from __future__ import annotations

import calendar
import math
from pathlib import PurePath

import numpy as np
import xarray as xr

from engine.queries import ocean
from engine.queries.ocean import (
    LAYERS,
    OF_VALUES,
    SST,
    FilePoints,
    PointSeries,
    ReadCost,
    SourceChoice,
    SourceSummary,
    VariableKind,
)
from engine.queries.text import duration, place
from explorer.theme import NEUTRAL, SERIES
from explorer.widgets.text import LabelledValue, number, sentence

_NO_BREAK = "\u00a0"
_CALENDARS = {
    "standard": "Gregorian",
    "gregorian": "Gregorian",
    "proleptic_gregorian": "Gregorian",
    "noleap": "without leap days",
    "365_day": "without leap days",
    "all_leap": "every year with a leap day",
    "366_day": "every year with a leap day",
    "360_day": "months of 30 days",
}
LAYER_TEXT = {
    "observed": "The observations of this day. Cells without a value were cloudy or between swaths.",
    "truth": "The field without gaps and observation errors. Only a synthetic ocean has it.",
    "gaps": "Where this day has observations, and where it has none.",
    "mean": "The mean of the observed days, the usual monthly mean. Clouds bias it.",
    "coverage": "The percentage of days on which each cell was observed.",
    "count": "The number of observations in each cell.",
    "difference": "This day minus another day, where both have observations.",
    "withheld": "Left of the divider: the observations. Right: the observations left after some are withheld. "
    "The withheld values measure the error of a reconstruction.",
}
GAPS_KEY = (("observed", "#109885"), ("not observed", "#8A93A3"), ("ice", "#DCE9F5"))
SERIES_KEY = (("truth", NEUTRAL), ("observed", SERIES[0]), ("day shown", SERIES[3]))
SERIES_CANCELLED = "Reading the series was cancelled."
ASK_SECONDS = 30.0
"""Longer reads start only after a confirmation."""
PATTERNS = {"Clouds": "clouds", "Swaths": "swath", "Random": "random"}
SPANS = {"Month": "month", "Year": "year", "All": "all"}


def date(iso: str, unit: str = "day") -> str:
    """``6 July 2004``, or ``July 2004`` for monthly data."""
    year, month, day = iso.split("-")
    month_year = f"{calendar.month_name[int(month)]} {year}"
    return month_year if unit == "month" else f"{int(day)} {month_year}"


def source_rows(source: SourceSummary) -> list[tuple[str, str]]:
    """The table of a source's properties."""
    return [
        ("Source", source.name),
        ("Grid", source.grid),
        ("Span", f"{date(source.days[0], source.unit)} to {date(source.days[-1], source.unit)}"),
        (f"{source.unit.capitalize()}s", number(len(source.days))),
        ("Calendar", _CALENDARS.get(source.calendar, source.calendar.replace("_", " "))),
        ("One day", f"{number(source.day_bytes / 2**20)} MB"),
        ("All days", f"{number(source.day_bytes * len(source.days) / 2**20)} MB, read a month at a time"),
        ("Variable", f"{source.variable.title}{_unit(source.variable)}"),
        (source.variable.left_out.capitalize(), f"{source.land_percent:.0f} % of the grid"),
    ]


def _unit(variable: VariableKind) -> str:
    """The unit after a comma, which no line break divides."""
    return f", {variable.symbol.replace(' ', _NO_BREAK)}" if variable.symbol else ""


POINTS = {
    "variable": "Variable",
    "kind": "Kind",
    "unit": "Unit in the file",
    "calendar": "Calendar",
    "fill": "A further fill value",
    "step": "One step is",
    "mask": "Land mask",
    "zeros": "Exact zeros",
    "regrid": "Grid",
}
"""The points of a file that may be decided, with the labels of their controls."""

_MOST_POINT = 60


def decision(choice: SourceChoice, name: str) -> str:
    """The decision on a point as the value of its control, "" where the file decides."""
    if name == "variable":
        return choice.variable
    value = getattr(choice.overrules, name)
    return "" if value is None else ocean.point_text(value)


def point_choices(name: str, points: FilePoints, opened: SourceSummary | None, choice: SourceChoice) -> dict[str, str]:
    """The choices of a point, ``{label: value}``: what the file says, and what may be chosen in its place."""
    known = opened.understood if opened else None
    first = "By the file" if decision(choice, name) else stated(name, opened) or "By the file"
    kind = choice.overrules.kind or (known.kind if known else "sst")
    choices: dict[str, dict[str, str]] = {
        "variable": {name: name for name in points.variables},
        "kind": {title: key for key, title in points.kinds},
        "unit": {unit: unit for unit in points.units_of(kind)},
        "calendar": {_CALENDARS.get(key, key): key for key in ocean.CALENDARS},
        "step": {{"hours": "a part of a day", "days": "a day", "months": "a month"}[key]: key for key in ocean.STEPS},
        "mask": {key.capitalize() if key in ocean.MASKS else key: key for key in points.masks},
        "zeros": {{"values": "Values", "missing": "Missing"}[key]: key for key in ocean.ZEROS},
        "regrid": {ocean.decision_text(name, regrid): ocean.point_text(regrid) for regrid in points.regrids},
    }
    return {shortened(first): "", **choices[name]}


def stated(name: str, opened: SourceSummary | None) -> str:
    """What the file says of a point, ``By the file: K``; empty where it is not open, or says nothing."""
    known = opened.understood if opened else None
    if opened is None or known is None:
        return ""
    value = {**vars(known), "kind": opened.variable.title, "regrid": known.grid}[name]
    return f"By the file: {value}" if value else ""


def quality_of_file(opened: SourceSummary | None, graded: SourceChoice | None) -> str:
    """The quality of the observations of a file that does not grade them."""
    known = opened.understood if opened else None
    return f"Quality of the observations: {known.quality}." if known is not None and graded is None else ""


def shortened(label: str) -> str:
    """A label that fits its control."""
    return label if len(label) <= _MOST_POINT else f"{label[: _MOST_POINT - 1]}…"


def qualities(graded: SourceChoice | None) -> dict[str, str]:
    """The choices of quality; a level only if an address or a run selects one."""
    quality = graded.quality if graded else "good"
    level = {f"Level {quality}": "level"} if isinstance(quality, int) else {}
    return {"Good only": "good", "All": "all", **level}


def grading(source: SourceSummary | None, refused: SourceChoice | None) -> str:
    """The observations that the choice of quality keeps."""
    if refused is not None:
        return f"{PurePath(refused.path).name} has no observations of this quality. Choose another."
    return sentence(source.grading) if source else ""


def cost(estimate: ReadCost) -> str:
    """The cost of reading the period."""
    size, held = (number(value / 2**20) for value in (estimate.read_bytes, estimate.memory_bytes))
    seconds = f"about {duration(estimate.seconds)}" if estimate.seconds >= 1 else "less than a second"
    return f"{number(estimate.num_days)} days: {size} MB to read, {seconds}, at most {held} MB in memory at once."


def ask(estimate: ReadCost) -> str:
    """The question before a long read."""
    return f"Reads {number(estimate.num_days)} days, about {duration(estimate.seconds)}."


def series_sentence(series: PointSeries, unit: str, variable: VariableKind) -> str:
    """How often a place was observed."""
    count = sum(not math.isnan(value) for value in series.observed)
    where = place(series.lat, series.lon)
    if not count:
        why = {"land": "land, ice or clouds", "sea": "sea or clouds"}.get(variable.masked, "there is no value")
        return f"No observations at {where} on these {len(series.days)} {unit}s: {why}."
    return (
        f"{number(count)} of {number(len(series.days))} {unit}s observed at {where}. Click another place on the globe."
    )


def scale_label(layer: str, variable: VariableKind) -> str:
    """What a colour bar is of: the layer, and the variable where it is no temperature of the sea."""
    return LAYERS[layer] if variable.key == SST.key or layer not in OF_VALUES else f"{variable.short}: {LAYERS[layer]}"


def histogram_sentence(layer: str, units: str) -> str:
    """The caption of the histogram."""
    return f"{LAYERS[layer]}: fraction of the map's area{f', {units}' if units else ''}."


def map_readout(
    field: xr.DataArray, second: xr.DataArray | None, percent: float, variable: VariableKind
) -> list[LabelledValue]:
    """The read-out of a map: the fraction of sea or land with a value, and the range or the withheld fraction."""
    values = field.values[np.isfinite(field.values)]
    seen: LabelledValue = (f"{variable.place.capitalize()} seen", number(percent), "%")
    readout: list[LabelledValue] = [] if field.name in ("coverage", "count") else [seen]  # every cell has a count
    if second is not None:
        left = int(np.isfinite(second.values).sum())
        readout.append(("Withheld", number(100 * (1 - left / max(1, values.size))), "%"))
    elif values.size:
        ends = f"{number(float(values.min()))} … {number(float(values.max()))}"
        readout.append(("Range", ends, field.attrs["units"]))
    return readout


def kept(name: str) -> str:
    """After a source that failed to open."""
    return f"This source cannot be opened. {name} stays in use."


def file_stem(choice: SourceChoice, layer: str, iso: str, variable: VariableKind) -> str:
    """The file name of a map or series, without its ending."""
    stem = f"demo-{choice.step_deg:g}deg-seed{choice.seed}" if choice.kind == "demo" else variable.name
    return f"{stem}-{layer}-{iso}"
