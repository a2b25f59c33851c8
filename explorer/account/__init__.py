"""The pages around a login: its form, its end, its failure. They look like the app and ask no other server."""

from __future__ import annotations

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


class LoginHandler(BasicLoginHandler):
    """Panel's form login; its redirects lead to addresses below a proxy's prefix too."""

    def post(self) -> None:
        """Log in and go back to the page that was wanted, or show the form again."""
        name = self.get_argument("username", "")
        wanted = panel.auth._validate_next_url(self.get_cookie("next_url", state.base_url)) or state.base_url
        if name and self._validate(name, self.get_argument("password", "")):
            self.set_current_user(name)
            self.redirect(wanted)
        else:
            self.redirect(url_concat(f".{self._login_endpoint}", {"error": _WRONG, "next": wanted}))


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
