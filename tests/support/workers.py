"""What the fault tests share: waiting by condition, small runs, and looking after what a run left behind."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import pytest
import xarray as xr

from engine.runs import ENDED, LandSettings, Run, RunConfig, RunStore
from engine.runs.checkpoints import read_checkpoint

NUM_BANDS = 360
SMALL = RunConfig(settings=LandSettings(step_deg=0.5, rows_per_band=1, resolution="110m"))
"""A land mask in 360 bands, a millisecond or two each."""

LONG = RunConfig(settings=LandSettings(step_deg=0.02, rows_per_band=1))
"""A land mask that takes longer than any test."""

INJECT = str(Path(__file__).parents[1] / "faults" / "inject")
"""On PYTHONPATH, this folder disturbs workers from within."""


def seeds(first: int, last: int) -> list[object]:
    """Seeds of a test that is repeated: the first one always, the others among what takes long."""
    return [first, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(first + 1, last + 1))]


PATIENCE_S = 300.0
"""These machines are shared: a slow one is not a fault, and a condition that holds ends the wait at once."""

POLL_S = 0.005
"""Between two looks at a condition; a look at a run's state reads files and the process table."""

MEMORY_DISK = Path("/dev/shm")
"""Where the disk costs nothing: a SIGKILL loses nothing there that it would not lose on a real one."""


def wait_for(condition: Callable[[], object], description: str, run: Run | None = None) -> None:
    """Poll until ``condition()`` is true; on a timeout, fail with the state of ``run``."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"timed out waiting for: {description}\n{run and describe(run)}"
        time.sleep(POLL_S)


def describe(run: Run) -> str:
    """The record of a run and the end of its log."""
    return "\n".join([str(run.record), *run.log_tail()])


def wait_until_ended(run: Run) -> str:
    wait_for(lambda: run.state in ENDED, "the run to end", run)
    return run.state


def processes_of(folder: Path) -> list[psutil.Process]:
    """Living worker processes of one run's folder, or of any run below a home folder."""
    processes = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        is_worker = "engine.runs.worker" in command and any(part.startswith(str(folder)) for part in command)
        if is_worker and process.info["status"] != psutil.STATUS_ZOMBIE:
            processes.append(process)
    return processes


def assert_left_in_order(run: Run) -> None:
    """A stopped run: nothing works on it, nothing is damaged, at most one checkpoint interval is lost."""
    wait_for(lambda: not processes_of(run.folder), "the process to be gone")
    kept = read_checkpoint(run.folder / "checkpoints" / "last.safetensors")
    reader = run.metrics()
    reader.poll()
    steps = len(reader.columns.get("step", ()))
    bands = kept.metadata["run"]["step"] if kept else 0
    assert 0 <= steps - bands <= 1, f"{steps} bands were reported, {bands} are kept"


def assert_result(run: Run, expected: dict[str, np.ndarray]) -> None:
    """A finished run: bit for bit what an uninterrupted one gives, every step told once, nothing left lying about."""
    assert run.state == "done", run.record.failure or run.log_tail()
    assert_left_in_order(run)
    with np.load(run.folder / "land.npz") as result:
        assert sorted(result) == sorted(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(result[name], array)
    reader = run.metrics()
    reader.poll()
    assert reader.columns["step"].tolist() == list(range(1, len(reader.columns["step"]) + 1))
    assert len(reader.columns["step"]) == NUM_BANDS
    assert not list(run.folder.rglob("*.tmp"))
    assert run.record.progress == 1.0


class StoreServer:
    """A process that owns a store and launches what its standard input names, as the explorer's server does."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-m", "tests.faults.server", str(home)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def launch(self, run: Run) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{run.id}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "launched\n"

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self) -> None:
        self.process.terminate()
        self._reap()

    def _reap(self) -> None:
        self.process.wait(PATIENCE_S)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def content_of(path: Path) -> str:
    """SHA-256 of a NetCDF file's values and attributes, but for the time at which it was made."""
    digest = hashlib.sha256()
    with xr.open_dataset(path, decode_cf=False) as dataset:
        for name in sorted(map(str, dataset.variables)):
            variable = dataset[name]
            digest.update(f"{name} {variable.dims} {sorted(variable.attrs)}".encode())
            digest.update(np.ascontiguousarray(variable.values).tobytes())
        attributes = {name: str(value) for name, value in dataset.attrs.items()}
    for name in ("history", "date_created"):
        attributes.pop(name)
    digest.update(repr(sorted(attributes.items())).encode())
    return digest.hexdigest()


def kill_worker(run: Run) -> bool:
    """SIGKILL the run's process, whether or not it has told its number yet; False when it was gone already."""
    processes = processes_of(run.folder)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return bool(processes)


def num_begun(run: Run) -> int:
    """How many processes have begun to work on the run, by its log."""
    return sum(" begins, process " in line for line in run.log_tail(10_000))


def fresh(home: Path) -> RunStore:
    """A store that has seen nothing yet: what a new server would see."""
    return RunStore(home)


@contextmanager
def new_home(otherwise: Path) -> Iterator[Path]:
    """An empty home folder, on the memory disk where there is one, else in the folder ``otherwise``."""
    with TemporaryDirectory(dir=MEMORY_DISK if MEMORY_DISK.is_dir() else otherwise, prefix="harmonia-") as folder:
        yield Path(folder)
