"""What the globe's browser tests share: where a place must lie, what colour it must have, and the page itself."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page
from scipy.interpolate import RegularGridInterpolator

from tests.browser.globe_app import STEP_DEG, colours, coordinates, smooth

APP = Path(__file__).with_name("globe_app.py")
SIDE = 500  # CSS pixels of each canvas, one device pixel each
LEVELS = 4.0  # of 255: 8-bit colours, 1.5x supersampling and 16-bit codes together stay below

Opener = Callable[..., Page]


# ---------------------------------------------------------------- oracles


def surround(values: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> RegularGridInterpolator:
    """Bilinear interpolation with the columns repeated round the circle and the rows mirrored across the poles."""
    half = values.shape[1] // 2
    if abs(lat[0]) < 90.0:
        values = np.vstack([np.roll(values[:1], half, 1), values, np.roll(values[-1:], half, 1)])
        lat = np.concatenate([[lat[0] - STEP_DEG], lat, [lat[-1] + STEP_DEG]])
    values = np.hstack([values[:, -1:], values, values[:, :2]])
    lon = np.concatenate([[lon[0] - STEP_DEG], lon, lon[-1] + STEP_DEG * np.array([1.0, 2.0])])
    return RegularGridInterpolator((lat, lon), values)


def value_at(field: RegularGridInterpolator, lat: float, lon: float) -> float:
    return float(found_at(field, lat, lon))


def found_at(field: RegularGridInterpolator, lat: float, lon: float) -> np.ndarray:
    """What a field has at a place: () for values, (3,) for colours."""
    first = field.grid[1][0]
    return field((lat, first + (lon - first) % 360.0))


def equal_earth(lat: float, lon: float) -> tuple[float, float]:
    t = math.asin(math.sqrt(3) / 2 * math.sin(math.radians(lat)))
    a = (1.340264, -0.081106, 0.000893, 0.003796)
    y = a[0] * t + a[1] * t**3 + a[2] * t**7 + a[3] * t**9
    slope = a[0] + 3 * a[1] * t**2 + 7 * a[2] * t**6 + 9 * a[3] * t**8
    return 2 / math.sqrt(3) * math.radians(lon) * math.cos(t) / slope, y


def flat_pixel(projection: str, lat: float, lon: float, middle: float) -> tuple[float, float]:
    """Pixel of a place on a flat map that fits the canvas' width with a margin of 1.5 %."""
    turn = (lon - middle + 180.0) % 360.0 - 180.0
    if projection == "plate_carree":
        x, y, half = math.radians(turn), math.radians(lat), math.pi
    else:
        (x, y), half = equal_earth(lat, turn), equal_earth(0.0, 180.0)[0]
    scale = SIDE / 2 / half * 0.985
    return SIDE / 2 + x * scale, SIDE / 2 - y * scale


def globe_pixel(lat: float, lon: float, centre: tuple[float, float]) -> tuple[float, float] | None:
    """Pixel of a place on the orthographic globe, None where it is hidden or within 8° of the limb."""
    p, p0, turn = math.radians(lat), math.radians(centre[0]), math.radians(lon - centre[1])
    depth = math.sin(p0) * math.sin(p) + math.cos(p0) * math.cos(p) * math.cos(turn)
    if depth < math.sin(math.radians(8)):
        return None
    radius = 0.455 * SIDE
    up = math.cos(p0) * math.sin(p) - math.sin(p0) * math.cos(p) * math.cos(turn)
    return SIDE / 2 + radius * math.cos(p) * math.sin(turn), SIDE / 2 - radius * up


def expected_color(value: float) -> np.ndarray:
    step = (value + 1.0) / 2.0 * 255.0
    return np.array([step, 255.0 - step, 128.0])


# ---------------------------------------------------------------- the page


def canvas(page: Page, label: str = "Left") -> Locator:
    return page.locator(f"canvas[aria-label='{label}']")


def settle(page: Page, label: str = "Left") -> None:
    """Wait until the view stands still, is drawn at full detail, and nothing new is on its way to it."""
    page.wait_for_function(
        """label => [...harmoniaGlobes].some((view) => view.model.label === label
            && view.root.dataset.detail === 'full' && view.pending == null && !view.following)""",
        arg=label,
    )


def change(page: Page, label: str = "Left", **values: object) -> None:
    page.evaluate(
        """([label, values]) => {
          const models = [...Bokeh.documents[0]._all_models.values()]
          models.find((model) => model.class_name === 'Globe' && model.data.label === label).data.setv(values)
        }""",
        [label, values],
    )
    settle(page, label)


def pixels(page: Page, label: str = "Left") -> np.ndarray:
    settle(page, label)
    return np.asarray(Image.open(io.BytesIO(canvas(page, label).screenshot())).convert("RGB"), float)


def color_at(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """Bilinear between the four pixels around a place; the middle of pixel i lies at i + ½."""
    column, row = min(max(x - 0.5, 0.0), SIDE - 1.001), min(max(y - 0.5, 0.0), SIDE - 1.001)
    i, j = int(row), int(column)
    f, g = row - i, column - j
    near = (1 - g) * image[i, j] + g * image[i, j + 1]
    far = (1 - g) * image[i + 1, j] + g * image[i + 1, j + 1]
    return (1 - f) * near + f * far


def values_in(page: Page, places: list[tuple[float, float]]) -> list[float | None]:
    """What the view reads at places, without a pointer that would have to hit them."""
    return page.evaluate(
        "(places) => { const [view] = harmoniaGlobes; return places.map(([lat, lon]) => view.valueAt({lat, lon}, 0)) }",
        places,
    )


def server_state(page: Page, ready: str = "true") -> dict:
    """The state of the server, once `ready` (JavaScript on `it`) holds."""
    handle = page.wait_for_function(
        "([element, ready]) => {"
        " const text = element.shadowRoot.querySelector('pre')?.textContent.trim();"
        " return text && new Function('it', `return ${ready}`)(JSON.parse(text)) ? text : null }",
        arg=[page.locator(".seen").element_handle(), ready],
    )
    return json.loads(handle.json_value())


def open_globe(page: Page, url: str, case: str) -> Page:
    """Open the page of a case, and wait for the sharp picture with its coast."""
    page.goto(f"{url}?case={case}")
    labels = ["Left", "Right"] if case == "pair" else ["Left"]
    page.wait_for_function(
        """count => {
            const views = [...(window.harmoniaGlobes ?? [])]
            return views.length === count && views.every((view) => view.shown.coast && view.root.dataset.key)
        }""",
        arg=len(labels),
    )
    for label in labels:
        settle(page, label)
    return page


def field_of(case: str) -> RegularGridInterpolator:
    lat, lon = coordinates(case)
    return surround(smooth(lat, lon), lat, lon)


def colours_of(case: str) -> RegularGridInterpolator:
    """The colours (…, 3) of a place, on "cells" or "points"."""
    lat, lon = coordinates(case)
    return surround(colours(lat, lon).astype(float), lat, lon)


def cell_at(case: str, lat: float, lon: float) -> tuple[int, int]:
    """Row and column of the sample next to a place, by looking at all of them."""
    rows, columns = coordinates(case)
    return int(np.abs(rows - lat).argmin()), int(np.abs((columns - lon + 180.0) % 360.0 - 180.0).argmin())
