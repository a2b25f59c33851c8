"""The tab "Scores": all runs and baselines that were scored on the same months of a source, sorted and filtered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel_material_ui as pmui

from engine.queries.leaderboard import Entry, Leaderboard
from engine.queries.ocean import VariableKind
from engine.queries.run_exports import leaderboard_csv
from engine.queries.text import duration
from explorer.layout import box, show
from explorer.pages.train.model import RUNS, TrainModel
from explorer.pages.train.new_tab import BODY
from explorer.session import Session
from explorer.stage import Stage
from explorer.widgets.requests import Request
from explorer.widgets.score_table import ScoreTable
from explorer.widgets.text import html, number, paragraph, paragraphs

NONE_YET = "No run has scores yet. A training is scored on its test months when it ends."
_EXPLAINED = (
    ("Error: mean absolute error over all open sea of the test months, ± the standard deviation of the seeds.", False),
    (
        "Skill: how much lower the error is than that of the best baseline, with its 95 % interval from blocks of"
        " space, months and seeds. Green: lower, red: higher, neither: no clear difference.",
        False,
    ),
    ("Only runs on the same data, test months and withheld observations are in one table.", False),
)


class ScoresTab:
    """``body`` covers the stage, ``side`` goes beside it; a row opens its run in the tab "Runs"."""

    def __init__(self, model: TrainModel) -> None:
        self._model = model
        self._boards: Sequence[Leaderboard] = ()
        self._select = pmui.Select(
            label="Source and test months", options={}, size="small", variant="outlined", margin=(8, 0, 8, 0),
            sizing_mode="stretch_width",
        )  # fmt: skip
        self._select.param.watch(lambda _: self._draw(), "value")
        self._heading = html("<h2>Leaderboard</h2>")
        self._caption = html("")
        self.table = ScoreTable(self._open, margin=0, sizing_mode="stretch_width")
        self._chosen = box(self._select)
        self.body = box(self._heading, self._chosen, self._caption, self.table, css=BODY)
        self.side = [html(f"<h2>How to read it</h2>{paragraphs(_EXPLAINED)}")]

    @property
    def board(self) -> Leaderboard | None:
        """The one on screen."""
        at = self._select.value
        return self._boards[at] if isinstance(at, int) and at < len(self._boards) else None

    def show(self, boards: Sequence[Leaderboard]) -> None:
        """Draw the leaderboards; the one that is chosen stays so."""
        chosen = self.board
        self._boards = boards
        options = {board.title: at for at, board in enumerate(boards)}
        kept = options.get(chosen.title, 0) if chosen is not None else 0
        self._select.param.update(options=options, value=kept if boards else None)
        show(self._chosen, len(boards) > 1)
        self._draw()

    def _open(self, request: Request) -> None:
        self._model.param.update(run=str(request["id"]), epoch=-1, tab=RUNS)

    def offer(self, stage: Stage, session: Session) -> None:
        """Offer the table on screen as a file."""
        board = self.board
        if board is None:
            session.say("info", "No leaderboard is on screen. Open the tab Scores.")
        else:
            stage.offer("leaderboard.csv", lambda: leaderboard_csv(board))

    def _draw(self) -> None:
        board = self.board
        if board is None:
            self._caption.object = paragraph(NONE_YET)
            self.table.param.update(columns=[], rows=[])
            return
        self._caption.object = paragraph(f"{board.title}. Skill against {board.baseline}.")
        rows = [entry_row(entry) for entry in board.entries]
        if self.table.rows != rows:
            self.table.param.update(columns=columns(board.variable), rows=rows)


def columns(variable: VariableKind) -> list[dict[str, Any]]:
    """The heads of the table."""
    unit = f", {variable.error_symbol}" if variable.error_symbol else ""
    heads = (
        ("Name", "run or baseline", False),
        (f"Error{unit}", "mean absolute error over all open sea", True),
        ("Skill", "how much lower the error is than that of the best baseline", True),
        ("Parameters", "numbers that are learned", True),
        ("Run time", "of one training", True),
        ("Memory, MB", "of the process that trains", True),
    )
    return [
        {"label": label, "title": title, "is_number": is_number, "is_skill": label == "Skill"}
        for label, title, is_number in heads
    ]


def entry_row(entry: Entry) -> dict[str, Any]:
    """A row of the table: texts, and what they are sorted by."""
    num_seeds = len(entry.runs)
    detail = "Baseline" if entry.kind == "baseline" else f"{num_seeds} seeds" if num_seeds > 1 else "1 seed"
    spread = "" if entry.seed_std is None else f" ± {entry.seed_std:.3f}"
    sign = "−" if entry.skill < 0.0 else ""
    skill = "–" if entry.skill == 0.0 else f"{sign}{abs(100.0 * entry.skill):.1f} %"
    cells = [
        (f"{entry.name}\n{detail}", entry.name),
        (f"{entry.error:.3f}{spread}", entry.error),
        (f"{skill}\n{entry.skill_text}", entry.skill),
        ("–" if entry.num_parameters is None else number(entry.num_parameters), entry.num_parameters),
        ("–" if entry.seconds is None else duration(entry.seconds), entry.seconds),
        ("–" if entry.memory_mb is None else number(entry.memory_mb), entry.memory_mb),
    ]
    return {
        "id": entry.runs[0] if entry.kind == "model" else "",
        "group": entry.kind,
        "level": entry.level,
        "cells": [list(cell) for cell in cells],
    }
