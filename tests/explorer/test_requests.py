"""What a browser sets is checked where it enters; requests of a message are limited, and drawn once."""

from __future__ import annotations

import logging
from typing import Any

import panel as pn
import pytest

from engine.errors import ChoiceError
from explorer.widgets.days import DayBar
from explorer.widgets.files import FileBrowser
from explorer.widgets.form import SettingsForm
from explorer.widgets.globe import Globe
from explorer.widgets.places import PlaceList
from explorer.widgets.probe import Probe
from explorer.widgets.pyramid import Pyramid
from explorer.widgets.rail import Rail
from explorer.widgets.requests import MOST_REQUESTS, Allowance
from explorer.widgets.run_list import RunList

RUN = "20261120-101500-0123456789"


def request(serial: int, **fields: Any) -> dict[str, Any]:
    return {"action": "duplicate", "id": RUN, "serial": serial, **fields}


def run_list() -> tuple[RunList, list[Any], list[None]]:
    answered: list[Any] = []
    drawn: list[None] = []
    return RunList(answered.append, lambda: drawn.append(None)), answered, drawn


def test_of_two_hundred_requests_in_one_message_few_are_answered_and_drawn_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals: list[Exception] = []
    monkeypatch.setattr(pn.config, "exception_handler", refusals.append)
    runs, answered, drawn = run_list()
    runs._process_events({"requests": [request(serial) for serial in range(1, 201)]})
    assert [item["serial"] for item in answered] == list(range(1, MOST_REQUESTS + 1))
    assert len(drawn) == 1
    (refusal,) = refusals
    assert isinstance(refusal, ChoiceError)
    assert "184 of 200 requests were left out" in str(refusal)
    # what was left out stays out, also when the browser sends it again with its next request
    runs._process_events({"requests": [request(serial) for serial in range(190, 202)]})
    assert [item["serial"] for item in answered[MOST_REQUESTS:]] == [201]


def test_the_same_serial_twice_is_one_request() -> None:
    runs, answered, _ = run_list()
    runs._process_events({"requests": [request(1), request(1), request(1)]})
    assert len(answered) == 1


def test_an_allowance_is_used_up_and_comes_back() -> None:
    now = [0.0]
    allowance = Allowance(10, 2.0, lambda: now[0])
    assert allowance.take(16) == 10
    assert allowance.take() == 0
    now[0] = 3.0
    assert allowance.take(16) == 6
    now[0] = 1000.0
    assert allowance.take(16) == 10


ILLEGAL: list[tuple[Any, str, Any]] = [
    (lambda: run_list()[0], "requests", [request(1, action="launch")]),
    (lambda: run_list()[0], "requests", [request(1, id=None)]),
    (lambda: run_list()[0], "requests", [{"action": "duplicate"}]),
    (lambda: run_list()[0], "requests", [request(1, action="annotate")]),
    (lambda: run_list()[0], "requests", [request(-1)]),
    (lambda: run_list()[0], "requests", [request(1)] * 1001),
    (lambda: run_list()[0], "requests", 5),
    (lambda: run_list()[0], "rows", []),
    (lambda: run_list()[0], "no_such_parameter", 1),
    (lambda: SettingsForm(print, print), "requests", [{"action": "set", "name": "x", "serial": 1}]),
    (lambda: SettingsForm(print, print), "requests", [{"action": "file", "text": 5, "serial": 1}]),
    (lambda: FileBrowser(print, print), "requests", [{"action": "data", "path": None, "serial": 1}]),
    (Globe, "clicked", {}),
    (Globe, "clicked", {"lat": float("nan"), "lon": 0.0, "value": None, "serial": 1}),
    (Globe, "clicked", {"lat": 91.0, "lon": 0.0, "value": None, "serial": 1}),
    (Globe, "moved", {"id": "x", "action": "drop", "lat": 0.0, "lon": 0.0, "serial": 1}),
    (Globe, "moved", {"id": 10**400, "action": "drop", "lat": 0.0, "lon": 0.0, "serial": 1}),
    (Globe, "stroke", {"points": [[1.0]], "radius_km": 600.0, "serial": 1}),
    (Globe, "stroke", {"points": [[0.0, 0.0]] * 10_001, "radius_km": 600.0, "serial": 1}),
    (Globe, "stroke", {"points": [[0.0, 0.0]], "radius_km": 1e9, "serial": 1}),
    (Globe, "center_lat", float("nan")),
    (Globe, "zoom", float("inf")),
    (Globe, "field", b"x"),
    (Pyramid, "selected", [3, 4]),
    (Pyramid, "selected", [1]),
    (lambda: PlaceList(print), "chosen", {"lat": "1", "lon": 2.0, "serial": 1}),
    (lambda: Probe(str), "at", {"lat": None, "lon": None, "value": None, "second": False, "serial": 1}),
    (Rail, "page", "x" * 1001),
    (lambda: Rail(items=[{"name": "basis"}]), "page", "nonsense"),
    (Rail, "items", []),
    (DayBar, "day", -1),
]


@pytest.mark.parametrize(("make", "name", "value"), ILLEGAL)
def test_what_is_not_legal_is_left_out_with_one_line_in_the_log(
    make: Any, name: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    component = make()
    before = getattr(component, name, None)
    with caplog.at_level(logging.WARNING):
        component._process_events({name: value})
    assert getattr(component, name, None) == before
    (record,) = caplog.records
    assert record.exc_info is None
    assert len(record.getMessage()) < 400


def test_what_is_legal_arrives() -> None:
    globe, bar = Globe(), DayBar(days=["2001-01-01", "2001-01-02"])
    clicked = {"lat": 10, "lon": -20.5, "value": None, "serial": 1}
    globe._process_events({"clicked": clicked, "center_lat": 12, "swipe": 1})
    assert (globe.clicked, globe.center_lat, globe.swipe) == (clicked, 12, 1)
    bar._process_events({"day": 7})  # of a longer list
    assert bar.day == 1
