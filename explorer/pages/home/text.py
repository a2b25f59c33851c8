"""The texts of the page Home, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from urllib.parse import urlencode

from engine.runs import ACTIVE, RunRecord
from explorer.badges import Badge
from explorer.runs_panel import row
from explorer.task_names import task_name

MOST_RUNS = 3


@dataclass(frozen=True)
class Door:
    """A way into the app: a heading, what is behind it, its address, and the drawing on it."""

    heading: str
    detail: str
    address: str
    drawing: str


DOORS = (
    Door(
        "See a result",
        "A month with gaps, what a model makes of it, how sure it is, and who wins.",
        "?page=reconstruct",
        '<path d="M3 8c3-3 6-3 9 0s6 3 9 0M3 13.500c3-3 6-3 9 0s6 3 9 0M3 19c3-3 6-3 9 0s6 3 9 0"/>',
    ),
    Door(
        "Use my data",
        "Open daily fields from NetCDF or Zarr, see what is missing, train on them.",
        "?page=data",
        '<path d="M4 15v4a1.500 1.500 0 0 0 1.500 1.500h13A1.500 1.500 0 0 0 20 19v-4"/>'
        '<path d="M12 15.500V4M7.500 8L12 3.500 16.500 8"/>',
    ),
    Door(
        "Explore representations",
        "Harmonics and embeddings of places on the globe, while you drag a slider.",
        "?page=basis",
        '<circle cx="12" cy="12" r="9"/><path d="M3 12h18M12 3c3.500 3 3.500 15 0 18M12 3c-3.500 3-3.500 15 0 18"/>',
    ),
)


def hero() -> str:
    """The name, and what this is."""
    return (
        "<h1>Harmonia</h1>"
        "<p class=lead>See the ocean that clouds hide.</p>"
        "<p class=what>Satellites measure the sea only where the sky is clear. Harmonia trains models that fill the "
        "gaps, tests them against established methods, says how sure they are, and shows on a globe how a model is "
        "told its place on Earth.</p>"
        "<p class=tour><a href='#story'>Take the tour: eight steps, five minutes</a></p>"
    )


def doors() -> str:
    """The three ways in."""
    return "<nav aria-label='Ways in'>" + "".join(_door(door) for door in DOORS) + "</nav>"


def _door(door: Door) -> str:
    drawing = f"<svg viewBox='0 0 24 24' aria-hidden=true>{door.drawing}</svg>"
    return f"<a href='{door.address}'>{drawing}<b>{door.heading}</b><span>{door.detail}</span></a>"


def captions(day: date) -> tuple[str, str]:
    """Over the globe, left and right of its divider."""
    return f"Observed on {day:%-d %B %Y}", f"Mean of {day:%B}, filled in by the model"


def about_globe(day: date) -> str:
    """Under the globe, with the address of the view of Reconstruct that shows the same."""
    view = {"page": "reconstruct", "month": f"{day:%Y-%m}", "left": "day", "day": day.day}
    return (
        "<p>The synthetic ocean that comes along, and the small model that has learned from it. Drag the line, turn "
        f"the globe, or <a href='?{escape(urlencode(view))}'>open this view</a>.</p>"
    )


def here(device: str, source: str, records: Sequence[RunRecord], known: Mapping[str, Badge], problem: str) -> str:
    """What is here: device, source and runs, the newest first."""
    properties = f"<dl><dt>Device</dt><dd>{escape(device)}</dd><dt>Source in use</dt><dd>{escape(source)}</dd></dl>"
    if problem:
        return f"<h2>Here now</h2>{properties}<p>{escape(problem)}</p>"
    if not records:
        start = "?" + urlencode({"page": "train", "face": "new"})
        return (
            f"<h2>Here now</h2>{properties}<p>No run yet. <a href='{start}'>Train one</a>: the demo takes minutes.</p>"
        )
    working = sum(record.state in ACTIVE for record in records)
    count = f"{len(records)} run{'s' * (len(records) != 1)}" + (f", {working} at work" if working else "")
    rows = "".join(_run(record, known.get(record.id, ("", "", ""))) for record in records[:MOST_RUNS])
    return f"<h2>Here now</h2>{properties}<p>{count}</p><ul>{rows}</ul>"


def _run(record: RunRecord, badge: Badge) -> str:
    shown = row(record)
    page = {"page": "train", "run": record.id}
    state = badge[0] if badge[0] and record.state == "done" else shown["label"]
    level = badge[1] if badge[0] and record.state == "done" else record.state
    share = "" if shown["share"] is None or record.state != "running" else f" {100 * shown['share']:.0f} %"
    return (
        f"<li><a href='?{escape(urlencode(page))}' title='{escape(task_name(record.task), quote=True)}'>"
        f"<b>{escape(shown['title'])}</b> <span class='{escape(level)}'>{escape(state)}{share}</span></a></li>"
    )


def new(headlines: Sequence[str]) -> str:
    """What is new; nothing where that is not known."""
    if not headlines:
        return ""
    return "<h2>What is new</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in headlines) + "</ul>"
