"""Which requests the server answers: those under its own names, from its own pages, for what its pages use.

Every request (page, websocket, file, login) passes ``find_handler`` of Bokeh's Tornado application. What is not served
is known by the class of its handler: an address has many spellings (``%2e``, ``//``), a handler has one class.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import psutil
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import check_allowlist
from bokeh.server.views.autoload_js_handler import AutoloadJsHandler
from bokeh.server.views.ico_handler import IcoHandler
from bokeh.server.views.root_handler import RootHandler
from bokeh.settings import settings
from panel.auth import BasicLoginHandler
from panel.io.server import ComponentResourceHandler, WSHandler
from tornado.httputil import HTTPServerRequest
from tornado.web import RedirectHandler, RequestHandler

from explorer.account import LoginHandler
from explorer.switches import EMBED, HOSTS, is_on, listed_hosts

log = logging.getLogger("harmonia")

_NOT_SERVED = "This address is not served."
_NO_EMBEDDING = f"This server is not embedded in other pages. Remedy: set {EMBED}=1 when you start it."


class Refusal(RequestHandler):
    """Answers any request with 403 and a sentence."""

    def initialize(self, sentence: str) -> None:
        """Take the sentence."""
        self._sentence = sentence

    def prepare(self) -> None:
        """Answer before any method is called."""
        refuse(self, self._sentence)


def refuse(handler: RequestHandler, sentence: str) -> None:
    """Answer with 403 and a sentence as plain text."""
    handler.set_status(403)
    handler.set_header("Content-Type", "text/plain; charset=utf-8")
    handler.finish(f"{sentence}\n")


class _Websocket(WSHandler):
    def check_origin(self, origin: str) -> bool:
        """Accept: ``find_handler`` has compared the origin with the host, of which Bokeh's own list knows one name."""
        return True


class Guard:
    """The names of one server, which listens on ``address``; None for a socket file."""

    def __init__(self, address: str | None) -> None:
        own = address or "localhost"
        names = ("localhost", "127.0.0.1", "[::1]", socket.gethostname(), socket.getfqdn(), own, f"[{own}]")
        self._names = {name.lower() for name in names}
        self._is_reachable = address is not None and not is_loopback(address)

    def refusal(self, request: HTTPServerRequest, origins: Collection[str] = ()) -> str:
        """Why a request is refused, as a sentence; empty when it is not.

        A foreign ``Host`` means that another site's name leads here (DNS rebinding), a foreign ``Origin`` that the page
        of another site asks. ``origins`` are Bokeh's patterns of allowed websocket origins.
        """
        host = request.headers.get("Host", "").lower()
        if not self._is_own(host, origins):
            return _foreign(f"requests to {host[:120]!r}")
        origin = request.headers.get("Origin", request.headers.get("Sec-Websocket-Origin"))
        if origin is not None and not _is_allowed(_netloc(origin), host, origins):
            return _foreign(f"pages of {origin[:120]!r}")
        return ""

    def _is_own(self, host: str, origins: Collection[str]) -> bool:
        name = _without_port(host)
        return (
            name in self._names
            or _is_listed(host, origins)
            or (self._is_reachable and name in _addresses_of_this_machine())
        )


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches ``address``."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def allowed_origins(app: BokehTornado) -> Collection[str]:
    """Bokeh's patterns: those of the environment, else of the command line, else this machine."""
    return settings.allowed_ws_origin() or app.websocket_origins


def _foreign(requests: str) -> str:
    return f"This server does not answer {requests}. Remedy: list that name in {HOSTS} when you start it."


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if port.isdigit() else host


def _is_listed(host: str, origins: Collection[str]) -> bool:
    listed = listed_hosts()
    return bool(host) and (host in listed or _without_port(host) in listed or check_allowlist(host, list(origins)))


def _is_allowed(origin: str, host: str, origins: Collection[str]) -> bool:
    return bool(origin) and (origin == host or _is_listed(origin, origins))


def _addresses_of_this_machine() -> set[str]:
    """As they stand in a Host header. Read at each call: a laptop changes its network."""
    interfaces = [address for addresses in psutil.net_if_addrs().values() for address in addresses]
    ipv4 = {address.address for address in interfaces if address.family == socket.AF_INET}
    ipv6 = {address.address.partition("%")[0].lower() for address in interfaces if address.family == socket.AF_INET6}
    return ipv4 | {f"[{address}]" for address in ipv6}


def protect(app: BokehTornado, address: str | None) -> None:
    """Check every request to ``app``, a server on ``address``, before it reaches a handler."""
    guard = Guard(address)
    find_handler = app.find_handler

    def find(request: HTTPServerRequest, **options: Any) -> Any:
        sentence = guard.refusal(request, allowed_origins(app))
        if sentence:
            log.warning("refused a request: %s", sentence)
            return app.get_handler_delegate(request, Refusal, {"sentence": sentence})
        delegate = find_handler(request, **options)
        sentence = _refused_class(delegate.handler_class)
        if sentence:
            return app.get_handler_delegate(request, Refusal, {"sentence": sentence})
        return _improved(app, request, delegate)

    app.find_handler = find


def _refused_class(handler: type[RequestHandler]) -> str:
    # it imports whatever module a path names, and no page asks for it
    if issubclass(handler, ComponentResourceHandler):
        return _NOT_SERVED
    # it hands a session to whoever asks
    if issubclass(handler, AutoloadJsHandler) and not is_on(EMBED):
        return _NO_EMBEDDING
    return ""


def _improved(app: BokehTornado, request: HTTPServerRequest, delegate: Any) -> Any:
    """The delegate with our own handler in the place of the library's, where there is one."""
    if delegate.handler_class is WSHandler:
        delegate.handler_class = _Websocket
    elif delegate.handler_class is BasicLoginHandler:
        delegate.handler_class = LoginHandler
    elif request.path == f"{app.prefix}/favicon.ico":
        # pages ask for it below the prefix, Bokeh serves it at the root only
        return app.get_handler_delegate(request, IcoHandler, {"app": app})
    elif issubclass(delegate.handler_class, RootHandler) and len(app.applications) == 1:
        (path,) = app.applications
        # relative, because a proxy may put a prefix of its own before the address
        folder = "./" if request.path.endswith("/") else f"./{request.path.rpartition('/')[2]}/"
        return app.get_handler_delegate(
            request, RedirectHandler, {"url": folder + path.lstrip("/"), "permanent": False}
        )
    return delegate
