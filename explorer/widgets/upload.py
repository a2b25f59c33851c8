"""A file from the person's machine, a chunk at a time.

Panel's own dropper holds the whole file in memory twice and puts five foreign scripts on every page; this one writes
each chunk to disk and acknowledges it before the next one leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import panel as pn
import param
from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from engine.errors import DataError, EngineError
from engine.files import home_folder
from engine.queries.ocean import Upload, upload_limit_mb
from engine.runs.audit import AuditLog, acting
from explorer.switches import READ_ONLY, is_on
from explorer.visitor import visitor
from explorer.widgets.component import Component, code_beside
from explorer.widgets.requests import Line, Serial

CHUNK_BYTES = 2**20


def _content(value: Any) -> Any:
    """Checked to be the bytes of one chunk; Bokeh hands over what the message holds, without a copy."""
    if not isinstance(value, bytes | bytearray | memoryview) or len(value) > CHUNK_BYTES:
        raise ValueError(f"no bytes, or more than {CHUNK_BYTES}")
    return value


class _Chunk(TypedDict):
    serial: Serial
    name: Line
    size: Annotated[int, Field(ge=0, lt=2**53)]
    offset: Annotated[int, Field(ge=0, lt=2**53)]
    content: Annotated[Any, AfterValidator(_content)]


class _Stop(TypedDict):
    serial: Serial
    stop: Literal[True]


class UploadField(Component):
    """A field to choose a file with, or to drop one on. ``done(name)`` is called with what :class:`Upload` kept it as.

    ``failed(error)`` is called instead when it is too large, or cannot be written.
    """

    chunk = param.Dict(default={}, doc="set by the browser: serial, name, size, offset, content; or serial and stop")
    reply = param.Dict(default={}, doc="to the browser: serial, received, is_over")
    accept = param.String(default=".nc,.nc4,.cdf,.h5,.hdf5,.zip", doc="endings that the browser's dialogue offers")
    kinds = param.String(default="NetCDF", doc="what the field says it takes")
    limit_mb = param.Integer(default=200, doc="the largest file")
    chunk_bytes = param.Integer(default=CHUNK_BYTES)

    from_browser: ClassVar[dict[str, Any]] = {"chunk": _Chunk | _Stop}

    _esm = code_beside(__file__)

    def __init__(self, done: Callable[[str], None], failed: Callable[[Exception], None], **params: Any) -> None:
        super().__init__(limit_mb=upload_limit_mb(), **params)
        self._done = done
        self._failed = failed
        self._upload: Upload | None = None
        self.param.watch(lambda event: self._take(event.new), "chunk")
        if pn.state.curdoc is not None and pn.state.curdoc.session_context is not None:
            pn.state.on_session_destroyed(lambda _: self._abandon())

    def _take(self, chunk: dict[str, Any]) -> None:
        if chunk.get("stop"):
            self._abandon()
            return
        try:
            name = self._add(chunk)
        except (EngineError, OSError) as error:
            self._abandon()
            self.reply = {"serial": chunk["serial"], "is_over": True}
            self._failed(error)
            return
        received = int(chunk["offset"]) + len(chunk["content"])
        self.reply = {"serial": chunk["serial"], "received": received, "is_over": name is not None}
        if name is not None:
            self._done(name)

    def _add(self, chunk: dict[str, Any]) -> str | None:
        """Write one chunk down; the file's name when it was the last."""
        if is_on(READ_ONLY):
            raise DataError("this server takes no files", READ_ONLY, "use a server that is not read-only")
        if chunk["offset"] == 0:
            self._abandon()
            self._upload = Upload(str(chunk["name"]), int(chunk["size"]))
        upload = self._upload
        if upload is None or upload.received != chunk["offset"]:
            return None
        upload.add(bytes(chunk["content"]))
        if upload.received < upload.size:
            return None
        self._upload = None
        name = upload.finish()
        with acting(**visitor()):
            AuditLog(home_folder()).write("uploaded", name, bytes=str(upload.size))
        return name

    def _abandon(self) -> None:
        if self._upload is not None:
            self._upload.abandon()
            self._upload = None
