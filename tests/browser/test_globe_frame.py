"""Regional data are seen: the view goes to their extent, and the labels of the graticule stand where its lines end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import watched
from tests.browser.globe_app import REGIONS
from tests.browser.globe_page import APP, SIDE, canvas, change, equal_earth, open_globe, server_state, settle
from tests.support.browser import Server, patient

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def tab(browser: Browser, browser_context_args: dict[str, object]) -> Iterator[Page]:
    """One page for all tests; motion is reduced, so that a view arrives at once, unless a test asks for it."""
    context = patient(browser.new_context(**browser_context_args))  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


@pytest.fixture
def opened(tab: Page, servers: dict[tuple[str, ...], Server], serve: Callable[..., str]) -> Iterator[Open]:
    """``opened(case)``: the page of a case, newly loaded."""
    with watched(tab, servers) as page:

        def open_case(case: str, motion: Literal["reduce", "no-preference"] = "reduce") -> Page:
            page.emulate_media(reduced_motion=motion)
            return open_globe(page, serve(APP), case)

        yield open_case


def outline(case: str) -> list[tuple[float, float]]:
    """Places along the edges of a region's grid, from edge to edge of its cells."""
    lat, lon = REGIONS[case]
    rows = np.linspace(lat[0] - (lat[1] - lat[0]) / 2, lat[-1] + (lat[1] - lat[0]) / 2, 30)
    columns = np.linspace(lon[0] - (lon[1] - lon[0]) / 2, lon[-1] + (lon[1] - lon[0]) / 2, 30)
    return [(row, column) for row in rows[[0, -1]] for column in columns] + [
        (row, column) for row in rows for column in columns[[0, -1]]
    ]


def on_globe(lat: float, lon: float, camera: list[float]) -> tuple[float, float, bool]:
    """Pixels right of and above the middle of the orthographic globe, and whether the place is on the near side."""
    p, p0, turn = math.radians(lat), math.radians(camera[0]), math.radians(lon - camera[1])
    radius = 0.455 * SIDE * camera[2]
    depth = math.sin(p0) * math.sin(p) + math.cos(p0) * math.cos(p) * math.cos(turn)
    up = math.cos(p0) * math.sin(p) - math.sin(p0) * math.cos(p) * math.cos(turn)
    return radius * math.cos(p) * math.sin(turn), radius * up, depth >= 0


def on_map(projection: str, lat: float, lon: float, camera: list[float]) -> tuple[float, float, bool]:
    """The same on a flat map."""
    turn = (lon - camera[1] + 180.0) % 360.0 - 180.0
    if projection == "plate_carree":
        (x, y), middle, half = (math.radians(turn), math.radians(lat)), math.radians(camera[0]), (math.pi, math.pi / 2)
    else:
        (x, y), middle = equal_earth(lat, turn), equal_earth(camera[0], 0.0)[1]
        half = equal_earth(0.0, 180.0)[0], equal_earth(90.0, 0.0)[1]
    scale = SIDE / 2 / half[0] * 0.985 * camera[2]
    slack = max(0.0, half[1] - SIDE / 2 / scale)  # a map that is taller than the view ends at its edge
    return scale * x, scale * (y - min(max(middle, -slack), slack)), True


def camera_of(page: Page) -> list[float]:
    """Where the view looks."""
    settle(page)
    return page.evaluate("() => { const [{camera}] = harmoniaGlobes; return [camera.lat, camera.lon, camera.zoom] }")


@pytest.mark.parametrize("projection", ["globe", "equal_earth", "plate_carree"])
@pytest.mark.parametrize("case", list(REGIONS))
def test_all_of_a_region_is_in_view_and_fills_it(opened: Open, case: str, projection: str) -> None:
    page = opened(case)
    change(page, projection=projection)
    camera = camera_of(page)
    place = on_globe if projection == "globe" else lambda *at: on_map(projection, *at)
    points = [place(lat, lon, camera) for lat, lon in outline(case)]
    right, up = (np.array([point[axis] for point in points]) for axis in (0, 1))
    assert all(seen for *_, seen in points)
    # a map of all longitudes is as wide as the view already
    tolerance = 0.99 * SIDE / 2 if case == "ring" and projection != "globe" else 0.94 * SIDE / 2
    assert np.abs(right).max() <= tolerance
    assert np.abs(up).max() <= SIDE / 2 * 1.001
    assert max(np.ptp(right), np.ptp(up)) >= 0.8 * SIDE
    divider = page.evaluate("() => [...harmoniaGlobes][0].model.swipe") * SIDE - SIDE / 2
    assert right.min() < divider < right.max()


def test_home_is_the_region_then_the_whole_globe(opened: Open) -> None:
    page = opened("sea")
    framed = camera_of(page)
    assert framed[2] > 5
    canvas(page).focus()
    page.keyboard.press("ArrowLeft")
    assert camera_of(page)[1] < framed[1] - 0.1
    page.keyboard.press("Home")
    assert camera_of(page) == pytest.approx(framed, abs=1e-6)
    page.keyboard.press("Home")
    assert camera_of(page)[2] == 1.0
    page.keyboard.press("Home")
    assert camera_of(page) == pytest.approx(framed, abs=1e-6)
    assert server_state(page, "it.camera[2] > 5")["camera"] == pytest.approx(framed, abs=1e-6)


def test_a_flight_ends_where_the_jump_ends_and_a_hand_stops_it(opened: Open) -> None:
    jumped = camera_of(opened("sea"))
    page = opened("sea", motion="no-preference")
    page.wait_for_function("() => ![...harmoniaGlobes][0].framing.flight")
    assert camera_of(page) == pytest.approx(jumped, abs=1e-6)
    page.evaluate("() => { const [view] = harmoniaGlobes; view.home(); view.turn(1, 0) }")
    assert page.evaluate("() => [...harmoniaGlobes][0].framing.flight") is None
    assert camera_of(page)[2] == pytest.approx(jumped[2])


def test_a_camera_of_an_address_stays(opened: Open, serve: Callable[..., str]) -> None:
    page = opened("sea")
    page.goto(f"{serve(APP)}?case=sea&kept=1")
    page.wait_for_function("() => [...(window.harmoniaGlobes ?? [])].some((view) => view.root.dataset.key)")
    assert camera_of(page) == [20.0, -30.0, 1.0]
    canvas(page).focus()
    page.keyboard.press("Home")
    assert camera_of(page)[2] > 5


def labels_of(page: Page) -> dict[str, tuple[float, float]]:
    """The labels on screen: text, and its middle in pixels right of and above the middle of the view."""
    settle(page)
    return page.evaluate(
        """() => {
          const [view] = harmoniaGlobes, frame = view.root.getBoundingClientRect()
          const seen = [...view.root.querySelectorAll(".degrees")].filter((mark) => !mark.hidden)
          return Object.fromEntries(seen.map((mark) => {
            const box = mark.getBoundingClientRect()
            const x = box.x + box.width / 2 - frame.x - frame.width / 2
            const y = box.y + box.height / 2 - frame.y - frame.height / 2
            return [mark.textContent, [x, -y]]
          }))
        }"""
    )


def degrees_of(text: str) -> float:
    """The number that a label stands for."""
    size, _, side = text.partition("° ")
    return float(size.rstrip("°")) * (-1 if side in ("S", "W") else 1)


STEPS = [("points", 1.0, 30.0), ("points", 8.0, 10.0), ("points", 30.0, 5.0), ("points", 60.0, 1.0)]


@pytest.mark.parametrize(("case", "zoom", "step"), STEPS)
def test_labels_on_a_flat_map_stand_on_their_lines(opened: Open, case: str, zoom: float, step: float) -> None:
    page = opened(case)
    camera = [12.0, 175.0, zoom]
    change(page, projection="plate_carree", graticule=True, center_lat=12.0, center_lon=175.0, zoom=zoom)
    labels = labels_of(page)
    assert len(labels) >= 3
    for text, (x, y) in labels.items():
        value = degrees_of(text)
        assert value / step == pytest.approx(round(value / step), abs=1e-6), text
        if text[-1] in "NS" or (text == "0°" and x < -SIDE / 3):
            assert y == pytest.approx(on_map("plate_carree", value, 175.0, camera)[1], abs=1.5), text
        else:
            assert x == pytest.approx(on_map("plate_carree", 12.0, value, camera)[0], abs=1.5), text
    change(page, graticule=False)
    assert labels_of(page) == {}


@pytest.mark.parametrize("centre", [(20.0, -30.0), (0.0, 0.0), (90.0, 0.0), (-55.0, 170.0)])
def test_labels_of_the_globe_lie_at_its_edge_and_not_on_each_other(opened: Open, centre: tuple[float, float]) -> None:
    page = opened("points")
    change(page, graticule=True, center_lat=centre[0], center_lon=centre[1])
    labels = labels_of(page)
    assert len(labels) >= 5
    radius = 0.455 * SIDE
    for text, (x, y) in labels.items():
        away = math.hypot(x, y)
        on_equator = abs(centre[0]) < 12 and text[-1] in "EW°"
        assert on_equator or radius - 3 < away < radius + 30, text
    boxes = page.evaluate(
        """() => [...[...harmoniaGlobes][0].root.querySelectorAll(".degrees")]
          .filter((mark) => !mark.hidden).map((mark) => { const {x, y, width, height} = mark.getBoundingClientRect()
            return [x, y, x + width, y + height] })"""
    )
    for index, box in enumerate(boxes):
        for other in boxes[:index]:
            apart = box[0] >= other[2] or other[0] >= box[2] or box[1] >= other[3] or other[1] >= box[3]
            assert apart, (box, other)
