"""A home folder for each test, and the result of a run that nothing disturbed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.runs import RunStore
from tests.support.shared import MadeOnce
from tests.support.workers import INJECT, SMALL, StoreServer, new_home, processes_of, wait_for, wait_until_ended


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home folder, on the memory disk where there is one; nothing may work in it at the end."""
    for name in ("HARMONIA_SCHEDULER", "HARMONIA_SLOTS"):
        monkeypatch.delenv(name, raising=False)
    with new_home(tmp_path) as folder:
        monkeypatch.setenv("HARMONIA_HOME", str(folder))
        yield folder
        try:
            wait_for(lambda: not processes_of(folder), "the last process to be gone")
        finally:
            for process in processes_of(folder):
                process.kill()


@pytest.fixture
def store(home: Path) -> Iterator[RunStore]:
    with RunStore(home) as store:
        yield store


@pytest.fixture
def new_server(home: Path) -> Iterator[Callable[[], StoreServer]]:
    """Starts servers on the home folder; none outlives the test, whatever becomes of it."""
    servers: list[StoreServer] = []

    def start() -> StoreServer:
        servers.append(StoreServer(home))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.returncode is None:
            server.kill()


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Callable[[], None]]:
    """Disturbs the workers that are launched from now on, until what it returns is called."""

    def disturb(name: str, value: str) -> Callable[[], None]:
        context = monkeypatch.context()
        patched = context.__enter__()
        patched.setenv("PYTHONPATH", INJECT)
        patched.setenv(name, value)
        return lambda: context.__exit__(None, None, None)

    return disturb


@pytest.fixture(scope="session")
def undisturbed(made_once: MadeOnce) -> dict[str, np.ndarray]:
    """The arrays that the small run gives when it runs through."""

    def make(folder: Path) -> None:
        with new_home(folder) as home, RunStore(home) as store:
            run = store.create(SMALL)
            store.launch(run)
            assert wait_until_ended(run) == "done", run.record.failure or run.log_tail()
            shutil.copy(run.folder / "land.npz", folder)

    with np.load(made_once("undisturbed", make) / "land.npz") as result:
        return dict(result)
