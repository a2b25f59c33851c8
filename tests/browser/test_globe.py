"""What the globe draws is the field: real pixels against an independent interpolation and independent projections."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import watched
from tests.browser.globe_app import cap, colours, coordinates, product, smooth, with_hole
from tests.browser.globe_page import (
    APP,
    LEVELS,
    SIDE,
    Opener,
    canvas,
    cell_at,
    change,
    color_at,
    colours_of,
    expected_color,
    field_of,
    flat_pixel,
    found_at,
    globe_pixel,
    open_globe,
    pixels,
    value_at,
    values_in,
)
from tests.support.browser import Server, patient

PLACES = [(90, 0), (-90, 0), (89, 120), (-88, -60), (0, 180), (12, -179.7), (-33, 179.4), (45, 0), (5, -93), (-61, 77)]
MISSING = [0x3A, 0x43, 0x52]  # theme.js, dark
VIEWS = [(20, -30), (90, 0), (-90, 40), (5, 180), (-10, 90)]


FIRST_VIEW = {
    "projection": "globe",
    "center_lat": 0.0,
    "center_lon": 0.0,
    "zoom": 1.0,
    "swipe": 0.5,
    "vmin": -1.0,
    "vmax": 1.0,
    "blocks": False,
    "dim_outside": True,
}


@pytest.fixture(scope="module")
def pages(browser: Browser, browser_context_args: dict[str, object]) -> Iterator[dict[str, Page]]:
    """The pages that stand open, by case: a test looks at one, and opening it costs more than the look."""
    context = patient(browser.new_context(**browser_context_args))  # type: ignore[arg-type]
    pages: dict[str, Page] = {"": context.new_page()}
    yield pages
    context.close()


@pytest.fixture
def opened(
    pages: dict[str, Page], servers: dict[tuple[str, ...], Server], serve: Callable[..., str]
) -> Iterator[Opener]:
    """``opened(case)``: the page of a case at its first view."""
    with ExitStack() as watching:

        def open_case(case: str = "points") -> Page:
            is_new = case not in pages
            if is_new:
                pages[case] = pages[""].context.new_page()
            page = watching.enter_context(watched(pages[case], servers))
            if is_new:
                open_globe(page, serve(APP), case)
            page.bring_to_front()  # a page behind another draws a frame a second
            change(page, **FIRST_VIEW)
            return page

        yield open_case


@pytest.mark.parametrize("case", ["points", "cells"])
def test_globe_pixels(opened: Opener, case: str) -> None:
    page, field, checked = opened(case), field_of(case), 0
    for centre in VIEWS:
        change(page, center_lat=centre[0], center_lon=centre[1])
        image = pixels(page)
        for place in PLACES:
            at = globe_pixel(*place, centre)
            if at is not None and not (abs(place[0]) == 90 and case == "cells"):
                np.testing.assert_allclose(color_at(image, *at), expected_color(value_at(field, *place)), atol=LEVELS)
                checked += 1
    assert checked >= 14


def test_pole_of_a_cell_centred_grid_is_the_mean_across(opened: Opener) -> None:
    lat, lon = coordinates("cells")
    page = opened("cells")
    for pole, row in ((90, -1), (-90, 0)):
        change(page, center_lat=pole, center_lon=0)
        ring = smooth(lat, lon)[row]
        across = (ring + np.roll(ring, len(ring) // 2)) / 2
        seen = color_at(pixels(page), SIDE / 2, SIDE / 2)
        assert expected_color(across.min())[0] - LEVELS <= seen[0] <= expected_color(across.max())[0] + LEVELS


@pytest.mark.parametrize("projection", ["equal_earth", "plate_carree"])
@pytest.mark.parametrize("case", ["points", "cells"])
def test_flat_pixels(opened: Opener, case: str, projection: str) -> None:
    page, field = opened(case), field_of(case)
    for middle in (0.0, 150.0):
        change(page, projection=projection, center_lat=0, center_lon=middle)
        image = pixels(page)
        for lat, lon in PLACES:
            if (
                abs(lat) < 80 and abs((lon - middle + 180) % 360 - 180) < 178
            ):  # the outermost pixels are half background
                at = flat_pixel(projection, lat, lon, middle)
                np.testing.assert_allclose(color_at(image, *at), expected_color(value_at(field, lat, lon)), atol=LEVELS)


def latitude_below_pole(projection: str, depth: float) -> float:
    """Latitude that lies `depth` pixels below the north pole of a flat map at zoom 8."""
    latitudes = np.linspace(80, 90, 20001)
    ups = np.array([SIDE / 2 - flat_pixel(projection, lat, 0, 0)[1] for lat in latitudes]) * 8
    return float(np.interp(ups[-1] - depth, ups, latitudes))


@pytest.mark.parametrize("projection", ["equal_earth", "plate_carree"])
@pytest.mark.parametrize("case", ["points", "cells"])
def test_flat_pixels_at_the_poles(opened: Opener, case: str, projection: str) -> None:
    page, field = opened(case), field_of(case)
    for sign in (1, -1):
        change(page, projection=projection, center_lat=90 * sign, center_lon=50, zoom=8)
        image = pixels(page)
        for depth in (0.5, 2.5, 12.5):  # pixels inwards from the pole, which touches the edge of the canvas
            lat = sign * latitude_below_pole(projection, depth)
            seen = color_at(image, SIDE / 2, depth if sign > 0 else SIDE - depth)
            np.testing.assert_allclose(seen, expected_color(value_at(field, lat, 50)), atol=LEVELS)


def test_no_seam_at_the_date_line(opened: Opener) -> None:
    page = opened("cells")
    change(page, projection="plate_carree", center_lat=0, center_lon=180)
    image = pixels(page)
    rows = slice(SIDE // 2 - 100, SIDE // 2 + 100)
    jump = np.abs(np.diff(image[rows, SIDE // 2 - 12 : SIDE // 2 + 12], axis=1))
    assert jump.max() <= LEVELS


def test_missing_cells_have_crisp_edges(opened: Opener) -> None:
    page = opened("hole")
    change(page, projection="plate_carree", center_lat=0, center_lon=0)
    image = pixels(page)
    missing = color_at(image, *flat_pixel("plate_carree", 45, 20, 0))
    np.testing.assert_allclose(missing, MISSING, atol=1)
    x_west, y = flat_pixel("plate_carree", 45, 0, 0)
    x_east, _ = flat_pixel("plate_carree", 45, 40, 0)
    for x in (x_west + 2, x_east - 2):
        np.testing.assert_allclose(color_at(image, x, y), missing, atol=LEVELS)
    lat, lon = coordinates("cells")
    west, east = (with_hole(smooth(lat, lon))[np.searchsorted(lat, 45), np.searchsorted(lon, at)] for at in (-5, 45))
    for x, value in ((x_west - 2, west), (x_east + 2, east)):  # next to the hole its neighbour's value alone counts
        np.testing.assert_allclose(color_at(image, x, y), expected_color(value), atol=LEVELS)


def test_outside_a_regional_grid_is_missing(opened: Opener) -> None:
    page = opened("box")
    change(page, projection="plate_carree", center_lat=0, center_lon=-130)
    image, field = pixels(page), field_of("cells")
    for lat, lon in ((40, -140), (33, -170), (52, -110)):
        at = flat_pixel("plate_carree", lat, lon, -130)
        np.testing.assert_allclose(color_at(image, *at), expected_color(value_at(field, lat, lon)), atol=LEVELS)
    for lat, lon in ((18, -140), (62, -140), (40, 178), (40, -88)):
        at = flat_pixel("plate_carree", lat, lon, -130)
        np.testing.assert_allclose(color_at(image, *at), MISSING, atol=1)


def test_harmonics_are_drawn_as_the_dense_field_is(opened: Opener) -> None:
    dense = pixels(opened("product"))
    harmonics = pixels(opened("harmonics"))
    assert np.ptp(product()) > 1.0
    assert np.abs(dense - harmonics).max() <= 2.0


def test_range_and_colours_change_without_a_new_field(opened: Opener) -> None:
    page, field = opened("points"), field_of("points")
    drawn = canvas(page).evaluate("canvas => canvas.parentNode.dataset.drawn")
    change(page, center_lat=20, center_lon=-30, vmin=-2.0, vmax=2.0)
    color = color_at(pixels(page), SIDE / 2, SIDE / 2)
    np.testing.assert_allclose(color, expected_color(value_at(field, 20, -30) / 2), atol=LEVELS)
    assert canvas(page).evaluate("canvas => canvas.parentNode.dataset.drawn") == drawn


def test_domain_dims_what_lies_outside(opened: Opener) -> None:
    page, field = opened("domain"), field_of("cells")
    change(page, projection="plate_carree", center_lat=0, center_lon=0)
    image = pixels(page)
    inside = color_at(image, *flat_pixel("plate_carree", 20, 60, 0))
    np.testing.assert_allclose(inside, expected_color(value_at(field, 20, 60)), atol=LEVELS)
    x, y = flat_pixel("plate_carree", 20, -60, 0)
    outside = image[int(y) - 8 : int(y) + 8, int(x) - 8 : int(x) + 8]
    assert outside.mean() < 0.75 * expected_color(value_at(field, 20, -60)).mean()
    assert np.ptp(outside, axis=(0, 1)).max() > 10  # the hatch


def test_a_domain_may_be_an_outline_alone(opened: Opener) -> None:
    page, field = opened("domain"), field_of("cells")
    change(page, projection="plate_carree", center_lat=0, center_lon=0, dim_outside=False)
    image = pixels(page)
    for lon in (-60, 60):
        color = color_at(image, *flat_pixel("plate_carree", 20, lon, 0))
        np.testing.assert_allclose(color, expected_color(value_at(field, 20, lon)), atol=LEVELS)
    x, y = (int(at) for at in flat_pixel("plate_carree", 20, 0, 0))
    across = image[y, x - 12 : x + 12].astype(float)
    assert np.abs(np.diff(across, axis=0)).max() > 60.0  # the border


# ---------------------------------------------------------------- colours instead of values


@pytest.mark.parametrize("case", ["colour_points", "colours"])
def test_colours_on_the_globe(opened: Opener, case: str) -> None:
    registration = "points" if case == "colour_points" else "cells"
    page, field, checked = opened(case), colours_of(registration), 0
    for centre in VIEWS:
        change(page, center_lat=centre[0], center_lon=centre[1])
        image = pixels(page)
        for place in PLACES:
            at = globe_pixel(*place, centre)
            if at is not None and not (abs(place[0]) == 90 and registration == "cells"):
                np.testing.assert_allclose(color_at(image, *at), found_at(field, *place), atol=LEVELS)
                checked += 1
    assert checked >= 14


def test_colours_at_the_pole_are_the_mean_across(opened: Opener) -> None:
    page = opened("colours")
    for pole, row in ((90, -1), (-90, 0)):
        change(page, center_lat=pole, center_lon=0)
        ring = colours(*coordinates("cells"))[row].astype(float)
        across = (ring + np.roll(ring, len(ring) // 2, axis=0)) / 2
        seen = color_at(pixels(page), SIDE / 2, SIDE / 2)
        assert (across.min(axis=0) - LEVELS <= seen).all()
        assert (seen <= across.max(axis=0) + LEVELS).all()


@pytest.mark.parametrize("projection", ["equal_earth", "plate_carree"])
def test_colours_on_flat_maps(opened: Opener, projection: str) -> None:
    page, field = opened("colours"), colours_of("cells")
    for middle in (0.0, 180.0):
        change(page, projection=projection, center_lat=0, center_lon=middle)
        image = pixels(page)
        for lat, lon in PLACES:
            if abs(lat) < 80 and abs((lon - middle + 180) % 360 - 180) < 178:
                at = flat_pixel(projection, lat, lon, middle)
                np.testing.assert_allclose(color_at(image, *at), found_at(field, lat, lon), atol=LEVELS)


@pytest.mark.parametrize("projection", ["equal_earth", "plate_carree"])
def test_colours_at_the_poles_of_flat_maps(opened: Opener, projection: str) -> None:
    page, field = opened("colours"), colours_of("cells")
    for pole in (90, -90):
        change(page, projection=projection, center_lat=pole, center_lon=178, zoom=8)
        image = pixels(page)
        for depth in (1.5, 12.5):
            lat = math.copysign(latitude_below_pole(projection, depth), pole)
            seen = color_at(image, SIDE / 2, depth if pole > 0 else SIDE - depth)
            np.testing.assert_allclose(seen, found_at(field, lat, 178), atol=LEVELS)


def test_missing_colours_and_their_neighbours(opened: Opener) -> None:
    page = opened("colour_hole")
    change(page, projection="plate_carree", center_lat=0, center_lon=0)
    image = pixels(page)
    x_west, y = flat_pixel("plate_carree", 45, 0, 0)
    for x in (x_west + 2, flat_pixel("plate_carree", 45, 20, 0)[0]):
        np.testing.assert_allclose(color_at(image, x, y), MISSING, atol=LEVELS)
    beside = colours(*coordinates("cells"))[cell_at("cells", 45, -5)]
    np.testing.assert_allclose(color_at(image, x_west - 2, y), beside, atol=LEVELS)


def test_colour_map_and_range_leave_colours_alone(opened: Opener) -> None:
    page = opened("colours")
    before = pixels(page)
    change(page, vmin=0.2, vmax=0.3)
    np.testing.assert_array_equal(pixels(page), before)


def test_values_and_colours_side_by_side(opened: Opener) -> None:
    page, values, colour = opened("mixed"), field_of("cells"), colours_of("cells")
    change(page, projection="plate_carree", center_lat=0, center_lon=0, swipe=0.4)
    image = pixels(page)
    for lat, lon in ((30, -120), (-40, -60), (10, 100), (-50, 150)):
        at = flat_pixel("plate_carree", lat, lon, 0)
        left = expected_color(value_at(values, lat, lon))
        np.testing.assert_allclose(color_at(image, *at), left if lon < 0 else found_at(colour, lat, lon), atol=LEVELS)


# ---------------------------------------------------------------- blocks


def block_color(registration: str, lat: float, lon: float) -> np.ndarray:
    """The one colour of the block around a place."""
    return expected_color(smooth(*coordinates(registration))[cell_at(registration, lat, lon)])


@pytest.mark.parametrize("middle", [0.0, 180.0])
@pytest.mark.parametrize("case", ["points", "cells"])
def test_a_block_is_one_colour(opened: Opener, case: str, middle: float) -> None:
    page, checked = opened(case), 0
    change(page, projection="plate_carree", center_lat=0, center_lon=middle, blocks=True)
    image = pixels(page)
    for lat, lon in itertools.product(*coordinates(case)):
        if abs(lat) < 88 and abs((lon - middle + 180) % 360 - 180) < 172:
            x, y = (int(at) for at in flat_pixel("plate_carree", lat, lon, middle))
            inside = image[y - 4 : y + 5, x - 4 : x + 5]  # 9 of 13.7 pixels
            assert np.ptp(inside, axis=(0, 1)).max() == 0
            np.testing.assert_allclose(inside[0, 0], block_color(case, lat, lon), atol=1.5)
            checked += 1
    assert checked >= 17 * 34


CORNERS = {"cells": [(10, 20), (-40, 180), (50, -180)], "points": [(15, 175), (-35, -175), (5, 85)]}


@pytest.mark.parametrize("projection", ["globe", "equal_earth", "plate_carree"])
@pytest.mark.parametrize("case", ["points", "cells"])
def test_four_blocks_meet_in_a_corner(opened: Opener, case: str, projection: str) -> None:
    page = opened(case)
    change(page, projection=projection, blocks=True, zoom=8)
    for lat, lon in CORNERS[case]:
        change(page, center_lat=lat, center_lon=lon)
        image = pixels(page)
        for north, east in itertools.product((1, -1), repeat=2):
            seen = color_at(image, SIDE / 2 + 2 * east, SIDE / 2 - 2 * north)
            np.testing.assert_allclose(seen, block_color(case, lat + north, lon + east), atol=1.5)


def test_blocks_at_the_poles_of_the_globe(opened: Opener) -> None:
    page, zoom, east = opened("cells"), 40, 15.0
    for pole in (90, -90):
        change(page, center_lat=pole, center_lon=east, blocks=True, zoom=zoom)
        image, near = pixels(page), pole - math.copysign(0.3, pole)
        for lon in coordinates("cells")[1]:
            at = globe_pixel(near, lon, (pole, east))
            assert at is not None
            x, y = (SIDE / 2 + zoom * (here - SIDE / 2) for here in at)  # 48 pixels from the pole, 8 a block
            np.testing.assert_allclose(color_at(image, x, y), block_color("cells", near, lon), atol=1.5)


@pytest.mark.parametrize("projection", ["equal_earth", "plate_carree"])
@pytest.mark.parametrize("case", ["points", "cells"])
def test_blocks_at_the_poles_of_flat_maps(opened: Opener, case: str, projection: str) -> None:
    page = opened(case)
    for pole in (90, -90):
        change(page, projection=projection, center_lat=pole, center_lon=53, blocks=True, zoom=8)
        image = pixels(page)
        for depth in (1.5, 4.5, 12.5):
            lat = math.copysign(latitude_below_pole(projection, depth), pole)
            seen = color_at(image, SIDE / 2, depth if pole > 0 else SIDE - depth)
            np.testing.assert_allclose(seen, block_color(case, lat, 53), atol=1.5)


def test_blocks_of_colours_and_of_missing_cells(opened: Opener) -> None:
    page = opened("colour_hole")
    change(page, projection="plate_carree", center_lat=40, center_lon=0, blocks=True, zoom=8)
    image, expected = pixels(page), colours(*coordinates("cells"))
    for north, east in itertools.product((2, -2), repeat=2):
        color = MISSING if east > 0 else expected[cell_at("cells", 40 + north, east)]
        np.testing.assert_allclose(color_at(image, SIDE / 2 + east, SIDE / 2 - north), color, atol=1.5)


@pytest.mark.parametrize("case", ["points", "cells"])
def test_the_value_of_a_block_is_its_cells(opened: Opener, case: str) -> None:
    page, random = opened(case), np.random.default_rng(0)
    lat, lon = coordinates(case)
    borders = [(b + side, 3.0) for b in lat[:-1] + 5.0 for side in (-1e-9, 1e-9)]
    borders += [(3.0, (b + side + 180.0) % 360.0 - 180.0) for b in lon + 5.0 for side in (-1e-9, 1e-9)]
    edges = [(pole, at) for pole in (90.0, -90.0) for at in (-177.0, 3.0, 91.0)]
    places = [*borders, *edges, *np.column_stack([random.uniform(-90, 90, 99), random.uniform(-180, 180, 99)]).tolist()]
    change(page, blocks=True)
    values = values_in(page, places)
    expected = [smooth(lat, lon)[cell_at(case, *place)] for place in places]
    np.testing.assert_allclose(values, expected, atol=2e-5)  # the 16-bit step


def test_a_grid_that_ends_at_the_pole_has_the_pole(opened: Opener) -> None:
    page = opened("cap")
    last = smooth(*cap())[[-1, 0], 4]
    for blocks in (True, False):
        change(page, blocks=blocks)
        np.testing.assert_allclose(values_in(page, [(90, 45), (-90, 45)]), last, atol=2e-5)
        assert values_in(page, [(90, 120), (0, -10)]) == [None, None]
