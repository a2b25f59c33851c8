"""Folders that are made once in a test session, whichever of its processes asks first: trainings, files of days."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

MadeOnce = Callable[[str, Callable[[Path], object]], Path]
"""``made_once(name, make)``: the folder of that name, filled by ``make(folder)``. Tests read it and change nothing."""


def made_once_in(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    root.mkdir(exist_ok=True)

    def made_once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = root / name, root / f"{name}.done"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(
                lock, fcntl.LOCK_EX
            )  # until the process that makes it is ready; released when that process dies
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # somebody failed half way
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return made_once
