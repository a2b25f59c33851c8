"""The Learned table page's view: follows the run of the choice and draws its fields, errors and close-ups."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import xarray as xr

from engine.errors import EngineError
from engine.queries import run_exports, table
from engine.queries.scales import limits_of as own_limits
from engine.queries.table import BaselineScore, TableFields
from engine.runs import ACTIVE, Run, RunConfig
from explorer.background import Debouncer, LatestTask, PeriodicTask, unseen
from explorer.pages.table import text
from explorer.pages.table.drawer import drawer
from explorer.pages.table.model import BOTH, LEARNED, SYNTHETIC, TOPOLOGIES, TRUE, TableModel
from explorer.pages.table.panels import TablePanel, TableState, limits_of
from explorer.registry import REGISTRY
from explorer.run_card import Offer, RunCard
from explorer.session import PageView, Query, Session
from explorer.stage import Stage
from explorer.widgets.legend import Scale
from explorer.widgets.packets import Axes, pack_field

Content = TypeVar("Content")

_PREVIEW = {
    "force": (180, 90),
    "smooth": (180, 90),
    "august": (360, 180),
}  # columns and rows of the true field before there is a run
_CHOICE = [
    "target", "width", "height", "padding", "topology", "sample_percent", "iterations", "learning_rate",
]  # fmt: skip


def build(session: Session, query: Query) -> PageView:
    """The page for one session, as its address describes it."""
    return TableView(session, TableModel(query)).view


class TableRun:
    """A run with the results read so far."""

    def __init__(self, run: Run) -> None:
        self.folder = run.folder
        self.config = run.config
        self.metrics = run.metrics()
        self.fields: TableFields | None = None
        self.baseline: BaselineScore | None = None

    def read_fields(self) -> TableFields:
        """The fields of the latest snapshot; called off the event loop."""
        latest = table.latest_snapshot(self.folder)
        if self.fields is None or latest != self.fields.iteration:
            self.fields = table.table_fields(self.folder)
        return self.fields

    @property
    def last(self) -> dict[str, float]:
        """The latest value of every metric."""
        return dict(self.metrics.columns.last)


class TableView:
    """Finds the run with the settings of the choice, and reads it off the event loop while it runs."""

    def __init__(self, session: Session, model: TableModel) -> None:
        self.session = session
        self.model = model
        self._runs: dict[tuple[str, str], TableRun] = {}  # by field and topology
        self._is_over = False
        self._states: dict[tuple[str, str], str] = {}
        self._num_missing = 0
        self._stamp: object = None
        self._shown: TableState | None = None
        self._choice = Debouncer(self._find, 60)
        self._updates = PeriodicTask(self._read)
        self._reading = LatestTask(unseen, self._show_failure)
        self._baseline_task = LatestTask(unseen, self._show_failure)
        self.run = RunCard(session, REGISTRY, "The training", "Train", "Stop")
        overlays = (self.run.card,)
        self.stage = Stage(session, model, "the learned field", self._reading.cancel, overlays, blocks=True)
        self.panel = TablePanel(model, self._train_all, self._show_failure)
        files = {
            "Picture, PNG": lambda: self.stage.save_picture(self._stem(), self._learned(run_exports.learned_origin)),
            "Learned field, NetCDF": self._offer_field,
            "Losses, CSV": self._offer_losses,
            "Choices, JSON": self._offer_choices,
        }
        self.view = self.stage.page_view(drawer(model, self.stage.globe), [*self.panel.parts], files)
        REGISTRY.subscribe(lambda _: self._find())
        model.param.watch(lambda *_: self._choice.soon(), _CHOICE)
        model.param.watch(lambda *_: self._draw_globe(), ["show", "component"])
        self._find()

    # the run of the choice

    def _find(self) -> None:
        """Find the run of the choice and those of the other topologies, and follow them."""
        self.stage.clear_failure()
        chosen = self.model.target, self.model.topology
        offers = self._offers()
        records = {key: self.run.find(offer.config) for key, offer in offers.items()}
        record = records[chosen]
        if record is not None and record.state == "done":
            self.run.hide()
        else:
            self.run.show(offers[chosen], record)
        try:
            known = {run.folder.name: run for run in self._runs.values()}
            self._runs = {
                key: known.get(record.id) or TableRun(REGISTRY.store.get(record.id))
                for key, record in records.items()
                if record is not None
            }
        except EngineError as error:
            self._show_failure(error)
        if REGISTRY.problem:
            self.stage.show_failure("The runs cannot be read", REGISTRY.problem)
        self._is_over = record is not None and record.state == "done"
        self._states = {key: record.state for key, record in records.items() if record is not None}
        self._num_missing = sum(record is None for record in records.values())
        self._updates.turn(any(record is not None and record.state in ACTIVE for record in records.values()))
        self._read()

    def _offers(self) -> dict[tuple[str, str], Offer]:
        """The trainings of the choice with every topology, on every field that is compared."""
        return {
            (target, topology): self._offer_run(topology, target)
            for target in self.model.compared
            for topology in TOPOLOGIES
        }

    def _offer_run(self, topology: str, target: str) -> Offer:
        """The training of the choice with this topology on this field."""
        model = self.model
        settings = model.settings_with(topology, target)
        name = f"Table {settings.width} × {settings.height}, {settings.topology}, {text.NAMES[settings.target]}"
        invitation = text.invitation(target, model.sample_percent, model.iterations, model.seconds)
        return Offer(RunConfig(settings=settings), name, invitation)

    def _train_all(self) -> None:
        """Start the missing trainings of all topologies."""
        self.run.launch_missing(list(self._offers().values()))

    def _read(self) -> None:
        """Read the runs in the background; the result is drawn if the choice is still the same."""
        if self._reading.running:
            return
        target, runs, is_over, missing, _ = selection = self._selection
        chosen = target, self.model.topology
        run = runs.get(chosen)
        compared = self.model.compared

        def work(_: object) -> TableState:
            for item in runs.values():
                item.metrics.poll()
            errors = {
                name: {topology: _error(runs.get((name, topology))) for topology in TOPOLOGIES} for name in compared
            }
            if run is None:
                return TableState(table.true_fields(target, *_PREVIEW[target]), errors=errors, num_missing=missing)
            fields = run.read_fields()
            losses = table.loss_curves(run.metrics)
            return TableState(fields.true, fields, losses, run.last, run.baseline, errors, is_over, missing, run.config)

        def then(shown: TableState) -> None:
            if selection == self._selection and chosen == (self.model.target, self.model.topology):
                self._show(run, shown)
            else:
                self._read()

        self._reading.start(work, then)

    @property
    def _selection(self) -> tuple[str, dict[tuple[str, str], TableRun], bool, int, dict[tuple[str, str], str]]:
        """What the next result is of."""
        return self.model.target, self._runs, self._is_over, self._num_missing, self._states

    def _show(self, run: TableRun | None, shown: TableState) -> None:
        if run is not None and run.baseline is None and not self._baseline_task.running:
            self._baseline_task.start(lambda _: table.nearest_baseline(run.folder), partial(self._take_baseline, run))
        stamp = (
            run,
            shown.iteration,
            dict(shown.last),
            shown.baseline,
            shown.errors,
            shown.is_over,
            shown.num_missing,
            self.model.settings,
        )
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self._shown = shown
        self.stage.show_readout(text.readout(shown.last, shown.baseline, shown.units) if shown.last else [])
        self._draw_globe()
        self.panel.show(shown)

    def _take_baseline(self, run: TableRun, baseline: BaselineScore) -> None:
        run.baseline = baseline
        self._read()

    # the globe

    def _draw_globe(self) -> None:
        shown, model = self._shown, self.model
        if shown is None or model.variable not in shown.true:
            return
        true = shown.true[model.variable]
        learned = None
        if shown.fields is not None and shown.fields.learned is not None:
            learned = shown.fields.learned[model.variable]
        pair = {TRUE: (true, None), LEARNED: (learned, None), BOTH: (true, learned)}[model.show]
        first, second = pair if pair[0] is not None else (true, None)
        low, high = limits_of(shown.true, model.variable)
        which = f"{model.show}-{model.topology}-{model.width}x{model.height}"
        key = f"table-{model.target}-{model.variable}-{shown.iteration}-{which}"
        packed = [b"" if field is None else _packed(field, key) for field in (first, second)]
        palette = "balance" if model.target in SYNTHETIC else "thermal"
        label = text.globe_label(model.variable, model.show, learned is not None)
        shown_fields = [field.values for field in (first, second) if field is not None]
        own = partial(own_limits, shown_fields, model.target in SYNTHETIC)
        scale = Scale(str(model.variable), palette, low, high, label, text.unit(shown.units), own)
        self.stage.globe.param.update(field=packed[0], field_b=packed[1], **self.stage.scale(scale))
        self.stage.caption(*(() if second is None else ("True", "Learned")))

    def _show_failure(self, error: Exception) -> None:
        self._shown = None
        self.stage.show_failure("This run cannot be shown", error)

    # files

    def _stem(self) -> str:
        model = self.model
        return f"table-{model.target}-{model.width}x{model.height}-{model.topology}"

    def _learned(self, content: Callable[[RunConfig, xr.Dataset, int], Content]) -> Content | None:
        """``content`` of the learned field on screen; None before there is one."""
        shown = self._shown
        if shown is None or shown.config is None or shown.fields is None:
            return None
        fields = shown.fields
        if fields.learned is None or fields.iteration is None:
            return None
        if shown.config.settings != self.model.settings:  # of the choice before, until this one is read
            return None
        return content(shown.config, fields.learned, fields.iteration)

    def _offer_field(self) -> None:
        make = self._learned(lambda *learned: partial(run_exports.learned_netcdf, *learned))
        if make is None:
            self.session.say("info", "There is no learned field yet. Train the table first.")
        else:
            self.stage.offer(f"{self._stem()}.nc", make)

    def _offer_losses(self) -> None:
        run = self._runs.get((self.model.target, self.model.topology))
        if run is None or not run.metrics.columns:
            self.session.say("info", "There are no losses yet. Train the table first.")
        else:
            config, columns = run.config, run.metrics.columns
            self.stage.offer(f"{self._stem()}-losses.csv", lambda: run_exports.metrics_csv(config, columns))

    def _offer_choices(self) -> None:
        config = self.model.config
        self.stage.offer(f"{self._stem()}.json", lambda: run_exports.config_json(config))


def _error(run: TableRun | None) -> float | None:
    """Error on the test points, None where there is no run or it has no step yet."""
    return None if run is None else run.last.get("test_l1")


def _packed(field: xr.DataArray, key: str) -> bytes:
    return pack_field(field.values, Axes.of(field["lat"].values, field["lon"].values), key)
