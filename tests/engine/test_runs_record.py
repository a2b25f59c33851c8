"""The state of a run is a pure function of its files; ids and names are checked where they enter."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ChoiceError
from engine.runs.process import ProcessId, oom_kills
from engine.runs.record import (
    ACTIVE,
    ENDED,
    RESUMABLE,
    CancelRequest,
    Failure,
    Meta,
    RunRecord,
    Status,
    changes,
    checked_tags,
    checked_text,
    derive_state,
    make_record,
)
from engine.runs.run_folder import is_id, new_id


def meta(launch: int = 0) -> Meta:
    return Meta(task="land", name="n", note="", tags=(), created=1.0, launch=launch)


def status(state: str, launch: int = 1, **fields) -> Status:
    process = ProcessId(host="h", boot="b", pid=1, start=2.0)
    return Status(launch=launch, state=state, process=process, started=3.0, heartbeat=9.0, **fields)


@pytest.mark.parametrize(
    ("launch", "run_status", "cancel", "alive", "expected"),
    [
        (0, None, None, False, "created"),
        (1, None, None, False, "queued"),
        (1, None, 1, False, "cancelled"),
        (1, status("running"), None, True, "running"),
        (1, status("running"), None, False, "interrupted"),
        (1, status("running"), 1, True, "running"),  # it is stopping
        (1, status("done"), 1, False, "done"),  # the wish came too late
        (1, status("failed"), None, False, "failed"),
        (1, status("pruned"), None, False, "pruned"),
        (1, status("interrupted"), None, False, "interrupted"),
        (2, status("cancelled"), 1, False, "queued"),  # the old wish does not count for the new launch
        (2, status("running"), None, True, "queued"),  # the old process is just leaving
        (2, status("cancelled"), 2, False, "cancelled"),
        (0, status("running"), None, True, "running"),  # a worker started by hand
        (0, status("done"), None, False, "done"),
    ],
)
def test_the_state_follows_from_the_files(launch, run_status, cancel, alive, expected):
    wish = None if cancel is None else CancelRequest(launch=cancel)
    assert derive_state(meta(launch), run_status, wish, alive) == expected


def test_the_record_of_a_run_that_is_stopping():
    record = make_record("x", meta(1), status("running", seconds_left=5.0), CancelRequest(launch=1), alive=True)
    assert (record.state, record.is_stopping, record.can_cancel, record.can_resume) == ("running", True, False, False)


def test_an_interrupted_run_ended_when_it_was_last_heard_of_and_has_no_time_left():
    record = make_record("x", meta(1), status("running", seconds_left=5.0), None, alive=False)
    assert (record.ended, record.seconds_left, record.pid) == (9.0, None, None)
    assert record.can_resume


def test_a_failure_is_told_until_the_run_is_queued_again():
    failed = status("failed", failure=Failure(kind="RunError", problem="w", where="h", remedy="r"))
    assert make_record("x", meta(1), failed, None, alive=False).failure == "w (h). Remedy: r."
    assert make_record("x", meta(2), failed, None, alive=False).failure is None


def test_states_fall_into_groups():
    assert not ACTIVE & ENDED
    assert RESUMABLE < ENDED


def test_changes_name_the_new_and_the_changed():
    before = {"a": RunRecord("a", "running"), "b": RunRecord("b", "queued"), "d": RunRecord("d", "done")}
    after = {
        "c": RunRecord("c", "created"),
        "b": RunRecord("b", "queued", order=1.0),
        "a": RunRecord("a", "done"),
    }
    assert [(change.run.id, change.before, change.run.state) for change in changes(before, after)] == [
        ("a", "running", "done"),
        ("c", None, "created"),
    ]
    assert changes(after, after) == []


def test_ids_sort_by_time_and_do_not_collide():
    times = [1.0e9, 1.0e9 + 0.001, 1.0e9 + 1, 2.0e9]
    ids = [new_id(moment) for moment in times]
    assert ids == sorted(ids)
    assert all(is_id(name) for name in ids)
    assert len({new_id(5.0) for _ in range(2000)}) == 2000


@given(st.text() | st.sampled_from(["..", "../x", "20260101-000000-abcdefabcd/", "20260101-000000-abcdefabcd\n", ""]))
def test_nothing_else_is_an_id(text):
    assert not is_id(text)


def test_html_stays_plain_text():
    assert checked_text("  <b>x</b> & 1/4° ", "name", 80) == "<b>x</b> & 1/4°"


@pytest.mark.parametrize("text", ["../x", "a/../b", "..\\x", "a\x00b", "a\nb", "\x1b[2J", "x" * 81, "\ud800"])
def test_names_that_are_refused(text):
    with pytest.raises(ChoiceError):
        checked_text(text, "name", 80)


def test_a_note_may_have_lines_and_tags_are_kept_once():
    assert checked_text("a\nb", "note", 80) == "a\nb"
    assert checked_tags(["x", " x", "y"]) == ("x", "y")
    with pytest.raises(ChoiceError, match="17 tags"):
        checked_tags([str(number) for number in range(17)])


def test_this_process_is_alive_and_its_double_is_not():
    own = ProcessId.own()
    assert own.is_alive
    assert not own.model_copy(update={"start": own.start + 1}).is_alive
    assert not own.model_copy(update={"boot": "another"}).is_alive
    assert own.model_copy(update={"host": "renamed"}).is_alive
    assert not own.model_copy(update={"host": "elsewhere", "boot": "b"}).is_here
    assert not own.model_copy(update={"pid": 2**22 + 1}).is_alive


def test_looking_after_a_process_is_cheap():
    own = ProcessId.own()
    begin = time.process_time()
    for _ in range(100):
        assert own.is_alive
    assert time.process_time() - begin < 0.5
    assert oom_kills() >= 0
