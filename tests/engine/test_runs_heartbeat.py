"""The heartbeat notices a request to stop, updates the status, and ends a process whose task does not return."""

import math
import threading
import time

import numpy as np
import pytest

from engine.errors import CancelledError, StoreError
from engine.files import load, write_atomic
from engine.runs import LandSettings, RunConfig
from engine.runs import heartbeat as heartbeat_module
from engine.runs.checkpoints import read_checkpoint, write_checkpoint
from engine.runs.context import RunContext
from engine.runs.heartbeat import Heartbeat
from engine.runs.process import ProcessId
from engine.runs.record import CancelRequest, Status


def first_status() -> Status:
    return Status(launch=1, state="running", process=ProcessId.own(), started=time.time(), seconds=100.0)


def wait_for(condition) -> None:
    deadline = time.monotonic() + 120.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def read_status(folder) -> Status:
    status = load(Status, folder / "status.json")
    assert status is not None
    return status


def cancel(folder) -> None:
    write_atomic(folder / "cancel", CancelRequest(launch=1).model_dump_json().encode())


@pytest.fixture
def heartbeat(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat_module, "POLL_S", 0.01)
    monkeypatch.setattr(heartbeat_module, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(heartbeat_module, "UPDATE_S", 0.02)
    monkeypatch.setattr(heartbeat_module, "GRACE_S", 0.1)
    ended = threading.Event()
    heartbeat = Heartbeat(tmp_path, first_status(), end_process=lambda _: ended.set())
    heartbeat.ended = ended
    heartbeat.start()
    yield heartbeat
    heartbeat.finish("done")


def test_the_heart_beats_and_news_are_written(heartbeat, tmp_path):
    beat = read_status(tmp_path).beat
    wait_for(lambda: read_status(tmp_path).beat > beat + 1)
    heartbeat.update(progress=0.5, epoch=3, best=None)
    wait_for(lambda: read_status(tmp_path).progress == 0.5)
    assert read_status(tmp_path).epoch == 3
    assert read_status(tmp_path).seconds > 100.0


def test_the_end_is_written_once(heartbeat, tmp_path):
    heartbeat.finish("failed")
    heartbeat.finish("done")
    assert read_status(tmp_path).state == "failed"
    assert read_status(tmp_path).ended is not None


def test_a_task_that_does_not_come_back_is_ended_as_cancelled(heartbeat, tmp_path):
    cancel(tmp_path)
    wait_for(heartbeat.stop_requested.is_set)
    wait_for(heartbeat.ended.is_set)
    assert read_status(tmp_path).state == "cancelled"


def test_a_write_is_let_finish_before_the_process_is_ended(heartbeat, tmp_path):
    with heartbeat.writing():
        cancel(tmp_path)
        wait_for(heartbeat.stop_requested.is_set)
        assert not heartbeat.ended.wait(0.3)
    wait_for(heartbeat.ended.is_set)


def test_a_wish_for_an_earlier_launch_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat_module, "POLL_S", 0.01)
    cancel(tmp_path)
    later = Heartbeat(tmp_path, first_status().model_copy(update={"launch": 2}))
    later.start()
    assert not later.stop_requested.wait(0.1)
    later.finish("done")


def test_a_checkpoint_is_kept_before_the_task_is_left(heartbeat, tmp_path):
    run = RunContext(tmp_path, RunConfig(settings=LandSettings()), heartbeat)
    assert run.restore() is None
    run.report({"loss": 1.0}, 0.25)
    run.checkpoint({"weights": np.arange(3)}, {"epoch": 1})
    heartbeat.stop_requested.set()
    with pytest.raises(CancelledError):
        run.checkpoint({"weights": np.arange(4)}, {"epoch": 2})
    run.close()
    again = RunContext(tmp_path, RunConfig(settings=LandSettings()), heartbeat).restore()
    assert again is not None
    assert again.metadata == {"epoch": 2}
    assert again.arrays["weights"].tolist() == [0, 1, 2, 3]


def test_a_line_is_repeated_while_a_task_cannot_report(heartbeat, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.runs.context._REPEAT_S", 0.02)
    run = RunContext(tmp_path, RunConfig(settings=LandSettings()), heartbeat)
    run.report({"percent": 40.0}, 0.4)
    with run.repeating():
        wait_for(lambda: (tmp_path / "metrics.jsonl").read_bytes().count(b'"percent":40.0') >= 3)
    count = (tmp_path / "metrics.jsonl").read_bytes().count(b"\n")
    run.report({"percent": math.nan}, 0.5)
    assert (tmp_path / "metrics.jsonl").read_bytes().count(b"\n") == count + 1


def test_snapshots_are_written_whole_and_the_best_beside_the_last(heartbeat, tmp_path):
    run = RunContext(tmp_path, RunConfig(settings=LandSettings()), heartbeat)
    run.snapshot(7, field=np.ones((2, 3), np.float32))
    with np.load(tmp_path / "snapshots" / "epoch-0007.npz") as file:
        assert file["field"].shape == (2, 3)
    run.checkpoint({}, {"score": 0.5}, name="best")
    best = run.restore("best")
    assert best is not None
    assert best.metadata == {"score": 0.5}
    assert run.restore() is None
    with pytest.raises(ValueError, match="Object arrays"):
        run.save("x.npz", odd=np.array([{}], dtype=object))


ARRAYS = {
    "scalar": np.float64(3.5),
    "empty": np.zeros((0, 4)),
    "bits": np.array([True, False]),
    "half": np.arange(4, dtype=np.float16).reshape(2, 2).T,
    "nan": np.array([np.nan, -0.0, np.inf]),
}


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path):
    path = tmp_path / "last.safetensors"
    write_checkpoint(path, ARRAYS, {"epoch": 3, "text": "κ"})
    kept = read_checkpoint(path)
    assert kept is not None
    assert kept.metadata == {"epoch": 3, "text": "κ"}
    for name, array in ARRAYS.items():
        assert kept.arrays[name].tobytes() == np.asarray(array).tobytes()
        assert kept.arrays[name].shape == np.shape(array)
        assert kept.arrays[name].dtype == np.asarray(array).dtype
    first = path.read_bytes()
    write_checkpoint(path, ARRAYS, {"text": "κ", "epoch": 3})
    assert path.read_bytes() == first


@pytest.mark.parametrize("where", [4, 40, -1])
def test_a_damaged_checkpoint_is_told(tmp_path, where):
    path = tmp_path / "last.safetensors"
    write_checkpoint(path, ARRAYS, {})
    content = bytearray(path.read_bytes())
    content[where] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        read_checkpoint(path)
    path.write_bytes(content[:20])
    with pytest.raises(StoreError, match="damaged"):
        read_checkpoint(path)


def test_a_newer_checkpoint_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.runs.checkpoints.VERSION", 2)
    write_checkpoint(tmp_path / "last.safetensors", {}, {})
    monkeypatch.undo()
    with pytest.raises(StoreError, match="newer"):
        read_checkpoint(tmp_path / "last.safetensors")
