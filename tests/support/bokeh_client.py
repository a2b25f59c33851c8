"""A browser without a screen: speaks Bokeh's websocket protocol in plain JSON, the illegal too.

Bokeh's own client cannot read our documents (it drops the definitions of their data models), and sends legal messages
only.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.support.browser import PATIENCE_MS

PATIENCE_S = PATIENCE_MS / 1000
"""How long an answer is waited for."""

_MOST_BYTES = 2**28
_TOKEN = re.compile(r'"token":"([^"]+)"')


def run_in_thread(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` on an event loop of its own: the thread of the tests may have Playwright's."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


class ConnectionEndedError(Exception):
    """The server closed the connection."""


class BokehClient:
    """One tab. ``objects`` holds every object that the server sent: id → its JSON with its latest attributes."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._serial = 0
        self.objects: dict[str, dict[str, Any]] = {}
        self.messages: list[dict[str, Any]] = []

    @classmethod
    async def open(cls, url: str, query: str = "") -> BokehClient:
        """Load the page as a browser does, connect, and say that the document is there."""
        request = HTTPRequest(f"{url}{query}", request_timeout=PATIENCE_S)
        page = await AsyncHTTPClient().fetch(request)
        token = _TOKEN.search(page.body.decode())
        assert token, page.body[:2000]
        address = f"{url.replace('http', 'ws', 1)}/ws{query}"
        origin = url.rsplit("/", 1)[0]
        socket = await websocket_connect(
            HTTPRequest(address, headers={"Origin": origin}, request_timeout=PATIENCE_S),
            subprotocols=["bokeh", token[1]],
            max_message_size=_MOST_BYTES,
        )
        client = cls(socket)
        await client.wait(lambda: any(message["msgtype"] == "ACK" for message in client.messages))
        await client.ask("PULL-DOC-REQ", {})
        await client.event("document_ready")
        return client

    # what is sent

    def send(self, msgtype: str, content: Any, **header: Any) -> str:
        """Send a message; the reply has its id as ``reqid``."""
        self._serial += 1
        known = {"msgid": f"m{self._serial}", "msgtype": msgtype, **header}
        for part in (known, {}, content):
            self.send_text(json.dumps(part))
        return str(known["msgid"])

    def send_text(self, text: str | bytes) -> None:
        """Send one frame as it is."""
        self._socket.write_message(text, binary=isinstance(text, bytes))

    async def ask(self, msgtype: str, content: Any) -> dict[str, Any]:
        """Send a message and wait for the header of its reply."""
        request_id = self.send(msgtype, content)
        return await self._reply(request_id)

    async def patch(self, *events: Any) -> dict[str, Any]:
        """Change the document; the header of the reply is ``OK`` or ``ERROR``."""
        return await self.ask("PATCH-DOC", {"events": list(events)})

    async def set(self, model: dict[str, Any], attr: str, value: Any) -> dict[str, Any]:
        """Set one attribute of a model."""
        return await self.patch(changed(model, attr, value))

    async def event(self, name: str, **values: Any) -> dict[str, Any]:
        """Raise an event of the document."""
        return await self.patch(
            {
                "kind": "MessageSent",
                "msg_type": "bokeh_event",
                "msg_data": {"type": "event", "name": name, "values": {"type": "map", "entries": list(values.items())}},
            }
        )

    # what is received

    async def _reply(self, request_id: str) -> dict[str, Any]:
        def replies() -> Iterator[dict[str, Any]]:
            return (header for header in self.messages if header.get("reqid") == request_id)

        await self.wait(lambda: any(replies()))
        return next(replies())

    async def wait(self, holds: Callable[[], bool]) -> None:
        """Read messages until it holds; raises :class:`ConnectionEndedError` or :class:`TimeoutError`."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await self._read()

    async def _read(self) -> None:
        header = json.loads(await self._frame())
        await self._frame()
        content = json.loads(await self._frame())
        for _ in range(2 * header.get("num_buffers", 0)):
            await self._frame()
        self._take(content)
        self.messages.append(header)

    async def _frame(self) -> Any:
        frame = await self._socket.read_message()
        if frame is None:
            raise ConnectionEndedError(f"{self._socket.close_code} {self._socket.close_reason}")
        return frame

    def _take(self, content: Any) -> None:
        for part in parts(content):
            if part.get("type") == "object" and "id" in part:
                self.objects.setdefault(part["id"], {"attributes": {}, **part})
        for event in content.get("events", []) if isinstance(content, dict) else []:
            if event.get("kind") == "ModelChanged":
                known = self.objects.get(event["model"]["id"])
                if known is not None:
                    known.setdefault("attributes", {})[event["attr"]] = event["new"]

    def models(self, name: str) -> list[dict[str, Any]]:
        """The models whose type begins with ``name``."""
        return [part for part in self.objects.values() if str(part.get("name", "")).startswith(name)]

    async def model(self, name: str) -> dict[str, Any]:
        """The first model whose type begins with ``name``, once it is there."""
        await self.wait(lambda: bool(self.models(name)))
        return self.models(name)[0]

    async def show(self, page: str) -> None:
        """Go to a page by the rail, and wait until the address says so."""
        rail = await self.model("Rail")
        await self.set(rail, "page", page)
        await self.wait(lambda: f"page={page}" in str(rail["attributes"].get("address")))

    def close(self) -> None:
        """Close the tab."""
        self._socket.close()


def changed(model: dict[str, Any], attr: str, value: Any) -> dict[str, Any]:
    """The event that sets an attribute of a model."""
    return {"kind": "ModelChanged", "model": {"id": model["id"]}, "attr": attr, "new": value}


def parts(content: Any) -> Iterator[dict[str, Any]]:
    """All JSON objects inside a content, from the outside in."""
    stack = [content]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            yield part
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)
