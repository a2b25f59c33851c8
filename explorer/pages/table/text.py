"""What the Table page says in words, from plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.queries.table import BaselineScore
from engine.queries.text import duration
from explorer.widgets.text import number

Fact = tuple[str, str, str]
Sentence = tuple[str, bool]

NAMES = {"force": "Field of force", "august": "SST of August 2012"}
_FIELDS = {"force": "field of force", "august": "temperature of the sea in August 2012"}
_KM_PER_DEGREE = 111.195


def part_name(variable: str) -> str:
    """The part of the field that is drawn as colours."""
    return {"u": "U = cos 2λ", "v": "V = sin 2φ", "value": "Sea-surface temperature"}[variable]


def cell_sentence(width: int, height: int, padding: int) -> str:
    """How large a cell is and how far a cell sees."""
    wide, high = 360 / width, 180 / height
    seen = f"and sees {padding} cells, {number(padding * high * _KM_PER_DEGREE)} km, each way" if padding else "alone"
    return f"A cell is {number(wide)}° × {number(high)}°, {number(high * _KM_PER_DEGREE)} km high, {seen}."


def invitation(target: str, percent: int, iterations: int, seconds: float) -> str:
    """What a run will do and how long it will take."""
    return (
        f"Learn the {_FIELDS[target]} from {percent} % of its points in {number(iterations)} steps: "
        f"about {duration(seconds)} on two cores."
    )


def unit(units: str) -> str:
    """Units as they are written behind a number; none for plain numbers."""
    return "" if units == "1" else units


def verdict(test: float, baseline: BaselineScore, units: str, is_over: bool) -> Sentence:
    """The table against the plainest baseline, on the points that it has not seen."""
    mine, other = (f"{number(value)} {unit(units)}".strip() for value in (test, baseline.test_l1))
    said = f"On unseen points the table errs by {mine}, the {baseline.name} by {other}: "
    if test < baseline.test_l1:
        return f"{said}the table wins.", False
    still = "the table loses." if is_over else "so far the table loses."
    return f"{said}{still}", is_over


def score_rows(last: Mapping[str, float], baseline: BaselineScore | None, units: str) -> list[tuple[str, str]]:
    """Mean absolute errors, of the table and of its baseline."""
    scores = [
        ("Sampled points", last.get("train_l1")),
        ("Unseen points", last.get("test_l1")),
        ("Unseen, by area", last.get("test_area_l1")),
        ("Nearest sampled point", baseline and baseline.test_l1),
        ("The same, by area", baseline and baseline.test_area_l1),
    ]
    return [(name, f"{number(value)} {unit(units)}".strip()) for name, value in scores if value is not None]


def facts(last: Mapping[str, float], baseline: BaselineScore | None, units: str) -> list[Fact]:
    """The read-out of a run."""
    found = [
        ("Error, unseen", number(last["test_l1"]), unit(units)),
        ("Error, sample", number(last["train_l1"]), unit(units)),
    ]
    if baseline is not None:
        found.append(("Nearest point", number(baseline.test_l1), unit(units)))
    return found


LOSS = "Mean absolute error over the steps, on the sample and on the points that the table has not seen."
WAITING_LOSS = "No run of this choice yet. Train it to see its error fall."


_ROWS = "the same rows from 180° away (sphere), the other pole's (torus), the edge row again (clamp)"
_BEYOND = {
    "North Pole": _ROWS,
    "South Pole": _ROWS,
    "Date line": "the columns of its other side (sphere, torus), the edge column again (clamp)",
}


def edges_sentence(place: str, num_cells: int) -> str:
    """What the close-ups show."""
    return f"{num_cells} cells each way. Beyond the dashed edge: {_BEYOND[place]}."


def topology_rows(errors: Mapping[str, float | None], units: str) -> list[tuple[str, str]]:
    """The error on unseen points of each topology's run, as it is; the best one is marked."""
    known = [value for value in errors.values() if value is not None]
    best = min(known) if len(known) == len(errors) else None
    return [
        (
            f"Unseen points, {name}",
            "not trained"
            if value is None
            else f"{number(value)} {unit(units)}".strip() + (" · best" if value == best else ""),
        )
        for name, value in errors.items()
    ]


def captions(percent: int, num_points: int | None, iteration: int | None, is_over: bool) -> Sequence[str]:
    """Headings of the three fields."""
    points = "" if num_points is None else f", {number(num_points)} points"
    step = "" if iteration is None else number(iteration)
    learned = f"done after {step} steps" if is_over else f"at step {step}" if step else "nothing yet"
    return "True", f"Sampled, {percent} %{points}", f"Learned, {learned}"


def loss_key(lines: Sequence[tuple[str, str]]) -> str:
    """HTML of what the lines of the loss are, ``(name, colour)`` each."""
    marks = (f'<span style="color:{colour};font-weight:700">━</span> {name}' for name, colour in lines)
    return "".join(f'<p style="margin:0 0 0 8px">{mark}</p>' for mark in marks)


def globe_label(variable: str, show: str, is_learned: bool) -> str:
    """What the globe's colours are."""
    name = {"u": "U", "v": "V", "value": "SST"}[variable]
    if not is_learned or show == "true":
        return f"{name}, true"
    return f"{name}, true | learned" if show == "both" else f"{name}, learned"
