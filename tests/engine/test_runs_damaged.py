"""One damaged run is one row that says so: whatever lies in its folder takes nothing from the other runs."""

import json
import os
import shutil
import threading
import tracemalloc

import pytest

from engine.errors import RunError, StoreError
from engine.files import load, write_atomic
from engine.runs import LandSettings, RunConfig, RunStore
from engine.runs.checkpoints import write_checkpoint
from engine.runs.context import RunContext
from engine.runs.heartbeat import Heartbeat
from engine.runs.process import ProcessId
from engine.runs.record import Meta, Status

CONFIG = RunConfig(settings=LandSettings(step_deg=10.0))
PATIENCE_S = 60.0


@pytest.fixture
def store(tmp_path):
    with RunStore(tmp_path) as store:
        yield store


def finished(action):
    """The result of ``action``, which must not wait for anything: a thread that hangs fails the test."""
    results: list[object] = []

    def call():
        try:
            results.append(action())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert results, "it waits for ever"
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


def as_folder(path):
    path.mkdir()


def as_pipe(path):
    os.mkfifo(path)


def as_loop(path):
    path.symlink_to(path.name)


def as_device(path):
    path.symlink_to("/dev/zero")


def as_huge_file(path):
    with open(path, "wb") as file:
        file.truncate(200 * 10**6)


ODD_FILES = [as_folder, as_pipe, as_loop, as_device, as_huge_file]


@pytest.mark.parametrize("make", ODD_FILES)
@pytest.mark.parametrize("name", ["meta.json", "status.json", "cancel"])
def test_what_is_no_file_of_ours_is_one_unreadable_row(store, name, make):
    good, bad = store.create(CONFIG), store.create(CONFIG)
    (bad.folder / name).unlink(missing_ok=True)
    make(bad.folder / name)
    tracemalloc.start()
    try:
        records = finished(store.records)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    assert records[good.id].state == "created"
    assert records[bad.id].state == "unreadable"
    assert name in records[bad.id].failure
    for act in (store.launch, store.cancel, store.resume):
        with pytest.raises((RunError, StoreError)):
            finished(lambda act=act: act(bad))


def status_of(**fields):
    status = Status(launch=1, state="running", process=ProcessId.own(), started=1.0)
    return json.loads(status.model_dump_json()) | fields


def meta_of(**fields):
    meta = Meta(task="land", name="n", note="", tags=(), created=1.0)
    return json.loads(meta.model_dump_json()) | fields


OWN = json.loads(ProcessId.own().model_dump_json())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("meta.json", meta_of(created=1e300)),
        ("meta.json", meta_of(created="NaN")),
        ("meta.json", meta_of(order="Infinity")),
        ("meta.json", meta_of(launch=-1)),
        ("meta.json", meta_of(launch=10**30)),
        ("meta.json", meta_of(name="x" * 5000)),
        ("meta.json", meta_of(tags=["x"] * 5000)),
        ("meta.json", meta_of(task=[])),
        ("status.json", status_of(started=1e300)),
        ("status.json", status_of(heartbeat=-1e300)),
        ("status.json", status_of(ended="Infinity")),
        ("status.json", status_of(seconds=1e300)),
        ("status.json", status_of(epoch=10**4000)),
        ("status.json", status_of(progress="NaN")),
        ("status.json", status_of(process=OWN | {"pid": 10**12})),
        ("status.json", status_of(process=OWN | {"pid": -1})),
        ("status.json", status_of(process=OWN | {"host": "x" * 5000})),
        ("status.json", status_of(failure="it went wrong")),
        ("cancel", {"version": 1, "launch": -5}),
        ("cancel", [[[[]]]]),
    ],
)
def test_values_that_no_run_has_are_one_unreadable_row(store, name, content):
    good, bad = store.create(CONFIG), store.create(CONFIG)
    write_atomic(bad.folder / name, json.dumps(content).encode())
    records = store.records()
    assert records[good.id].state == "created"
    assert records[bad.id].state == "unreadable"


def test_a_deeply_nested_file_is_damaged(store):
    bad = store.create(CONFIG)
    write_atomic(bad.folder / "status.json", b"[" * 500_000)
    assert store.records()[bad.id].state == "unreadable"


def test_a_failure_as_long_as_a_book_is_cut_and_read_back(store):
    from engine.errors import DataError
    from engine.runs.record import Failure

    run = store.create(CONFIG)
    failure = Failure.of(DataError("x" * 5_000_000, "y" * 5_000_000, "z"))
    status = Status(launch=1, state="failed", process=ProcessId.own(), started=1.0, failure=failure)
    write_atomic(run.folder / "status.json", status.model_dump_json().encode())
    assert run.state == "failed"
    assert len(run.record.failure) < 10_000


def test_a_folder_that_cannot_be_read_takes_nothing_from_the_list(store, tmp_path):
    good = store.create(CONFIG)
    loop = tmp_path / "runs" / "20260101-000000-abcdefabcd"
    loop.symlink_to(loop.name)
    (tmp_path / "runs" / "20260101-000000-abcdefabce").symlink_to("nowhere")
    assert list(store.records()) == [good.id]


def test_a_lock_that_the_file_system_refuses_counts_as_free(store, monkeypatch):
    good, bad = store.create(CONFIG), store.create(CONFIG)
    write_atomic(bad.folder / "status.json", json.dumps(status_of(process=OWN | {"start": 1.0})).encode())
    (bad.folder / "run.lock").unlink()
    as_folder(bad.folder / "run.lock")
    records = store.records()
    assert (records[good.id].state, records[bad.id].state) == ("created", "interrupted")


@pytest.mark.parametrize("make", ODD_FILES[:4])
def test_metrics_that_are_no_file_are_an_error_in_words(store, make):
    run = store.create(CONFIG)
    make(run.files.metrics)
    with pytest.raises(StoreError, match=r"metrics\.jsonl"):
        finished(lambda: run.metrics().poll())


@pytest.mark.parametrize("make", ODD_FILES[:4])
def test_a_log_that_is_no_file_is_empty(store, make):
    run = store.create(CONFIG)
    make(run.files.log)
    assert finished(run.log_tail) == []


def line(step: int) -> bytes:
    return b'{"step":%d,"time":%d,"loss":0.5}\n' % (step, step)


@pytest.mark.parametrize("is_complete", [True, False])
def test_a_line_of_200_mb_is_skipped_within_bounded_memory(store, is_complete):
    run = store.create(CONFIG)
    with open(run.files.metrics, "wb") as file:
        file.write(line(1))
        file.truncate(200 * 10**6)
        file.seek(0, os.SEEK_END)
        if is_complete:
            file.write(b"\n" + line(2))
    reader = run.metrics()
    tracemalloc.start()
    try:
        assert reader.poll()
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()
    steps = reader.columns["step"].tolist()
    assert steps == ([1.0, 2.0] if is_complete else [1.0])
    assert not reader.poll()  # what was skipped is not read again and again
    if not is_complete:
        with open(run.files.metrics, "ab") as file:
            file.write(b"\n" + line(2))
        assert reader.poll()
        assert reader.columns["step"].tolist() == [1.0, 2.0]


def test_a_name_in_every_line_does_not_become_a_column_each(store):
    run = store.create(CONFIG)
    with open(run.files.metrics, "wb") as file:
        for step in range(20_000):
            file.write(b'{"step":%d,"time":1,"name%d":1}\n' % (step, step))
    reader = run.metrics()
    reader.poll()
    assert len(reader.columns) <= 1000
    assert len(reader.columns["step"]) == 20_000


@pytest.mark.parametrize(
    "metadata",
    [{}, {"run": []}, {"run": {"step": "x"}}, {"run": {"step": -1, "progress": 0.5, "metrics_bytes": 0}}],
)
def test_a_checkpoint_of_another_shape_is_refused_in_words(store, metadata):
    run = store.create(CONFIG)
    run.files.checkpoints.mkdir()
    write_checkpoint(run.files.checkpoint(), {}, metadata)
    status = Status(launch=1, state="running", process=ProcessId.own(), started=1.0)
    with pytest.raises(StoreError, match="checkpoint is damaged"):
        RunContext(run.folder, CONFIG, Heartbeat(run.folder, status))


def test_a_permission_that_is_missing_is_told(store, monkeypatch):
    run = store.create(CONFIG)
    if os.access(run.folder, os.W_OK) and os.geteuid() == 0:
        shutil.rmtree(run.folder)  # root reads everything; a folder that is gone is refused in the same way
    else:
        run.folder.chmod(0)
    with pytest.raises(StoreError):
        store.get(run.id)
    assert load(Meta, run.folder / "nothing" / "meta.json") is None
