"""The Geolocation page: a centre is dragged, its area is read, an expert predicts the place of a click on the map."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from engine.config.expert import ExpertSettings, LandTiles
from engine.queries.mvmf import centres as mvmf_centres
from engine.queries.mvmf import expert
from engine.queries.mvmf.centres import CentreChoice, Component, PlacedComponent
from engine.queries.mvmf.sandbox import Mixture
from engine.runs import ENDED, RunConfig, RunStore
from explorer.pages.mvmf import text
from explorer.widgets.text import number
from tests.support.browser import LONG_MS, Server, eventually, fact, middle, open_page, save, serving

SETTINGS = ExpertSettings(
    tiles=LandTiles(size=8), num_centres=40, width=8, head_degree=3, epochs=1, samples=64, batch=16,
    num_validation=16, num_test=16, num_shown=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server on a home with a trained expert, and the folder of that run."""
    folder = tmp_path_factory.mktemp("mvmf")
    with RunStore(folder / "home") as store:
        run = store.create(RunConfig(settings=SETTINGS), name="Tiny expert")
        store.launch(run)
        with serving(folder) as server:
            eventually(lambda: run.state in ENDED, lambda: f"{run.state}: {run.log_tail()}", LONG_MS)
            assert run.state == "done", run.log_tail()
            yield server, run.folder


def is_at(thing: Locator, x: float, y: float) -> bool:
    at = middle(thing)
    return abs(at[0] - x) < 3 and abs(at[1] - y) < 3


def drawn(page: Page) -> int:
    return int(page.locator(".hg").first.get_attribute("data-drawn") or 0)


def test_a_centre_is_dragged_and_its_area_is_read(page: Page, house: tuple[Server, Path]) -> None:
    open_page(page, house[0].url + "?page=mvmf&c=20,-60,400,1:0,0,30,1&at=10,-30,1", "Geolocation")
    handle = page.get_by_role("button", name=re.compile("^Centre 1 "))
    expect(handle).to_have_attribute("aria-label", "Centre 1 at 20.0° N 60.0° W", timeout=LONG_MS)
    both = Mixture(
        mvmf_centres.components(
            CentreChoice("none", 1, 0, 1.0),
            [PlacedComponent(-1, Component(20, -60, 400, 1)), PlacedComponent(-1, Component(0, 0, 30, 1))],
        )
    ).summary()
    expect(fact(page, "50 % within")).to_have_text(" ".join(text.split_area(both.regions[0])))

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
    eventually(lambda: is_at(handle, x + 120, y + 64), lambda: f"{middle(handle)} is not {x + 120, y + 64}")

    # the second centre lies on the first by now, so that half of the belief needs less room; then alone
    handle.press("Delete")
    expect(page.get_by_role("button", name=re.compile("^Centre 2 "))).to_have_count(0)
    alone = Mixture(
        mvmf_centres.components(CentreChoice("none", 1, 0, 1.0), [PlacedComponent(-1, Component(0, 0, 30, 1))])
    ).summary()
    expect(fact(page, "90 % within")).to_have_text(" ".join(text.split_area(alone.regions[1])))

    # the pointer reads the exact density
    remaining = page.get_by_role("button", name=re.compile("^Centre 1 at 0.0° N 0.0° E"))
    density = page.get_by_text(re.compile(r"^1\.17\d × 10⁻⁷$"))

    def is_read() -> bool:
        x, y = middle(remaining)
        page.mouse.move(x + 9, y)
        page.mouse.move(x, y)
        return density.is_visible()

    # what the pointer reads is what is drawn, and the last map may still be on its way
    eventually(is_read, lambda: page.locator(".item").inner_text())


def belief(*rows: Component) -> Mixture:
    return Mixture(mvmf_centres.components(CentreChoice("none", 1, 0, 1.0), [PlacedComponent(-1, row) for row in rows]))


def test_what_is_read_follows_what_is_drawn_under_a_pointer_that_rests(page: Page, house: tuple[Server, Path]) -> None:
    # 10° N 30° W stands in the middle, 60° of longitude away from both
    first, other = Component(10, -60, 400, 1), Component(10, 0, 30, 1)
    open_page(page, house[0].url + "?page=mvmf&c=10,-60,400,1:10,0,30,1&at=10,-30,1", "Geolocation")
    handle = page.get_by_role("button", name=re.compile("^Centre 1 at 10.0° N 60.0° W"))
    expect(handle).to_have_count(1, timeout=LONG_MS)
    x, y = middle(handle)
    goal = middle(page.locator(".hg canvas").first)
    at_goal = belief(first._replace(lon=-30), other).per_km2(10, -30)
    number_read = page.locator(".hr.items .value").first
    mark = page.locator(".hr .mark")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(*goal, steps=4)
    # in the hand, and let go, and gone: the pointer does not move any more
    expect(number_read).to_have_text(re.compile(f"^{text.per_km2(at_goal)[:3]}.* × {text.ten_to(-7)}$"))
    page.mouse.up()
    dropped = page.get_by_role("button", name=re.compile("^Centre 1 at 10.0° N 30.0° W"))
    expect(dropped).to_have_count(1)
    expect(number_read).to_have_text(re.compile(f"^{text.per_km2(at_goal)[:3]}.* × {text.ten_to(-7)}$"))
    expect(mark).to_have_attribute("style", re.compile("left: (100|99)"))
    dropped.press("Delete")
    power = text.per_km2(belief(other).per_km2(10, -30)).split("10")[-1]
    expect(number_read).to_have_text(re.compile(f" × 10{power}$"))
    expect(mark).not_to_have_attribute("style", re.compile("left: (100|99)"))
    page.get_by_role("button", name=re.compile("^Centre 1 at 10.0° N 0.0° E")).press("Delete")
    expect(number_read).to_have_text("–")


KEEP_WORDS = """() => {
  const write = CanvasRenderingContext2D.prototype.fillText
  window.written = []
  CanvasRenderingContext2D.prototype.fillText = function (words, ...rest) {
    window.written.push(words)
    write.call(this, words, ...rest)
  }
}"""


def test_a_picture_of_regions_names_their_colours(page: Page, house: tuple[Server, Path], tmp_path: Path) -> None:
    open_page(page, house[0].url + "?page=mvmf&show=regions&c=20,-60,400,1", "Geolocation")
    expect(page.get_by_text(text.REGION_NAMES[1], exact=True)).to_be_visible(timeout=LONG_MS)
    page.evaluate(KEEP_WORDS)
    save(page, "Picture, PNG", tmp_path / "regions.png")
    written = page.evaluate("window.written")
    assert [name for name in written if name in text.REGION_NAMES] == list(text.REGION_NAMES)
    assert {"0", "50", "100"}.isdisjoint(written)


def test_a_hostile_address_opens_a_page_and_says_what_was_changed(page: Page, house: tuple[Server, Path]) -> None:
    open_page(
        page, f"{house[0].url}?page=mvmf&start=land&n=20&kappa=1e300&c=nan,1,1,1&show=%3Cscript%3E", "Geolocation"
    )
    expect(page.get_by_text("was clamped to 1e-06 … 1e+06")).to_be_visible()
    page.wait_for_function("location.search.includes('start=land&n=20&seed=0&show=density')")


def test_pasted_centres_are_read_and_a_mix_up_is_said(page: Page, house: tuple[Server, Path]) -> None:
    open_page(page, house[0].url + "?page=mvmf&start=file&c=-", "Geolocation")
    expect(page.get_by_text("choose the file again")).to_be_visible()
    expect(page.get_by_text(text.NO_CENTRES)).to_be_visible()
    field = page.get_by_label("Or paste: latitude, longitude")
    field.fill("8,48\n175,-36\n")
    field.blur()
    page.get_by_role("button", name="Use these centres").click()
    expect(page.get_by_text("taken as the longitude")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Centre 1 at 48.0° N 8.0° E"))).to_have_count(1)


def test_an_expert_predicts_its_test_pictures_and_a_clicked_place(page: Page, house: tuple[Server, Path]) -> None:
    server, folder = house
    open_page(page, server.url + "?page=mvmf&mode=expert&tile=2&at=10,20,1", "Geolocation")
    case = expert.tile_prediction(folder, 2)
    expect(fact(page, "Error")).to_have_text(f"{number(round(case.error_km))} km", timeout=LONG_MS)
    expect(page.get_by_role("img", name=re.compile("^Predicted date"))).to_be_visible()
    # 10° N 20° E, in the middle of the view, is the south of Chad
    page.locator(".hg canvas").first.click()
    expect(page.get_by_text(re.compile("^True location: 10.0° N 20.0° E"))).to_be_visible(timeout=LONG_MS)
    page.get_by_role("button", name="Scene of 3 × 3").click()
    expect(page.get_by_text("Predicted from 9 pictures of the scene")).to_be_visible()
    expect(page.get_by_alt_text("Picture 9 of 9")).to_be_visible()
    page.wait_for_function("location.search.includes('scene=scene') && location.search.includes('spot=')")

    page.get_by_role("button", name="Next").click()
    after = expert.tile_prediction(folder, 3)
    expect(fact(page, "Error")).to_have_text(f"{number(round(after.error_km))} km")
    # another picture: the globe turns to the best guess
    lat, lon = after.guess
    page.wait_for_function(f"location.search.includes('tile=3') && location.search.includes('at={lat:.6g},{lon:.6g}')")

    page.get_by_role("button", name="Scores").click()
    expect(page.get_by_text("Median error, km")).to_be_visible()
    page.get_by_role("button", name="Test errors").click()
    expect(page.get_by_text("Median error of the test pictures")).to_be_visible()
    page.wait_for_function("location.search.includes('look=errors')")
    page.reload()
    expect(page.get_by_text("Median error of the test pictures")).to_be_visible(timeout=LONG_MS)

    # the pointer reads the errors, and nothing of the last picture's belief is left
    errors = expert.error_map(folder)
    row, column = np.argwhere(np.isfinite(errors.values))[0]
    page.goto(f"{server.url}?page=mvmf&mode=expert&look=errors&at={errors.lat[row]},{errors.lon[column]},1")
    expect(page.get_by_text("Median error here")).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text("of 16 test pictures")).to_be_visible()
    expect(fact(page, "Error")).to_have_count(0)
    expect(page.get_by_role("button", name="Logarithmic")).to_have_count(0)
    page.mouse.move(*middle(page.locator(".hg canvas").first))
    expected = text.cell_error(float(errors.values[row, column]))
    expect(page.locator(".hr.items .value").first).to_have_text(expected)


def test_every_one_of_many_quick_clicks_counts(page: Page, house: tuple[Server, Path]) -> None:
    open_page(page, house[0].url + "?page=mvmf&mode=expert", "Geolocation")
    following = page.get_by_role("button", name="Next")
    expect(following).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text("The run keeps 12 of its 16 test pictures")).to_be_visible(timeout=LONG_MS)
    following.evaluate("button => { for (let n = 0; n < 9; n++) button.click() }")
    page.wait_for_function("location.search.includes('tile=9')")
