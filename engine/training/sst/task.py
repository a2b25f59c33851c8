"""The task ``sst``: a model learns to reconstruct months from days with gaps, and is scored beside its baselines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from numpy.typing import NDArray

from engine.compute import use_thread_policy
from engine.config.baselines import MEAN_OF_BOTH
from engine.config.sst import SPLITS, SSTSettings
from engine.data.source import MonthlyData
from engine.errors import ChoiceError, StoreError
from engine.evaluation.report import report
from engine.evaluation.uncertainty import fit_std_factors
from engine.files import write_atomic
from engine.models.baselines import observed_months
from engine.runs.checkpoints import Checkpoint, read_checkpoint
from engine.runs.context import RunContext
from engine.runs.run_folder import RunFolder
from engine.training.ddp import fabric_of
from engine.training.sst.data_module import SSTDataModule
from engine.training.sst.holdout import TEST_SEED, HoldOutSet
from engine.training.sst.model_bundle import ModelBundle, load_model
from engine.training.sst.module import SSTModule
from engine.training.sst.place import place_scores
from engine.training.sst.samples import Batch, in_box
from engine.training.sst.tiled_prediction import MonthlyEstimate, estimate_all, estimate_months
from engine.training.trainer import Clock, Metrics, Trainer, TrainingTask

if TYPE_CHECKING:
    from lightning_fabric import Fabric

CHECKPOINT_S = 20.0
"""Seconds between two checkpoints, beside the one at the end of every epoch."""

_MAX_SNAPSHOT_CELLS = 64_800
_SNAPSHOT_STEP = 0.02  # of the variable's scale: float16 holds 32 °C to 16 mK

_CONTINUED = (
    "task", "source", *SPLITS, "held_out_box", "model", "basis_degree", "window", "overlap", "months", "samples",
    "batch", "accumulate", "loss", "loss_weights", "extra_clouds", "withheld_fraction", "devices", "nodes",
)  # fmt: skip
"""The settings of a run that those of its continuation equal."""


def train_sst(settings: SSTSettings, run: RunContext, clock: Clock = time.monotonic) -> None:
    """Train and score a model; see :class:`engine.config.sst.SSTSettings` for the choices.

    Metrics, one line a step: ``iteration`` (steps made), ``epoch`` (passes finished), ``train_loss``, weighted as
    ``loss_weights`` says, ``learning_rate``, ``gradient_norm``, in units of the variable's scale, ``samples_per_s``,
    ``memory_mb``; ``val_mae`` and ``best_mae`` of the last validation, beside the baselines' own ``val_mae_NAME``, and
    ``skill_NAME`` = 1 − val_mae/val_mae_NAME, area-weighted. Errors are in the model space of the variable (K). While
    data is read: ``preparing``, the fraction of it that is done.

    Snapshots: see :func:`snapshot`; one after each epoch, and one before the first.

    Results: ``best.safetensors``, the model with the best validation error, its weights averaged as chosen, with all
    that is needed to use it (:class:`engine.training.sst.model_bundle.ModelBundle`); ``baselines.npz``, the fitted
    baselines (:meth:`engine.models.baselines.Baselines.arrays`); ``variable.json``, the kind of variable;
    ``scores.json``, what :func:`engine.evaluation.report.report` gives for model and baselines on the test months, and
    of the model :func:`engine.training.sst.place.place_scores` (``place``), the factors of its standard deviation
    (``std_factors``), the ``source_key`` and ``num_parameters``; ``scores-held-out.json``, the same report of the
    region held out, if there is one.

    Raises:
        RunError: the loss diverged.
        DataError, ChoiceError: the data cannot be read, or does not go with the choices.
    """
    use_thread_policy()
    with fabric_of(settings, run) as fabric:
        data = SSTDataModule.of(settings, run)
        task = _SSTTask(settings, run, data, fabric)
        if fabric.global_rank == 0:
            run.save(run.files.baselines, **data.baselines.state_dict())
            write_atomic(run.files.variable, json.dumps(data.variable.as_dict()).encode() + b"\n")
        Trainer(run, CHECKPOINT_S, clock).fit(task)
        if fabric.global_rank == 0:
            _score(run, data, settings)


class _SSTTask(TrainingTask):
    """What the trainer needs of a run: samples, validation months, and the files that are left."""

    monitor = "val_mae"

    def __init__(self, settings: SSTSettings, run: RunContext, data: SSTDataModule, fabric: Fabric) -> None:
        self.num_epochs, self.steps_per_epoch = settings.epochs, settings.steps_per_epoch
        scale = data.variable.measured_scale
        self.patience, self.min_improvement = settings.patience, settings.min_improvement * scale
        self.module = self._sst_module = SSTModule(
            settings, fabric, run.seed, self.num_epochs * self.steps_per_epoch, scale
        )
        self._settings, self._run, self._data, self._fabric = settings, run, data, fabric
        self._first_estimate: MonthlyEstimate | None = None
        self._process = psutil.Process()

    def train_batch(self, step: int) -> list[Batch]:
        """This process's windows of a step, as many batches as their gradients are accumulated over."""
        settings, fabric = self._settings, self._fabric
        epoch, position = divmod(step, self.steps_per_epoch)
        size = settings.batch * settings.accumulate
        first = (position * fabric.world_size + fabric.global_rank) * size
        drawn = [self._data.samples.sample(epoch, number) for number in range(first, first + size)]
        return [Batch.of(drawn[at : at + settings.batch], fabric.device) for at in range(0, size, settings.batch)]

    def validate(self) -> Metrics:
        """Error of the averaged weights; the process that has the first month keeps its estimate for the snapshot."""
        data, fabric = self._data, self._fabric
        self._first_estimate = None
        sums = np.zeros(2)
        for months, estimate in estimate_months(
            self._sst_module.ema_model,
            data.validation_inputs,
            self._settings,
            progress=lambda _: self._run.stop_if_asked(),
            rank=fabric.global_rank,
            world_size=fabric.world_size,
        ):
            if months.start == 0:
                self._first_estimate = estimate
            sums += data.validation.error_sums(estimate.mean, slice(months.start, months.stop))
        error, weight = self.module.all_sum(sums)
        return {"val_mae": error / weight}

    def save_best(self, epoch: int, metrics: Metrics) -> None:
        """Write the bundle of the averaged weights."""
        if self._fabric.global_rank == 0:
            scores = {"epoch": epoch, "iteration": self.module.step, "val_mae": metrics["val_mae"]}
            self._data.bundle(self._sst_module.ema_model, scores).save(self._run.files.model)

    def snapshot(self, epoch: int) -> None:
        """Leave :func:`snapshot` of the last validation."""
        if self._first_estimate is not None:
            self._run.snapshot(epoch, **snapshot(self._data.validation, self._first_estimate))

    def initial_state(self) -> Checkpoint | None:
        """The end of the run that the settings continue, whose best model is the best so far."""
        if self._settings.continues is None:
            return None
        earlier = earlier_run(self._settings, self._run)
        kept = read_checkpoint(earlier.checkpoint())
        if kept is None or not earlier.model.exists():
            raise StoreError("there is no checkpoint to go on from", str(earlier.path), "train it for an epoch first")
        done = kept.metadata["task"]["epoch"]
        if self.num_epochs <= done:
            raise ChoiceError(
                f"{self.num_epochs} epochs are none beyond its {done}",
                f"continues {earlier.id}",
                f"choose {done + 1} or more",
            )
        if self._fabric.global_rank == 0:
            best = load_model(earlier.model)
            scores = {name: best.scores[name] for name in ("epoch", "iteration", "val_mae")}
            self._data.bundle(best.model, scores).save(self._run.files.model)
        return Checkpoint(kept.arrays, kept.metadata["task"] | {"epochs_since_best": 0})

    def extra_metrics(self, metrics: Metrics, steps_per_s: float) -> Mapping[str, float | None]:
        """Speed, memory, the rate of the next step, and the errors of the baselines."""
        settings, val_mae = self._settings, metrics["val_mae"]
        errors = self._data.baselines_mae
        return {
            "learning_rate": self.module.learning_rate,
            "samples_per_s": steps_per_s * settings.batch * settings.accumulate * self._fabric.world_size,
            "memory_mb": self._process.memory_info().rss / 1e6,
            **{f"val_mae_{name}": error for name, error in errors.items()},
            **{f"skill_{name}": 1.0 - val_mae / error for name, error in errors.items()},
        }


def earlier_run(settings: SSTSettings, run: RunContext) -> RunFolder:
    """The folder of the run that ``settings`` continue.

    Raises:
        StoreError: there is none.
        ChoiceError: it had other data, another model or other samples.
    """
    assert settings.continues is not None
    beside = RunFolder.of(settings.continues, run.files.home)
    folder = beside if beside.path.exists() else RunFolder.of(settings.continues)
    config = folder.read_config()
    other = config.settings
    differing = [name for name in _CONTINUED if getattr(other, name, None) != getattr(settings, name)]
    if differing or config.seed != run.seed:
        names = ", ".join(differing) or "seed"
        raise ChoiceError(f"it differs in {names}", f"continues {folder.id}", "leave these as they are, or start anew")
    return folder


def snapshot(holdout: HoldOutSet, estimate: MonthlyEstimate) -> dict[str, NDArray[Any]]:
    """The first month of ``holdout`` as small arrays by name, below a megabyte.

    ``lat`` (H,), ``lon`` (W,) float64; ``reconstruction``, ``observed`` (mean of the observed days), ``target``,
    ``error`` (reconstruction − target) and, where it is predicted, ``std``, all (H, W) in model space, NaN = unknown,
    float16, or float32 where that would round by over 2 % of the variable's scale; ``count`` (H, W) uint8, number of
    observed days. Of grids finer than 1° every n-th cell is kept.
    """
    month = next(observed_months(holdout.data))
    target = holdout.target[0]
    fields = {
        "reconstruction": estimate.mean[0],
        "observed": month.mean,
        "target": target,
        "error": estimate.mean[0] - target,
    }
    if estimate.std is not None:
        fields["std"] = estimate.std[0]
    grid = holdout.data.grid
    every = slice(None, None, max(1, round((grid.lat.size * grid.lon.size / _MAX_SNAPSHOT_CELLS) ** 0.5)))
    step = _SNAPSHOT_STEP * holdout.data.variable.measured_scale
    thinned = {name: _short(values[every, every], step) for name, values in fields.items()}
    count = month.num_days[every, every].astype(np.uint8)
    return {"lat": grid.lat[every], "lon": grid.lon[every], "count": count, **thinned}


def _short(values: NDArray[Any], step: float) -> NDArray[Any]:
    """``values`` as float16, or as float32 where one would change by more than ``step`` (beyond 65,504 it is inf)."""
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    known = np.isfinite(values)
    is_near = np.abs(half[known].astype(np.float32) - values[known]) <= step
    return half if is_near.all() else values.astype(np.float32)


def _score(run: RunContext, data: SSTDataModule, settings: SSTSettings) -> None:
    """Scale the best model's standard deviation, score it and all baselines on the test months, write the tables."""

    def progress(_: float) -> None:
        run.stop_if_asked()

    with run.repeating():
        bundle = _with_std_factors(run, load_model(run.files.model), data, progress)
        holdout = HoldOutSet.of(data.test, settings.withheld_fraction, TEST_SEED)
        estimate = estimate_all(bundle, holdout.data, progress)
        estimates = {"model": estimate.mean, **data.baselines.predict(holdout.data, lambda _, __: run.stop_if_asked())}
        if (interpolated := estimates.get("optimal_interpolation")) is not None:
            estimates[MEAN_OF_BOTH] = 0.5 * (estimate.mean + interpolated)

        def tables(months: MonthlyData) -> dict[str, dict[str, Any]]:
            return report(
                months,
                estimates,
                estimate.std,
                baselines=tuple(data.baselines.fitted),
                num_withheld=holdout.num_withheld,
                climatology={month: bundle.climatology.at(month) for month in range(1, 13)},
                seed=run.seed,
                with_spectra=data.test.target is not None,
            )

        whole = tables(holdout.data)
        whole["model"] |= {
            "source_key": data.source.key,
            "num_parameters": sum(weight.numel() for weight in bundle.model.parameters()),
            "place": place_scores(bundle, holdout.data, estimate.mean, run.seed, progress),
            "std_factors": dict(bundle.std_factors),
        }
        results = {run.files.scores: whole}
        if settings.held_out_box is not None:
            inside = in_box(holdout.data.grid, settings.held_out_box)
            target = np.where(inside, holdout.target, np.float32(np.nan))
            results[run.files.held_out_scores] = tables(replace(holdout.data, target=target))
    for path, content in results.items():
        write_atomic(path, json.dumps(content, separators=(",", ":")).encode() + b"\n")


def _with_std_factors(
    run: RunContext, bundle: ModelBundle, data: SSTDataModule, progress: Callable[[float], None]
) -> ModelBundle:
    """``bundle`` with the factors of its standard deviation that make its intervals hold on validation; kept on disk.

    They are fitted to what the network predicts, also when a run that was stopped here is resumed.
    """
    plain = replace(bundle, std_factors={})
    estimate = estimate_all(plain, data.validation.data, progress) if plain.settings.model.uncertainty else None
    if estimate is None or estimate.std is None:
        return plain
    scaled = replace(plain, std_factors=fit_std_factors(data.validation.data, estimate.mean, estimate.std))
    scaled.save(run.files.model)
    return scaled
