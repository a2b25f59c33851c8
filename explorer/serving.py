"""How a server starts, forks and stops: where it listens, who must log in, what it says at its end."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import threading
import time
from functools import cache, partial
from typing import Any

import panel as pn
import psutil
from bokeh.document import Document
from panel.config import config
from panel.io.server import Server
from panel.io.state import state

from engine.errors import ChoiceError
from explorer import account, guard
from explorer.health import SHARED, Health, SharedFigures
from explorer.panel_compat import set_base_url
from explorer.switches import OPEN, READ_ONLY, is_on, listed_hosts

log = logging.getLogger("harmonia")

_THIS_MACHINE = "127.0.0.1"
_LONGEST_REQUEST_BYTES = 2**20
_WATCH_S = 0.5
_TELL_S, _WRITE_S, _END_S = 2.0, 0.2, 5.0
_STOPPING = "The server is being stopped. Runs go on without it. Reload this page when it is back."


@cache
def install() -> None:
    """Start every server of this process from now on as described here. A second call does nothing."""
    log.setLevel(logging.INFO)
    account.install()
    start = Server.__init__

    def start_checked(self: Any, *arguments: Any, **options: Any) -> None:
        options = checked(options)
        parent = os.getpid()
        num_processes = options.get("num_procs", 1) or psutil.cpu_count() or 1  # 0: one per core
        if num_processes != 1:
            _forward_sigterm()
        figures = SharedFigures(num_processes)
        log.log(logging.INFO if _is_closed(options) else logging.WARNING, _who_may_come_in(options))
        start(self, *arguments, **options)
        if os.getpid() != parent:
            _end_with(parent)
        guard.protect(self._tornado, options.get("address"))
        self._tornado.settings[SHARED] = figures
        figures.publish(self._tornado)
        self._sigterm = partial(_drain, self)

    Server.__init__ = start_checked


def checked(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a Bokeh server with what is safe where nothing was chosen.

    Raises:
        ChoiceError: other machines reach the address, nobody has to log in, and ``HARMONIA_OPEN`` is not set.
    """
    options = dict(options)
    if not options.get("unix_socket"):
        options["address"] = options.get("address") or _THIS_MACHINE
        if not _is_closed(options) and not is_on(OPEN):
            raise ChoiceError(
                "other machines would reach this server, and nobody would have to log in",
                f"--address {options['address']}",
                "ask for a login (--basic-auth PASSWORD or FILE, or --oauth-provider), or set "
                f"{OPEN}=1 (harmonia serve --open) where everybody on the network may use it",
            )
    if login(options) and not options.get("cookie_secret"):
        # before the server forks: a cookie of one process must open the others
        options["cookie_secret"] = secrets.token_hex(32)
        config.cookie_secret = options["cookie_secret"]  # pyright: ignore[reportAttributeAccessIssue]
        log.info("Logins end with this server. Set PANEL_COOKIE_SECRET to keep them.")
    _complete_base_url(str(options.get("prefix") or ""))
    options["extra_patterns"] = [*options.get("extra_patterns", []), ("/health", Health)]
    # files arrive over the websocket: whatever is sent as a request is small
    options.setdefault("http_server_kwargs", {"max_body_size": _LONGEST_REQUEST_BYTES})
    return options


def login(options: dict[str, Any]) -> str:
    """The kind of login that everybody has to pass; empty where guests may come in."""
    provider = options.get("auth_provider")
    if provider is None or not (provider.get_user or provider.get_user_async):
        return ""
    if config.oauth_optional or config.oauth_guest_endpoints:
        return ""
    return config.oauth_provider or ("password" if config.basic_auth else type(provider).__name__)


def _is_closed(options: dict[str, Any]) -> bool:
    return bool(options.get("unix_socket") or login(options) or guard.is_loopback(options["address"]))


def _complete_base_url(prefix: str) -> None:
    """Tell Panel where the app lies: it sends people there after a login, and joins texts without a slash between."""
    base = f"/{prefix.strip('/')}/" if state.base_url == "/" else f"/{state.base_url.strip('/')}/"
    set_base_url(base.replace("//", "/"))


def _who_may_come_in(options: dict[str, Any]) -> str:
    address = options.get("address")
    if options.get("unix_socket"):
        where = f"on the socket file {options['unix_socket']}"
    elif guard.is_loopback(str(address)):
        where = f"on {address} (this machine only)"
    else:
        where = f"on {address} (other machines reach it)"
    kind = login(options)
    who = f"Only people with a login ({kind}) may use it" if kind else "Whoever reaches it may use it, without a login"
    may = "runs and data can be seen, not changed" if is_on(READ_ONLY) else "they may start, cancel and delete runs"
    names = ", ".join(sorted(listed_hosts())) or "none"
    return f"Harmonia listens {where}. {who}: {may}. Host names besides this machine's: {names}."


def _forward_sigterm() -> None:
    """Let the parent of several server processes end them and wait; by default it would only end itself."""
    parent = os.getpid()

    def forward(*_: object) -> None:
        if os.getpid() != parent:
            os._exit(0)  # a process that has only just begun: nothing to end in order
        for process in psutil.Process().children():
            process.terminate()

    signal.signal(signal.SIGTERM, forward)


def _end_with(parent: int) -> None:
    """End this process in order soon after its parent is gone, however that ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def _drain(server: Any) -> None:
    """Answer SIGTERM: accept no further connection, tell the open pages, and end within seconds."""
    # threads with long work would be waited for
    end = threading.Timer(_END_S, os._exit, [0])
    end.daemon = True
    end.start()
    server._http.stop()
    documents = [session.document for session in server.get_sessions()]
    server.io_loop.add_callback(_stop, server, documents)


async def _stop(server: Any, documents: list[Document]) -> None:
    if documents:
        await asyncio.wait([_say_stopping(document) for document in documents], timeout=_TELL_S)
        await asyncio.sleep(_WRITE_S)
    type(server)._sigterm(server)


def _say_stopping(document: Document) -> asyncio.Future[None]:
    """Show the sentence on one page; the future is done when it is on its way."""
    sent = asyncio.get_running_loop().create_future()

    def say() -> None:
        try:
            if pn.state.notifications is not None:
                pn.state.notifications.warning(_STOPPING, duration=0)
        finally:
            sent.set_result(None)

    document.add_next_tick_callback(say)
    return sent
