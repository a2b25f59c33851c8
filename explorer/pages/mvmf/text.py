"""The texts of the Geolocation page, from plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from engine.queries.mvmf.centres import Component
from engine.queries.mvmf.comparison import COMPARED, RECALL_KM, ComparedCentres
from engine.queries.mvmf.sandbox import LossGradient, MixtureSummary, Region
from engine.queries.text import place
from explorer.widgets.text import LabelledValue, Sentence, number, sentence

FEW_CELLS = 50
_SMALL_GRADIENT = 1e-6
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# well-known countries and seas by area in km²
_LIKE = (
    (2.6e3, "Luxembourg"), (3.1e4, "Belgium"), (8.4e4, "Austria"), (2.4e5, "the United Kingdom"), (5.5e5, "France"),
    (1.3e6, "South Africa"), (2.5e6, "the Mediterranean Sea"), (7.7e6, "Australia"), (1.71e7, "Russia"),
    (3.0e7, "Africa"), (1.06e8, "the Atlantic Ocean"), (1.49e8, "all land"), (5.1e8, "the whole Earth"),
)  # fmt: skip


def area(km2: float) -> str:
    """An area to three figures."""
    if km2 >= 1e6:
        return f"{number(round(km2 / 1e6, 2 - int(math.log10(km2 / 1e6))))} million km²"
    step = 10 ** max(0, int(math.log10(max(km2, 1.0))) - 2)
    return f"{round(km2 / step) * step:,.0f} km²".replace(",", "\u202f")


def like(km2: float) -> str:
    """A comparison with a well-known area."""
    size, name = min(_LIKE, key=lambda pair: abs(math.log(pair[0] / max(km2, 1.0))))
    ratio = km2 / size
    if ratio > 1.2:
        return f"{number(round(ratio, 1))} times {name}"
    return f"about {name}" if ratio > 0.83 else f"{number(round(100 * ratio))} % of {name}"


def region_sentence(region: Region) -> Sentence:
    """The area of a credible region."""
    level = f"{100 * region.level:g} % of the probability"
    if region.num_cells < FEW_CELLS:
        cells = "one cell" if region.num_cells == 1 else f"{region.num_cells} cells"
        return f"{level} lies in {area(region.area_km2)}; the map draws it larger, in {cells}.", True
    return f"{level} lies in {area(region.area_km2)}, {like(region.area_km2)}.", False


def distribution_sentences(summary: MixtureSummary, count: int, travels: bool) -> list[Sentence]:
    """A distribution as a whole."""
    sentences = [region_sentence(region) for region in summary.regions]
    entropy = (
        f"entropy is {number(summary.entropy)} nats, that of a uniform distribution over {area(summary.entropy_km2)}"
    )
    sentences.append((f"Its {entropy}.", False))
    if not travels:
        sentences.append((f"This address does not hold all {number(count)} centres: export them as a file.", True))
    return sentences


def region_readout(summary: MixtureSummary) -> list[LabelledValue]:
    """The read-out of a distribution."""
    return [(f"{100 * region.level:g} % within", *split_area(region)) for region in summary.regions]


def split_area(region: Region) -> tuple[str, str]:
    """Number and unit."""
    value, unit = area(region.area_km2).rsplit(" ", 1)
    return value, unit


def ten_to(power: int) -> str:
    """A power of ten."""
    return f"10{str(power).translate(_SUPERSCRIPTS)}"


def per_km2(density: float) -> str:
    """A density per km² to four figures."""
    if density == 0.0:
        return "less than 10⁻³⁰⁰"
    mantissa, power = f"{density:.3e}".split("e")
    return f"{mantissa} × {ten_to(int(power))}"


def cell_error(error_km: float | None) -> str:
    """The median error in the cell under the pointer."""
    return "no picture" if error_km is None else f"{number(error_km)} km"


def kappa_sentence(kappa: float, radius_km: float) -> str:
    """κ as a radius on the ground."""
    mantissa, power = f"{kappa:.2e}".split("e")
    shown = f"{float(mantissa):g} × {ten_to(int(power))}" if kappa < 1e-3 else number(kappa)
    return f"κ = {shown}: 50 % of the probability lies within {number(radius_km)} km of the centre."


def no_such_centre(index: int, num_centres: int) -> str:
    """For an address with a centre that does not exist."""
    there_are = "is 1 centre" if num_centres == 1 else f"are {number(num_centres)} centres"
    return f"Centre {number(index + 1)} does not exist: there {there_are}. None is selected."


def count_sentence(start: str, requested: int, num_centres: int) -> list[Sentence]:
    """Why there are fewer centres than requested."""
    if num_centres == requested:
        return []
    if start == "partition":
        return [(f"{number(num_centres)} centres: the most cells up to {number(requested)}.", False)]
    if start == "hierarchy":
        steps = "cells of a cube come in 6, 24, 96, 384 and so on"
        return [(f"{number(num_centres)} centres: {steps}.", False)]
    return [(f"{number(num_centres)} centres: there is no space for {number(requested)} at this distance.", True)]


def centre_label(index: int, component: Component) -> str:
    """A centre for a screen reader."""
    return f"Centre {index + 1} at {place(component.lat, component.lon)}"


def centre_sentences(index: int, component: Component, fraction: float, radius_km: float) -> list[Sentence]:
    """One component."""
    where = place(component.lat, component.lon)
    return [
        (f"Centre {index + 1} at {where} has {percent(fraction)} of the probability.", False),
        (kappa_sentence(component.kappa, radius_km), False),
    ]


def percent(fraction: float) -> str:
    """A fraction in percent, to two figures."""
    return f"{number(float(f'{100 * fraction:.2g}'))} %"


def truth_sentences(gradient: LossGradient, density: float, searched_km2: float | None) -> list[Sentence]:
    """The density and the loss at the true location."""
    times = gradient.times_uniform
    if times >= 1.0:
        ratio = f"{number(float(f'{times:.3g}'))} times higher than"
    else:
        ratio = f"{number(float(f'{1 / max(times, 1e-300):.3g}'))} times lower than"
    value = f"{per_km2(density)} per km², loss {number(gradient.loss)} nats"
    sentences = [(f"The density at the true location is {ratio} that of a uniform distribution: {value}.", times < 1.0)]
    if searched_km2 is not None:
        size = f"{area(searched_km2)}, {like(searched_km2)}"
        sentences.append((f"The smallest credible region that contains it covers {size}.", False))
    return sentences


def gradient_rows(gradient: LossGradient, most: int = 4) -> list[tuple[str, str]]:
    """The components with the largest loss gradient: its size, and the sign of the change of weight."""
    order = sorted(range(len(gradient.centre_gradient)), key=lambda k: -gradient.centre_gradient[k])[:most]
    return [(f"{k + 1} · {number(gradient.distance_km[k])} km", _gradient_of(gradient, k)) for k in order]


def _gradient_of(gradient: LossGradient, k: int) -> str:
    size = (
        f"{number(float(f'{gradient.centre_gradient[k]:.2g}'))} nats"
        if gradient.centre_gradient[k] >= _SMALL_GRADIENT
        else "none"
    )
    return f"{size} · {'more' if gradient.weight_gradient[k] > 0 else 'less'} weight"


def comparison_rows(rows: Sequence[ComparedCentres]) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Every kind at its largest number of centres, the likeliest first; and the heads of the columns."""
    shown = [
        (_kind(row), f"{score.log_likelihood:.2f}", number(round(score.median_km)))
        for row in _largest(rows)
        for score in [row.score]
    ]
    return shown, ("nats", "median km")


def recall_rows(rows: Sequence[ComparedCentres]) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """The same kinds: percent of held-out points within each distance of a centre; and the heads of the columns."""
    shown = [(_kind(row), *(f"{100 * share:.0f}" for share in row.score.recall)) for row in _largest(rows)]
    first, *rest = (number(km) for km in RECALL_KM)
    return shown, (f"% in {first}", *rest[:-1], f"{rest[-1]} km")


def _largest(rows: Sequence[ComparedCentres]) -> list[ComparedCentres]:
    last = {row.kind: row for row in sorted(rows, key=lambda row: row.score.num_centres)}
    return sorted(last.values(), key=lambda row: -row.score.log_likelihood)


def _kind(row: ComparedCentres) -> str:
    name = COMPARED[row.kind]
    return f"{name[0].upper()}{name[1:]}"


COMPARED_HOW = (
    "Centres are placed on 80 % of the data and given weights and κ there; the rest is held out. Distances are to the "
    "nearest centre: the best that a classifier over these centres can do."
)
COMPARE = (
    "Place every kind of centres on these data, 8 to 512 of them, and score them on points that are held out. It runs "
    "in the background, less than a minute, and continues after you close the browser."
)
NOT_COMPARED = "These data are not compared yet: start the comparison below the globe."
NO_FILE = "Choose a file of points first, or other data."
GRADIENT = "Loss gradient per component, for a move of 100 km towards it; lines on the globe have its length."
NO_TRUTH = "Choose “True location” under “Click on the map”, then click where the picture was taken."
NO_CENTRE = "Click a centre on the globe, or choose “Select” under “Click on the map” and click near one."
NO_DISTRIBUTION = "There is no distribution."
CANCELLED = "The regions were not computed to the end: cancelled. Change a choice to start again."
NOT_DRAWN = "The map of this choice is not drawn yet."
NO_CENTRES = "There is no centre yet. Click the globe to add one, or choose initial centres."
OF_ALL = "Applies to every centre, also to those added by hand. Weights are relative to each other."
PER_KM2 = "Probability per km²"
MEDIAN_HERE = "Median error here"
REGION_NAMES = ("50 % region", "90 % region")
GLOBE_LABELS = {
    "density-log": ("log₁₀ of the probability per km²", ""),
    "density-linear": (PER_KM2, ""),
    "mass-log": ("log₁₀ of a cell's probability, 0.5° × 0.5°", ""),
    "mass-linear": ("Probability of a cell, 0.5° × 0.5°", ""),
    "regions": ("Credible regions", ""),
    "errors": ("Median error of the test pictures", "km"),
}


def notes_html(notes: Sequence[str]) -> str:
    """How a file of centres was read."""
    return "".join(f"<p class=caution>{escape(sentence(note))}</p>" for note in notes)
