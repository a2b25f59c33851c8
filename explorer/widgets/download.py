"""Files made on request and handed to the browser."""

import param

from explorer.widgets.component import Component


class Download(Component):
    """Invisible; ``offer(name, content)`` makes the browser save a file, without a button of its own."""

    _file = param.Dict(default={}, doc="name, content and a serial number that makes equal files different events")

    _esm = """
    export function render({model}) {
      model.on('_file', () => {
        const {name, content} = model._file
        const href = URL.createObjectURL(new Blob([content]))
        const link = Object.assign(document.createElement('a'), {href, download: name})
        link.click()
        setTimeout(() => URL.revokeObjectURL(link.href), 10000)
      })
    }
    """

    def offer(self, name: str, content: bytes) -> None:
        """Let the person save ``content`` under ``name``."""
        self._file = {"name": name, "content": content, "serial": self._file.get("serial", 0) + 1}
