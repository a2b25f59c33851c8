"""Long work that outlives tab and server: launched, lost sight of, found again, cancelled, resumed, finished."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine.embedding import HarmonicBasis
from engine.runs import RunStore
from tests.support.browser import (
    LONG_MS,
    Server,
    click_twice,
    click_until,
    end_runs,
    eventually,
    hold,
    only_run,
    open_page,
    start_server,
    wait_ready,
)
from tests.support.workers import processes_of

LARGE = "?page=basis&show=component&L=60&K=64&k=1&domain=ocean&step=2&panel=profile"


class House:
    """One home folder and the server that looks after it at the moment."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self._folder = folder
        self._count = 0
        self.server = self._start()

    def _start(self) -> Server:
        self._count += 1
        return start_server(Path("explorer"), self._folder / f"log{self._count}.txt", home=self.home)

    def kill_and_restart(self) -> None:
        self.server.process.kill()
        self.server.process.wait()
        self.server = self._start()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.server.stop()
    end_runs(house.home)


def test_a_large_fit_survives_reload_and_restart_and_is_cancelled_resumed_and_finished(
    page: Page, house: House
) -> None:
    open_page(page, house.server.url + LARGE, "Basis")
    expect(page.get_by_text("L = 60 is a large fit: 3721 unknowns")).to_be_visible()
    # the second click must not start a second run
    click_twice(page.get_by_role("button", name="Start the fit"))
    with RunStore(house.home) as store:
        run = only_run(store)
        process = hold(run, lambda record: record.state == "running")
        working = page.get_by_text("The fit runs in the background")
        expect(working).to_be_visible()

        page.reload()
        wait_ready(page, "Basis")
        expect(working).to_be_visible()

        page.goto("about:blank")
        house.kill_and_restart()
        open_page(page, house.server.url + LARGE, "Basis")
        expect(working).to_be_visible()
        assert [record.state for record in store.records().values()] == ["running"]

        click_until(page.get_by_role("button", name="Cancel"), page.get_by_text("The fit is being stopped"))
        process.resume()
        expect(page.get_by_text("The fit was cancelled")).to_be_visible()
        eventually(lambda: not processes_of(run.folder), lambda: f"{process} still works")

    # the list of runs says the same, on every page, and resumes it
    page.get_by_role("button", name=re.compile("^Runs")).click()
    row = page.locator("[data-run]")
    expect(row).to_have_count(1)
    expect(row).to_have_attribute("data-state", "cancelled")
    row.get_by_role("button", name="Resume").click()
    expect(row).to_have_attribute("data-state", re.compile("running|done"))
    row.get_by_role("button", name="Log").click()
    expect(row.locator("dl")).to_contain_text("percent")
    expect(row).to_have_attribute("data-state", "done", timeout=LONG_MS)
    expect(page.get_by_text("Basis, ocean, L = 60 is done.")).to_be_visible()
    page.get_by_role("button", name="Close").first.click()

    canvas = page.get_by_label("Globe with the chosen basis function").element_handle()
    page.wait_for_function(
        "canvas => canvas.parentNode.dataset.key === 'basis-ocean-L60-k1-step2'", arg=canvas, timeout=LONG_MS
    )
    basis = HarmonicBasis.load(house.home / "runs" / run.id / "basis.safetensors")
    # as many as the ocean determines: the last ones live on land only, and are rounding noise
    assert (basis.max_degree, basis.num_components) == (60, basis.rank)
    kept, left = basis.eigenvalues[: basis.rank], basis.eigenvalues[basis.rank :]
    assert float(kept.min() - left.max()) > 1e-8 * float(kept.max())


def test_a_home_that_is_a_file_is_said_and_the_rest_lives_on(page: Page, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("not a folder")
    server = start_server(Path("explorer"), tmp_path / "log.txt", home=home)
    try:
        page.goto(f"{server.url}?page=basis")
        page.wait_for_function("document.documentElement.dataset.ready === 'true'")
        page.get_by_role("button", name=re.compile("^Runs")).click()
        expect(page.get_by_text("the home folder is a file")).to_be_visible()
        expect(page.get_by_role("slider", name="Degree l", exact=True)).to_be_visible()
    finally:
        server.stop()
