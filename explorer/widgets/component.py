"""What our own parts of the screen have in common: plain JavaScript."""

from __future__ import annotations

import hashlib
from typing import Any

from bokeh.document import Document
from panel.custom import JSComponent


class Component(JSComponent):
    """A part whose ``_esm`` every current browser reads as it is.

    Panel lets the browser translate each part's code from TypeScript before it runs, and each globe's 70 kB again. It
    leaves alone what bears a bundle's name. (While a developer edits the file, ``panel serve --dev``, nothing is named:
    the same name is loaded once.)
    """

    def _get_properties(self, doc: Document | None) -> dict[str, Any]:
        found = super()._get_properties(doc)
        if not found["dev"]:
            found["bundle"] = hashlib.sha256(found["esm"].encode()).hexdigest()
        return found
