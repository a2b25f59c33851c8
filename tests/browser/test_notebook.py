"""The globe outside the explorer: one HTML file, opened from disk, without a server and without a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import Page, expect

import explorer.notebook as hx
from engine.errors import StoreError
from tests.support.browser import middle

_SHOWN = """(() => {
  function* walk(root) {
    for (const e of root.querySelectorAll("*")) { yield e; if (e.shadowRoot) yield* walk(e.shadowRoot) }
  }
  return [...walk(document)].map((e) => e.dataset.key).find(Boolean)
})()"""
"""The key of the field that is drawn, also inside the shadow roots of the components."""
LAT, LON = np.arange(-85.0, 90.0, 10.0), np.arange(0.0, 360.0, 10.0)
TIMES = np.array(["2001-01-15", "2001-02-15", "2001-03-15"], "datetime64[ns]")


@pytest.fixture
def field() -> xr.DataArray:
    values = np.arange(3.0)[:, None, None] + np.sin(np.radians(LAT))[:, None] + np.cos(np.radians(LON))
    attributes = {"units": "K", "long_name": "Height"}
    return xr.DataArray(values, {"time": TIMES, "lat": LAT, "lon": LON}, ("time", "lat", "lon"), "height", attributes)


def test_a_saved_globe_opens_from_disk_without_a_request_and_turns(
    page: Page, field: xr.DataArray, tmp_path: Path
) -> None:
    path = hx.save_html(field.harmonia.globe(), tmp_path / "height.html", "Height")
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    globe = page.get_by_label("Globe with Height")
    page.wait_for_function(f"{_SHOWN} === 'Height-0'")
    still = globe.screenshot()
    page.get_by_role("button", name="Next day").click()  # in the browser: there is no server
    page.wait_for_function(f"{_SHOWN} === 'Height-1'")
    x, y = middle(globe)
    page.mouse.move(x, y)
    expect(page.get_by_text("K", exact=False).first).to_be_visible()
    page.mouse.down()
    page.mouse.move(x + 120, y, steps=4)
    page.mouse.up()
    assert globe.screenshot() != still
    assert page.title() == "Height"
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert errors == []


def test_a_folder_that_is_not_there_is_an_error_with_a_remedy(field: xr.DataArray, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        hx.save_html(hx.globe(field[0]), tmp_path / "nowhere" / "height.html")


def test_limits_and_palette_are_those_that_were_asked_for(field: xr.DataArray) -> None:
    parts: Any = hx.globe(field[0], palette="balance", limits=(-1.0, 3.0), title="Mine", dark=True)
    globe, scale, _ = parts
    assert (globe.vmin, globe.vmax, scale.label, globe.dark) == (-1.0, 3.0, "Mine", True)
    assert globe.frames == []
