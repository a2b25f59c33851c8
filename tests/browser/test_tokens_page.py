"""The Tokens page as a person meets it: open, click, exchange the surroundings, read the verdict, export."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Page, expect

from engine.queries import tokens as queries
from engine.queries.tokens import PatchExample, TokenRequest
from explorer.pages.tokens import text
from tests.support.browser import LONG_MS, middle, open_page, serving
from tests.support.token_house import token_house

PLACE, CLICKED = (5.0, -95.0), (0.0, -30.0)


@dataclass
class House:
    url: str
    folder: Path
    request: TokenRequest


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("tokens")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_HOME", str(folder / "home"))
        patched.setenv("HARMONIA_DATA", str(folder / "data"))
        run = token_house(folder)
        with serving(folder) as server:
            yield House(server.url, folder, TokenRequest(run, queries.source_of(run), 2001, 7))


def export(page: Page, item: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
        page.get_by_role("menuitem", name=item).click()
    return Path(download.value.path()).read_bytes()


def test_open_click_exchange_verdict_and_export(page: Page, house: House) -> None:
    request = house.request
    place = ",".join(map(str, PLACE))
    open_page(page, f"{house.url}?page=tokens&run={request.model}&month=2001-07&place={place}&at=0,-30,1", "Tokens")
    tokens = queries.token_map(request)
    known = queries.scene_cosines(tokens, "output", *tokens.sea_patch_at(*PLACE))
    expect(page.get_by_text(f"The smallest cosine is {known.spread.minimum:.3f}")).to_be_visible(timeout=LONG_MS)

    globe = page.get_by_label("Globe with the tokens")
    page.mouse.click(*middle(globe))
    page.wait_for_function("/place=-?0(\\.\\d+)?,-30|place=-?0(\\.\\d+)?,-29\\.9/.test(location.search)")
    clicked = tokens.sea_patch_at(*CLICKED)
    known = queries.scene_cosines(tokens, "output", *clicked)
    expect(page.get_by_text(f"The smallest cosine is {known.spread.minimum:.3f}")).to_be_visible()

    page.get_by_role("button", name="Context", exact=True).click()
    page.get_by_role("button", name="Measure").click()
    drops = text.drop_rows(queries.context_drops(request, "output", *CLICKED))
    row = page.get_by_role("row", name=re.compile(drops[1][0]))
    expect(row).to_contain_text(drops[1][2], timeout=LONG_MS)

    page.get_by_role("button", name="Like this").click()
    page.mouse.click(*middle(globe))
    best = queries.search(request, "output", [PatchExample(2001, 7, *CLICKED)])[0]
    expect(page.get_by_role("listitem").first).to_contain_text(text.match_words(best)[1], timeout=LONG_MS)

    page.get_by_role("button", name="Verdict", exact=True).click()
    page.get_by_role("button", name="Measure").click()
    verdict = queries.token_verdict(request, "output")
    for sentence in queries.sentences(verdict):
        expect(page.get_by_text(sentence)).to_be_visible(timeout=LONG_MS)

    assert queries.sentences(verdict)[0] in export(page, "Verdict, Markdown").decode()
    table = pq.read_table(io.BytesIO(export(page, "Tokens, Parquet")))
    values = np.stack(table["embedding"].to_pandas().to_numpy())
    np.testing.assert_allclose(values, tokens.tokens("output")[tokens.is_sea], atol=1e-5)


def test_the_chip_answers_whether_the_house_is_known_and_other_tokens_are_read(page: Page, house: House) -> None:
    known = queries.autoencoder()
    address = f"{house.url}?page=tokens&run={house.request.model}&month=2001-07&panel=chip&chip=4"
    open_page(page, address, "Tokens")
    for seen, label in (("all", None), ("most-hidden", "75 % hidden")):
        if label:
            page.get_by_role("button", name=label).click()
        for sentence in queries.chip_sentences(known, seen):
            expect(page.get_by_text(sentence)).to_be_visible(timeout=LONG_MS)
        case = queries.chip_case("", 4, seen)
        expect(page.get_by_text(text.change_sentence(case))).to_be_visible()
        expect(page.get_by_text(f"the smallest is {text.signed(case.smallest)}")).to_be_visible()
    assert "seen=most-hidden" in page.url
    assert queries.chip_markdown(known, "most-hidden").decode() == export(page, "Chip, Markdown").decode()

    # tokens of another model
    random = np.random.default_rng(0)
    np.savez(
        house.folder / "data" / "other.npz",
        tokens=random.standard_normal((3, 4, 5, 6)),
        height=random.random((3, 4, 5)),
    )
    page.get_by_role("button", name="Your file").click()
    expect(page.get_by_text(text.FILE)).to_be_visible()
    page.get_by_label("File on the server").fill("missing.npz")
    page.keyboard.press("Enter")
    expect(page.get_by_text("cannot be found").or_(page.get_by_text("there is no"))).to_be_visible()
    page.get_by_label("File on the server").fill("other.npz")
    page.keyboard.press("Enter")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_DATA", str(house.folder / "data"))
        other = queries.imported_case("other.npz", 0, 0, 0)
    expect(page.get_by_text(f"the smallest cosine is {text.signed(other.known.spread.minimum)}")).to_be_visible()
    expect(page.get_by_role("row", name="height")).to_be_visible()
