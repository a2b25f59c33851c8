"""What the shipped model and training cost and reach: skill on oceans it has not seen, inference, samples a second."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import torch

from engine.compute import use_thread_policy
from engine.config.sst import DemoSource, SSTSettings
from engine.data.demo_ocean import demo_ocean
from engine.data.prepare import prepare
from engine.evaluation.scores import Table, over_seeds
from engine.training.ddp import single_fabric
from engine.training.sst.model_bundle import load_model
from engine.training.sst.module import SSTModule
from engine.training.sst.pretrain import evaluate
from engine.training.sst.samples import Batch, Samples
from engine.training.sst.tiled_prediction import estimate_months
from tests.benchmarks import Row, peak_mb_above_base, seconds

SEEDS = (1, 2, 3)
CLASSES = ("0", "1–3", "4–8", ">8")


def rows() -> Iterable[Row]:
    use_thread_policy()
    with tempfile.TemporaryDirectory(prefix="harmonia-bench-") as folder:
        os.environ.setdefault("HARMONIA_HOME", folder)
        yield from inference_rows()
        yield from step_rows()
        yield from skill_rows()


def inference_rows() -> Iterator[Row]:
    """One month of the globe, from prepared days to stitched fields; the month is read before."""
    trained = load_model("pretrained")
    for step, most_s in ((1.0, 2.0), (0.25, 30.0)):
        data = prepare(demo_ocean(step, seed=1, years=1), (2001, 1), (2001, 1))
        view = trained.model_inputs(data)
        took = seconds(lambda view=view: list(estimate_months(trained.model, view, trained.settings)))
        yield Row(f"a month of the globe at {step:g}°", took, "s", target_figure=most_s)
    peak = peak_mb_above_base(reconstruct_quarter, warm=partial(load_model, "pretrained"))
    yield Row("memory of a month at 0.25°, above the model's", peak, "MB", target_figure=2000.0)


def reconstruct_quarter() -> None:
    trained = load_model("pretrained")
    data = prepare(demo_ocean(0.25, seed=1, years=1), (2001, 1), (2001, 1))
    list(estimate_months(trained.model, trained.model_inputs(data), trained.settings))


def step_rows() -> Iterator[Row]:
    """A step of the shipped model's training, two windows of 60 × 120 cells, and the making of its samples."""
    trained = load_model("pretrained")
    data = prepare(demo_ocean(1.0, seed=1, years=1), (2001, 1), (2001, 2))
    settings = trained.settings
    samples = Samples(trained.model_inputs(data), settings, seed=0)
    module = SSTModule(settings, single_fabric(settings), 0, 100)
    drawn = [samples.sample(0, number) for number in range(settings.batch)]
    batch = Batch.of(drawn, torch.device("cpu"))
    step_s = seconds(lambda: module.training_step([batch]))
    sample_s = seconds(lambda: samples.sample(1, 0)) * settings.batch
    yield Row("a training step", 1e3 * step_s, "ms", note=f"{settings.batch / step_s:.1f} windows a second")
    yield Row("its samples, made meanwhile", 1e3 * sample_s, "ms")


def skill_rows() -> Iterator[Row]:
    """Area-weighted MAE of the true monthly mean on the last year of three oceans; ice apart, nothing withheld."""
    tables = [
        evaluate(
            load_model("pretrained"), SSTSettings(source=DemoSource(step_deg=1.0, seed=seed), withheld_fraction=0.0)
        ).table
        for seed in SEEDS
    ]
    table = over_seeds(tables)
    for baseline, most in (("mean", 0.45), ("mean_debiased", 0.55), ("climatology_anomaly", None)):
        ratios = [mae(ocean_table, "model") / mae(ocean_table, baseline) for ocean_table in tables]
        note = f"± {np.std(ratios, ddof=1):.3f} over {len(SEEDS)} oceans"
        yield Row(f"model's error over that of '{baseline}'", float(np.mean(ratios)), "", target_figure=most, note=note)
    for name in table:
        classes = {label: table[name]["observations"][label]["mae"] for label in CLASSES}
        note = ", ".join(f"{label} days {value:.3f}" for label, value in classes.items())
        yield Row(f"MAE of '{name}'", mae(table, name), "K", note=note)


def mae(table: Table, name: str) -> float:
    return table[name]["surface"]["sea"]["mae"]
