"""The Data page as a person meets it: demo, file, upload, bad file, back; what is seen is what the source holds."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from engine.queries import ocean
from engine.queries.ocean import SourceChoice
from explorer.cli import main
from explorer.widgets.globe import colormap_bytes
from explorer.widgets.text import number
from tests.support.browser import LONG_MS, Server, address_of, eventually, fact, middle, open_page, save, serving

CHOICE = SourceChoice(step_deg=2.0, seed=3, years=1)
DEMO = "?page=data&src=demo&step=2&seed=3&years=1"
DAY = 45  # 15 February 2001
# degrees north and east: at sea, off the graticule, and far from the pin
PLACES = ((13.0, -47.0), (-37.0, -103.0), (-53.0, 77.0))
LEVELS = 6.0


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server that may open one folder only, and that folder."""
    folder = tmp_path_factory.mktemp("data-page")
    data = folder / "allowed"
    (data / "deeper").mkdir(parents=True)
    write(data / "sst.nc", 15.0)
    write(folder / "mine.nc", 18.0)
    write(data / "graded.nc", 12.0, levels=(5, 3))
    write(folder / "low.nc", 12.0, levels=(2,))
    (data / "deeper" / "bad.nc").write_bytes(b"this is no NetCDF file")
    (data / "link.nc").symlink_to(folder / "mine.nc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARMONIA_DATA", str(data))
        patch.setenv("HARMONIA_UPLOAD_MB", "3")
        # this process asks the engine about the same files
        patch.setenv("HARMONIA_HOME", str(folder / "home"))
        with serving(folder) as server:
            yield server, folder


def write(path: Path, mean: float, levels: tuple[int, ...] = ()) -> None:
    """Sixty days of 4°: kelvins, 0..360, half of it missing; ``levels`` are the quality of its rows in turn."""
    rng = np.random.default_rng(int(mean))
    lat, lon = np.arange(-88.0, 90.0, 4.0), np.arange(2.0, 360.0, 4.0)
    time = (np.datetime64("2012-01-20") + np.arange(60)).astype("datetime64[ns]")
    values = (mean + 273.15 + rng.normal(0.0, 4.0, (60, lat.size, lon.size))).astype(np.float32)
    values[rng.random(values.shape) < 0.5] = np.nan
    sst = (("time", "lat", "lon"), values, {"units": "kelvin", "standard_name": "sea_surface_temperature"})
    coords = {
        "time": time,
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
    }
    fields: dict[str, object] = {"analysed_sst": sst}
    if levels:
        rows = np.resize(levels, lat.size).astype("i1")
        fields["quality_level"] = (("time", "lat", "lon"), np.broadcast_to(rows[:, None], values.shape))
    xr.Dataset(fields, coords).to_netcdf(path)


def globe(page: Page) -> Locator:
    return page.get_by_label("Globe with the ocean")


def wait_drawn(page: Page, ending: str) -> None:
    """Until the globe shows the map whose key has this ending, in full."""
    page.wait_for_function(
        """([canvas, ending]) => {
            const {key, detail} = canvas.parentNode.dataset
            return key && key.endsWith(ending) && detail === 'full'
        }""",
        arg=[globe(page).element_handle(), ending],
        timeout=LONG_MS,
    )


def wait_past(page: Page, day: str) -> None:
    """Until the globe has drawn any day after this one: while a film plays, no single day is sure to be seen."""
    page.wait_for_function(
        "([canvas, day]) => canvas.parentNode.dataset.key.slice(-10) > day",
        arg=[globe(page).element_handle(), day],
        timeout=LONG_MS,
    )


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row", name=re.compile(f"^{name} "))


def source_of(page: Page) -> dict[str, str]:
    """What the address says of the source."""
    return {key: value for key, value in address_of(page).items() if key in ("src", "path", "var", "quality")}


def cell(field: xr.DataArray, place: tuple[float, float]) -> float:
    return float(field.sel(lat=place[0], lon=place[1], method="nearest"))


def assert_shown(page: Page, address: str, choice: SourceChoice, layer: str, index: int, ending: str) -> None:
    """Colour and read-out in the middle of the flat map are those of the engine's value, at several places."""
    field = ocean.day_map(choice, layer, index)
    low, high = ocean.open_source(choice).limits
    colours = np.frombuffer(colormap_bytes("thermal"), np.uint8).reshape(-1, 3).astype(float)
    seen = [place for place in PLACES if np.isfinite(cell(field, place))]
    assert seen
    for place in seen:
        open_page(page, f"{address}&map=plate_carree&place=80,10&at={place[0]},{place[1]},6", "Data")
        wait_drawn(page, ending)
        expected = cell(field, place)
        x, y = middle(globe(page))
        page.mouse.move(x + 6, y + 6)
        page.mouse.move(x, y)
        expect(page.locator(".item .value")).to_have_text(f"{expected:.1f}".replace("-", "−"))
        page.mouse.move(0, 0)
        colour = colours[round(255 * np.clip((expected - low) / (high - low), 0.0, 1.0))]
        eventually(
            lambda x=x, y=y, colour=colour: np.abs(pixel(page, x, y) - colour).max() <= LEVELS,
            lambda x=x, y=y, colour=colour: f"{pixel(page, x, y)} is not {colour}",
        )


def pixel(page: Page, x: float, y: float) -> np.ndarray:
    image = Image.open(io.BytesIO(page.screenshot(clip={"x": x - 2, "y": y - 2, "width": 4, "height": 4})))
    return np.asarray(image.convert("RGB"), float).mean(axis=(0, 1))


def test_demo_then_file_then_upload_then_bad_file_and_back(page: Page, house: tuple[Server, Path]) -> None:
    server, folder = house
    data = folder / "allowed"
    address = server.url + DEMO + "&day=2001-02-15"
    assert_shown(page, address + "&layer=truth", CHOICE, "truth", DAY, "truth-2001-02-15")
    open_page(page, address, "Data")
    wait_drawn(page, "observed-2001-02-15")
    expect(row(page, "Source")).to_contain_text("Demo ocean")

    # a file of the server
    page.get_by_role("button", name="Server", exact=True).click()
    files = page.get_by_role("navigation", name="Files on the server")
    files.get_by_role("button", name=str(data)).click()
    expect(files.get_by_role("button", name="link.nc")).to_have_count(0)
    files.get_by_role("button", name="sst.nc").click()
    expect(row(page, "Span")).to_contain_text("20 January 2012 to 19 March 2012", timeout=LONG_MS)
    wait_drawn(page, "observed-2012-01-20")
    expect(page.get_by_text(re.compile("kelvin|K to °C|°C", re.I)).first).to_be_visible()
    page.wait_for_function("location.search.includes('src=path') && location.search.includes('sst.nc')")
    expect(page.get_by_role("button", name="Truth", exact=True)).to_have_count(0)

    # a file of one's own
    page.get_by_role("button", name="Upload", exact=True).click()
    page.locator("input[type=file]").set_input_files(folder / "mine.nc")
    page.wait_for_function("location.search.includes('src=upload')", timeout=LONG_MS)
    wait_drawn(page, "observed-2012-01-20")
    expect(row(page, "Source")).to_contain_text("mine")
    uploaded = source_of(page)

    # files that cannot be: what is in use stays
    large = folder / "large.nc"
    large.write_bytes(bytes(3_000_001))
    page.locator("input[type=file]").set_input_files(large)
    expect(page.get_by_text("the limit is 3")).to_be_visible()
    page.get_by_role("button", name="Server", exact=True).click()
    files.get_by_role("button", name="deeper/").click()
    files.get_by_role("button", name="bad.nc").click()
    expect(page.get_by_text("This source cannot be opened.")).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text(re.compile(r"not NetCDF.*Remedy:"))).to_be_visible()
    for path in ("../mine.nc", str(folder / "mine.nc"), str(data / "link.nc"), "/etc/passwd"):
        field = page.get_by_label("Path or pattern such as 2012/*.nc")
        field.fill(path)
        field.press("Enter")
        page.get_by_role("button", name="Open", exact=True).click()
        named = path.removeprefix(f"{data}/")  # a file of the server is named below its folder of data
        expect(page.get_by_text(re.compile(rf"\({re.escape(named)}\). Remedy:"))).to_be_visible()
    expect(row(page, "Source")).to_contain_text("mine")
    eventually(lambda: source_of(page) == uploaded, lambda: str(source_of(page)))  # the address follows a little later

    # and back
    page.get_by_role("button", name="Demo", exact=True).click()
    expect(row(page, "Source")).to_contain_text("Demo ocean", timeout=LONG_MS)
    page.wait_for_function("location.search.includes('src=demo')")
    expect(page.get_by_text("This source cannot be opened.")).to_be_hidden()


def test_enter_opens_a_path_and_a_refusal_can_be_closed(page: Page, house: tuple[Server, Path]) -> None:
    server, folder = house
    open_page(page, server.url + DEMO, "Data")
    expect(row(page, "Source")).to_contain_text("Demo ocean")
    page.get_by_role("button", name="Server", exact=True).click()
    path = page.get_by_label("Path or pattern such as 2012/*.nc")
    refused = page.get_by_text("This source cannot be opened.")
    path.fill("/etc/passwd")
    path.press("Enter")
    expect(refused).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(refused).to_be_hidden()
    path.press("Enter")
    expect(refused).to_be_visible()
    # the person has read the message before going on
    page.get_by_role("button", name="Gaps", exact=True).click()
    expect(refused).to_be_hidden()
    path.fill(str(folder / "allowed" / "sst.nc"))
    path.press("Enter")
    expect(row(page, "Span")).to_contain_text("20 January 2012 to 19 March 2012", timeout=LONG_MS)


def test_the_pin_stays_in_the_region_and_a_failure_leaves_after_a_success(
    page: Page, house: tuple[Server, Path]
) -> None:
    server, folder = house
    path = folder / "allowed" / "region.nc"
    with xr.open_dataset(folder / "allowed" / "sst.nc") as dataset:
        dataset.sel(lat=slice(0, 40), lon=slice(20, 80)).to_netcdf(path)
    open_page(page, f"{server.url}?page=data&src=path&path={path}&place=20,50&at=10,-150,1", "Data")
    wait_drawn(page, "observed-2012-01-20")
    place = address_of(page)["place"]
    page.mouse.click(*middle(globe(page)))
    expect(page.get_by_text("This place lies outside the region of the source.")).to_be_visible()
    assert address_of(page)["place"] == place
    page.get_by_role("button", name="Server", exact=True).click()
    field = page.get_by_label("Path or pattern such as 2012/*.nc")
    for name, is_refused in (("none.nc", True), ("sst.nc", False)):
        field.fill(str(folder / "allowed" / name))
        field.press("Enter")
        refused = expect(page.get_by_text("This source cannot be opened."))
        refused.to_be_visible() if is_refused else refused.to_be_hidden()
    page.wait_for_function("location.search.includes('sst.nc')")


def test_a_file_looks_as_it_is(page: Page, house: tuple[Server, Path]) -> None:
    server, _ = house
    choice = SourceChoice("path", path="sst.nc")
    address = f"{server.url}?page=data&src=path&path=sst.nc&day=2012-02-03"
    assert_shown(page, address, choice, "observed", 14, "observed-2012-02-03")


def choice_of_quality(page: Page, name: str) -> Locator:
    """A choice of quality: the layers have none of these names."""
    return page.get_by_role("button", name=name, exact=True)


def coverage_percent(choice: SourceChoice) -> str:
    """What the read-out says of the first day."""
    ocean.open_source(choice)
    return f"{number(ocean.coverage_percent(choice, ocean.day_map(choice, 'observed', 0)))} %"


def test_good_observations_or_all_are_chosen_and_stay(page: Page, house: tuple[Server, Path]) -> None:
    server, _ = house
    good, every = (SourceChoice("path", path="graded.nc", quality=quality) for quality in ("good", "all"))
    assert coverage_percent(good) != coverage_percent(every)
    address = f"{server.url}?page=data&src=path&path="
    open_page(page, f"{address}sst.nc", "Data")
    expect(row(page, "Source")).to_contain_text("sst.nc", timeout=LONG_MS)
    expect(choice_of_quality(page, "Good only")).to_be_hidden()
    open_page(page, f"{address}graded.nc", "Data")
    expect(choice_of_quality(page, "Good only")).to_have_attribute("aria-pressed", "true", timeout=LONG_MS)
    # one row more is good than is not
    expect(page.get_by_text("Kept quality_level ≥ 4: 49% of observations left out").first).to_be_visible()
    expect(fact(page, "Sea seen")).to_have_text(coverage_percent(good))
    choice_of_quality(page, "All").click()
    page.wait_for_function("location.search.includes('quality=all')")
    expect(page.get_by_text("All observations are used; 'quality_level' is ignored.").first).to_be_visible()
    expect(fact(page, "Sea seen")).to_have_text(coverage_percent(every))
    page.reload()
    expect(choice_of_quality(page, "All")).to_have_attribute("aria-pressed", "true", timeout=LONG_MS)
    expect(fact(page, "Sea seen")).to_have_text(coverage_percent(every))
    # what is no choice is said, and the good ones count
    open_page(page, f"{address}graded.nc&quality=best", "Data")
    expect(page.get_by_text("quality=best in the address is not a choice here")).to_be_visible()
    expect(choice_of_quality(page, "Good only")).to_have_attribute("aria-pressed", "true", timeout=LONG_MS)
    expect(fact(page, "Sea seen")).to_have_text(coverage_percent(good))
    eventually(lambda: "quality" not in source_of(page), lambda: str(source_of(page)))


def test_an_upload_without_good_observations_opens_with_all(page: Page, house: tuple[Server, Path]) -> None:
    server, folder = house
    open_page(page, server.url + DEMO, "Data")
    expect(row(page, "Source")).to_contain_text("Demo ocean")
    page.get_by_role("button", name="Upload", exact=True).click()
    page.locator("input[type=file]").set_input_files(folder / "low.nc")
    expect(page.get_by_text(re.compile("Remedy: choose all observations"))).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text("low.nc has no observations of this quality. Choose another.")).to_be_visible()
    expect(row(page, "Source")).to_contain_text("Demo ocean")
    choice_of_quality(page, "All").click()
    expect(row(page, "Source")).to_contain_text("low", timeout=LONG_MS)
    wait_drawn(page, "observed-2012-01-20")
    expect(page.get_by_text("This source cannot be opened.")).to_be_hidden()
    eventually(lambda: source_of(page).get("quality") == "all", lambda: str(source_of(page)))


def test_every_layer_and_panel(page: Page, house: tuple[Server, Path]) -> None:
    open_page(page, f"{house[0].url}{DEMO}&day=2001-02-15&panel=place&at=13,-47,1", "Data")
    wait_drawn(page, "observed-2001-02-15")
    page.mouse.click(*middle(globe(page)))
    seen = ocean.series(CHOICE, (13.0, -47.0), slice(31, 59))
    count = int(np.isfinite(seen.observed).sum())
    expect(page.get_by_text(f"{count} of 28 days observed at 13.0° N 47.0° W")).to_be_visible(timeout=LONG_MS)
    for button, ending in (
        ("Truth", "truth-2001-02-15"),
        ("Gaps", "gaps-2001-02-15"),
        ("Mean", "mean-2001-02"),
        ("Coverage", "coverage-2001-02"),
        ("Count", "count-2001-02"),
        ("Difference", "difference-2001-02-15"),
        ("Withheld", "withheld-2001-02-15"),
    ):
        page.get_by_role("button", name=button, exact=True).click()
        wait_drawn(page, ending)
    expect(page.get_by_role("slider", name="Divider between the two fields").first).to_be_visible()
    expect(fact(page, "Withheld")).to_have_text(re.compile("^30(.[0-9])? %$"))
    page.get_by_role("button", name="Values", exact=True).click()
    expect(page.get_by_text("fraction of the map's area")).to_be_visible()
    page.get_by_role("button", name="Coverage", exact=True).click()
    wait_drawn(page, "coverage-2001-02")
    expected = ocean.span_map(CHOICE, "coverage", slice(31, 59))
    expect(fact(page, "Range")).to_contain_text(number(float(np.nanmax(expected))))


def test_days_are_stepped_played_and_taken_away(page: Page, house: tuple[Server, Path], tmp_path: Path) -> None:
    open_page(page, f"{house[0].url}{DEMO}&day=2001-02-15&panel=place&place=13,-47", "Data")
    wait_drawn(page, "observed-2001-02-15")
    page.get_by_role("button", name="Next day").click()
    wait_drawn(page, "observed-2001-02-16")
    page.get_by_role("button", name="Previous day").click()
    wait_drawn(page, "observed-2001-02-15")
    slider = page.get_by_role("slider", name="Day", exact=True)
    slider.press("ArrowRight")
    wait_drawn(page, "observed-2001-02-16")
    expect(slider).to_have_attribute("aria-valuetext", "16 February 2001")
    with xr.open_dataset(save(page, "Map, NetCDF", tmp_path / "map.nc")) as saved:
        np.testing.assert_array_equal(saved["observed"][0], ocean.day_map(CHOICE, "observed", DAY + 1).values)
    expect(page.get_by_text("days observed at 13.0° N 47.0° W")).to_be_visible(timeout=LONG_MS)
    series = pd.read_csv(save(page, "Series at the place, CSV", tmp_path / "series.csv"), comment="#")
    assert list(series) == ["date", "observed_degC", "truth_degC"]
    assert len(series) == 28
    assert main(["remake", str(tmp_path / "series.csv"), str(tmp_path / "again.csv")]) == 0
    page.get_by_role("button", name="Play", exact=True).click()
    wait_past(page, "2001-02-18")
    page.get_by_role("button", name="Stop", exact=True).click()
    stopped = str(slider.get_attribute("aria-valuetext"))
    assert stopped != "16 February 2001"
    day = datetime.strptime(stopped, "%d %B %Y").date()
    wait_drawn(page, f"observed-{day}")
    page.wait_for_function("day => location.search.includes(`day=${day}`)", arg=str(day))


def test_a_hostile_address_opens_a_page_and_says_what_was_changed(page: Page, house: tuple[Server, Path]) -> None:
    query = "&src=demo&step=2&seed=99999999&years=1&day=9999-99-99&layer=%3Cscript%3E&place=91,0"
    open_page(page, f"{house[0].url}?page=data{query}", "Data")
    expect(page.get_by_text("seed 99999999 was clamped to 0 … 9999")).to_be_visible()
    wait_drawn(page, "observed-2001-12-31")
    page.wait_for_function("location.search.includes('seed=9999&years=1&day=2001-12-31')")
    for path in ("../../etc/passwd", "/etc/passwd"):
        open_page(page, f"{house[0].url}?page=data&src=path&path={path}", "Data")
        expect(page.get_by_text("The demo ocean stays in use.")).to_be_visible(timeout=LONG_MS)
        page.wait_for_function("location.search.includes('src=demo')", timeout=LONG_MS)
