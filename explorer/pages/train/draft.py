"""The face "New": the form, what is wrong with it, what the run will cost, the same in Python, and launch."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from engine.errors import CancelledError, ConfigError, EngineError
from engine.queries.train import forms
from engine.queries.train.cost import DryRun, dry_run
from engine.runs import RunConfig
from explorer.background import Debouncer, LatestTask
from explorer.layout import box, row
from explorer.pages.train import fields, markup, text
from explorer.pages.train.labels import in_words
from explorer.pages.train.model import NEW, RUNS, TrainModel
from explorer.registry import REGISTRY, store_call
from explorer.session import Session
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
_REMEDY = "choose a configuration as Export writes it, or correct these fields"


class Draft:
    """``form`` stands in the drawer, ``body`` on the stage, ``side`` beside it."""

    def __init__(self, session: Session, model: TrainModel) -> None:
        self._session = session
        self._model = model
        self._measured: tuple[RunConfig, DryRun] | None = None
        self._measuring = LatestTask(self._show_progress, self._show_failure)
        self._later = Debouncer(self.show, 30)
        self.form = SettingsForm(self._change, self._take_file, opened=fields.OPENED, margin=0)
        self._said = html("")
        self._snippet = html("")
        self._launch = controls.button("Launch", variant="contained", on_click=lambda _: self._start())
        self._measure = controls.button("Measure two steps", on_click=lambda _: self._start_measuring())
        self._stop = controls.button("Stop", visible=False, on_click=lambda _: self._measuring.cancel())
        self._cost = html("")
        self._waiting = html("")
        buttons = row(self._launch, self._measure, self._stop)
        self.body = box(self._said, buttons, section("The same in Python"), self._snippet, css=BODY)
        self.side = [section("Before launch"), self._cost, self._waiting]
        model.param.watch(lambda *_: self._later.soon(), ["values", "task", "seed", "title", "face"])

    @property
    def config(self) -> RunConfig:
        """The drafted configuration; raises :class:`ConfigError` with all that is wrong."""
        return self._model.checked()

    def show(self) -> None:
        """Bring form, words and snippet in line with the draft."""
        if self._model.face != NEW:
            return
        self.form.fields = fields.form_rows(self._model)
        try:
            config = self.config
        except ConfigError as error:
            self._said.object = _wrong(error.problems)
            self._snippet.object = paragraph("It is written once the fields are right.")
            self._launch.disabled = self._measure.disabled = True
            self._cost.object = paragraph("Correct the fields first.")
            return
        self._said.object = f"<h2>{fields.TASK_NAMES[config.task]}</h2>" + paragraphs(
            [(said, False) for said in text.plan(config)]
        )
        self._snippet.object = f'<pre tabindex=0 style="{_PRE}">{escape(forms.config_snippet(config))}</pre>'
        self._launch.disabled = False
        self._measure.disabled = config.task != "sst"
        self._show_cost(config)

    def _show_cost(self, config: RunConfig) -> None:
        if self._measured is not None and self._measured[0] == config:
            self._cost.object = table([*text.estimate_rows(self._measured[1]), *self._room()])
        elif config.task == "sst":
            said = "Two steps, measured in a few seconds, tell parameters, memory, time and disk of this choice."
            self._cost.object = paragraph(said) + table(self._room())
        else:
            self._cost.object = paragraph("Only SST trainings can be measured.") + table(self._room())

    def _room(self) -> list[tuple[str, str]]:
        try:
            card = REGISTRY.store.machine_card()
        except EngineError:
            return []
        return [
            ("Memory free", f"{card['memory_free_bytes'] / 2**30:.1f} GiB"),
            ("Disk free", f"{card['disk_free_bytes'] / 2**30:.1f} GiB"),
            ("Device", str(card["device"])),
        ]

    # what a person does

    def _change(self, name: str, text: str) -> None:
        fields.change(self._model, name, text)
        # what was put in may stand for the same value: the form then shows how it was understood
        self._later.soon()

    def _take_file(self, text: str) -> None:
        try:
            self.take(RunConfig.from_json(text.encode(), "the chosen file"))
            self._session.say("success", "The file's configuration is in the form.")
        except ConfigError as error:
            wrong = in_words(error.problem)
            self._session.say("error", f"The file was not taken. {sentence(wrong)} Remedy: {_REMEDY}.")

    def take(self, config: RunConfig, title: str = "") -> None:
        """Make a configuration the draft and show it."""
        self._model.take(config, title)
        self._model.face = NEW

    def _start(self) -> None:
        # the second half of a double click may arrive late, but then another face is open
        if self._model.face != NEW:
            return
        try:
            run = store_call(lambda store: store.create(self.config, self._model.title))
            store_call(lambda store: store.launch(run))
        except EngineError as error:
            self._session.say("error", str(error))
            return
        self._model.param.update(run=run.id, epoch=-1, face=RUNS)

    def _start_measuring(self) -> None:
        config = self.config

        def work(report: Callable[[float, str], None]) -> DryRun:
            def is_abandoned() -> bool:
                try:
                    report(0.5, "Two steps are made in a process of their own.")
                except CancelledError:
                    return True
                return False

            return dry_run(config, is_abandoned)

        self._show_progress(0.1, "Two steps are made in a process of their own.")
        self._measuring.start(work, lambda found: self._take_measured(config, found))

    def _take_measured(self, config: RunConfig, found: DryRun) -> None:
        self._measured = (config, found)
        self.show()

    def _show_progress(self, share: float | None, text: str) -> None:
        self._waiting.object = "" if share is None else progress(share, text)
        self._stop.visible = share is not None

    def _show_failure(self, error: Exception) -> None:
        self._waiting.object = paragraphs([(str(error), True)])


def _wrong(problems: list[str]) -> str:
    """HTML of everything that is wrong, by field."""
    lines: list[Any] = []
    for problem in problems:
        name, _, said = problem.removeprefix("settings.").partition(": ")
        lines.append(f"<tr>{markup.field_head(name)}<td style=text-align:left>{escape(in_words(said))}</td></tr>")
    count = f"{len(problems)} fields are" if len(problems) > 1 else "One field is"
    return f"<h2 role=alert>{count} wrong</h2><table>{''.join(lines)}</table>"
