"""Help: every control of every page is explained, and every reference leads somewhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.help import help_texts
from explorer.pages import PAGES
from explorer.pages.data import text as data_text
from explorer.pages.reconstruct import text as reconstruct_text

EXPLORER = Path(__file__).resolve().parents[2] / "explorer"
CONTROLS = [f"controls.{kind}" for kind in ("slider", "field", "range_slider", "select", "switch")]
COMPUTED = {"label", "text.POINTS[name]", "text.POINTS['fill']"}
"""Labels that are no constants: those of the next test."""


def labels() -> Iterator[tuple[str, ast.expr]]:
    """File and label of every control that is made by :mod:`explorer.widgets.controls`."""
    for path in sorted([*EXPLORER.glob("*.py"), *EXPLORER.glob("pages/**/*.py"), *EXPLORER.glob("widgets/*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in CONTROLS and len(node.args) > 1:
                yield path.name, node.args[1]


def test_every_control_is_explained_where_it_stands() -> None:
    controls = list(labels())
    assert len(controls) > 60
    known = help_texts().controls
    missing = [
        f"{file}: {ast.unparse(label)}"
        for file, label in controls
        if not (isinstance(label, ast.Constant) and label.value in known) and ast.unparse(label) not in COMPUTED
    ]
    assert missing == [], "add what these controls do to explorer/help.json"


def test_computed_labels_are_explained_too() -> None:
    sides = {name for names in reconstruct_text.SIDE_NAMES.values() for name in names}
    wanted = {*data_text.POINTS.values(), *sides, "Patch height", "Patch width"}
    assert wanted - help_texts().controls.keys() == set()


def test_no_text_explains_what_is_not_there() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in EXPLORER.glob("**/*.py"))
    pages = {page.name for page in PAGES}
    for key in help_texts().controls:
        _, _, label = key.partition("/") if key.partition("/")[0] in pages else ("", "", key)
        assert f'"{label}"' in source, key


def test_terms_exist_and_no_word_leads_to_two_of_them() -> None:
    texts = help_texts()
    assert {key for entry in texts.controls.values() for key in entry.terms} <= texts.terms.keys()
    synonyms = [name.lower() for term in texts.terms.values() for name in term.synonyms]
    assert len(synonyms) == len(set(synonyms))


@pytest.mark.parametrize("entry", [*help_texts().terms.values(), *help_texts().controls.values()])
def test_texts_are_sentences(entry: object) -> None:
    text = str(getattr(entry, "text", ""))
    assert text[0].isupper()
    assert text.endswith((".", "!"))
