"""The pages around a login: its form, its end, its failure. They look like the app and ask no other server."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from functools import cache
from pathlib import Path

import panel.auth
import panel.io.server
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from panel.auth import BasicLoginHandler
from panel.io.state import state
from tornado.httputil import url_concat

from explorer import theme

_WRONG = "User name or password are wrong."
_TOO_MANY = "Too many wrong passwords for this name. Try again in five minutes."
MAX_FAILURES, PERIOD_S = 10, 300.0
_MAX_NAMES = 10_000


class Failures:
    """Logins that failed within the last five minutes, by user name and address: passwords cannot be tried in bulk.

    By both, because behind a proxy all people have one address, and else anybody could lock a name out for everybody.
    """

    def __init__(self) -> None:
        self._times: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def are_too_many(self, name: str, address: str) -> bool:
        """Whether this name has to wait."""
        times = self._times.get((name, address), deque())
        return len(times) == MAX_FAILURES and time.monotonic() - times[0] < PERIOD_S

    def add(self, name: str, address: str) -> None:
        """Count one; the names that have failed longest ago are forgotten first."""
        key = (name, address)
        self._times.setdefault(key, deque(maxlen=MAX_FAILURES)).append(time.monotonic())
        self._times.move_to_end(key)
        if len(self._times) > _MAX_NAMES:
            self._times.popitem(last=False)


FAILURES = Failures()


class LoginHandler(BasicLoginHandler):
    """Panel's form login; its redirects lead to addresses below a proxy's prefix too."""

    def post(self) -> None:
        """Log in and go back to the page that was wanted, or show the form again."""
        name, address = self.get_argument("username", "")[:200], str(self.request.remote_ip)
        wanted = panel.auth._validate_next_url(self.get_cookie("next_url", state.base_url)) or state.base_url
        if FAILURES.are_too_many(name, address):
            self._show_form(_TOO_MANY, wanted)
        elif name and self._validate(name, self.get_argument("password", "")):
            self.set_current_user(name)
            self.redirect(wanted)
        else:
            FAILURES.add(name, address)
            self._show_form(_WRONG, wanted)

    def _show_form(self, error: str, wanted: str) -> None:
        self.redirect(url_concat(f".{self._login_endpoint}", {"error": error, "next": wanted}))


@cache
def environment() -> Environment:
    """The templates of this folder; what is put into them is escaped."""
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    pages.globals["stylesheet"] = Markup(theme.stylesheet())
    return pages


def install() -> None:
    """Use these pages where the command line names no others: Panel's load their icon and style from elsewhere."""
    auth, server = panel.auth, panel.io.server
    for module, name, page in (
        (auth, "BASIC_LOGIN_TEMPLATE", "login.html"),
        (auth, "LOGOUT_TEMPLATE", "logout.html"),
        (auth, "ERROR_TEMPLATE", "error.html"),
        (server, "ERROR_TEMPLATE", "error.html"),
    ):
        setattr(module, name, environment().get_template(page))
