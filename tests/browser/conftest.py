"""A real browser on a real `panel serve`: nothing passes here that a person would see fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

ROOT = Path(__file__).resolve().parents[2]
QUIET = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
]
READY_S = 60.0

# These machines are shared: a slow one is not a fault, and a condition that holds ends the wait at once.
expect.set_options(timeout=20_000)
SERVER_FAULTS = re.compile(
    r"Error running application handler|Traceback \(most recent call last\)|^.*\bERROR\b.*$", re.M
)


@dataclass
class Server:
    """A running `panel serve`: where it answers, and what it has said so far."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def eventually(holds: Callable[[], bool], why: Callable[[], str] = lambda: "") -> None:
    """Poll until it holds; fail with `why` after 15 seconds."""
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def start_server(app: Path, log: Path, *args: str, home: Path | None = None) -> Server:
    """`panel serve APP` on a free port, once it answers; its runs live in `home`, by default beside the log."""
    panel = Path(sys.executable).with_name("panel")
    environment = {**os.environ, "HARMONIA_HOME": str(home or log.with_name("home"))}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(panel), "serve", str(app), "--port", "0", *args],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    server = Server("", log, process)
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        said = re.search(r"running at: (http://\S+)", server.said())
        if said and _answers(said[1]):
            server.url = said[1]
            return server
        time.sleep(0.05)
    server.stop()
    raise RuntimeError(f"panel serve {app} is not ready after {READY_S} s:\n{server.said()}")


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[tuple[str, ...], Server]]:
    running: dict[tuple[str, ...], Server] = {}
    yield running
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def serve(servers: dict[tuple[str, ...], Server], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """serve(app, *args) -> address. One server for all tests that ask for the same app and arguments."""

    def start(app: str | Path, *args: str) -> str:
        asked = (str(app), *args)
        if asked not in servers:
            servers[asked] = start_server(Path(app), tmp_path_factory.mktemp("server") / "log.txt", *args)
        return servers[asked].url

    return start


@pytest.fixture(scope="session")
def base_url() -> None:
    """Addresses come from `serve`. Takes the place of pytest-base-url's fixture, which pytest 9 warns about."""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    found = os.environ.get("HARMONIA_CHROMIUM") or shutil.which("chromium")
    chosen = {"executable_path": found} if found else {}
    return {**browser_type_launch_args, **chosen, "args": QUIET}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, object]) -> dict[str, object]:
    return {**browser_context_args, "viewport": {"width": 1280, "height": 720}}


@pytest.fixture
def page(page: Page, servers: dict[tuple[str, ...], Server]) -> Iterator[Page]:
    """A page that fails the test when it raised an error, asked another host, or the server's log shows a fault."""
    faults: list[str] = []
    before = {asked: len(server.said()) for asked, server in servers.items()}
    page.on("pageerror", lambda error: faults.append(f"page error: {error}"))
    page.on("console", lambda line: faults.append(f"console: {line.text}") if line.type == "error" else None)

    def watch(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob", "about") and parts.hostname not in ("localhost", "127.0.0.1"):
            faults.append(f"asked another host: {url}")

    page.on("request", lambda request: watch(request.url))
    page.on("websocket", lambda socket: watch(socket.url))
    yield page
    for asked, server in servers.items():
        said = server.said()[before.get(asked, 0) :]
        if SERVER_FAULTS.search(said):
            faults.append(f"server log of {asked[0]}:\n{said}")
    assert not faults, "\n".join(faults)
