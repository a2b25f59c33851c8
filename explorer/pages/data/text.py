"""What the Data page says in words, from plain values."""

from __future__ import annotations

import math
from pathlib import PurePath

import numpy as np
import xarray as xr

from engine.queries.ocean import LAYERS, PointSeries, ReadCost, SourceChoice, SourceSummary
from engine.queries.text import MONTH_NAMES, duration, place
from explorer.theme import NEUTRAL, SERIES
from explorer.widgets.text import number, sentence

Fact = tuple[str, str, str]

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
LAYER_NAMES = {
    "observed": "Observed",
    "truth": "Truth",
    "gaps": "Gaps",
    "mean": "Mean",
    "coverage": "Coverage",
    "count": "Count",
    "difference": "Difference",
    "withheld": "Withheld",
}
LAYER_WORDS = {
    "observed": "What was measured on this day. Bare places were hidden by clouds, or lie between swaths.",
    "truth": "What the measurements are of, without gaps or errors. Only a made-up ocean knows it.",
    "gaps": "Where this day was observed, and where nothing was seen.",
    "mean": "The mean of the days that were seen: what is usually called the monthly mean, clouds and all.",
    "coverage": "On how many of a hundred days each place was seen.",
    "count": "How often each place was seen.",
    "difference": "This day minus another one, where both were seen.",
    "withheld": "Left of the divider what was observed, right of it what is left when some is hidden on purpose: "
    "there the error of a reconstruction can be measured.",
}
GAPS_KEY = (("observed", "#109885"), ("not seen", "#8A93A3"), ("ice", "#DCE9F5"))
SERIES_KEY = (("truth", NEUTRAL), ("observed", SERIES[0]), ("day shown", SERIES[3]))
SERIES_CANCELLED = "The series was abandoned."
ASK_SECONDS = 30.0
"""What takes longer is not begun without being asked for."""
PATTERNS = {"Clouds": "clouds", "Swaths": "swath", "Random": "random"}
SPANS = {"Month": "month", "Year": "year", "All": "all"}


def date(iso: str, unit: str = "day") -> str:
    """A day as people write it; of a source of months only the month."""
    year, month, day = iso.split("-")
    name = MONTH_NAMES[int(month) - 1]
    return f"{name} {year}" if unit == "month" else f"{int(day)} {name} {year}"


def source_rows(found: SourceSummary) -> list[tuple[str, str]]:
    """What was understood of a source."""
    return [
        ("Source", found.name),
        ("Grid", found.grid),
        ("Span", f"{date(found.days[0], found.unit)} to {date(found.days[-1], found.unit)}"),
        (f"{found.unit.capitalize()}s", number(len(found.days))),
        ("Calendar", _CALENDARS.get(found.calendar, found.calendar.replace("_", " "))),
        ("One day", f"{number(found.day_bytes / 2**20)} MB"),
        ("All days", f"{number(found.day_bytes * len(found.days) / 2**20)} MB, read a month at a time"),
        ("Land", f"{found.land_percent:.0f} % of the grid"),
    ]


def qualities(graded: SourceChoice | None) -> dict[str, str]:
    """The choices of quality; a level only where one was asked for by an address or a run."""
    quality = graded.quality if graded else "good"
    level = {f"Level {quality}": "level"} if isinstance(quality, int) else {}
    return {"Good only": "good", "All": "all", **level}


def grading(found: SourceSummary | None, refused: SourceChoice | None) -> str:
    """What the choice of quality leaves."""
    if refused is not None:
        return f"No observation of {PurePath(refused.path).name} is of this quality: choose another."
    return sentence(found.grading) if found else ""


def cost(found: ReadCost) -> str:
    """What reading the span will take."""
    size, held = (number(value / 2**20) for value in (found.read_bytes, found.memory_bytes))
    seconds = f"about {duration(found.seconds)}" if found.seconds >= 1 else "less than a second"
    return f"{number(found.num_days)} days: {size} MB to read, {seconds}, at most {held} MB in memory at once."


def ask(found: ReadCost) -> str:
    """Before a read that takes long."""
    return f"This reads {number(found.num_days)} days and takes about {duration(found.seconds)}."


def span_label(days: tuple[str, ...], unit: str, span: str) -> str:
    """The days of a span in a few words; ``days`` are its own."""
    if span == "month":
        return date(days[0], "month")
    return days[0][:4] if span == "year" else f"{date(days[0], unit)} to {date(days[-1], unit)}"


def series_sentence(seen: PointSeries, unit: str) -> str:
    """How much of a place was seen."""
    count = sum(not math.isnan(value) for value in seen.observed)
    where = place(seen.lat, seen.lon)
    if not count:
        return f"Nothing was seen at {where} on these {len(seen.days)} {unit}s: land, ice, or nothing but clouds."
    return f"{number(count)} of {number(len(seen.days))} {unit}s seen at {where}. Click another place on the globe."


def histogram_sentence(layer: str) -> str:
    """What the histogram is of."""
    name, units = LAYERS[layer]
    return f"{name}: share of the shown area{f', {units}' if units else ''}."


def map_facts(field: xr.DataArray, second: xr.DataArray | None, percent: float) -> list[Fact]:
    """The read-out of a map: how much of the sea has a value, and between which ends, or how much is withheld."""
    values = field.values[np.isfinite(field.values)]
    # how often a place was seen is known of every place
    found: list[Fact] = [] if field.name in ("coverage", "count") else [("Sea seen", number(percent), "%")]
    if second is not None:
        left = int(np.isfinite(second.values).sum())
        found.append(("Withheld", number(100 * (1 - left / max(1, values.size))), "%"))
    elif values.size:
        ends = f"{number(float(values.min()))} … {number(float(values.max()))}"
        found.append(("Range", ends, field.attrs["units"]))
    return found


def kept(name: str) -> str:
    """That a failure changed nothing."""
    return f"This source cannot be opened. {name} stays in use."


def file_stem(choice: SourceChoice, layer: str, iso: str) -> str:
    """What files of a map or series are called."""
    what = f"demo-{choice.step_deg:g}deg-seed{choice.seed}" if choice.kind == "demo" else "sst"
    return f"{what}-{layer}-{iso}"


def key(entries: tuple[tuple[str, str], ...]) -> str:
    """HTML of what the colours of a map of kinds are, ``(name, colour)`` each."""
    marks = (
        f'<span style="margin-right:16px;white-space:nowrap"><span style="color:{colour}">■</span> {name}</span>'
        for name, colour in entries
    )
    return f"<p>{''.join(marks)}</p>"
