"""How many runs may wait, how much of the disk stays free, and what the audit log holds."""

import json
import os
import shutil
import threading
from contextlib import suppress

import pytest

from engine.errors import DiskFullError, RunError, StoreError
from engine.files import disk_reserve_bytes, load, write_atomic
from engine.runs import LandSettings, RunConfig, RunStore, audit
from engine.runs.audit import AuditLog, acting
from engine.runs.process import ProcessId
from engine.runs.record import Meta, Status

CONFIG = RunConfig(settings=LandSettings(step_deg=10.0))


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_SLOTS", "1")
    with RunStore(tmp_path) as store:
        monkeypatch.setattr(store._launcher, "submit", lambda *_: None)  # nothing is started here
        yield store


def end(run, state="failed"):
    meta = load(Meta, run.files.meta)
    assert meta is not None
    status = Status(launch=max(meta.launch, 1), state=state, process=ProcessId.own(), started=1.0)
    write_atomic(run.files.status, status.model_dump_json().encode())
    write_atomic(run.files.meta, meta.model_copy(update={"launch": status.launch}).model_dump_json().encode())


def test_two_hundred_duplicates_of_one_click_end_at_the_limit(store, monkeypatch):
    monkeypatch.setenv("HARMONIA_WAITING_RUNS_EACH", "5")
    with acting("", "192.0.2.7"):
        run = store.create(CONFIG)
        refusals = []
        for _ in range(200):
            try:
                store.launch(store.duplicate(run))
            except RunError as error:
                refusals.append(str(error))
    assert len(store.records()) == 5
    assert len(refusals) == 196
    assert "5 of your runs are waiting" in refusals[0]
    assert "HARMONIA_WAITING_RUNS_EACH" in refusals[0]
    with acting("", "192.0.2.8"):  # another person has a limit of their own
        store.create(CONFIG)


def test_the_limit_in_all_holds_for_everybody(store, monkeypatch):
    monkeypatch.setenv("HARMONIA_WAITING_RUNS", "3")
    runs = [store.create(CONFIG) for _ in range(3)]
    for owner in ("", "ada"):
        with acting(owner, ""), pytest.raises(RunError, match="3 runs are waiting"):
            store.create(CONFIG)
    end(runs[0])
    store.create(CONFIG)
    with pytest.raises(RunError, match="3 runs are waiting"):
        store.resume(runs[0])
    assert runs[0].state == "failed"
    store.launch(runs[1])  # it waits already
    assert runs[1].state == "queued"


def test_the_limit_of_a_home_folder(store, monkeypatch):
    monkeypatch.setenv("HARMONIA_RUNS", "2")
    runs = [store.create(CONFIG) for _ in range(2)]
    for run in runs:
        end(run, "done")
    with pytest.raises(RunError, match="there are 2 runs"):
        store.create(CONFIG)
    store.delete(runs[0])
    store.create(CONFIG)


def test_the_limit_holds_when_many_create_at_once(store, tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_WAITING_RUNS", "4")
    barrier = threading.Barrier(8)

    def create(own: RunStore) -> None:
        barrier.wait()
        for _ in range(3):
            with suppress(RunError):
                own.create(CONFIG)

    with RunStore(tmp_path) as other:
        threads = [threading.Thread(target=create, args=(own,)) for own in [store, other] * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(store.records()) == 4


def test_a_sweep_has_a_limit_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_WAITING_RUNS", "1")
    with RunStore(tmp_path, limited=False) as store:
        for _ in range(3):
            store.create(CONFIG)


@pytest.mark.parametrize("variable", ["HARMONIA_RUNS", "HARMONIA_WAITING_RUNS", "HARMONIA_DISK_RESERVE_MB"])
@pytest.mark.parametrize("value", ["many", "-1", "1.5", "9" * 5000])
def test_a_limit_that_is_no_number_is_told(store, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(RunError, match=variable):
        store.create(CONFIG)
    assert store.records() == {}


@pytest.mark.parametrize("value", ["much", "-5", "10"])
def test_a_memory_limit_that_cannot_be_is_refused_at_the_launch(store, monkeypatch, value):
    run = store.create(CONFIG)
    monkeypatch.setenv("HARMONIA_WORKER_MEMORY", value)
    with pytest.raises(RunError, match="HARMONIA_WORKER_MEMORY"):
        store.launch(run)
    assert run.state == "created"


@pytest.mark.parametrize("value", ["low", "-5", "20"])
def test_a_priority_that_cannot_be_is_refused_at_the_launch(store, monkeypatch, value):
    run = store.create(CONFIG)
    monkeypatch.setenv("HARMONIA_WORKER_NICE", value)
    with pytest.raises(RunError, match="HARMONIA_WORKER_NICE"):
        store.launch(run)
    assert run.state == "created"


def test_no_run_starts_on_a_disk_that_is_nearly_full(store, monkeypatch):
    run = store.create(CONFIG)
    usage = shutil.disk_usage(store.home)
    monkeypatch.setenv("HARMONIA_DISK_RESERVE_MB", str(usage.total // 10**6 + 1))
    for act in (lambda: store.create(CONFIG), lambda: store.launch(run), lambda: store.duplicate(run)):
        with pytest.raises(DiskFullError, match="nearly full"):
            act()
    assert run.state == "created"
    monkeypatch.setenv("HARMONIA_DISK_RESERVE_MB", "0")
    store.launch(run)
    run.cancel()


def test_the_reserve_is_a_small_fraction_of_a_small_disk(tmp_path):
    assert 0 < disk_reserve_bytes(tmp_path) <= min(10**9, 0.02 * shutil.disk_usage(tmp_path).total)
    assert disk_reserve_bytes(tmp_path / "not" / "yet") == disk_reserve_bytes(tmp_path)


def test_what_a_killed_creation_left_is_removed(store):
    left = store.home / "runs" / ".new-20260101-000000-abcdefabcd"
    left.mkdir(parents=True)
    (left / "config.json").write_text("{")
    store.create(CONFIG)
    assert not left.exists()


# --- the audit log


def actions(store) -> list[tuple[str, str, str, str]]:
    return [(entry.who, entry.where, entry.action, entry.subject) for entry in store.audit.entries()]


def test_who_did_what_and_where_from(store):
    with acting("ada", "192.0.2.7"):
        run = store.create(CONFIG)
        store.launch(run)
        run.cancel()
    with acting("bob", "shell"):
        run.resume()
        run.cancel()
        store.annotate(run, name="new")
        store.delete(run)
        store.restore(run.id)
        store.delete(run)
        store.empty_trash()
    assert actions(store) == [
        ("ada", "192.0.2.7", "created", run.id),
        ("ada", "192.0.2.7", "launched", run.id),
        ("ada", "192.0.2.7", "cancelled", run.id),
        ("bob", "shell", "resumed", run.id),
        ("bob", "shell", "cancelled", run.id),
        ("bob", "shell", "annotated", run.id),
        ("bob", "shell", "deleted", run.id),
        ("bob", "shell", "restored", run.id),
        ("bob", "shell", "deleted", run.id),
        ("bob", "shell", "emptied trash", ""),
    ]
    assert store.audit.path.stat().st_mode & 0o077 == 0  # names and addresses are for the administrator


def test_what_is_refused_or_does_nothing_is_not_in_the_log(store):
    run = store.create(CONFIG)
    store.launch(run)
    store.launch(run)
    for act in (store.delete, store.annotate):
        with suppress(RunError, StoreError):
            act(run) if act == store.delete else act(run, name="ok")
    run.cancel()
    run.cancel()
    with suppress(RunError):
        store.move(run, 1)
    kinds = [action for _, _, action, _ in actions(store)]
    assert kinds == ["created", "launched", "annotated", "cancelled"]


def test_the_owner_is_kept_with_the_run(store):
    with acting("ada", "192.0.2.7"):
        assert store.create(CONFIG).record.owner == "ada"
    with acting("", "192.0.2.7"):
        assert store.create(CONFIG).record.owner == "192.0.2.7"
    assert store.create(CONFIG).record.owner == ""


def test_the_log_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "MAX_BYTES", 2000)
    log = AuditLog(tmp_path)
    with acting("a" * 10**6, "b" * 10**6):
        for number in range(200):
            log.write("uploaded", f"{number}" + "c" * 10**5, **{f"detail{name}": "d" * 10**5 for name in range(50)})
    files = sorted(path.name for path in tmp_path.glob("audit*.jsonl"))
    assert files == ["audit.1.jsonl", "audit.2.jsonl", "audit.3.jsonl", "audit.4.jsonl", "audit.5.jsonl", "audit.jsonl"]
    assert all((tmp_path / name).stat().st_size < 10_000 for name in files)
    assert log.entries()[-1].subject.startswith("199c")


def test_a_line_stays_one_line_and_a_damaged_one_hides_no_other(tmp_path):
    log = AuditLog(tmp_path)
    with acting('"\n{', "\x1b[2J"):
        log.write("uploaded", "a\nb")
    with open(log.path, "ab") as file:
        file.write(b'{"torn\n[]\n' + b"x" * 5000 + b"\n")
    log.write("deleted", "c")
    assert [entry.subject for entry in log.entries()] == ["a\nb", "c"]
    assert log.entries()[0].who == '"\n{'
    assert len(log.path.read_bytes().splitlines()) == 5
    json.loads(log.path.read_bytes().splitlines()[0])


def test_an_audit_log_that_cannot_be_written_stops_nobody(store, caplog):
    os.mkdir(store.audit.path)
    run = store.create(CONFIG)
    assert run.state == "created"
    assert "the audit log cannot be written" in caplog.text
    assert store.audit.entries() == []


def test_many_processes_write_whole_lines(tmp_path):
    logs = [AuditLog(tmp_path) for _ in range(4)]
    threads = [
        threading.Thread(target=lambda log=log: [log.write("uploaded", "x" * 200) for _ in range(50)]) for log in logs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(logs[0].entries()) == 200
