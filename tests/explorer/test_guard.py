"""Which requests are answered, where a server listens, what a read-only one refuses: checked without a server."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import panel.auth
import pytest
from bokeh.application import Application
from bokeh.server.auth_provider import NullAuth
from bokeh.server.tornado import BokehTornado
from bokeh.server.views.ico_handler import IcoHandler
from panel.auth import BasicAuthProvider
from panel.config import config
from panel.io.server import AutoloadJsHandler, DocHandler, get_static_routes
from panel.io.state import state
from panel.util import edit_readonly
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import ErrorHandler, RedirectHandler

from engine.errors import ChoiceError, DataError, RunError
from engine.runs import RunStore
from explorer import account, cli, guard, health, runs_panel, serving, visitor
from explorer.guard import Guard
from explorer.registry import ReadOnlyStore, ServerStore, open_store
from explorer.widgets.upload import UploadField
from tests.support.workers import SMALL

SWITCHES = ("HARMONIA_HOSTS", "HARMONIA_OPEN", "HARMONIA_EMBED", "HARMONIA_HEALTH", "HARMONIA_READ_ONLY")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SWITCHES, "BOKEH_ALLOW_WS_ORIGIN"):
        monkeypatch.delenv(name, raising=False)


class Connection:
    """As much of a connection as a request needs to know where it comes from."""

    def __init__(self, remote_ip: str) -> None:
        self.context = self
        self.remote_ip = remote_ip
        self.protocol = "http"


def request(host: str = "localhost:5006", remote_ip: str = "127.0.0.1", **headers: str) -> HTTPServerRequest:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection: Any = Connection(remote_ip)
    line = RequestStartLine("GET", "/explorer", "HTTP/1.1")
    incoming = HTTPServerRequest(
        start_line=line, headers=HTTPHeaders({"Host": "localhost", **names}), connection=connection
    )
    incoming.headers["Host"] = host  # Tornado itself refuses some
    return incoming


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("localhost:5006", True),
        ("LOCALHOST", True),
        ("127.0.0.1:7000", True),  # a port forwarded to another number
        ("[::1]:5006", True),
        ("evil.example:5006", False),
        ("[::2]", False),
        ("8.8.8.8:5006", False),
        ("0.0.0.0:5006", False),
        ("localhost.evil.example", False),
        ("me@localhost", False),
        ("localhost,evil.example", False),
        ("", False),
    ],
)
def test_only_this_servers_names_are_answered(host: str, is_own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = Guard("127.0.0.1").refusal(request(host))
    assert (sentence == "") == is_own
    assert is_own or "Remedy: list that name in HARMONIA_HOSTS" in sentence
    monkeypatch.setenv("HARMONIA_HOSTS", "other.example, Evil.example")
    assert (Guard("127.0.0.1").refusal(request(host)) == "") == (is_own or host == "evil.example:5006")


@pytest.mark.parametrize(
    ("origin", "is_own"),
    [
        ("http://localhost:5006", True),
        ("https://localhost:5006", True),  # a proxy ends TLS
        ("http://localhost:3000", False),
        ("http://evil.example", False),
        ("http://localhost:5006@evil.example", False),
        ("null", False),
        ("http://[", False),
    ],
)
def test_a_page_of_another_origin_is_refused(origin: str, is_own: bool) -> None:
    assert (Guard("127.0.0.1").refusal(request(Origin=origin)) == "") == is_own
    assert (Guard("127.0.0.1").refusal(request(Sec_WebSocket_Origin=origin)) == "") == is_own


def test_a_foreign_name_is_refused_although_host_and_origin_agree() -> None:
    assert Guard("127.0.0.1").refusal(request("evil.example", Origin="http://evil.example"))


def test_names_of_the_command_line_and_the_environment_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ["lab.example:80", "*.inst.example:443"]
    for host in ("lab.example", "a.inst.example:443"):
        assert not Guard("127.0.0.1").refusal(request(host, Origin=f"http://{host}"), listed)
    assert Guard("127.0.0.1").refusal(request("b.a.inst.example:443"), listed)
    # a proxy that does not pass the name on
    monkeypatch.setenv("HARMONIA_HOSTS", "public.example")
    assert not Guard("127.0.0.1").refusal(request("127.0.0.1:5006", Origin="https://public.example"))


def test_this_machines_numbers_are_answered_where_other_machines_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_addresses_of_this_machine", lambda: {"192.0.2.7", "[2001:db8::7]"})
    for host in ("192.0.2.7:5006", "[2001:db8::7]:5006"):
        assert not Guard("0.0.0.0").refusal(request(host))
        assert Guard("127.0.0.1").refusal(request(host))
    assert Guard("0.0.0.0").refusal(request("192.0.2.8:5006"))


@pytest.fixture
def bokeh_app() -> BokehTornado:
    """A protected application at `/h/explorer`, as Panel builds one; it is not served."""
    routes = [*get_static_routes({}), ("/health", health.Health)]
    tornado = BokehTornado({"/explorer": Application()}, prefix="/h", extra_patterns=routes)
    guard.protect(tornado, "127.0.0.1")
    return tornado


@pytest.mark.parametrize(
    ("path", "handler"),
    [
        ("/h/components/unittest.__main__/A/_css/x", guard.Refusal),
        ("/h/components/panel.layout/%2e%2e/x", guard.Refusal),
        ("/h/explorer/autoload.js", guard.Refusal),
        ("/h/explorer", DocHandler),
        ("/h/explorer/ws", guard._Websocket),
        ("/h/health", health.Health),
        ("/h/favicon.ico", IcoHandler),
        ("/favicon.ico", IcoHandler),
        ("/h", RedirectHandler),
        ("/h/", RedirectHandler),
        ("/components/unittest.__main__/A/_css/x", ErrorHandler),
        ("/h//components/unittest.__main__/A/_css/x", ErrorHandler),
        ("/h/%63omponents/unittest.__main__/A/_css/x", ErrorHandler),
    ],
)
def test_each_address_reaches_the_handler_it_may(path: str, handler: type, bokeh_app: BokehTornado) -> None:
    incoming = request()
    incoming.path = path
    assert bokeh_app.find_handler(incoming).handler_class is handler
    incoming.headers["Host"] = "evil.example"
    assert bokeh_app.find_handler(incoming).handler_class is guard.Refusal


def test_embedding_is_switched_on(bokeh_app: BokehTornado, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_EMBED", "1")
    incoming = request()
    incoming.path = "/h/explorer/autoload.js"
    assert bokeh_app.find_handler(incoming).handler_class is AutoloadJsHandler


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_what_only_this_machine_reaches_needs_no_login(address: str) -> None:
    assert serving.checked({"address": address, "auth_provider": NullAuth()})["address"] == address


@pytest.fixture
def panel_config(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Panel's settings, put back afterwards."""
    before = {name: getattr(config, name) for name in ("cookie_secret", "oauth_optional", "basic_auth")}
    base_url = state.base_url
    yield config
    for name, value in before.items():
        setattr(config, name, value)
    with edit_readonly(state):
        state.base_url = base_url


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.7", "::", "lab.example"])
def test_an_address_that_others_reach_needs_a_login_or_an_explicit_word(
    address: str, monkeypatch: pytest.MonkeyPatch, panel_config: Any
) -> None:
    options = {"address": address, "auth_provider": NullAuth()}
    with pytest.raises(ChoiceError, match=r"nobody would have to log in .*--basic-auth .*HARMONIA_OPEN=1"):
        serving.checked(options)
    with_login = serving.checked({**options, "auth_provider": BasicAuthProvider()})
    assert with_login["address"] == address
    panel_config.oauth_optional = True  # guests may come in
    with pytest.raises(ChoiceError):
        serving.checked({**options, "auth_provider": BasicAuthProvider()})
    monkeypatch.setenv("HARMONIA_OPEN", "1")
    assert serving.checked(options)["address"] == address


def test_where_nothing_is_chosen_only_this_machine_is_answered() -> None:
    for options in ({}, {"address": None}, {"address": ""}):
        assert serving.checked(options)["address"] == "127.0.0.1"
    assert "address" not in serving.checked({"unix_socket": "/run/harmonia.sock"})


def test_the_log_says_who_may_come_in(panel_config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_HOSTS", "lab.example")
    assert serving._who_may_come_in({"address": "127.0.0.1"}) == (
        "Harmonia listens on 127.0.0.1 (this machine only). Whoever reaches it may use it, without a login:"
        " they may start, cancel and delete runs. Host names besides this machine's: lab.example."
    )
    panel_config.basic_auth = "secret"
    monkeypatch.setenv("HARMONIA_READ_ONLY", "1")
    text = serving._who_may_come_in({"address": "0.0.0.0", "auth_provider": BasicAuthProvider()})
    assert "on 0.0.0.0 (other machines reach it). Only people with a login (password) may use it" in text
    assert "seen, not changed" in text
    assert "secret" not in text


def test_a_login_has_a_secret_for_its_cookies(panel_config: Any) -> None:
    panel_config.cookie_secret = None
    options = serving.checked({"auth_provider": BasicAuthProvider()})
    assert len(options["cookie_secret"]) >= 32
    assert panel_config.cookie_secret == options["cookie_secret"]
    assert serving.checked({"auth_provider": BasicAuthProvider(), "cookie_secret": "mine"})["cookie_secret"] == "mine"
    assert "cookie_secret" not in serving.checked({"auth_provider": NullAuth()})


@pytest.mark.parametrize(
    ("prefix", "root_path", "base_url"),
    [("", "/", "/"), ("h", "/", "/h/"), ("/a/b/", "/", "/a/b/"), ("", "/h", "/h/"), ("", "/h/", "/h/")],
)
def test_panel_learns_where_the_app_lies(prefix: str, root_path: str, base_url: str, panel_config: Any) -> None:
    with edit_readonly(state):
        state.base_url = root_path
    serving.checked({"prefix": prefix})
    assert state.base_url == base_url
    assert panel.auth._validate_next_url("/explorer?page=data") in (
        "/explorer?page=data",
        f"{base_url}explorer?page=data",
    )


@pytest.mark.parametrize(
    ("page", "content"),
    [
        ("login.html", {"login_endpoint": "/login", "errormessage": "<script>x</script>"}),
        ("logout.html", {"LOGIN_ENDPOINT": "/login"}),
        ("error.html", {"error_type": "Authorization Error", "error_msg": "no <b>access</b>"}),
    ],
)
def test_the_pages_of_the_login_ask_no_other_server_and_escape_what_they_show(
    page: str, content: dict[str, str]
) -> None:
    html = account.environment().get_template(page).render(PANEL_CDN="https://cdn.example/", **content)
    for word in ("http:", "https:", "src=", "<b>", "<script>x"):
        assert word not in html, word
    assert "url(data:font/woff2" in html
    assert html.count("action=") + html.count("href=") == (1 if page == "error.html" else 2)
    assert "--h-accent" in html


@pytest.mark.parametrize(
    ("remote_ip", "headers", "is_local"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("192.0.2.7", {}, False),
        ("127.0.0.1", {"X_Forwarded_For": "192.0.2.7"}, False),
        ("127.0.0.1", {"X_Real_Ip": "127.0.0.1"}, False),
        ("", {}, False),  # a socket file
    ],
)
def test_health_knows_this_machine(remote_ip: str, headers: dict[str, str], is_local: bool) -> None:
    assert health.is_from_this_machine(request(remote_ip=remote_ip, **headers)) == is_local


def test_a_session_knows_its_visitor_by_what_the_browser_cannot_choose(panel_config: Any) -> None:
    panel_config.cookie_secret = "s" * 32
    signed = panel.auth.tornado.web.create_signed_value(config.cookie_secret, "user", "ada").decode()
    by_name = visitor.of_request(request(remote_ip="192.0.2.7", Cookie=f'user="{signed}"; is_guest=1'))
    assert by_name == {"harmonia_visitor": {"user": "ada", "address": "192.0.2.7"}}
    forged = visitor.of_request(request(Cookie="user=ada"))
    assert forged == {"harmonia_visitor": {"user": "", "address": "127.0.0.1"}}
    assert visitor.visitor() == {"user": "", "address": ""}


READING = {"close", "deleted", "folder", "get", "list", "machine_card", "record", "records"}
"""What a store may be incoming for without changing a run."""


def test_a_read_only_store_refuses_every_change(tmp_path: Path) -> None:
    with RunStore(tmp_path) as store:
        run = store.create(SMALL, name="kept")
    methods = {name for name, _ in inspect.getmembers(RunStore, inspect.isfunction) if not name.startswith("_")}
    before = sorted(path for path in tmp_path.rglob("*"))
    with ReadOnlyStore(tmp_path) as store:
        assert store.adopt() == []
        for name in methods - READING - {"adopt"}:
            with pytest.raises(RunError, match="shows runs and changes none"):
                getattr(store, name)(run)
        for action in (store.get(run.id).cancel, store.get(run.id).resume):
            with pytest.raises(RunError, match="changes none"):
                action()
        assert [record.name for record in store.records().values()] == ["kept"]
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_a_read_only_server_opens_such_a_store_and_takes_no_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    assert type(open_store()) is ServerStore
    monkeypatch.setenv("HARMONIA_READ_ONLY", "1")
    assert type(open_store()) is ReadOnlyStore
    errors: list[Exception] = []
    field = UploadField(lambda name: pytest.fail(name), errors.append)
    for offset in (0, 4):  # also in the middle of a file
        field.chunk = {"serial": 1 + offset, "name": "a.nc", "size": 8, "offset": offset, "content": b"abcd"}
    assert [type(error) for error in errors] == [DataError, DataError]
    assert field.reply["is_over"]
    assert not list(tmp_path.iterdir())


def test_a_read_only_list_of_runs_has_no_buttons(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with RunStore(tmp_path) as store:
        run = store.create(SMALL)
        store.launch(run)
        record = run.record
        assert runs_panel.row(record)["can"] == ["cancel"]
        monkeypatch.setenv("HARMONIA_READ_ONLY", "1")
        assert runs_panel.row(record)["can"] == []
        store.cancel(run)


def test_harmonia_serve_passes_its_switches_on(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, command: started.append(command))
    for name in ("HARMONIA_READ_ONLY", "HARMONIA_OPEN"):
        monkeypatch.setenv(name, "")  # put back at the end
    cli.main(["serve", "--port", "7000"])
    assert (os.environ["HARMONIA_READ_ONLY"], os.environ["HARMONIA_OPEN"]) == ("", "")
    cli.main(["serve", "--read-only", "--open", "--address", "0.0.0.0"])
    assert (os.environ["HARMONIA_READ_ONLY"], os.environ["HARMONIA_OPEN"]) == ("1", "1")
    assert started[0][-2:] == ["--port", "7000"]
    assert started[1][-2:] == ["--address", "0.0.0.0"]


CHILD = """
import os, sys, time
from explorer import serving
parent = os.getpid()
if os.fork() == 0:
    serving._end_with(parent)
    print(os.getpid(), flush=True)
time.sleep(600)
"""

STUCK = """
import os, signal, sys, threading, time
from tornado.ioloop import IOLoop
from explorer import serving

class Server:
    io_loop = IOLoop.current()
    _http = type("Http", (), {"stop": lambda self: print("closed", flush=True)})()
    def get_sessions(self): return []
    def _sigterm(self): self.io_loop.stop()

server = Server()
threading.Thread(target=time.sleep, args=(600,)).start()
signal.signal(signal.SIGTERM, lambda *_: server.io_loop.add_callback_from_signal(serving._drain, server))
server.io_loop.add_callback(lambda: print("ready", flush=True))
server.io_loop.start()
"""


@pytest.fixture
def script() -> Any:
    """Starts a script in a process of its own; none outlives the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(text: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", text]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_server_process_ends_when_its_parent_is_killed(script: Callable[[str], subprocess.Popen[str]]) -> None:
    parent = script(CHILD)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    assert parent.stdout.read() == ""  # its end of the pipe closes with the child
    assert not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes()


def test_a_server_ends_although_a_thread_still_works(script: Callable[[str], subprocess.Popen[str]]) -> None:
    server = script(STUCK)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    server.terminate()
    assert server.stdout.readline() == "closed\n"
    assert server.wait() == 0


def test_failed_logins_are_counted_by_name_and_address_for_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("explorer.account.time.monotonic", lambda: now)
    failures = account.Failures()
    for _ in range(account.MAX_FAILURES):
        assert not failures.are_too_many("eve", "192.0.2.7")
        failures.add("eve", "192.0.2.7")
    assert failures.are_too_many("eve", "192.0.2.7")
    assert not failures.are_too_many("eve", "192.0.2.8")
    assert not failures.are_too_many("ada", "192.0.2.7")
    now += account.PERIOD_S
    assert not failures.are_too_many("eve", "192.0.2.7")
