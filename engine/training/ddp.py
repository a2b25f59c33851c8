"""Distributed data-parallel training of one model, on one machine or many, through Lightning Fabric.

The run's worker is rank 0, the only one that writes. It starts the other ranks of its machine; on each further machine
``python -m engine.training.ddp RUN_DIR --node K`` starts that machine's ranks, with ``MASTER_ADDR`` and
``MASTER_PORT`` of the first one everywhere. Every machine must have access to the run's folder and the prepared months.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.config.run_config import RunConfig
from engine.config.sst import SSTSettings
from engine.errors import CancelledError, ChoiceError, EngineError, RunError
from engine.runs.checkpoints import Checkpoint, read_checkpoint
from engine.runs.context import RunContext
from engine.runs.heartbeat import log
from engine.runs.run_folder import RunFolder
from engine.runs.tasks import load_task

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_JOIN_S = 10.0
_POLL_S = 0.2
_PRECISION: dict[str, Literal["bf16-mixed", "32-true"]] = {"bfloat16": "bf16-mixed", "float32": "32-true"}


class ReadOnlyRun(RunContext):
    """The run of every rank but 0: it reads checkpoints and writes nothing."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self.folder = folder
        self.config = config

    def report(self, *_: Any, **__: Any) -> None:
        """Does nothing: rank 0 does it."""

    @contextmanager
    def repeating(self) -> Generator[None]:
        """Does nothing: there is no metric to repeat."""
        yield

    def checkpoint(self, *_: Any, **__: Any) -> None:
        """Does nothing: rank 0 does it."""

    def restore(self, name: str = "last") -> Checkpoint | None:
        """See :meth:`RunContext.restore`."""
        kept = read_checkpoint(self.files.checkpoint(name))
        return Checkpoint(kept.arrays, kept.metadata["task"]) if kept else None

    def save(self, path: Path, **arrays: Any) -> None:
        """Does nothing: rank 0 does it."""

    def should_stop(self) -> bool:
        """False: rank 0 checks, and the trainer broadcasts the answer to all ranks."""
        return False


def single_fabric(settings: SSTSettings) -> Fabric:
    """One process on one device, with the precision of the settings."""
    from lightning_fabric import Fabric

    return Fabric(accelerator=settings.accelerator, devices=1, precision=_PRECISION[settings.precision])


@contextmanager
def fabric_of(settings: SSTSettings, run: RunContext) -> Generator[Fabric]:
    """The run's devices; with several, the other ranks of this machine run as long as the block."""
    from lightning_fabric import Fabric

    if settings.devices * settings.nodes == 1:
        yield single_fabric(settings)
        return
    with _local_ranks(settings, run):
        fabric = Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.nodes,
            strategy="ddp",
            precision=_PRECISION[settings.precision],
        )
        fabric.launch()
        yield fabric


@contextmanager
def _local_ranks(settings: SSTSettings, run: RunContext) -> Generator[None]:
    """Start the other ranks of this machine from rank 0 and join them at the end; the environment holds their rank.

    Raises:
        RunError: rank 0 cannot go on because another rank of this machine has died.
    """
    processes: list[subprocess.Popen[bytes]] = []
    is_rank_zero = "LOCAL_RANK" not in os.environ
    if is_rank_zero:
        os.environ |= {**_rendezvous(settings), "NODE_RANK": "0", "LOCAL_RANK": "0"}
        processes = [_start(run.folder, 0, rank) for rank in range(1, settings.devices)]
    joining = threading.Event()
    threading.Thread(target=_watch, args=(processes, joining), daemon=True).start()
    try:
        yield
    except RuntimeError as error:  # of a collective operation, or of the work itself
        if (death := _first_death(processes)) is None:
            raise
        raise RunError(death, str(run.folder), "resume the run: it goes on from its last checkpoint") from error
    finally:
        joining.set()
        _join(processes)
        if is_rank_zero:
            for name in ("NODE_RANK", "LOCAL_RANK"):
                del os.environ[name]


def _first_death(processes: Sequence[subprocess.Popen[bytes]]) -> str | None:
    """Which rank ended otherwise than well, in words; its connection may be lost a moment before its process is."""
    deadline = time.monotonic() + 1.0
    while True:
        for rank, process in enumerate(processes, 1):
            if process.poll() not in (None, 0):
                return f"the process of rank {rank} ended with code {process.returncode}"
        if time.monotonic() > deadline or not processes:
            return None
        time.sleep(_POLL_S)


def _watch(processes: Sequence[subprocess.Popen[bytes]], joining: threading.Event) -> None:
    """End this process when another rank has died and it waits for that rank all the same.

    A collective operation fails at once where a connection is lost, but a rank that never came to the rendezvous is
    waited for half an hour. The run is then read as interrupted.
    """
    while not joining.wait(_POLL_S):
        if any(process.poll() not in (None, 0) for process in processes):
            if not joining.wait(_JOIN_S):
                log(f"{_first_death(processes)}; rank 0 still waits for it and ends as well")
                os.kill(os.getpid(), signal.SIGKILL)
            return


def _end_with(parent: int) -> None:
    """End this rank when the process that started it is gone: nobody would notice what it does, or stop it."""
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _rendezvous(settings: SSTSettings) -> dict[str, str]:
    """Address and port of rank 0, as environment variables."""
    if settings.nodes > 1:
        if not {"MASTER_ADDR", "MASTER_PORT"} <= set(os.environ):
            raise ChoiceError(
                f"{settings.nodes} machines do not know where to meet",
                "nodes",
                "set MASTER_ADDR and MASTER_PORT to the first machine and a free port, on all of them",
            )
        return {}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}


def _start(folder: Path, node: int, rank: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "engine.training.ddp", str(folder), "--node", str(node), "--rank", str(rank)]
    return subprocess.Popen(command, env=os.environ | {"NODE_RANK": str(node), "LOCAL_RANK": str(rank)})


def _join(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    for process in processes:
        try:
            process.wait(_JOIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the ranks of a run on this machine; the exit code is 0 when it is done."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.ddp", description="Help to train one run.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the run's folder")
    parser.add_argument("--node", type=int, default=1, help="number of this machine, the first one is 0")
    parser.add_argument(
        "--rank", type=int, help="local rank of this process; without it, all ranks of this machine start"
    )
    arguments = parser.parse_args(argv)
    folder: Path = arguments.run_dir.resolve()
    try:
        config = RunFolder(folder).read_config()
        settings = config.settings
        if not isinstance(settings, SSTSettings):
            raise ChoiceError(f"the task {config.task!r} is done by one process", str(folder), "choose a run of 'sst'")
        if arguments.rank is None:
            started = [_start(folder, arguments.node, rank) for rank in range(settings.devices)]
            return max(process.wait() for process in started)
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
        load_task(config.task)(settings, ReadOnlyRun(folder, config))
    except CancelledError:
        return 1
    except EngineError as error:
        log(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
