"""The texts of the Learned table page, from plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.queries.table import BaselineScore
from engine.queries.text import duration
from explorer.widgets.text import LabelledValue, Sentence, number

NAMES = {
    "force": "Vector field (synthetic)",
    "smooth": "Smooth field (synthetic)",
    "august": "SST of August 2012",
}
SHORT_NAMES = {"force": "Kink at the poles", "smooth": "Smooth", "august": "SST, August 2012"}
FORMULAS = {
    "force": "Synthetic, U = cos 2λ, V = sin 2φ, as in the guide of torch-geopooling.",
    "smooth": "Synthetic, U = cos φ cos λ, V = sin φ: smooth everywhere on the sphere.",
    "august": "Observed, the mean of August 2012.",
}
_FIELDS = {
    "force": "synthetic vector field",
    "smooth": "synthetic smooth field",
    "august": "sea-surface temperature of August 2012",
}
_KM_PER_DEGREE = 111.195


def cell_sentence(width: int, height: int, padding: int) -> str:
    """The size of a cell and of its neighbourhood."""
    wide, high = 360 / width, 180 / height
    radius = (
        f"{padding} cells or {number(padding * high * _KM_PER_DEGREE)} km each way" if padding else "the cell itself"
    )
    size = f"{number(wide)}° × {number(high)}°, {number(high * _KM_PER_DEGREE)} km high"
    return f"A cell is {size}. Neighbourhood: {radius}."


def invitation(target: str, percent: int, iterations: int, seconds: float) -> str:
    """The text before a training, with its duration."""
    return (
        f"Learn the {_FIELDS[target]} from {percent} % of its points in {number(iterations)} steps: "
        f"about {duration(seconds)} on two cores."
    )


def train_all(count: int, seconds: float) -> tuple[str, str]:
    """What "Train all topologies" starts, with its duration, and the label of its button."""
    runs = "1 run" if count == 1 else f"{count} runs"
    each = f"about {duration(seconds)} each on two cores"
    in_all = "" if count == 1 else f", {duration(count * seconds)} in all where they run one after another"
    return f"{runs} would start in the background: {each}{in_all}.", f"Train all topologies ({runs})"


def unit(units: str) -> str:
    """Units after a number; none for plain numbers."""
    return "" if units == "1" else units


def verdict(test: float, baseline: BaselineScore, units: str, is_over: bool) -> Sentence:
    """The errors of the table and of its baseline on the test points."""
    table, other = (f"{number(value)} {unit(units)}".strip() for value in (test, baseline.test_l1))
    is_better = test < baseline.test_l1
    result = f"{'' if is_over or is_better else 'so far '}the table has the {'lower' if is_better else 'higher'} error"
    return f"Error on test points: table {table}, {baseline.name} {other}: {result}.", is_over and not is_better


def score_rows(last: Mapping[str, float], baseline: BaselineScore | None, units: str) -> list[tuple[str, str]]:
    """Mean absolute errors of the table and of its baseline."""
    scores = [
        ("Training points", last.get("train_l1")),
        ("Test points", last.get("test_l1")),
        ("Test points, area-weighted", last.get("test_area_l1")),
        ("Nearest sampled point", baseline and baseline.test_l1),
        ("The same, area-weighted", baseline and baseline.test_area_l1),
    ]
    return [(name, f"{number(value)} {unit(units)}".strip()) for name, value in scores if value is not None]


def readout(last: Mapping[str, float], baseline: BaselineScore | None, units: str) -> list[LabelledValue]:
    """The read-out of a run."""
    errors = [
        ("Error, test", number(last["test_l1"]), unit(units)),
        ("Error, training", number(last["train_l1"]), unit(units)),
    ]
    if baseline is not None:
        errors.append(("Nearest point", number(baseline.test_l1), unit(units)))
    return errors


LOSS = "Mean absolute error by step, on training and test points."
WAITING_LOSS = "No run of this choice yet. Train it to see its error."


_ROWS = "the same rows from 180° away (sphere), the other pole's (torus), the edge row again (clamp)"
_BEYOND = {
    "North Pole": _ROWS,
    "South Pole": _ROWS,
    "Date line": "the columns of its other side (sphere, torus), the edge column again (clamp)",
}


def edges_sentence(place: str, num_cells: int) -> str:
    """The caption of the close-ups."""
    return f"{num_cells} cells each way. Beyond the dashed edge: {_BEYOND[place]}."


TOPOLOGIES_SENTENCE = (
    "The guide's field has a kink at the poles, which suits the torus: it may have the lower error there. On the field "
    "that is smooth across the poles the sphere should."
)


def compared_rows(errors: Mapping[str, Mapping[str, float | None]], units: str) -> list[tuple[str, str]]:
    """:func:`topology_rows` of every field that is compared."""
    return [
        (f"{SHORT_NAMES[target]}: {name[0].lower()}{name[1:]}" if len(errors) > 1 else name, value)
        for target, of_target in errors.items()
        for name, value in topology_rows(of_target, units)
    ]


def topology_rows(errors: Mapping[str, float | None], units: str) -> list[tuple[str, str]]:
    """The test error of each topology's run; the lowest is marked."""
    known = [value for value in errors.values() if value is not None]
    best = min(known) if len(known) == len(errors) else None
    return [
        (
            f"Test points, {name}",
            "not trained"
            if value is None
            else f"{number(value)} {unit(units)}".strip() + (" · lowest" if value == best else ""),
        )
        for name, value in errors.items()
    ]


def captions(percent: int, num_points: int | None, iteration: int | None, is_over: bool) -> Sequence[str]:
    """Headings of the three fields."""
    points = "" if num_points is None else f", {number(num_points)} points"
    step = None if iteration is None else number(iteration)
    learned = "nothing yet" if step is None else f"done after {step} steps" if is_over else f"at step {step}"
    return "True", f"Sample, {percent} %{points}", f"Learned, {learned}"


def loss_key(lines: Sequence[tuple[str, str]]) -> str:
    """HTML of the legend of the loss, ``(name, colour)`` each."""
    marks = (f'<span style="color:{colour};font-weight:700">━</span> {name}' for name, colour in lines)
    return "".join(f'<p style="margin:0 0 0 8px">{mark}</p>' for mark in marks)


def globe_label(variable: str, show: str, is_learned: bool) -> str:
    """The label of the globe's colours."""
    name = {"u": "U", "v": "V", "value": "SST"}[variable]
    if not is_learned or show == "true":
        return f"{name}, true"
    return f"{name}, true | learned" if show == "both" else f"{name}, learned"
