"""Requests that no page of ours sends, to a real server: none imports, reads, embeds or changes anything.

The defaults are those that README's section "Who may do what" promises: each row of its table is checked here.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psutil
import pytest

from tests.support.browser import ROOT, Server, eventually, start_server

EVIL = "evil.example"
ANY_ADDRESS = "0.0.0.0"
PASSWORD = "a-password"
MODULE = "imported_by_a_request"


class Answer:
    """Status, headers in lower case, and the beginning of the body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.cookies = [value.split(";")[0] for name, value in response.getheaders() if name.lower() == "set-cookie"]
        self.text = "" if response.status == 101 else response.read(200_000).decode(errors="replace")


def ask(server: Server, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
    """One request, its path sent as it is written; ``host`` replaces the name."""
    where = urlsplit(server.url)
    connection = http.client.HTTPConnection("127.0.0.1", where.port, timeout=120)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body=body, headers={"Host": where.netloc, **names})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def shake_hands(server: Server, host: str, origin: str) -> Answer:
    """Ask for a websocket with the token of a page."""
    token = re.search(r'"token":\s*"([^"]+)"', ask(server, "/explorer").text)
    assert token
    return ask(
        server,
        "/explorer/ws",
        Host=host,
        Origin=origin,
        Connection="Upgrade",
        Upgrade="websocket",
        Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
        Sec_WebSocket_Protocol=f"bokeh, {token[1]}",
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`panel serve explorer` and nothing else; a module lies ready that leaves a file when it is imported."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / f"{MODULE}.py").write_text(f"open({str(folder / 'was_imported')!r}, 'w').close()\n")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOSTS", "OPEN", "EMBED", "HEALTH", "READ_ONLY"):
            patch.delenv(f"HARMONIA_{name}", raising=False)
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        server = start_server(Path("explorer"), folder / "log.txt")
    yield server
    server.stop()


def test_no_request_imports_a_module(plain: Server) -> None:
    for module in (MODULE, "unittest.__main__", "antigravity"):
        for way in (
            f"/components/{module}/A/_css/x",
            f"/%63omponents/{module}/A/_css/x",
            f"/%2e/components/{module}/A/_css/x",
            f"//components/{module}/A/_css/x",
            f"/explorer/components/{module}/A/_css/x",
            f"/components/panel.layout/../{module}/A/_css/x",
            f"/components//{module}/A/_css/x",
        ):
            assert ask(plain, way).status in (403, 404), way
    assert ask(plain, "/components/panel.widgets/Button/_stylesheets/css/button.css").status == 403
    assert plain.process.poll() is None
    assert not (plain.log.parent / "was_imported").exists()
    assert ask(plain, "/explorer").status == 200


def test_no_request_reads_a_file_outside_the_static_folders(plain: Server) -> None:
    for way in (
        "/static/../../../../../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/static//etc/passwd",
        "/static/extensions/panel/../../../../../../../../../etc/passwd",
        "/static/extensions/panel//etc/passwd",
        "/static/extensions/panel/%2fetc/passwd",
        "/static/extensions/../../server.py",
        "/explorer/static/../app.py",
        "/explorer/static//etc/passwd",
        "/static/extensions/panel/",
        "/static/",
    ):
        answer = ask(plain, way)
        assert answer.status >= 400 or not answer.text, way
        assert "root:" not in answer.text
        assert "import" not in answer.text


def test_every_handler_refuses_foreign_names(plain: Server) -> None:
    for path in ("/explorer", "/", "/explorer/metadata", "/explorer/autoload.js", "/static/js/bokeh.min.js", "/health"):
        assert ask(plain, path, Host=EVIL).status == 403, path
        assert ask(plain, path, Origin=f"http://{EVIL}").status == 403, path
        assert ask(plain, path, "POST", "x=1", Host=EVIL).status == 403, path
    own = urlsplit(plain.url).netloc
    port = urlsplit(plain.url).port
    assert shake_hands(plain, own, f"http://{own}").status == 101
    assert shake_hands(plain, f"localhost:{port}", f"http://localhost:{port}").status == 101
    assert shake_hands(plain, EVIL, f"http://{EVIL}").status == 403
    assert shake_hands(plain, own, f"http://{EVIL}").status == 403
    assert shake_hands(plain, own, "null").status == 403
    assert "list that name in HARMONIA_HOSTS" in ask(plain, "/explorer", Host=EVIL).text


def test_large_requests_are_refused(plain: Server) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # closed while it was still arriving
        assert ask(plain, "/explorer", "POST", "x" * 2**21).status in (400, 413)
    assert ask(plain, "/explorer").status == 200


# --- the table of README ---------------------------------------------------------------------------------------------


def other_machines(plain: Server) -> None:
    (port,) = {urlsplit(plain.url).port}
    sockets = [entry for entry in psutil.Process(plain.process.pid).net_connections() if entry.status == "LISTEN"]
    assert {(entry.laddr.ip, entry.laddr.port) for entry in sockets} == {("127.0.0.1", port)}
    assert "Harmonia listens on 127.0.0.1 (this machine only). Whoever reaches it" in plain.log_text()


def address_without_login(plain: Server) -> None:
    command = [str(Path(sys.executable).with_name("panel")), "serve", "explorer", "--port", "0"]
    refused = subprocess.run(
        [*command, "--address", ANY_ADDRESS], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert refused.returncode == 1
    assert "other machines would reach this server" in refused.stderr
    assert "HARMONIA_OPEN=1" in refused.stderr
    assert "Traceback" not in refused.stderr


def foreign_name(plain: Server) -> None:
    assert ask(plain, "/explorer", Host=EVIL).status == 403


def foreign_page(plain: Server) -> None:
    assert ask(plain, "/explorer", Origin=f"https://{EVIL}").status == 403


def embedding(plain: Server) -> None:
    query = urlencode({"bokeh-autoload-element": "x", "bokeh-app-path": "/explorer"})
    answer = ask(plain, f"/explorer/autoload.js?{query}")
    assert answer.status == 403
    assert "HARMONIA_EMBED=1" in answer.text


def modules(plain: Server) -> None:
    assert ask(plain, "/components/unittest.__main__/A/_css/x").status == 403


def health_elsewhere(plain: Server) -> None:
    assert ask(plain, "/health", X_Forwarded_For="192.0.2.7").status == 403
    state = json.loads(ask(plain, "/health").text)
    assert state["sessions"] >= 0
    assert [row["process"] for row in state["processes"]] == [plain.process.pid]
    assert state["memory_bytes"] > 2**20
    assert state["disk_free_bytes"] > 0
    assert state["runs"] == {}
    assert state["read_only"] is False


DEFAULTS: dict[str, Callable[[Server], None]] = {
    "Requests from other machines": other_machines,
    "An address that other machines reach, without a login": address_without_login,
    "A request under a foreign host name": foreign_name,
    "A request from the page of another site": foreign_page,
    "Embedding in another page": embedding,
    "Panel's component resources": modules,
    "`/health` from other machines": health_elsewhere,
}


@pytest.mark.parametrize("row", DEFAULTS)
def test_what_readme_says_is_refused_is_refused(row: str, plain: Server) -> None:
    DEFAULTS[row](plain)


def test_readme_promises_what_is_checked_here() -> None:
    section = (ROOT / "README.md").read_text().partition("## Who may do what")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \|", section, re.M)
    assert set(rows) - {"refused by default", "---"} == set(DEFAULTS)
    for name in re.findall(r"HARMONIA_[A-Z_]+", section):
        assert f"| `{name}` |" in (ROOT / "README.md").read_text(), name


# --- behind a proxy, with a login, in several processes --------------------------------------------------------------


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """All interfaces, a login, a prefix, two processes, read-only, watched from elsewhere; its home is a file."""
    folder = tmp_path_factory.mktemp("closed")
    home = folder / "home"
    home.write_text("not a folder")
    options = ("--address", ANY_ADDRESS, "--basic-auth", PASSWORD, "--prefix", "/h", "--num-procs", "2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARMONIA_HEALTH", "1")
        patch.setenv("HARMONIA_READ_ONLY", "1")
        patch.setenv("HARMONIA_HOSTS", "lab.example")
        server = start_server(Path("explorer"), folder / "log.txt", *options, home=home)
    children = psutil.Process(server.process.pid).children(recursive=True)
    yield server
    server.stop()
    for process in children:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def test_the_prefix_leads_to_the_app_and_keeps_the_query(closed: Server) -> None:
    for path in ("/h", "/h/"):
        answer = ask(closed, f"{path}?page=data")
        assert answer.status == 302
        folder = path.rpartition("/")[0]
        assert f"{folder}/{answer.headers['location'].removeprefix('./')}" == "/h/explorer?page=data"


def test_the_login_opens_the_page_that_was_wanted(closed: Server) -> None:
    wanted = ask(closed, "/h/explorer?page=data")
    assert wanted.status == 302
    assert wanted.headers["location"].startswith("./login?next=%2Fh%2Fexplorer")
    form = ask(closed, "/h/" + wanted.headers["location"].removeprefix("./"))
    assert form.status == 200
    assert "Log in to open the explorer" in form.text
    kept = "; ".join(form.cookies)
    body, kind = urlencode({"username": "ada", "password": PASSWORD}), "application/x-www-form-urlencoded"
    wrong = ask(closed, "/h/login", "POST", body.replace(PASSWORD, "x"), Cookie=kept, Content_Type=kind)
    assert wrong.headers["location"].startswith("./login?error=")
    assert wrong.headers["location"].endswith("&next=%2Fh%2Fexplorer%3Fpage%3Ddata")
    assert "password are wrong" in ask(closed, "/h/" + wrong.headers["location"].removeprefix("./")).text
    right = ask(closed, "/h/login", "POST", body, Cookie=kept, Content_Type=kind)
    assert right.headers["location"] == "/h/explorer?page=data"
    for _ in range(4):  # whichever process answers
        page = ask(closed, "/h/explorer?page=data", Cookie="; ".join(right.cookies))
        assert page.status == 200
        assert '"token"' in page.text
    assert "Logins end with this server" in closed.log_text()
    assert PASSWORD not in closed.log_text()


def test_passwords_cannot_be_tried_without_end(closed: Server) -> None:
    """Two processes count for themselves, so that twice as many are tried; another name is not kept waiting."""

    def try_it(name: str, password: str) -> str:
        form = urlencode({"username": name, "password": password})
        answer = ask(closed, "/h/login", "POST", form, Content_Type="application/x-www-form-urlencoded")
        return answer.headers["location"]

    refused = ["Too+many+wrong" in try_it("eve", f"guess {number}") for number in range(60)]
    assert not any(refused[:10])
    assert all(refused[-20:])
    assert "Too+many+wrong" in try_it("eve", PASSWORD)
    assert "error=" not in try_it("ada", PASSWORD)


def test_who_is_not_logged_in_gets_no_further(closed: Server) -> None:
    assert ask(closed, "/h/explorer/ws", Connection="Upgrade", Upgrade="websocket").status in (400, 403)
    assert ask(closed, "/h/explorer/metadata").status == 302
    assert ask(closed, "/h/explorer", Host=EVIL).status == 403
    assert ask(closed, "/h/login", "POST", "username=a", Origin=f"http://{EVIL}").status == 403
    assert ask(closed, "/h/explorer", Host="lab.example").status == 302
    assert ask(closed, "/h/logout").text.count("Log in again") == 1


def test_health_answers_others_where_allowed_and_says_that_the_home_is_broken(closed: Server) -> None:
    def state() -> dict[str, object]:
        answer = ask(closed, "/h/health", X_Forwarded_For="192.0.2.7")
        assert answer.status == 200
        return json.loads(answer.text)

    eventually(lambda: "the home folder is a file" in str(state()["runs_problem"]), lambda: str(state()))
    assert state()["read_only"] is True
    assert state()["runs"] == {}
    children = {process.pid for process in psutil.Process(closed.process.pid).children()}

    def answered_by() -> set[int]:
        rows = state()["processes"]
        assert isinstance(rows, list)
        return {row["process"] for row in rows} & children

    eventually(lambda: len(answered_by()) == 2, lambda: str(state()))
    whole = state()
    assert isinstance(whole["processes"], list)
    for name, total in (("sessions", sum), ("memory_bytes", sum), ("loop_latency_ms", max)):
        assert whole[name] == total(row[name] for row in whole["processes"])


def test_the_processes_of_a_server_end_with_it(closed: Server) -> None:
    children = psutil.Process(closed.process.pid).children()
    assert len(children) >= 2
    closed.process.terminate()
    _, alive = psutil.wait_procs(children, timeout=300)
    assert not alive
    assert closed.process.wait(300) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlsplit(closed.url).port or 0)) != 0
