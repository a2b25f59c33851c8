"""What the browser computes by itself is what the engine computes, and no late answer undoes it."""

from __future__ import annotations

import base64
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from engine.data import Domain
from engine.queries import basis
from engine.queries.basis import BasisConfig
from engine.sphere import harmonics_at
from explorer.widgets.component import client_code
from tests.support.browser import fact, open_page

CODE = client_code("scene.js", "synthesis.js")
GRID = {"lat0": -90.0, "dlat": 2.5, "lon0": -180.0, "dlon": 2.5, "height": 73, "width": 144, "periodic": True}
LAT, LON = -90.0 + 2.5 * np.arange(73), -180.0 + 2.5 * np.arange(144)
HIGH = [(180, 0), (180, 180), (180, -90), (150, -37), (97, 96), (61, -60)]


def computed(page: Page, expression: str, argument: Any = None) -> np.ndarray:
    """The float32 values of a JavaScript expression over the client's own functions."""
    encode = "let text = ''; for (const byte of new Uint8Array(out.buffer)) text += String.fromCharCode(byte)"
    script = f"(argument) => {{ {CODE}\n const out = Float32Array.from({expression}); {encode}; return btoa(text) }}"
    return np.frombuffer(base64.b64decode(page.evaluate(script, argument)), np.float32)


def test_every_harmonic_to_degree_20_and_some_to_180_equal_the_engine(page: Page) -> None:
    lat, lon = (torch.tensor(axis.ravel()) for axis in np.meshgrid(LAT, LON, indexing="ij"))
    low = [(degree, order) for degree in range(21) for order in range(-degree, degree + 1)]
    expression = """argument.pairs.flatMap(([degree, order]) => {
        const grid = argument.grid
        return Array.from(productLayer({ key: "", ...grid, ...harmonicFactors({ degree, order }, grid) }).values)
    })"""
    for pairs, top in ((low, 20), (HIGH, 180)):
        values = computed(page, expression, {"pairs": pairs, "grid": GRID}).reshape(len(pairs), -1)
        index = [degree * degree + degree + order for degree, order in pairs]
        known = harmonics_at(lat, lon, top)[:, index].T.numpy()
        np.testing.assert_allclose(values, known, atol=2e-6 * np.abs(known).max())


def test_components_equal_the_engine(page: Page) -> None:
    config = BasisConfig(8, 12, Domain("ocean"), 2.0)
    coefficients = basis.coefficients(config)
    assert coefficients.shape == (12, 81)
    display = {
        "lat0": -90.0,
        "dlat": 0.25,
        "lon0": -180.0,
        "dlon": 0.25,
        "height": 721,
        "width": 1440,
        "periodic": True,
    }
    argument = {"grid": display, "coefficients": coefficients.ravel().tolist()}
    for component in (1, 7, 12):
        expression = f"""(() => {{
            const kit = {{ maxDegree: 8, coefficients: Float32Array.from(argument.coefficients), legendre: [] }}
            return componentFactors({{ component: {component} }}, argument.grid, kit).latTable
        }})()"""
        known = basis.component(config, component - 1).lat_table
        np.testing.assert_allclose(
            computed(page, expression, argument).reshape(known.shape), known, atol=1e-5 * np.abs(known).max()
        )
    assert basis.coefficients(config, max_bytes=4 * 81 * 5).shape == (5, 81)


@pytest.mark.parametrize(
    "change", [{}, {"lon0": -178.75}, {"width": 90, "dlon": 4.0}, {"width": 40, "periodic": False}]
)
def test_a_quarter_of_the_circle_tells_the_rest(page: Page, change: dict[str, Any]) -> None:
    """Also where it cannot be used: centres of cells, columns not divisible by four, a region."""
    grid = GRID | change
    orders = [-3, -2, -1, 0, 1, 2, 5]
    lat_table = np.random.default_rng(0).standard_normal((73, len(orders)))
    lon = np.radians(grid["lon0"] + grid["dlon"] * np.arange(grid["width"]))
    waves = np.stack([np.sin(-m * lon) if m < 0 else np.cos(m * lon) for m in orders])
    argument = {"grid": grid, "orders": orders, "table": lat_table.ravel().tolist()}
    expression = """productLayer({ key: "", ...argument.grid, orders: argument.orders, rank: argument.orders.length,
        latTable: Float32Array.from(argument.table) }).values"""
    values = computed(page, expression, argument).reshape(73, -1)
    np.testing.assert_allclose(values, lat_table @ waves, atol=2e-5)


KEYS = """() => {
  window.keys = []
  function* walk(r) {
    for (const e of r.querySelectorAll("*")) { yield e; if (e.shadowRoot) yield* walk(e.shadowRoot) }
  }
  const root = [...walk(document)].find((e) => e.dataset.key)
  const note = () => { if (window.keys.at(-1) !== root.dataset.key) window.keys.push(root.dataset.key) }
  note()
  new MutationObserver(note).observe(root, { attributes: true, attributeFilter: ["data-key"] })
}"""
"""Notes every field that is drawn from now on, once."""


IMPATIENT = (
    "(() => { const later = setTimeout; "
    "window.setTimeout = (act, ms, ...rest) => later(act, ms === 1500 ? 0 : ms, ...rest) })()"
)
"""A server that is slower than the time after which another field of it is drawn."""


@pytest.mark.parametrize(
    ("query", "slider", "keys"),
    [
        ("?page=basis&l=5&m=-2", "Degree l", [f"harmonic-l{degree}-m-2" for degree in (6, 7, 8)]),
        (
            "?page=basis&show=component&L=6&K=20&k=2&domain=ocean&step=2",
            "Component k",
            [f"basis-ocean-L6-k{k}-step2" for k in (3, 4, 5)],
        ),
    ],
)
def test_a_slider_draws_without_the_server_and_no_late_answer_undoes_it(
    page: Page, serve: Callable[..., str], frozen: Callable[..., None], query: str, slider: str, keys: list[str]
) -> None:
    url = serve(Path("explorer"))
    page.add_init_script(IMPATIENT)
    open_page(page, url + query, "Basis")
    control = page.get_by_role("slider", name=slider, exact=True)
    expect(fact(page, "Smallest scale" if "component" in query else "Wavelength")).to_be_visible()
    page.evaluate(KEYS)
    frozen(url, signal.SIGSTOP)
    try:
        control.focus()
        for number in range(3):
            page.keyboard.press("ArrowRight")
            page.wait_for_function(f"window.keys.at(-1) === '{keys[number]}'")
    finally:
        frozen(url, signal.SIGCONT)
    wanted = {"Degree l": "l=8", "Component k": "k=5"}[slider]
    page.wait_for_function(f"location.search.includes('{wanted}')")  # the server has followed
    assert page.evaluate("window.keys")[1:] == keys
