"""The folders of the server that data may be chosen from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import param

from engine.errors import EngineError
from engine.queries.ocean import list_folder
from explorer.widgets.component import Component
from explorer.widgets.requests import Request, on_request

_EMPTY = "There is nothing to open here. Data are NetCDF files and Zarr stores."
_NO_ROOTS = "None of the folders of HARMONIA_DATA is there. Make one, or set it when the server is started."


class FileBrowser(Component):
    """Goes through the allowed folders; ``choose(path)`` is called with data that was clicked."""

    folder = param.String(doc="the folder shown; empty at the roots")
    parent_folder = param.String(doc="where Up leads")
    can_go_up = param.Boolean(default=False)
    entries = param.List(doc="dicts: name, path, is_data, detail")
    remark = param.String(doc="a sentence under the list")
    current = param.String(doc="the path in use")
    asked = param.List(default=[], doc="requests: what (folder, data), path, serial")

    _esm = Path(__file__).with_suffix(".js")

    def __init__(self, choose: Callable[[str], None], failed: Callable[[Exception], None], **params: Any) -> None:
        super().__init__(**params)
        self._choose = choose
        self._failed = failed
        on_request(self, self._answer)
        self.go("")

    def _answer(self, asked: Request) -> None:
        if asked["what"] == "data":
            self._choose(str(asked["path"]))
        else:
            self.go(str(asked["path"]))

    def go(self, folder: str) -> None:
        """Show a folder; the roots when it is empty."""
        try:
            found = list_folder(folder)
        except EngineError as error:
            self._failed(error)
            return
        remark = _NO_ROOTS if found.parent is None else _EMPTY
        if found.entries:
            remark = f"and {found.num_more} more" if found.num_more else ""
        self.param.update(
            folder=found.folder,
            parent_folder=found.parent or "",
            can_go_up=found.parent is not None,
            remark=remark,
            entries=[
                {
                    "name": one.name,
                    "path": one.path,
                    "is_data": one.is_data,
                    "detail": "" if one.size is None else f"{one.size / 1e6:.3g} MB",
                }
                for one in found.entries
            ],
        )
