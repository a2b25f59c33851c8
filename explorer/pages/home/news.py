"""What is new: the first lines of the changelog's newest section."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from engine.assets import asset
from engine.errors import StoreError

_CHECKOUT = Path(__file__).resolve().parents[3] / "CHANGELOG.md"
_SECTION = re.compile(r"^## .*$", re.M)
_ITEM = re.compile(r"^- \*\*(.+?)\*\*", re.M | re.S)
_MARKUP = re.compile(r"[`*]")


@cache
def news(most: int = 4) -> tuple[str, ...]:
    """The newest changes in a few words each; none where the changelog is not shipped."""
    try:
        path = _CHECKOUT if _CHECKOUT.is_file() else asset("CHANGELOG.md")
        return headlines(path.read_text(encoding="utf-8"))[:most]
    except (OSError, StoreError):
        return ()


def headlines(changelog: str) -> tuple[str, ...]:
    """What the items of the newest section (the first ``##``) begin with in bold, as plain text."""
    sections = _SECTION.split(changelog)
    items = _ITEM.findall(sections[1]) if len(sections) > 1 else []
    return tuple(" ".join(_MARKUP.sub("", item).split()) for item in items)
