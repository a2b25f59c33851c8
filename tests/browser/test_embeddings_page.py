"""The Embeddings page as a person meets it: choose, click, swipe, export, reload, checked against the engine."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import Locator, Page, expect

from engine.queries import embeddings
from engine.queries.basis import BasisConfig, Domain
from engine.queries.embeddings import EmbeddingConfig
from tests.support.browser import fact, middle, open_page, serving

SMALL = "?page=embeddings&show=colours&step=4&ph=3&pw=3&L=6&K=20"
SIMILARITY = SMALL.replace("colours", "similarity")
CONFIG = EmbeddingConfig(BasisConfig(6, 20, Domain("sphere"), 1.0), 4.0, (3, 3), 3.0, "harmonic")
STEM = "embedding-harmonic-4deg-3x3-K20"


@pytest.fixture(scope="session")
def address(serve: Callable[..., str]) -> str:
    return serve("explorer")


def globe(page: Page) -> Locator:
    return page.get_by_label("Globe with the patch embedding")


def wait_drawn(page: Page, key: str) -> None:
    page.wait_for_function(
        """([canvas, key]) => {
            const {key: drawn, detail} = canvas.parentNode.dataset
            return drawn?.startsWith(key) && detail === 'full'
        }""",
        arg=[globe(page).element_handle(), key],
    )


def test_choose_click_and_read_what_a_patch_is_like(page: Page, address: str) -> None:
    open_page(page, f"{address}{SIMILARITY}&panel=patch&at=0,30,1", "Embeddings")
    wait_drawn(page, f"{STEM}-similarity")
    rows, columns = CONFIG.patches().shape
    expect(fact(page, "Patches")).to_have_text(re.compile(rf"^{rows * columns}\b"))
    x, y = middle(globe(page))
    page.mouse.click(x, y)
    row, col = embeddings.cell_of(CONFIG, 0.0, 30.0)
    near, _ = embeddings.extremes(CONFIG, row, col, 3)
    expect(page.get_by_text(f"{near[0].similarity:.3g} · ").first).to_be_visible()
    # the value under the pointer is the patch's own: like itself
    page.mouse.move(x + 1, y)
    expect(page.locator(".item .value")).to_have_text(re.compile(r"^1\.00?0?0?$"))


def test_every_view_draws_and_k_is_bounded(page: Page, address: str) -> None:
    open_page(page, f"{address}{SMALL}", "Embeddings")
    wait_drawn(page, f"{STEM}-colours")
    page.get_by_role("button", name="Dimension", exact=True).click()
    wait_drawn(page, f"{STEM}-dimension-1")
    page.get_by_role("button", name="Size", exact=True).first.click()
    wait_drawn(page, f"{STEM}-scale")
    slider = page.get_by_role("slider", name="Dimensions K", exact=True)
    slider.press("End")
    wait_drawn(page, STEM.replace("K20", "K48") + "-scale")
    expect(slider).to_have_value("48")


def test_two_choices_under_a_divider_and_their_differences(page: Page, address: str) -> None:
    open_page(page, f"{address}{SIMILARITY}&panel=compare", "Embeddings")
    wait_drawn(page, f"{STEM}-similarity")
    page.get_by_role("button", name="Keep as B").click()
    page.get_by_role("slider", name="Max. degree L", exact=True).press("ArrowRight")
    divider = page.get_by_role("slider", name="Divider between the two fields").first
    expect(divider).to_be_visible()
    other = EmbeddingConfig(BasisConfig(7, 20, Domain("sphere"), 1.0), 4.0, (3, 3), 3.0, "harmonic")
    differences = {difference.name: difference for difference in embeddings.compare(other, CONFIG)}
    shown = f"{differences['variance explained'].a:.3g} → {differences['variance explained'].b:.3g}"
    expect(page.get_by_text(shown)).to_be_visible()
    page.wait_for_function("location.search.includes('L=7') && location.search.includes('b=')")
    page.reload()
    expect(page.get_by_text(shown)).to_be_visible()
    page.get_by_role("button", name="Discard B").click()
    expect(divider).to_be_hidden()


def test_files_rebuild_the_embedding(page: Page, address: str, tmp_path: Path) -> None:
    open_page(page, f"{address}{SMALL}", "Embeddings")
    wait_drawn(page, f"{STEM}-colours")
    saved = {}
    for item, ending in (("Embedding, NetCDF", "nc"), ("Embedding, npz", "npz"), ("Choices, JSON", "json")):
        with page.expect_download() as download:
            page.get_by_role("button", name="Export").click()
            page.get_by_role("menuitem", name=item).click()
        assert download.value.suggested_filename == f"{STEM}.{ending}"
        download.value.save_as(tmp_path / ending)
        saved[ending] = (tmp_path / ending).read_bytes()
    embedding = embeddings.embedding(CONFIG)
    with xr.open_dataset(io.BytesIO(saved["nc"]), engine="h5netcdf") as dataset:
        np.testing.assert_array_equal(dataset["embedding"].transpose("lat", "lon", ...), embedding.values)
    with np.load(io.BytesIO(saved["npz"])) as arrays:
        np.testing.assert_array_equal(arrays["embedding"], embedding.values)
    assert embeddings.config_from_json(saved["json"]) == CONFIG
    assert json.loads(saved["json"])["patch"] == [3, 3]


def test_something_large_is_asked_about_first(page: Page, address: str) -> None:
    open_page(page, f"{address}?page=embeddings&step=0.25&ph=1&pw=1&L=20&K=256", "Embeddings")
    expect(page.get_by_text("Large embedding:")).to_be_visible()
    expect(page.get_by_role("button", name="Compute it")).to_be_visible()


def test_vectors_of_a_file_are_an_encoder_like_any_other(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen among the server's files, drawn where there are points, picked where there are; a bad file is refused."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("HARMONIA_DATA", str(data))
    known = embeddings.embedding(CONFIG)
    lat, lon = np.meshgrid(known.lat, known.lon, indexing="ij")
    north = lat > 0.0
    np.savez(data / "north.npz", lat=lat[north], lon=lon[north], embedding=known.values[north])
    (data / "broken.parquet").write_bytes(b"no table")
    config = EmbeddingConfig(CONFIG.basis, 4.0, (3, 3), 3.0, "file", "north.npz")
    with serving(tmp_path) as server:
        open_page(page, f"{server.url}{SIMILARITY}&encoder=file&panel=patch&place=-30,30&at=20,30,1", "Embeddings")
        expect(page.get_by_text("Choose a file of vectors")).to_be_visible()
        page.get_by_title(str(data), exact=True).click()
        page.get_by_title(str(data / "north.npz")).click()
        expect(page.get_by_text(f"{north.sum()} of {north.size} patches have a point.")).to_be_visible()
        wait_drawn(page, "embedding-north-4deg-3x3-similarity")
        # the picked patch has no vector: the nearest that has one is shown
        row, col = embeddings.cell_of(config, *embeddings.first_known(config, -30.0, 30.0))
        near, _ = embeddings.extremes(config, row, col, 3)
        expect(page.get_by_text(f"{near[0].similarity:.3g} · ").first).to_be_visible()
        page.get_by_title(str(data / "broken.parquet")).click()
        expect(page.get_by_text("This embedding cannot be computed")).to_be_visible()
        page.get_by_title(str(data / "north.npz")).click()
        expect(page.get_by_text("This embedding cannot be computed")).to_be_hidden()
        wait_drawn(page, "embedding-north-4deg-3x3-similarity")
