"""Whatever one browser sends, the others are answered, and the log says it in single lines."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from tornado.websocket import WebSocketClosedError

from explorer.pages import PAGES
from tests.faults.messages import broken_frames, content, patch
from tests.faults.watched_server import WatchedServer, watching
from tests.support.bokeh_client import BokehClient, ConnectionEndedError, run_in_thread

OURS = ("Rail", "RunList", "Globe", "NumberSlider", "FileBrowser", "SettingsForm", "DayBar", "Pyramid", "UploadField")
PER_CONNECTION = 25


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    with watching(tmp_path_factory.mktemp("messages")) as server:
        yield server


def targets(client: BokehClient) -> list[dict[str, Any]]:
    """Our components twice as often as the rest."""
    ours = [model for name in OURS for model in client.models(name)]
    rest = [model for model in client.objects.values() if model["attributes"]]
    return [*ours, *ours, *rest]


async def fuzz(server: WatchedServer, count: int, seed: int) -> None:
    random_ = random.Random(seed)
    neighbour = await BokehClient.open(server.url)
    await neighbour.show("basis")
    sent = 0
    while sent < count:
        client = await BokehClient.open(server.url)
        await client.show(random_.choice(PAGES).name)
        models = targets(client)
        assert models
        for _ in range(PER_CONNECTION):
            sent += 1
            try:
                if random_.random() < 0.9:
                    assert (await client.patch(*patch(random_, models)))["msgtype"] in ("OK", "ERROR")
                else:
                    client.send(*content(random_))
            except (ConnectionEndedError, WebSocketClosedError):
                break  # a message that is none ends the connection
        with suppress(WebSocketClosedError):
            for frame in broken_frames(random_):
                client.send_text(frame)
        # one that the server answers after all that came before
        assert (await neighbour.ask("SERVER-INFO-REQ", {}))["msgtype"] == "SERVER-INFO-REPLY"
        client.close()
    neighbour.close()


def traces(server: WatchedServer) -> str:
    """The traces in the log."""
    return "\n".join(
        re.findall(r"^.*\n?Traceback(?:.*\n)(?:\s.*\n|[\w.]+(?:Error|Exception).*\n?)*", server.log_text(), re.M)
    )


def test_hostile_messages_disturb_nobody_else(server: WatchedServer) -> None:
    run_in_thread(fuzz(server, 300, seed=0))
    assert traces(server) == ""


@pytest.mark.long
def test_ten_thousand_hostile_messages(server: WatchedServer) -> None:
    run_in_thread(fuzz(server, 10_000, seed=1))
    assert traces(server) == ""
