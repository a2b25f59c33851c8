"""What the globe draws is the field: real pixels against an independent interpolation and independent projections."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.browser.globe_app import coordinates, product, smooth, with_hole
from tests.browser.globe_page import (
    APP,
    LEVELS,
    SIDE,
    Opener,
    canvas,
    change,
    color_at,
    expected_color,
    field_of,
    flat_pixel,
    globe_pixel,
    open_globe,
    pixels,
    value_at,
)

PLACES = [(90, 0), (-90, 0), (89, 120), (-88, -60), (0, 180), (12, -179.7), (-33, 179.4), (45, 0), (5, -93), (-61, 77)]
VIEWS = [(20, -30), (90, 0), (-90, 40), (5, 180), (-10, 90)]


@pytest.fixture
def opened(page: Page, serve: Callable[..., str]) -> Opener:
    return lambda case="points": open_globe(page, serve(APP), case)


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


@pytest.mark.parametrize("projection", ["equal_earth", "plate_carree"])
@pytest.mark.parametrize("case", ["points", "cells"])
def test_flat_pixels_at_the_poles(opened: Opener, case: str, projection: str) -> None:
    page, field = opened(case), field_of(case)
    latitudes = np.linspace(80, 90, 20001)
    for sign in (1, -1):
        change(page, projection=projection, center_lat=90 * sign, center_lon=50, zoom=8)
        image = pixels(page)
        ups = np.array([SIDE / 2 - flat_pixel(projection, lat, 0, 0)[1] for lat in latitudes]) * 8
        for depth in (0.5, 2.5, 12.5):  # pixels inwards from the pole, which touches the edge of the canvas
            lat = sign * float(np.interp(ups[-1] - depth, ups, latitudes))
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
    np.testing.assert_allclose(missing, [0x3A, 0x43, 0x52], atol=1)  # view.js, dark
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
        np.testing.assert_allclose(color_at(image, *at), [0x3A, 0x43, 0x52], atol=1)


def test_harmonics_are_drawn_as_the_dense_field_is(opened: Opener) -> None:
    dense = pixels(opened("product"))
    harmonics = pixels(opened("harmonics"))
    assert np.ptp(product()) > 1.0
    assert np.abs(dense - harmonics).max() <= 2.0


def test_range_and_colours_change_without_a_new_field(opened: Opener) -> None:
    page, field = opened("points"), field_of("points")
    change(page, center_lat=20, center_lon=-30, vmin=-2.0, vmax=2.0)
    color = color_at(pixels(page), SIDE / 2, SIDE / 2)
    np.testing.assert_allclose(color, expected_color(value_at(field, 20, -30) / 2), atol=LEVELS)
    assert canvas(page).evaluate("canvas => canvas.parentNode.dataset.drawn") == "1"


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
