"""Cost of a training on this machine, measured by a dry run of two steps in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.compute import cpu_threads
from engine.config.run_config import RunConfig
from engine.config.sst import SSTSettings
from engine.errors import CancelledError, ChoiceError, RunError
from engine.queries.cache import CACHE
from engine.queries.server_files import with_checked_paths

_ROOT = Path(__file__).resolve().parents[3]
_LIMIT_S = 180.0
_POLL_S = 0.05
_CHECKPOINT_STATES = 4  # weights, their moving average and the two moments of Adam, float32
_FLOAT_BYTES = 4
_SNAPSHOT_BYTES = 700_000


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
    return CACHE.get(("dry run", config.to_json()), lambda: _measured(config, settings, should_stop), lambda _: 128)


def _measured(config: RunConfig, settings: SSTSettings, should_stop: Callable[[], bool]) -> DryRun:
    measured = _two_steps(config, should_stop)
    weights = int(measured["num_parameters"]) * _FLOAT_BYTES
    per_epoch = measured["seconds_per_step"] * settings.steps_per_epoch
    return DryRun(
        int(measured["num_parameters"]),
        int(measured["memory_bytes"]),
        measured["seconds_per_step"],
        per_epoch,
        per_epoch * settings.epochs,
        weights * (_CHECKPOINT_STATES + 1) + _SNAPSHOT_BYTES * (settings.epochs + 1),
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
