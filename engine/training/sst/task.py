"""The task ``sst``: a model learns to reconstruct months from days with gaps, and is judged beside its baselines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import psutil

from engine.compute import use_thread_policy
from engine.config.sst import SSTSettings
from engine.data.source import MonthlyData
from engine.errors import CancelledError
from engine.evaluation.report import report
from engine.files import write_atomic
from engine.runs.context import RunContext
from engine.training.ddp import fabric_of
from engine.training.sst.data_module import SSTDataModule
from engine.training.sst.holdout import TEST_SEED, HoldOutSet
from engine.training.sst.inference import MonthlyEstimate, estimate_months
from engine.training.sst.learner import Learner, Step
from engine.training.sst.model_bundle import ModelBundle
from engine.training.sst.samples import Batch, in_box
from engine.training.sst.snapshots import snapshot

CHECKPOINT_S = 20.0
"""Seconds between two checkpoints, beside the one at the end of every epoch."""

"""Scores on the test years; of all the sea, and of the region held out alone where there is one."""

Clock = Callable[[], float]


def learn_sst(settings: SSTSettings, run: RunContext, clock: Clock = time.monotonic) -> None:
    """Learn and be judged; see :class:`engine.config.sst.SSTSettings` for what can be chosen.

    Metrics, one line a step: ``iteration`` (steps made), ``epoch`` (passes finished), ``train_loss``,
    ``learning_rate``, ``gradient_norm``, ``samples_per_s``, ``memory_mb``; ``val_mae`` and ``best_mae`` of the last
    validation, beside the baselines' own ``val_mae_NAME``, and ``skill_NAME`` = 1 − val_mae/val_mae_NAME; all
    area-weighted, K. While data is read: ``preparing``, the share of it that is done.

    Snapshots: see :func:`engine.training.sst.snapshots.snapshot`; one after each epoch, and one before the first.

    Results: ``best.safetensors``, the model with the best validation error, its weights averaged as chosen, with all
    that is needed to use it (:class:`engine.training.sst.model_bundle.ModelBundle`); ``baselines.npz``, what the
    baselines learned (:meth:`engine.models.baselines.Baselines.arrays`); ``scores.json``, what
    :func:`engine.evaluation.report.report` tells of model and baselines on the test years, and
    ``scores-held-out.json``, the same of the region held out, if there is one.

    Raises:
        RunError: the loss diverged.
        DataError, ChoiceError: the data cannot be read, or does not go with the choices.
    """
    use_thread_policy()
    with fabric_of(settings, run) as fabric:
        lesson = SSTDataModule.of(settings, run)
        learner = Learner(settings, fabric, run.seed, settings.epochs * settings.steps_per_epoch)
        if fabric.global_rank == 0:
            run.save(run.files.baselines, **lesson.baselines.state_dict())
        course = _Course(settings, run, lesson, learner, clock)
        course.restore()
        course.follow()
        if fabric.global_rank == 0:
            _score(run, lesson, settings)


class _Course:
    """The epochs of a run, from wherever it was left."""

    def __init__(
        self, settings: SSTSettings, run: RunContext, lesson: SSTDataModule, learner: Learner, clock: Clock
    ) -> None:
        self._settings = settings
        self._run = run
        self._lesson = lesson
        self._learner = learner
        self._clock = clock
        self._kept_at = clock()
        self._epoch = 0
        self._position = 0  # steps of the epoch that are done
        self._since_best = 0
        self._val_mae: float | None = None
        self._best_mae: float | None = None
        self._best_epoch = 0
        self._halved_at = 0
        self._last = Step(float("nan"), float("nan"))
        self._rate = 0.0
        self._process = psutil.Process()

    # --- keeping and going on ---------------------------------------------------------------------------------------

    def restore(self) -> None:
        kept = self._run.restore()
        if kept is None:
            return
        self._learner.restore(kept.arrays, kept.metadata)
        course = kept.metadata["course"]
        self._epoch, self._position = course["epoch"], course["position"]
        self._since_best, self._halved_at = course["since_best"], course["halved_at"]
        self._val_mae, self._best_mae, self._best_epoch = course["val_mae"], course["best_mae"], course["best_epoch"]
        self._last = Step(*course["last"])

    def _keep(self) -> None:
        course = {
            "epoch": self._epoch,
            "position": self._position,
            "since_best": self._since_best,
            "halved_at": self._halved_at,
            "val_mae": self._val_mae,
            "best_mae": self._best_mae,
            "best_epoch": self._best_epoch,
            "last": list(self._last),
        }
        self._run.checkpoint(self._learner.arrays(), {**self._learner.facts(), "course": course})
        self._kept_at = self._clock()

    # --- epochs -----------------------------------------------------------------------------------------------------

    def follow(self) -> None:
        if self._epoch == 0 and self._position == 0:
            self._show(self._validate())
        while self._epoch < self._settings.epochs and not self._is_patience_over():
            for batches in self._batches():
                self._keep_if_due()
                self._learn(batches)
            self._keep()
            self._finish_epoch()
            self._keep()

    def _is_patience_over(self) -> bool:
        return 0 < self._settings.patience <= self._since_best

    def _keep_if_due(self) -> None:
        """Keep where we are when it is time, or when somebody asked the run to stop: then all processes do."""
        stop = bool(self._learner.sum_of_all(np.array([self._run.should_stop()], float))[0])
        if stop or self._clock() - self._kept_at > CHECKPOINT_S:
            self._keep()
        if stop:  # the first process has left by now
            raise CancelledError("the run was asked to stop", str(self._run.folder), "resume it to go on")

    def _learn(self, batches: list[Batch]) -> None:
        began = time.monotonic()
        with self._run.repeating():
            self._last = self._learner.learn(batches)
        num_samples = sum(len(batch.land) for batch in batches) * self._learner.fabric.world_size
        self._rate = num_samples / max(1e-9, time.monotonic() - began)
        self._position += 1
        self._report()

    def _batches(self) -> Iterator[list[Batch]]:
        """What is left of the epoch, step by step; the next step's samples are made while this one is learned."""
        settings, fabric, samples = self._settings, self._learner.fabric, self._lesson.samples
        share = settings.batch * settings.accumulate
        epoch = self._epoch

        def made(step: int) -> list[list[dict[str, Any]]]:
            first = (step * fabric.world_size + fabric.global_rank) * share
            numbers = range(first, first + share)
            drawn = [samples.sample(epoch, number) for number in numbers]
            return [drawn[at : at + settings.batch] for at in range(0, share, settings.batch)]

        with ThreadPoolExecutor(1, "samples") as pool:
            steps = range(self._position, settings.steps_per_epoch)
            ahead = pool.submit(made, steps[0]) if steps else None
            for step in steps:
                assert ahead is not None
                drawn = ahead.result()
                ahead = pool.submit(made, step + 1) if step + 1 in steps else None
                yield [Batch.of(part, fabric.device) for part in drawn]

    def _finish_epoch(self) -> None:
        found = self._validate()
        self._epoch, self._position = self._epoch + 1, 0
        assert self._val_mae is not None
        if self._best_mae is None or self._val_mae < self._best_mae:
            self._best_mae, self._best_epoch, self._since_best = self._val_mae, self._epoch, 0
            self._halved_at = self._epoch
            if self._learner.fabric.global_rank == 0:
                self._lesson.trained(self._learner.judged, self._facts()).save(self._run.files.model)
        else:
            self._since_best += 1
            if self._epoch - self._halved_at >= self._settings.plateau_patience:
                self._learner.halvings += 1
                self._halved_at = self._epoch
        self._report()
        self._show(found)

    def _facts(self) -> dict[str, Any]:
        return {"epoch": self._epoch, "iteration": self._learner.step, "val_mae": self._val_mae}

    # --- judging ----------------------------------------------------------------------------------------------------

    def _validate(self) -> MonthlyEstimate | None:
        """Judge the averaged weights on validation; returns the estimate of its first month, if that was ours."""
        lesson, fabric = self._lesson, self._learner.fabric
        first: MonthlyEstimate | None = None
        sums = np.zeros(2)
        with self._run.repeating():
            for months, found in estimate_months(
                self._learner.judged,
                lesson.validation_view,
                self._settings,
                between=self._run.stop_if_asked,
                turn=(fabric.global_rank, fabric.world_size),
            ):
                first = found if months.start == 0 else first
                sums += lesson.validation.error_sums(found.mean, slice(months.start, months.stop))
            error, weight = self._learner.sum_of_all(sums)
        self._val_mae = error / weight
        return first

    def _report(self) -> None:
        learner, settings = self._learner, self._settings
        seen = self._epoch + self._position / settings.steps_per_epoch
        metrics: dict[str, float | int | None] = {
            "iteration": learner.step,
            "epoch": self._epoch,
            "train_loss": self._last.loss,
            "gradient_norm": self._last.gradient_norm,
            "learning_rate": learner.learning_rate,
            "samples_per_s": self._rate,
            "memory_mb": self._process.memory_info().rss / 1e6,
            "val_mae": self._val_mae,
            "best_mae": self._best_mae,
        }
        for name, error in self._lesson.baselines_mae.items():
            metrics[f"val_mae_{name}"] = error
            metrics[f"skill_{name}"] = None if self._val_mae is None else 1.0 - self._val_mae / error
        self._run.report(
            metrics, seen / settings.epochs, epoch=self._epoch, num_epochs=settings.epochs, best=self._best_mae
        )

    def _show(self, found: MonthlyEstimate | None) -> None:
        if found is not None:
            self._run.snapshot(self._epoch, **snapshot(self._lesson.validation, found))


def _score(run: RunContext, lesson: SSTDataModule, settings: SSTSettings) -> None:
    """Judge the best model and all baselines on the test months, and write the tables."""
    with run.repeating():
        trained = ModelBundle.load(run.files.model)
        exam = HoldOutSet.of(lesson.test, settings.withheld_fraction, TEST_SEED)
        view = trained.view(exam.data)
        found = [part for _, part in estimate_months(trained.model, view, settings, between=run.stop_if_asked)]
        spreads = [part.std for part in found if part.std is not None]
        estimates = {"model": np.concatenate([part.mean for part in found]), **lesson.baselines.predict(exam.data)}

        def told(data: MonthlyData) -> dict[str, dict[str, Any]]:
            return report(
                data,
                estimates,
                np.concatenate(spreads) if spreads else None,
                baselines=tuple(lesson.baselines.fitted),
                num_withheld=exam.num_withheld,
                usual={month: trained.climatology.at(month) for month in range(1, 13)},
                seed=run.seed,
                with_spectra=lesson.test.target is not None,
            )

        results = {run.files.scores: told(exam.data)}
        if settings.held_out_box is not None:
            inside = in_box(exam.data.grid, settings.held_out_box)
            target = np.where(inside, exam.target, np.float32(np.nan))
            results[run.files.held_out_scores] = told(replace(exam.data, target=target))
    for path, content in results.items():
        write_atomic(path, json.dumps(content, indent=1).encode() + b"\n")
