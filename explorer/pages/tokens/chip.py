"""The tab Chip: a painted chip, what an autoencoder knows of its house, and the run that trains one."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from engine.errors import EngineError
from engine.queries.tokens import chip as queries
from engine.queries.tokens.chip import Autoencoder, ChipCase
from engine.queries.tokens.chip_verdict import chip_rows, chip_sentences, seed_sentences
from engine.runs import RunRecord
from explorer.background import LatestTask
from explorer.pages.tokens import text
from explorer.pages.tokens.model import TokensModel
from explorer.plots import tokens as figures
from explorer.plots.live import Figures
from explorer.registry import REGISTRY
from explorer.run_card import Offer, RunCard
from explorer.session import Session
from explorer.task_names import created_text
from explorer.widgets import controls
from explorer.widgets.text import html, paragraph, section, table

_CARD = {"margin": "0", "flex-wrap": "wrap"}
_PICTURES = """
.chip { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 8px }
figure { margin: 0 } img { width: 100%; border-radius: 4px; display: block; image-rendering: pixelated }
figcaption { font-size: 11px; color: var(--h-secondary); margin-top: 2px }
"""
_ROWS = "td, th[scope=col] { overflow-wrap: normal; white-space: nowrap }"
_WEIGHTS = {"trained": "trained", "untrained": "untrained", "pixels": "pixels"}
_MEASURED = ["chip_run", "chip", "house", "seen", "weights"]


class ChipTab:
    """``show(sentences, parts)`` puts what is measured beside the globe, while the tab is open; ``task`` is the tab's
    own, for other tabs wait for the tokens of the globe."""

    def __init__(
        self,
        session: Session,
        model: TokensModel,
        task: LatestTask,
        show: Callable[[list[Any], list[Any]], None],
    ) -> None:
        self.model = model
        self._task, self._show = task, show
        self._figures = Figures()
        self._pictures = html("", _PICTURES)
        self._table, self._seeds = html("", _ROWS), html("")
        self._case: ChipCase | None = None
        self._runs = controls.select(model.param.chip_run, "Autoencoder", _options(model.chip_run))
        self._run = RunCard(session, REGISTRY, "The training", "Train", "Stop")
        self._run.card.styles = {**self._run.card.styles, **_CARD}
        self._controls = [
            self._runs,
            controls.slider(model.param.chip, "Chip"),
            controls.segments(model.param.house, text.HOUSES),
            controls.segments(model.param.seen, {label: name for name, label in queries.CONDITIONS.items()}),
        ]
        self._training = [
            section("A training of your own"),
            controls.segments(model.param.chip_place, text.PLACES),
            self._run.card,
        ]
        REGISTRY.subscribe(lambda _: self._find())
        model.param.watch(lambda *_: self._find(), ["chip_place", "chip_run"])
        model.param.watch(lambda *_: self._is_open() and self.show(), _MEASURED)
        model.param.watch(lambda *_: self._is_open() and self._redraw(), "window")
        self._find()

    def _is_open(self) -> bool:
        return self.model.panel == "chip"

    def show(self) -> None:
        """Measure the chip, and answer."""
        model = self.model
        run, number, seen, house, weights = model.chip_run, model.chip, model.seen, model.house, model.weights

        def work(_: object) -> tuple[Autoencoder, ChipCase] | EngineError:
            try:
                return queries.autoencoder(run), queries.chip_case(run, number, seen, house == "with", weights)
            except EngineError as error:
                return error

        def draw(measured: tuple[Autoencoder, ChipCase] | EngineError) -> None:
            if not self._is_open():
                return
            if isinstance(measured, EngineError):
                self._show([(str(measured), True)], [*self._controls, *self._training])
            else:
                self._draw(*measured)

        self._task.start(work, draw)

    def _draw(self, known: Autoencoder, case: ChipCase) -> None:
        self._case = case
        seen = self.model.seen
        self._pictures.object = pictures_html(case)
        self._table.object = table(chip_rows(known), ("trained", "untrained", "pixels"))
        self._seeds.object = "".join(paragraph(sentence) for sentence in seed_sentences())
        scores = {name: known.scores[name] for name in _WEIGHTS}
        parts = [
            *self._controls,
            self._pictures,
            *self._maps(case),
            section("Is there a house? Read by a linear probe"),
            self._figures.pane(
                "accuracies", figures.accuracies, *text.accuracy_points(scores, seen), linked_axes=False
            ),
            section("From a window that shows neither house nor drive"),
            self._figures.pane(
                "by_distance", figures.accuracy_by_distance, text.distance_points(scores, seen), linked_axes=False
            ),
            section("All conditions"),
            self._table,
            section("Other seeds, without place and time"),
            self._seeds,
            *self._training,
        ]
        self._show([*chip_sentences(known, seen)], parts)

    def _maps(self, case: ChipCase) -> list[Any]:
        row, col = divmod(self._window(case), 8)
        marks = {"×": (row, col), "H": case.house} if (row, col) != case.house else {"H": case.house}
        cosines = case.cosines[8 * row + col].reshape(8, 8)
        clicked = self._figures.pane(
            "cosines", figures.windows_map, cosines, "", marks, on_click=self._click, linked_axes=False
        )
        changes = self._figures.pane(
            "changes", figures.windows_map, case.changes, "", {"H": case.house}, on_click=self._click, linked_axes=False
        )
        matrix = self._figures.pane("matrix", figures.matrix, case.cosines, 8 * row + col, linked_axes=False)
        return [
            section(text.chip_map_title(case, row, col)),
            clicked,
            section("1 − cosine of each token with itself, with and without the house"),
            html(paragraph(text.change_sentence(case))),
            changes,
            section(f"Cosines of all pairs of tokens; the smallest is {text.signed(case.smallest)}"),
            matrix,
        ]

    def _window(self, case: ChipCase) -> int:
        """The chosen window; the house's, or the first that is seen, where none is or it is hidden."""
        house = 8 * case.house[0] + case.house[1]
        chosen = self.model.window if self.model.window >= 0 else house
        seen = case.is_seen.ravel()
        return chosen if seen[chosen] else int(seen.argmax())

    def _click(self, x: float, y: float) -> None:
        if 0.0 <= x < 8.0 and 0.0 < y <= 8.0:
            self.model.window = 8 * int(8.0 - y) + int(x)

    def _redraw(self) -> None:
        if self._case is not None:
            self.show()

    # the run

    def _find(self) -> None:
        """Offer the training with or without place and time; a finished one can be chosen."""
        controls.offer(self._runs, _options(self.model.chip_run), self.model.chip_run)
        with_place = self.model.chip_place == "with"
        offer = Offer(queries.mae_config(with_place), f"Chips {text.place_words(with_place)}", text.TRAIN_CHIPS)
        record = self._run.find(offer.config)
        if record is None or record.state != "done":
            self._run.show(offer, record)
        else:
            self._run.hide()


def pictures_html(case: ChipCase) -> str:
    """The chip, what the encoder reads, and what the decoder makes of the rest."""
    parts = zip(queries.pictures(case), ("The chip", "What is seen", "Reconstruction"), strict=True)
    figures_html = "".join(
        f'<figure><img alt="{name}" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
        f"<figcaption>{name}</figcaption></figure>"
        for picture, name in parts
    )
    return f'<div class="chip">{figures_html}</div>'


def _options(chosen: str) -> dict[str, str]:
    runs = {f"{record.name or 'Chips'}, {created_text(record, seconds=True)}": record.id for record in _trained()}
    unknown = {} if chosen in ("", *runs.values()) else {"Unknown run": chosen}
    return {"Comes along": queries.SHIPPED, **runs, **unknown}


def _trained() -> list[RunRecord]:
    """Finished runs of the task, latest first."""
    done = [record for record in REGISTRY.records.values() if record.task == "mae" and record.state == "done"]
    return sorted(done, key=lambda record: record.created, reverse=True)
