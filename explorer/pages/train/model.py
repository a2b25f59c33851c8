"""The Train page's view-model: which face is open, what is being drafted, which runs are looked at and how."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import param

from engine.errors import ConfigError
from engine.queries.train import forms
from engine.runs import RunConfig
from explorer.page_model import PageModel
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
    """State, and the draft: settings under edit, which may be wrong at any moment and say so field by field."""

    KEYS: ClassVar[dict[str, str]] = {
        "face": "face",
        "axis": "axis",
        "scale": "scale",
        "smooth": "smoothing",
        "layer": "layer",
        "epoch": "epoch",
        "map": "projection",
    }
    FIRST: ClassVar[tuple[str, ...]] = ("face",)

    # state
    face = param.Selector(default=NEW, objects=[NEW, RUNS, COMPARE])
    run = param.String(default="", doc="id of the run that is looked at")
    compared = param.List(default=[], doc="ids of the runs that are compared")
    metric = param.String(default="", doc="which curve; empty: the first there is")
    axis = param.Selector(default=STEP, objects=[STEP, EPOCH, TIME], doc="what curves are drawn against")
    scale = param.Selector(default=LINEAR, objects=[LINEAR, LOG], doc="of the curves' values")
    smoothing = param.Selector(default=0, objects=list(SMOOTHINGS), doc="memory of the smoothed curves, %")
    layer = param.Selector(default="error", objects=list(LAYERS), doc="what the globe shows of a snapshot")
    epoch = param.Integer(default=-1, bounds=(-1, MAX_EPOCH), doc="which snapshot; −1: the newest")
    task = param.Selector(default="sst", objects=list(TASKS), doc="of the draft")
    seed = param.Integer(default=0, bounds=(0, 2**31), doc="of the draft")
    title = param.String(default="", doc="what the drafted run is to be called")
    values = param.Dict(default={}, doc="settings of the draft, possibly not legal")

    def __init__(self, query: Query) -> None:
        super().__init__(query, values=_demo("sst"))

    # capabilities
    def counts(self, name: str) -> bool:
        """Only what describes the open face belongs to the address."""
        if name in ("layer", "epoch", "projection"):
            return self.face == RUNS
        return name == "face" or self.face != NEW

    def extra_names(self) -> list[str]:
        """The draft and the runs, which the address holds in forms of their own."""
        return ["run", "compared", "metric", "task", "seed", "values"]

    # derived
    def checked(self) -> RunConfig:
        """The configuration of the draft; raises :class:`ConfigError` with everything that is wrong with it."""
        return forms.checked_config(self.values, self.seed)

    def problems(self) -> dict[str, str]:
        """What is wrong with the draft, by field; empty when it can be launched."""
        try:
            self.checked()
        except ConfigError as error:
            return forms.problems_by_field(error)
        return {}

    @property
    def changes(self) -> dict[str, Any]:
        """The fields of the draft that are not as in the task's demo."""
        start = dict(_flat(_demo(self.task), ""))
        return {name: value for name, value in _flat(self.values, "") if start.get(name, self) != value}

    # actions
    def set_field(self, field: str, value: Any) -> None:
        """Give one field of the draft a value, legal or not."""
        self.values = _with(self.task, self.values, field, value)

    def set_task(self, task: str) -> None:
        """Draft another kind of run, beginning with its demo. A sweep takes over the training that was drafted."""
        trained = {"sst": self.values, "sweep": self.values.get("trial")}.get(self.task)
        values = _demo(task)
        if trained and task in ("sst", "sweep"):
            values = trained if task == "sst" else {**values, "trial": trained}
        self.param.update(task=task, values=values)

    def set_preset(self, preset: Any) -> None:
        """Give the draft the model of a preset."""
        if self.task == "sweep":
            self.set_field("trial", forms.with_preset(self.values["trial"], preset))
        else:
            self.values = forms.with_preset(self.values, preset)

    def take(self, config: RunConfig, title: str = "") -> None:
        """Make a configuration the draft."""
        values = config.settings.model_dump(mode="json")
        self.param.update(task=config.task, seed=min(config.seed, 2**31), values=values, title=title)

    def toggle(self, run: str) -> bool:
        """Put a run among the compared ones or take it away; False when there is no room."""
        if run in self.compared:
            self.compared = [one for one in self.compared if one != run]
        elif len(self.compared) < MOST_COMPARED:
            self.compared = [*self.compared, run]
        else:
            return False
        return True

    # address
    def write_extra(self, address: dict[str, str]) -> None:
        """``run``, ``runs``, ``metric``; of a draft its ``task``, ``seed`` and what differs from the demo."""
        if self.face == RUNS and self.run:
            address["run"] = self.run
        if self.face == COMPARE and self.compared:
            address["runs"] = ",".join(self.compared)
        if self.face != NEW and self.metric:
            address["metric"] = self.metric
        if self.face == NEW:
            changes = json.dumps(self.changes, separators=(",", ":"), ensure_ascii=False)
            address.update(task=self.task, **({"seed": str(self.seed)} if self.seed else {}))
            if 2 < len(changes) <= _MOST_ADDRESS:
                address["set"] = changes

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """The same back; what is no draft is left out and said."""
        if "run" in query:
            changes["run"] = query["run"][:40]
        if "runs" in query:
            changes["compared"] = [one[:40] for one in query["runs"].split(",")[:MOST_COMPARED]]
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
            asked = json.loads(text)
            unknown = [name for name in asked if name not in known]
            for name in asked:
                if name in known:
                    values = _with(task, values, name, asked[name])
        except (ValueError, TypeError, RecursionError):
            self.notes.append("set in the address is no draft: a JSON object of fields and values")
            return _demo(task)
        if unknown:
            self.notes.append(f"the draft in the address has unknown fields: {', '.join(unknown)[:60]}")
        return values


def _demo(task: str) -> dict[str, Any]:
    return RunConfig.demo(task).settings.model_dump(mode="json")


def _with(task: str, values: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    """``values`` with one field changed; one that says which others there are takes those along."""
    tags = {one.only_if[0] for one in forms.form_fields(task) if one.only_if}
    if field in tags:
        outer, _, last = field.rpartition(".")
        usual = forms.value_of(_demo(task), outer) or {}
        return forms.with_value(values, outer, usual if usual.get(last) == value else {last: value})
    return forms.with_value(values, field, value)


def _flat(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and name != _SWEPT:
            yield from _flat(value, f"{prefix}{name}.")
        elif prefix + name != "task" and name != "task":
            yield prefix + name, value
