"""The rail at the left edge: pages, the drawer's and the theme's switch, and the browser's address bar."""

from typing import Annotated, Any, ClassVar

import param
from pydantic import Field

from explorer.widgets.component import Component, code_beside
from explorer.widgets.requests import Line


class Rail(Component):
    """Navigation and everything that only the browser knows: its address, its history, the chosen theme.

    The address bar goes both ways without a trip through Panel's location, which does not hear the Back button:
    ``address`` (Python → browser) replaces the current entry, or pushes a new one when the page changes; ``visited``
    (browser → Python) is the query the person went back or forward to.
    """

    items = param.List(doc="the pages, the first one with the logo: dicts of name, title, icon, plain (no controls)")
    page = param.String(doc="name of the page on screen")
    address = param.String(doc="the query the address bar should show, beginning with '?'")
    visited = param.String(doc="the query that Back, Forward or a rail link led to")
    dark = param.Boolean(default=True)
    drawer_open = param.Boolean(default=True, doc="whether the controls are shown")
    runs_open = param.Boolean(default=False, doc="whether the list of runs is shown")
    runs_count = param.Integer(default=0, doc="runs that wait or work")
    busy = param.Boolean(default=False, doc="whether the server is at work for this session")

    from_browser: ClassVar[dict[str, Any]] = {
        "page": Line,
        "visited": Annotated[str, Field(max_length=20_000)],
        "dark": bool,
        "drawer_open": bool,
        "runs_open": bool,
    }

    _esm = code_beside(__file__)

    def taken(self, name: str, value: Any) -> Any:
        """The value of the browser, checked; a page is one of the rail's."""
        value = super().taken(name, value)
        if name == "page" and value not in (item["name"] for item in self.items):
            raise ValueError("there is no such page")
        return value
