"""What leans on the inside of Panel and Bokeh finds there what it was written for."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path

import pytest

from explorer import panel_compat
from explorer.panel_compat import NEEDLES, Component

_PACKAGES = Path(sysconfig.get_path("purelib"))
_SCRIPT = Path(panel_compat.__file__).with_suffix(".js").read_text()


@pytest.mark.parametrize(("file", "needle"), [(file, needle) for file, texts in NEEDLES.items() for needle in texts])
def test_the_library_has_the_needle_once(file: str, needle: str) -> None:
    assert (_PACKAGES / file).read_text().count(needle) == 1


def test_every_replacement_in_the_browser_is_a_needle() -> None:
    replaced = re.findall(r"^    '(.+)': [`']", _SCRIPT, re.M)
    assert len(replaced) == 3
    assert set(replaced) <= set(NEEDLES["panel/models/react_component.ts"])


def test_the_template_holds_the_patches_and_asks_nobody() -> None:
    template = panel_compat.page_template()
    assert _SCRIPT in template
    assert "{% endraw" not in _SCRIPT
    assert not re.search(r"(src|href)=", template)


def test_only_named_parameters_are_sent_at_once() -> None:
    class Named(Component):
        immediate = ("value",)
        _esm = ""

    assert Named._priority_changes == ["value"]
    assert Component._priority_changes == []
