"""The code of our own components: plain JavaScript files, joined to the one text that Panel takes."""

from __future__ import annotations

from pathlib import Path

from explorer.panel_compat import Component

__all__ = ["Component", "client_code", "code_beside"]

_CLIENT = Path(__file__).with_name("client")


def client_code(*names: str) -> str:
    """The named files of ``client/`` as one module."""
    return "\n".join((_CLIENT / name).read_text(encoding="utf-8") for name in names)


def code_beside(module: str) -> str:
    """The ``.js`` beside the module with this ``__file__``, after the functions that all components share."""
    return f"{client_code('dom.js')}\n{Path(module).with_suffix('.js').read_text(encoding='utf-8')}"
