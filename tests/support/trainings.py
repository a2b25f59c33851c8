"""Trainings of seconds on the small ocean: their settings, the task in this process, what it reports."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import torch

from engine.config.expert import ExpertSettings, LandTiles
from engine.config.sst import DemoSource, SSTSettings
from engine.models import SpatioTemporalConfig, SpatioTemporalModel
from engine.models.baselines import Climatology
from engine.training.sst import task as sst_task
from engine.training.sst.model_bundle import ModelBundle
from engine.training.sst.positions import fit_basis
from tests.support.ocean import GRID, LAND
from tests.support.run_context import context

MODEL = SpatioTemporalConfig.preset(
    "tiny",
    patch=(1, 2, 2),
    width=16,
    heads=2,
    num_components=8,
    spatial_layers=1,
    decoder_width=16,
    refinement=(1, 1),
    dropout=0.05,
)
SMALL = SSTSettings(
    source=DemoSource(step_deg=2.0, years=4),
    climatology=("2001-01", "2001-12"),
    train=("2002-01", "2002-12"),
    validation=("2003-02", "2003-11"),
    test=("2004-02", "2004-12"),
    model=MODEL,
    basis_degree=4,
    window=(12, 18),
    overlap=4,
    epochs=3,
    samples=8,
    batch=2,
    baselines="cheap",
)
EXPERT = ExpertSettings(
    tiles=LandTiles(size=8),
    num_centres=12,
    width=8,
    head_degree=3,
    epochs=3,
    samples=64,
    batch=16,
    num_validation=16,
    num_test=16,
    num_shown=8,
)
TIMED = {"time", "step", "samples_per_s", "memory_mb"}


def learn(folder: Path, settings: SSTSettings = SMALL, stop_after: int | None = None, **keywords) -> Path:
    folder.mkdir(exist_ok=True)
    run = context(folder, settings, stop_after)
    try:
        sst_task.train_sst(settings, run, **keywords)
    finally:
        run.close()
    return folder


def lines_of(folder: Path) -> list[dict[str, float]]:
    """The lines of metrics without what depends on the clock: repetitions, and the time while data was read."""
    text = (folder / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]  # the last may not be whole yet
    steps = [{name: value for name, value in line.items() if name not in TIMED} for line in lines if "epoch" in line]
    return [line for line, _ in itertools.groupby(steps)]


def untrained(**changes) -> ModelBundle:
    """A model with random weights, everything else as after a training."""
    torch.manual_seed(0)
    settings = SMALL.model_copy(update=changes)
    coeffs = np.random.default_rng(0).normal(10.0, 3.0, (5, *GRID.shape)).astype(np.float32)
    coeffs[:, LAND] = np.nan
    return ModelBundle(
        SpatioTemporalModel(settings.model).eval(),
        settings,
        3,
        fit_basis(settings.model, settings.basis_degree),
        Climatology(coeffs, GRID),
        {"epoch": 1, "val_mae": 0.5, "data_name": "here", "data_key": "k"},
    )
