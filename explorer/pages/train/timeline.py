"""HTML of the time line of a training: the observed share of every month, and the months of every split below."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape

from engine.config.months import Month
from engine.queries.train.observed import MonthShare
from explorer.theme import NEUTRAL, SERIES

#: A split: its name, its first and its last month, as ``2001-07``.
Span = tuple[str, str, str]

COLOURS = {"train": SERIES[0], "validation": SERIES[4], "test": SERIES[2], "climatology": NEUTRAL}
NAMES = {"train": "Train", "validation": "Validation", "test": "Test", "climatology": "Climatology"}

CSS = """
.line { display: grid; gap: 0 1px } .line > * { min-width: 0 }
.bars { height: 72px; align-items: end; border-bottom: 1px solid var(--h-outline); background: linear-gradient(
  var(--h-divider) 1px, transparent 1px 36px, var(--h-divider) 36px 37px, transparent 37px) }
.bars > i { border-radius: 2px 2px 0 0; min-height: 1px }
.spans { height: 22px; margin-top: 4px } .spans.low { height: 8px }
.spans > b { border-radius: 4px; padding: 0 5px; color: #fff; font: 560 11px/22px Inter, system-ui, sans-serif;
  overflow: hidden; white-space: nowrap; text-overflow: ellipsis; text-shadow: 0 0 2px rgba(0, 0, 0, .5) }
.spans.low > b { padding: 0 }
.spans > u { background: repeating-linear-gradient(45deg, var(--h-outline) 0 1px, transparent 1px 5px);
  border-radius: 4px; opacity: .7 }
.years { margin-top: 2px; font-size: 11px; color: var(--h-secondary); font-feature-settings: 'tnum' }
.years > span { white-space: nowrap; overflow: visible }
.key { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 12px; color: var(--h-secondary); margin: 0 0 6px }
.key i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px }
.key i.gap { background: repeating-linear-gradient(45deg, var(--h-outline) 0 1px, transparent 1px 4px) }
"""


def timeline(observed: Sequence[MonthShare], spans: Sequence[Span], place: str = "sea") -> str:
    """HTML of the months of a source as bars, coloured by their split, with the splits named below.

    ``place`` is where the variable has values. ``spans`` holds train, validation, test and climatology, by their
    names in the settings. Empty without months.
    """
    numbers = [Month.parse(month).number for _, *ends in spans for month in ends]
    if not observed or not numbers:
        return ""
    first = min(Month.parse(observed[0].month).number, *numbers)
    last = max(Month.parse(observed[-1].month).number, *numbers)
    columns = f"grid-template-columns:repeat({last - first + 1},minmax(0,1fr))"
    shares = {Month.parse(share.month).number: share for share in observed}
    own = [span for span in spans if span[0] != "climatology"]
    bars = "".join(_bar(number, shares.get(number), _split_of(number, own), place) for number in range(first, last + 1))
    lanes = _lane(own, first) + _gaps(own, first)
    climatology = "".join(_block(span, first, "") for span in spans if span[0] == "climatology")
    label = escape(_sentence(observed, spans), quote=True)
    return (
        f'<div role=img aria-label="{label}"><div class=key>{_key(spans, place)}</div>'
        f'<div class="line bars" style="{columns}">{bars}</div>'
        f'<div class="line spans" style="{columns}">{lanes}</div>'
        f'<div class="line spans low" style="{columns}">{climatology}</div>'
        f'<div class="line years" style="{columns}">{_years(first, last)}</div></div>'
    )


def _split_of(number: int, spans: Sequence[Span]) -> str:
    for name, first, last in spans:
        if Month.parse(first).number <= number <= Month.parse(last).number:
            return name
    return ""


def _bar(number: int, share: MonthShare | None, split: str, place: str) -> str:
    percent = 0.0 if share is None else 100.0 * share.fraction
    known = "about " if share is not None and share.is_estimated else ""
    use = NAMES.get(split, "not used").lower()
    colour = COLOURS.get(split, "var(--h-outline)")
    return (
        f'<i title="{_month(number)}: {known}{percent:.0f} % of the {place} observed, {use}"'
        f' style="height:{max(percent, 0.0):.1f}%;background:{colour}"></i>'
    )


def _lane(spans: Sequence[Span], first: int) -> str:
    return "".join(_block(span, first, NAMES[span[0]]) for span in spans)


def _block(span: Span, first: int, label: str) -> str:
    name, start, end = span
    columns = f"{Month.parse(start).number - first + 1}/{Month.parse(end).number - first + 2}"
    title = f"{NAMES[name]}: {start} to {end}"
    return f'<b title="{title}" style="grid-row:1;grid-column:{columns};background:{COLOURS[name]}">{label}</b>'


def _gaps(spans: Sequence[Span], first: int) -> str:
    """The months between two splits, which are left out."""
    ends = sorted((Month.parse(start).number, Month.parse(end).number) for _, start, end in spans)
    marks = ""
    for (_, end), (start, _) in itertools.pairwise(ends):
        if start > end + 1:
            marks += f"<u style=grid-row:1;grid-column:{end - first + 2}/{start - first + 1} title='Left out'></u>"
    return marks


def _years(first: int, last: int) -> str:
    """A label at every January, or every few where they are many; at the first month where there is none."""
    every = max(1, (last - first + 1) // 12 // 10)
    starts = [number for number in range(first, last + 1) if number % 12 == 0 and number // 12 % every == 0]
    if not starts or starts[0] - first > 6:
        starts = [first, *starts]
    texts = [(number - first + 1, number // 12 if number % 12 == 0 else _month(number)) for number in starts]
    return "".join(f"<span style=grid-row:1;grid-column:{column}>{text}</span>" for column, text in texts)


def _month(number: int) -> Month:
    return Month(number // 12, number % 12 + 1)


def _key(spans: Sequence[Span], place: str) -> str:
    names = [name for name, *_ in spans]
    entries = "".join(f'<span><i style="background:{COLOURS[name]}"></i>{NAMES[name]}</span>' for name in names)
    share = f"<span>Share of the {place} observed, 0 to 100 %, by month</span>"
    return f"{share}{entries}<span><i class=gap></i>Left out</span>"


def _sentence(observed: Sequence[MonthShare], spans: Sequence[Span]) -> str:
    parts = ", ".join(f"{NAMES[name].lower()} {first} to {last}" for name, first, last in spans)
    return f"Months from {observed[0].month} to {observed[-1].month}: {parts}."
