"""What the pages read back from a run's folder is checked: a file of another shape is told, and no other row fails."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config.run_config import RunConfig
from engine.errors import StoreError
from engine.queries import reconstruct
from engine.queries import table as table_queries
from engine.queries.mvmf import expert as expert_queries
from engine.queries.train.curves import sweep_summary
from engine.queries.train.run_files import final_scores, snapshot_fields
from engine.queries.verdicts import run_verdict
from engine.runs.run_folder import RunFolder, write_arrays
from engine.sphere import LatLonGrid
from engine.training.sst import model_bundle
from tests.faults.damaged_files import expert_scores, snapshot, sst_scores, trials

ID = "20260101-000000-0123456789"
NOT_A_FILE: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a loop of links": lambda path: path.symlink_to(path),
    "not JSON": lambda path: path.write_text("{"),
    "another encoding": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "nested deeply": lambda path: path.write_text("[" * 100_000),
    "200 MB": lambda path: os.truncate(path.write_text("{") and path, 200 * 2**20),
    "a list": lambda path: path.write_text("[1, 2]"),
    "a number": lambda path: path.write_text("3"),
    "null": lambda path: path.write_text("null"),
}


@pytest.mark.parametrize("kind", NOT_A_FILE)
@pytest.mark.parametrize("reader", ["sst", "expert", "trials"])
def test_what_is_no_result_is_told_in_words(tmp_path: Path, reader: str, kind: str) -> None:
    read = {"sst": final_scores, "expert": expert_queries.scores, "trials": sweep_summary}[reader]
    NOT_A_FILE[kind](tmp_path / ("trials.json" if reader == "trials" else "scores.json"))
    with pytest.raises(StoreError) as refusal:
        read(tmp_path)
    assert refusal.value.remedy


def test_sound_results_are_read(tmp_path: Path) -> None:
    sst_scores(tmp_path)
    assert final_scores(tmp_path) == json.loads((tmp_path / "scores.json").read_text())
    assert (run_verdict(tmp_path, "sst") or pytest.fail("no verdict")).margin == 0.0
    expert_scores(tmp_path)
    assert expert_queries.scores(tmp_path).prior["within_km"]["750"] == 0.4
    trials(tmp_path)
    assert [trial.number for trial in sweep_summary(tmp_path).trials] == [0, 1]
    snapshot(tmp_path)
    assert set(snapshot_fields(tmp_path, 3)) >= {"reconstruction", "error", "mean_error", "std"}


ODD: tuple[Any, ...] = (None, "0.5", [], {}, float("nan"), float("inf"), True)


def changed(values: dict[str, Any], path: tuple[str, ...], value: Any) -> str:
    level = values
    for key in path[:-1]:
        level = level[key]
    level[path[-1]] = value
    return json.dumps(values)


@pytest.mark.parametrize("value", ODD[:-1])
@pytest.mark.parametrize(
    "path", [("model",), ("model", "surface"), ("mean", "surface", "sea"), ("model", "surface", "sea", "mae")]
)
def test_scores_of_another_shape_never_reach_the_list_of_runs(
    tmp_path: Path, path: tuple[str, ...], value: Any
) -> None:
    """A badge is computed for every row of the list, in every session: it is drawn, or the file is refused in words."""
    file = sst_scores(tmp_path)
    file.write_text(changed(json.loads(file.read_text()), path, value))
    with suppress(StoreError):
        assert run_verdict(tmp_path, "sst") is None


def test_a_baseline_without_error_gives_no_ratio(tmp_path: Path) -> None:
    file = sst_scores(tmp_path)
    file.write_text(changed(json.loads(file.read_text()), ("mean", "surface", "sea", "mae"), 0.0))
    assert run_verdict(tmp_path, "sst") is None


@pytest.mark.parametrize("value", ODD[:-1])
@pytest.mark.parametrize(
    "path",
    [("expert",), ("prior", "within_km", "750"), ("expert", "error_km"), ("expert", "recall"), ("recall_areas_km2",)],
)
def test_expert_scores_of_another_shape_are_refused(tmp_path: Path, path: tuple[str, ...], value: Any) -> None:
    file = expert_scores(tmp_path)
    file.write_text(changed(json.loads(file.read_text()), path, value))
    with pytest.raises(StoreError):
        expert_queries.scores(tmp_path)


@pytest.mark.parametrize("path", [("trials",), ("fields",), ("importance",), ("trials", 0), ("trials", 0, "value")])
def test_trials_of_another_shape_are_refused(tmp_path: Path, path: tuple[Any, ...]) -> None:
    file = trials(tmp_path)
    for value in ("x", float("nan")):
        file.write_text(changed(json.loads(trials(tmp_path).read_text()), path, value))
        with pytest.raises(StoreError, match="the sweep's file is damaged"):
            sweep_summary(tmp_path)


@pytest.mark.parametrize("name", ["lat", "reconstruction", "target", "count", "std"])
@pytest.mark.parametrize("array", [np.zeros((3, 4)), np.array("text"), np.zeros(0), None])
def test_snapshots_of_another_shape_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, array: np.ndarray | None
) -> None:
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    folder = RunFolder.of(ID)
    folder.path.mkdir(parents=True)
    path = snapshot(folder.path)
    arrays = dict(folder.read_snapshot(3))
    if array is None:
        del arrays[name]
    else:
        arrays[name] = array
    write_arrays(path, arrays)
    readers: list[Callable[[], object]] = [lambda: snapshot_fields(folder.path, 3)]
    if name not in ("count",):
        readers.append(lambda: reconstruct.snapshot(ID, 3))
    for read in readers:
        if name == "std" and array is None:
            read()
        else:
            with pytest.raises(StoreError, match=r"damaged|grid|holds no map"):
                read()


def test_the_snapshot_of_a_table_of_another_shape_is_refused(tmp_path: Path) -> None:
    config = RunConfig.demo("table")
    (tmp_path / "config.json").write_bytes(config.to_json())
    (tmp_path / "snapshots").mkdir()
    lat = LatLonGrid.regular(10.0).lat
    write_arrays(RunFolder(tmp_path).snapshot(1), {"value": lat, "table": lat})
    with pytest.raises(StoreError, match="'value' has the shape"):
        table_queries.table_fields(tmp_path)


@pytest.mark.parametrize("damage", ["nothing", "coeffs", "text"])
def test_baselines_that_cannot_be_used_leave_the_model_usable(tmp_path: Path, damage: str) -> None:
    folder = RunFolder(tmp_path)
    if damage == "coeffs":
        write_arrays(folder.baselines, {"coeffs": np.zeros((2, 2))})
    elif damage == "text":
        folder.baselines.write_text("no archive")
    assert model_bundle._read_baselines(folder.baselines) is None
