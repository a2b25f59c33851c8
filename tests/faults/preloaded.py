"""Workers that are forked from a process which has imported every task: in a storm of kills most of the time of a kill
would be imports. From ``engine.runs.worker.main`` on they are what :func:`engine.runs.supervise.supervise` starts.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing.reduction import DupFd
from pathlib import Path

from engine.runs import worker
from engine.runs.run_folder import RunFolder
from engine.runs.tasks import TASKS
from tests.support.workers import INJECT

_FORKSERVER = multiprocessing.get_context("forkserver")
_TASK_MODULES = [reference.partition(":")[0] for reference in TASKS.values()]
_FORKSERVER.set_forkserver_preload(["engine.runs.worker", "lightning.fabric", *_TASK_MODULES])


class _Descriptor:
    """A file descriptor that travels to a forked process."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Callable[[DupFd], int], tuple[DupFd]]:
        return _received, (DupFd(self._number),)


def _received(descriptor: DupFd) -> int:
    return descriptor.detach()


class PreloadedWorker:
    """A forked worker, with that part of ``subprocess.Popen`` which the supervisor uses."""

    def __init__(self, folder: RunFolder, log: int, locks: Mapping[str, int], environment: Mapping[str, str]) -> None:
        descriptors = {name: _Descriptor(number) for name, number in locks.items()}
        arguments = (str(folder.path), _Descriptor(log), descriptors, dict(environment))
        self._process = _FORKSERVER.Process(target=_work, args=arguments)
        self._process.start()
        self._lock = threading.Lock()  # the exit code can be read from the process once only
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, minus the signal where one ended it; None while it works."""
        with self._lock:
            self.returncode = self._process.exitcode
        return self.returncode

    def kill(self) -> bool:
        """SIGKILL; False where it was gone already."""
        is_alive = self.poll() is None
        self._process.kill()
        return is_alive


def _work(folder: str, log: int, locks: Mapping[str, int], environment: Mapping[str, str]) -> None:
    os.setsid()
    for target, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(environment)
    arguments = [folder, *(part for name, number in locks.items() for part in (f"--{name}", str(number)))]
    sys.orig_argv = [sys.executable, "-m", "engine.runs.worker", *arguments]
    if INJECT in environment.get("PYTHONPATH", "").split(os.pathsep):
        runpy.run_path(str(Path(INJECT) / "sitecustomize.py"))
    sys.exit(worker.main(arguments))


class PreloadedWorkers:
    """Takes the place of the supervisor's ``_spawn``, and knows the last worker of every run."""

    def __init__(self, environment_of: Callable[[int | None], Mapping[str, str]]) -> None:
        self._environment_of = environment_of
        self._last: dict[Path, PreloadedWorker] = {}

    def spawn(self, folder: RunFolder, lock: int, slot_lock: int | None, slot: int | None) -> PreloadedWorker:
        """Fork a worker that holds the locks."""
        locks = {"lock-fd": lock} | ({} if slot_lock is None else {"slot-fd": slot_lock})
        with open(folder.log, "ab") as log:
            worker = PreloadedWorker(folder, log.fileno(), locks, self._environment_of(slot))
        self._last[folder.path] = worker
        return worker

    def is_alive(self, folder: Path) -> bool:
        """Whether the run's worker lives."""
        worker = self._last.get(folder)
        return worker is not None and worker.poll() is None

    def kill(self, folder: Path) -> bool:
        """SIGKILL the run's worker; False where it was gone already."""
        worker = self._last.get(folder)
        return worker is not None and worker.kill()
