"""A story by keyboard: on and back over live pages, resumed after a reload, with a view of one's own added."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.browser import address_of, open_page


def test_a_story_goes_on_by_keyboard_is_resumed_and_takes_a_view_of_ones_own(
    page: Page, serve: Callable[..., str], tmp_path: Path
) -> None:
    open_page(page, serve("explorer"), "Harmonia")
    page.get_by_role("link", name="Take the tour").click()
    card = page.get_by_role("region", name="Story")
    expect(card.get_by_text("1 of 8")).to_be_visible()
    page.wait_for_function("location.search.includes('page=basis') && location.search.includes('m=3')")
    page.keyboard.press("PageDown")
    expect(card.get_by_role("heading", name="Why order matters")).to_be_visible()
    page.wait_for_function("location.search.includes('m=0')")
    expect(page.get_by_role("slider", name="Order m", exact=True)).to_have_value("0")
    page.keyboard.press("PageUp")
    expect(page.get_by_role("slider", name="Order m", exact=True)).to_have_value("3")
    page.keyboard.press("PageDown")
    # where one was stays in the browser
    open_page(page, serve("explorer"), "Harmonia")
    page.get_by_role("link", name="Take the tour").click()
    expect(card.get_by_text("2 of 8")).to_be_visible()
    # a story of one's own
    card.get_by_role("button", name="Edit").click()
    card.get_by_role("button", name="Add this view").click()
    card.get_by_label("Title of step 9").fill("Mine")
    with page.expect_download() as download:
        card.get_by_role("button", name="Save").click()
    download.value.save_as(tmp_path / "story.json")
    saved = json.loads((tmp_path / "story.json").read_text())
    assert saved["steps"][8]["title"] == "Mine"
    assert saved["steps"][8]["address"].startswith("?page=basis")
    (tmp_path / "short.json").write_text(json.dumps({**saved, "title": "Ours", "steps": saved["steps"][8:]}))
    (tmp_path / "bad.json").write_text('{"title": "Theirs"}')
    card.get_by_label("File of a story").set_input_files(tmp_path / "bad.json")
    expect(page.get_by_text("This file is no story: field required (steps)")).to_be_visible()
    card.get_by_label("File of a story").set_input_files(tmp_path / "short.json")
    expect(card.get_by_text("Ours · 1 of 1")).to_be_visible()
    assert address_of(page)["page"] == "basis"
