"""Text on the screen: nothing from outside becomes markup."""

import pytest

from explorer.widgets import text

NASTY = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    "html",
    [
        text.text_pane(NASTY).object,
        text.title(NASTY, NASTY).object,
        text.section(NASTY).object,
        text.readout_html([(NASTY, NASTY, NASTY)]),
        text.paragraphs([(NASTY, True)]),
        text.progress(0.5, NASTY + '"'),
        text.table([(NASTY, NASTY)]),
    ],
)
def test_markup_is_escaped(html: str) -> None:
    assert "<img" not in html
    assert "&lt;img" in html


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.012345, "0.0123"),
        (-3.0, "−3"),
        (1234.5, "1\u202f234"),
        (40030.0, "40\u202f030"),
        (999.4, "999"),
        (999.9999, "1\u202f000"),
        (float("nan"), "–"),
    ],
)
def test_numbers_are_set_as_in_print(value: float, shown: str) -> None:
    assert text.number(value) == shown


def test_a_table_of_several_columns_has_their_heads() -> None:
    html = text.table([("Error", "1", "2")], ("Ours", "<theirs>"))
    assert "<tr><td></td><th scope=col>Ours</th><th scope=col>&lt;theirs&gt;</th></tr>" in html
    assert "<th scope=row>Error</th><td>1</td><td>2</td>" in html
    assert "scope=col" not in text.table([("Error", "1")])
