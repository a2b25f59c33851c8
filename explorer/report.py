"""A report on a training as one HTML file without anything from outside: ``harmonia report ID OUT.html``."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np
import xarray as xr
from PIL import Image

from engine.config.baselines import baseline_title
from engine.evaluation.comparison import difference
from engine.queries.leaderboard import Entry, Leaderboard
from engine.queries.ocean import VariableKind
from engine.queries.report import RunReport
from engine.queries.run_exports import config_json
from engine.runs import ACTIVE
from explorer.theme import TOKENS
from explorer.widgets.globe import colormap_bytes
from explorer.widgets.reliability import place_html, reliability_html
from explorer.widgets.text import paragraph, table
from explorer.widgets.verdict import comparison_table, folds_html, verdict_html

_MAPS = (
    ("reconstruction", "Reconstruction", "values"),
    ("target", "Reference: the truth, or the mean of the withheld days", "values"),
    ("error", "Error of the model", "errors"),
    ("mean_error", "Error of the mean of observed days", "errors"),
)
_SCALES = {"values": ("reconstruction", "target"), "errors": ("error", "mean_error")}
_LABELS = {
    ("sea", "land"): "land",
    ("sea", "grid"): "all cells",
}  # of what is scored
_MAP_WIDTH = 720
_LAND = (128, 134, 144)
_COMPARED = "Model and best baseline, mean absolute error"
_STRATA = {
    "surface": "Surface",
    "class": "Observation of the month",
    "observations": "Number of observed days",
    "latitude": "Latitude",
    "coast": "Distance to the coast",
    "month": "Month of the year",
}
_CSS = """
body { font: 450 14px/1.5 Inter, system-ui, sans-serif; color: var(--h-text); background: var(--h-stage);
  max-width: 1080px; margin: 0 auto; padding: 24px 20px 60px }
h1 { font-size: 22px; margin: 0 } h2 { font-size: 15px; margin: 32px 0 8px } h3 { font-size: 13px; margin: 16px 0 4px }
p { margin: 4px 0 } small, figcaption, th { color: var(--h-secondary) }
table { border-collapse: collapse; font-feature-settings: 'tnum'; max-width: 100% }
th { text-align: left; font-weight: 450; padding: 4px 16px 4px 0; vertical-align: top }
td, th[scope=col] { text-align: right; padding: 4px 0 4px 16px; overflow-wrap: anywhere; vertical-align: top }
tr + tr > * { border-top: 1px solid var(--h-divider) }
.maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 20px }
figure { margin: 0 } figure img { width: 100%; image-rendering: pixelated; border-radius: 6px }
.scale { height: 8px; border-radius: 4px } .ends { display: flex; justify-content: space-between }
pre { overflow: auto; background: var(--h-panel); padding: 12px; border-radius: 8px; font-size: 12px }
.provenance td { text-align: left } .scores { overflow-x: auto }
.scores th, .scores td { overflow-wrap: normal; white-space: nowrap } .scores th[scope=col] { white-space: normal }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr)); gap: 0 48px; align-items: start }
.pair h2 { margin-top: 24px }
.bar { display: grid; grid-template-columns: minmax(120px, 260px) 1fr 250px; gap: 4px 16px; align-items: center;
  padding: 3px 0 }
.bar i { display: block; height: 12px; border-radius: 3px; background: var(--h-disabled) }
.bar.model i { background: var(--h-accent) } .bar.model { font-weight: 600 }
.bar span:last-child { text-align: right; font-feature-settings: 'tnum' }
@media print {
  body { max-width: none; padding: 0; font-size: 12px }
  h2 { break-after: avoid } figure, tr, .bar { break-inside: avoid } details { display: none }
}
"""


def report_html(report: RunReport) -> str:
    """The report as HTML: verdict, all estimates by error, place, uncertainty, scores, maps, provenance, configuration;
    in the theme of the reader's system, light on paper."""
    record = report.record
    title = escape(record.name or record.id)
    synthetic = "<p><b>Synthetic data</b>: the demo ocean, not observations.</p>" if report.is_synthetic else ""
    parts = [
        f"<h1>{title}</h1><p>Reconstruction: {escape(report.variable.phrase)}; {_subject(report)}</p>{synthetic}",
        _verdict(report),
        "" if report.board is None else _board(report.board),
        _section("What the errors are", "".join(map(paragraph, report.scope))),
        _maps(report.fields, report.variable),
        _quality(report),
        _scores(report.scores, report.variable),
        _section("Provenance", f"<div class=provenance>{table(report.provenance)}</div>"),
        _section(
            "Configuration",
            "<p>Saved as CONFIG.json, <code>harmonia train CONFIG.json</code> makes this run anew.</p>"
            f"<details><summary>CONFIG.json</summary><pre>{escape(config_json(report.config).decode())}</pre></details>",
        ),
    ]
    return (
        f"<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>{title} — Harmonia</title>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<style>{_tokens()}{_CSS}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _tokens() -> str:
    """The colours of both themes as CSS variables; that of the reader's system holds."""

    def root(mode: str) -> str:
        return ":root {" + "".join(f"--h-{name}:{value};" for name, value in TOKENS[mode].items()) + "}"

    return f"{root('light')}@media screen and (prefers-color-scheme: dark) {{{root('dark')}}}"


def _section(heading: str, content: str) -> str:
    return f"<h2>{escape(heading)}</h2>{content}" if content else ""


def _verdict(report: RunReport) -> str:
    if report.verdict is None:
        none = "This run has no scores yet." if report.record.state in ACTIVE else "This run ended without scores."
        return _section("Verdict", f"<p>{none}</p>")
    so_far = " so far" if report.record.state in ACTIVE else ""
    scored_on = "On the test months" if report.is_tested else f"Scored on the validation months{so_far}"
    folds = "" if report.folds is None else _section("Rolling origin", folds_html(report.folds))
    return f"<div style='margin-top:20px'>{verdict_html(report.verdict, scored_on)}</div>{folds}"


def _subject(report: RunReport) -> str:
    seeds = f"{report.num_seeds} seeds of " if report.num_seeds > 1 else ""
    return f"{seeds}run {escape(report.record.id)}"


def _board(board: Leaderboard) -> str:
    """Bars of the errors of all models and baselines on the same months, the lowest first."""
    most = max(entry.error + (entry.seed_std or 0.0) for entry in board.entries)
    bars = "".join(
        f'<div class="bar {entry.kind}"><span>{escape(entry.name)}</span>'
        f'<i style="width:{100 * entry.error / most:.1f}%"></i>'
        f"<span>{escape(_error(entry, board.variable))}</span></div>"
        for entry in board.entries
    )
    note = f"<p><small>{escape(board.title)}. In colour: models; grey: baselines.</small></p>"
    return _section("Error of all models and baselines on the same months", bars + note)


def _error(entry: Entry, variable: VariableKind) -> str:
    spread = "" if entry.seed_std is None else f" ± {entry.seed_std:.3f}"
    symbol = f" {variable.error_symbol}".rstrip()
    skill = "" if entry.skill == 0.0 else f", {difference(entry.skill)}"
    return f"{entry.error:.3f}{spread}{symbol}{skill}"


def _quality(report: RunReport) -> str:
    """Where the model's error is lower or higher, what place is worth to it, and whether its uncertainty is right."""
    compared = "" if report.verdict is None else _section(_COMPARED, comparison_table(report.verdict))
    worth = "" if report.place is None else place_html(report.place, report.variable)
    unsure = "" if report.reliability is None else reliability_html(report.reliability, report.variable)
    return f"<div class=pair><div>{compared}{worth}</div><div>{unsure}</div></div>"


def _scores(scores: dict[str, Any], variable: VariableKind) -> str:
    """Mean absolute error of every estimate by stratum."""
    if not scores:
        return ""
    names = ["Model" if name == "model" else baseline_title(name) for name in scores]
    tables = [
        f"<h3>{heading}</h3>{table(_stratum_rows(scores, stratum, variable.place), names)}"
        for stratum, heading in _STRATA.items()
        if any(stratum in strata for strata in scores.values())
    ]
    unit = f", {variable.error_symbol}" if variable.error_symbol else ""
    content = f"<details><summary>By kind of cell, place and season</summary>{''.join(tables)}</details>"
    return _section(f"Mean absolute error of all estimates{unit}", f"<div class=scores>{content}</div>")


def _stratum_rows(scores: dict[str, Any], stratum: str, place: str) -> Iterable[tuple[str, ...]]:
    labels: dict[str, None] = dict.fromkeys(label for strata in scores.values() for label in strata.get(stratum, {}))
    for label in labels:
        errors = [strata.get(stratum, {}).get(label, {}).get("mae") for strata in scores.values()]
        name = _LABELS.get((label, place), label)
        yield (name, *("–" if error is None else f"{error:.3f}" for error in errors))


def _maps(fields: xr.Dataset | None, variable: VariableKind) -> str:
    if fields is None:
        return ""
    figures: list[str] = []
    for name, caption, scale in _MAPS:
        if name in fields and np.isfinite(fields[name]).any():
            is_value, unit = scale == "values", escape(str(fields[name].attrs["units"]))
            colours = variable.palette if is_value else "balance"
            drawn = {
                other: variable.transformed(fields[other].values) if is_value else fields[other].values
                for other in _SCALES[scale]
                if other in fields
            }
            low, high = _limits(list(drawn.values()), colours)
            picture = _png(drawn[name], low, high, colormap_bytes(colours))
            ends = [f"{variable.restored_value(end) if is_value else end:.3g} {unit}" for end in (low, high)]
            figures.append(
                f"<figure><img alt='{caption}' src='data:image/png;base64,{picture}'>"
                f"<div class=scale style='background:{_gradient(colours)}'></div>"
                f"<div class=ends><small>{ends[0]}</small><small>{ends[1]}</small></div>"
                f"<figcaption>{caption}</figcaption></figure>"
            )
    caption = f"The first validation month after epoch {fields.attrs['epoch']}. Grey: {variable.left_out} or not known."
    return _section("Maps", f"<p>{caption}</p><div class=maps>{''.join(figures)}</div>") if figures else ""


def _limits(fields: list[np.ndarray], colours: str) -> tuple[float, float]:
    """Limits of a colour scale, shared by the maps of one kind; errors and anomalies about 0."""
    values = np.concatenate([field.ravel() for field in fields])
    values = values[np.isfinite(values)]
    if colours == "balance":
        limit = float(np.percentile(np.abs(values), 98)) or 0.1
        return -limit, limit
    return float(values.min()), float(values.max())


def _png(field: np.ndarray, low: float, high: float, colours: bytes) -> str:
    """A field (lat, lon), north up, as PNG in base64."""
    palette = np.frombuffer(colours, np.uint8).reshape(256, 3)
    position = np.nan_to_num((field[::-1] - low) / max(high - low, 1e-9))
    pixels = palette[np.clip(255.0 * position, 0, 255).astype(np.uint8)]
    pixels[~np.isfinite(field[::-1])] = _LAND
    factor = max(1, _MAP_WIDTH // pixels.shape[1])
    with io.BytesIO() as content:
        Image.fromarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1)).save(content, "PNG", optimize=True)
        return base64.b64encode(content.getvalue()).decode()


def _gradient(colours: str) -> str:
    palette = np.frombuffer(colormap_bytes(colours), np.uint8).reshape(256, 3)[::15]
    return f"linear-gradient(90deg,{','.join(f'rgb({r},{g},{b})' for r, g, b in palette.tolist())})"
