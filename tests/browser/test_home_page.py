"""Home as a newcomer meets it: the bare address, a door, a step back, and the list of what was looked at."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.browser import address_of, open_page, wait_ready


def test_a_door_opens_in_place_and_the_way_back_knows_where_one_was(page: Page, serve: Callable[..., str]) -> None:
    open_page(page, serve("explorer"), "Harmonia")
    page.wait_for_function("location.search === '?page=home'")
    expect(page.get_by_label("Globe: sea-surface temperature")).to_be_visible()
    expect(page.get_by_role("button", name="Controls")).to_be_disabled()
    expect(page.get_by_text("What you look at is listed here")).to_be_visible()
    page.evaluate("window.isSameDocument = true")
    page.get_by_role("link", name="Explore representations").click()
    wait_ready(page, "Basis")
    page.wait_for_function("document.documentElement.dataset.busy === 'false'")
    page.get_by_role("slider", name="Degree l", exact=True).fill("4")
    page.wait_for_function("location.search.includes('l=4')")
    page.get_by_role("link", name="Home").click()
    recent = page.get_by_role("listitem").filter(has_text="Basis").get_by_role("link")
    recent.click()
    page.wait_for_function("document.documentElement.dataset.page === 'basis'")
    assert address_of(page)["l"] == "4"
    page.evaluate("history.back()")
    wait_ready(page, "Harmonia")
    expect(page.get_by_role("link", name="Home")).to_have_attribute("aria-current", "page")
    assert page.evaluate("window.isSameDocument"), "a link of the page loads no document"
