"""The page Home: its picture is what Reconstruct computes, its links open, and its lists are those of the server."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html import unescape
from urllib.parse import parse_qsl

import numpy as np
import pytest

from engine.queries import reconstruct
from engine.runs import RunRecord
from explorer.pages import PAGES
from explorer.pages.home import news, text, view
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.session import Session
from explorer.widgets import Globe

RECORD = RunRecord(
    id="20261130-210000-abcdef", task="sst", state="running", name="<b>mine</b>", progress=0.42, started=1.0
)


def hrefs(html: str) -> list[dict[str, str]]:
    """The queries of the links."""
    return [dict(parse_qsl(unescape(query))) for query in re.findall(r"href='\?([^']*)'", html)]


def test_the_picture_is_the_day_and_the_reconstruction_that_the_page_computes() -> None:
    day, axes, observed, filled = view._shipped()
    source = reconstruct.source_of(reconstruct.PRETRAINED)
    month = reconstruct.reconstruct_month(reconstruct.MonthRequest(reconstruct.PRETRAINED, source, day.year, day.month))
    for shown, layer in ((observed, "day"), (filled, "reconstruction")):
        expected = reconstruct.layer(month, layer, day=day.day)
        np.testing.assert_allclose(shown, expected, atol=0.006)  # hundredths of a degree
    assert (axes.lat0, axes.lon0, axes.periodic) == (month.lat[0], month.lon[0], True)


def test_every_link_leads_to_a_view_that_opens_as_it_is_written() -> None:
    names = {page.name for page in PAGES}
    html = text.doors() + text.about_globe(date(2010, 7, 15)) + text.here("CPU", "Demo ocean", [], {}, "")
    queries = hrefs(html)
    assert [query["page"] for query in queries] == ["reconstruct", "data", "basis", "reconstruct", "train"]
    assert {query["page"] for query in queries} <= names
    model = ReconstructModel({key: value for key, value in queries[3].items() if key != "page"})
    assert model.notes == []
    assert (model.iso, model.left, model.right, model.day) == ("2010-07-01", "day", "reconstruction", 15)


def test_runs_are_listed_with_state_and_verdict_and_names_are_no_markup() -> None:
    done = replace(RECORD, id="done", state="done", name="other")
    badge = {"done": ("12 % lower error than the best baseline (DINEOF)", "lower", "K")}
    html = text.here("CPU", "a.nc", [RECORD, done], badge, "")
    assert "&lt;b&gt;mine&lt;/b&gt;" in html
    assert "2 runs, 1 at work" in html
    assert "running 42 %" in html
    assert "<span class='lower'>12 % lower error" in html
    assert hrefs(html) == [{"page": "train", "run": RECORD.id}, {"page": "train", "run": "done"}]
    assert "the home folder is a file" in text.here("CPU", "a.nc", [], {}, "the home folder is a file")


@pytest.mark.parametrize(
    ("changelog", "expected"),
    [
        ("## 2\n\n- **A `new`\n  thing**: why.\n- **Other**.\n\n## 1\n\n- **Old**\n", ("A new thing", "Other")),
        ("# C\n\n- **Nowhere**\n", ()),
    ],
)  # fmt: skip
def test_news_are_the_headlines_of_the_newest_section(changelog: str, expected: tuple[str, ...]) -> None:
    assert news.headlines(changelog) == expected


def test_the_changelog_of_this_version_has_news() -> None:
    assert len(news.news()) == 4


def test_the_page_computes_nothing_and_has_both_fields_under_a_divider() -> None:
    page = view.build(Session(), {})
    (globe,) = page.stage[0].select(Globe)
    assert globe.field
    assert globe.field_b
    assert page.model.address == {}
