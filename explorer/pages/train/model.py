"""The Train page's view-model: the open tab, the draft, the selected runs and their curves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import param
from pydantic import TypeAdapter, ValidationError

from engine.config.legacy import current_keys
from engine.config.sst import DailySource, SSTSettings
from engine.errors import ConfigError, EngineError
from engine.queries.ocean import SourceChoice, run_source, source_choice
from engine.queries.train import forms
from engine.runs import RunConfig
from explorer.page_model import SourceModel, address_keys
from explorer.session import Query

NEW, RUNS, COMPARE, SCORES = "new", "runs", "compare", "scores"
STEP, EPOCH, TIME = "step", "epoch", "time"
LINEAR, LOG = "linear", "log"
PLAN, PYTHON = "plan", "python"
SIZES = ("tiny", "small", "base", "large")
TASKS = ("sst", "sweep", "table", "expert", "basis", "probe", "mae", "land")
LEARNED = ("sst", "sweep")
"""The tasks that learn from the session's source."""
LAYERS = ("reconstruction", "error", "against", "target", "observed", "count", "std")
SMOOTHINGS = (0, 80, 97)
MOST_COMPARED = 8
MAX_EPOCH = 10_000

_MOST_ADDRESS = 1500  # characters of a draft that an address holds
_SWEPT = "space"
_SOURCES: TypeAdapter[Any] = TypeAdapter(DailySource)


class TrainModel(SourceModel):
    """State, and the draft: settings under edit, which may be invalid.

    A training is drafted for ``choice``, the source of the session, ``size`` and ``minutes``: while ``is_awaited``,
    its settings have not been proposed yet. A draft that was edited, or comes from a file or a run, stays as it is.
    """

    KEYS: ClassVar[dict[str, str]] = address_keys(
        "face=tab axis scale smooth=smoothing layer epoch map=projection size minutes show=main"
    )
    FIRST: ClassVar[tuple[str, ...]] = ("tab", "task", "values", "choice")
    OPTIONAL: ClassVar[dict[str, str]] = {
        **SourceModel.OPTIONAL, "run": "run", "runs": "compared", "metric": "metric", "run_seed": "seed"
    }  # fmt: skip

    # state
    tab = param.Selector(default=NEW, objects=[NEW, RUNS, COMPARE, SCORES])
    run = param.String(default="", doc="id of the selected run")
    compared = param.List(default=[], doc="ids of the compared runs")
    metric = param.String(default="", doc="the metric of the curve; empty: the first")
    axis = param.Selector(default=STEP, objects=[STEP, EPOCH, TIME], doc="x axis of the curves")
    scale = param.Selector(default=LINEAR, objects=[LINEAR, LOG], doc="y axis of the curves")
    smoothing = param.Selector(default=0, objects=list(SMOOTHINGS), doc="smoothing factor of the curves, %")
    layer = param.Selector(default="error", objects=list(LAYERS), doc="layer of the snapshot on the globe")
    epoch = param.Integer(default=-1, bounds=(-1, MAX_EPOCH), doc="epoch of the snapshot; −1: the latest")
    further = param.Integer(default=20, bounds=(1, 200), doc="epochs by which a finished run is trained further")
    task = param.Selector(default="sst", objects=list(TASKS), doc="of the draft")
    seed = param.Integer(default=0, bounds=(0, 2**31), doc="of the draft")
    title = param.String(default="", doc="name of the drafted run")
    values = param.Dict(default={}, doc="settings of the draft, possibly invalid")
    size = param.Selector(default="tiny", objects=list(SIZES), doc="of the proposed model")
    sizes = param.Dict(default={}, doc="of the models to choose from: epochs that fit, 0 where it is not offered")
    minutes = param.Integer(default=10, bounds=(1, 600), doc="time that the proposed training may take")
    is_awaited = param.Boolean(default=True, doc="whether the settings of the training are to be proposed")
    main = param.Selector(default=PLAN, objects=[PLAN, PYTHON], doc="what stands beside the form")
    advanced = param.Boolean(default=False, doc="whether all settings are shown")

    def __init__(self, query: Query, **params: Any) -> None:
        self._proposed: dict[str, Any] = {}
        super().__init__(query, values=_demo("sst"), **params)

    # capabilities
    def is_enabled(self, name: str) -> bool:
        """Only options of the open tab belong to the address."""
        if name in ("size", "minutes"):
            return self.tab == NEW and self.learns
        if name == "main":
            return self.tab == NEW
        if name in ("layer", "epoch", "projection"):
            return self.tab == RUNS
        return name == "tab" or self.tab != NEW

    def extra_names(self) -> list[str]:
        """The draft and the runs."""
        return ["run", "compared", "metric", "task", "seed", "values", "choice", "is_awaited"]

    @property
    def learns(self) -> bool:
        """Whether the drafted task learns from the session's source."""
        return self.task in LEARNED

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
    def training(self) -> dict[str, Any]:
        """The settings of the drafted training; of a sweep those that its trials have in common."""
        trained = self.values.get("trial") if self.task == "sweep" else self.values
        return trained if isinstance(trained, dict) else {}

    @property
    def changes(self) -> dict[str, Any]:
        """The fields of the draft that differ from the task's demo; not the source where it is the chosen one."""
        start = dict(_flat(_demo(self.task), ""))
        differ = {name: value for name, value in _flat(self.values, "") if start.get(name, self) != value}
        if self.learns and self._has_chosen_source():
            return {name: value for name, value in differ.items() if not is_source(name)}
        return differ

    def _has_chosen_source(self) -> bool:
        try:
            return self.training.get("source") == run_source(self.choice).model_dump(mode="json")
        except EngineError:  # a file that is gone
            return False

    # actions
    def set_field(self, field: str, value: Any) -> None:
        """Set one field of the draft, also to an invalid value."""
        if self.is_awaited:  # what is edited is the demo of the task, on its own source
            self.param.update(choice=_choice_of(self.training) or self.choice, is_awaited=False)
        self.values = _with(self.task, self.values, field, value)

    def set_task(self, task: str) -> None:
        """Draft another kind of run, from its demo. A sweep takes over a drafted training."""
        values, trained = _demo(task), self.training if self.learns else {}
        if trained and task in LEARNED:
            values = trained if task == "sst" else {**values, "trial": trained}
        self.param.update(task=task, values=values, is_awaited=task in LEARNED and (not trained or self.is_awaited))

    def set_preset(self, preset: Any) -> None:
        """Set the model of the draft to a preset."""
        self.set_training(forms.with_preset(self.training, preset))

    def set_training(self, trained: dict[str, Any]) -> None:
        """Set the drafted training, of a sweep what its trials have in common."""
        self.values = trained if self.task == "sst" else {**self.values, "trial": trained}

    @property
    def is_as_proposed(self) -> bool:
        """Whether the draft is a proposal that nobody has edited."""
        return not self.is_awaited and self.values == self._proposed

    def propose(self) -> bool:
        """Replace the settings of the training by what is proposed for the source; whether any were edited."""
        is_edited = self.learns and not self.is_awaited and not self.is_as_proposed
        self.is_awaited = self.learns
        return is_edited

    def take_proposal(self, settings: SSTSettings) -> None:
        """Draft the settings that were proposed."""
        with param.parameterized.batch_call_watchers(self):
            self.set_training(settings.model_dump(mode="json"))
            self._proposed = self.values
            self.is_awaited = False

    def use_settings(self, settings: SSTSettings) -> None:
        """Draft the settings of a training, with their source, where a page can choose it."""
        trained = settings.model_dump(mode="json")
        with param.parameterized.batch_call_watchers(self):
            self.set_training(trained)
            self.param.update(choice=_choice_of(trained) or self.choice, is_awaited=False)

    def set_training_preset(self, name: Any) -> None:
        """Set how the draft trains to a named way."""
        self.set_training(forms.with_training(self.training, name))

    def take(self, config: RunConfig, title: str = "") -> None:
        """Make a configuration the draft, with its source, where a page can choose it."""
        settings = config.settings
        values = settings.model_dump(mode="json")
        choice = _choice_of(values["trial"] if config.task == "sweep" else values) or self.choice
        seed = min(config.seed, 2**31)
        self.param.update(task=config.task, seed=seed, values=values, title=title, choice=choice, is_awaited=False)

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
        """``run``, ``runs``, ``metric``; of a draft ``task``, ``run_seed`` and the differences to the demo."""
        if self.tab == RUNS and self.run:
            address["run"] = self.run
        if self.tab == COMPARE and self.compared:
            address["runs"] = ",".join(self.compared)
        if self.tab != NEW and self.metric:
            address["metric"] = self.metric
        if self.tab == NEW:
            address.update(task=self.task, **({"run_seed": str(self.seed)} if self.seed else {}))
            if self.learns:
                self.write_source(address)
            if self.is_awaited or self.is_as_proposed:
                return  # it is proposed anew
            changes = json.dumps(self.changes, separators=(",", ":"), ensure_ascii=False)
            if len(changes) <= _MOST_ADDRESS and (len(changes) > 2 or self.learns):
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
        seed = (
            "run_seed" if "run_seed" in query or "src" in query else "seed"
        )  # in a link of a source, that of the ocean
        if seed in query:
            self._read(seed, "seed", query[seed], changes)
        self.read_source(query, changes)
        if "task" in query:
            values = self._read_draft(task, query.get("set", "{}"))
            changes["task"], changes["is_awaited"] = task, task in LEARNED and "set" not in query
            if "set" in query and task in LEARNED:
                values = self._with_source(task, values, changes)
            changes["values"] = values

    def _with_source(self, task: str, values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        """A draft of an address with the source that the address chooses, else the choice is that of the draft."""
        trained = values.get("trial") if task == "sweep" else values
        trained = trained if isinstance(trained, dict) else {}
        own = _choice_of(trained)
        is_own = trained.get("source") != _demo("sst")["source"]
        if "choice" not in changes or is_own:
            changes["choice"] = own or changes.get("choice", self.choice)
            return values
        try:
            trained = {**trained, "source": run_source(changes["choice"]).model_dump(mode="json")}
        except EngineError as error:
            self.notes.append(f"the source in the address cannot be used: {error.problem}")
        return trained if task == "sst" else {**values, "trial": trained}

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


def _choice_of(trained: dict[str, Any]) -> SourceChoice | None:
    """The source of a training under edit as a page chooses it; None where that is not possible."""
    try:
        return source_choice(_SOURCES.validate_python(trained.get("source")))
    except (ValidationError, EngineError):
        return None


def is_source(name: str) -> bool:
    """Whether a field of a draft belongs to the source of its training."""
    return name.removeprefix("trial.").startswith("source.")


def _demo(task: str) -> dict[str, Any]:
    return RunConfig.demo(task).settings.model_dump(mode="json")


def _with(task: str, values: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    """``values`` with one field changed; a field that selects others resets those."""
    outer, _, last = field.rpartition(".")
    beside = [other for other in forms.form_fields(task) if other.name.rpartition(".")[0] == outer]
    if any(other.only_if and other.only_if[0] == field for other in beside):
        default = forms.value_of(_demo(task), outer) or {}
        return forms.with_value(values, outer, default if default.get(last) == value else {last: value})
    return forms.with_value(values, field, value)


def _flat(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and name != _SWEPT:
            yield from _flat(value, f"{prefix}{name}.")
        elif prefix + name != "task" and name != "task":
            yield prefix + name, value
