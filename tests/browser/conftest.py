"""A real browser on a real `panel serve`: nothing passes here that a person would see fail."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page

from tests.support.browser import QUIET, SERVER_FAULTS, Server, patient, start_server


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
        key = (str(app), *args)
        if key not in servers:
            servers[key] = start_server(Path(app), tmp_path_factory.mktemp("server") / "log.txt", *args)
        return servers[key].url

    return start


@pytest.fixture
def frozen(servers: dict[tuple[str, ...], Server]) -> Callable[[str], Any]:
    """Stops the process of the server with this address, and lets it go on."""

    def send(url: str, number: signal.Signals) -> None:
        server = next(server for server in servers.values() if url.startswith(server.url))
        os.kill(server.process.pid, number)

    return send  # type: ignore[return-value]


@pytest.fixture(scope="session")
def base_url() -> None:
    """Addresses come from `serve`. Takes the place of pytest-base-url's fixture, which pytest 9 warns about."""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    executable = os.environ.get("HARMONIA_CHROMIUM") or shutil.which("chromium")
    chosen = {"executable_path": executable} if executable else {}
    return {**browser_type_launch_args, **chosen, "args": QUIET}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, object]) -> dict[str, object]:
    return {**browser_context_args, "viewport": {"width": 1280, "height": 720}}


@pytest.fixture(scope="session")
def shared_context(browser: Browser, browser_context_args: dict[str, object]) -> Iterator[BrowserContext]:
    """One context a process: the application's 4 MB of JavaScript are fetched and compiled once, not by every test."""
    context = patient(browser.new_context(**browser_context_args))  # type: ignore[arg-type]
    yield context
    context.close()


@pytest.fixture
def context(shared_context: BrowserContext) -> Iterator[BrowserContext]:
    """The shared context as a new one would be: no page, no cookie, no views or story kept by the browser."""
    yield shared_context
    for page in shared_context.pages:
        with suppress(Error):  # a page without an address has no storage
            page.evaluate("localStorage.clear()")
        page.close()
    shared_context.clear_cookies()


@contextmanager
def watched(page: Page, servers: dict[tuple[str, ...], Server]) -> Iterator[Page]:
    """Fails at its end where the page raised an error or requested another host, or a server's log shows an error."""
    faults: list[str] = []
    before = {key: len(server.log_text()) for key, server in servers.items()}

    def watch(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob", "about", "file") and parts.hostname not in ("localhost", "127.0.0.1"):
            faults.append(f"another host was requested: {url}")

    listeners: dict[str, Callable[..., None]] = {
        "pageerror": lambda error: faults.append(f"page error: {error}"),
        "console": lambda line: faults.append(f"console: {line.text}") if line.type == "error" else None,
        "request": lambda request: watch(request.url),
        "websocket": lambda socket: watch(socket.url),
    }
    for event, listener in listeners.items():
        page.on(event, listener)  # type: ignore[call-overload]
    yield page
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    for key, server in servers.items():
        output = server.log_text()[before.get(key, 0) :]
        if SERVER_FAULTS.search(output):
            faults.append(f"server log of {key[0]}:\n{output}")
    assert not faults, "\n".join(faults)


@pytest.fixture
def page(page: Page, servers: dict[tuple[str, ...], Server]) -> Iterator[Page]:
    """A page that fails the test when it raises an error, requests another host, or the server's log shows an error."""
    with watched(page, servers):
        yield page
