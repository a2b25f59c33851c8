"""Every path from a browser passes one check: the Data page's, those in configurations, and a model's name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.config.expert import ExpertSettings, FolderTiles, OceanTiles
from engine.config.reconstruct import ReconstructSettings
from engine.config.run_config import RunConfig
from engine.config.sst import DemoSource, FileSource, SSTSettings
from engine.config.sweep import Choices, SweepSettings
from engine.errors import DataError
from engine.queries import ocean, server_files
from engine.queries.ocean import SourceChoice, run_source
from engine.queries.server_files import resolved, with_checked_paths
from engine.queries.train.cost import dry_run

SPANS = {
    "climatology": ("2001-01", "2001-12"), "train": ("2002-01", "2002-12"), "validation": ("2003-02", "2003-11"),
    "test": ("2004-02", "2004-12"),
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    inside = tmp_path / "home" / "data"  # what is allowed where nothing is set
    inside.mkdir(parents=True)
    for name in ("a.nc", "b.nc"):
        (inside / name).write_bytes(b"x")
    (inside / "tiles").mkdir()
    (tmp_path / "secret.nc").write_bytes(b"secret")
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HARMONIA_DATA", raising=False)
    return inside


def configs(path: str) -> dict[str, RunConfig]:
    """Configurations of every task that names a path, wherever in the settings it is."""
    training = SSTSettings(source=FileSource(path=path), **SPANS)
    return {
        "training": RunConfig(settings=training),
        "sweep": RunConfig(settings=SweepSettings(trial=training, space={"seed": Choices(values=(1, 2))})),
        "reconstruction": RunConfig(settings=ReconstructSettings(source=FileSource(path=path))),
        "ocean tiles": RunConfig(settings=ExpertSettings(tiles=OceanTiles(source=FileSource(path=path)))),
        "tiles": RunConfig(settings=ExpertSettings(tiles=FolderTiles(path=path))),
    }


TASKS = list(configs("a.nc"))


def path_in(config: RunConfig) -> str:
    settings = config.settings
    holder = getattr(settings, "trial", None) or getattr(settings, "tiles", None) or settings
    return getattr(holder, "source", holder).path


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{outside}/secret.nc", "../../secret.nc", "{outside}/*.nc", "none.nc", "/"]
)
def test_no_task_takes_a_path_outside(root: Path, task: str, path: str) -> None:
    config = configs(path.format(outside=root.parents[1]))[task]
    with pytest.raises(DataError) as refusal:
        with_checked_paths(config)
    assert refusal.value.remedy


@pytest.mark.parametrize("task", TASKS)
def test_a_path_inside_is_made_absolute(root: Path, task: str) -> None:
    for text, expected in (("a.nc", "a.nc"), ("tiles", "tiles"), (str(root / "b.nc"), "b.nc"), ("*.nc", "*.nc")):
        checked = with_checked_paths(configs(text)[task])
        assert path_in(checked) == str(root / expected)
        assert with_checked_paths(checked) == checked


def test_a_demo_passes_unchanged(root: Path) -> None:
    for task in ("sst", "sweep", "table", "expert", "basis", "land", "reconstruct"):
        assert with_checked_paths(RunConfig.demo(task)) == RunConfig.demo(task)


def test_the_dry_run_passes_the_same_check(root: Path) -> None:
    with pytest.raises(DataError, match="no such file in the folders that may be used"):
        dry_run(configs("/etc/passwd")["training"])


@pytest.mark.parametrize("model", ["..", ".", "setup.py", "best.safetensors"])
def test_a_model_is_a_run_s_or_the_pretrained_one(root: Path, model: str) -> None:
    with pytest.raises(DataError, match="neither a run nor the pretrained model"):
        with_checked_paths(RunConfig(settings=ReconstructSettings(model=model)))
    for known in ("pretrained", "20260101-000000-0123456789"):
        config = RunConfig(settings=ReconstructSettings(model=known, source=DemoSource(years=1)))
        assert with_checked_paths(config) == config


def test_an_upload_is_taken_by_its_path_and_nothing_else_beside_it(root: Path) -> None:
    arriving = ocean.Upload("mine.nc", 3)
    arriving.add(b"abc")
    choice = SourceChoice("upload", path=arriving.finish())
    source = run_source(choice)
    assert isinstance(source, FileSource)
    config = RunConfig(settings=ReconstructSettings(source=source))
    assert with_checked_paths(config) == config
    folder = Path(source.path).parent
    (folder / "link.nc").symlink_to(root.parents[1] / "secret.nc")
    for other in (folder / "link.nc", folder, folder.parent, folder / ".." / "secret.nc"):
        with pytest.raises(DataError):
            with_checked_paths(configs(str(other))["training"])


def test_the_source_of_an_archive_run_is_that_of_the_check(root: Path) -> None:
    for text in ("a.nc", "*.nc", str(root / "a.nc")):
        source = run_source(SourceChoice("path", path=text))
        config = RunConfig(settings=ReconstructSettings(source=source))
        assert with_checked_paths(config) == config


# ---------------------------------------------------------------- what stands at a path


def test_pipes_loops_and_devices_are_refused_in_words(root: Path) -> None:
    os.mkfifo(root / "pipe.nc")
    (root / "loop.nc").symlink_to(root / "loop.nc")
    (root / "zero.nc").symlink_to("/dev/zero")
    (root / "gone.nc").symlink_to(root / "nothing.nc")
    with pytest.raises(DataError, match="this is a named pipe"):
        resolved("pipe.nc")
    for name in ("loop.nc", "zero.nc", "gone.nc"):
        with pytest.raises(DataError, match="no such file in the folders"):
            resolved(name)
    with pytest.raises(DataError, match=r"this is a named pipe|a link leads out|no such file"):
        resolved("*.nc")
    for name in ("pipe.nc", "loop.nc"):
        with pytest.raises(DataError):
            ocean.open_source(SourceChoice("path", path=name))


def test_a_folder_with_a_pipe_in_it_is_refused(root: Path) -> None:
    store = root / "store.zarr" / "time" / "c"
    store.mkdir(parents=True)
    os.mkfifo(store / "0")
    with pytest.raises(DataError, match="this is a named pipe"):
        resolved("store.zarr")
    (store / "0").unlink()
    os.mkfifo(root / "pipe")
    (store / "0").symlink_to(root / "pipe")
    with pytest.raises(DataError, match="this is a named pipe"):
        resolved("store.zarr")


def test_a_folder_in_place_of_a_file_is_refused_in_words(root: Path) -> None:
    (root / "folder.nc").mkdir()
    with pytest.raises(DataError, match="holds no NetCDF file"):
        ocean.open_source(SourceChoice("path", path="folder.nc"))


def test_a_list_leaves_out_what_cannot_be_opened_and_shows_the_rest(root: Path) -> None:
    os.mkfifo(root / "pipe.nc")
    (root / "loop").symlink_to(root / "loop")
    (root / "loop.nc").symlink_to(root / "loop.nc")
    (root / "gone.nc").symlink_to(root / "nothing.nc")
    assert [entry.name for entry in ocean.list_folder(str(root)).entries] == ["tiles", "a.nc", "b.nc"]


def test_a_path_is_named_below_its_folder_of_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.setenv(server_files.ROOTS, os.pathsep.join([str(tmp_path), str(inner)]))
    text = f"no such variable ({inner}/2012/a.nc); {tmp_path}/b.nc has it, /elsewhere/c.nc has not"
    assert server_files.below_roots(text) == "no such variable (2012/a.nc); b.nc has it, /elsewhere/c.nc has not"
    with server_files.any_path():
        assert server_files.below_roots(text) == text


def test_folders_are_searched_for_a_bare_name_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "deep").mkdir()
    (root / "deep" / "c.nc").write_bytes(b"x")
    walked: list[object] = []
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda *folder: walked.append(folder) or walk(*folder))
    for _ in range(3):
        assert resolved("c.nc") == [root / "deep" / "c.nc"]
    assert len(walked) == 1
    (root / "tiles" / "c.nc").write_bytes(b"y")
    (root / "deep" / "c.nc").unlink()
    assert resolved("c.nc") == [root / "tiles" / "c.nc"]
    assert len(walked) == 2
