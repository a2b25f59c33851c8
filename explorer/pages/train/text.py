"""The texts of the Train page, from plain values, and the labels of the settings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from engine.config.months import span_text
from engine.config.sst import SSTSettings
from engine.config.sweep import SweepSettings
from engine.queries.text import duration
from engine.queries.train import forms
from engine.queries.train.cost import DryRun
from engine.queries.train.curves import SweepSummary, SweepTrial
from engine.runs import ACTIVE, RunConfig, RunRecord
from explorer.pages.train.model import TASKS
from explorer.runs_panel import progress_texts
from explorer.task_names import created_text, task_name
from explorer.widgets.text import number

MEAN_ERROR, MODEL_ERROR = "val_mae_mean", "val_mae"
METRICS = {
    "val_mae": "Validation error",
    "train_loss": "Training loss",
    "best": "Best score",
    "learning_rate": "Learning rate",
    "gradient_norm": "Gradient norm",
    "samples_per_s": "Samples per second",
    "memory_mb": "Memory, MB",
}
"""Curves of the task ``sst``, the most important first; other tasks have their own."""

_HIDDEN = ("step", "time", "epoch", "iteration", "preparing")
LAYERS = {
    "Error of the model": "error",
    "Errors: model | mean of observed days": "against",
    "Reconstruction": "reconstruction",
    "Reference: truth or withheld days": "target",
    "Mean of observed days": "observed",
    "Observed days": "count",
    "Predicted uncertainty": "std",
}
_PAGES = {"table": "Learned table", "expert": "Geolocation", "mae": "Tokens"}
AXES = {"step": "Step", "epoch": "Epoch", "time": "Run time, s"}


def metric_name(name: str) -> str:
    """The label of a metric."""
    return METRICS.get(name, name.replace("_", " ").capitalize())


def metric_names(columns: Iterable[str]) -> dict[str, str]:
    """``{label: name}`` of the curves, the most important first; baselines are lines, not choices."""
    present = [name for name in columns if name not in _HIDDEN and not name.startswith(("val_mae_", "skill_"))]
    ordered = [name for name in METRICS if name in present] + [name for name in present if name not in METRICS]
    return {metric_name(name): name for name in ordered}


def scored_on(record: RunRecord, is_tested: bool) -> str:
    """On which months a verdict on a run is."""
    if record.task == "sweep":
        return "The best trial, on the test months"
    if is_tested:
        return "On the test months"
    return "Scored on the validation months" + (" so far" if record.state in ACTIVE else "")


def numbers_rows(record: RunRecord, last: Mapping[str, float]) -> list[tuple[str, str]]:
    """The state of a run."""
    rows: list[tuple[str, str]] = [("State", "stopping" if record.is_stopping else record.state)]
    if record.epoch is not None:
        rows.append(("Epoch", f"{number(record.epoch)} of {number(record.num_epochs or 0)}"))
    if record.seconds_left is not None:
        rows.append(("Time left", duration(record.seconds_left)))
    rows.append(("Run time", duration(record.seconds)))
    names = ("learning_rate", "gradient_norm", "samples_per_s", "memory_mb")
    return rows + [(metric_name(name), number(last[name])) for name in names if math.isfinite(last.get(name, math.nan))]


def details(record: RunRecord, device: str, error_unit: str) -> str:
    """The line under a run's title in the list."""
    percent, left, took = progress_texts(record)
    kind, unit = ("best", error_unit) if record.task in ("sst", "sweep") else ("best loss", "")
    best = f"{kind} {number(record.best)} {unit}".rstrip() if record.best else ""
    where = record.host or ""
    parts = (
        task_name(record.task),
        percent,
        left,
        best,
        took,
        created_text(record),
        where if record.state != "running" else device,
    )
    return " · ".join(part for part in parts if part)


def is_trial(record: RunRecord) -> bool:
    """Whether the run is a trial of a sweep."""
    return any(tag.startswith("sweep ") for tag in record.tags)


def no_map(record: RunRecord) -> str:
    """Why the globe is empty."""
    if record.task in _PAGES:
        return f"This kind of run has no map here. Its results are on the page {_PAGES[record.task]}."
    if record.task != "sst":
        return "This kind of run saves no map."
    return "The first map follows the first epoch." if record.state in ACTIVE else "The run ended before its first map."


def estimate_rows(dry_run: DryRun) -> list[tuple[str, str]]:
    """The estimated cost of a training."""
    return [
        ("Parameters", number(dry_run.num_parameters)),
        ("Memory", f"{dry_run.memory_bytes / 2**20:,.0f} MiB".replace(",", "\u202f")),
        ("Time per step", f"{number(dry_run.seconds_per_step)} s"),
        ("Time per epoch", duration(dry_run.seconds_per_epoch)),
        ("All epochs", duration(dry_run.seconds_total)),
        ("Disk", f"{dry_run.disk_bytes / 1e6:.0f} MB"),
    ]


_TRIAL_STATES = (
    "done", "pruned", "failed", "killed", "cancelled", "illegal", "running", "queued", "created", "interrupted",
)  # fmt: skip


def sweep_sentence(view: SweepSummary, num_requested: int) -> str:
    """The number of trials in each state."""
    num_trials = view.num_by_state()
    parts = [f"{num_trials[state]} {state}" for state in _TRIAL_STATES if state in num_trials]
    return (
        f"{len(view.trials)} trials of {num_requested}: {', '.join(parts)}." if parts else "No trial has started yet."
    )


def chosen_text(chosen: Mapping[str, Any]) -> str:
    """The parameters of a trial."""
    return ", ".join(f"{short(name)} {_short(value)}" for name, value in chosen.items())


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "×".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def plan(config: RunConfig) -> list[str]:
    """A summary of a configuration."""
    settings = config.settings
    if isinstance(settings, SweepSettings):
        varied = ", ".join(f"“{short(name)}”" for name in settings.space)
        pruning = "" if settings.pruner == "none" else f"; {settings.pruner} pruning"
        trials = f"{settings.trials} trials, {settings.parallel} in parallel, vary {varied}{pruning}."
        return [trials, *_training_plan(settings.trial)]
    return _training_plan(settings) if isinstance(settings, SSTSettings) else ["The settings are valid."]


def _training_plan(settings: SSTSettings) -> list[str]:
    days, rows, columns = settings.model.patch
    layers = "1 layer" if settings.model.spatial_layers == 1 else f"{settings.model.spatial_layers} layers"
    return [
        f"Trains on {span_text(settings.train)} in {number(settings.epochs)} epochs of {number(settings.samples)}"
        f" samples of {settings.window[0]} × {settings.window[1]} cells; validation"
        f" {span_text(settings.validation)}, test {span_text(settings.test)}.",
        f"U-Net of {settings.model.levels} resolutions, {settings.model.width} channels at the finest."
        if settings.model.architecture == "unet"
        else f"Tokens of {days} × {rows} × {columns}, width {settings.model.width}, {layers},"
        f" position encoding: {settings.model.encoder}.",
    ]


def trial_sentence(trial: SweepTrial, unit: str) -> str:
    """The parameters and the score of a trial."""
    score = "" if trial.value is None else f", {number(trial.value)} {unit}".rstrip()
    why = f" {trial.why}" if trial.why else ""
    return f"Trial {trial.number}, {trial.state}{score}: {chosen_text(trial.chosen)}.{why}"


# by the end of a field's path, the longest match: "overlap" is a window's, "model.overlap" a patch's
_LABELS = {
    "seed": "Seed",
    # data
    "kind": "Source",
    "step_deg": "Cell size, °",
    "source.seed": "Ocean seed",
    "years": "Number of years",
    "climatology": "Climatology months",
    "train": "Training months",
    "validation": "Validation months",
    "test": "Test months",
    "gap_days": "Gap between splits, days",
    "held_out_box": "Held-out box, °",
    # model
    "model.patch": "Patch, days × rows × columns",
    "model.width": "Token width",
    "heads": "Attention heads",
    "day_layers": "Layers per day",
    "model.time": "Date encoding",
    "cross_month": "Cross-month attention",
    "model.encoder": "Position encoding",
    "num_components": "Components K",
    "encoder_options.net": "Network on the encoding",
    "net_width": "Width of that network",
    "net_layers": "Layers of that network",
    "scale_features": "Sizes of the patch as input",
    "encoder_options.max_degree": "Encoder's degree L",
    "num_scales": "Encoder's scales",
    "min_radius": "Encoder's least scale, rad",
    "encoder_options.scale": "Spread of frequencies, per rad",
    "min_scale": "Least scale σ",
    "max_scale": "Largest scale σ",
    "encoder_options.kappa": "Encoder's κ",
    "max_level": "Finest wavelet level",
    "encoder_options.seed": "Seed of random features",
    "manifold": "Table, columns × rows",
    "summaries": "Statistics of observed days",
    "model.overlap": "Patch overlap, cells",
    "refinement": "Refinement, dilations",
    "norm": "Normalisation",
    "uncertainty": "Predict the uncertainty",
    "residual": "Residual to the mean",
    "offset_celsius": "Offset, °C",
    "scale_kelvin": "Scale, K",
    "checkpointing": "Gradient checkpointing",
    "basis_degree": "Degree L",
    "window": "Window, rows × columns",
    "overlap": "Window overlap, cells",
    # training
    "months": "Months per sample",
    "samples": "Samples per epoch",
    "batch": "Batch size",
    "accumulate": "Gradient accumulation, batches",
    "warmup": "Warm-up, fraction of steps",
    "mixed_axes": "Published reshape (mixes axes)",
    "place_per_window": "One place per window (published)",
    "levels": "U-Net resolutions",
    "beta2": "AdamW β₂",
    "min_learning_rate": "Minimum learning rate",
    "min_improvement": "Minimum improvement, K",
    "loss_weights": "Loss weights",
    "baselines": "Compared with",
    "plateau_patience": "Plateau patience, epochs",
    "clip_norm": "Gradient clip norm",
    "ema_decay": "Weight averaging (EMA)",
    "patience": "Early-stopping patience, epochs",
    "accelerator": "Accelerator",
    "devices": "Devices per node",
    "nodes": "Nodes",
    "space": "Vary",
    "parallel": "Parallel trials",
    # tables, experts, bases, land, archives
    "width": "Columns W",
    "height": "Rows H",
    "topology": "Edges",
    "iterations": "Steps",
    "tiles.kind": "Pictures",
    "tiles.path": "Folder of tiles",
    "tiles.size": "Tile size, pixels",
    "pixel_km": "Pixel size, km",
    "num_lands": "Invented lands",
    "tiles.seed": "Earth seed",
    "num_days": "Days",
    "is_ocean": "Ocean tiles",
    "num_centres": "Number of centres",
    "separation_km": "Minimum distance, km",
    "learn_centres": "Learn the centres",
    "learn_kappa": "Learn κ",
    "encoder": "Image encoder",
    "num_validation": "Validation tiles",
    "num_test": "Test tiles",
    "num_shown": "Saved test tiles",
    "max_degree": "Degree L",
    "encoders": "Encoders",
    "sizes": "Numbers K",
    "degrees": "Degrees L of the harmonic basis",
    "tasks": "Read",
    "splits": "Held out",
    "steps_deg": "Patch sizes, °",
    "seeds": "Repetitions",
    "rows_per_band": "Rows per checkpoint",
    "resolution": "Coastline",
    "first": "First month",
    "last": "Last month",
    "resample": "Resample first",
}
_PLACE = re.compile(r"(\.\d+)+$")  # the index of one of a field's numbers


def label(name: str) -> str:
    """The label of the field ``name``, a path in the settings; ``space.F.low`` belongs to a sweep's search space."""
    if name.startswith("space."):
        field, _, part = name.removeprefix("space.").rpartition(".")
        return f"Vary “{short(field)}”, {part}"
    steps = _PLACE.sub("", name).split(".")
    ends = (".".join(steps[first:]) for first in range(len(steps)))
    return next((_LABELS[end] for end in ends if end in _LABELS), steps[-1].replace("_", " ").capitalize())


def short(name: str) -> str:
    """The label without its units."""
    return label(name).partition(",")[0]


def with_labels(message: str) -> str:
    """A message with the labels in place of names such as ``gap_days``."""
    return _names().sub(lambda match: f"“{label(match[0])}”", message)


@cache
def _names() -> re.Pattern[str]:
    """The names with an underscore, which are no words of a sentence."""
    last = {field.name.rpartition(".")[2] for task in TASKS for field in forms.form_fields(task)}
    return re.compile(rf"\b(?:[a-z]+\.)*({'|'.join(sorted(name for name in last if '_' in name))})\b")


TRAININGS = {"own": "our way", "published": "as published", "likelihood": "Gaussian likelihood"}
"""Training presets as the form names them."""

READING = "The selected runs are being read"
CANCELLED = "Reading was cancelled. Choose the run again to read it."
COMPARISON_CANCELLED = "Reading was cancelled. Select or deselect a run to read the selected ones."
NO_RUN_SHOWN = "No run is on screen. Choose one in the tab Runs."
NOT_READ = "There is nothing to show: this run cannot be read."
FURTHER = "A run of its own goes on from the last epoch, with the same data and model, and is scored like this one."
