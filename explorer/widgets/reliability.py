"""What place is worth to a model, and whether its uncertainty is right, on screen and in reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from engine.evaluation.place import NOTE, PlaceWorth
from engine.evaluation.reliability import Coverage, Reliability, group_title
from engine.queries.ocean import VariableKind
from explorer.widgets.text import paragraph

_COLOURS = {"right": "var(--h-text)", "narrow": "var(--h-error)", "wide": "var(--h-warning)"}
_WIDTH, _HEIGHT = 220, 96
_LABEL = "font:450 11px Inter,system-ui,sans-serif;fill:var(--h-secondary)"


def quality_html(place: PlaceWorth | None, known: Reliability | None, variable: VariableKind) -> str:
    """HTML of both, of what is known."""
    worth = "" if place is None else place_html(place, variable)
    return worth + ("" if known is None else reliability_html(known, variable))


def place_html(worth: PlaceWorth, variable: VariableKind) -> str:
    """HTML of what the true places are worth, in words and as a table."""
    rows = "".join(
        f"<tr><th scope=row>{escape(other.title[:1].upper() + other.title[1:])}<br>"
        f"<small>{escape(variable.error_text(other.error))}</small></th>"
        f"<td style=white-space:nowrap>{escape(value)}<br><small>{escape(bounds.removesuffix(')'))}</small></td></tr>"
        for other in worth.others
        for value, _, bounds in [other.worth_text.partition(" (")]
    )
    heads = (
        "<tr><th>In place of the true places<br><small>Error</small></th>"
        "<th scope=col>They are worth<br><small>95 % interval</small></th></tr>"
    )
    return (
        f"<h2>What place is worth</h2>{paragraph(worth.text)}<table>{heads}{rows}</table>"
        f"<p><small>{escape(NOTE)}</small></p>"
    )


def reliability_html(known: Reliability, variable: VariableKind) -> str:
    """HTML of a predicted uncertainty: words, two small figures, coverage by kind of cell."""
    figures = (
        f'<div style="display:flex;flex-wrap:wrap;gap:4px 20px">{_histogram(known.pit) if known.pit else ""}'
        f"{_spread_skill(known.spread_skill, variable.error_symbol)}</div>"
    )
    scaled = ""
    if known.factors:
        listed = ", ".join(f"{escape(_class(label))} × {factor:.2f}" for label, factor in known.factors.items())
        scaled = f"<p><small>Scaled on the validation months: {listed}.</small></p>"
    head = "<tr><th></th><th scope=col>50 %</th><th scope=col>90 %</th><th scope=col>CRPS</th></tr>"
    parts = "".join(_rows(known.parts))
    where = variable.everywhere
    table = f"<table>{head}{_row(where, known.sea)}{parts}</table>"
    return f"<h2>Uncertainty</h2>{paragraph(known.text)}{figures}{table}{scaled}"


def _rows(parts: Sequence[Coverage]) -> Iterable[str]:
    group = ""
    for part in parts:
        if part.group != group:
            group = part.group
            yield f'<tr><th colspan=4 style="padding-top:8px">{escape(group_title(group))}</th></tr>'
        yield _row("Ice" if part.label == "ice" else part.label, part)


def _row(label: str, part: Coverage) -> str:
    values = f"{100 * part.half:.0f} %", f"{100 * part.ninety:.0f} %", f"{part.crps:.3f}"
    cells = "".join(f"<td style=white-space:nowrap>{value}</td>" for value in values)
    return f'<tr style="color:{_COLOURS[part.width]}"><th scope=row>{escape(label)}</th>{cells}</tr>'


def _class(label: str) -> str:
    return "ice" if label == "ice" else f"{label} days"


def _histogram(pit: Sequence[float]) -> str:
    """Bars of the probability integral transform; the dashed line is a right uncertainty."""
    most = max(1.6 / len(pit), *pit)
    wide = _WIDTH / len(pit)
    bars = "".join(
        f'<rect x="{n * wide + 0.5:.1f}" y="{_HEIGHT * (1 - share / most):.1f}" width="{wide - 1:.1f}" '
        f'height="{_HEIGHT * share / most:.1f}" fill="var(--h-accent)" opacity=".75"/>'
        for n, share in enumerate(pit)
    )
    level = _HEIGHT * (1 - 1 / len(pit) / most)
    line = (
        f'<line x1="0" x2="{_WIDTH}" y1="{level:.1f}" y2="{level:.1f}" stroke="var(--h-text)" stroke-dasharray="4 3"/>'
    )
    ends = (
        f'<text x="0" y="{_HEIGHT + 13}" style="{_LABEL}">truth far below</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT + 13}" text-anchor="end" style="{_LABEL}">far above</text>'
    )
    axis = f'<line x1="0" x2="{_WIDTH}" y1="{_HEIGHT}" y2="{_HEIGHT}" stroke="var(--h-divider)"/>'
    label = "Where truths lie in the predicted distribution; flat if the uncertainty is right"
    return _figure(f"{bars}{line}{axis}{ends}", "Truths in the predicted distribution", label)


def _spread_skill(points: Sequence[tuple[float, float]], unit: str) -> str:
    """Root mean square of the deviation (x) and of the error (y); the dashed diagonal is a right uncertainty."""
    most = 1.05 * max(max(point) for point in points)
    dots = "".join(
        f'<circle cx="{_WIDTH * spread / most:.1f}" cy="{_HEIGHT * (1 - error / most):.1f}" r="3.2" '
        'fill="var(--h-accent)"/>'
        for spread, error in points
    )
    line = f'<line x1="0" y1="{_HEIGHT}" x2="{_WIDTH}" y2="0" stroke="var(--h-text)" stroke-dasharray="4 3"/>'
    axes = f'<path d="M0 0V{_HEIGHT}H{_WIDTH}" fill="none" stroke="var(--h-divider)"/>'
    ends = (
        f'<text x="0" y="{_HEIGHT + 13}" style="{_LABEL}">predicted 0</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT + 13}" text-anchor="end" style="{_LABEL}">{most:.2g} {escape(unit)}</text>'
    )
    label = "Error (upwards) by predicted standard deviation; on the diagonal if the uncertainty is right"
    return _figure(f"{axes}{line}{dots}{ends}", "Error against predicted deviation", label)


def _figure(content: str, caption: str, label: str) -> str:
    return (
        f'<figure style="margin:8px 0 0;flex:none"><figcaption style="font-size:12px">'
        f'{escape(caption)}</figcaption><svg role="img" aria-label="{escape(label, quote=True)}" '
        f'viewBox="-2 -4 {_WIDTH + 4} {_HEIGHT + 22}" style="width:{_WIDTH + 4}px;display:block">'
        f"<title>{escape(label)}</title>{content}</svg></figure>"
    )
