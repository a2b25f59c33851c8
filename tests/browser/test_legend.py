"""The control on a legend, by keyboard: range, palette, direction; what is illegal is refused in words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from playwright.sync_api import Locator, Page, expect

from explorer.widgets.globe import colormap_bytes
from tests.browser.globe_page import (
    APP,
    LEVELS,
    SIDE,
    canvas,
    change,
    color_at,
    expected_color,
    field_of,
    flat_pixel,
    open_globe,
    pixels,
    value_at,
)

PLACES = ((13.0, -47.0), (-37.0, -103.0), (40.0, -10.0), (-20.0, -150.0), (5.0, 120.0))
# the control covers the eastern part of the map
WESTERN = PLACES[:4]


def colours_at(page: Page) -> np.ndarray:
    image = pixels(page)
    return np.array([color_at(image, *flat_pixel("plate_carree", *place, 0.0)) for place in WESTERN])


def expected(low: float, high: float, palette: str, is_reversed: bool = False) -> np.ndarray:
    """The colours of the places between the entries of the palette, as the shader takes them."""
    table = np.frombuffer(colormap_bytes(palette), np.uint8).reshape(256, 3).astype(float)
    table = table[::-1] if is_reversed else table
    values = np.array([value_at(field_of("cells"), *place) for place in WESTERN])
    at = 255.0 * np.clip((values - low) / (high - low), 0.0, 1.0)
    return np.stack([np.interp(at, np.arange(256), table[:, channel]) for channel in range(3)], axis=1)


def field_named(page: Page, name: str) -> Locator:
    return page.get_by_role("textbox", name=name)


def test_range_palette_and_direction_by_keyboard(page: Page, serve: Callable[..., str]) -> None:
    open_globe(page, serve(APP), "legend")
    change(page, projection="plate_carree", center_lat=0, center_lon=0)
    np.testing.assert_allclose(colours_at(page), expected(-1, 1, "thermal"), atol=LEVELS)
    legend = page.get_by_role("button", name="Colours of Field")
    legend.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Colours")
    expect(dialog).to_be_visible()
    expect(page.get_by_role("radio", name="All months")).to_be_focused()
    page.keyboard.press("ArrowDown")  # this map
    page.wait_for_function("() => [...harmoniaGlobes][0].scene.vmax === 0.5")
    np.testing.assert_allclose(colours_at(page), expected(-0.5, 0.5, "thermal"), atol=LEVELS)
    for low, high in (("0.4", "0.4"), ("2", "-2"), ("nan", "1"), ("", "1")):
        field_named(page, "Lowest value").fill(low)
        field_named(page, "Highest value").fill(high)
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("alert")).to_have_text("Two numbers, the lower one first.")
    assert page.evaluate("() => [...harmoniaGlobes][0].scene.vmax") == 0.5
    field_named(page, "Lowest value").fill("−0,75")
    field_named(page, "Highest value").fill("0.25")
    page.keyboard.press("Enter")
    page.wait_for_function("() => [...harmoniaGlobes][0].scene.vmin === -0.75")
    expect(page.locator(".low")).to_have_text("−0.75")
    page.get_by_role("radio", name="haline").check()
    page.get_by_role("checkbox", name="Reversed").check()
    expect(page.get_by_role("checkbox", name="Reversed")).to_be_checked()
    wanted = expected(-0.75, 0.25, "haline", is_reversed=True)
    page.wait_for_function(
        "first => { const {lut} = [...harmoniaGlobes][0].scene; return lut[0] === first }",
        arg=int(np.frombuffer(colormap_bytes("haline"), np.uint8)[-3]),
    )
    np.testing.assert_allclose(colours_at(page), wanted, atol=LEVELS)
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("() => [...harmoniaGlobes][0].scene.vmax === 1")
    np.testing.assert_allclose(colours_at(page), expected(-1, 1, "thermal"), atol=LEVELS)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(legend).to_be_focused()


def test_two_fields_have_colours_of_their_own(page: Page, serve: Callable[..., str]) -> None:
    open_globe(page, serve(APP), "two_scales")
    change(page, projection="plate_carree", center_lat=0, center_lon=0)
    image, field = pixels(page), field_of("cells")
    for place in PLACES:
        at = flat_pixel("plate_carree", *place, 0.0)
        value = value_at(field, *place)
        np.testing.assert_allclose(
            color_at(image, *at), expected_color(value if at[0] < SIDE / 2 else -value), atol=LEVELS
        )
    box = canvas(page).bounding_box()
    assert box is not None
    page.evaluate("() => document.addEventListener('harmonia:hover', ({detail}) => { window.pointed = detail })")
    at = flat_pixel("plate_carree", 13.0, -47.0, 0.0)
    page.mouse.move(box["x"] + at[0], box["y"] + at[1])
    page.wait_for_function("() => window.pointed?.lat > 12")
    values = page.evaluate("() => pointed.values")
    value = value_at(field, 13.0, -47.0)
    assert abs(values["1"] - 20.0 * values["0"]) < 0.01
    assert abs(values["0"] - value) < 0.02
    assert page.evaluate("() => pointed.pane") == "0"
