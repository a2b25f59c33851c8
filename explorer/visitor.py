"""Who uses a session: the name of the login and the address the requests come from."""

from __future__ import annotations

from typing import Any, TypedDict

import panel as pn
from panel.config import config
from tornado.httputil import HTTPServerRequest
from tornado.web import decode_signed_value

_KEY = "harmonia_visitor"


class Visitor(TypedDict):
    """Of one session; both are empty outside of one, ``user`` also where nobody has to log in."""

    user: str
    address: str


def of_request(request: HTTPServerRequest) -> dict[str, Visitor]:
    """What a session remembers of the request that opens it: only what the browser cannot choose.

    The address is the proxy's unless the server was started with ``--use-xheaders``.
    """
    cookie = request.cookies.get("user")
    name = decode_signed_value(config.cookie_secret, "user", cookie.value) if cookie and config.cookie_secret else None
    return {_KEY: Visitor(user=(name or b"").decode(errors="replace"), address=str(request.remote_ip or ""))}


def visitor() -> Visitor:
    """Of the session whose callback runs now."""
    context: Any = None if pn.state.curdoc is None else pn.state.curdoc.session_context
    payload = {} if context is None else context.token_payload
    return payload.get(_KEY, Visitor(user="", address=""))
