"""Train in this process, without a store or a worker."""

from __future__ import annotations

from pathlib import Path

from engine.config.run_config import RunConfig
from engine.errors import EngineError
from engine.files import load, write_atomic
from engine.runs.context import RunContext
from engine.runs.heartbeat import Heartbeat
from engine.runs.record import Failure, Status
from engine.runs.run_folder import RunFolder
from engine.runs.tasks import load_task


def fit(config: RunConfig, run_dir: Path) -> None:
    """Do the run ``config`` in the folder ``run_dir``, which is made; goes on where an earlier call was stopped.

    The folder then holds what a run's folder holds: metrics, checkpoints, snapshots and results, as the task says.
    For scripts and notebooks; the explorer and ``harmonia train`` give each run a process of its own.

    Raises:
        EngineError: what the task raises.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    files = RunFolder(run_dir)
    write_atomic(files.config, config.to_json())
    before = load(Status, files.status)
    heartbeat = Heartbeat(run_dir, Status.of_launch(before.launch + 1 if before else 1, before))
    context = RunContext(run_dir, config, heartbeat)
    heartbeat.start()
    try:
        load_task(config.task)(config.settings, context)
    except EngineError as error:
        heartbeat.finish("failed", Failure.of(error))
        raise
    except BaseException:
        heartbeat.finish("interrupted")
        raise
    finally:
        context.close()
    heartbeat.finish("done")
