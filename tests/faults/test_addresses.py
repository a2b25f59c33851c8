"""Whatever an address holds, a page opens: values are clamped or left out, and a sentence says so."""

from __future__ import annotations

import json
import logging
import math
import random
from typing import Any
from urllib.parse import parse_qsl

import pytest

from engine.errors import StoreError
from engine.queries.embeddings import config_from_json
from explorer import app
from explorer.pages import PAGES
from explorer.pages.basis import fits
from explorer.pages.basis.model import BasisModel
from explorer.pages.data.model import DataModel
from explorer.pages.embeddings.model import EmbeddingsModel
from explorer.pages.mvmf.model import MvmfModel
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.pages.table.model import TableModel
from explorer.pages.tokens.model import TokensModel
from explorer.pages.train.model import TrainModel
from explorer.session import Session
from tests.faults.addresses import BASIS, CONFIG, address

MODELS: dict[str, Any] = {
    "basis": BasisModel, "data": DataModel, "embeddings": EmbeddingsModel, "mvmf": MvmfModel,
    "reconstruct": ReconstructModel, "table": TableModel, "tokens": TokensModel, "train": TrainModel,
}  # fmt: skip
MOST_NOTE = 400


def check(model: Any) -> None:
    """Every number of the state is finite and within its bounds, the notes are short, and the address is taken again
    as it is."""
    for name in model.KEYS.values():
        value, bounds = getattr(model, name), getattr(model.param[name], "bounds", None)
        if isinstance(value, float | int) and bounds:
            assert bounds[0] <= value <= bounds[1], name
    assert all(math.isfinite(value) for value in model.camera)
    assert all(len(note) < MOST_NOTE for note in model.notes), model.notes
    again = type(model)(dict(model.address))
    assert again.notes == [], (model.address, again.notes)
    assert again.address == model.address


def open_address(query: dict[str, str]) -> None:
    own = {key: value for key, value in query.items() if key != "page"}
    model = MODELS.get(query.get("page", "basis"), BasisModel)
    fresh = model(own)
    check(fresh)
    fresh.restore(own)
    check(fresh)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"page": "basis", "show": "component", "L": "0"}, "clamped"),
        ({"page": "basis", "L": "9" * 4000}, "clamped"),
        ({"page": "basis", "L": "9" * 5000}, "clamped"),
        ({"page": "basis", "L": "-" + "9" * 5000}, "clamped"),
        ({"page": "data", "src": "demo", "seed": "9" * 5000}, "clamped"),
        ({"page": "embeddings", "K": "-9"}, "clamped"),
        ({"page": "embeddings", "b": "[" * 4000}, "not an embedding"),
        ({"page": "embeddings", "b": '{"a":' * 700}, "not an embedding"),
        ({"page": "train", "task": "sst", "set": "[" * 4000}, "no draft"),
        ({"page": "basis", "at": "nan,nan,nan"}, "not a view"),
        ({"page": "basis", "show": "component", "domain": "box", "box": "nan,nan,0,10"}, "not a box"),
    ],
)
def test_a_hostile_address_is_clamped_or_refused_in_a_sentence(query: dict[str, str], sentence: str) -> None:
    page = query.pop("page")
    model = MODELS[page](query)
    assert any(sentence in note for note in model.notes), model.notes
    check(model)


@pytest.mark.parametrize("box", ["-30,30,180,360", "-30,30,100,300", "-30,30,-180,360", "-30,30,120,160"])
def test_every_box_of_an_address_can_be_fitted(box: str) -> None:
    model = BasisModel({"show": "component", "domain": "box", "box": box, "L": "50"})
    south, north, west, east = fits.run_config(model.config).settings.box
    assert east - west == float(box.split(",")[3])
    assert (south, north) == (-30.0, 30.0)


@pytest.mark.parametrize(
    "part", [{"step_deg": 1e-9}, {"basis": {"max_degree": 10**9}}, {"patch": [10**9, 4]}, {"clip_sigma": "x"}]
)
def test_an_embedding_that_cannot_be_computed_is_refused_before_it_takes_memory(part: dict[str, Any]) -> None:
    basis = {**BASIS, **part.get("basis", {})}
    with pytest.raises(StoreError, match="damaged"):
        config_from_json(json.dumps({**CONFIG, **part, "basis": basis}))


def test_addresses_of_a_seed_open_every_page(caplog: pytest.LogCaptureFixture) -> None:
    fuzz(1500, seed=0)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.long
def test_ten_thousand_addresses_open_every_page() -> None:
    fuzz(10_000, seed=1)


def fuzz(count: int, seed: int) -> None:
    random_ = random.Random(seed)
    for number in range(count):
        query = address(random_)
        try:
            open_address(query)
        except Exception as error:
            error.add_note(f"address {number} of seed {seed}: { {key: value[:80] for key, value in query.items()} }")
            raise


def test_the_shell_visits_hostile_addresses(caplog: pytest.LogCaptureFixture) -> None:
    """The views too, where they need no event loop."""
    shell = app.Shell(Session())
    sentences: list[str] = []
    shell._say = lambda severity, sentence: sentences.append(sentence)
    shell.session.say = shell._say
    random_ = random.Random(2)
    for _ in range(40):
        name = random_.choice(("basis", "nowhere"))
        shell.visit({**address(random_), "page": name, "show": "harmonic"})
        shown = "basis" if name == "basis" else PAGES[0].name
        assert dict(parse_qsl(shell.rail.address.lstrip("?")))["page"] == shown
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR], caplog.text
    assert all("unexpected" not in sentence for sentence in sentences)
