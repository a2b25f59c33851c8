"""The globe in a person's hands: click, drag, wheel, keys, linked views; and how it lives and goes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from engine.provenance import recipe_of
from engine.queries.exported import attributes_of
from tests.browser.globe_app import ORIGIN, coordinates, smooth
from tests.browser.globe_page import (
    APP,
    LEVELS,
    SIDE,
    Opener,
    canvas,
    cell_at,
    change,
    color_at,
    expected_color,
    field_of,
    flat_pixel,
    globe_pixel,
    open_globe,
    pixels,
    server_state,
    value_at,
)


@pytest.fixture
def opened(page: Page, serve: Callable[..., str]) -> Opener:
    return lambda case="points": open_globe(page, serve(APP), case)


def click(page: Page, x: float, y: float, label: str = "Left") -> None:
    box = canvas(page, label).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x, box["y"] + y)


@pytest.mark.parametrize("case", ["points", "cells"])
def test_click_reads_back_the_value_and_the_place(opened: Opener, case: str) -> None:
    page, field = opened(case), field_of(case)
    for serial, (centre, place) in enumerate([((20, -30), (35, -60)), ((70, 10), (88, 10)), ((5, 180), (-20, 177))], 1):
        change(page, center_lat=centre[0], center_lon=centre[1])
        at = globe_pixel(*place, centre)
        assert at is not None
        click(page, *at)
        clicked = server_state(page, f"it.clicked.serial === {serial}")["clicked"]
        assert abs(clicked["lat"] - place[0]) < 0.4  # one pixel is a quarter of a degree
        assert abs(clicked["lon"] - place[1]) * math.cos(math.radians(place[0])) < 0.4
        assert abs(clicked["value"] - value_at(field, clicked["lat"], clicked["lon"])) < 2e-5  # the 16-bit step


def test_click_on_a_missing_cell_says_so(opened: Opener) -> None:
    page = opened("hole")
    change(page, center_lat=45, center_lon=20)
    click(page, SIDE / 2, SIDE / 2)
    assert server_state(page, "it.clicked.serial === 1")["clicked"]["value"] is None


def test_click_on_a_block_reads_its_cell(opened: Opener) -> None:
    page = opened("cells")
    change(page, center_lat=0, center_lon=0, blocks=True)
    values = smooth(*coordinates("cells"))
    for serial, place in enumerate([(1.5, 9), (8.5, 1), (11.5, 1)], 1):  # twice one block, then its neighbour
        at = globe_pixel(*place, (0, 0))
        assert at is not None
        click(page, *at)
        value = values[cell_at("cells", *place)]
        assert server_state(page, f"it.clicked.serial === {serial}")["clicked"]["value"] == pytest.approx(
            value, abs=2e-5
        )
        assert page.locator(".item .value").inner_text() == f"{value:.2f}".replace("-", "−")


def test_colours_have_no_value(opened: Opener) -> None:
    page = opened("mixed")
    change(page, projection="plate_carree", center_lat=0, center_lon=0, swipe=0.5)
    for serial, (x, ready) in enumerate([(100, "typeof it.clicked.value === 'number'"), (400, "true")], 1):
        click(page, x, SIDE / 2)
        clicked = server_state(page, f"it.clicked.serial === {serial} && {ready}")["clicked"]
    assert clicked["value"] is None
    assert page.locator(".item .value").inner_text() == "–"
    assert page.locator(".item small").inner_text() == ""
    assert page.locator(".place").inner_text().startswith("0.")
    assert page.locator(".mark").is_hidden()


def test_drag_keeps_the_place_under_the_pointer(opened: Opener) -> None:
    page = opened("points")
    change(page, center_lat=10, center_lon=0)
    box = canvas(page).bounding_box()
    assert box is not None
    grabbed = globe_pixel(20, 10, (10, 0))
    assert grabbed is not None
    x, y = box["x"] + grabbed[0], box["y"] + grabbed[1]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 70, y + 30, steps=8)
    held = page.evaluate("() => [...harmoniaGlobes][0].camera")
    page.evaluate("() => harmoniaGlobes.forEach((view) => view.input.trail.splice(0))")  # no glide
    page.mouse.up()
    landed = globe_pixel(20, 10, (held["lat"], held["lon"]))
    assert landed is not None
    assert math.hypot(landed[0] - grabbed[0] - 70, landed[1] - grabbed[1] - 30) < 1.0
    server_state(
        page, f"Math.abs(it.camera[0] - {held['lat']}) < 1e-6 && Math.abs(it.camera[1] - {held['lon']}) < 1e-6"
    )


def test_wheel_zooms_to_the_pointer(opened: Opener) -> None:
    page = opened("points")
    change(page, center_lat=0, center_lon=0)
    at = globe_pixel(30, 40, (0, 0))
    box = canvas(page).bounding_box()
    assert at is not None
    assert box is not None
    page.mouse.move(box["x"] + at[0], box["y"] + at[1])
    page.mouse.wheel(0, -300)
    server_state(page, "it.camera[2] > 1.5")
    click(page, *at)
    clicked = server_state(page, "it.clicked.serial === 1")["clicked"]
    assert clicked["lat"] == pytest.approx(30, abs=0.4)
    assert clicked["lon"] == pytest.approx(40, abs=0.4)


def test_keyboard(opened: Opener) -> None:
    page = opened("points")
    change(page, center_lat=20, center_lon=-30)
    canvas(page).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert server_state(page, "it.camera[0] < 20")["camera"] == pytest.approx([10, -20, 1])
    page.keyboard.press("+")
    server_state(page, "it.camera[2] === 1.25")
    page.keyboard.press("Enter")
    assert server_state(page, "it.clicked.serial === 1")["clicked"]["lat"] == pytest.approx(10, abs=1e-6)
    page.keyboard.press("Home")
    assert server_state(page, "it.camera[2] === 1")["camera"][:2] == [20, -30]


def test_views_of_a_group_move_together_and_share_the_pointer(opened: Opener) -> None:
    page = opened("pair")
    canvas(page, "Right").focus()
    page.keyboard.press("ArrowLeft")
    server_state(page, "it.camera[1] === -40")
    apart = np.abs(pixels(page, "Left") - pixels(page, "Right"))
    assert apart[8:-8, 8:-8].max() <= 2.0  # the follower draws the leader's field; round the edge runs the focus ring
    box = canvas(page, "Right").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    ring = page.locator(".hg:has(canvas[aria-label='Left']) .echo")
    ring.wait_for(state="attached")
    page.wait_for_function("ring => !ring.hidden", arg=ring.element_handle())
    home = canvas(page, "Left").bounding_box()
    offset = ring.evaluate("ring => { const box = ring.getBoundingClientRect(); return [box.x, box.y] }")
    assert home is not None
    assert offset == pytest.approx([home["x"] + 200, home["y"] + 200], abs=0.5)


def test_a_follower_draws_its_leaders_blocks(opened: Opener) -> None:
    page = opened("pair")
    smooth_picture = pixels(page, "Right")
    change(page, blocks=True)
    blocks = pixels(page, "Right")
    np.testing.assert_allclose(blocks, pixels(page, "Left"), atol=2.0)
    assert np.abs(blocks - smooth_picture).max() > 20


def test_scale_and_words_follow_the_pointer(opened: Opener) -> None:
    page, field = opened("points"), field_of("points")
    assert page.locator(".place").inner_text() == "Point at the globe"
    change(page, center_lat=20, center_lon=-30)
    box = canvas(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + SIDE / 2, box["y"] + SIDE / 2)
    page.get_by_text("20.0° N 30.0° W").wait_for()
    value = value_at(field, 20, -30)
    assert page.locator(".item .value").inner_text() == f"{value:.2f}".replace("-", "−")
    share = page.locator(".mark").evaluate("mark => parseFloat(mark.style.left)")
    assert share == pytest.approx(50 * (value + 1), abs=0.1)
    assert page.locator(".low").inner_text() == "−1.00"
    page.mouse.move(box["x"] + 3, box["y"] + 3)  # beside the globe
    page.get_by_text("Point at the globe").wait_for()
    assert page.locator(".mark").is_hidden()


def test_markers_stand_on_their_place_and_hide_behind(opened: Opener) -> None:
    page = opened("points")
    there, behind = {"lat": 40, "lon": -60, "label": "there"}, {"lat": -20, "lon": 150, "label": "behind"}
    change(page, center_lat=20, center_lon=-30, markers=[there, behind])
    pin = page.locator(".pin", has_text="there")
    box, at = canvas(page).bounding_box(), globe_pixel(40, -60, (20, -30))
    foot = pin.evaluate("pin => { const box = pin.getBoundingClientRect(); return [box.x, box.y] }")
    assert box is not None
    assert at is not None
    assert foot == pytest.approx([box["x"] + at[0], box["y"] + at[1]], abs=0.5)
    assert page.locator(".pin", has_text="behind").is_hidden()


def test_the_name_of_a_place_at_the_edge_can_be_read(opened: Opener) -> None:
    page = opened("points")
    edge = {"lat": 20, "lon": 40, "label": "a place with a long name"}
    change(page, center_lat=20, center_lon=-30, markers=[edge])
    name = page.get_by_text(edge["label"])
    expect(page.locator(".pin.before")).to_have_count(1)
    box, own = canvas(page).bounding_box(), name.bounding_box()
    assert box is not None
    assert own is not None
    assert own["x"] >= box["x"]
    assert own["x"] + own["width"] <= box["x"] + box["width"]
    change(page, center_lon=40)  # in the middle it stands on the right again
    expect(page.locator(".pin.before")).to_have_count(0)


def test_swipe_shows_one_field_on_each_side(opened: Opener) -> None:
    page, field = opened("swipe"), field_of("cells")
    change(page, projection="plate_carree", center_lat=0, center_lon=0)
    divider = page.locator(".hg:has(canvas[aria-label='Left']) .divider")
    box = divider.bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(x + 100, box["y"] + 60, steps=4)
    page.mouse.up()
    assert server_state(page, "it.swipe > 0.69")["swipe"] == pytest.approx(0.7, abs=0.005)
    image = pixels(page)
    for lat, lon in ((30, -120), (-40, 50), (10, 100), (-50, 150)):
        at = flat_pixel("plate_carree", lat, lon, 0)
        sign = 1 if at[0] < 0.7 * SIDE else -1
        np.testing.assert_allclose(color_at(image, *at), expected_color(sign * value_at(field, lat, lon)), atol=LEVELS)


# ---------------------------------------------------------------- life


def test_png_has_the_picture_the_title_the_bar_and_its_origin(opened: Opener, tmp_path: Path) -> None:
    page = opened("points")
    with page.expect_download() as caught:
        page.get_by_role("button", name="Save").click()
    assert caught.value.suggested_filename == "view.png"
    picture = Image.open(caught.value.path())
    image = np.asarray(picture.convert("RGB"), float)
    lines, rest = divmod(image.shape[0] // 2 - (56 + SIDE + 72) - 8, 14)
    assert image.shape[1:] == (2 * SIDE, 3)
    assert lines >= 2
    assert rest == 0
    for line in range(lines):  # each line of the note has letters
        top = 2 * (56 + SIDE + 72 + 14 * line)
        assert image[top : top + 28, 40:300].max() > 120
    texts = dict(picture.text)
    assert texts.pop("harmonia_address").endswith("?case=points")
    expected = {name: str(value) for name, value in ORIGIN.attributes().items()}
    clock = {"history", "date_created"}
    assert set(texts) == set(expected)
    assert {name: texts[name] for name in texts.keys() - clock} == {
        name: expected[name] for name in expected.keys() - clock
    }
    assert recipe_of(attributes_of(Path(caught.value.path()).rename(tmp_path / "view.png")), "")[1] == {
        "place": "Åland"
    }
    np.testing.assert_allclose(image[0, 0], [0x0B, 0x0E, 0x14])
    assert image[20:90, 40:300].max() > 200  # the title
    middle = value_at(field_of("points"), 20, -30)
    np.testing.assert_allclose(image[2 * 56 + SIDE, SIDE], expected_color(middle), atol=LEVELS)
    bar = image[2 * (56 + SIDE + 29), SIDE - 300 : SIDE + 300]
    np.testing.assert_allclose(bar[[30, 300, 570], 0], 255 * np.array([50, 320, 590]) / 640, atol=6)


def test_png_of_colours_has_no_bar(opened: Opener) -> None:
    page = opened("colours")
    with page.expect_download() as caught:
        page.get_by_role("button", name="Save").click()
    image = np.asarray(Image.open(caught.value.path()))
    assert image.shape[:2] == (2 * (56 + SIDE + 16), 2 * SIDE)


def test_a_lost_context_comes_back(opened: Opener) -> None:
    page = opened("points")
    before = pixels(page)
    page.evaluate(
        """() => new Promise((done) => {
          const view = [...harmoniaGlobes].find((view) => view.model.label === 'Left')
          const loss = view.gpu.gl.getExtension('WEBGL_lose_context')
          view.canvas.addEventListener('webglcontextlost', () => setTimeout(() => loss.restoreContext()), {once: true})
          view.canvas.addEventListener('webglcontextrestored', () => done(), {once: true})
          loss.loseContext()
        })"""
    )
    assert np.abs(pixels(page) - before).max() <= 1.0


def test_without_webgl_there_is_a_sentence(page: Page, serve: Callable[..., str]) -> None:
    page.add_init_script(
        "const open = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest)"
        " { return kind === 'webgl2' ? null : open.call(this, kind, ...rest) }"
    )
    page.goto(f"{serve(APP)}?case=points")
    page.get_by_text("needs WebGL 2").first.wait_for()
    assert page.get_by_text("Remedy").first.is_visible()


def test_a_removed_view_leaves_nothing_behind(opened: Opener) -> None:
    page = opened("pair")
    assert page.evaluate("() => harmoniaGlobes.size") == 2
    page.get_by_role("button", name="Drop").click()
    page.wait_for_function("() => harmoniaGlobes.size === 1")


def test_nothing_is_drawn_while_nothing_changes(opened: Opener) -> None:
    page = opened("pair")
    frames = page.evaluate(
        """() => new Promise((done) => {
          let drawn = 0
          for (const view of harmoniaGlobes) {
            const draw = view.gpu.draw.bind(view.gpu)
            view.gpu.draw = (...shot) => { drawn += 1; draw(...shot) }
          }
          let left = 20  // frames of the page, during which no view may draw
          const count = () => (left -= 1) ? requestAnimationFrame(count) : done(drawn)
          requestAnimationFrame(count)
        })"""
    )
    assert frames == 0
