"""The files in a run's folder: the only module that knows their names, and the one reader of snapshots."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.config.run_config import RunConfig
from engine.errors import ConfigError, DataError, StoreError
from engine.files import home_folder, write_atomic
from engine.formats.npz import read_npz

_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{10}")
_SNAPSHOT = re.compile(r"epoch-(\d+)\.npz")
_MAX_SNAPSHOT_BYTES = 64 * 2**20  # ours are below a megabyte

STORE_FILES = ("meta.json", "cancel")
"""Names of the files that the store writes while a process works on the run."""


class _File:
    """The path of a file with a fixed name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: RunFolder, _: object = None) -> Path:
        return folder.path / self._name


@dataclass(frozen=True)
class RunFolder:
    """Paths of the files in the folder of one run, and the snapshots in it. The folder may not exist."""

    path: Path

    # of every run
    config = _File("config.json")
    meta = _File("meta.json")
    status = _File("status.json")
    cancel = _File("cancel")
    metrics = _File("metrics.jsonl")
    log = _File("log.txt")
    checkpoints = _File("checkpoints")
    snapshots = _File("snapshots")
    lock = _File("run.lock")  # held while a process works on the run
    meta_lock = _File("meta.lock")  # held while the store changes the run

    # results of tasks
    land = _File("land.npz")
    basis = _File("basis.safetensors")
    table = _File("table.safetensors")
    model = _File("best.safetensors")
    baselines = _File("baselines.npz")
    variable = _File("variable.json")
    scores = _File("scores.json")
    held_out_scores = _File("scores-held-out.json")
    expert = _File("expert.safetensors")
    test_tiles = _File("shown.npz")
    reconstruction = _File("reconstruction.nc")
    reconstruction_parts = _File("parts")
    probe = _File("probe.json")
    autoencoder = _File("autoencoder.safetensors")
    autoencoder_scores = _File("autoencoder.json")
    centres = _File("centres.json")
    trials = _File("trials.json")
    study = _File("study.journal")

    @classmethod
    def of(cls, run_id: str, home: Path | None = None) -> RunFolder:
        """The folder of a run below ``home`` (default: the home folder).

        Raises:
            StoreError: ``run_id`` is not an id; nothing else ever becomes part of a path.
        """
        if not is_id(run_id):
            raise StoreError(f"{run_id[:80]!r} is not the id of a run", "runs", "copy the id from the list of runs")
        return cls(runs_folder(home) / run_id)

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.path.name

    @property
    def home(self) -> Path:
        """The home folder that holds the run."""
        return self.path.parent.parent

    def checkpoint(self, name: str = "last") -> Path:
        """The file of a checkpoint, ``"last"`` or ``"best"``."""
        return self.checkpoints / f"{name}.safetensors"

    def snapshot(self, epoch: int) -> Path:
        """The file of the snapshot after ``epoch`` passes."""
        return self.snapshots / f"epoch-{epoch:04d}.npz"

    def snapshot_epochs(self) -> list[int]:
        """The epochs that have a snapshot, ascending."""
        matches = (_SNAPSHOT.fullmatch(path.name) for path in self.snapshots.glob("epoch-*.npz"))
        return sorted(int(match[1]) for match in matches if match)

    def read_snapshot(self, epoch: int) -> dict[str, NDArray[Any]]:
        """The arrays of a snapshot by name.

        Raises:
            StoreError: there is none, or it is damaged.
        """
        path = self.snapshot(epoch)
        try:
            return read_npz(path, max_bytes=_MAX_SNAPSHOT_BYTES)
        except DataError as error:
            problem = f"the snapshot of epoch {epoch} cannot be read: {error.problem}"
            raise StoreError(
                problem, str(path), "choose another epoch, or let the run go on to its next one"
            ) from error

    def read_config(self) -> RunConfig:
        """The run's configuration. Raises :class:`ConfigError`."""
        if self.config.exists() and not self.config.is_file():  # opening a pipe would wait
            raise ConfigError(["this is not a regular file"], str(self.config), "restore it from a copy")
        return RunConfig.read(self.config)


def runs_folder(home: Path | None = None) -> Path:
    """The folder that holds the folders of all runs."""
    return (home or home_folder()) / "runs"


def write_arrays(path: Path, arrays: Mapping[str, ArrayLike]) -> None:
    """Write a compressed ``.npz`` without pickled objects, atomically. Raises :class:`StoreError`."""
    content = BytesIO()
    held: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez_compressed(content, allow_pickle=False, **held)
    write_atomic(path, content.getvalue())


def new_id(now: float) -> str:
    """An id that sorts by time and fits in an address and a file name: UTC to the millisecond, then 28 random bits."""
    milliseconds = int(now * 1000) % 1000
    return f"{datetime.fromtimestamp(int(now), UTC):%Y%m%d-%H%M%S}-{milliseconds:03d}{secrets.randbits(28):07x}"


def is_id(text: str) -> bool:
    """Whether ``text`` is the id of a run."""
    return _ID.fullmatch(text) is not None
