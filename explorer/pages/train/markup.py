"""HTML of the Train page: result, bars, legends and tables. All external text is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from engine.config.baselines import baseline_title
from engine.evaluation import Verdict
from engine.queries.folds import FoldsVerdict
from engine.queries.train.curves import ScoreBar, SweepSummary
from engine.queries.train.forms import Comparison
from engine.runs import RunRecord
from explorer.pages.train.text import chosen_text, label, scored_on
from explorer.runs_panel import title
from explorer.widgets.text import number, table
from explorer.widgets.verdict import comparison_table, folds_html, verdict_html, verdict_line


def result(record: RunRecord, last: Mapping[str, float], verdict: Verdict | None, is_tested: bool) -> str:
    """HTML of the verdict on a run, or of its state while there is none."""
    if verdict is None:
        return f"<h2>{escape(_not_yet(record, last))}</h2>"
    return verdict_html(verdict, scored_on(record, is_tested))


def folds(result: FoldsVerdict) -> str:
    """HTML of the verdict on the rolling origin that a run belongs to, below its own."""
    return f'<h2 style="margin-top:12px">Rolling origin</h2>{folds_html(result)}'


def _not_yet(record: RunRecord, last: Mapping[str, float]) -> str:
    if record.state == "queued":
        return "The run is queued."
    if record.state == "running":
        fraction = last.get("preparing", math.nan)
        activity = "Reading the data" if record.task == "sst" else "Running"
        return f"{activity}: {100 * fraction:.0f} %." if math.isfinite(fraction) else f"{activity} …"
    return record.failure or f"The run is {record.state}."


def tested(scores: Mapping[str, Any], verdict: Verdict | None) -> str:
    """HTML of the test scores: the model beside the best baseline by class of cells, and all estimates by error."""
    if not scores or verdict is None:
        return ""
    names = {name: "Model" if name == "model" else baseline_title(name) for name in scores}
    errors = {name: score.get("surface", {}).get("sea", {}).get("mae") for name, score in scores.items()}
    known = sorted((error, names[name]) for name, error in errors.items() if error is not None)
    variable, where = verdict.variable, verdict.variable.everywhere
    rows = table((name, variable.error_text(error)) for error, name in known)
    return (
        f"<h2>Model and best baseline on the test months</h2>{comparison_table(verdict)}"
        f"<h2 style=margin-top:10px>Mean absolute error: {where[:1].lower()}{where[1:]}</h2>{rows}"
    )


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


def seeds_title(runs: Sequence[str], records: Mapping[str, RunRecord]) -> str:
    """The title of runs that differ in their seed only."""
    return title(records[min(runs)]) + (f" and {len(runs) - 1} more seeds" if len(runs) > 1 else "")


def score_items(
    score_bars: Sequence[ScoreBar], records: Mapping[str, RunRecord], colours: Mapping[str, str]
) -> list[tuple[str, float, float, str]]:
    """The bars of compared runs; seeds of one configuration are one bar."""
    return [
        (
            seeds_title(bar.runs, records),
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


def verdicts(known: Sequence[tuple[str, Verdict]]) -> str:
    """HTML of the verdicts on compared runs, each with the name of the run or of the seeds."""
    lines = "".join(
        f'<p style="margin-top:8px;color:var(--h-text)">{escape(name)}</p>{verdict_line(verdict)}'
        for name, verdict in known
    )
    return f"<h2 style=margin-top:12px>Compared with baselines on the test months</h2>{lines}" if known else ""


def trials_table(view: SweepSummary, unit: str, most: int = 200) -> str:
    """HTML of all trials, latest first."""
    rows = "".join(
        f"<tr><th scope=row>{trial.number}</th><td style=text-align:left>{escape(trial.state)}</td>"
        f"<td>{'' if trial.value is None else number(trial.value)}</td>"
        f'<td style="text-align:left;padding-left:16px">{escape(chosen_text(trial.chosen))}'
        f"{f'<br><small>{escape(trial.why)}</small>' if trial.why else ''}</td></tr>"
        for trial in list(view.trials)[: -most - 1 : -1]
    )
    head = (
        f"<tr><th>Trial</th><th>State</th><th style=text-align:right>Score{f', {unit}' if unit else ''}</th>"
        "<th style=padding-left:16px>Parameters</th></tr>"
    )
    return f"<details><summary>All {len(view.trials)} trials</summary><table>{head}{rows}</table></details>"
