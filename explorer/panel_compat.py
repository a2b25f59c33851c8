"""Everything that leans on the inside of Panel and Bokeh, each with its reason and the version it was written for.

Written for panel 1.9.4, panel-material-ui 0.16.6 and bokeh 3.9.2. ``panel_compat.js`` holds the patches in the browser.
``NEEDLES`` are the pieces of the libraries' source that both rely on: a test finds each exactly once.
"""

from __future__ import annotations

import hashlib
import logging
import traceback
from pathlib import Path
from typing import Any, ClassVar

from bokeh.document import Document
from panel.custom import JSComponent
from panel.util import edit_readonly  # pyright: ignore[reportPrivateImportUsage]
from panel_material_ui import Page
from tornado.websocket import WebSocketClosedError

_NO_SESSION = "assert self._session is not None"

NEEDLES: dict[str, tuple[str, ...]] = {
    "panel/custom.py": ("'bundle': bundle_hash,", "'dev': config.autoreload or getattr(self, '_debug', False),"),
    "panel/models/reactive_esm.ts": (
        'const cache_key = (this.bundle === "url") ? this.esm : (this.bundle ||',
        "if (this.bundle != null) {\n      return this.esm",
    ),
    "panel/models/react_component.ts": (
        "targetModel.setv({ [resolvedProp]: value })",
        "return [value, setValue]",
        "react_proxy.on(prop, cb, true)",
        "    if (this.react_root) {\n      this.react_root.then((root: any) => root.unmount())\n    }\n    this._force",
    ),
    "panel/reactive.py": ("if attr in self._priority_changes:",),
    "panel/util/parameters.py": ("def edit_readonly(",),
    "panel_material_ui/template/base.py": (
        "busy = param.Boolean(default=False, readonly=True",
        "self.busy = state.param.busy",
    ),
    "bokeh/server/contexts.py": ("val = getattr(self._request, name, None)",),
    "bokeh/server/connection.py": (f"{_NO_SESSION}\n        return self._session",),
    "bokeh/server/static/js/bokeh.js": (
        "for (const root of this.roots()) {\n                if (!this._idle_roots.has(root)) {",
    ),
}
"""File inside ``site-packages`` → texts that stand in it exactly once."""


class Component(JSComponent):
    """A component of our own in plain JavaScript: ``_esm`` is what every current browser reads as it is."""

    #: Parameters that the server hears of at once: Panel holds each change of the browser back for 50 ms
    #: (``Syncable._debounce``), except those in ``_priority_changes``.
    immediate: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._priority_changes = list(cls.immediate)

    def _get_properties(self, doc: Document | None) -> dict[str, Any]:
        """The model's properties, with a bundle's name.

        Panel lets the browser translate the code of each component from TypeScript before it runs, and the 70 kB of
        each globe again; a component with a bundle's name is left alone. With ``panel serve --dev`` nothing is named:
        a name is loaded once, and a developer's edit would not arrive.
        """
        properties = super()._get_properties(doc)
        if not properties["dev"]:
            properties["bundle"] = hashlib.sha256(properties["esm"].encode()).hexdigest()
        return properties


def hide_busy(page: Page) -> None:
    """Stop the page from following ``pn.state.busy``: Panel sends it twice a callback, and ours are short.

    The parameter is read-only. Long work sets the session's own flag.
    """
    with edit_readonly(page):
        page.busy = False


def remote_address(doc: Document) -> str:
    """The address of a session's browser (what a proxy reports, with ``--use-xheaders``); empty where unknown.

    Bokeh's proxy of the request documents arguments, cookies and headers, and passes other attributes on.
    """
    request = getattr(doc.session_context, "request", None)
    return str(getattr(request, "remote_ip", None) or "")


def is_error(record: logging.LogRecord) -> bool:
    """Whether a log record is an error: a browser that closes while a message is under way is none."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, WebSocketClosedError) or _is_detached(error))


def _is_detached(error: BaseException | None) -> bool:
    """Bokeh asserts that a connection has a session; one whose browser has just closed has none."""
    frames = traceback.extract_tb(error.__traceback__) if isinstance(error, AssertionError) else []
    return bool(frames) and frames[-1].line == _NO_SESSION


def log_errors_only() -> None:
    """Keep out of the log what Bokeh and Tornado report as errors although nothing went wrong."""
    for name in ("asyncio", "bokeh.server.protocol_handler", "tornado.application"):
        logging.getLogger(name).addFilter(is_error)


def page_template() -> str:
    """The page's Jinja template with the browser's patches inline."""
    patches = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    template = Path(__file__).with_name("template.html").read_text(encoding="utf-8")
    return template.replace("<!-- panel_compat.js -->", f"<script>{{% raw %}}{patches}{{% endraw %}}</script>")
