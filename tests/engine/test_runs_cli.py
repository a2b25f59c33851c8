"""The ``harmonia`` command: the loop of the browser, over ssh and in batch scripts."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest

from engine.files import write_atomic
from engine.queries.text import duration
from engine.runs import LandSettings, RunConfig, RunStore
from engine.runs.process import ProcessId
from engine.runs.record import Status
from explorer.cli import _Bar, main

FAST = RunConfig(settings=LandSettings(step_deg=5.0, rows_per_band=6, resolution="110m"))
PATIENCE_S = 120.0
LONG = RunConfig(settings=LandSettings(step_deg=0.02, rows_per_band=1))


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("HARMONIA_SCHEDULER", "HARMONIA_SLOTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def written(tmp_path, config) -> str:
    path = tmp_path / "config.json"
    path.write_bytes(config.to_json())
    return str(path)


def wait_for(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_train_follows_a_run_to_its_end_and_runs_lists_it(home, tmp_path, capsys):
    assert main(["train", written(tmp_path, FAST), "--name", "first"]) == 0
    run_id = capsys.readouterr().out.strip()
    assert main(["runs"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(run_id)
    assert "done" in line
    assert line.endswith("first")
    assert main(["runs", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["id"], record["state"], record["progress"]) == (run_id, "done", 1.0)
    assert main(["resume", run_id]) == 2
    assert "the run is done" in capsys.readouterr().err
    assert main(["cancel", run_id]) == 2


def test_train_tells_json_a_line_at_a_time(home, tmp_path, capsys):
    assert main(["train", written(tmp_path, FAST), "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert records[-1]["state"] == "done"
    assert [record["progress"] for record in records] == sorted(record["progress"] for record in records)


def test_what_is_wrong_is_told_in_a_sentence(home, tmp_path, capsys):
    (tmp_path / "bad.json").write_text('{"settings": {"task": "land", "step_deg": 99, "x": 1}}')
    assert main(["train", str(tmp_path / "bad.json")]) == 2
    errors = capsys.readouterr().err
    assert "settings.step_deg" in errors
    assert "settings.x" in errors
    assert main(["cancel", "../x"]) == 2
    assert main(["resume", "20260101-000000-abcdefabcd"]) == 2
    assert "there is no such run" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["runs", "--colour"])


@pytest.fixture
def ctrl_c_is_heard():
    """By children too, where the tests were started in the background: a shell lets those ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def harmonia():
    """Starts the command as a process; none outlives the test, whatever becomes of it."""
    with ExitStack() as held:

        def start(*arguments):
            command = [sys.executable, "-m", "explorer.cli", *arguments]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            held.enter_context(process)
            held.callback(process.kill)
            return process

        yield start


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_cancels_and_another_command_resumes(home, tmp_path, monkeypatch, harmonia):
    monkeypatch.setattr("explorer.cli._STOP_S", PATIENCE_S)
    process = harmonia("train", written(tmp_path, LONG))
    run_id = process.stdout.readline().strip()
    with RunStore(home) as store:
        run = store.get(run_id)
        wait_for(lambda: run.record.progress > 0)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE_S) == 1
        wait_for(lambda: run.state == "cancelled")
        again = harmonia("resume", run_id)
        wait_for(lambda: run.state == "running")
        assert main(["cancel", run_id]) == 0
        assert again.wait(PATIENCE_S) == 1
        wait_for(lambda: run.state == "cancelled")


class Stream:
    def __init__(self, is_terminal: bool) -> None:
        self.text = ""
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None: ...


def test_a_terminal_sees_one_line_and_a_file_one_line_every_ten_percent(home):
    with RunStore(home) as store:
        record = store.create(FAST).record
    for is_terminal, num_lines in ((True, 0), (False, 11)):
        stream = Stream(is_terminal)
        bar = _Bar(stream)
        for percent in range(101):
            bar.show(replace(record, state="running", progress=percent / 100, seconds_left=90.0))
        assert stream.text.count("\n") == num_lines
        assert "1 min 30 s left" in stream.text
        assert "100%" in stream.text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (61, "1 min 01 s"), (7384, "2 h 03 min")]
)
def test_durations_are_told_in_words(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("options", "taken"), [((), None), (("--quality", "all"), "all"), (("--quality", "3"), 3)])
def test_reconstruct_takes_a_quality(home, monkeypatch, options, taken):
    qualities = []
    monkeypatch.setattr(
        "engine.queries.reconstruct.command.reconstruct_file", lambda *_, quality, **__: qualities.append(quality)
    )
    assert main(["reconstruct", "pretrained", "sst.nc", "out.nc", *options]) == 0
    assert qualities == [taken]


def test_reconstruct_refuses_what_is_no_quality(home, capsys):
    assert main(["reconstruct", "pretrained", "sst.nc", "out.nc", "--quality", "best"]) == 2
    assert "'best' is no choice of quality" in capsys.readouterr().err


def listed(home, *names):
    with RunStore(home) as store:
        for name in names:
            store.create(FAST, name)


def runs_command(**keywords):
    command = [sys.executable, "-m", "explorer.cli", "runs"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **keywords)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_every_name_is_listed_whatever_the_terminal_can_print(home, encoding):
    listed(home, "plain", "日本海", "Zürich", "κ = 4")
    process = runs_command(stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": encoding})
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, b"")
    text = out.decode(encoding)
    assert len(text.splitlines()) == 4
    assert ("日本海" if encoding == "utf-8" else "\\u65e5\\u672c\\u6d77") in text
    assert ("Zürich" if encoding != "ascii" else "Z\\xfcrich") in text


def test_a_reader_that_has_seen_enough_gets_no_traceback(home):
    listed(home, "first", "second")
    reading, writing = os.pipe()
    os.close(reading)  # as `head` does, before a line is written
    try:
        process = runs_command(stdout=writing)
        _, err = process.communicate(timeout=PATIENCE_S)
    finally:
        os.close(writing)
    assert (process.returncode, err) == (141, b"")


def test_a_run_elsewhere_is_resumed_only_when_it_is_known_to_be_dead(home, capsys, monkeypatch):
    monkeypatch.setattr("engine.runs.listing.STALE_S", 0.5)
    with RunStore(home) as store:
        run = store.create(FAST, name="elsewhere")
    process = ProcessId(host="other-node", boot="b", pid=7, start=1.0)
    status = Status(launch=1, state="running", process=process, started=1.0)
    write_atomic(run.folder / "status.json", status.model_dump_json().encode())
    assert main(["runs"]) == 0
    assert "running?" in capsys.readouterr().out
    assert main(["resume", run.id]) == 0
    assert "for a sign of the run on other-node" in capsys.readouterr().err
    assert run.state == "done"


def test_commands_are_in_the_audit_log(home, tmp_path, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    assert main(["train", written(tmp_path, FAST)]) == 0
    with RunStore(home) as store:
        entries = [(entry.who, entry.where, entry.action) for entry in store.audit.entries()]
    assert entries == [("ada", "shell", "created"), ("ada", "shell", "launched")]


def test_a_limit_is_told_in_a_sentence(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HARMONIA_WAITING_RUNS", "1")
    listed(home, "first")
    assert main(["train", written(tmp_path, FAST)]) == 2
    assert "1 runs are waiting, which is the limit" in capsys.readouterr().err
