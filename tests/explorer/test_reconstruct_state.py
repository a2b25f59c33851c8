"""Whatever is done on the Reconstruct page in whatever order: what stands on screen is true of the selection.

A state machine selects, paints and cancels while computations finish late or fail, and compares all that is shown
without a veil with what the same functions give for the selection alone.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.errors import DataError, StoreError
from engine.queries import reconstruct
from engine.queries.ocean import SST, SourceChoice
from engine.queries.reconstruct import PRETRAINED, CellDetail, MonthRequest, MonthResult, Snapshot
from engine.queries.reconstruct.estimates import Estimates
from explorer import deck, stage, tabs
from explorer.colours import ColourChoice
from explorer.pages.reconstruct import remedy_card, snapshots, text, verdict_panel, view
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.pages.reconstruct.view import ReconstructView
from explorer.session import Session
from explorer.widgets.globe import Globe
from explorer.widgets.packets import Axes, pack_field, pack_mask
from explorer.widgets.text import readout_html
from tests.support.held_tasks import HeldTask, StillTimer, held_tasks
from tests.support.months import GRID, LAND, months_of

RUN, BROKEN = "20260101-000000-0000000000", "20260101-000000-ffffffffff"
SCORED, UNSCORED = SourceChoice(step_deg=2.0, years=1), SourceChoice(step_deg=2.0, seed=1, years=1)
MONTHS = {SCORED: ("2001-11-01", "2001-12-01", "2002-01-01", "2002-02-01"), UNSCORED: ("2001-12-01", "2002-01-01")}
PLACES = ((40.0, -150.0), (-10.0, 100.0))
REGIONS = ("World", "Tropics")
COLOURS = (ColourChoice(), ColourChoice("typed", -1.0, 2.5), ColourChoice("view", is_reversed=True))
PENDING = ("being computed", "being scored", "no result", "cancelled")


@cache
def result_of(request: MonthRequest) -> MonthResult:
    """A result whose every number follows from the request; without a truth where nothing can be scored."""
    seed = zlib.crc32(repr(request).encode())
    rng = np.random.default_rng(seed)
    months = months_of(1, seed % 1000, clear=(0.05, 0.3))
    first = slice(request.month - 1, request.month)
    fields = {name: getattr(months, name)[first] for name in ("daily", "padded", "phases", "ice", "years", "months")}
    target = months.target[first] if request.source == SCORED or request.hidden_percent else None
    fields["ice"][:, -1] = request.source == SCORED
    data = replace(months, target=target, key=str(seed), **fields)
    truth = months.target[first][0]
    noise = {"model": 0.3, "mean": 0.5, "climatology": 0.7, "climatology_anomaly": 0.6}
    count = np.isfinite(data.daily[0]).sum(axis=0)
    hidden = np.zeros(GRID.shape, bool)
    for cloud in request.clouds:
        hidden |= reconstruct.months.cloud_mask(cloud, GRID) & ~LAND
    return MonthResult(
        request=request,
        model_key="weights",
        data=data,
        observed=(truth + 0.5 * rng.normal(size=GRID.shape)).astype(np.float32),
        count=count,
        withheld=np.full(GRID.shape, 2 if request.hidden_percent else 0),
        estimates=Estimates(
            {name: (truth + size * rng.normal(size=GRID.shape)).astype(np.float32) for name, size in noise.items()},
            tuple(noise),
            dict,
        ),
        titles={name: name.capitalize() for name in noise},
        std=None,
        climatology=truth,
        is_climatology=np.zeros(GRID.shape, bool),
        ice=data.ice[0] > 0,
        hidden=hidden,
        in_stripes=False,
        knows_truth=request.source == SCORED,
    )


def cell_of(request: MonthRequest, place: tuple[float, float], _: object = None) -> CellDetail:
    month = result_of(request)
    row, column = GRID.nearest_cell(*place)
    estimates = {name: float(field[row, column]) for name, field in month.estimates.items()}
    days = month.data.daily[0, :, row, column]
    return CellDetail(*place, days, days * np.nan, np.full(31, 1 / 31, np.float32), estimates, None, 1.0, False, False)


score_months = cache(lambda months, region: REAL_SCORES([result_of(request) for request in months], region))
REAL_SCORES = reconstruct.score_months


def scores_of(months: Any, region: str) -> Any:
    return score_months(tuple(month.request for month in months), region)


BANDS = np.ones((2, 5))


def snapshot_of(epoch: int) -> Snapshot:
    fields = [np.full(GRID.shape, epoch + offset, np.float32) for offset in (0.0, 0.5, 0.25)]
    return Snapshot(epoch, GRID.lat, GRID.lon, *fields, None, 0.25, 0.5)


SNAPSHOTS = {epoch: snapshot_of(epoch) for epoch in (1, 2)}


def card_of(run: str) -> Any:
    if run == BROKEN:
        raise StoreError("there is no model of this run", run, "choose another")
    return SimpleNamespace(
        variable=SST,
        key=run,
        grid=GRID,
        learned=("1990-01", "1991-12"),
        source="A",
        test=("2002-02", "2002-12"),
        has_baselines=True,
    )


FAKES = {
    "model_card": card_of,
    "months_of": lambda choice: MONTHS[choice],
    "source_of": lambda run: SCORED if run == PRETRAINED else UNSCORED,
    "source_differences": lambda run, choice: ("differ",) if choice != FAKES["source_of"](run) else (),
    "needs_resampling": lambda run, choice: choice != FAKES["source_of"](run),
    "is_trained_on": lambda *_: False,
    "has_model": lambda run: run != BROKEN,
    "snapshot_epochs": lambda run: (1, 2) if run == RUN else (),
    "snapshot": lambda _, epoch: SNAPSHOTS[epoch],
    "remedies": lambda run, choice: ("own source", "train", "demo"),
    "reconstruct_month": lambda request, _: result_of(request),
    "score_months": scores_of,
    "errors_within": lambda *_: None,
    "largest_errors": lambda *_: [],
    "cell_detail": cell_of,
    "errors_by_observations": lambda *_: SimpleNamespace(count=np.arange(2), model=BANDS, baseline=BANDS),
}


@pytest.fixture(autouse=True, scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[HeldTask]]:
    held = held_tasks()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_HOME", str(tmp_path_factory.mktemp("home")))
        for module in (view, verdict_panel, remedy_card, tabs, snapshots, stage):
            patched.setattr(module, "LatestTask", held)
        patched.setattr(deck, "LatestTask", AtOnce)
        patched.setattr(Globe, "send_card", note_card)
        patched.setattr(snapshots, "PeriodicTask", StillTimer)
        for name, fake in FAKES.items():
            patched.setattr(reconstruct, name, fake)
        PageMachine.tasks = held
        yield held


CARDS: dict[tuple[int, str, int], dict[str, Any]] = {}
"""What the browser holds: cards by globe, deck and index."""


def note_card(globe: Globe, **card: Any) -> None:
    CARDS[id(globe), card["deck"], card["index"]] = card


class AtOnce:
    """Work for the browser's decks, which nothing on the server's side waits for, is done when it is asked for."""

    running = False

    def __init__(self, *_: object) -> None: ...

    def start(self, work: Any, then: Any) -> None:
        then(work(lambda *_: None))

    def cancel(self) -> None: ...


class PageMachine(RuleBasedStateMachine):
    """One page, whose computations end when the machine says so."""

    tasks: type[HeldTask]

    @initialize()
    def open_the_page(self) -> None:
        self.tasks.created.clear()
        CARDS.clear()
        self.session = Session()
        self.files: list[tuple[str, bytes]] = []
        self.model = ReconstructModel({}, choice=SCORED)
        self.page = ReconstructView(self.session, self.model, True)
        self.page.maps.stage.download.offer = lambda name, content: self.files.append((name, content))

    # what a person does

    @rule(run=st.sampled_from([PRETRAINED, RUN, BROKEN]))
    def choose_a_model(self, run: str) -> None:
        self.model.run = run

    @rule(choice=st.sampled_from([SCORED, UNSCORED]))
    def choose_a_source(self, choice: SourceChoice) -> None:
        self.session.source = choice

    @rule()
    def use_the_models_own_source(self) -> None:
        self.page._open(own_source=True)

    @rule(resample=st.sampled_from(["yes", "as-is"]))
    def decide_about_the_grid(self, resample: str) -> None:
        self.model.resample = resample

    @rule(month=st.integers(0, 3))
    def drag_the_month(self, month: int) -> None:
        self.page._bar.serial += 1
        self.model.month = min(month, len(self.model.months) - 1)

    @rule()
    def let_the_browser_ask_for_months(self) -> None:
        for globe in self.page.maps.globes:
            if globe.deck:
                cards = list(range(globe.deck["count"]))
                globe.wish = {"deck": globe.deck["name"], "cards": cards, "held": [], "received": 0}

    @rule(percent=st.sampled_from([0, 20, 30]))
    def type_a_share(self, percent: int) -> None:
        self.model.hidden_percent = percent

    @rule(place=st.sampled_from(PLACES))
    def paint(self, place: tuple[float, float]) -> None:
        self.model.draw_cloud((place,), 900.0)

    @rule()
    def remove_the_clouds(self) -> None:
        self.model.clouds = ()

    @rule(region=st.sampled_from(REGIONS))
    def choose_a_region(self, region: str) -> None:
        self.model.region = region

    @rule(kind=st.sampled_from(["temperature", "error"]), panes=st.sampled_from(["one", "swipe", "row", "four"]))
    def choose_maps(self, kind: str, panes: str) -> None:
        self.model.param.update(kind=kind, panes=panes)

    @rule(side=st.sampled_from(["left", "right", "third"]), data=st.data())
    def choose_a_layer(self, side: str, data: st.DataObject) -> None:
        setattr(self.model, side, data.draw(st.sampled_from(self.model.offered)))

    @rule(kind=st.sampled_from(["temperature", "difference", "error"]), choice=st.sampled_from(COLOURS))
    def choose_colours(self, kind: str, choice: ColourChoice) -> None:
        self.model.colours = {**self.model.colours, kind: choice}

    @rule(panel=st.sampled_from(["scores", "place", "failures", "training"]), place=st.sampled_from(PLACES))
    def choose_a_tab(self, panel: str, place: tuple[float, float]) -> None:
        self.model.param.update(panel=panel, place=place)

    @precondition(lambda self: self.model.film or self.page.film.is_available)
    @rule()
    def switch_the_training(self) -> None:
        self.model.film = not self.model.film

    @rule()
    def cancel(self) -> None:
        self.page._abandon()

    @rule()
    def export_scores(self) -> None:
        self.files.clear()
        self.page.files.offer_scores()
        if self.page.maps.stage.filing.running:
            self.page.maps.stage.filing.finish()
        for name, content in self.files:
            assert name == f"scores-{self.model.iso[:7]}.csv"
            assert content == reconstruct.scores_csv(self.expected_scores()[: len(self.page.verdict.verdicts)])

    # what the machine does

    def running(self) -> list[HeldTask]:
        return [task for task in self.tasks.created if task.running]

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.running())).finish()

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.running())).finish(DataError("the disk is gone", "sst.nc", "plug it in"))

    @rule()
    def settle(self) -> None:
        """Once nothing is under way, every part shows the selection, or says why not."""
        for _ in range(60):
            if not self.running():
                break
            self.running()[0].finish()
        assert not self.session.busy
        if self.model.film:
            assert not self.page.maps.is_stale
            return
        shown = self.page.current is not None
        assert shown or self.buttons_below_the_maps(), "no way out of a missing result"
        assert shown != self.page.maps.is_stale
        was_scored = shown and self.page._reason != text.NOT_SCORED
        assert was_scored == (self.page.verdict.key == self.model.key)
        assert not self.page.panel.is_stale

    # what may stand on screen

    def expected_scores(self) -> list[tuple[str, Any]]:
        """The scores of the month and of its year, whose months are two, all for the selection."""
        model, plain = self.model, self.model.case(with_clouds=False)
        isos = [iso for iso in MONTHS[model.choice] if iso[:4] == model.iso[:4]]
        year = [result_of(replace(plain, month=int(iso[5:7]))) for iso in isos]
        month = scores_of([result_of(model.case())], model.region)
        return [(model.iso[:7], month), (f"{len(year)} months", scores_of(year, model.region))]

    @invariant()
    def maps_are_of_the_selection(self) -> None:
        maps, model = self.page.maps, self.model
        if maps.is_stale and maps.decks.has_selection(self.page._weights):
            assert self.cards_of_the_month() == self.contents_of_the_month()
            return
        if maps.is_stale:
            assert not any(caption.object for caption in maps._captions)
            assert all(
                "stale" in control.legend.css_classes or not control.legend.visible for control in maps._controls
            )
            assert all("stale" in globe.css_classes or not globe.field for globe in maps.globes)
            return
        axes = Axes.of(GRID.lat, GRID.lon)
        self.colours_are_of_the_selection()
        if model.film:
            held = [snapshots.snapshot_layers(snapshot, model.shown) for snapshot in SNAPSHOTS.values()]
            drawn = [[content_of(pack_field(field, axes)) for field in layers.values()] for layers in held]
            assert [content_of(packet) for packet in self.packets_on_screen()] in drawn
            return
        month = result_of(model.case())
        fields = [reconstruct.layer(month, name, day=model.day, best=self.page.verdict.best) for name in model.shown]
        first = maps.globes[0]
        for field, packet in zip(
            dict(zip(model.shown, fields, strict=True)).values(), self.packets_on_screen(), strict=True
        ):
            assert content_of(packet) == content_of(pack_field(field, axes))
        outline = pack_mask(month.hidden, axes) if month.hidden.any() else b""
        assert first.domain == outline
        assert first.hatched == (pack_mask(month.ice & ~LAND, axes) if month.ice.any() else b"")
        assert "stale" not in first.css_classes

    def contents_of_the_month(self) -> list[Any]:
        """The layers on screen, each once, of the selected month."""
        month, axes = result_of(self.model.case()), Axes.of(GRID.lat, GRID.lon)
        return [
            content_of(pack_field(reconstruct.layer(month, name), axes)) for name in dict.fromkeys(self.model.shown)
        ]

    def cards_of_the_month(self) -> list[Any]:
        """What the browser draws of it while the server follows, on maps that are not veiled."""
        shown = [globe for globe in self.page.maps.globes if globe.deck]
        assert not any("stale" in globe.css_classes for globe in shown)
        cards = [CARDS[id(globe), globe.deck["name"], self.model.month] for globe in shown]
        return [content_of(card[side]) for card in cards for side in ("field", "field_b") if card[side]]

    def packets_on_screen(self) -> list[bytes]:
        """The fields of all visible panes."""
        globes = self.page.maps.globes
        shown = [globe for globe in globes if globe.styles.get("display", "") != "none"]
        sides = ("field", "field_b")
        return [drawn_of(globe, side) for globe in shown for side in sides if getattr(globe, side)]

    def colours_are_of_the_selection(self) -> None:
        """Each pane has the range of the legend that belongs to it, and each legend is that of its pane's quantity."""
        maps = self.page.maps
        scales = [(globe.vmin, globe.vmax, globe.colormap) for globe in maps.globes[: len(maps.captions)]]
        if self.model.panes == "swipe" and not maps.is_shared:
            first = maps.globes[0]
            scales.append((first.vmin_b, first.vmax_b, first.colormap_b))
        legends = maps.legends * (len(scales) if maps.is_shared else 1)
        assert scales == [(legend.vmin, legend.vmax, legend.colormap) for legend in legends]
        assert all(legend.visible for legend in legends)
        assert maps.stage.bar.visible == maps.is_shared
        for legend, scale in zip(legends, maps._scales, strict=False):
            assert (legend.label, legend.units) == (scale.label, scale.units)
            chosen = self.model.colours.get(scale.quantity)
            if chosen is not None and chosen.range == "typed":
                assert (legend.vmin, legend.vmax) == (chosen.low, chosen.high)

    @invariant()
    def scores_are_of_the_selection(self) -> None:
        verdict, shown = self.page.verdict, str(self.page.verdict.part.object)
        is_pending = any(sentence in shown for sentence in PENDING)
        assert self.model.film or is_pending == (verdict.key is None), shown
        if verdict.key is not None:
            assert verdict.key == self.model.key
        if verdict.now is not None:
            expected = self.expected_scores()
            for (period, scores), (wanted, right) in zip(verdict.verdicts, expected, strict=False):
                assert (period, scores.error_kelvin, scores.best) == (wanted, right.error_kelvin, right.best)
            assert verdict.verdicts[0][1] is verdict.now
            assert verdict.best == verdict.now.best
            assert self.model.film or f"{verdict.now.error_kelvin['model']:.3f} K" in shown

    @invariant()
    def the_read_out_is_of_the_selection(self) -> None:
        shown = self.page.maps.stage.readout.object
        if shown not in ("", readout_html([])):
            assert not self.model.film
            assert shown == readout_html(text.read_out(result_of(self.model.case())))

    @invariant()
    def the_tab_is_of_the_selection(self) -> None:
        panel, model = self.page.panel, self.model
        if panel.is_stale or model.film or model.panel != "place" or self.page._reason:
            return
        assert panel.anatomy is not None
        assert panel.anatomy.estimates == cell_of(model.case(), model.place).estimates

    def buttons_below_the_maps(self) -> list[str]:
        card = self.page._remedies.part
        return [] if card.styles["display"] == "none" else [button.label for button in card]

    @invariant()
    def buttons_below_the_maps_are_of_the_selection(self) -> None:
        for label in self.buttons_below_the_maps():
            month, names = self.page.current, {label: name for name, label in text.REMEDIES.items()}
            if names[label] == "withhold":
                assert month is not None
                assert month.truth is None
            elif names[label] == "score":
                assert month is not None
                assert self.page._reason == text.NOT_SCORED
            elif names[label] == "world":
                assert self.model.region != "World"
            else:
                assert month is None

    @invariant()
    def something_moves_or_says_why_not(self) -> None:
        if self.page.current is None or self.page.verdict.key is None:
            assert self.session.busy or self.page._reason or self.model.film
        else:
            assert not self.page.maps.stage._failure.visible


def test_a_month_that_the_browser_has_is_not_veiled_and_another_selection_is() -> None:
    machine = PageMachine()
    machine.open_the_page()
    machine.settle()
    machine.let_the_browser_ask_for_months()
    maps, first = machine.page.maps, machine.model.month
    machine.drag_the_month(first - 1 if first else 1)
    assert maps.is_stale, "its scores are not there yet"
    assert "stale" not in maps.globes[0].css_classes
    machine.maps_are_of_the_selection()
    machine.type_a_share(20)
    assert "stale" in maps.globes[0].css_classes
    machine.maps_are_of_the_selection()


def drawn_of(globe: Globe, side: str) -> bytes:
    """A field of the globe, or that of the card which the browser draws in its place."""
    packet = getattr(globe, side)
    (length,) = struct.unpack_from("<I", packet)
    header = json.loads(packet[4 : 4 + length])
    if header["kind"] != "card":
        return packet
    assert header["deck"] == globe.deck["name"], "the browser holds the cards of one deck"
    return CARDS[id(globe), header["deck"], header["index"]][side]


_NAMES = {"key", "serial", "index", "deck"}


def content_of(packet: bytes) -> tuple[dict[str, Any], bytes]:
    """A packet's header without its key and the choice that it answers, and its payload."""
    (length,) = struct.unpack_from("<I", packet)
    header = json.loads(packet[4 : 4 + length])
    return {name: value for name, value in header.items() if name not in _NAMES}, packet[4 + length :]


TestPage = PageMachine.TestCase
TestPage.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
