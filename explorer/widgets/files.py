"""The folders of the server that data may be chosen from.

pmui's FileSelector does not hold: it has one root, and takes a Zarr store for a folder to go into.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import param
from typing_extensions import TypedDict

from engine.errors import EngineError
from engine.queries.ocean import list_folder
from explorer.widgets.component import Component, code_beside
from explorer.widgets.requests import Line, Request, Serial, on_request, requests_of

_EMPTY = "There is nothing to open here. Data are NetCDF files and Zarr stores."
_NO_FILES = "There is nothing to open here. Files end in {}."
_NO_ROOTS = "None of the folders of HARMONIA_DATA is there. Make one, or set it when the server is started."


class Visit(TypedDict):
    """A folder to show, or data to use."""

    action: Literal["folder", "data"]
    path: Line
    serial: Serial


class FileBrowser(Component):
    """Browses the allowed folders; ``choose(path)`` is called with the data that a person clicks.

    With ``endings`` only such files are listed, otherwise data of times.
    """

    folder = param.String(doc="the folder shown; empty at the roots")
    parent_folder = param.String(doc="where Up leads")
    can_go_up = param.Boolean(default=False)
    entries = param.List(doc="dicts: name, path, is_data, detail")
    remark = param.String(doc="a sentence under the list")
    current = param.String(doc="the path in use")
    requests = param.List(default=[], doc="requests: action (folder, data), path, serial")

    from_browser: ClassVar[dict[str, Any]] = {"requests": requests_of(Visit)}

    _esm = code_beside(__file__)

    def __init__(
        self,
        choose: Callable[[str], None],
        failed: Callable[[Exception], None],
        endings: tuple[str, ...] = (),
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._choose = choose
        self._endings = endings
        self._failed = failed
        on_request(self, self._answer)
        self.go("")

    def _answer(self, request: Request) -> None:
        if request["action"] == "data":
            self._choose(str(request["path"]))
        else:
            self.go(str(request["path"]))

    def go(self, folder: str) -> None:
        """Show a folder; the roots when it is empty."""
        try:
            listing = list_folder(folder, self._endings) if self._endings else list_folder(folder)
        except EngineError as error:
            self._failed(error)
            return
        nothing = _NO_FILES.format(", ".join(self._endings)) if self._endings else _EMPTY
        remark = _NO_ROOTS if listing.parent is None else nothing
        if listing.entries:
            remark = f"and {listing.num_more} more" if listing.num_more else ""
        self.param.update(
            folder=listing.folder,
            parent_folder=listing.parent or "",
            can_go_up=listing.parent is not None,
            remark=remark,
            entries=[
                {
                    "name": entry.name,
                    "path": entry.path,
                    "is_data": entry.is_data,
                    "detail": "" if entry.size is None else f"{entry.size / 1e6:.3g} MB",
                }
                for entry in listing.entries
            ],
        )
