"""A login through an OAuth provider: a small one of our own, because no test asks another host."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.faults.test_guard import ANY_ADDRESS, Answer
from tests.support.browser import Server, start_server

CODE, TOKEN, USER = "a-code", "a-token", "ada"


class Provider(BaseHTTPRequestHandler):
    """Lets everybody in as ``USER``: the three addresses of a generic provider."""

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        if where.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(where.query).items()}
            self.send_response(302)
            self.send_header(
                "Location", f"{query['redirect_uri']}?{urlencode({'code': CODE, 'state': query['state']})}"
            )
            self.end_headers()
        elif self.headers["Authorization"] == f"Bearer {TOKEN}":
            self._answer({"login": USER, "email": f"{USER}@lab.example"})
        else:
            self.send_error(401)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if form["code"] == [CODE] and form["client_secret"] == ["a-secret"]:
            self._answer({"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600})
        else:
            self.send_error(401)

    def _answer(self, content: dict[str, object]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, format: str, *args: object) -> None:
        """No line for each request."""


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def closed(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on all interfaces that is entered through the provider; it ends a login at its own address."""
    folder = tmp_path_factory.mktemp("oauth")
    options = (
        *("--address", ANY_ADDRESS, "--oauth-provider", "generic", "--oauth-key", "a-key"),
        *("--oauth-secret", "a-secret", "--oauth-redirect-uri", "http://localhost/login"),
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, path in (("AUTHORIZE", "authorize"), ("TOKEN", "token"), ("USER", "user")):
            patch.setenv(f"PANEL_OAUTH_{name}_URL", f"{provider}/{path}")
        patch.setenv("PANEL_COOKIE_SECRET", "a-cookie-secret")
        for name in ("HOSTS", "OPEN", "READ_ONLY"):
            patch.delenv(f"HARMONIA_{name}", raising=False)
        server = start_server(Path("explorer"), folder / "log.txt", *options, home=folder / "home")
    yield server
    server.stop()


class Visitor:
    """A browser's part in a login: it keeps cookies and follows where it is sent, one step at a time."""

    def __init__(self, server: Server) -> None:
        self._port = urlsplit(server.url).port
        self._cookies: dict[str, str] = {}

    def get(self, url: str) -> Answer:
        where = urlsplit(url)
        is_provider = where.port not in (None, self._port)
        connection = http.client.HTTPConnection("127.0.0.1", where.port if is_provider else self._port, timeout=120)
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Host": f"localhost:{self._port}"} if not is_provider else {}
        try:
            connection.request("GET", f"{where.path}?{where.query}", headers={**headers, "Cookie": cookies})
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        self._cookies |= dict(cookie.split("=", 1) for cookie in answer.cookies)
        return answer


def test_a_login_through_a_provider_opens_the_page_that_was_wanted(closed: Server, provider: str) -> None:
    visitor = Visitor(closed)
    first = visitor.get("/explorer?page=data")
    assert first.status == 302
    assert "/login" in first.headers["location"]
    to_provider = visitor.get("/login?" + urlsplit(first.headers["location"]).query)
    assert to_provider.headers["location"].startswith(f"{provider}/authorize")
    back = visitor.get(to_provider.headers["location"])
    assert back.headers["location"].startswith("http://localhost/login?code=")
    entered = visitor.get(back.headers["location"])
    assert entered.status == 302
    page = visitor.get(entered.headers["location"])
    assert page.status == 200
    assert '"token"' in page.text
    assert "Only people with a login (generic) may use it" in closed.log_text()
    assert "a-secret" not in closed.log_text()


def test_a_code_that_the_provider_does_not_know_opens_nothing(closed: Server) -> None:
    visitor = Visitor(closed)
    to_provider = visitor.get("/login?" + urlsplit(visitor.get("/explorer").headers["location"]).query)
    state = parse_qs(urlsplit(to_provider.headers["location"]).query)["state"][0]
    refused = visitor.get("/login?" + urlencode({"code": "another", "state": state}))
    assert refused.status != 200 or "token" not in refused.text
    assert visitor.get("/explorer").status == 302
    assert visitor.get("/login?" + urlencode({"code": CODE, "state": "forged"})).status >= 400
    assert visitor.get("/explorer").status == 302
