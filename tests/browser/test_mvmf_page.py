"""The MvMF page as a person meets it: a centre is dragged, its area read, an expert asked about a click on the map."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from engine.queries import expert, mvmf
from engine.queries.mvmf import Belief, Component, Placed, Start
from engine.runs import ACTIVE, RunConfig, RunStore
from engine.runs.expert_settings import ExpertSettings, LandTiles
from explorer.pages.mvmf import words
from explorer.widgets.text import number
from tests.browser.conftest import Server, start_server

SETTINGS = ExpertSettings(
    tiles=LandTiles(size=8), num_centres=40, width=8, head_degree=3, epochs=1, samples=64, batch=16,
    num_validation=16, num_test=16, num_shown=12,
)  # fmt: skip
LONG_MS = 60_000


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server on a home with a trained expert, and the folder of that run."""
    folder = tmp_path_factory.mktemp("mvmf")
    with RunStore(folder / "home") as store:
        run = store.create(RunConfig(settings=SETTINGS), name="Tiny expert")
        store.launch(run)
        server = start_server(Path("explorer"), folder / "log.txt", home=folder / "home")
        deadline = time.monotonic() + 120
        while run.state in ACTIVE and time.monotonic() < deadline:
            time.sleep(0.1)
        assert run.state == "done", run.log_tail()
        yield server, run.folder
    server.stop()
    assert not re.search("Error running application handler|callback failed|work failed", server.said()), server.said()


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_function("document.documentElement.dataset.ready === 'true'")
    expect(page.get_by_role("heading", name="MvMF", exact=True)).to_be_visible()


def fact(page: Page, label: str) -> Locator:
    return page.locator("dl > div", has=page.locator("dt", has_text=re.compile(f"^{label}$"))).locator("dd")


def middle(thing: Locator) -> tuple[float, float]:
    box = thing.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drawn(page: Page) -> int:
    return int(page.locator(".hg").first.get_attribute("data-drawn") or 0)


def test_a_centre_is_dragged_and_its_area_is_read(page: Page, house: tuple[Server, Path]) -> None:
    open_page(page, house[0].url + "?page=mvmf&c=20,-60,400,1:0,0,30,1&at=10,-30,1")
    handle = page.get_by_role("button", name=re.compile("^Centre 1 "))
    expect(handle).to_have_attribute("aria-label", "Centre 1 at 20.0° N 60.0° W", timeout=LONG_MS)
    both = Belief(
        mvmf.components(
            Start("none", 1, 0, 1.0),
            [Placed(-1, Component(20, -60, 400, 1)), Placed(-1, Component(0, 0, 30, 1))],
        )
    ).summary()
    expect(fact(page, "50 % within")).to_have_text(" ".join(words.split_area(both.regions[0])))

    x, y = middle(handle)
    before = drawn(page)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 9):
        page.mouse.move(x + 15 * step, y + 8 * step)
    # the map follows while the hand still holds the centre
    expect(page.locator(".hg").first).not_to_have_attribute("data-drawn", str(before))
    page.mouse.up()
    expect(handle).not_to_have_attribute("aria-label", "Centre 1 at 20.0° N 60.0° W")
    page.wait_for_function("!location.search.includes('c=20,-60')")
    assert abs(middle(handle)[0] - (x + 120)) < 3
    assert abs(middle(handle)[1] - (y + 64)) < 3

    # the second centre lies on the first by now, so that half of the belief needs less room; then alone
    handle.focus()
    page.keyboard.press("Delete")
    expect(page.get_by_role("button", name=re.compile("^Centre 2 "))).to_have_count(0)
    alone = Belief(mvmf.components(Start("none", 1, 0, 1.0), [Placed(-1, Component(0, 0, 30, 1))])).summary()
    expect(fact(page, "90 % within")).to_have_text(" ".join(words.split_area(alone.regions[1])))

    # the pointer reads the exact density
    remaining = page.get_by_role("button", name=re.compile("^Centre 1 at 0.0° N 0.0° E"))
    page.mouse.move(*middle(remaining))
    expect(page.get_by_text(re.compile(r"^1\.17\d × 10⁻⁷$"))).to_be_visible()


def test_a_hostile_address_opens_a_page_and_says_what_was_changed(page: Page, house: tuple[Server, Path]) -> None:
    open_page(page, f"{house[0].url}?page=mvmf&start=land&n=20&kappa=1e300&c=nan,1,1,1&show=%3Cscript%3E")
    expect(page.get_by_text("was brought into 1e-06 … 1e+06")).to_be_visible()
    page.wait_for_function("location.search.includes('start=land&n=20&seed=0&show=density')")


def test_pasted_centres_are_read_and_a_mix_up_is_said(page: Page, house: tuple[Server, Path]) -> None:
    open_page(page, house[0].url + "?page=mvmf&start=file&c=-")
    expect(page.get_by_text("bring the file again")).to_be_visible()
    expect(page.get_by_text(words.NO_CENTRES)).to_be_visible()
    field = page.get_by_label("Or paste: latitude, longitude")
    field.fill("8,48\n175,-36\n")
    field.blur()
    page.get_by_role("button", name="Take them").click()
    expect(page.get_by_text("taken as the longitude")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Centre 1 at 48.0° N 8.0° E"))).to_have_count(1)


def test_an_expert_is_asked_about_its_test_and_about_a_click(page: Page, house: tuple[Server, Path]) -> None:
    server, folder = house
    open_page(page, server.url + "?page=mvmf&mode=expert&tile=2&at=10,20,1")
    case = expert.case(folder, 2)
    expect(fact(page, "Off by")).to_have_text(f"{number(round(case.error_km))} km", timeout=LONG_MS)
    expect(page.get_by_role("img", name=re.compile("^It believes in"))).to_be_visible()
    page.get_by_role("button", name="Next").click()
    after = expert.case(folder, 3)
    expect(fact(page, "Off by")).to_have_text(f"{number(round(after.error_km))} km")
    page.wait_for_function("location.search.includes('tile=3')")

    # 10° N 20° E, in the middle of the view, is the south of Chad
    page.locator(".hg canvas").first.click()
    expect(page.get_by_text(re.compile("^Taken at 10.0° N 20.0° E"))).to_be_visible(timeout=LONG_MS)
    page.get_by_role("button", name="Scene of 3 × 3").click()
    expect(page.get_by_text("From 9 pictures of the scene")).to_be_visible()
    expect(page.get_by_alt_text("Picture 9 of 9")).to_be_visible()
    page.wait_for_function("location.search.includes('scene=scene') && location.search.includes('spot=')")

    page.get_by_role("button", name="Scores").click()
    expect(page.get_by_text("Median error, km")).to_be_visible()
    page.get_by_role("button", name="Errors of its test").click()
    expect(page.get_by_text("Median error of the test's pictures")).to_be_visible()
    page.wait_for_function("location.search.includes('look=errors')")
    page.reload()
    expect(page.get_by_text("Median error of the test's pictures")).to_be_visible(timeout=LONG_MS)
