"""Cost of a training on this machine, measured by a dry run of two steps in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.compute import cpu_threads
from engine.config.baselines import BASELINE_CHOICES, BASELINE_KINDS, SEA_CELLS
from engine.config.months import Month
from engine.config.run_config import RunConfig
from engine.config.sst import SPLITS, SSTSettings
from engine.errors import CancelledError, ChoiceError, RunError
from engine.queries.cache import CACHE
from engine.queries.server_files import with_checked_paths
from engine.queries.text import duration

if TYPE_CHECKING:
    from engine.queries.train.observed import SourceOverview

_ROOT = Path(__file__).resolve().parents[3]
_LIMIT_S = 180.0
_POLL_S = 0.05
_CHECKPOINT_STATES = 4  # weights, their moving average and the two moments of Adam, float32
_FLOAT_BYTES = 4
_SNAPSHOT_BYTES = 700_000
_DAYS = 31
_BACKWARD = 3.0  # a step in multiples of its forward pass
_OF_A_STEP = ("model", "window", "overlap", "months", "batch", "accumulate", "loss", "precision", "accelerator")
"""The settings that determine time and memory of a step on one process."""


@dataclass(frozen=True)
class DryRun:
    """The cost of a run of the task ``sst``.

    Attributes:
        num_parameters: of the model.
        memory_bytes: peak memory of two steps beyond that of an idle process; on a GPU its own memory.
        seconds_per_step: of the second step, under the present load of the machine.
        seconds_per_epoch: of the steps, without validation.
        seconds_total: of all epochs.
        disk_bytes: checkpoints, best model and snapshots.
    """

    num_parameters: int
    memory_bytes: int
    seconds_per_step: float
    seconds_per_epoch: float
    seconds_total: float
    disk_bytes: int


@dataclass(frozen=True)
class TrainingCost:
    """The cost of a training on its source.

    Attributes:
        num_parameters: of the model.
        memory_bytes: of a step, beyond that of an idle process; on a GPU its own memory.
        disk_bytes: prepared months, shared by all runs on the source, and the run's own files.
        seconds_per_step: one step of the optimiser.
        seconds_prepare: reading all months, once for a source.
        seconds_baselines: fitting the baselines, once for these months, and their estimates of validation and test.
        seconds_validate: one validation.
        seconds_score: the scores of the test months at the end.
        seconds_total: preparation, baselines, all epochs, and scores.
        is_measured: whether a step was measured on this machine, or estimated from its operations.
    """

    num_parameters: int
    memory_bytes: int
    disk_bytes: int
    seconds_per_step: float
    seconds_prepare: float
    seconds_baselines: float
    seconds_validate: float
    seconds_score: float
    seconds_total: float
    is_measured: bool

    def scaled(self, ratio: float) -> TrainingCost:
        """The cost where a step and a forward pass take ``ratio`` times as long."""
        names = ("seconds_per_step", "seconds_validate", "seconds_score")
        unchanged = self.seconds_prepare + self.seconds_baselines
        total = unchanged + ratio * (self.seconds_total - unchanged)
        return replace(self, seconds_total=total, **{name: getattr(self, name) * ratio for name in names})

    @property
    def text(self) -> str:
        """Time and memory in words."""
        about = "" if self.is_measured else "about "
        return (
            f"{about}{duration(self.seconds_total)}, {self.memory_bytes / 1e6:.0f} MB of memory, "
            f"{self.disk_bytes / 1e6:.0f} MB on disk, {self.num_parameters / 1e6:.2g} million parameters"
        )


def training_cost(
    settings: SSTSettings, overview: SourceOverview, measure: bool, should_stop: Callable[[], bool] = lambda: False
) -> TrainingCost:
    """The cost of a training, its steps measured (:func:`dry_run`) or estimated from the number of operations.

    Raises:
        CancelledError, RunError: as :func:`dry_run`.
    """
    from engine.models.spatiotemporal.estimate import estimate
    from engine.training.sst.windows import Windows

    if measure:
        measured = dry_run(RunConfig(settings=settings), should_stop)
        per_step, memory, parameters = measured.seconds_per_step, measured.memory_bytes, measured.num_parameters
    else:
        is_bf16 = settings.precision == "bfloat16"
        step = estimate(settings.model, settings.window, settings.months, settings.batch, bf16=is_bf16)
        per_step, memory, parameters = step.step_seconds * settings.accumulate, step.memory_bytes, step.num_parameters
    windows = Windows.of(overview.grid, settings.window, settings.overlap, settings.model.patch[1:])
    of_window = per_step / (_BACKWARD * settings.batch * settings.accumulate * settings.months)
    validate, score = (
        of_window * len(windows.corners) * len(settings.months_of(split)) for split in ("validation", "test")
    )
    prepare = overview.seconds_per_day * _DAYS * len(_months(settings))
    baselines = _baseline_seconds(settings, overview)
    total = prepare + baselines + score + settings.epochs * (settings.steps_per_epoch * per_step + validate)
    disk = prepared_bytes(settings, overview) + _run_bytes(parameters, settings)
    return TrainingCost(parameters, memory, disk, per_step, prepare, baselines, validate, score, total, measure)


def _baseline_seconds(settings: SSTSettings, overview: SourceOverview) -> float:
    """Fit and estimates of the baselines: their times on the global ocean at 1°, by the number of cells of the sea."""
    kinds = [BASELINE_KINDS[name] for name in BASELINE_CHOICES[settings.baselines]]
    estimated = len(settings.months_of("validation")) + len(settings.months_of("test"))
    cells = int(np.count_nonzero(~overview.land))
    fitted = sum(kind.seconds_fit * min(1.0, cells / kind.cells_fit) for kind in kinds)
    return fitted + estimated * sum(kind.seconds_month for kind in kinds) * cells / SEA_CELLS


def prepared_bytes(settings: SSTSettings, overview: SourceOverview) -> int:
    """Disk space of the months that a training reads."""
    return month_bytes(overview) * len(_months(settings))


def month_bytes(overview: SourceOverview) -> int:
    """Disk space of a prepared month: 31 days, mean and ice, float32."""
    rows, columns = overview.grid.shape
    return _FLOAT_BYTES * rows * columns * (_DAYS + 2)


def _months(settings: SSTSettings) -> set[Month]:
    return {month for name in SPLITS for month in settings.months_of(name)}


def _run_bytes(num_parameters: int, settings: SSTSettings) -> int:
    weights = num_parameters * _FLOAT_BYTES
    return weights * (_CHECKPOINT_STATES + 1) + _SNAPSHOT_BYTES * (settings.epochs + 1)


def dry_run(config: RunConfig, should_stop: Callable[[], bool] = lambda: False) -> DryRun:
    """Two steps of ``config`` on random input of the right shape: takes a few seconds, cached.

    Raises:
        ChoiceError: the task is not ``sst``.
        CancelledError: ``should_stop`` returned True.
        DataError: its source lies outside the folders that may be used.
        RunError: the steps failed or took minutes; the message is the last line of the process.
    """
    settings = config.settings
    if not isinstance(settings, SSTSettings):
        raise ChoiceError(f"the task is {config.task!r}", "dry run", "estimate the cost of a run of the task 'sst'")
    config = with_checked_paths(config)
    # a step does not depend on source, months and number of steps: they are left out of what is kept and measured
    plain = SSTSettings().model_copy(update={name: getattr(settings, name) for name in _OF_A_STEP})
    same = config.model_copy(update={"settings": plain, "seed": 0})
    measured = CACHE.get(("dry run", same.to_json()), lambda: _two_steps(same, should_stop), lambda _: 128)
    per_epoch = measured["seconds_per_step"] * settings.steps_per_epoch
    return DryRun(
        int(measured["num_parameters"]),
        int(measured["memory_bytes"]),
        measured["seconds_per_step"],
        per_epoch,
        per_epoch * settings.epochs,
        _run_bytes(int(measured["num_parameters"]), settings),
    )


def _two_steps(config: RunConfig, should_stop: Callable[[], bool]) -> dict[str, float]:
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": str(cpu_threads())}
    command = [sys.executable, "-m", "engine.training.sst.cost"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(config.to_json())
            process.stdin.close()
            process.stdin = None  # else communicate() writes to it
            return _result(process, should_stop)
        finally:
            process.kill()


def _result(process: subprocess.Popen[bytes], should_stop: Callable[[], bool]) -> dict[str, float]:
    deadline = time.monotonic() + _LIMIT_S
    while process.poll() is None:
        if should_stop():
            raise CancelledError("the dry run was cancelled", "dry run", "start it again")
        if time.monotonic() > deadline:
            raise RunError(
                f"two steps took more than {_LIMIT_S:g} s", "dry run", "choose a smaller window, model or batch"
            )
        time.sleep(_POLL_S)
    output, errors = process.communicate()
    if process.returncode != 0:
        reason = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise RunError("the two steps failed", "dry run", f"choose a smaller window, model or batch; {reason[0]}")
    return json.loads(output)
