"""Help by hand and by keyboard: the "i" of a control, a term in a text, the panel."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.browser import open_page


def test_help_is_read_by_keyboard_beside_the_control_in_the_panel_and_in_the_glossary(
    page: Page, serve: Callable[..., str]
) -> None:
    open_page(page, serve("explorer") + "?page=basis&show=component&L=6&K=20&panel=spectrum", "Basis")
    number = page.get_by_role("textbox", name="Component k")
    about = page.get_by_role("button", name="What is this?").nth(2)  # after those of "Function" and L
    expect(about).to_be_visible()
    page.get_by_role("slider", name="Component k").focus()
    page.keyboard.press("Tab")
    expect(about).to_be_focused()
    page.keyboard.press("Enter")
    card = page.get_by_role("status").filter(has_text="Which component is on the globe")
    expect(card).to_be_visible()
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(about).to_be_focused()
    # a question mark is text in a field, and elsewhere asks for help
    panel = page.get_by_role("region", name="Help")
    number.focus()
    page.keyboard.type("?")
    expect(panel).to_be_hidden()
    number.fill("2")
    page.keyboard.press("Enter")
    about.focus()
    page.keyboard.press("?")
    expect(panel.get_by_role("heading", name="On this page")).to_be_visible()
    expect(panel.get_by_text("Components kept K", exact=True)).to_be_visible()
    panel.get_by_role("searchbox").fill("torus")
    expect(panel.get_by_text("north of the top row")).to_be_visible()
    expect(panel.get_by_text("Components kept K", exact=True)).to_be_hidden()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(about).to_be_focused()
    # a term stands in a text as a link to its entry
    term = page.get_by_role("link", name="plateau").first
    term.click()
    expect(panel.locator("dt.chosen")).to_have_text("Plateau")
