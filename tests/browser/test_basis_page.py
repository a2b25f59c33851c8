"""The Basis page as a person meets it: the real server, a real browser, and numbers checked against the engine."""

from __future__ import annotations

import io
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from engine.embedding import HarmonicBasis
from engine.queries import basis
from engine.queries.basis import BasisConfig, Domain, SeparableField
from engine.queries.exported import differences
from explorer.cli import main
from explorer.widgets import colormap_bytes
from tests.support.browser import (
    address_of,
    eventually,
    fact,
    middle,
    open_page,
    patient,
    resting_box,
    save,
    wait_ready,
)

# Pole, date line, both hemispheres, a zero line: where a map goes wrong first.
PLACES = [
    (89.2, 40),
    (-89.2, -70),
    (12, 179.9),
    (-33, -179.9),
    (0, 0),
    (45, 90),
    (-45, -90),
    (67, -30),
    (-12, 133),
    (30, -120),
]


@pytest.fixture(scope="session")
def address(serve: Callable[..., str]) -> str:
    return serve("explorer")


def globe(page: Page) -> Locator:
    return page.get_by_label("Globe with the chosen basis function")


def wait_drawn(page: Page, key: str) -> None:
    """Until the globe has drawn this field and rests."""
    page.wait_for_function(
        """([canvas, key]) => canvas.parentNode.dataset.key === key && canvas.parentNode.dataset.detail === 'full'""",
        arg=[globe(page).element_handle(), key],
    )


def picture(page: Page) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(globe(page).screenshot())).convert("RGB")).astype(int)


def value_at(shown: SeparableField, lat: float, lon: float) -> float:
    row = int(np.argmin(np.abs(shown.lat - lat)))
    column = int(np.argmin(np.abs((shown.lon - lon + 180) % 360 - 180)))
    return float(shown.field()[row, column])


def colour(shown: SeparableField, lat: float, lon: float) -> np.ndarray:
    share = (value_at(shown, lat, lon) / shown.limit + 1) / 2
    lut = np.frombuffer(colormap_bytes("balance"), np.uint8).reshape(256, 3)
    return lut[round(share * 255)].astype(int)


def move(page: Page, label: str, keys: str, times: int = 1) -> None:
    """Move a slider with the keyboard, as a person without a mouse does."""
    slider = page.get_by_role("slider", name=label, exact=True)
    slider.focus()
    for _ in range(times):
        slider.press(keys)


def test_a_newcomer_sees_a_harmonic_and_its_numbers(page: Page, address: str) -> None:
    open_page(page, f"{address}?page=basis", "Basis")
    wait_drawn(page, "harmonic-l6-m3")
    expect(page.get_by_text("Zero parallels")).to_be_visible()
    expect(fact(page, "Zero parallels")).to_have_text("3")
    expect(fact(page, "Zero meridians")).to_have_text("6")
    wavelength = f"{basis.harmonic_properties(6, 3).wavelength_km:.0f}"
    expect(fact(page, "Wavelength")).to_have_text(re.compile("^" + "\u202f?".join(wavelength)))
    expect(page.get_by_label("Triangle of spherical harmonics")).to_be_visible()


def test_the_flat_map_shows_the_field_at_ten_places(page: Page, address: str) -> None:
    open_page(page, f"{address}?page=basis&L=12&l=9&m=-4&map=plate_carree&at=0,-30,1", "Basis")
    for name in ("Coastlines", "Graticule"):
        page.get_by_label(name).uncheck()
    wait_drawn(page, "harmonic-l9-m-4")
    shown = basis.harmonic(9, -4)

    def errors() -> list[float]:
        seen = picture(page)
        height, width = seen.shape[:2]
        scale = 0.985 * min(width / 360, height / 180)
        deviations = []
        for lat, lon in PLACES:
            turn = (lon + 30 + 180) % 360 - 180
            x, y = round(width / 2 + turn * scale - 0.5), round(height / 2 - lat * scale - 0.5)
            deviations.append(float(np.abs(seen[y, x] - colour(shown, lat, lon)).max()))
        return deviations

    # the last redraw without coast and graticule may still be under way
    eventually(lambda: max(errors()) <= 8, lambda: f"colours off by {errors()}")

    # the pole itself, in the middle of the globe
    open_page(page, f"{address}?page=basis&L=12&l=9&m=0&map=globe&at=90,0,1", "Basis")
    for name in ("Coastlines", "Graticule"):
        page.get_by_label(name).uncheck()
    wait_drawn(page, "harmonic-l9-m0")

    def at_pole() -> float:
        seen = picture(page)
        return float(np.abs(seen[seen.shape[0] // 2, seen.shape[1] // 2] - colour(basis.harmonic(9, 0), 90, 0)).max())

    eventually(lambda: at_pole() <= 8, lambda: f"colour of the pole off by {at_pole()}")


def test_dragging_the_degree_turns_every_number_with_it(page: Page, address: str) -> None:
    open_page(page, f"{address}?page=basis&L=20&l=5&m=2", "Basis")
    wait_drawn(page, "harmonic-l5-m2")
    slider = page.get_by_role("slider", name="Degree l", exact=True)
    box = resting_box(slider)
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    wait_drawn(page, "harmonic-l12-m2")
    expect(fact(page, "Zero parallels")).to_have_text("10")
    move(page, "Order m", "ArrowLeft", 5)
    wait_drawn(page, "harmonic-l12-m-3")
    # a smaller L takes degree and order along
    page.get_by_role("slider", name="Max. degree L", exact=True).press("Home")
    wait_drawn(page, "harmonic-l0-m0")
    page.wait_for_function("location.search.includes('L=0&l=0&m=0')")


def test_turning_and_clicking_the_globe_reads_back_the_right_place(page: Page, address: str) -> None:
    open_page(page, f"{address}?page=basis&L=12&l=7&m=4&panel=profile&at=10,40,1", "Basis")
    wait_drawn(page, "harmonic-l7-m4")
    x, y = middle(globe(page))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 120, y + 40, steps=12)
    page.mouse.up()
    page.wait_for_function("!location.search.includes('at=10,40')")
    # the address holds where the globe came to rest, to four digits
    page.wait_for_function(
        """canvas => {
            const {camera, root} = [...harmoniaGlobes].find((view) => view.canvas === canvas)
            const [lat, lon] = new URLSearchParams(location.search).get('at').split(',').map(Number)
            const off = Math.max(Math.abs(lat - camera.lat), Math.abs(lon - camera.lon))
            return root.dataset.detail === 'full' && off < 0.06
        }""",
        arg=globe(page).element_handle(),
    )
    lat, lon, _ = (float(part) for part in address_of(page)["at"].split(","))
    assert lon > 50
    page.mouse.click(x, y)
    heading = page.get_by_text(re.compile(r"Along the meridian \d+° [EW]"))
    expect(heading).to_contain_text(f"{abs(round(lon))}° {'E' if lon >= 0 else 'W'}")
    expect(page.locator(".item .place")).to_contain_text("°")
    read = float(page.locator(".item .value").inner_text().replace("−", "-"))
    assert read == pytest.approx(value_at(basis.harmonic(7, 4), lat, lon), abs=0.02)


def test_a_masked_basis_is_fitted_shown_and_saved(page: Page, address: str, tmp_path: Path) -> None:
    open_page(page, f"{address}?page=basis", "Basis")
    page.get_by_role("button", name="PCA component").click()
    wait_drawn(page, "basis-ocean-L10-k1")
    config = BasisConfig(10, 64, Domain("ocean"), 1.0)
    spectrum = basis.spectrum(config)
    expect(fact(page, "Explains")).to_have_text(re.compile(f"^{100 * spectrum.explained[0]:.3g}"))
    move(page, "Component k", "ArrowRight", 4)
    wait_drawn(page, "basis-ocean-L10-k5")
    page.get_by_role("button", name="Spectrum").click()
    expect(page.get_by_text(f"explain {100 * spectrum.explained[:64].sum():.1f} %")).to_be_visible()
    page.get_by_role("button", name="Accuracy and limits").click()
    passport = basis.accuracy(config, lambda share, text: None)
    expect(page.get_by_text(f"{passport['effective_rank']:.1f}", exact=True)).to_be_visible()
    saved = HarmonicBasis.load(save(page, "Basis, safetensors", tmp_path / "basis.safetensors"))
    assert (saved.max_degree, saved.num_components, saved.domain["kind"]) == (10, 64, "ocean")


def test_field_and_picture_are_saved(page: Page, address: str, tmp_path: Path) -> None:
    open_page(page, f"{address}?page=basis&L=12&l=4&m=1", "Basis")
    wait_drawn(page, "harmonic-l4-m1")
    for item, name in (("Field, NetCDF", "harmonic-l4-m1.nc"), ("Picture, PNG", "harmonic-l4-m1.png")):
        with page.expect_download() as download:
            page.get_by_role("button", name="Export").click()
            page.get_by_role("menuitem", name=item).click()
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)
    with xr.open_dataset(tmp_path / "harmonic-l4-m1.nc") as saved:
        np.testing.assert_array_equal(saved["field"], basis.harmonic(4, 1).field())
    with Image.open(tmp_path / "harmonic-l4-m1.png") as picture:
        assert len(np.unique(np.asarray(picture).reshape(-1, 4), axis=0)) > 100
        assert "page=basis" in picture.text["harmonia_address"]
    # the data of a picture are made anew from what it says
    assert main(["remake", str(tmp_path / "harmonic-l4-m1.png"), str(tmp_path / "data.nc")]) == 0
    assert differences(tmp_path / "harmonic-l4-m1.nc", tmp_path / "data.nc") == []


def test_a_hostile_address_opens_a_page_and_says_what_was_changed(page: Page, address: str) -> None:
    open_page(page, f"{address}?page=../x&L=9999", "Harmonia")
    expect(page.get_by_text("There is no page")).to_be_visible()
    open_page(page, f"{address}?page=basis&L=9999&l=-5&m=zzz&panel=%3Cscript%3Ealert(1)%3C/script%3E", "Basis")
    wait_drawn(page, "harmonic-l0-m0")
    expect(page.get_by_text("clamped to 0 … 180")).to_be_visible()
    page.wait_for_function("location.search.includes('L=180&l=0&m=0')")


def test_back_returns_to_the_address_before(page: Page, address: str) -> None:
    open_page(page, f"{address}?page=basis&L=12&l=4&m=1", "Basis")
    wait_drawn(page, "harmonic-l4-m1")
    page.wait_for_function("location.search.includes('show=')")  # the page has written its own address
    page.evaluate("history.pushState(null, '', '?page=basis&show=harmonic&L=12&l=8&m=-8')")
    page.evaluate("history.back()")
    page.wait_for_function("location.search.includes('l=4')")
    page.evaluate("history.forward()")
    wait_drawn(page, "harmonic-l8-m-8")


def test_two_sessions_do_not_see_each_others_choices(page: Page, address: str, browser: Browser) -> None:
    open_page(page, f"{address}?page=basis&L=12&l=4&m=1", "Basis")
    wait_drawn(page, "harmonic-l4-m1")
    other = patient(browser.new_context(viewport={"width": 1280, "height": 720})).new_page()
    open_page(other, f"{address}?page=basis&L=12&l=9&m=-2", "Basis")
    wait_drawn(other, "harmonic-l9-m-2")
    move(other, "Order m", "ArrowRight", 3)
    wait_drawn(other, "harmonic-l9-m1")
    expect(fact(page, "Zero parallels")).to_have_text("3")
    assert (address_of(page)["l"], address_of(page)["m"]) == ("4", "1")
    other.context.close()


def test_the_theme_flips_everywhere_and_is_remembered(page: Page, address: str) -> None:
    open_page(page, f"{address}?page=basis", "Basis")
    wait_drawn(page, "harmonic-l6-m3")
    page.get_by_role("button", name="Light").click()
    page.wait_for_function("document.documentElement.dataset.mode === 'light'")
    page.wait_for_function("getComputedStyle(document.body).backgroundColor === 'rgb(244, 246, 248)'")
    page.reload()
    wait_ready(page, "Basis")
    assert page.evaluate("document.documentElement.dataset.mode") == "light"


def test_a_foreign_host_name_is_refused(address: str) -> None:
    request = urllib.request.Request(address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(request)
    with refused.value as answer:
        assert "list that name in HARMONIA_HOSTS" in answer.read().decode()


def test_narrow_screens_keep_globe_and_controls_within_reach(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 430, "height": 860})
    open_page(page, f"{address}?page=basis", "Basis")
    wait_drawn(page, "harmonic-l6-m3")

    def fits() -> bool:
        box = globe(page).bounding_box()
        return box is not None and box["width"] >= 300 and box["x"] >= 0 and box["x"] + box["width"] <= 430

    eventually(fits, lambda: str(globe(page).bounding_box()))
    expect(page.get_by_role("slider", name="Degree l", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Controls").click()
    expect(page.get_by_role("slider", name="Degree l", exact=True)).to_be_visible()
