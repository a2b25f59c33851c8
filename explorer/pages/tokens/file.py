"""The tab Your file: tokens of another model, from a path on the server or an upload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import EngineError
from engine.queries import tokens as queries
from engine.queries.tokens import ImportedCase, Kept
from explorer.background import Debouncer, LatestTask
from explorer.pages.tokens import text
from explorer.pages.tokens.model import APART, TokensModel
from explorer.plots import tokens as figures
from explorer.plots.live import Figures
from explorer.widgets import controls
from explorer.widgets.text import html, paragraph, section, table
from explorer.widgets.upload import UploadField

_ROWS = "td, th[scope=col] { overflow-wrap: normal; white-space: nowrap }"
_MEASURED = ["file", "sample", "cell", "transform"]


class FileTab:
    """``show(sentences, parts)`` puts what is measured beside the globe, while the tab is open."""

    def __init__(self, model: TokensModel, task: LatestTask, show: Callable[[list[Any], list[Any]], None]) -> None:
        self.model = model
        self._task, self._show = task, show
        self._figures = Figures()
        self._spread, self._matches, self._kept = html("", _ROWS), html("", _ROWS), html("", _ROWS)
        self._path = controls.field(model.param.file, "File on the server: .npz, .nc or .parquet")
        entered = Debouncer(self.show, 200)  # the event of Enter arrives before the text
        self._path.param.watch(lambda _: entered.soon(), "enter_pressed")
        self._form = [
            self._path,
            UploadField(
                self._open,
                self._fail,
                accept=".npz,.nc,.parquet",
                kinds="npz, NetCDF or Parquet",
                margin=(4, 0),
                sizing_mode="stretch_width",
            ),
        ]
        self._sample = controls.slider(model.param.sample, "Sample")
        self._transform = controls.segments(model.param.transform, text.TRANSFORMS)
        model.param.watch(lambda *_: self._is_open() and self.show(), _MEASURED)

    def _is_open(self) -> bool:
        return self.model.panel == APART[1]

    def _open(self, name: str) -> None:
        self.model.param.update(file=name, sample=0, cell=0)

    def _fail(self, error: Exception) -> None:
        self._show([(str(error), True)], self._form)

    def show(self) -> None:
        """Measure the sample of the file, and its verdict."""
        path, sample, cell, transform = self.model.file, self.model.sample, self.model.cell, self.model.transform
        if not path:
            self._show([text.FILE], self._form)
            return

        def work(_: object) -> tuple[Any, ...] | EngineError:
            try:
                known = queries.imported_tokens(path)
                count, _, wide, _ = known.tokens.shape
                place = queries.nearest_patch(path, sample, cell)
                case = queries.imported_case(path, *place, transform)
                return known.notes, count, wide, place, case, _verdict(path)
            except EngineError as error:
                return error

        def draw(measured: tuple[Any, ...] | EngineError) -> None:
            if not self._is_open():
                return
            if isinstance(measured, EngineError):
                self._show([(str(measured), True)], self._form)
            else:
                self._draw(*measured)

        self._task.start(work, draw)

    def _draw(
        self,
        notes: tuple[str, ...],
        count: int,
        wide: int,
        place: tuple[int, int, int],
        case: ImportedCase,
        kept: tuple[Kept, ...] | str,
    ) -> None:
        self.model.bound("sample", 0, max(1, count - 1))
        sample, row, col = place
        self._spread.object = table(text.spread_rows(case.known))
        self._matches.object = table(text.imported_match_rows(case), ("sample", "row", "column", "cosine"))
        high = len(case.similarity)

        def click(x: float, y: float) -> None:
            if 0.0 <= x < wide and 0.0 < y <= high:
                self.model.cell = wide * int(high - y) + int(x)

        map_of = self._figures.pane(
            f"map {high} {wide}", figures.windows_map, case.similarity, "", {"×": (row, col)}, on_click=click,
            linked_axes=False,
        )  # fmt: skip
        verdict: list[Any] = [section("Read by a linear probe, R² on samples held out")]
        if isinstance(kept, str):
            verdict.append(html(paragraph(kept)))
        elif kept:
            self._kept.object = table(text.imported_kept_rows(kept), ("patch", "mean", "class", "kept"))
            verdict.append(self._kept)
        else:
            verdict.append(html(paragraph(text.NO_TARGETS)))
        mine = int(((case.known.rows == row) & (case.known.cols == col)).argmax())
        parts = [
            *self._form,
            *([self._sample] if count > 1 else []),
            self._transform,
            section(f"Cosine with the patch × of row {row}, column {col}; click another"),
            map_of,
            section("Tokens as colours"),
            self._figures.pane("colours", figures.colours_map, case.colours, linked_axes=False),
            section("Cosines of all pairs of tokens"),
            self._figures.pane("matrix", figures.matrix, case.known.cosines, mine, linked_axes=False),
            self._figures.pane("histogram", figures.histogram, case.known.edges, case.known.shares, linked_axes=False),
            self._spread,
            section("The patches most like it, of all samples"),
            self._matches,
            *verdict,
        ]
        self._show(text.imported_sentences(notes, case, sample), parts)


def _verdict(path: str) -> tuple[Kept, ...] | str:
    """What probes read, or why they cannot."""
    try:
        return queries.imported_verdict(path)
    except EngineError as error:
        return str(error)
