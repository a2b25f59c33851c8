"""What the Train page says in words, from plain values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from engine.config.sst import SSTSettings
from engine.config.sweep import SweepSettings
from engine.queries.text import duration
from engine.queries.train.cost import DryRun
from engine.queries.train.curves import SweepSummary, SweepTrial
from engine.runs import ACTIVE, RunConfig, RunRecord
from explorer.pages.train import labels
from explorer.widgets.text import number

MEAN_SKILL, MEAN_ERROR, MODEL_ERROR = "skill_mean", "val_mae_mean", "val_mae"
TIE = 0.005
"""A skill nearer to 0 than this is called a tie."""

BASELINES = {
    "mean": "Mean of valid days",
    "mean_debiased": "Mean, bias removed",
    "climatology": "Climatology",
    "climatology_anomaly": "Climatology and anomaly",
}
METRICS = {
    "val_mae": "Error on validation",
    "train_loss": "Loss in training",
    "best": "Best score",
    "learning_rate": "Learning rate",
    "gradient_norm": "Gradient norm",
    "samples_per_s": "Samples a second",
    "memory_mb": "Memory, MB",
}
"""Curves of the task ``sst``, those that matter first; other tasks name their own."""

_HIDDEN = ("step", "time", "epoch", "iteration", "preparing")
LAYERS = {
    "Error of the model": "error",
    "Errors: model | mean of valid days": "against",
    "Reconstruction": "reconstruction",
    "Truth": "target",
    "Mean of valid days": "observed",
    "Valid days": "count",
    "Predicted spread": "std",
}
_ELSEWHERE = {"table": "Table", "expert": "MvMF"}
AXES = {"step": "Step", "epoch": "Epoch", "time": "Seconds of running"}


def metric_name(name: str) -> str:
    """What a metric is called."""
    return METRICS.get(name, name.replace("_", " ").capitalize())


def metric_names(columns: Iterable[str]) -> dict[str, str]:
    """``{label: name}`` of the curves that can be drawn, those that matter first; baselines are lines, not choices."""
    present = [name for name in columns if name not in _HIDDEN and not name.startswith(("val_mae_", "skill_"))]
    ordered = [name for name in METRICS if name in present] + [name for name in present if name not in METRICS]
    return {metric_name(name): name for name in ordered}


def tested_errors(scores: Mapping[str, Any]) -> tuple[float, float] | None:
    """The mean absolute errors (K) of the model and of the mean of valid days on the test years, if they are known."""
    try:
        return scores["model"]["surface"]["sea"]["mae"], scores["mean"]["surface"]["sea"]["mae"]
    except KeyError:
        return None


def badge(last: Mapping[str, float], scores: Mapping[str, Any]) -> tuple[str, str]:
    """The skill against the mean of valid days in words, and whether that is good, bad or neither.

    It is the verdict's, of the test years; before there is one, that on validation, and said to be.
    """
    tested = tested_errors(scores)
    skill = last.get(MEAN_SKILL, math.nan) if tested is None else 1 - tested[0] / tested[1]
    where = ", validation" if tested is None else ""
    if not math.isfinite(skill):
        return "", ""
    percent = f"{abs(100 * skill):.0f} %"
    if abs(skill) < TIE:
        return f"as good as the mean{where}", ""
    said, verdict = ("better", "good") if skill > 0 else ("worse", "bad")
    return f"{percent} {said} than the mean{where}", verdict


def numbers_rows(record: RunRecord, last: Mapping[str, float]) -> list[tuple[str, str]]:
    """Where a run stands."""
    rows: list[tuple[str, str]] = [("State", "stopping" if record.is_stopping else record.state)]
    if record.epoch is not None:
        rows.append(("Epoch", f"{number(record.epoch)} of {number(record.num_epochs or 0)}"))
    if record.seconds_left is not None:
        rows.append(("Time left", duration(record.seconds_left)))
    rows.append(("Ran", duration(record.seconds)))
    told = ("learning_rate", "gradient_norm", "samples_per_s", "memory_mb")
    return rows + [(metric_name(name), number(last[name])) for name in told if math.isfinite(last.get(name, math.nan))]


def details(record: RunRecord, device: str) -> str:
    """The line under a run's title in the list."""
    percent = f"{100 * record.progress:.0f} %" if record.state == "running" else ""
    left = f"{duration(record.seconds_left)} left" if record.seconds_left is not None else ""
    took = f"ran {duration(record.seconds)}" if record.seconds and record.state not in ACTIVE else ""
    kind, unit = ("best", " K") if record.task in ("sst", "sweep") else ("best loss", "")
    best = f"{kind} {number(record.best)}{unit}" if record.best else ""
    started = "" if not record.created else f"{record.id[6:8]}.{record.id[4:6]}. {record.id[9:11]}:{record.id[11:13]}"
    where = record.host or ""
    parts = (record.task, percent, left, best, took, started, where if record.state != "running" else device)
    return " · ".join(part for part in parts if part)


def is_trial(record: RunRecord) -> bool:
    """Whether a sweep has made this run."""
    return any(tag.startswith("sweep ") for tag in record.tags)


def no_map(record: RunRecord) -> str:
    """Why the globe is empty, in a sentence."""
    if record.task in _ELSEWHERE:
        return f"This kind of run has no map here. What it learns is on the page {_ELSEWHERE[record.task]}."
    if record.task != "sst":
        return "This kind of run keeps no map."
    return "The first map comes after the first epoch." if record.state in ACTIVE else "It ended before its first map."


def estimate_rows(found: DryRun) -> list[tuple[str, str]]:
    """What two steps have shown."""
    return [
        ("Parameters", number(found.num_parameters)),
        ("Memory", f"{found.memory_bytes / 2**20:,.0f} MiB".replace(",", "\u202f")),
        ("Time of a step", f"{number(found.seconds_per_step)} s"),
        ("Time of an epoch", duration(found.seconds_per_epoch)),
        ("All epochs", duration(found.seconds_total)),
        ("Disk", f"{found.disk_bytes / 1e6:.0f} MB"),
    ]


def sweep_sentence(view: SweepSummary, asked: int) -> str:
    """How a sweep stands: pruned, failed and killed trials are told apart."""
    counts = view.num_by_state()
    order = [
        "done",
        "pruned",
        "failed",
        "killed",
        "cancelled",
        "illegal",
        "running",
        "queued",
        "created",
        "interrupted",
    ]
    parts = [f"{counts[state]} {state}" for state in order if state in counts]
    return f"{len(view.trials)} trials of {asked}: {', '.join(parts)}." if parts else "No trial has begun yet."


def chosen_text(chosen: Mapping[str, Any]) -> str:
    """What a trial has chosen, in a line."""
    return ", ".join(f"{labels.short(name)} {_short(value)}" for name, value in chosen.items())


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "×".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def plan(config: RunConfig) -> list[str]:
    """What a run of this configuration will do, in sentences."""
    settings = config.settings
    if isinstance(settings, SweepSettings):
        varied = ", ".join(f"“{labels.short(name)}”" for name in settings.space)
        return [
            f"{settings.trials} trials, {settings.parallel} at a time, vary {varied}; what falls behind is given up"
            f" by {settings.pruner}."
            if settings.pruner != "none"
            else f"{settings.trials} trials, {settings.parallel} at a time, vary {varied}.",
            *_course(settings.trial),
        ]
    return _course(settings) if isinstance(settings, SSTSettings) else ["All fields are right."]


def _course(settings: SSTSettings) -> list[str]:
    days, rows, columns = settings.model.patch
    places = {"harmonic": "harmonics", "sinusoidal": "sines", "table": "a table", "none": "nothing"}
    layers = "1 layer" if settings.model.spatial_layers == 1 else f"{settings.model.spatial_layers} layers"
    return [
        f"Learns {_years(settings.train_years)} in {number(settings.epochs)} epochs of {number(settings.samples)}"
        f" windows of {settings.window[0]} × {settings.window[1]} cells; {_years(settings.validation_years)} decides,"
        f" {_years(settings.test_years)} judges.",
        f"Tokens of {days} × {rows} × {columns} with {settings.model.width} numbers,"
        f" {layers}, told their place by {places[settings.model.encoder]}.",
    ]


def _years(years: tuple[int, int]) -> str:
    return str(years[0]) if years[0] == years[1] else f"{years[0]}–{years[1]}"


def trial_sentence(trial: SweepTrial) -> str:
    """What a trial chose and how it fared."""
    score = "" if trial.value is None else f", {number(trial.value)} K"
    why = f" {trial.why}" if trial.why else ""
    return f"Trial {trial.number}, {trial.state}{score}: {chosen_text(trial.chosen)}.{why}"
