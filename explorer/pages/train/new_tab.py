"""The tab "New": the form, its problems, the estimated cost, the Python code, and launch."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from engine.errors import CancelledError, ConfigError, EngineError
from engine.queries.train import forms
from engine.queries.train.cost import DryRun, dry_run
from engine.runs import RunConfig
from explorer.background import Debouncer, LatestTask
from explorer.layout import box, row
from explorer.pages.train import form_fields as fields
from explorer.pages.train import markup, text
from explorer.pages.train.model import NEW, RUNS, TrainModel
from explorer.registry import REGISTRY, store_call
from explorer.session import Session
from explorer.switches import READ_ONLY, is_on
from explorer.widgets import controls
from explorer.widgets.form import SettingsForm
from explorer.widgets.text import html, paragraph, paragraphs, progress, section, sentence, table

BODY = """
:host { display: flex; flex-flow: column nowrap; gap: 12px; padding: 4px 24px 24px; box-sizing: border-box;
  grid-area: 1 / 1; overflow: hidden auto; background: var(--h-stage); z-index: 6 }
:host > * { flex: none }
"""
_PRE = (
    "margin:6px 0 0;padding:12px;overflow:auto;max-height:42vh;background:var(--h-panel);"
    "border:1px solid var(--h-divider);border-radius:8px;font:400 12px/1.5 ui-monospace,'DejaVu Sans Mono',monospace"
)
_RUNNING = "Running two training steps in a separate process."
_REMEDY = "choose a configuration file written by Export, or correct these fields"


class NewTab:
    """``form`` goes in the drawer, ``body`` on the stage, ``side`` beside it."""

    def __init__(self, session: Session, model: TrainModel) -> None:
        self._session = session
        self._model = model
        self._estimated: tuple[RunConfig, DryRun] | None = None
        self._estimating = LatestTask(self._show_progress, self._show_failure)
        self._refresh = Debouncer(self.show, 30)
        self.form = SettingsForm(self._change, self._take_file, opened=fields.OPENED, margin=0)
        self._summary = html("")
        self._snippet = html("")
        self._launch = controls.button("Launch", variant="contained", on_click=lambda _: self._start())
        self._estimate = controls.button("Estimate cost", on_click=lambda _: self._start_estimate())
        self._stop = controls.button("Stop", visible=False, on_click=lambda _: self._estimating.cancel())
        self._cost = html("")
        self._waiting = html("")
        buttons = row(self._launch, self._estimate, self._stop)
        self.body = box(self._summary, buttons, section("Python code"), self._snippet, css=BODY)
        self.side = [section("Cost"), self._cost, self._waiting]
        model.param.watch(lambda *_: self._refresh.soon(), ["values", "task", "seed", "title", "tab"])

    @property
    def config(self) -> RunConfig:
        """The drafted configuration; raises :class:`ConfigError` with all problems."""
        return self._model.checked()

    def show(self) -> None:
        """Update form, summary and code from the draft."""
        if self._model.tab != NEW:
            return
        self.form.fields = fields.form_rows(self._model)
        try:
            config = self.config
        except ConfigError as error:
            self._summary.object = _problems(error.problems)
            self._snippet.object = paragraph("Correct the settings first.")
            self._launch.disabled = self._estimate.disabled = True
            self._cost.object = paragraph("Correct the settings first.")
            return
        self._summary.object = f"<h2>{fields.TASK_NAMES[config.task]}</h2>" + paragraphs(
            [(line, False) for line in text.plan(config)]
        )
        self._snippet.object = f'<pre tabindex=0 style="{_PRE}">{escape(forms.config_snippet(config))}</pre>'
        self._launch.disabled = is_on(READ_ONLY)
        self._estimate.disabled = config.task != "sst"
        self._show_cost(config)

    def _show_cost(self, config: RunConfig) -> None:
        if self._estimated is not None and self._estimated[0] == config:
            self._cost.object = table([*text.estimate_rows(self._estimated[1]), *self._resources()])
        elif config.task == "sst":
            hint = "Two training steps, a few seconds, give parameters, memory, time and disk space."
            self._cost.object = paragraph(hint) + table(self._resources())
        else:
            self._cost.object = paragraph("Costs are estimated for SST trainings only.") + table(self._resources())

    def _resources(self) -> list[tuple[str, str]]:
        try:
            card = REGISTRY.store.machine_card()
        except EngineError:
            return []
        return [
            ("Memory free", f"{card['memory_free_bytes'] / 2**30:.1f} GiB"),
            ("Disk free", f"{card['disk_free_bytes'] / 2**30:.1f} GiB"),
            ("Device", str(card["device"])),
        ]

    # actions

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
        if self._model.tab != NEW:
            return
        try:
            run = store_call(lambda store: store.create(self.config, self._model.title))
            store_call(lambda store: store.launch(run))
        except EngineError as error:
            self._session.say("error", str(error))
            return
        self._model.param.update(run=run.id, epoch=-1, tab=RUNS)

    def _start_estimate(self) -> None:
        config = self.config

        def work(report: Callable[[float, str], None]) -> DryRun:
            def is_abandoned() -> bool:
                try:
                    report(0.5, _RUNNING)
                except CancelledError:
                    return True
                return False

            return dry_run(config, is_abandoned)

        self._show_progress(0.1, _RUNNING)
        self._estimating.start(work, lambda estimate: self._take_estimate(config, estimate))

    def _take_estimate(self, config: RunConfig, estimate: DryRun) -> None:
        self._estimated = (config, estimate)
        self.show()

    def _show_progress(self, fraction: float | None, message: str) -> None:
        self._waiting.object = "" if fraction is None else progress(fraction, message)
        self._stop.visible = fraction is not None

    def _show_failure(self, error: Exception) -> None:
        self._waiting.object = paragraphs([(str(error), True)])


def _problems(problems: list[str]) -> str:
    """HTML of all problems, by field."""
    lines: list[str] = []
    for problem in problems:
        name, _, message = problem.removeprefix("settings.").partition(": ")
        cell = f"<td style=text-align:left>{escape(text.with_labels(message))}</td>"
        lines.append(f"<tr>{markup.field_head(name)}{cell}</tr>")
    count = f"{len(problems)} fields are" if len(problems) > 1 else "One field is"
    return f"<h2 role=alert>{count} invalid</h2><table>{''.join(lines)}</table>"
