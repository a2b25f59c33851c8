"""The texts of the Reconstruct page, from plain values."""

from __future__ import annotations

import calendar
import math
from collections.abc import Sequence
from html import escape

from engine.config.months import span_text
from engine.evaluation import Verdict
from engine.queries.ocean import SST, VariableKind
from engine.queries.reconstruct import CellDetail, LargeError, ModelCard, ModelScores, MonthResult, Snapshot
from engine.queries.text import place
from explorer.pages.reconstruct.model import ResultKey
from explorer.theme import NEUTRAL, SERIES
from explorer.widgets.text import Sentence, colour_key, error_text, number
from explorer.widgets.verdict import verdict_html, verdict_line


def kinds(variable: VariableKind) -> dict[str, str]:
    """The kinds of maps by their names."""
    return {variable.short: "temperature", "Difference": "difference", "Error": "error", "Uncertainty": "spread"}


def scale_label(kind: str, variable: VariableKind) -> tuple[str, str]:
    """What a colour bar is of, and its unit: values by their own, differences and errors by that of model space."""
    if kind == "temperature":
        return variable.title, variable.symbol
    labels = {"difference": "Reconstruction minus mean", "error": "Error", "spread": "Uncertainty"}
    return labels[kind], "log₁₀" if variable.is_logarithmic else variable.error_symbol


PANES = {"One": "one", "Swipe": "swipe", "Row": "row", "Grid": "four"}
SIDE_NAMES = {
    "one": ("Map",),
    "swipe": ("Left of the divider", "Right of the divider"),
    "row": ("Left", "Middle", "Right"),
}
WORKING = "Computing …"
OPENING = "Opening the model and the source"
COMPUTING = "Reconstructing the month"
CANCELLED = "The computation was cancelled."
SCORING = "Scoring the month"
NOT_SCORED = "The month is not scored: that was cancelled."
NOT_COMPUTED = "There is no result: the month could not be reconstructed."
NOT_USABLE = "There is no result: the model or its source could not be opened."
UNDECIDED = "There is no result yet: choose on the left how the model is to use this source."
IN_FILM = "The training is on the maps. Switch it off in the tab Training to see the results of the model."
NOTHING_TO_EXPORT = "There is no result of these settings to export yet."
NO_SCORES_TO_EXPORT = "There are no scores of these settings to export yet."
NO_SCORES = "No cell can be scored here."
FIGURES = {
    "Number of observations": "observations",
    "Latitude": "latitude",
    "Distance to coast": "coast",
    "Month": "month",
    "Spectrum": "spectrum",
    "Histogram of errors": "histogram",
    "Reliability of the uncertainty": "reliability",
}
LAYERS = {
    "day": "Observed day",
    "observed": "Mean of observed days",
    "reconstruction": "Reconstruction",
    "truth": "Truth",
    "difference": "Reconstruction minus mean",
    "error": "Error of the model",
    "error_best": "Error of the best baseline",
    "error_mean": "Error of the mean of observed days",
    "error_usual": "Error of the climatology",
    "std": "Predicted uncertainty",
    "size": "Absolute error of the model",
}
MARKS = {
    "cloud": ("Outlined", "Painted clouds"),
    "ice": ("Hatched", "Ice, or water at the freezing point: less certain"),
}
"""Marks on the maps: how they are drawn, and what they mean."""
_STATUS = '<p class="verdict" role=status>'


def status(sentence: str) -> str:
    """HTML of a sentence in the place of the result."""
    return f"{_STATUS}{escape(sentence)}</p>"


def computing(key: ResultKey) -> str:
    """HTML that names what is being computed."""
    request = key.request
    changes = [f"{request.hidden_percent} % of the observations withheld"] if request.hidden_percent else []
    changes += ["painted clouds"] if request.clouds else []
    with_changes = f" with {' and '.join(changes)}" if changes else ""
    return status(f"{month(f'{request.year}-{request.month:02d}')}{with_changes} is being computed …")


def scoring(iso: str) -> str:
    """HTML until the scores of a month are known."""
    return status(f"{month(iso)} is being scored …")


def month(iso: str) -> str:
    """The month of an ISO date: ``July 2004``."""
    return f"{calendar.month_name[int(iso[5:7])]} {iso[:4]}"


def layer(name: str, case: MonthResult, day: int, best: str) -> str:
    """The caption of a map."""
    if name == "day":
        return f"Observed on {min(day, case.num_days)} {calendar.month_name[case.request.month]}"
    if name == "error_best":
        return f"Error of the best baseline: {case.titles[best].lower()}"
    if name == "truth" and not case.knows_truth:
        return "Mean of the withheld days"
    return LAYERS[name]


def legend(marks: Sequence[str]) -> str:
    """HTML of the marks on the maps, by the keys of :data:`MARKS`."""
    labels = "".join(f"<span><i class={mark}></i>{MARKS[mark][1]}</span>" for mark in marks)
    return f"<p>{labels}</p>" if marks else ""


def marks_note(marks: Sequence[str]) -> str:
    """The marks on the maps in words."""
    return ". ".join(f"{mark}: {meaning[0].lower()}{meaning[1:]}" for mark, meaning in map(MARKS.__getitem__, marks))


def verdict(now: ModelScores, iso: str, region: str) -> str:
    """HTML of the verdict on the month on screen, and of the cells it holds for."""
    return verdict_html(now.verdict, f"{month(iso)}, {_cells(now, region)}")


def detail(year: ModelScores | None, num_months: int) -> str:
    """HTML of the verdict on all months of the year that are computed, of ``num_months``."""
    if year is None or year.num_months < 2:
        return "<p>Months differ; the rest of the year follows.</p>"
    so_far = " computed so far" if year.num_months < num_months else ""
    return f"<p>The {year.num_months} months of this year{so_far}:</p>{verdict_line(year.verdict)}"


def _cells(now: ModelScores, region: str) -> str:
    where = "" if region == "World" else f" in the region {region}"
    cells = "with withheld days" if now.withheld_only else f"of the {now.verdict.variable.open_place}"
    unseen = 100.0 * sum(now.table["mean"]["class"].get(name, {}).get("area", 0.0) for name in ("withheld", "never"))
    no_day = f"; {unseen:.0f} % of their area had no day: the mean there is climatology" if unseen >= 0.5 else ""
    return f"{number(now.num_cells)} cells {cells}{where}{no_day}"


def no_verdict(case: MonthResult) -> str:
    """HTML of the reason why nothing can be scored."""
    if case.truth is None:
        reason = "This source has no truth to score against. Withhold some observations: they are then the reference."
    else:
        reason = f"No cell of the {case.variable.open_place} here has a known truth. Choose another region or month."
    return status(reason)


def under_clouds(
    errors: dict[str, float] | None, before: dict[str, float] | None, best: str, variable: VariableKind
) -> str:
    """HTML of the errors under the drawn clouds."""
    if errors is None:
        return f"<p>Nothing can be scored under this cloud: it covers no {variable.place} with a known truth.</p>"
    worded = variable.error_text
    without = "" if before is None else f" ({worded(before['model'])} without the clouds)"
    return (
        f"<p role=status>Error under the painted clouds: model <b>{worded(errors['model'])}</b>{without}, "
        f"mean of observed days {worded(errors['mean'])}, best baseline {worded(errors[best])}.</p>"
    )


EVERYTHING_HIDDEN = "Your clouds leave no observation: the map shows the climatology."
IN_STRIPES = (
    "The withheld cells are stripes, because the other months of the source have too few clouds. Stripes lie close to "
    "observations, so errors are lower than under real clouds."
)
NO_OBSERVATION = "There are no observations to use: the map shows the climatology, because the model alone is worse."


def fallback(month: MonthResult) -> list[str]:
    """Where the map is the climatology for want of observations, as no or one sentence."""
    share = month.climatology_share
    if share == 1.0:
        return [EVERYTHING_HIDDEN if month.request.clouds else NO_OBSERVATION]
    if share == 0.0:
        return []
    percent = min(max(round(100 * share), 1), 99)
    where = month.variable.place
    return [f"For about {percent} % of the {where} no observation is near enough: the map shows the climatology there."]


def anatomy(cell: CellDetail, iso: str) -> list[Sentence]:
    """The days of a cell."""
    where = place(cell.lat, cell.lon)
    if cell.is_land:
        left_out, on = cell.variable.left_out, {"grid": "map"}.get(cell.variable.place, cell.variable.place)
        return [(f"{where} is {left_out}. Click a place on the {on}.", False)]
    num_days = int(sum(math.isfinite(value) for value in cell.days))
    if not num_days and not cell.weights.any():
        reason = "no observations here or in the cells around; the model uses more distant cells and the season"
        if cell.is_climatology:
            reason = "no observations near enough; the map shows the climatology"
        return [(f"{where}, {month(iso)}: {reason}.", False)]
    observed = f"observed on {num_days} of {len(cell.days)} days. Bars: the weight of each day in the model."
    return [(f"{where}, {month(iso)}: {observed}", False)]


def anatomy_rows(cell: CellDetail, titles: dict[str, str]) -> list[tuple[str, str]]:
    """The table of the estimates of the cell's month."""
    variable = cell.variable
    rows = [] if cell.truth is None else [("Truth", f"{_value(cell.truth, variable)} {variable.symbol}".rstrip())]
    for name, value in cell.estimates.items():
        width = 1.645 * cell.std if name == "model" and cell.std is not None else None
        error = "" if cell.truth is None else f" ({_signed(value - cell.truth, variable)})"
        rows.append((titles[name], f"{_interval(value, width, variable)}{error}"))
    return rows


def _value(value: float, variable: VariableKind) -> str:
    """A value of model space in the variable's unit."""
    own = variable.restored_value(value)
    return f"{own:.3g}" if variable.is_logarithmic else f"{own:.2f}"


def _interval(value: float, width: float | None, variable: VariableKind) -> str:
    """A value ± ``width``; of logarithms the ends, which are not alike on both sides."""
    own, unit = _value(value, variable), f" {variable.symbol}".rstrip()
    if width is None:
        return f"{own}{unit}"
    if variable.is_logarithmic:
        low, high = _value(value - width, variable), _value(value + width, variable)
        return f"{own}{unit}, {low} to {high}"
    return f"{own} ± {width:.2f}{unit}"


def _signed(value: float, variable: VariableKind) -> str:
    """An error; of logarithms the factor."""
    return f"× {10.0**value:.2f}" if variable.is_logarithmic else f"{value:+.2f}".replace("-", "−")


def score_rows(now: ModelScores, titles: dict[str, str]) -> list[tuple[str, str]]:
    """The errors of all estimates, the smallest first."""
    ordered = sorted(now.error_kelvin, key=lambda name: now.error_kelvin[name])
    worded = now.verdict.variable.error_text
    return [(titles[name], worded(now.error_kelvin[name])) for name in ordered]


def on_test(result: Verdict | None) -> str:
    """HTML of the verdict on the run that trained the model, if it has one."""
    return "" if result is None else verdict_html(result, "This model on its own test months")


def worst(cell: LargeError, variable: VariableKind) -> tuple[str, str]:
    """One of the places with the largest errors."""
    days = "1 day" if cell.num_days == 1 else f"{cell.num_days} days"
    unit = "" if variable.is_logarithmic else f" {variable.error_symbol}".rstrip()
    return place(cell.lat, cell.lon), f"{_signed(cell.error, variable)}{unit} · {days}"


WITHHELD_PERCENT = 20
"""The share that the button "Withhold" withholds."""

REMEDIES = {
    "compute": "Compute it",
    "score": "Score it",
    "withhold": f"Withhold {WITHHELD_PERCENT} % of the observations",
    "world": "Score all regions",
    "own source": "Use the source of the model's training data",
    "shipped model": "Use the model that comes with Harmonia",
    "train": "Train on this source",
    "open on Data": "Read the file another way, on Data",
    "demo": "Use the demo ocean",
}
"""The labels of the buttons below the maps."""

LEARNED = "This year belongs to the model's training or validation data: the scores here are too good."
OTHER_GRID = "The grid of this source differs from the model's"
OTHER_GRID_REMEDY = (
    "Choose on the left: resample the source to the model's grid, use the model on these cells, or use the source of "
    "its training data."
)


def about(card: ModelCard) -> str:
    """The model's training data."""
    rows, columns = card.grid.shape
    baselines = "" if card.has_baselines else " Its tuned baselines were not saved; only the plain ones are compared."
    learned, test = span_text(card.learned), span_text(card.test)
    return (
        f"Trained on {card.source}, {learned}, {rows} × {columns} cells; tested on {test}."
        f"{baselines}{_space(card.variable)}"
    )


def _space(variable: VariableKind) -> str:
    """In which space a model of another variable than the sea's temperature has learned."""
    if variable.key == SST.key:
        return ""
    if not variable.is_logarithmic:
        return f" It reconstructs {variable.phrase}."
    return (
        f" It reconstructs {variable.phrase} by its decimal logarithm: means are geometric, which are medians, and "
        f"errors are in {variable.error_symbol}."
    )


def first_month(card: ModelCard, months: tuple[str, ...]) -> str:
    """The first month on screen: July of the test months, else the middle one of them, else the middle one of all."""
    tested = [month for month in months if card.test[0] <= month[:7] <= card.test[1]]
    julys = [month for month in tested if month[5:7] == "07"]
    return next(iter(julys), (tested or months)[len(tested or months) // 2])


def read_out(case: MonthResult) -> list[tuple[str, str, str]]:
    """The read-out of the observations."""
    days = case.count[~case.data.land]
    if not days.size:
        return []
    never = "Cells never observed, with ice" if case.variable.has_ice else "Cells never observed"
    return [
        ("Observed days per cell", f"{days.mean():.1f}", f"of {case.num_days}"),
        (never, f"{100.0 * (days == 0).mean():.0f}", "%"),
    ]


def key(best: str | None, *names: str) -> str:
    """HTML of the colours of the figures."""
    labels = {"model": "model", "baseline": (best or "best baseline").lower(), "mean": "mean of observed days"}
    return colour_key((labels.get(name, name), COLOURS[name]) for name in names)


COLOURS = {"model": SERIES[0], "baseline": SERIES[1], "mean": NEUTRAL, "truth": SERIES[3]}

FIGURE_TEXT = {
    "observations": "Error by number of observations of a cell: median, central 50 % and 80 %.",
    "latitude": "Mean error by latitude.",
    "coast": "Mean error by distance to the coast.",
    "month": "Mean error by month of the year, for the computed months.",
    "histogram": "Fraction of the area by error.",
    "reliability": "Observed against nominal coverage of the predicted intervals; the dashed line is perfect.",
}
NO_COUNTS = "No scored cell has an observed day: there is nothing to compare by the number of days."
NO_SPREAD = "This model predicts no uncertainty."


def spectrum_sentence(model_km: float, baseline_km: float) -> str:
    """The effective resolutions."""
    model, baseline = (f"{number(km)} km" if math.isfinite(km) else "none" for km in (model_km, baseline_km))
    return f"Variance by scale. Effective resolution: model {model} (dashed), best baseline {baseline}."


AXES = {"latitude": "", "coast": "Distance to the coast", "month": "Month"}


def of_months(num_months: int) -> str:
    """The number of months in a figure."""
    return "One month." if num_months == 1 else f"{num_months} months."


WAITING = f"{_STATUS}The training has started; the first map comes once its data are read.</p>"
GONE = f"{_STATUS}This training has no map: it was deleted, or ended before its first.</p>"
NO_FILM = "This model has no snapshots of its training. Train a model to watch it learn."


def epoch(snapshot: Snapshot, last: int, is_live: bool) -> str:
    """HTML of the state of a training."""
    state = "The training runs" if is_live and snapshot.epoch == last else "The training"
    so_far = " so far" if is_live else ""
    line = "" if snapshot.verdict is None else verdict_line(snapshot.verdict)
    return (
        f"{_STATUS}{state}: <b>epoch {snapshot.epoch}</b> of {last}{so_far}.</p>{line}"
        "<p>The first month of the validation months, where both have a value.</p>"
    )


def failure(error: Exception) -> str:
    """HTML of an error."""
    return status(error_text(error))


def archive_invitation(source: str, num_months: int) -> str:
    """The text before the run over a whole archive."""
    return f"Reconstruct all {number(num_months)} months of {source} in the background, to one NetCDF file."


TRAIN_INVITATION = "Train a small model on four years of a 2° demo ocean and watch its maps: a few minutes."
