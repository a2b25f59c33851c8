"""The texts and small drawings of the Geolocation page's expert, from plain values."""

from __future__ import annotations

import base64
import datetime
import math
from collections.abc import Callable, Sequence
from html import escape

from engine.queries.mvmf.expert import ClimateBar, Scores, TilePrediction
from engine.queries.mvmf.sandbox import MixtureSummary
from engine.queries.text import place
from explorer.pages.mvmf import text
from explorer.pages.mvmf.probability_map import GUESS_COLOUR, TRUTH_COLOUR
from explorer.widgets.text import LabelledValue, Sentence, number

SCORES = "Test scores of the expert, and of the constant prediction with the lowest loss."
SCORE_HEADS = ("Expert", "Constant")
INVITATION = "Train an expert on synthetic land: about a minute on two cores, in the background."
NO_RUN = "The run of this address does not exist or is not finished. Choose another."


def typical_sentence(scores: Scores) -> str:
    """How far a typical guess is off, beside one that knows nothing of the picture."""
    own, nothing = scores.expert, scores.prior
    return (
        f"Half of its guesses about {number(own['num_placed'])} test pictures, of places that it was not trained on, "
        f"are off by less than {number(round(own['error_km']['median']))} km; knowing nothing, "
        f"{number(round(nothing['error_km']['median']))} km. Within 2500 km: {text.percent(own['within_km']['2500'])}, "
        f"knowing nothing {text.percent(nothing['within_km']['2500'])}."
    )


def case_readout(case: TilePrediction, summary: MixtureSummary | None) -> list[LabelledValue]:
    """The read-out of a picture."""
    error = [("Error", number(round(case.error_km)), "km")] if case.is_scored else []
    return [*error, *(() if summary is None else text.region_readout(summary))]


def error_readout(mapped: int, tested: int) -> list[LabelledValue]:
    """The read-out of the map of errors."""
    return [("On this map", number(mapped), f"of {number(tested)} test pictures")]


def kept_sentence(kept: int, tested: int) -> str:
    """The number of test pictures that a run keeps."""
    if kept >= tested:
        return f"All {number(tested)} test pictures are kept."
    return f"The run keeps {number(kept)} of its {number(tested)} test pictures. The scores use all of them."


def case_sentences(case: TilePrediction, summary: MixtureSummary | None) -> list[Sentence]:
    """A picture: its true place and the predictions."""
    if not case.is_scored:
        return [("Almost all sea: such pictures are not scored.", True)]
    source = f"{len(case.pictures)} pictures of the scene" if len(case.pictures) > 1 else "the picture"
    predicted = f"Predicted from {source}: {place(*case.guess)}, error {number(round(case.error_km))} km."
    half = () if summary is None else summary.regions[:1]
    return [
        (f"True location: {place(*case.truth)}. {predicted}", False),
        *(text.region_sentence(region) for region in half),
        (date_sentence(case.day, case.true_day), False),
    ]


def pictures_html(pictures: Sequence[bytes]) -> str:
    """The pictures, arranged as on the ground."""
    side = math.isqrt(len(pictures))
    images = "".join(
        f'<img alt="Picture {at} of {len(pictures)}" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
        for at, picture in enumerate(pictures, 1)
    )
    return f'<div class=pictures style="grid-template-columns: repeat({side}, 1fr)">{images}</div>'


def climate_html(bars: Sequence[ClimateBar]) -> str:
    """Predicted and true fractions of the climate classes in their official colours."""
    rows = "".join(
        f"<div class=bar><span>{_climate(bar)}</span><em>{100 * bar.predicted:.0f} % | {100 * bar.true:.0f} %</em>"
        f'<div class=track><i style="background:{bar.colour};width:{100 * bar.predicted:.1f}%"></i>'
        f'<b style="left:{100 * bar.true:.1f}%"></b></div></div>'
        for bar in bars
    )
    return f"<h2>Climate, predicted | true</h2><div class=bars>{rows}</div>"


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
    """The predicted and the true date."""
    apart = abs(day - true_day) % 365
    days = round(min(apart, 365 - apart))
    return f"Predicted date {_date(day)}, true date {_date(true_day)}: {days} {'day' if days == 1 else 'days'} apart."


def _date(day: float) -> str:
    return (datetime.date(2001, 1, 1) + datetime.timedelta(days=min(max(round(day), 1), 365) - 1)).strftime("%-d %B")


def score_rows(scores: Scores) -> list[tuple[str, ...]]:
    """The scores of the expert and of the constant prediction."""

    def row(label: str, show: Callable[[float], str], name: str, key: str = "") -> tuple[str, ...]:
        values = ((scores_of[name][key] if key else scores_of[name]) for scores_of in (scores.expert, scores.prior))
        return label, *(show(value) for value in values)

    return [
        row("Median error, km", number, "error_km", "median"),
        row("Within 750 km", text.percent, "within_km", "750"),
        row("Within 2500 km", text.percent, "within_km", "2500"),
        row("Negative log-likelihood, nats", number, "nll"),
        row("50 % region, million km²", lambda km2: number(km2 / 1e6), "area_km2", "0.5"),
        row("Coverage of the 50 % region", text.percent, "coverage", "0.5"),
        row("Coverage of the 90 % region", text.percent, "coverage", "0.9"),
        row("Climate class accuracy", text.percent, "climate_accuracy"),
        row("Climate group accuracy", text.percent, "climate_accuracy_coarse"),
        row("Date error, days", number, "date_error_days"),
    ]
