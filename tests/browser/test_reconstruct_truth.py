"""What stands on Reconstruct belongs to the selection: another model, a share typed while a year fills, a cancel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from engine.queries import reconstruct
from engine.queries.ocean import SourceChoice
from tests.support.browser import LONG_MS, ROOT, address_of, eventually, fact, open_page, save
from tests.support.held_scoring import HOLD
from tests.support.reconstruct_house import House, learned_ocean, open_case

SCORED = re.compile(r"^[A-Z][a-z]+ [12]\d{3}, [\d,\u202f ]+ cells ")
YEAR = re.compile(r"The 12 months of this year:")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    setup = ROOT / "tests" / "support" / "held_scoring.py"
    with learned_ocean(tmp_path_factory.mktemp("truth"), "--setup", str(setup)) as house:
        yield house


@pytest.fixture
def hold(house: House) -> Iterator[Path]:
    """While this file lies there no scoring begins; it lies nowhere at first, nor at the end."""
    path = house.home / HOLD
    yield path
    path.unlink(missing_ok=True)


def scored_on(page: Page) -> Locator:
    """The line over the verdict: its month and cells."""
    return page.get_by_text(SCORED)


def result_of(page: Page) -> str:
    """All of the pane of the result: month, verdict, the year and the notes."""
    return " ".join(scored_on(page).locator("xpath=../..").inner_text().split())


def drawn_keys(page: Page) -> set[str]:
    """The keys of the maps that are seen without a veil."""
    return set(
        page.evaluate(
            """() => [...harmoniaGlobes]
              .filter(({ model, root }) => !model.leader && !root.getRootNode().host.classList.contains("stale"))
              .map(({ root }) => root.dataset.key).filter(Boolean)"""
        )
    )


def scores_file(page: Page, path: Path) -> str:
    """The scores as they are exported, without the time of the export."""
    lines = save(page, "Scores, CSV", path).read_text().splitlines()
    return "\n".join(line for line in lines if "history" not in line and "date_created" not in line)


def test_ones_own_run_takes_the_place_of_the_pretrained_model(page: Page, house: House) -> None:
    """On the demo ocean: first why the run cannot be used as it is, with the remedy, and then its own result."""
    open_page(page, f"{house.server.url}?page=reconstruct&src=demo&at=0,-150,2", "Reconstruct")
    expect(scored_on(page)).to_be_visible(timeout=LONG_MS)
    eventually(lambda: len(drawn_keys(page)) == 1, lambda: "the maps of the pretrained model")
    before, of_pretrained = drawn_keys(page), result_of(page)
    year, month = map(int, address_of(page)["month"].split("-"))

    page.get_by_role("combobox", name="Model").click()
    page.get_by_text(re.compile("^Small ·")).click()
    undecided = page.get_by_role("status").filter(has_text="choose on the left how the model is to use this source")
    expect(undecided).to_be_visible(timeout=LONG_MS)
    expect(scored_on(page)).to_be_hidden()
    expect(fact(page, "Observed days per cell")).to_be_hidden()
    assert not drawn_keys(page)

    page.get_by_role("button", name="Resample the source to its grid").click()
    expect(scored_on(page)).to_be_visible(timeout=LONG_MS)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_HOME", str(house.home))
        own = reconstruct.reconstruct_month(
            reconstruct.MonthRequest(house.run, SourceChoice(), year, month, resample=True)
        )
        scores = reconstruct.score_months([own])
    shown = result_of(page)
    assert scores.verdict.text in shown
    assert of_pretrained.split("The ")[0] not in shown
    assert f"{scores.num_cells}" in re.sub(r"\D", "", scored_on(page).inner_text())
    days = own.count[~own.data.land].mean()
    expect(fact(page, "Observed days per cell")).to_contain_text(f"{days:.1f}")
    eventually(lambda: len(drawn_keys(page)) == 1 and drawn_keys(page) != before, lambda: "the maps of the own run")


def test_a_share_typed_while_the_year_fills_gives_the_result_of_a_fresh_link(
    page: Page, house: House, hold: Path, tmp_path: Path
) -> None:
    open_case(page, house, f"run={house.run}&month=2004-07&hide=10&at=0,-150,2")
    so_far = page.get_by_text(re.compile("The [2-9] months of this year computed so far"))
    expect(so_far).to_be_visible(timeout=LONG_MS)
    hold.touch()  # the year stays where it is
    expect(so_far).to_be_visible()
    share = page.get_by_label("Withhold, %").first
    share.fill("30")
    share.press("Enter")
    expect(so_far).to_be_hidden()
    hold.unlink()
    expect(page.get_by_text(YEAR)).to_be_visible(timeout=LONG_MS)
    result, scores = result_of(page), scores_file(page, tmp_path / "typed.csv")
    link = page.evaluate("location.href")
    assert address_of(page)["hide"] == "30"

    page.goto("about:blank")
    open_page(page, link, "Reconstruct")
    expect(page.get_by_text(YEAR)).to_be_visible(timeout=LONG_MS)
    assert result_of(page) == result
    assert scores_file(page, tmp_path / "fresh.csv") == scores


def test_scoring_can_be_cancelled(page: Page, house: House, hold: Path, tmp_path: Path) -> None:
    """A filled year in another region: the maps stay, nothing of the region before does, and it can be scored later."""
    open_case(page, house, f"run={house.run}&month=2004-07&hide=30&at=0,-150,2")
    expect(page.get_by_text(YEAR)).to_be_visible(timeout=LONG_MS)
    eventually(lambda: len(drawn_keys(page)) == 1, lambda: "the maps")
    keys = drawn_keys(page)
    hold.touch()
    page.get_by_role("combobox", name="Region of the scores").click()
    page.get_by_text("Tropics", exact=True).click()
    expect(page.get_by_text("July 2004 is being scored")).to_be_visible()
    cancel = page.get_by_role("button", name="Cancel", exact=True)
    cancel.click()
    expect(page.get_by_text("The month is not scored: that was cancelled.").first).to_be_visible()
    expect(cancel).to_be_hidden()
    expect(scored_on(page)).to_be_hidden()
    assert drawn_keys(page) == keys
    page.get_by_role("button", name="Export").click()
    page.get_by_role("menuitem", name="Scores, CSV").click()
    expect(page.get_by_text("There are no scores of these settings to export yet.")).to_be_visible()

    # what was cancelled never comes, although its thread goes on
    hold.unlink()
    score = page.get_by_role("button", name="Score it")
    expect(score).to_be_visible()
    expect(scored_on(page)).to_be_hidden()
    score.click()
    expect(scored_on(page)).to_contain_text("in the region Tropics", timeout=LONG_MS)
    expect(page.get_by_text(YEAR)).to_be_visible()
    expect(score).to_be_hidden()
    result = result_of(page)
    page.reload()
    expect(page.get_by_text(YEAR)).to_be_visible(timeout=LONG_MS)
    assert result_of(page) == result
