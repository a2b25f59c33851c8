"""The tab "New": a short form, what the training will do, its problems with their remedies, and launch."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import Any

import panel_material_ui as pmui

from engine.config.sst import SSTSettings
from engine.errors import ConfigError, EngineError
from engine.queries.evaluation import SEEDS, evaluation_config
from engine.queries.folds import new_tag
from engine.queries.ocean import run_source
from engine.queries.train import forms
from engine.queries.train.problems import Problem, Remedy
from engine.queries.train.script import as_python
from engine.runs import RunConfig
from explorer import layout
from explorer.background import Debouncer
from explorer.layout import box, fill, row, show
from explorer.page_model import source_query
from explorer.pages.train import form_fields as fields
from explorer.pages.train import markup, plan_text, text, timeline
from explorer.pages.train.model import LEARNED, NEW, PLAN, PYTHON, RUNS, SIZES, TASKS, TrainModel
from explorer.pages.train.planning import Outlook, Planner
from explorer.registry import store_call
from explorer.session import Session
from explorer.stage import Stage
from explorer.switches import READ_ONLY, is_on
from explorer.task_names import TASK_NAMES, task_name
from explorer.widgets import controls
from explorer.widgets.form import SettingsForm
from explorer.widgets.legend import Scale
from explorer.widgets.packets import Axes, pack_field
from explorer.widgets.text import html, paragraph, paragraphs, sentence

BODY = """
:host { display: flex; flex-flow: column nowrap; gap: 12px; padding: 4px 24px 24px; box-sizing: border-box;
  grid-area: 1 / 1; overflow: hidden auto; background: var(--h-stage); z-index: 6 }
:host > * { flex: none }
"""
_LINE = f"{layout.CARD} :host {{ display: block; padding: 10px 16px 8px }}"
_PRE = (
    "margin:0;padding:12px;overflow:auto;background:var(--h-panel);"
    "border:1px solid var(--h-divider);border-radius:8px;font:400 12px/1.5 ui-monospace,'DejaVu Sans Mono',monospace"
)
_VIEWS = {"Plan": PLAN, "In Python": PYTHON}
_REMEDY = "choose a configuration file written by Export, or correct these fields"
_PROPOSED_ANEW = "The settings are proposed anew. What was edited under “All settings” is not kept."
_PLANNED = ["values", "is_awaited", "tab", "task", "choice", "size", "minutes"]
_DRAFT = ["values", "task", "seed", "title", "tab", "is_awaited", "main", "advanced"]


class NewTab:
    """``form`` goes in the drawer, ``body`` covers the globe, ``line`` lies below it, ``side`` goes beside it."""

    def __init__(self, session: Session, model: TrainModel) -> None:
        self._session = session
        self._model = model
        self._stage: Stage | None = None
        self._outlook: Outlook | None = None
        self._is_abandoned = False
        """Whether planning was cancelled, or failed."""
        self._planner = Planner(self._take_outlook, self._show_progress, self._show_failure)
        self._refresh = Debouncer(self.show, 30)
        self._replan = Debouncer(self._plan, 300)
        self._task = pmui.Select(
            label="What to learn",
            options={name: task for task, name in TASK_NAMES.items() if task in TASKS},
            value=model.task,
            size="small",
            variant="outlined",
            margin=(8, 0, 4, 0),
            sizing_mode="stretch_width",
        )
        self._launch = controls.button("Launch", variant="contained", on_click=lambda _: self._start())
        self._all_folds = controls.button("Launch", visible=False, on_click=lambda _: self._start_folds())
        self._evaluate = controls.button(f"Evaluate, {SEEDS} seeds", on_click=lambda _: self._start_evaluation())
        self._size_text = html("")
        self._settings = SettingsForm(self._change, self._take_file, opened=fields.OPENED, margin=0)
        self._advanced = box(self._settings)
        self._about_settings = html("")
        self.form = box(*self._short_form(), css=":host { gap: 4px }")
        self._code = html("")
        self._summary = html("")
        self.body = box(self._summary, self._code, css=BODY)
        self._line = html("", timeline.CSS)
        self.line = box(self._line, css=_LINE)
        self._views = controls.segments(model.param.main, _VIEWS)
        self._problems = box(css=":host { gap: 6px }")
        self._details = html("")
        self.side: list[Any] = [self._views, self._problems, self._details]
        model.param.watch(lambda *_: self._refresh.soon(), _DRAFT)
        model.param.watch(lambda *_: self._replan.soon(), _PLANNED)
        model.param.watch(lambda *_: self.propose(), ["size", "minutes"])

    def _short_form(self) -> list[Any]:
        model = self._model
        self._task.param.watch(lambda event: event.new != model.task and model.set_task(event.new), "value")
        model.param.watch(lambda event: self._task.param.update(value=event.new), "task")

        def learned() -> list[Any]:
            return [
                self._sizes(),
                self._size_text,
                controls.slider(model.param.minutes, "Time, minutes"),
            ]

        return [
            self._task,
            controls.only_if(model.param.task, LEARNED, learned),
            controls.field(model.param.title, "Name"),
            row(self._launch, self._all_folds, self._evaluate),
            controls.group(
                model,
                ["task"],
                lambda: model.learns,
                lambda: [controls.switch(model.param.advanced, "All settings")],
            ),
            self._about_settings,
            self._advanced,
        ]

    def _sizes(self) -> Any:
        """The sizes of model; one that does not fit cannot be chosen."""
        model = self._model
        chosen = controls.select(model.param.size, "Size of the model", plan_text.size_labels({}, SIZES))

        def renew(*_: object) -> None:
            refused = [name for name, epochs in model.sizes.items() if not epochs and name != model.size]
            options = plan_text.size_labels(model.sizes, SIZES)
            chosen.param.update(options=options, value=model.size, disabled_options=refused)

        model.param.watch(renew, ["sizes", "size"])
        return chosen

    @property
    def config(self) -> RunConfig:
        """The drafted configuration; raises :class:`ConfigError` with all problems."""
        return self._model.checked()

    def draw_on(self, stage: Stage) -> None:
        """Show the plan's map on this stage while the tab is open."""
        self._stage = stage

    @property
    def has_map(self) -> bool:
        """Whether the globe shows a plan."""
        return self._model.learns and self._model.main == PLAN

    # what is on screen

    def open(self) -> None:
        """Show the draft, and plan it."""
        self.show()
        self._replan.soon()

    def cover(self) -> None:
        """Show what lies over the globe and below it, while the tab is open."""
        is_open = self._model.tab == NEW
        show(self.body, is_open and not self.has_map)
        show(self.line, is_open and self.has_map and bool(self._line.object))

    def show(self) -> None:
        """Update form, plan and code from the draft."""
        model = self._model
        if model.tab != NEW:
            return
        is_awaited = model.learns and model.is_awaited
        wants_all = not model.learns or model.advanced
        show(self._advanced, wants_all)  # not removed: the field for a file stays
        self._about_settings.object = paragraph(plan_text.AWAITED) if wants_all and is_awaited else ""
        self._settings.fields = fields.form_rows(model) if wants_all and not is_awaited else []
        self._views.visible = model.learns
        config, problems = self._checked()
        self._summary.object = "" if is_awaited else self._summary_of(config, problems)
        self._code.object = "" if config is None or is_awaited else _code_html(config)
        self._launch.disabled = config is None or is_awaited or is_on(READ_ONLY) or bool(self._standing_problems())
        self._evaluate.param.update(visible=self._model.task == "sst", disabled=self._launch.disabled)
        self._show_plan(problems)

    def _checked(self) -> tuple[RunConfig | None, list[str]]:
        try:
            return self.config, []
        except ConfigError as error:
            return None, error.problems

    def _summary_of(self, config: RunConfig | None, problems: list[str]) -> str:
        if config is None:
            return invalid_html(problems)
        lines = paragraphs([(line, False) for line in text.plan(config)])
        return "" if self._model.learns else f"<h2>{task_name(config.task)}</h2>{lines}"

    def _standing_problems(self) -> tuple[Problem, ...]:
        """Why the draft cannot run, as far as its plan knows."""
        return () if self._outlook is None or not self._model.learns else self._outlook.problems

    def _show_plan(self, invalid: list[str]) -> None:
        model, outlook = self._model, self._outlook
        fill(self._problems, *([] if not model.learns else self._problem_parts(invalid)))
        self._all_folds.visible = outlook is not None and model.is_as_proposed and len(outlook.folds) > 1
        if outlook is not None and self._all_folds.visible:
            self._all_folds.label = f"Launch {len(outlook.folds)} folds"
        if not model.learns:
            self._details.object = paragraph(plan_text.NO_COST)
        elif outlook is None or invalid:
            self._details.object = "" if invalid or self._is_abandoned else paragraph(plan_text.PLANNING)
            self._line.object = ""
        else:
            self._details.object = plan_text.details(outlook)
            spans = [] if outlook.settings is None else plan_text.spans(outlook.settings)
            self._line.object = timeline.timeline(outlook.observed, spans, plan_text.place_of(outlook.plan))
        self.cover()
        self._size_text.object = "" if outlook is None else plan_text.size_text(outlook.sizes, model.size)
        self._draw_map(None if invalid else outlook)

    def _problem_parts(self, invalid: list[str]) -> list[Any]:
        if invalid and not self._model.is_awaited:
            return [html(invalid_html(invalid)), controls.button("Propose settings", on_click=lambda _: self._again())]
        parts: list[Any] = []
        if self._is_abandoned:
            parts = [html(paragraph(plan_text.ABANDONED)), controls.button("Plan it", on_click=lambda _: self._plan())]
        for problem in self._standing_problems():
            parts.append(html(paragraphs([(sentence(text.with_labels(problem.text)), True)])))
            parts += [
                controls.button(remedy.label, on_click=lambda _, remedy=remedy: self._use(remedy))
                for remedy in problem.remedies
            ]
        return parts

    def _draw_map(self, outlook: Outlook | None) -> None:
        stage = self._stage
        if stage is None or self._model.tab != NEW or not self.has_map:
            return
        if outlook is None or outlook.day is None:
            stage.globe.param.update(field=b"", outlines=[])
            stage.bar.visible = False
            stage.show_readout([])
            return
        field, variable = outlook.day.field, outlook.day.variable
        axes = Axes.of(field["lat"].values, field["lon"].values)
        key = f"plan-{self._model.training.get('source')}-{field.attrs['long_name']}"
        boxes = [] if outlook.plan is None else plan_text.outlines(outlook.plan.windows)
        label, units, is_log = field.attrs["long_name"], field.attrs["units"], variable.is_logarithmic
        scale = Scale("plan", variable.palette, *outlook.day.limits, label, units, logarithmic=is_log)
        packed = pack_field(field.values, axes, key)
        stage.cover(variable.masked)
        stage.globe.param.update(field=packed, field_b=b"", outlines=boxes, **stage.scale(scale))
        stage.show_readout(plan_text.readout(outlook))

    # planning

    def propose(self) -> None:
        """Have the settings proposed anew."""
        if self._model.propose():
            self._session.say("info", _PROPOSED_ANEW)

    def _plan(self) -> None:
        """Propose the settings of the draft, or explain them where they are valid."""
        model = self._model
        self._is_abandoned = False
        if model.tab != NEW or not model.learns:
            self._planner.cancel()
            return
        if model.is_awaited:
            self._outlook = None
            self._planner.propose(partial(run_source, model.choice), model.size, model.minutes)
            self.show()
            return
        settings = self._drafted()
        if settings is None or (self._outlook is not None and self._outlook.settings == settings):
            self._planner.cancel()
        else:
            self._outlook = None
            self._planner.explain(settings)
            self.show()

    def _drafted(self) -> SSTSettings | None:
        try:
            settings = forms.checked_config(self._model.training).settings
        except ConfigError:
            return None
        return settings if isinstance(settings, SSTSettings) else None

    def _take_outlook(self, outlook: Outlook) -> None:
        self._outlook = outlook
        self._model.sizes = {offer.name: 0 if offer.reason else offer.epochs for offer in outlook.sizes}
        if self._model.is_awaited and outlook.settings is not None:
            self._model.take_proposal(outlook.settings)
        self.show()

    def _show_progress(self, fraction: float | None, message: str) -> None:
        if self._stage is not None:
            self._stage.show_progress(fraction, message)

    def _show_failure(self, error: Exception) -> None:
        if self._stage is not None:
            self._stage.show_failure("The training cannot be planned", error)
        self.abandon()

    def abandon(self) -> None:
        """Stop planning, until it is asked for; the draft stays as it is."""
        self._planner.cancel()
        self._is_abandoned = True
        self.show()

    def leave(self) -> None:
        """The tab is closed."""
        self._planner.cancel()

    # actions

    def _again(self) -> None:
        self._model.propose()

    def _use(self, remedy: Remedy) -> None:
        """Carry out what makes a problem right."""
        if remedy.settings is not None:
            self._model.use_settings(remedy.settings)
        elif remedy.page:
            self._session.go(remedy.page, source_query(self._model.choice))

    def _change(self, name: str, value: str) -> None:
        fields.change(self._model, name, value)
        # also when the value is the same, to show its normal form
        self._refresh.soon()

    def _take_file(self, content: str) -> None:
        try:
            self.take(RunConfig.from_json(content.encode(), "the chosen file"))
            self._session.say("success", "The file's configuration is in the form.")
        except ConfigError as error:
            problem = sentence(text.with_labels(error.problem))
            self._session.say("error", f"The file was not read. {problem} Remedy: {_REMEDY}.")

    def take(self, config: RunConfig, title: str = "") -> None:
        """Edit a configuration as the draft."""
        self._model.take(config, title)
        self._model.tab = NEW

    def _start(self) -> None:
        # a double click starts one run: its second half finds another tab open
        if self._model.tab == NEW:
            self._launch_all([(self.config, self._model.title)])

    def _start_folds(self) -> None:
        """Launch the runs of a rolling origin."""
        outlook, model = self._outlook, self._model
        if model.tab != NEW or outlook is None:
            return
        configs = [RunConfig(seed=model.seed, settings=settings) for settings in outlook.folds]
        names = [
            f"{model.title or 'Training'}, fold {number} of {len(configs)}" for number in range(1, len(configs) + 1)
        ]
        self._launch_all(list(zip(configs, names, strict=True)), (new_tag(),))

    def _start_evaluation(self) -> None:
        """Train several seeds of the draft and compare them with all baselines."""
        settings = self._drafted()
        if self._model.tab == NEW and settings is not None:
            self._launch_all([(evaluation_config(settings), self._model.title or "Evaluation")])

    def _launch_all(self, drafts: list[tuple[RunConfig, str]], tags: tuple[str, ...] = ()) -> None:
        run = None
        try:
            for config, name in drafts:
                run = store_call(lambda store, config=config, name=name: store.create(config, name, tags=tags))
                store_call(lambda store, run=run: store.launch(run))
        except EngineError as error:
            self._session.say("error", str(error))
            return
        if run is not None:
            self._model.param.update(run=run.id, epoch=-1, tab=RUNS)


def _code_html(config: RunConfig) -> str:
    return f'<h2>In Python</h2><pre tabindex=0 style="{_PRE}">{escape(as_python(config))}</pre>'


def invalid_html(problems: list[str]) -> str:
    """HTML of all problems, by field."""
    lines: list[str] = []
    for problem in problems:
        name, _, message = problem.removeprefix("settings.").partition(": ")
        cell = f"<td style=text-align:left>{escape(text.with_labels(message))}</td>"
        lines.append(f"<tr>{markup.field_head(name)}{cell}</tr>")
    count = f"{len(problems)} fields are" if len(problems) > 1 else "One field is"
    return f"<h2 role=alert>{count} invalid</h2><table>{''.join(lines)}</table>"
