"""What a person meets of the server itself: its login, its end, several threads, a read-only demonstration."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from explorer.pages import PAGES
from tests.support.browser import open_page, start_server, wait_ready

PASSWORD = "a-password"


class Proxy(socketserver.ThreadingTCPServer):
    """Passes `/h/…` on to a server as `/…`, whatever it is; nothing else."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), PrefixRemover)
        self.port = port


class PrefixRemover(socketserver.BaseRequestHandler):
    """One connection: a request, or a websocket."""

    server: Proxy

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.request.recv(65536)
            if not part:
                return
            head += part
        head, _, body = head.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        if b" /h/" not in first:
            self.request.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        if not any(line.lower().startswith(b"upgrade:") for line in lines):
            lines = [line for line in lines if not line.lower().startswith(b"connection:")] + [b"Connection: close"]
        with socket.create_connection(("127.0.0.1", self.server.port)) as upstream:
            upstream.sendall(b"\r\n".join([first.replace(b" /h/", b" /", 1), *lines, b"", body]))
            self._exchange(upstream)

    def _exchange(self, upstream: socket.socket) -> None:
        ways = {self.request: upstream, upstream: self.request}
        while True:
            for ready in select.select(list(ways), [], [])[0]:
                with suppress(ConnectionError):
                    if part := ready.recv(65536):
                        ways[ready].sendall(part)
                        continue
                return


@pytest.fixture
def behind_a_proxy(serve: Callable[..., str]) -> Iterator[str]:
    """The address of a server with a login, behind a proxy that removes the prefix `/h`."""
    address = urlsplit(serve("explorer", "--basic-auth", PASSWORD, "--root-path", "/h"))
    assert address.port
    with Proxy(address.port) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{proxy.server_address[1]}/h{address.path}"
        proxy.shutdown()


def test_the_login_looks_like_the_app_and_asks_no_other_server(page: Page, behind_a_proxy: str) -> None:
    address = behind_a_proxy
    page.goto(f"{address}?page=data")
    expect(page.get_by_role("heading", name="Harmonia")).to_be_visible()
    expect(page.locator("body")).to_have_css("background-color", "rgb(11, 14, 20)")
    page.context.add_cookies([{"name": "harmonia-mode", "value": "light", "url": address}])
    page.reload()
    expect(page.locator("body")).to_have_css("background-color", "rgb(244, 246, 248)")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("User name or password are wrong.")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    wait_ready(page, "Data")
    assert page.url.startswith(f"{address}?page=data")
    page.goto(address.replace("/explorer", "/logout"))
    page.get_by_role("link", name="Log in again").click()
    expect(page.get_by_label("Password")).to_be_visible()


def test_every_page_opens_with_several_threads(page: Page, serve: Callable[..., str]) -> None:
    components: list[str] = []
    page.on("request", lambda request: "/components/" in request.url and components.append(request.url))
    address = serve("explorer", "--num-threads", "4")
    for entry in PAGES:
        open_page(page, f"{address}?page={entry.name}", entry.title)
        expect(page.get_by_text("could not be opened")).to_have_count(0)
    assert components == []  # the server refuses them


def test_a_read_only_server_says_so_and_tells_the_open_page_when_it_stops(page: Page, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARMONIA_READ_ONLY", "1")
        server = start_server(Path("explorer"), tmp_path / "log.txt")
    try:
        open_page(page, f"{server.url}?page=train", "Train")
        expect(page.get_by_text("read only").first).to_be_visible()
        expect(page.get_by_role("button", name="Launch", exact=True)).to_be_disabled()
        server.process.terminate()
        expect(page.get_by_text("The server is being stopped. Runs go on without it.").first).to_be_visible()
        assert server.process.wait(300) == 0
    finally:
        server.stop()
    assert "ERROR" not in server.log_text()
    assert not list((tmp_path / "home").glob("runs/*"))
