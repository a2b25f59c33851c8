"""What the MvMF page says in words, from plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from engine.queries.mvmf.centres import Component
from engine.queries.mvmf.sandbox import LossGradient, MixtureSummary, Region
from engine.queries.text import place
from explorer.widgets.text import number, sentence

Fact = tuple[str, str, str]
Sentence = tuple[str, bool]

FEW_CELLS = 50
_FELT = 1e-6
_PARTS = {0.5: "Half", 0.9: "Nine tenths"}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# countries and seas that many people have a feeling for, by area in km²
_LIKE = (
    (2.6e3, "Luxembourg"), (3.1e4, "Belgium"), (8.4e4, "Austria"), (2.4e5, "the United Kingdom"), (5.5e5, "France"),
    (1.3e6, "South Africa"), (2.5e6, "the Mediterranean Sea"), (7.7e6, "Australia"), (1.71e7, "Russia"),
    (3.0e7, "Africa"), (1.06e8, "the Atlantic Ocean"), (1.49e8, "all land"), (5.1e8, "the whole Earth"),
)  # fmt: skip


def area(km2: float) -> str:
    """An area as a person reads it: three figures, then zeros."""
    if km2 >= 1e6:
        return f"{number(round(km2 / 1e6, 2 - int(math.log10(km2 / 1e6))))} million km²"
    step = 10 ** max(0, int(math.log10(max(km2, 1.0))) - 2)
    return f"{round(km2 / step) * step:,.0f} km²".replace(",", "\u202f")


def like(km2: float) -> str:
    """Something of about that size."""
    size, name = min(_LIKE, key=lambda pair: abs(math.log(pair[0] / max(km2, 1.0))))
    share = km2 / size
    if share > 1.2:
        return f"{number(round(share, 1))} times {name}"
    return f"about {name}" if share > 0.83 else f"{number(round(100 * share))} % of {name}"


def region_sentence(region: Region) -> Sentence:
    """Where a share of the belief lies."""
    part = _PARTS.get(region.level, f"{100 * region.level:g} %")
    if region.num_cells < FEW_CELLS:
        cells = "one cell" if region.num_cells == 1 else f"{region.num_cells} cells"
        return (
            f"{part} of the belief lies in at most {area(region.area_km2)}: {cells} of the map, as fine as it is.",
            True,
        )
    return f"{part} of the belief lies in {area(region.area_km2)}, {like(region.area_km2)}.", False


def belief_sentences(summary: MixtureSummary, count: int, travels: bool) -> list[Sentence]:
    """A belief as a whole."""
    said = [region_sentence(region) for region in summary.regions]
    said.append(
        (
            f"It is as open as an even belief over {area(summary.entropy_km2)} "
            f"(entropy {number(summary.entropy)} nats).",
            False,
        )
    )
    if not travels:
        said.append((f"This address does not hold all {number(count)} centres: export them as a file.", True))
    return said


def belief_facts(summary: MixtureSummary) -> list[Fact]:
    """The read-out of a belief."""
    return [(f"{100 * region.level:g} % within", *split_area(region)) for region in summary.regions]


def split_area(region: Region) -> tuple[str, str]:
    """Number and unit."""
    value, unit = area(region.area_km2).rsplit(" ", 1)
    at_most = "≤ " if region.num_cells < FEW_CELLS else ""
    return f"{at_most}{value}", unit


def ten_to(power: int) -> str:
    """A power of ten."""
    return f"10{str(power).translate(_SUPERSCRIPTS)}"


def per_km2(density: float) -> str:
    """The number of an exact density per km²."""
    if density == 0.0:
        return "less than 10⁻³⁰⁰"
    mantissa, power = f"{density:.3e}".split("e")
    return f"{mantissa} × {ten_to(int(power))}"


def cell_error(error_km: float | None) -> str:
    """The median error in the cell under the pointer."""
    return "no picture" if error_km is None else f"{number(error_km)} km"


def kappa_sentence(kappa: float, radius_km: float) -> str:
    """What κ means on the ground."""
    mantissa, power = f"{kappa:.2e}".split("e")
    shown = f"{float(mantissa):g} × {ten_to(int(power))}" if kappa < 1e-3 else number(kappa)
    return f"κ = {shown}: half of such a peak lies within {number(radius_km)} km of its centre."


def no_such_centre(index: int, found: int) -> str:
    """When an address chooses one that is not there."""
    stand = "1 stands" if found == 1 else f"{number(found)} stand"
    return f"There is no centre {number(index + 1)}: {stand} here. None is chosen."


def count_sentence(start: str, asked: int, found: int) -> list[Sentence]:
    """When fewer stand there than were asked for, and why."""
    if found == asked:
        return []
    if start == "hierarchy":
        steps = "a cube's cells come in 6, 24, 96, 384 and so on, four times as many each time"
        return [(f"{number(found)} centres stand here: {steps}.", False)]
    return [(f"{number(found)} centres stand here: of {number(asked)} there is room for no more.", True)]


def centre_label(index: int, component: Component) -> str:
    """A centre for a screen reader."""
    return f"Centre {index + 1} at {place(component.lat, component.lon)}"


def centre_sentences(index: int, component: Component, share: float, radius_km: float) -> list[Sentence]:
    """One component."""
    return [
        (
            f"Centre {index + 1} at {place(component.lat, component.lon)} holds {percent(share)} of the belief.",
            False,
        ),
        (kappa_sentence(component.kappa, radius_km), False),
    ]


def percent(share: float) -> str:
    """A share with two figures."""
    return f"{number(float(f'{100 * share:.2g}'))} %"


def truth_sentences(lesson: LossGradient, density: float, searched_km2: float | None) -> list[Sentence]:
    """What the belief is worth where the truth lies."""
    times = lesson.times_uniform
    if times >= 1.0:
        worth = f"{number(float(f'{times:.3g}'))} times as likely as by pure chance"
    else:
        worth = f"{number(float(f'{1 / max(times, 1e-300):.3g}'))} times less likely than by pure chance"
    found = f"{per_km2(density)} per km², a loss of {number(lesson.loss)} nats"
    said = [(f"The belief finds the truth {worth}: {found}.", times < 1.0)]
    if searched_km2 is not None:
        said.append(
            (f"Searched likeliest first, it takes {area(searched_km2)} to come to it, {like(searched_km2)}.", False)
        )
    return said


def pull_rows(lesson: LossGradient, most: int = 4) -> list[tuple[str, str]]:
    """The centres that a sighting would move the most: how hard, and whether they should weigh more."""
    order = sorted(range(len(lesson.centre_gradient)), key=lambda k: -lesson.centre_gradient[k])[:most]
    return [(f"{k + 1} · {number(lesson.distance_km[k])} km", _pulled(lesson, k)) for k in order]


def _pulled(lesson: LossGradient, k: int) -> str:
    strength = (
        f"{number(float(f'{lesson.centre_gradient[k]:.2g}'))} nats"
        if lesson.centre_gradient[k] >= _FELT
        else "not felt"
    )
    return f"{strength} · {'more' if lesson.weight_gradient[k] > 0 else 'less'} weight"


PULL = "Its pull on the centres, per 100 km they come closer; lines on the globe are as long as it is strong."


NO_TRUTH = "Choose “Truth” under “A click on the map”, then click where the picture was really taken."
NO_CENTRE = "Take hold of a centre on the globe, or choose “Take” under “A click on the map” and click near one."
NO_BELIEF = "There is nothing to be said of it."
NO_CENTRES = "There is no centre yet. Click the globe to place one, or choose where centres begin."
OF_ALL = "Every centre gets them, also those that were set by hand. Weights count beside each other."
PER_KM2 = "Probability per km²"
MEDIAN_HERE = "Median error here"
REGION_NAMES = ("Half", "With this, nine tenths")
GLOBE_LABELS = {
    "density-log": ("log₁₀ of the probability per km²", ""),
    "density-linear": (PER_KM2, ""),
    "mass-log": ("log₁₀ of a cell's probability, 0.5° × 0.5°", ""),
    "mass-linear": ("Probability of a cell, 0.5° × 0.5°", ""),
    "regions": ("How much of the belief lies here", ""),
    "errors": ("Median error of the test's pictures", "km"),
}


def notes_html(notes: Sequence[str]) -> str:
    """What was understood of a file."""
    return "".join(f"<p class=caution>{escape(sentence(note))}</p>" for note in notes)
