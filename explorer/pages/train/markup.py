"""Pieces of the Train page's markup: the verdict, bars, keys and tables. All that came from outside is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from engine.queries.train.curves import ScoreBar, SweepSummary
from engine.queries.train.forms import Comparison
from engine.runs import ACTIVE, RunRecord
from explorer.pages.train import labels
from explorer.pages.train.text import BASELINES, MEAN_ERROR, MODEL_ERROR, TIE, chosen_text, tested_errors
from explorer.runs_panel import title
from explorer.widgets.text import number, table


def verdict(record: RunRecord, last: Mapping[str, float], scores: Mapping[str, Any]) -> str:
    """HTML of the answer to what everybody asks: is the model better than the plain mean?"""
    tested = tested_errors(scores)
    if tested is not None:
        return _answer(*tested, "on the test years, which nothing else has seen")
    model, mean = (last.get(name, math.nan) for name in (MODEL_ERROR, MEAN_ERROR))
    if math.isfinite(model) and math.isfinite(mean) and mean > 0:
        return _answer(model, mean, "on validation" + (" so far" if record.state in ACTIVE else ""))
    return f"<h2>{escape(_not_yet(record, last))}</h2>"


def _answer(model: float, mean: float, where: str) -> str:
    skill = 1.0 - model / mean
    said, kind = {
        True: ("The model beats the plain mean", "success"),
        False: ("The plain mean beats the model", "error"),
    }[skill > 0]
    if abs(skill) < TIE:
        said, kind = "The model equals the plain mean", "warning"
    sign, colour = "−" if skill > 0 else "+", f"var(--h-{kind})"
    return (
        f'<div role=status style="border-left:3px solid {colour};padding-left:12px">'
        f'<div style="font:620 16px/1.25 Inter,system-ui,sans-serif">{said}</div>'
        f'<div style="font:620 26px/1.3 Inter,system-ui,sans-serif;color:{colour}">{sign}{abs(100 * skill):.0f} %'
        f'<small style="font:450 13px Inter,system-ui,sans-serif;color:var(--h-secondary)"> error</small></div>'
        f"<p>{number(model)} K against {number(mean)} K, {escape(where)}.</p></div>"
    )


def _not_yet(record: RunRecord, last: Mapping[str, float]) -> str:
    if record.state == "queued":
        return "It waits for its turn."
    if record.state == "running":
        share = last.get("preparing", math.nan)
        said = "It reads its data" if record.task == "sst" else "It works"
        return f"{said}: {100 * share:.0f} %." if math.isfinite(share) else f"{said} …"
    return record.failure or f"The run is {record.state}."


def tested(scores: Mapping[str, Any]) -> str:
    """HTML of the scores on the test years: all estimates, smallest error first, and model against mean by coverage."""
    if not scores:
        return ""
    names = {"model": "The model", **BASELINES}
    errors = {name: found.get("surface", {}).get("sea", {}).get("mae") for name, found in scores.items()}
    known = sorted((error, names.get(name, name)) for name, error in errors.items() if error is not None)
    rows = table((name, f"{number(error)} K") for error, name in known)
    classes = _class_rows(scores)
    return f"<h2>Error on the test years</h2>{rows}" + (
        f"<h2 style=margin-top:10px>Model against mean</h2>{table(classes)}" if classes else ""
    )


def _class_rows(scores: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Model against mean where cells were observed, withheld or never observed, on the test years."""
    names = {"observed": "Observed cells", "withheld": "Withheld cells", "never": "Never observed"}
    rows: list[tuple[str, str]] = []
    for label, said in names.items():
        pair = [scores.get(name, {}).get("class", {}).get(label, {}).get("mae") for name in ("model", "mean")]
        if None not in pair:
            rows.append((said, f"{number(pair[0])} against {number(pair[1])} K"))
    return rows


def key(lines: Iterable[tuple[str, str, bool]]) -> str:
    """HTML of what lines are: ``(name, colour, dashed)`` each."""
    marks = (
        f'<p style="margin:0;display:flex;gap:8px;align-items:center"><i style="flex:none;width:18px;border-top:'
        f'{"2px dashed" if dashed else "3px solid"} {colour}"></i><span style="overflow-wrap:anywhere">'
        f"{escape(name)}</span></p>"
        for name, colour, dashed in lines
    )
    return "".join(marks)


def bars(items: Sequence[tuple[str, float, float, str]], unit: str) -> str:
    """HTML of bars ``(name, value, spread, colour)``, the longest as wide as there is room; a whisker is the spread."""
    most = max((value + spread for _, value, spread, _ in items), default=0.0) or 1.0
    drawn: list[str] = []
    for name, value, spread, colour in items:
        low, high = (100 * max(0.0, end) / most for end in (value - spread, value + spread))
        whisker = f'<i style="position:absolute;left:{low:.1f}%;width:{high - low:.1f}%;top:5px;border-top:2px solid var(--h-text)"></i>'  # noqa: E501
        said = f"{number(value)}{f' ± {number(spread)}' if spread else ''} {unit}".strip()
        drawn.append(
            '<div style="margin:8px 0 0"><div style="display:flex;gap:8px">'
            f'<span style="flex:1;overflow-wrap:anywhere">{escape(name)}</span><b>{escape(said)}</b></div>'
            f'<div style="position:relative;height:10px"><i style="position:absolute;height:10px;border-radius:3px;'
            f'width:{100 * value / most:.1f}%;background:{colour}"></i>{whisker if spread else ""}</div></div>'
        )
    return "".join(drawn)


def score_items(
    found: Sequence[ScoreBar], records: Mapping[str, RunRecord], colours: Mapping[str, str]
) -> list[tuple[str, float, float, str]]:
    """The bars of compared runs; seeds of one configuration are one bar."""
    return [
        (
            title(records[min(bar.runs)]) + (f" and {len(bar.runs) - 1} more of its kind" if len(bar.runs) > 1 else ""),
            bar.mean,
            bar.std,
            colours[min(bar.runs)],
        )
        for bar in found
    ]


def differences(found: Comparison, names: Sequence[tuple[str, str]]) -> str:
    """HTML table of what the configurations of runs ``(name, colour)`` differ in, then of what they share."""
    look = "text-align:left;color:var(--h-text);border-bottom:2px solid"
    heads = "".join(f'<th scope=col style="{look} {colour}">{escape(name)}</th>' for name, colour in names)

    def lines(rows: Iterable[tuple[str, tuple[str, ...]]]) -> str:
        return "".join(
            f"<tr>{field_head(name)}"
            + "".join(f'<td style="text-align:left;padding-right:12px">{escape(_value(one))}</td>' for one in values)
            + "</tr>"
            for name, values in rows
        )

    differ, same = found.rows[: found.num_differing], found.rows[found.num_differing :]
    said = "" if differ else f'<tr><td colspan={len(names) + 1} style="text-align:left">Nothing differs.</td></tr>'
    shared = lines((name, (values[0],)) for name, values in same)
    return (
        f"<h2>What differs</h2><table><tr><th>Field</th>{heads}</tr>{said}{lines(differ)}</table>"
        f"<details><summary>{len(same)} fields they share</summary><table>{shared}</table></details>"
    )


def field_head(name: str) -> str:
    """HTML of a row's head: what a field is called; pointed at, how it is written in a configuration."""
    return f'<th scope=row title="{escape(name)}">{escape(labels.label(name))}</th>'


def _value(text: str) -> str:
    """A setting as a person writes it."""
    return {"true": "yes", "false": "no"}.get(text, text.strip("[]"))


def skills(known: Sequence[tuple[str, str]]) -> str:
    """HTML of each run's skill against the mean of valid days."""
    return f"<h2 style=margin-top:12px>Against the mean of valid days</h2>{table(known)}" if known else ""


def trials_table(view: SweepSummary, most: int = 200) -> str:
    """HTML of all trials, newest first."""
    rows = "".join(
        f"<tr><th scope=row>{trial.number}</th><td style=text-align:left>{escape(trial.state)}</td>"
        f"<td>{'' if trial.value is None else number(trial.value)}</td>"
        f'<td style="text-align:left;padding-left:16px">{escape(chosen_text(trial.chosen))}'
        f"{f'<br><small>{escape(trial.why)}</small>' if trial.why else ''}</td></tr>"
        for trial in list(view.trials)[: -most - 1 : -1]
    )
    head = (
        "<tr><th>Trial</th><th>State</th><th style=text-align:right>Score, K</th>"
        "<th style=padding-left:16px>Choices</th></tr>"
    )
    return f"<details><summary>All {len(view.trials)} trials</summary><table>{head}{rows}</table></details>"
