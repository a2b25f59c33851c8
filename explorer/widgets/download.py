"""Files made on request and handed to the browser."""

import param

from explorer.widgets.component import Component, client_code

_RENDER = """
export function render({model}) {
  model.on('_file', () => saveFile(model._file.name, new Blob([model._file.content])))
}
"""


class Download(Component):
    """Invisible; ``offer(name, content)`` makes the browser save a file, without a button of its own."""

    _file = param.Dict(default={}, doc="name, content and a serial number that makes equal files different events")

    _esm = f"{client_code('dom.js')}\n{_RENDER}"

    def offer(self, name: str, content: bytes) -> None:
        """Let the person save ``content`` under ``name``."""
        self._file = {"name": name, "content": content, "serial": self._file.get("serial", 0) + 1}
