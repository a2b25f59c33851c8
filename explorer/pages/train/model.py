"""The Train page's view-model: the open tab, the draft, the selected runs and their curves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import param

from engine.config.legacy import current_keys
from engine.errors import ConfigError
from engine.queries.train import forms
from engine.runs import RunConfig
from explorer.page_model import PageModel, address_keys
from explorer.session import Query

NEW, RUNS, COMPARE = "new", "runs", "compare"
STEP, EPOCH, TIME = "step", "epoch", "time"
LINEAR, LOG = "linear", "log"
TASKS = ("sst", "sweep", "table", "expert", "basis", "land")
LAYERS = ("reconstruction", "error", "against", "target", "observed", "count", "std")
SMOOTHINGS = (0, 80, 97)
MOST_COMPARED = 8
MAX_EPOCH = 10_000

_MOST_ADDRESS = 1500  # characters of a draft that an address holds
_SWEPT = "space"


class TrainModel(PageModel):
    """State, and the draft: settings under edit, which may be invalid."""

    KEYS: ClassVar[dict[str, str]] = address_keys("face=tab axis scale smooth=smoothing layer epoch map=projection")
    FIRST: ClassVar[tuple[str, ...]] = ("tab",)

    # state
    tab = param.Selector(default=NEW, objects=[NEW, RUNS, COMPARE])
    run = param.String(default="", doc="id of the selected run")
    compared = param.List(default=[], doc="ids of the compared runs")
    metric = param.String(default="", doc="the metric of the curve; empty: the first")
    axis = param.Selector(default=STEP, objects=[STEP, EPOCH, TIME], doc="x axis of the curves")
    scale = param.Selector(default=LINEAR, objects=[LINEAR, LOG], doc="y axis of the curves")
    smoothing = param.Selector(default=0, objects=list(SMOOTHINGS), doc="smoothing factor of the curves, %")
    layer = param.Selector(default="error", objects=list(LAYERS), doc="layer of the snapshot on the globe")
    epoch = param.Integer(default=-1, bounds=(-1, MAX_EPOCH), doc="epoch of the snapshot; −1: the latest")
    task = param.Selector(default="sst", objects=list(TASKS), doc="of the draft")
    seed = param.Integer(default=0, bounds=(0, 2**31), doc="of the draft")
    title = param.String(default="", doc="name of the drafted run")
    values = param.Dict(default={}, doc="settings of the draft, possibly invalid")

    def __init__(self, query: Query) -> None:
        super().__init__(query, values=_demo("sst"))

    # capabilities
    def is_enabled(self, name: str) -> bool:
        """Only options of the open tab belong to the address."""
        if name in ("layer", "epoch", "projection"):
            return self.tab == RUNS
        return name == "tab" or self.tab != NEW

    def extra_names(self) -> list[str]:
        """The draft and the runs."""
        return ["run", "compared", "metric", "task", "seed", "values"]

    # derived
    def checked(self) -> RunConfig:
        """The configuration of the draft; raises :class:`ConfigError` with all problems."""
        return forms.checked_config(self.values, self.seed)

    def problems(self) -> dict[str, str]:
        """The problems of the draft, by field; empty when it can be launched."""
        try:
            self.checked()
        except ConfigError as error:
            return forms.problems_by_field(error)
        return {}

    @property
    def changes(self) -> dict[str, Any]:
        """The fields of the draft that differ from the task's demo."""
        start = dict(_flat(_demo(self.task), ""))
        return {name: value for name, value in _flat(self.values, "") if start.get(name, self) != value}

    # actions
    def set_field(self, field: str, value: Any) -> None:
        """Set one field of the draft, also to an invalid value."""
        self.values = _with(self.task, self.values, field, value)

    def set_task(self, task: str) -> None:
        """Draft another kind of run, from its demo. A sweep takes over a drafted training."""
        trained = {"sst": self.values, "sweep": self.values.get("trial")}.get(self.task)
        values = _demo(task)
        if trained and task in ("sst", "sweep"):
            values = trained if task == "sst" else {**values, "trial": trained}
        self.param.update(task=task, values=values)

    def set_preset(self, preset: Any) -> None:
        """Set the model of the draft to a preset."""
        if self.task == "sweep":
            self.set_field("trial", forms.with_preset(self.values["trial"], preset))
        else:
            self.values = forms.with_preset(self.values, preset)

    def set_training(self, name: Any) -> None:
        """Set how the draft is trained to a preset."""
        if self.task == "sweep":
            self.set_field("trial", forms.with_training(self.values["trial"], name))
        else:
            self.values = forms.with_training(self.values, name)

    def take(self, config: RunConfig, title: str = "") -> None:
        """Make a configuration the draft."""
        values = config.settings.model_dump(mode="json")
        self.param.update(task=config.task, seed=min(config.seed, 2**31), values=values, title=title)

    def toggle(self, run: str) -> bool:
        """Add a run to the compared ones or remove it; False when there are too many."""
        if run in self.compared:
            self.compared = [other for other in self.compared if other != run]
        elif len(self.compared) < MOST_COMPARED:
            self.compared = [*self.compared, run]
        else:
            return False
        return True

    # address
    def write_extra(self, address: dict[str, str]) -> None:
        """``run``, ``runs``, ``metric``; of a draft ``task``, ``seed`` and the differences to the demo."""
        if self.tab == RUNS and self.run:
            address["run"] = self.run
        if self.tab == COMPARE and self.compared:
            address["runs"] = ",".join(self.compared)
        if self.tab != NEW and self.metric:
            address["metric"] = self.metric
        if self.tab == NEW:
            changes = json.dumps(self.changes, separators=(",", ":"), ensure_ascii=False)
            address.update(task=self.task, **({"seed": str(self.seed)} if self.seed else {}))
            if 2 < len(changes) <= _MOST_ADDRESS:
                address["set"] = changes

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """The inverse of :meth:`write_extra`; an invalid draft is left out, with a note."""
        if "run" in query:
            changes["run"] = query["run"][:40]
        if "runs" in query:
            changes["compared"] = [run[:40] for run in query["runs"].split(",")[:MOST_COMPARED]]
        if "metric" in query:
            changes["metric"] = query["metric"][:60]
        task = query.get("task", self.task)
        if task not in TASKS:
            self.notes.append(f"task={task[:20]} in the address is not a choice here")
            return
        if "seed" in query:
            self._read("seed", "seed", query["seed"], changes)
        if "task" in query:
            changes["task"], changes["values"] = task, self._read_draft(task, query.get("set", "{}"))

    def _read_draft(self, task: str, text: str) -> dict[str, Any]:
        values = _demo(task)
        known = {field.name for field in forms.form_fields(task)} | {_SWEPT}
        try:
            changes = current_keys(json.loads(text))
            unknown = [name for name in changes if name not in known]
            for name in changes:
                if name in known:
                    values = _with(task, values, name, changes[name])
        except (ValueError, TypeError, RecursionError):
            self.notes.append("set in the address is no draft: a JSON object of fields and values")
            return _demo(task)
        if unknown:
            self.notes.append(f"the draft in the address has unknown fields: {', '.join(unknown)[:60]}")
        return values


def _demo(task: str) -> dict[str, Any]:
    return RunConfig.demo(task).settings.model_dump(mode="json")


def _with(task: str, values: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    """``values`` with one field changed; a field that selects others resets those."""
    tags = {other.only_if[0] for other in forms.form_fields(task) if other.only_if}
    if field in tags:
        outer, _, last = field.rpartition(".")
        default = forms.value_of(_demo(task), outer) or {}
        return forms.with_value(values, outer, default if default.get(last) == value else {last: value})
    return forms.with_value(values, field, value)


def _flat(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and name != _SWEPT:
            yield from _flat(value, f"{prefix}{name}.")
        elif prefix + name != "task" and name != "task":
            yield prefix + name, value
