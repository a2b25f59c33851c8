"""What the Reconstruct page says in words, from plain values."""

from __future__ import annotations

import math
from html import escape

from engine.queries.reconstruct import CellDetail, LargeError, ModelCard, ModelScores, MonthResult, Snapshot
from engine.queries.text import MONTH_NAMES, place
from explorer.theme import NEUTRAL, SERIES
from explorer.widgets.text import number

Sentence = tuple[str, bool]

KINDS = {"Temperature": "temperature", "Error": "error", "Uncertainty": "spread"}
PANES = {"Swipe": "swipe", "Side by side": "four"}
WORKING = "Being worked out …"
PANELS = {"Scores": "scores", "Place": "place", "Where it fails": "failures", "Training": "training"}
FIGURES = {
    "Number of observations": "observations",
    "Latitude": "latitude",
    "Distance to coast": "coast",
    "Month": "month",
    "Spectrum": "spectrum",
    "Histogram of errors": "histogram",
    "Reliability of the uncertainty": "reliability",
}
SIDES = {
    "day": "One day",
    "observed": "Valid days",
    "reconstruction": "Model",
    "truth": "Truth",
    "error": "Model",
    "error_best": "Best baseline",
    "error_mean": "Valid days",
    "error_usual": "Climatology",
    "std": "Predicted",
    "size": "Actual",
}
LAYERS = {
    "day": "Observed day",
    "observed": "Mean of valid days",
    "reconstruction": "Reconstruction",
    "truth": "Truth",
    "error": "Error of the model",
    "error_best": "Error of the best baseline",
    "error_mean": "Error of the mean of valid days",
    "error_usual": "Error of the climatology",
    "std": "Predicted uncertainty",
    "size": "Size of the model's error",
}
WORLD = (-2.0, 32.0)
"""Ends of the colour scale of the world's seas, °C."""
LEVEL = 0.01
"""Skill below which nobody calls it a difference."""


def month(iso: str) -> str:
    """A month as people write it."""
    return f"{MONTH_NAMES[int(iso[5:7]) - 1]} {iso[:4]}"


def layer(name: str, found: MonthResult, day: int, best: str) -> str:
    """The caption of a map."""
    if name == "day":
        return f"Observed on {day} {MONTH_NAMES[found.request.month - 1]}"
    if name == "error_best":
        return f"Error of the best baseline: {found.titles[best].lower()}"
    if name == "truth" and not found.knows_truth:
        return "Mean of the withheld days"
    return LAYERS[name]


def verdict(now: ModelScores, iso: str) -> str:
    """HTML of the verdict in one line: who is nearer to the truth, and by how much."""
    mean, best = now.skill["mean"], now.skill[now.best]
    said = f"<b>{_against(mean, 'the mean of valid days')}</b>"
    if now.best != "mean":
        joint = "and" if (mean >= LEVEL) == (best >= LEVEL) else "but"
        said += f" {joint} <b>{_against(best, 'the best baseline', False)}</b>"
    errors = f"{_kelvin(now.error_kelvin['model'])} against {_kelvin(now.error_kelvin['mean'])}"
    if now.best != "mean":
        errors += f" and {_kelvin(now.error_kelvin[now.best])}"
    look = "good" if min(mean, best) >= LEVEL else "bad" if min(mean, best) <= -LEVEL else ""
    return f'<p class="verdict {look}" role=status>{escape(month(iso))}: the model is {said}: {errors}.</p>'


def detail(now: ModelScores, year: ModelScores | None, region: str) -> str:
    """HTML of how sure the verdict is, and of which cells it is."""
    return f"<p>{escape(_spread(now, year))} {escape(_cells(now, region))}</p>"


def _against(skill: float, whom: str, is_first: bool = True) -> str:
    if abs(skill) < LEVEL:
        return f"level with {whom}"
    much = f"{abs(100 * skill):.0f} %"
    nearer = "nearer to" if skill > 0 else "farther from"
    return f"{much} {nearer} the truth than {whom}" if is_first else f"{much} {nearer} it than {whom}"


def _kelvin(error: float) -> str:
    return f"{error:.2f} K"


def _spread(now: ModelScores, year: ModelScores | None) -> str:
    if year is None or year.num_months < 2:
        return "One month says little of another; the rest of the year follows."
    parts = []
    for name, whom in (("mean", "the mean"), (year.best, year_name(year))):
        bar = year.skill_error[name]
        sure = "" if bar is None else f" ± {_percent(bar)}"
        parts.append(f"{_percent(year.skill[name])}{sure} % against {whom}")
    kept = parts[:1] if year.best == "mean" else parts
    return f"Over {year.num_months} months: {', '.join(kept)} (± one standard error of their mean)."


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".replace("-", "−")


def year_name(year: ModelScores) -> str:
    """The best baseline over the year."""
    return "the best baseline" if year.best != "mean" else "the mean"


def _cells(now: ModelScores, region: str) -> str:
    where = "" if region == "World" else f" in the region {region}"
    known = "whose days were withheld" if now.withheld_only else "of the open sea"
    unseen = 100.0 * sum(now.table["mean"]["class"].get(name, {}).get("area", 0.0) for name in ("withheld", "never"))
    share = f"; {unseen:.0f} % of their area had no day: there the mean is climatology" if unseen >= 0.5 else ""
    return f"On {number(now.num_cells)} cells {known}{where}{share}."


def no_verdict(found: MonthResult) -> str:
    """HTML of why nothing can be scored."""
    if found.truth is None:
        said = (
            "This source knows no truth, so nothing can be scored as it is. Withhold some observations: they are then "
            "what the model is judged by."
        )
    else:
        said = "There is no cell of the open sea here whose truth is known: choose another region or month."
    return f'<p class="verdict" role=status>{escape(said)}</p>'


def under_clouds(errors: dict[str, float] | None, before: dict[str, float] | None, best: str) -> str:
    """HTML of what the model makes of a cloud that was drawn."""
    if errors is None:
        return "<p>Nothing can be scored under this cloud: it covers no sea whose truth is known.</p>"
    was = "" if before is None else f" (seeing it all: {_kelvin(before['model'])})"
    return (
        f"<p role=status>Under the painted clouds the model errs by <b>{_kelvin(errors['model'])}</b>{was}, "
        f"the mean of valid days by {_kelvin(errors['mean'])}, the best baseline by {_kelvin(errors[best])}.</p>"
    )


EVERYTHING_HIDDEN = "Everything is under your clouds: what you see is what the model expects without any observation."
IN_STRIPES = (
    "What was withheld lies in stripes: the source has too few clouds in other months to lay over this one. So near "
    "to what was seen, the model has it easier than under clouds."
)
NO_OBSERVATION = "There is no observation in this month: what you see is what the model expects of the season alone."


def anatomy(found: CellDetail, iso: str) -> list[Sentence]:
    """What the days of a cell are and what was made of them."""
    where = place(found.lat, found.lon)
    if found.is_land:
        return [(f"{where} is land. Click a place on the sea.", False)]
    seen = int(sum(math.isfinite(value) for value in found.days))
    if not seen and not found.weights.any():
        why = "nothing was seen here or in the cells around, so the model leans on its neighbours and the season"
        return [(f"{where}, {month(iso)}: {why}.", False)]
    counted = f"seen on {seen} of {len(found.days)} days. Bars: how much each day counted for the model."
    return [(f"{where}, {month(iso)}: {counted}", False)]


def anatomy_rows(found: CellDetail, titles: dict[str, str]) -> list[tuple[str, str]]:
    """What everyone makes of the cell's month."""
    rows = [] if found.truth is None else [("Truth", f"{found.truth:.2f} °C")]
    for name, value in found.estimates.items():
        interval = f" ± {1.645 * found.std:.2f}" if name == "model" and found.std is not None else ""
        off = "" if found.truth is None else f" ({_signed(value - found.truth)})"
        rows.append((titles[name], f"{value:.2f}{interval} °C{off}"))
    return rows


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def score_rows(found: ModelScores, titles: dict[str, str]) -> list[tuple[str, str]]:
    """Errors of all, the smallest first."""
    ordered = sorted(found.error_kelvin, key=lambda name: found.error_kelvin[name])
    return [(titles[name], _kelvin(found.error_kelvin[name])) for name in ordered]


def class_rows(found: ModelScores) -> list[tuple[str, str]]:
    """The model against the best baseline by what could be seen."""
    labels = {"observed": "Seen on some days", "withheld": "Withheld", "never": "Never seen"}
    rows = []
    for label, said in labels.items():
        mine = found.table["model"]["class"].get(label)
        other = found.table[found.best]["class"].get(label)
        if mine and other:
            rows.append((said, f"{_kelvin(mine['mae'])} / {_kelvin(other['mae'])}"))
    return rows


def worst(found: LargeError) -> tuple[str, str]:
    """One of the worst places."""
    days = "1 day" if found.num_days == 1 else f"{found.num_days} days"
    return place(found.lat, found.lon), f"{_signed(found.error)} K · {days}"


LEARNED = "The model has learned from this year, or was chosen by it: what it scores here is flattering."
OTHER_GRID = "This source has other cells than the model learned on"
OTHER_GRID_REMEDY = (
    "Nothing is resampled without being asked for. Choose on the left: resample the source to the model's grid, use "
    "the model on these cells as they are, or take the source that it learned from."
)


def about(card: ModelCard) -> str:
    """Which model it is."""
    rows, columns = card.grid.shape
    first, last = card.years
    baselines = (
        "" if card.has_baselines else " Its tuned baselines were not kept, so only the plain ones stand beside it."
    )
    return (
        f"Learned from {card.source}, {first} to {last}, on {rows} × {columns} cells; {card.test_year} was kept for "
        f"the test.{baselines}"
    )


def first_month(card: ModelCard, months: tuple[str, ...]) -> str:
    """Which month is shown first: July of the test year, or else one in the middle."""
    wanted = f"{card.test_year}-07-01"
    return wanted if wanted in months else months[len(months) // 2]


def read_out(found: MonthResult) -> list[tuple[str, str, str]]:
    """How much was seen."""
    sea = ~found.data.land
    days = found.count[sea]
    if not days.size:
        return []
    return [
        ("Days seen a cell", f"{days.mean():.1f}", f"of {found.num_days}"),
        ("Cells unseen, with ice", f"{100.0 * (days == 0).mean():.0f}", "%"),
    ]


def key(best: str | None, *names: str) -> str:
    """HTML of what the colours of the figures are."""
    said = {
        "model": "model",
        "baseline": (best or "best baseline").lower(),
        "mean": "mean of valid days",
        "truth": "truth",
    }
    marks = (
        f'<span style="margin-right:14px;white-space:nowrap"><span style="color:{COLOURS[name]}">■</span> '
        f"{escape(said[name])}</span>"
        for name in names
    )
    return f"<p>{' '.join(marks)}</p>"


COLOURS = {"model": SERIES[0], "baseline": SERIES[1], "mean": NEUTRAL, "truth": SERIES[3]}

FIGURE_WORDS = {
    "observations": "How far the model errs where a cell was seen so many times: median, half and four fifths of all.",
    "latitude": "Mean error by latitude.",
    "coast": "Mean error by distance to the coast.",
    "month": "Mean error by month of the year, as far as they are computed.",
    "histogram": "Share of the area by error.",
    "reliability": "How often the truth lies within the promised interval; on the dashed line it is as often.",
}
NO_SPREAD = "This model predicts no uncertainty."


def spectrum_sentence(model_km: float, rival_km: float) -> str:
    """Down to which size patterns are right."""
    mine, other = (f"{number(km)} km" if math.isfinite(km) else "nothing" for km in (model_km, rival_km))
    return (
        f"Variance by scale. The model gets patterns right down to {mine} (dashed), the best baseline down to {other}."
    )


AXES = {"latitude": "", "coast": "Distance to the coast", "month": "Month"}


def of_months(number_of: int) -> str:
    """How many months a figure is of."""
    return "One month." if number_of == 1 else f"{number_of} months."


WAITING = '<p class="verdict" role=status>The training has begun; its first map comes when its data is read.</p>'
GONE = '<p class="verdict" role=status>There is no map of this training: it is gone, or ended before its first.</p>'
NO_FILM = "This model brings no film of its training. Train one yourself, and watch it learn."


def epoch(seen: Snapshot, last: int, is_live: bool) -> str:
    """HTML of how far a training is."""
    mine, other = seen.error_kelvin, seen.mean_error_kelvin
    now = "The training runs" if is_live and seen.epoch == last else "The training"
    told = ""
    if math.isfinite(mine) and math.isfinite(other):
        told = f", {_against(1.0 - mine / other, 'the mean of valid days')}: {_kelvin(mine)} against {_kelvin(other)}"
    return (
        f'<p class="verdict" role=status>{now}: <b>epoch {seen.epoch}</b> of {last} so far{told}.</p>'
        "<p>The first month of the years that it is validated on, where both have a value.</p>"
    )


def failure(error: Exception) -> str:
    """HTML of what went wrong."""
    return f'<p class="verdict" role=status>{escape(str(error))}</p>'


def archive_invitation(source: str, num_months: int) -> str:
    """What the run over a whole archive does."""
    return f"Reconstruct all {number(num_months)} months of {source} in the background, as one NetCDF file."


TRAIN_INVITATION = "Train a small model on a 2° demo ocean of four years, and watch the map sharpen: a few minutes."
