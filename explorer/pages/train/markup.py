"""HTML of the Train page: result, bars, legends and tables. All external text is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from engine.queries.train.curves import ScoreBar, SweepSummary
from engine.queries.train.forms import Comparison
from engine.runs import ACTIVE, RunRecord
from explorer.pages.train.text import BASELINES, MEAN_ERROR, MODEL_ERROR, TIE, chosen_text, label, tested_errors
from explorer.runs_panel import title
from explorer.widgets.text import number, table


def verdict(record: RunRecord, last: Mapping[str, float], scores: Mapping[str, Any]) -> str:
    """HTML of the result: the error of the model relative to the mean of observed days."""
    tested = tested_errors(scores)
    if tested is not None:
        return _answer(*tested, "on the test years")
    model, mean = (last.get(name, math.nan) for name in (MODEL_ERROR, MEAN_ERROR))
    if math.isfinite(model) and math.isfinite(mean) and mean > 0:
        return _answer(model, mean, "on the validation years" + (" so far" if record.state in ACTIVE else ""))
    return f"<h2>{escape(_not_yet(record, last))}</h2>"


def _answer(model: float, mean: float, where: str) -> str:
    skill = 1.0 - model / mean
    relation, kind = ("Lower", "success") if skill > 0 else ("Higher", "error")
    if abs(skill) < TIE:
        relation, kind = "Same", "warning"
    comparison = f"{relation} error {'as' if relation == 'Same' else 'than'} the mean of observed days"
    sign, colour = "−" if skill > 0 else "+", f"var(--h-{kind})"
    return (
        f'<div role=status style="border-left:3px solid {colour};padding-left:12px">'
        f'<div style="font:620 16px/1.25 Inter,system-ui,sans-serif">{comparison}</div>'
        f'<div style="font:620 26px/1.3 Inter,system-ui,sans-serif;color:{colour}">{sign}{abs(100 * skill):.0f} %'
        f'<small style="font:450 13px Inter,system-ui,sans-serif;color:var(--h-secondary)"> error</small></div>'
        f"<p>{number(model)} K against {number(mean)} K, {escape(where)}.</p></div>"
    )


def _not_yet(record: RunRecord, last: Mapping[str, float]) -> str:
    if record.state == "queued":
        return "The run is queued."
    if record.state == "running":
        fraction = last.get("preparing", math.nan)
        activity = "Reading the data" if record.task == "sst" else "Running"
        return f"{activity}: {100 * fraction:.0f} %." if math.isfinite(fraction) else f"{activity} …"
    return record.failure or f"The run is {record.state}."


def tested(scores: Mapping[str, Any]) -> str:
    """HTML of the test scores: all estimates, smallest error first, and model and mean by class of cells."""
    if not scores:
        return ""
    names = {"model": "Model", **BASELINES}
    errors = {name: score.get("surface", {}).get("sea", {}).get("mae") for name, score in scores.items()}
    known = sorted((error, names.get(name, name)) for name, error in errors.items() if error is not None)
    rows = table((name, f"{number(error)} K") for error, name in known)
    classes = _class_rows(scores)
    return f"<h2>Error on the test years</h2>{rows}" + (
        f"<h2 style=margin-top:10px>Model and mean of observed days</h2>{table(classes)}" if classes else ""
    )


def _class_rows(scores: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Errors of model and mean where cells were observed, withheld or never observed."""
    names = {"observed": "Observed cells", "withheld": "Withheld cells", "never": "Never observed"}
    rows: list[tuple[str, str]] = []
    for key, row in names.items():
        pair = [scores.get(name, {}).get("class", {}).get(key, {}).get("mae") for name in ("model", "mean")]
        if None not in pair:
            rows.append((row, f"{number(pair[0])} / {number(pair[1])} K"))
    return rows


def key(lines: Iterable[tuple[str, str, bool]]) -> str:
    """HTML of a legend of lines, ``(name, colour, dashed)`` each."""
    marks = (
        f'<p style="margin:0;display:flex;gap:8px;align-items:center"><i style="flex:none;width:18px;border-top:'
        f'{"2px dashed" if dashed else "3px solid"} {colour}"></i><span style="overflow-wrap:anywhere">'
        f"{escape(name)}</span></p>"
        for name, colour, dashed in lines
    )
    return "".join(marks)


def bars(items: Sequence[tuple[str, float, float, str]], unit: str) -> str:
    """HTML of bars ``(name, value, spread, colour)``, scaled to the longest; a whisker is the spread."""
    most = max((value + spread for _, value, spread, _ in items), default=0.0) or 1.0
    drawn: list[str] = []
    for name, value, spread, colour in items:
        low, high = (100 * max(0.0, end) / most for end in (value - spread, value + spread))
        whisker = f'<i style="position:absolute;left:{low:.1f}%;width:{high - low:.1f}%;top:5px;border-top:2px solid var(--h-text)"></i>'  # noqa: E501
        shown = f"{number(value)}{f' ± {number(spread)}' if spread else ''} {unit}".strip()
        drawn.append(
            '<div style="margin:8px 0 0"><div style="display:flex;gap:8px">'
            f'<span style="flex:1;overflow-wrap:anywhere">{escape(name)}</span><b>{escape(shown)}</b></div>'
            f'<div style="position:relative;height:10px"><i style="position:absolute;height:10px;border-radius:3px;'
            f'width:{100 * value / most:.1f}%;background:{colour}"></i>{whisker if spread else ""}</div></div>'
        )
    return "".join(drawn)


def score_items(
    score_bars: Sequence[ScoreBar], records: Mapping[str, RunRecord], colours: Mapping[str, str]
) -> list[tuple[str, float, float, str]]:
    """The bars of compared runs; seeds of one configuration are one bar."""
    return [
        (
            title(records[min(bar.runs)]) + (f" and {len(bar.runs) - 1} more seeds" if len(bar.runs) > 1 else ""),
            bar.mean,
            bar.std,
            colours[min(bar.runs)],
        )
        for bar in score_bars
    ]


def differences(comparison: Comparison, names: Sequence[tuple[str, str]]) -> str:
    """HTML table of the differing fields of runs ``(name, colour)``, then of the equal ones."""
    style = "text-align:left;color:var(--h-text);border-bottom:2px solid"
    heads = "".join(f'<th scope=col style="{style} {colour}">{escape(name)}</th>' for name, colour in names)

    def lines(rows: Iterable[tuple[str, tuple[str, ...]]]) -> str:
        return "".join(
            f"<tr>{field_head(name)}"
            + "".join(
                f'<td style="text-align:left;padding-right:12px">{escape(_value(value))}</td>' for value in values
            )
            + "</tr>"
            for name, values in rows
        )

    differ, same = comparison.rows[: comparison.num_differing], comparison.rows[comparison.num_differing :]
    none = "" if differ else f'<tr><td colspan={len(names) + 1} style="text-align:left">No differences.</td></tr>'
    shared = lines((name, (values[0],)) for name, values in same)
    return (
        f"<h2>Differences</h2><table><tr><th>Field</th>{heads}</tr>{none}{lines(differ)}</table>"
        f"<details><summary>{len(same)} equal fields</summary><table>{shared}</table></details>"
    )


def field_head(name: str) -> str:
    """HTML of a row's head: the label of a field, with its name in files as a tooltip."""
    return f'<th scope=row title="{escape(name)}">{escape(label(name))}</th>'


def _value(text: str) -> str:
    """A setting as text."""
    return {"true": "yes", "false": "no"}.get(text, text.strip("[]"))


def skills(known: Sequence[tuple[str, str]]) -> str:
    """HTML of each run's error relative to the mean of observed days."""
    return f"<h2 style=margin-top:12px>Compared with the mean of observed days</h2>{table(known)}" if known else ""


def trials_table(view: SweepSummary, most: int = 200) -> str:
    """HTML of all trials, latest first."""
    rows = "".join(
        f"<tr><th scope=row>{trial.number}</th><td style=text-align:left>{escape(trial.state)}</td>"
        f"<td>{'' if trial.value is None else number(trial.value)}</td>"
        f'<td style="text-align:left;padding-left:16px">{escape(chosen_text(trial.chosen))}'
        f"{f'<br><small>{escape(trial.why)}</small>' if trial.why else ''}</td></tr>"
        for trial in list(view.trials)[: -most - 1 : -1]
    )
    head = (
        "<tr><th>Trial</th><th>State</th><th style=text-align:right>Score, K</th>"
        "<th style=padding-left:16px>Parameters</th></tr>"
    )
    return f"<details><summary>All {len(view.trials)} trials</summary><table>{head}{rows}</table></details>"
