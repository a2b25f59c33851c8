"""Everything that leans on the inside of Panel and Bokeh, each with its reason and the version it was written for.

Written for panel 1.9.4, panel-material-ui 0.16.6 and bokeh 3.9.2. ``panel_compat.js`` holds the patches in the browser.
``NEEDLES`` are the pieces of the libraries' source that both rely on: a test finds each exactly once.
"""

from __future__ import annotations

import hashlib
import logging
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import panel as pn
import param
from bokeh.document import Document
from bokeh.models.ui import UIElement
from panel.custom import JSComponent
from panel.io.notebook import patch_inline_stylesheets
from panel.io.notifications import NotificationAreaBase
from panel.io.resources import get_dist_path
from panel.util import edit_readonly  # pyright: ignore[reportPrivateImportUsage]
from panel_material_ui import Page
from pydantic import TypeAdapter, ValidationError
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketClosedError

from engine import errors
from engine.errors import EngineError

log = logging.getLogger("harmonia")

_OURS = {Path(__file__).resolve().parent, Path(errors.__file__).resolve().parent}
_MOST_LOGGED = 200
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
    "panel/reactive.py": ("if attr in self._priority_changes:", "            self._process_events(events)"),
    "panel/io/state.py": ("def _schedule_busy_cleanup(self) -> None:",),
    "panel/util/parameters.py": ("def edit_readonly(",),
    "panel/config.py": ("self._session_config[state.curdoc][attr] = value",),
    "panel/io/notifications.py": ("state._views[root.ref['id']] = (self, root, doc, comm)",),
    "panel_material_ui/template/base.py": (
        "busy = param.Boolean(default=False, readonly=True",
        "self.busy = state.param.busy",
    ),
    "panel/io/notebook.py": ("def patch_inline_stylesheets(model: UIElement):",),
    "panel/auth.py": (
        "self._login_template = BASIC_LOGIN_TEMPLATE",
        "self._logout_template = LOGOUT_TEMPLATE",
        "    self._error_template = ERROR_TEMPLATE",
        "BasicLoginHandler._login_template = self._login_template",
    ),
    "panel/io/server.py": (
        "doc._template_variables['dist_url'] = dist_url",
        "template = ERROR_TEMPLATE",
        "bokeh.server.server.Server = Server",
        "class ComponentResourceHandler(StaticFileHandler):",
    ),
    "bokeh/server/server.py": (
        "io_loop.add_signal_handler(signal.SIGTERM, self._sigterm)",
        "sockets, self._port = bind_sockets(opts.address, opts.port)",
        "self._tornado = tornado_app",
    ),
    "tornado/routing.py": ("self.delegate = self.router.find_handler(request)",),
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
    #: Parameters that the browser sets, each with the form of its values (what pydantic takes for a type).
    from_browser: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._priority_changes = list(cls.immediate)
        cls._forms = {name: TypeAdapter(form) for name, form in cls.from_browser.items()}

    def taken(self, name: str, value: Any) -> Any:
        """The value of the browser to be set, checked; raises ValueError for one that is not legal."""
        if name not in self._forms:
            raise ValueError("the browser does not set it")
        return self._forms[name].validate_python(value, strict=True)

    def _process_events(self, events: dict[str, Any]) -> None:
        """Take what the browser sets; what is not legal is left out, with a line in the log."""
        legal: dict[str, Any] = {}
        for name, value in events.items():
            try:
                legal[name] = self.taken(name, value)
            except ValueError as error:
                log.warning("left out what a browser set: %s.%s: %s", type(self).__name__, name, short(error))
        super()._process_events(legal)

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


def follow_busy(page: Page, busy: param.Parameter) -> None:
    """Let the page follow ``busy`` instead of ``pn.state.busy``, which Panel sends twice a callback.

    The parameter is read-only. A new reference replaces the old one, whose watcher would keep the page in memory as
    long as the server runs; a plain value would not.
    """
    with edit_readonly(page):
        page.busy = busy  # pyright: ignore[reportAttributeAccessIssue]


def name_resources(doc: Document) -> None:
    """Tell a new document where the server keeps Panel's style sheets.

    Panel does so when it sends the page. A session that was given up before its browser connected (it may be slow) is
    made anew by the connection: no page is sent for it, and its parts would be requested from another host.
    """
    doc.template_variables.setdefault("dist_url", get_dist_path())


def set_base_url(url: str) -> None:
    """Where Panel sends people after a login; the parameter is read-only."""
    with edit_readonly(pn.state):
        pn.state.base_url = url  # pyright: ignore[reportAttributeAccessIssue]


def handle_exceptions(handler: Callable[[Exception], None]) -> None:
    """Call the method ``handler`` with what a callback of this session raises.

    Panel keeps a session's settings in a dictionary with weak keys; a handler that reaches the document would keep its
    own key alive.
    """
    method = weakref.WeakMethod(handler)

    def handle(error: Exception) -> None:
        alive = method()
        if alive is None:
            log.error("a callback of a closed session failed", exc_info=error)
        else:
            alive(error)

    pn.config.exception_handler = handle


def start_busy_cleanup() -> None:
    """Start Panel's clean-up of busy callbacks outside of all sessions, as its task would keep the first document."""
    IOLoop.current().add_callback(pn.state._schedule_busy_cleanup)


def forget_notifications(context: Any) -> None:
    """At the end of a session: remove its notification area from ``pn.state._views``, which Panel leaves there."""
    for ref, (view, _, doc, _) in list(pn.state._views.items()):
        if doc is context._document and isinstance(view, NotificationAreaBase):
            del pn.state._views[ref]


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
    for name in ("bokeh.server.protocol_handler", "bokeh.server.views.ws", "panel.reactive"):
        logging.getLogger(name).addFilter(shorten_refusal)


def is_refusal(error: BaseException) -> bool:
    """Whether an error is no fault of the program: refused in words, or a browser's value that a library refused."""
    return isinstance(error, EngineError) or (isinstance(error, ValueError | TypeError) and not _is_ours(error))


def _is_ours(error: BaseException) -> bool:
    """Whether the trace of an error goes through our code."""
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    return not files or any(file.name != Path(__file__).name and not _OURS.isdisjoint(file.parents) for file in files)


def shorten_refusal(record: logging.LogRecord) -> bool:
    """Make one short line of a record about an illegal message of a browser. Always True: nothing is hidden.

    The libraries log a trace, and the whole message, which may have megabytes.
    """
    error = record.exc_info[1] if record.exc_info else None
    is_protocol = record.name.startswith("bokeh.server")
    if error is None or not (is_refusal(error) or (is_protocol and not _is_ours(error))):
        return True
    record.msg, record.args = f"a message of a browser was refused: {short(error)}", ()
    record.exc_info = record.exc_text = None
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def short(error: BaseException) -> str:
    """Type and beginning of an error's text, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"])
        return f"{where}: {first['msg']}"[:_MOST_LOGGED].removeprefix(": ")
    return f"{type(error).__name__}: {' '.join(str(error)[:_MOST_LOGGED].split())}"


def page_template() -> str:
    """The page's Jinja template with the browser's patches inline."""
    patches = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    template = Path(__file__).with_name("template.html").read_text(encoding="utf-8")
    return template.replace("<!-- panel_compat.js -->", f"<script>{{% raw %}}{patches}{{% endraw %}}</script>")


def inlined(shown: Any) -> Any:
    """The Bokeh model of a Panel object with all its style sheets inside, for a file that opens without a server."""
    model = shown.get_root()
    for part in model.select({"type": UIElement}):
        patch_inline_stylesheets(part)
    return model


def panel_client() -> list[str]:
    """Panel's own code for the browser, and that of the modules of our components, as scripts of a page."""
    dist = Path(pn.__file__).with_name("dist")
    (shims,) = dist.glob("bundled/reactiveesm/es-module-shims*/dist/es-module-shims.min.js")
    return [path.read_text(encoding="utf-8") for path in (shims, dist / "panel.min.js")]
