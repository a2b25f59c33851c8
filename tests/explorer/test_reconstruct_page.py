"""The Reconstruct page: every state is valid, and its texts."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import holoviews as hv
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.kinds import SST
from engine.evaluation import verdict
from engine.queries.ocean import SourceChoice, places
from engine.queries.reconstruct import LAYER_KINDS, PRETRAINED, CellDetail, ModelScores, MonthRequest, Snapshot
from engine.sphere import LatLonGrid
from explorer.colours import colours_of
from explorer.pages.reconstruct import maps, text
from explorer.pages.reconstruct.model import ALL_LAYERS, ReconstructModel
from explorer.pages.reconstruct.verdict_panel import VerdictPanel
from explorer.plots import reconstruct as figures
from explorer.session import Session

KEYS = [*ReconstructModel.KEYS, "run", "src", "step", "seed", "years", "path", "var", "month", "place", "at", "unknown"]
TEXTS = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.sampled_from(["demo", "path", "error", "spread", "four", "truth", "std", "2004-07", "2004-13", "yes", "10,20",
                     "91,0", "../../etc", "<script>", "Kuroshio", "nan", "0.25", "training"]),
    st.text(max_size=12),
)  # fmt: skip
MONTHS = tuple(f"{year}-{month:02d}-01" for year in (2003, 2004) for month in range(1, 13))


def assert_valid(model: ReconstructModel) -> None:
    """Everything that the state selects exists."""
    assert model.kind in model.kinds
    assert model.left in model.layers
    assert model.right in model.layers
    assert 0 <= model.hidden_percent <= 60
    assert 1 <= model.day <= 31
    assert abs(model.place[0]) <= 90
    assert model.months[min(model.month, len(model.months) - 1)]
    model.case()


@given(st.dictionaries(st.sampled_from(KEYS), TEXTS), st.integers(1, 24), st.sampled_from([ALL_LAYERS, ALL_LAYERS[:3]]))
def test_any_address_gives_a_valid_state(query: dict[str, str], num_months: int, offered: tuple[str, ...]) -> None:
    model = ReconstructModel(query)
    assert_valid(model)
    model.take_months(MONTHS[:num_months], MONTHS[0])
    assert_valid(model)
    model.offered = offered
    assert_valid(model)
    assert ReconstructModel(model.address).address == model.address


def test_an_address_is_restored_and_invalid_keys_are_reported() -> None:
    maps = {"kind": "error", "left": "error_mean", "right": "error", "month": "2004-07", "place": "35,-60"}
    model = ReconstructModel({"run": "20260101-000000-00", "src": "demo", "step": "2", "years": "4", **maps})
    model.take_months(MONTHS, MONTHS[0])
    assert not model.notes
    assert model.year_month == (2004, 7)
    assert model.shown == ("error_mean", "error")
    assert model.case().source == SourceChoice(step_deg=2.0, years=4)
    hostile = ReconstructModel({"run": "../..", "month": "2004-7", "kind": "x", "place": "91,0"})
    assert len(hostile.notes) == 4
    assert hostile.run == PRETRAINED


def test_the_quality_of_a_file_travels_in_the_address() -> None:
    for typed, quality in (("all", "all"), ("3", 3)):
        model = ReconstructModel({"src": "path", "path": "sst.nc", "quality": typed})
        assert model.choice == SourceChoice("path", path="sst.nc", quality=quality)
        assert model.case().source.quality == quality
        assert model.address["quality"] == typed
        assert not model.notes
    model = ReconstructModel({"src": "path", "path": "sst.nc", "quality": "fine"})
    assert model.choice == SourceChoice("path", path="sst.nc")
    assert model.notes == ["quality=fine in the address is not a choice here"]
    assert "quality" not in model.address


def test_a_missing_month_becomes_the_nearest() -> None:
    model = ReconstructModel({"month": "1999-03"})
    model.take_months(MONTHS, "2004-07-01")
    assert model.iso == "2003-01-01"
    assert "1999-03 is no month" in model.notes[0]


def test_missing_layers_are_not_shown() -> None:
    model = ReconstructModel({"kind": "error"})
    model.offered = ("day", "observed", "reconstruction")
    assert model.kind == "temperature"
    assert model.kinds == ("temperature",)
    assert model.shown == ("observed", "reconstruction")
    model.panes = "four"
    assert model.shown == ("day", "observed", "reconstruction")
    assert set(LAYER_KINDS) == {"temperature", "difference", "error", "spread"}


def test_clouds_are_of_the_day_or_of_all_days_and_of_the_shown_month_only() -> None:
    model = ReconstructModel({"month": "2004-07", "day": "9"})
    model.take_months(MONTHS, MONTHS[0])
    model.draw_cloud(((0.0, 10.0),), 600.0)
    model.all_days = False
    model.draw_cloud(((1.0, 11.0),), 600.0)
    assert [cloud.day for cloud in model.case().clouds] == [0, model.day]
    assert model.case("2004-08-01").clouds == ()
    assert model.case(with_clouds=False).clouds == ()


def scores_of(model: float, best: float, **changes: Any) -> ModelScores:
    errors = {"model": model, "mean": 0.3, "climatology": best}
    rows = {
        name: {"class": {"never": {"area": 0.2}}, "surface": {"sea": {"mae": error}}} for name, error in errors.items()
    }
    values = {
        "table": rows, "verdict": verdict(rows), "num_cells": 1200, "num_months": 1, "error_kelvin": errors,
        "withheld_only": False, "region": "World", "requests": (), "model_key": "weights",
    }  # fmt: skip
    return ModelScores(**{**values, **changes})


def test_the_verdict_is_the_engines_in_its_colour() -> None:
    lower, higher = scores_of(0.2, 0.25), scores_of(0.28, 0.25)
    html = text.verdict(lower, "2004-07-01", "Kuroshio")
    for part in ("July 2004", "Kuroshio", lower.verdict.headline, "--h-success", "20 % of their area"):
        assert part in html
    assert "--h-error" in text.verdict(higher, "2004-07-01", "World"), "it is better than the mean, which is not enough"
    assert "withheld" in text.verdict(scores_of(0.2, 0.25, withheld_only=True), "2004-07-01", "World")
    year = scores_of(0.24, 0.25, num_months=12)
    assert "The 12 months of this year:" in text.detail(year, 12)
    assert "The 12 months of this year computed so far:" in text.detail(year, 24)
    assert year.verdict.headline in text.detail(year, 12)
    assert "follows" in text.detail(None, 12)
    assert higher.verdict.headline in text.on_test(higher.verdict)
    assert text.on_test(None) == ""


def test_only_months_under_the_same_choices_are_scored_together() -> None:
    """Months computed without withheld days stayed among those computed with 30 % withheld."""
    stage = SimpleNamespace(show_readout=lambda _: None)
    panel = VerdictPanel(ReconstructModel({}), stage, lambda: None, lambda: None, lambda: False)  # type: ignore[arg-type]

    def month(number: int, hidden_percent: int, year: int = 2001, key: str = "weights") -> Any:
        request = MonthRequest(year=year, month=number, hidden_percent=hidden_percent)
        return SimpleNamespace(request=request, model_key=key)

    panel._year = [month(1, 0), month(2, 0), month(2, 30), month(3, 30), month(3, 30), month(4, 30, 2002)]
    assert [each.request.month for each in panel.months_with(month(1, 30))] == [1, 2, 3]
    assert [each.request.month for each in panel.months_with(month(5, 0))] == [1, 2, 5]
    assert len(panel.months_with(month(5, 10))) == 1
    assert len(panel.months_with(month(1, 30, key="weights of a later epoch"))) == 1


def test_an_address_of_the_history_resets_what_it_leaves_out_and_a_partial_one_does_not() -> None:
    """Back to the view without withheld days showed 30 % withheld, and wrote that into the old entry."""
    model = ReconstructModel({"month": "2004-07"})
    model.take_months(MONTHS, MONTHS[0])
    whole = dict(model.address)
    model.param.update(hidden_percent=30, resample="yes", colours=colours_of("error:view"))
    model.restore({"month": "2004-08"})
    assert (model.hidden_percent, model.resample) == (30, "yes")
    assert model.colours
    model.restore(whole, is_whole=True)
    assert (model.hidden_percent, model.resample, model.colours) == (0, "no", {})
    assert model.address == whole


def test_the_best_baseline_of_another_model_is_forgotten() -> None:
    """A model without that baseline could not be drawn."""
    stage = SimpleNamespace(show_readout=lambda _: None)
    panel = VerdictPanel(ReconstructModel({}), stage, lambda: None, lambda: None, lambda: False)  # type: ignore[arg-type]
    panel.best = "dineof"
    panel.forget_year()
    assert panel.best == "climatology"


def test_a_month_has_no_day_beyond_its_last() -> None:
    june = SimpleNamespace(num_days=30, request=MonthRequest(year=2001, month=6))
    assert text.layer("day", june, 31, "mean") == "Observed on 30 June"  # type: ignore[arg-type]


def test_external_text_is_escaped() -> None:
    assert "<script" not in text.failure(ValueError("<script>alert(1)</script>"))


def test_a_place_has_its_observed_days() -> None:
    days = np.array([np.nan, 20.0, 21.0], np.float32)
    cell = CellDetail(
        10.0, -20.0, days, days * np.nan, np.array([0, 0.4, 0.6], np.float32), {"model": 20.5}, 0.1, 20.4, False, False
    )
    assert "observed on 2 of 3 days" in text.anatomy(cell, "2004-07-01")[0][0]
    assert text.anatomy_rows(cell, {"model": "Model"})[-1] == ("Model", "20.50 ± 0.16 °C (+0.10)")
    blank = np.full(3, np.nan, np.float32)
    unseen = CellDetail(10.0, -20.0, blank, blank, np.zeros(3, np.float32), {"model": 20.5}, None, None, False, False)
    assert "uses more distant cells" in text.anatomy(unseen, "2004-07-01")[0][0]
    assert "the map shows the climatology" in text.anatomy(replace(unseen, is_climatology=True), "2004-07-01")[0][0]


def test_an_epoch_has_its_error() -> None:
    field = np.zeros((2, 2), np.float32)
    lat = np.array([0.0, 1.0])
    snapshot = Snapshot(3, lat, lat, field, field, field, None, 0.2, 0.25)
    html = text.epoch(snapshot, 3, True)
    assert "epoch 3" in html
    assert "20 % lower error" in html
    assert "runs" in html


@pytest.mark.parametrize("truth", [None, 20.5])
def test_figures_are_drawn_from_plain_arrays(truth: float | None) -> None:
    hv.extension("bokeh")
    days = np.array([np.nan, 20.0, 21.0])
    levels = {"model": 20.5, "baseline": np.nan, "mean": 20.4}
    assert figures.anatomy(days, days * np.nan, np.array([0, 0.4, 0.6]), levels, 0.2, truth)
    quantiles = np.abs(np.sort(np.random.default_rng(0).normal(size=(3, 5)), axis=1))
    assert figures.errors_by_observations(np.arange(3), quantiles, quantiles)
    errors = {name: {"a": 1.0, "b": 2.0} for name in ("model", "baseline", "mean")}
    assert figures.by_label(errors, ["a", "b"], "")
    power = np.geomspace(1, 1e-3, 20)
    assert figures.spectrum(power, power, power, 9)
    assert figures.histogram(np.linspace(-1, 1, 11), np.full(10, 0.1), np.full(10, 0.1))
    assert figures.reliability({"50": 0.48, "90": 0.92})


@pytest.mark.parametrize(
    ("share", "clouds", "expected"),
    [
        (0.0, (), []),
        (1.0, (), [text.NO_OBSERVATION]),
        (1.0, ("a cloud",), [text.EVERYTHING_HIDDEN]),
        (0.25, (), ["For about 25 % of the sea no observation is near enough: the map shows the climatology there."]),
        (0.001, (), ["For about 1 % of the sea no observation is near enough: the map shows the climatology there."]),
    ],
)
def test_the_page_says_where_the_map_is_the_climatology(
    share: float, clouds: tuple[str, ...], expected: list[str]
) -> None:
    month: Any = SimpleNamespace(climatology_share=share, request=SimpleNamespace(clouds=clouds), variable=SST)
    assert text.fallback(month) == expected


@pytest.mark.parametrize("is_stale", [False, True])
def test_the_pin_stays_in_the_region_also_while_a_month_is_computed(is_stale: bool, monkeypatch) -> None:
    region = LatLonGrid(np.arange(40.0, 60.0), np.arange(10.0, 30.0))
    monkeypatch.setattr(places, "source", lambda choice: SimpleNamespace(grid=region))
    model = ReconstructModel({"place": "50,20"})
    shown = maps.Maps(Session(), model, lambda: None)
    shown.source, shown.is_stale = model.choice, is_stale
    shown._clicked({"lat": 0.0, "lon": 20.0})
    assert model.place == (50.0, 20.0)
    assert [(pin["lat"], pin["lon"]) for pin in shown.stage.globe.markers] == [(50.0, 20.0)]
    shown._clicked({"lat": 41.0, "lon": 11.0})
    assert model.place == (41.0, 11.0)
    shown.source = None  # being opened: the place is moved into its region afterwards
    shown._clicked({"lat": 0.0, "lon": 20.0})
    assert model.place == (0.0, 20.0)


@pytest.mark.parametrize(("is_live", "expected"), [(True, "epoch 2</b> of 5 so far."), (False, "epoch 2</b> of 5.")])
def test_what_has_ended_is_not_so_far(is_live: bool, expected: str) -> None:
    zeros = np.zeros((2, 2), np.float32)
    snapshot = Snapshot(2, np.arange(2.0), np.arange(2.0), zeros, zeros, zeros, None, 0.3, 0.4)
    assert expected in text.epoch(snapshot, 5, is_live)
