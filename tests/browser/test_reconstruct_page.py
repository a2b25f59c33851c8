"""The Reconstruct page as a person meets it: a verdict, a painted cloud, a training that is watched, files to keep."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import xarray as xr
from PIL import Image
from playwright.sync_api import Page, expect

from engine.data.sst import open_sst
from engine.queries import reconstruct
from engine.runs import RunConfig, RunStore
from tests.support.browser import LONG_MS, click_until, eventually, fact, middle, open_page, save
from tests.support.ocean import GRID, small_ocean
from tests.support.reconstruct_house import House, learned_ocean, open_case, settings_of


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with learned_ocean(tmp_path_factory.mktemp("reconstruct")) as house:
        yield house


def paint(page: Page, radius_km: int) -> None:
    """Draw a cloud with a brush of that size, across the middle of the globe."""
    page.get_by_text("Paint clouds with the pointer").click()
    page.get_by_role("button", name=f"{radius_km} km").click()
    page.wait_for_function("radius => [...harmoniaGlobes].some((view) => view.model.brush === radius)", arg=radius_km)
    x, y = middle(page.get_by_role("application", name=re.compile("^Globe")))
    page.mouse.move(x - 30, y)
    page.mouse.down()
    page.mouse.move(x, y, steps=4)
    page.mouse.move(x + 30, y + 10, steps=4)
    page.mouse.up()


def test_a_newcomer_sees_the_shipped_model_on_the_demo_ocean(page: Page, house: House) -> None:
    page.goto(f"{house.server.url}?page=reconstruct&at=0,-150,2")
    scored_on = page.get_by_text(re.compile(r"^[A-Z][a-z]+ [12]\d{3}, .* cells of the open sea"))
    expect(scored_on).to_be_visible(timeout=LONG_MS)
    month = datetime.strptime(scored_on.inner_text().split(",")[0].strip(), "%B %Y")
    # the same month, scored without the page
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_HOME", str(house.home))
        scores = reconstruct.score_months(
            [
                reconstruct.reconstruct_month(
                    reconstruct.MonthRequest(
                        source=reconstruct.source_of("pretrained"), year=month.year, month=month.month
                    )
                )
            ]
        )
    expect(page.get_by_text(scores.verdict.headline).first).to_be_visible()
    shown = " ".join(scored_on.locator("xpath=..").inner_text().split())
    assert shown.endswith(scores.verdict.text)

    paint(page, 600)
    under = page.get_by_text(re.compile("Error under the painted clouds: model"))
    expect(under).to_be_visible(timeout=LONG_MS)


def test_withheld_days_clouds_exports_and_a_live_training(page: Page, house: House, tmp_path: Path) -> None:
    # a source without truth is labelled so, and scored on the withheld days
    open_case(page, house, f"run={house.run}&month=2004-07&at=0,-150,2")
    expect(page.get_by_text("has no truth")).to_be_visible(timeout=LONG_MS)
    open_case(page, house, f"run={house.run}&month=2004-07&at=0,-150,2&hide=20")
    expect(page.get_by_text(re.compile("July 2004, .* cells with withheld days"))).to_be_visible(timeout=LONG_MS)

    paint(page, 1200)
    expect(page.get_by_text(re.compile("Error under the painted clouds|Nothing can be scored under"))).to_be_visible(
        timeout=LONG_MS
    )
    page.get_by_role("button", name="Remove the clouds").click()
    expect(page.get_by_text("Error under the painted clouds")).to_be_hidden()

    with xr.open_dataset(save(page, "Month, NetCDF", tmp_path / "month.nc")) as saved:
        assert saved.attrs["Conventions"] == "CF-1.11"
        assert saved["sst"].shape == (1, *GRID.shape)
        assert np.isfinite(saved["sst"].values[0][~small_ocean(4).land]).all()
    assert open_sst(tmp_path / "month.nc", "sst").grid == GRID
    rows = pd.read_csv(save(page, "Scores, CSV", tmp_path / "scores.csv"), comment="#")
    assert {"model", "mean"} <= set(rows["estimate"])

    # another training begins, and its map sharpens by itself
    with RunStore(house.home) as store:
        live = store.create(RunConfig(seed=1, settings=settings_of(Path(house.source[14:].split("&")[0]), epochs=600)))
        store.launch(live)
        open_case(page, house, f"run={live.id}&panel=training")
        first = page.get_by_text(re.compile(r"epoch \d+ of \d+ so far"))
        expect(first).to_be_visible(timeout=LONG_MS)
        before = first.inner_text()
        expect(first).not_to_have_text(before, timeout=LONG_MS)
        live.cancel()
        eventually(lambda: live.state == "cancelled", lambda: live.state)
    with Image.open(save(page, "Training animation, GIF", tmp_path / "film.gif")) as film:
        assert film.n_frames > 1

    # a new one is started here
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text(re.compile("The training (runs in the background|is queued)"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"The training has started|epoch \d+ of \d+ so far"))).to_be_visible()
    click_until(page.get_by_role("button", name="Stop", exact=True), page.get_by_text("The training was cancelled"))


PANES = """() => {
  const seen = [...harmoniaGlobes].filter(({model, size}) => !model.leader && size.width && size.height)
  const isDone = ({root, gpu}) => gpu && root.dataset.key && root.dataset.detail === 'full'
  if (!seen.length || !seen.every(isDone)) return null
  const boxes = seen.map(({root}) => root.getBoundingClientRect())
  return boxes.map(({left, top, width, height}) => [left, top, width, height])
}"""
"""Where the maps lie on the screen, once all of them are drawn."""


def test_the_picture_holds_all_panes_as_they_are_seen(page: Page, house: House, tmp_path: Path) -> None:
    """On a light page each map of the picture is the one of the screen; title, captions and one bar lie between."""
    page.context.add_cookies([{"name": "harmonia-mode", "value": "light", "url": house.server.url}])
    open_case(page, house, f"run={house.run}&month=2004-07&hide=20&map=plate_carree&place=89,0")
    for count in (1, 4):
        if count == 4:
            page.get_by_role("button", name="Grid", exact=True).click()
        assert_sheet(*screen_and_picture(page, count, tmp_path))


def screen_and_picture(page: Page, count: int, folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The maps' boxes, the screen and the picture, all of one moment: the screen is the same before and after."""
    drawn = f"count => {{ const panes = ({PANES})(); return panes?.length === count && panes }}"
    boxes, screen = np.empty(0), np.empty(0)

    def pane_boxes() -> list[list[float]]:
        return page.wait_for_function(drawn, arg=count, timeout=LONG_MS).json_value()

    def stays() -> bool:
        nonlocal boxes, screen
        boxes, screen = np.array(pane_boxes()), colours_in(page.screenshot())
        save(page, "Picture, PNG", folder / "month.png")
        return np.array_equal(boxes, pane_boxes()) and have_stayed(boxes, screen, colours_in(page.screenshot()))

    eventually(stays, lambda: f"the maps do not come to rest: {boxes}")
    return boxes, screen, colours_in((folder / "month.png").read_bytes())


def colours_in(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), float)


def have_stayed(boxes: np.ndarray, before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two pictures of the screen agree within the boxes."""
    parts = [np.s_[int(top) : int(top + height), int(left) : int(left + width)] for left, top, width, height in boxes]
    return all(np.abs(before[part] - after[part]).mean() < 0.5 for part in parts)


def assert_sheet(boxes: np.ndarray, screen: np.ndarray, picture: np.ndarray) -> None:
    """The picture is twice as fine as the screen, its letters grow with its width; measures in CSS pixels."""
    lefts, tops, widths, heights = boxes.T
    rows, inner = np.unique(tops), (lefts + widths).max() - lefts.min()
    large = max(1.0, inner / 640)
    head, strip, foot = 56 * large, 28 * large, 72 * large
    body = (tops + heights).max() - tops.min() + strip * len(rows)
    lines = (picture.shape[0] / 2 - head - body - foot - 8 * large) / (14 * large)
    np.testing.assert_allclose(picture.shape[1], 2 * inner, atol=3)
    np.testing.assert_allclose(lines, max(1, round(lines)), atol=0.2)  # of the note
    np.testing.assert_array_equal(picture[0, 0], [0xF4, 0xF6, 0xF8])
    seen, kept = [], []
    for left, top, width, height in boxes:
        down = head + strip * (1 + np.searchsorted(rows, top)) + top - tops.min()
        right = left - lefts.min()
        caption = picture[int(2 * (down - strip)) : int(2 * down), int(2 * right) : int(2 * (right + width))]
        assert caption.min() < 80
        # the page lays its captions over the upper edge of the maps
        ys, xs = np.meshgrid(np.linspace(0.3, 0.9, 60) * height, np.linspace(0.05, 0.95, 120) * width, indexing="ij")
        seen.append(screen[np.rint(top + ys).astype(int), np.rint(left + xs).astype(int)])
        kept.append(picture[np.rint(2 * (down + ys)).astype(int), np.rint(2 * (right + xs)).astype(int)])
        assert len(np.unique(kept[-1].reshape(-1, 3), axis=0)) > 20
    apart = np.array([[np.abs(seen_map - kept_map).mean() for kept_map in kept] for seen_map in seen])
    assert apart.argmin(axis=1).tolist() == list(range(len(boxes)))
    assert np.diag(apart).max() < 12
    bar = picture[int(2 * (head + body + 29 * large)), int(inner - 280 * large) : int(inner + 280 * large)]
    assert len(np.unique(bar, axis=0)) > 100


def shown_keys(page: Page) -> list[str]:
    """The keys of the maps that are drawn without a veil."""
    return page.evaluate(
        """() => [...harmoniaGlobes]
          .filter(({ model, root }) => !model.leader && !root.getRootNode().host.classList.contains("stale"))
          .map(({ root }) => root.dataset.key).filter(Boolean)"""
    )


VERDICT = re.compile("January 2004.*(error than|No clear difference from) the (best )?baseline", re.DOTALL)
RECORD_STATUSES = """() => {
  const inner = ({ shadowRoot }) => shadowRoot ? [shadowRoot, ...roots(shadowRoot)] : []
  const roots = (node) => [...node.querySelectorAll("*")].flatMap(inner)
  const root = roots(document).find((root) => root.querySelector(".verdict"))
  window.statuses = []
  const changes = { childList: true, subtree: true, characterData: true }
  new MutationObserver(() => statuses.push(root.textContent)).observe(root, changes)
}"""
"""Record every text of the result: some stand for a moment only."""


def test_nothing_of_an_earlier_choice_stands_on_screen(page: Page, house: House, tmp_path: Path) -> None:
    """On one page: another grid, the model's own source, withheld days twice, clouds painted at once, another model."""
    address = f"?page=reconstruct&run={house.run}&src=demo&step=2&years=4&month=2004-01&at=30,-150,1"
    open_page(page, f"{house.server.url}{address}", "Reconstruct")
    undecided = page.get_by_role("status").filter(has_text="choose on the left how the model is to use this source")
    expect(undecided).to_be_visible()
    assert not shown_keys(page)

    # the read-out is that of the file, which has no truth to be scored on
    page.get_by_role("button", name="Use the source of its training data").click()
    expect(page.get_by_text("has no truth")).to_be_visible(timeout=LONG_MS)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_HOME", str(house.home))
        patched.setenv("HARMONIA_DATA", str(Path(house.source[14:].split("&")[0]).parent))
        source = reconstruct.source_of(house.run)
        month = reconstruct.reconstruct_month(reconstruct.MonthRequest(house.run, source, 2004, 1))
    days = month.count[~month.data.land].mean()
    expect(fact(page, "Observed days per cell")).to_contain_text(f"{days:.1f}")

    # the result of one share of withheld days goes before that of the next comes
    page.evaluate(RECORD_STATUSES)
    (before,) = shown_keys(page)
    share = page.get_by_label("Withhold, %").last
    for percent in (20, 30):
        share.fill(str(percent))
        share.press("Enter")
        page.wait_for_function(
            "share => statuses.some((text) => text.includes(`with ${share} % of the observations withheld is being`))",
            arg=percent,
        )
        expect(page.get_by_role("status").filter(has_text=VERDICT)).to_be_visible(timeout=LONG_MS)
        # the other months of the year follow, of this share only
        eventually(lambda: periods_of(page, tmp_path) == {"2004-01", "12 months"}, lambda: "another year", LONG_MS)
        (after,) = shown_keys(page)
        assert after != before
        before = after

    # the first drag after the switch paints, however long the server takes
    camera = page.evaluate("[...harmoniaGlobes].map(({ camera }) => ({ ...camera }))")
    server = psutil.Process(house.server.process.pid)
    x, y = middle(page.get_by_role("application", name=re.compile("^Globe")))
    server.suspend()
    try:
        page.get_by_text("Paint clouds with the pointer").click()
        page.mouse.move(x - 30, y)
        page.mouse.down()
        page.mouse.move(x + 30, y + 10, steps=4)
        page.mouse.up()
        assert page.evaluate("[...harmoniaGlobes].map(({ camera }) => ({ ...camera }))") == camera
    finally:
        server.resume()
    expect(page.get_by_text(re.compile("Error under the painted clouds|Nothing can be scored under"))).to_be_visible(
        timeout=LONG_MS
    )
    expect(page.get_by_text("Painted clouds", exact=True)).to_be_visible()
    assert page.evaluate("[...harmoniaGlobes].some(({ scene }) => scene.domain)")

    # a model of another grid: neither its own result nor that of the one before
    page.get_by_role("combobox", name="Model").click()
    page.get_by_text("Pretrained, small", exact=True).click()
    expect(undecided).to_be_visible(timeout=LONG_MS)
    assert not shown_keys(page)
    expect(page.get_by_role("status").filter(has_text=VERDICT)).to_be_hidden()
    expect(fact(page, "Observed days per cell")).to_be_hidden()


def periods_of(page: Page, folder: Path) -> set[str]:
    """The periods in the file of scores."""
    return set(pd.read_csv(save(page, "Scores, CSV", folder / "scores.csv"), comment="#")["months"])


def test_a_model_that_is_gone_is_said(page: Page, house: House) -> None:
    open_case(page, house, "run=20990101-000000-ffffffffff&month=1999-99")
    expect(page.get_by_text("There is no model of this run")).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text("month=1999-99 in the address is not a month")).to_be_visible()
