"""What a field of the settings is called, the same in the form, in comparisons and in sweeps."""

from __future__ import annotations

import re
from functools import cache

from engine.queries.train import forms
from explorer.pages.train.model import TASKS

# By the end of a field's path, the longest that is known: "overlap" is a window's, "model.overlap" a patch's.
_LABELS = {
    "seed": "Seed",
    # which data
    "kind": "Source",
    "step_deg": "Cell size, °",
    "source.seed": "Which ocean",
    "years": "Number of years",
    "train_years": "Training years",
    "gap_months": "Months left out between",
    "held_out_box": "Held-out box, °",
    # which model
    "model.patch": "Patch, days × rows × columns",
    "model.width": "Token width",
    "heads": "Attention heads",
    "day_layers": "Layers of a day",
    "model.time": "Date given by",
    "cross_month": "Months see each other",
    "model.encoder": "Place given by",
    "num_components": "Components K",
    "manifold": "Table, columns × rows",
    "summaries": "Summary of the valid days",
    "model.overlap": "Patch overlap, cells",
    "refinement": "Refinement, dilations",
    "norm": "Normalisation",
    "uncertainty": "Predict the uncertainty",
    "residual": "Start from the mean",
    "offset_celsius": "Offset, °C",
    "scale_kelvin": "Scale, K",
    "checkpointing": "Less memory, more time",
    "basis_degree": "Degree L",
    "window": "Window, rows × columns",
    "overlap": "Window overlap, cells",
    # how it learns
    "months": "Months of a sample",
    "samples": "Windows of an epoch",
    "batch": "Batch size",
    "accumulate": "Batches of a step",
    "warmup": "Warm-up, share of steps",
    "plateau_patience": "Epochs until halved",
    "clip_norm": "Largest gradient",
    "ema_decay": "Weight averaging (EMA)",
    "patience": "Patience, epochs",
    "accelerator": "Computes on",
    "devices": "Devices of a machine",
    "nodes": "Machines",
    "space": "Vary",
    "parallel": "Trials at once",
    # tables, experts, bases, land, archives
    "width": "Columns W",
    "height": "Rows H",
    "topology": "Edges",
    "iterations": "Steps",
    "tiles.kind": "Pictures",
    "tiles.path": "Folder of tiles",
    "tiles.size": "Tile size, pixels",
    "pixel_km": "Pixel size, km",
    "tiles.seed": "Which Earth",
    "num_days": "Days",
    "is_ocean": "Tiles show the sea",
    "num_centres": "Number of centres",
    "separation_km": "Least distance, km",
    "learn_centres": "Move the centres",
    "learn_kappa": "Learn how sharp",
    "encoder": "Picture network",
    "num_validation": "Validation tiles",
    "num_test": "Test tiles",
    "num_shown": "Tiles shown",
    "max_degree": "Degree L",
    "rows_per_band": "Rows until a checkpoint",
    "resolution": "Coastline",
    "first": "First month",
    "last": "Last month",
    "resample": "Resample first",
}
_PLACE = re.compile(r"(\.\d+)+$")  # which of a field's numbers is meant


def label(name: str) -> str:
    """What the field ``name`` (a path in the settings) is called; ``space.F.low`` is a part of what a sweep varies."""
    if name.startswith("space."):
        field, _, part = name.removeprefix("space.").rpartition(".")
        return f"Vary “{short(field)}”, {part}"
    steps = _PLACE.sub("", name).split(".")
    ends = (".".join(steps[first:]) for first in range(len(steps)))
    return next((_LABELS[end] for end in ends if end in _LABELS), steps[-1].replace("_", " ").capitalize())


def short(name: str) -> str:
    """The label without its units, for an axis or a sentence."""
    return label(name).partition(",")[0]


def in_words(said: str) -> str:
    """What is wrong with a setting, with the labels in place of names such as ``train_years``."""
    return _names().sub(lambda found: f"“{label(found[0])}”", said)


@cache
def _names() -> re.Pattern[str]:
    """The names that cannot be words of a sentence: those of several words."""
    last = {field.name.rpartition(".")[2] for task in TASKS for field in forms.form_fields(task)}
    return re.compile(rf"\b(?:[a-z]+\.)*({'|'.join(sorted(name for name in last if '_' in name))})\b")
