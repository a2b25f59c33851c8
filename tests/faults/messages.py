"""Hostile websocket messages, from a seed: illegal values, types, sizes and order."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.support.bokeh_client import changed

JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 1e300, "", "x" * 5000, [], {}, [[]], [None], {"type": "number", "value": "nan"},
    {"type": "number", "value": "-inf"}, {"type": "map", "entries": []}, {"type": "map", "entries": [["serial", "x"]]},
    {"type": "map", "entries": [["lat", 1e9], ["lon", None], ["serial", 1]]}, {"type": "bytes", "data": "AAAA"},
    {"type": "object", "name": "Slider", "id": "x1"}, {"type": "object", "name": "NoSuchModel", "id": "x2"},
    {"id": "p0"}, {"type": "ndarray", "array": "x", "shape": [-1], "dtype": "float64", "order": "little"},
    {"type": "symbol", "name": "x"}, {"type": "nonsense"}, "\x00", "../../etc/passwd",
    [{"action": "duplicate", "id": "x", "serial": n} for n in range(1, 200)],
    [{"action": "annotate", "id": 5, "serial": 1}], [{"action": "data", "path": "/etc/passwd", "serial": 10**12}],
)  # fmt: skip
KINDS = (
    "ModelChanged",
    "ColumnDataChanged",
    "ColumnsStreamed",
    "ColumnsPatched",
    "RootRemoved",
    "MessageSent",
    "X",
    None,
)
EVENTS = ("button_click", "document_ready", "dom_event", "data_event", "esm_event", "connection_lost", "nonsense", "")
TYPES = ("PATCH-DOC", "PATCH-DOC", "PATCH-DOC", "PULL-DOC-REQ", "SERVER-INFO-REQ", "PUSH-DOC", "ACK", "OK", "ERROR")


def patch(random_: random.Random, models: list[dict[str, Any]]) -> list[Any]:
    """The events of one message; ``models`` are those of the document, whose attributes they set."""
    return [_event(random_, models) for _ in range(random_.choice((1, 1, 1, 3, 40)))]


def content(random_: random.Random) -> tuple[str, Any]:
    """A message that is framed as it should be, of a type and a content that no browser sends."""
    return random_.choice(TYPES), random_.choice((*JUNK, {"events": _junk(random_)}, {"events": [_junk(random_)]}))


def broken_frames(random_: random.Random) -> list[str | bytes]:
    """Frames in a wrong order, or that are none: after them a connection is of no use."""
    whole = frames("PATCH-DOC", {"events": []})
    choices: list[list[str | bytes]] = [
        whole[:2], whole[1:], whole[::-1], ["{", *whole[1:]], ["[" * 100_000, *whole[1:]], [b"\x00\xff" * 20],
        [whole[0], b"\x00", whole[2]], ["null", "null", "null"], ["x" * 1_000_000, *whole[1:]],
        frames("NONSENSE", {}),
    ]  # fmt: skip
    return random_.choice(choices)


def frames(msgtype: str, content: Any) -> list[str | bytes]:
    return [json.dumps({"msgid": "f1", "msgtype": msgtype}), "{}", json.dumps(content)]


def _junk(random_: random.Random) -> Any:
    return random_.choice(JUNK)


def _event(random_: random.Random, models: list[dict[str, Any]]) -> Any:
    model = random_.choice(models)
    names = list(model["attributes"]) or ["value"]
    kind = random_.random()
    if kind < 0.7:
        return changed(model, random_.choice(names), _junk(random_))
    if kind < 0.9:
        name = random_.choice(EVENTS)
        values = [["model", {"id": model["id"]}], ["data", _junk(random_)], ["node", _junk(random_)]]
        data = {"type": "event", "name": name, "values": {"type": "map", "entries": values}}
        return {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": data}
    return {"kind": random_.choice(KINDS), "model": random_.choice(({"id": model["id"]}, _junk(random_))), "attr": "x"}
