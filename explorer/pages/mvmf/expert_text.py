"""What the MvMF page says of an expert, in words and small drawings, from plain values."""

from __future__ import annotations

import base64
import datetime
import math
from collections.abc import Callable, Sequence
from html import escape

from engine.queries.mvmf.expert import ClimateBar, Scores, TilePrediction
from engine.queries.mvmf.sandbox import MixtureSummary
from engine.queries.text import MONTH_NAMES, place
from explorer.pages.mvmf import text
from explorer.pages.mvmf.belief_map import GUESS_COLOUR, TRUTH_COLOUR
from explorer.widgets.text import number

Fact = tuple[str, str, str]
Sentence = tuple[str, bool]

SCORES = "On places it never saw, beside the best that can be said without looking at the picture."
SCORE_HEADS = ("Expert", "Not looking")
INVITATION = "No expert is trained yet. Training one on synthetic land takes about a minute of two cores."
NO_EXPERT = "Train an expert and it will tell you where it believes a picture was taken."
NO_RUN = "The run of this address is not here, or not finished. Choose another one."


def case_facts(case: TilePrediction, summary: MixtureSummary | None) -> list[Fact]:
    """The read-out of a picture."""
    error = [("Off by", number(round(case.error_km)), "km")] if case.is_scored else []
    return [*error, *(() if summary is None else text.belief_facts(summary))]


def error_facts(mapped: int, tested: int) -> list[Fact]:
    """The read-out of the map of errors."""
    return [("On this map", number(mapped), f"of the test's {number(tested)} pictures")]


def kept_sentence(kept: int, tested: int) -> str:
    """Of how many pictures of the test the map and the stepping tell."""
    if kept >= tested:
        return f"These are all {number(tested)} pictures of the test, those of the scores."
    return f"A run keeps {number(kept)} of its test's {number(tested)} pictures. The scores are those of all."


def case_sentences(case: TilePrediction, summary: MixtureSummary | None) -> list[Sentence]:
    """A picture: where it was taken, and what is believed."""
    if not case.is_scored:
        return [("Almost all sea: no expert is asked where such a picture was taken.", True)]
    many = f"{len(case.pictures)} pictures of the scene" if len(case.pictures) > 1 else "the picture"
    guessed = f"From {many} the expert guesses {place(*case.guess)}: off by {number(round(case.error_km))} km."
    half = () if summary is None else summary.regions[:1]
    return [
        (f"Taken at {place(*case.truth)}. {guessed}", False),
        *(text.region_sentence(region) for region in half),
        (date_sentence(case.day, case.true_day), False),
    ]


def pictures_html(pictures: Sequence[bytes]) -> str:
    """The pictures, side by side as they lie on the ground."""
    side = math.isqrt(len(pictures))
    images = "".join(
        f'<img alt="Picture {at} of {len(pictures)}" src="data:image/png;base64,{base64.b64encode(one).decode()}">'
        for at, one in enumerate(pictures, 1)
    )
    return f'<div class=pictures style="grid-template-columns: repeat({side}, 1fr)">{images}</div>'


def climate_html(bars: Sequence[ClimateBar]) -> str:
    """Believed and true shares of the climate classes in their official colours."""
    rows = "".join(
        f"<div class=bar><span>{_climate(bar)}</span><em>{100 * bar.predicted:.0f} % | {100 * bar.true:.0f} %</em>"
        f'<div class=track><i style="background:{bar.colour};width:{100 * bar.predicted:.1f}%"></i>'
        f'<b style="left:{100 * bar.true:.1f}%"></b></div></div>'
        for bar in bars
    )
    return f"<h2>Climate, believed | true</h2><div class=bars>{rows}</div>"


def _climate(bar: ClimateBar) -> str:
    """Name and code, as HTML; the sea's name is its code."""
    code = "" if bar.code == bar.name else f" <small>{escape(bar.code)}</small>"
    return f"{escape(bar.name)}{code}"


def dial_html(day: float, true_day: float) -> str:
    """The date as a dial: the year once round, January at the top."""

    def end(of: float, length: float) -> tuple[float, float]:
        angle = 2 * math.pi * (of - 1) / 365
        return 50 + length * math.sin(angle), 50 - length * math.cos(angle)

    def hand(of: float, colour: str) -> str:
        x, y = end(of, 32)
        return f'<line x1="50" y1="50" x2="{x:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="3"/>'

    middles = (end(1 + 365 * (month + 0.5) / 12, 41) for month in range(12))
    months = "".join(
        f'<text x="{x:.1f}" y="{y:.1f}">{name}</text>' for name, (x, y) in zip("JFMAMJJASOND", middles, strict=True)
    )
    return (
        f'<svg class=dial viewBox="0 0 100 100" role="img" aria-label="{date_sentence(day, true_day)}">'
        f'<circle cx="50" cy="50" r="48"/>{months}{hand(true_day, TRUTH_COLOUR)}{hand(day, GUESS_COLOUR)}</svg>'
    )


def date_sentence(day: float, true_day: float) -> str:
    """The believed date beside the true one."""
    apart = abs(day - true_day) % 365
    days = round(min(apart, 365 - apart))
    return (
        f"It dates the picture {_date(day)}; it was {_date(true_day)}, {days} {'day' if days == 1 else 'days'} apart."
    )


def _date(day: float) -> str:
    date = datetime.date(2001, 1, 1) + datetime.timedelta(days=min(max(round(day), 1), 365) - 1)
    return f"{date.day} {MONTH_NAMES[date.month - 1]}"


def score_rows(scores: Scores) -> list[tuple[str, ...]]:
    """The expert beside the best that can be said without looking."""

    def row(label: str, show: Callable[[float], str], name: str, key: str = "") -> tuple[str, ...]:
        values = ((found[name][key] if key else found[name]) for found in (scores.expert, scores.prior))
        return label, *(show(value) for value in values)

    return [
        row("Median error, km", number, "error_km", "median"),
        row("Within 750 km", text.percent, "within_km", "750"),
        row("Within 2500 km", text.percent, "within_km", "2500"),
        row("Loss at the truth, nats", number, "nll"),
        row("50 % region, million km²", lambda km2: number(km2 / 1e6), "area_km2", "0.5"),
        row("Truth in the 50 % region", text.percent, "coverage", "0.5"),
        row("Truth in the 90 % region", text.percent, "coverage", "0.9"),
        row("Climate right", text.percent, "climate_accuracy"),
        row("Climate group right", text.percent, "climate_accuracy_coarse"),
        row("Date off by, days", number, "date_error_days"),
    ]
