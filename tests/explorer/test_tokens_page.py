"""The Tokens page without a server: its address, its months and layers, the clicks that choose, its words."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pytest

from engine.queries.tokens import InfluenceParts, Match, PatchExample, ReceptiveField
from explorer.pages.tokens import text
from explorer.pages.tokens.model import LAYERS, TokensModel
from explorer.plots import tokens as figures

hv.extension("bokeh", logo=False)  # type: ignore[operator]

MONTHS = tuple(f"{year}-{month:02d}-01" for year in (2001, 2002) for month in range(1, 13))


def test_an_address_is_taken_and_given_back():
    query = {
        "show": "colours",
        "layer": "block1",
        "month": "2002-03",
        "place": "10,20",
        "panel": "search",
        "span": "year",
    }
    model = TokensModel(query)
    assert model.notes == []
    assert model.address.items() >= query.items()
    model.take_months(MONTHS)
    assert model.iso == "2002-03-01"
    assert model.address["month"] == "2002-03"
    assert (model.request.year, model.request.month) == (2002, 3)


def test_what_an_address_cannot_hold_is_said():
    model = TokensModel({"month": "2002-13", "layer": "block99", "run": "../x", "place": "99,0"})
    assert len(model.notes) == 4
    assert (model.layer, model.run) == ("output", "pretrained")


def test_without_a_month_the_last_july_is_shown_and_a_month_stays_where_it_can():
    model = TokensModel({})
    model.take_months(MONTHS)
    assert model.iso == "2002-07-01"
    model.month = MONTHS.index("2002-02-01")
    model.take_months(MONTHS[12:])
    assert model.iso == "2002-02-01"
    model.take_months(MONTHS[:1])
    assert model.iso == "2001-01-01"


def test_a_layer_that_the_model_lacks_becomes_the_output():
    model = TokensModel({"layer": "block3"})
    model.layers = ("encoder", "time", "block1", "output")
    assert model.layer == "output"
    assert [text.layer_name(name) for name in LAYERS[:3]] == [
        "After the encoder", "After time", "After spatial block 1",
    ]  # fmt: skip


def test_examples_are_of_the_month_on_screen_and_limited():
    model = TokensModel({})
    model.take_months(MONTHS)
    model.add_example(1.0, 2.0, True)
    model.add_example(3.0, 4.0, False)
    assert model.examples == (PatchExample(2002, 7, 1.0, 2.0, True), PatchExample(2002, 7, 3.0, 4.0, False))
    assert text.example_sentence(model.examples) == "1 like this, 1 unlike."
    for _ in range(50):
        model.add_example(5.0, 6.0, True)
    assert len(model.examples) == 40


def test_figures_in_words():
    field = ReceptiveField(np.ones((2, 2)) / 4, 0, 0, 0.25, 0.0, 640.0, 900.0)
    rows = dict(text.field_rows(field))
    assert rows["Its own patch"] == "25.0 %"
    assert rows["50 % within"] == "the patch itself"
    assert rows["90 % within"] == "640 km"
    parts = text.part_rows(InfluenceParts(0.02, 0.01, 0.01, 0.0))
    assert [row[2] for row in parts] == ["50 %", "25 %", "25 %", "0 %"]
    assert text.match_words(Match(2002, 7, 10.0, -20.0, 0.98765)) == ("2002-07 · 10.0° N 20.0° W", "0.988")
    drops = text.drop_rows({"time": np.array([0.1, 0.3]), "place": np.zeros(0), "cloud": np.array([np.nan])})
    assert drops == [
        ("Other months", "2", "0.2000", "0.3000"),
        ("Other places", "0", "–", "–"),
        ("Other clouds", "1", "–", "–"),
    ]


@pytest.mark.parametrize("panel", ["cosines", "field", "context", "verdict"])
def test_the_span_of_a_search_is_in_the_address_only_with_its_tab(panel):
    assert "span" not in TokensModel({"panel": panel}).address


def test_every_figure_draws_its_data():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(6, 3))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    edges = np.linspace(-1.0, 1.0, 5)
    shown = [
        figures.matrix(unit @ unit.T, 2),
        figures.histogram(edges, np.array([0.1, 0.2, 0.3, 0.4])),
        figures.influence(np.array([0.0, 400.0, 900.0]), np.array([0.6, 0.9, 1.0])),
        figures.drops({"Other months": np.array([0.01, 0.02]), "Other places": np.zeros(0)}),
        figures.drops({"Other months": np.zeros(0)}),
        figures.kept(["Season", "Anomaly"], [0.8, 0.7], [0.9, 0.1]),
    ]
    for figure in shown:
        hv.render(figure, backend="bokeh")


def test_the_address_holds_a_chip_or_a_file_where_it_is_on_screen():
    query = {"panel": "chip", "chip": "7", "house": "without", "seen": "most-hidden", "window": "12"}
    run = "20260101-000000-0000000000"
    model = TokensModel(query | {"autoencoder": run})
    assert model.notes == []
    assert model.address.items() >= (query | {"autoencoder": run}).items()
    model.panel = "cosines"
    assert not model.address.keys() & {"chip", "house", "seen", "window", "autoencoder", "file"}
    model = TokensModel({"panel": "file", "file": "a/b.npz", "sample": "2", "cell": "9"})
    assert model.address.items() >= {"file": "a/b.npz", "sample": "2", "cell": "9"}.items()
    assert TokensModel({"panel": "chip", "chip": "1000", "autoencoder": "../x", "seen": "none"}).notes != []


def test_probes_of_a_chip_stand_in_the_order_of_their_readers():
    accuracy = {"accuracy": 0.75, "number": 100}
    house = {"all": dict.fromkeys(("class", "house", "road"), accuracy)}
    distances = {"all": {"1": accuracy, "3": accuracy}}
    scores = {"trained": {"house": house, "house_by_distance": distances}}
    assert text.accuracy_points(scores, "all") == (["its window", "road", "class token"], {"trained": [0.75] * 3})
    assert text.distance_points(scores, "all") == {"trained": ([1, 3], [0.75, 0.75])}
