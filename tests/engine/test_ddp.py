"""Two processes that train one model: the same steps as one process with batches twice as large."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.config.sst import FileSource, SSTSettings
from engine.errors import CancelledError, ChoiceError
from engine.runs import RunConfig
from engine.runs.checkpoints import read_checkpoint
from engine.training import ddp as ranks
from engine.training.ddp import ReadOnlyRun
from tests.support.ocean import write_days
from tests.support.trainings import MODEL, SMALL

SCRIPT = """
import sys
from pathlib import Path
from engine.runs import RunConfig
from engine.training.fit import fit
folder = Path(sys.argv[1])
fit(RunConfig.read(folder / "config.json"), folder)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    write_days(folder / "days.nc")
    return folder


def trained(place: Path, name: str, **changes) -> list[dict[str, float]]:
    """The lines of a run in processes of its own, without repetitions."""
    model = MODEL.model_copy(update={"dropout": 0.0})
    settings = SSTSettings(
        **{
            **SMALL.model_dump(),
            "source": FileSource(path=str(place / "days.nc")),
            "model": model,
            "epochs": 1,
            **changes,
        }
    )
    folder = place / name
    folder.mkdir()
    (folder / "config.json").write_bytes(RunConfig(settings=settings).to_json())
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    home = {"HARMONIA_HOME": str(place / "home"), "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, env=environment() | home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "iteration" in line]
    return [next(group) for _, group in itertools.groupby(steps, lambda line: (line["iteration"], line["epoch"]))]


def environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "NODE_RANK")}


def test_two_processes_make_the_steps_of_one(place):
    single = trained(place, "one", batch=4)
    parallel = trained(place, "two", batch=2, devices=2, accelerator="cpu")
    assert [line["iteration"] for line in single] == [line["iteration"] for line in parallel] == [1, 2, 2]
    for name, tolerance in {"train_loss": 1e-4, "gradient_norm": 1e-3}.items():
        assert parallel[0][name] == pytest.approx(single[0][name], rel=tolerance)
    # weights whose gradient is rounding noise part ways under Adam, so the rest agrees less closely
    assert parallel[-1]["val_mae"] == pytest.approx(single[-1]["val_mae"], rel=0.02)
    assert parallel[-1]["val_mae_mean"] == single[-1]["val_mae_mean"]
    kept = read_checkpoint(place / "two" / "checkpoints" / "last.safetensors")
    assert kept is not None
    assert kept.metadata["task"]["module"]["step"] == 2
    assert (place / "two" / "scores.json").exists()


def test_a_follower_reads_and_never_writes(place, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    follower = ReadOnlyRun(folder, RunConfig(settings=SMALL, seed=4))
    follower.report({"x": 1.0}, 0.5, epoch=1)
    follower.checkpoint({"x": np.ones(3)}, {})
    follower.snapshot(1, x=np.ones(3))
    follower.save("x.npz", x=np.ones(3))
    with follower.repeating():
        assert not follower.should_stop()
    follower.stop_if_asked()
    assert follower.seed == 4
    assert follower.restore() is None
    assert not list(folder.iterdir())


def test_machines_must_know_where_to_meet(monkeypatch, tmp_path):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    settings = SMALL.model_copy(update={"nodes": 2})
    with pytest.raises(ChoiceError, match="2 machines do not know where to meet"):
        ranks._rendezvous(settings)


def test_only_a_training_can_be_helped(tmp_path, capsys):
    (tmp_path / "config.json").write_bytes(RunConfig.demo("land").to_json())
    assert ranks.main([str(tmp_path), "--rank", "1"]) == 1
    assert "the task 'land' is done by one process" in capsys.readouterr().err


def test_a_follower_that_is_told_to_stop_leaves_quietly(monkeypatch, tmp_path):
    (tmp_path / "config.json").write_bytes(RunConfig(settings=SMALL).to_json())

    def stopped(*_: object) -> None:
        raise CancelledError("the run was asked to stop", "here", "resume it")

    monkeypatch.setattr("engine.training.sst.task.train_sst", stopped)
    assert ranks.main([str(tmp_path), "--rank", "1"]) == 1
