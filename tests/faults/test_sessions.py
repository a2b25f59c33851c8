"""Closed sessions leave nothing: documents, shells and views go, and memory does not grow with every visitor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.pages import PAGES
from tests.faults.watched_server import WatchedServer, watching
from tests.support.bokeh_client import BokehClient, run_in_thread
from tests.support.browser import PATIENCE_MS

NOTHING = {"Document": 1, "ServerSession": 0, "Shell": 0, "Session": 0, "PageView": 0, "Globe": 0}
"""One document is Bokeh's own, for scripts."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    with watching(tmp_path_factory.mktemp("watched")) as server:
        yield server


async def visit(server: WatchedServer, pages: list[str]) -> None:
    client = await BokehClient.open(server.url)
    for page in pages:
        await client.show(page)
    client.close()


def wait_until_gone(server: WatchedServer) -> dict[str, int]:
    """Until nothing of a session is left; its last timers and threads need a moment."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while True:
        num_objects = server.count()
        rss = num_objects.pop("rss")
        if num_objects == NOTHING:
            return {"rss": rss}
        assert time.monotonic() < deadline, num_objects
        time.sleep(0.5)


def test_a_closed_session_leaves_nothing(server: WatchedServer) -> None:
    for _ in range(2):
        run_in_thread(visit(server, ["basis", "embeddings", "data"]))
    wait_until_gone(server)


@pytest.mark.long
def test_two_hundred_sessions_take_no_more_memory_than_the_first_ones(server: WatchedServer) -> None:
    pages = [page.name for page in PAGES]
    # until the caches that all sessions share are full: what is in use grew for 80 sessions, by 1.6 MB in the 120 after
    for number in range(10 * len(pages)):
        run_in_thread(visit(server, [pages[number % len(pages)]]))
    before = wait_until_gone(server)["rss"]
    for number in range(200):
        run_in_thread(visit(server, [pages[number % len(pages)]]))
    assert wait_until_gone(server)["rss"] - before <= 20e6


def test_the_log_is_in_order(server: WatchedServer) -> None:
    text = Path(server.log).read_text(errors="replace")
    assert "Traceback" not in text, text
