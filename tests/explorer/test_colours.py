"""What a person chose of the colours: kept by quantity, in the address, and refused where it is illegal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ChoiceError
from engine.queries.scales import limits_of
from explorer.colours import ALL, DIVERGING, SEQUENTIAL, TYPED, VIEW, ColourChoice, colours_of, colours_text
from explorer.page_model import PageModel
from explorer.widgets.globe import colormap_bytes
from explorer.widgets.legend import LegendControl, Scale, ScaleControl, reverse

CHOICES = st.builds(
    lambda range_, low, size, palette, turned: ColourChoice(
        range_, *((low, low + size) if range_ == TYPED else (0.0, 1.0)), palette, turned
    ),
    st.sampled_from([ALL, VIEW, TYPED]),
    st.integers(-500, 500).map(float),
    st.integers(1, 99).map(float),
    st.sampled_from(["", *SEQUENTIAL, *DIVERGING]),
    st.booleans(),
)


@settings(deadline=None)
@given(colours=st.dictionaries(st.sampled_from(["temperature", "error", "spread_log"]), CHOICES))
def test_an_address_holds_every_choice(colours: dict[str, ColourChoice]) -> None:
    text = colours_text(colours)
    own = ColourChoice()
    assert (colours_of(text) if text else {}) == {name: choice for name, choice in colours.items() if choice != own}
    model = PageModel({"colours": text} if text else {})
    assert not model.notes
    assert colours_text(model.colours) == model.address.get("colours", "") == text


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "error",
        "error:1..0",
        "error:nan..1",
        "error:1..1",
        "error:1..inf",
        "error:a..b",
        "error::jet",
        "error:::q",
        "a b:view",
        ":view",
        "error:view:amp:r:more",
        "error:all",
        ",",
        "e" * 40 + ":view",
    ],
)
def test_an_illegal_address_is_reported(text: str) -> None:
    model = PageModel({"colours": text})
    assert model.colours == {}
    assert model.notes


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)])
def test_illegal_ends_are_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(ChoiceError, match="two numbers, the lower one first"):
        ColourChoice(TYPED, *ends)


TEMPERATURE = Scale("temperature", "thermal", 0.0, 30.0, "Temperature", "°C", lambda: (12.0, 15.0), "All months")
ERROR = Scale("error", "balance", -2.0, 2.0, "Error", "K")


class Stand:
    """A legend with what it did."""

    def __init__(self) -> None:
        self.model = PageModel({})
        self.refusals: list[str] = []
        self.drawn: list[dict[str, Any]] = []
        self.legend = ScaleControl()
        self.control = LegendControl(
            self.model, self.legend, lambda _, sentence: self.refusals.append(sentence), self.drawn.append
        )

    def choose(self, **changes: Any) -> None:
        own = {"range": ALL, "low": None, "high": None, "palette": "thermal", "reversed": False}
        serial = self.legend.choice.get("serial", 0) + 1
        self.legend.choice = {**own, **changes, "serial": serial}


def test_a_choice_is_drawn_and_belongs_to_its_quantity() -> None:
    stand = Stand()
    first = stand.control.show(TEMPERATURE)
    assert first == {"vmin": 0.0, "vmax": 30.0, "colormap": colormap_bytes("thermal")}
    assert stand.control.note == ""
    stand.choose(range=TYPED, low=10.0, high=20.0, palette="haline", reversed=True)
    wanted = {"vmin": 10.0, "vmax": 20.0, "colormap": reverse(colormap_bytes("haline"))}
    assert stand.drawn == [wanted]
    assert stand.control.note == "range chosen, 10 to 20 °C, palette haline, reversed"
    assert stand.model.address["colours"] == "temperature:10..20:haline:r"
    assert stand.control.show(ERROR)["vmax"] == 2.0
    assert stand.legend.palettes == list(DIVERGING)
    assert stand.legend.ranges == {ALL: "Automatic"}
    assert stand.control.show(TEMPERATURE) == wanted
    stand.choose(range=VIEW)
    assert stand.drawn[-1] == {"vmin": 12.0, "vmax": 15.0, "colormap": colormap_bytes("thermal")}
    stand.choose()
    assert stand.model.colours == {}
    assert "colours" not in stand.model.address
    assert stand.drawn[-1] == first


def test_what_cannot_be_is_refused() -> None:
    stand = Stand()
    stand.control.show(TEMPERATURE)
    stand.choose(range=TYPED, low=20.0, high=10.0)
    stand.choose(range=TYPED, low=None, high=10.0)
    assert len(stand.refusals) == 2
    assert all("the lower one first" in sentence for sentence in stand.refusals)
    stand.choose(palette="balance")  # diverging, for a sequential quantity
    assert stand.model.colours == {}
    stand.model.colours = {"error": ColourChoice(palette="thermal")}  # of an address
    assert stand.control.show(ERROR)["colormap"] == colormap_bytes("balance")


def test_the_ends_of_logarithms_are_typed_as_values_and_must_have_a_logarithm() -> None:
    stand = Stand()
    scale = Scale("temperature", "algae", -2.0, 1.0, "Chlorophyll", "mg m⁻³", logarithmic=True)
    first = stand.control.show(scale)
    assert (first["vmin"], first["vmax"], stand.legend.logarithmic) == (-2.0, 1.0, True)
    stand.choose(range=TYPED, low=0.1, high=10.0, palette="algae")
    drawn = stand.drawn[-1]
    assert (drawn["vmin"], drawn["vmax"]) == (-1.0, 1.0)
    assert stand.control.note == "range chosen, 0.1 to 10 mg m⁻³"
    assert stand.model.address["colours"] == "temperature:0.1..10"
    stand.choose(range=TYPED, low=0.0, high=10.0, palette="algae")
    assert "above 0" in stand.refusals[-1]
    assert stand.model.address["colours"] == "temperature:0.1..10"
    stand.model.colours = {"temperature": ColourChoice(TYPED, -2.0, 30.0)}  # typed for another variable
    assert stand.control.show(scale) == first
    assert stand.legend.chosen["range"] == ALL
    assert not stand.control.show(TEMPERATURE)["vmin"] > -2.0
    assert not stand.legend.logarithmic


def test_colours_of_kinds_cannot_be_changed() -> None:
    stand = Stand()
    table = bytes(range(256)) * 3
    assert stand.control.show(Scale("regions", table, 0.0, 100.0, "Regions", ""))["colormap"] == table
    assert stand.legend.ranges == {}


@pytest.mark.parametrize(
    ("fields", "symmetric", "ends"),
    [
        ([np.arange(101.0)], False, (1.0, 99.0)),
        ([np.arange(51.0), np.arange(51.0, 101.0)], False, (1.0, 99.0)),
        ([np.array([np.nan, 3.0, 3.0])], False, (3.0, 4.0)),
        ([np.array([np.nan])], False, (0.0, 1.0)),
        ([np.array([np.nan])], True, (-1.0, 1.0)),
        ([np.array([-4.0, 2.0])], True, (-3.98, 3.98)),
        ([np.zeros(3)], True, (-1.0, 1.0)),
    ],
)
def test_ends_for_one_map(fields: list[np.ndarray], symmetric: bool, ends: tuple[float, float]) -> None:
    assert limits_of(fields, symmetric) == pytest.approx(ends)


def test_every_choice_is_answered() -> None:
    """The browser builds on its last choice until the answer to that is there, also where nothing changed by it."""
    stand = Stand()
    stand.control.show(TEMPERATURE)
    assert stand.legend.chosen["serial"] == 0
    for changes in (
        {"range": VIEW},
        {"range": VIEW},
        {"range": TYPED, "low": 2.0, "high": 1.0},
        {"palette": "balance"},
    ):
        stand.choose(**changes)
        assert stand.legend.chosen["serial"] == stand.legend.choice["serial"]
    assert stand.legend.chosen["range"] == VIEW
