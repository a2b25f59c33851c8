"""Whatever a session asks for, a run is made of it only after its paths were checked."""

from pathlib import Path

import pytest

from engine.config.reconstruct import ReconstructSettings
from engine.config.sst import FileSource
from engine.errors import DataError
from engine.runs import RunConfig, RunStore
from explorer.registry import Registry, ServerStore


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home" / "data").mkdir(parents=True)
    (tmp_path / "home" / "data" / "a.nc").write_bytes(b"x")
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HARMONIA_DATA", raising=False)
    return tmp_path / "home"


def reading(path: str) -> RunConfig:
    return RunConfig(settings=ReconstructSettings(source=FileSource(path=path)))


def test_the_server_s_store_is_the_checked_one(home: Path) -> None:
    registry = Registry()
    try:
        assert isinstance(registry.store, ServerStore)
    finally:
        registry.stop()


def test_a_run_is_not_made_of_a_path_outside_nor_is_its_duplicate(home: Path) -> None:
    outside = reading("/etc/passwd")
    with RunStore() as free:
        run = free.create(outside)  # from the command line
    with ServerStore() as store:
        with pytest.raises(DataError, match="no such file in the folders that may be used"):
            store.create(outside)
        with pytest.raises(DataError, match="no such file in the folders that may be used"):
            store.duplicate(store.get(run.id))
        assert list(store.records()) == [run.id]
        inside = store.create(reading("a.nc"))
        assert inside.config == reading(str(home / "data" / "a.nc"))
        assert store.duplicate(inside).config == inside.config
