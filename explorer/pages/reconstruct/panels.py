"""The panel beside the maps: scores, one place, errors by category, background runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from engine.evaluation import Verdict
from engine.queries import reconstruct
from engine.queries.reconstruct import CellDetail, LargeError, ModelScores, MonthResult
from explorer.layout import fill
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.plots import reconstruct as figures
from explorer.tabs import TabbedPanel
from explorer.widgets import controls
from explorer.widgets.places import PlaceList
from explorer.widgets.text import html, section, table
from explorer.widgets.veil import veil
from explorer.widgets.verdict import comparison_table

_SPLITS = ("latitude", "coast", "month")


class ReconstructPanel(TabbedPanel):
    """``training`` are the parts of the tab "Training"; ``anatomy`` is the place on screen, if any."""

    def __init__(self, model: ReconstructModel, fly: Callable[[float, float], None]) -> None:
        tabs = {
            "scores": ("Scores", self._show_scores),
            "place": ("Place", self._show_place),
            "failures": ("Errors", self._show_errors),
            "training": ("Training", self._show_training),
        }
        super().__init__(model, tabs, self._fail, css=":host { gap: 8px }")
        self.model = model
        self.training: list[Any] = []
        self.anatomy: CellDetail | None = None
        self._stamp: tuple[object, ...] | None = None
        self.is_stale = False
        """Whether the open tab shows an earlier result, under a veil."""
        self._rows = html("")
        self._comparison = html("")
        self._on_test = html("")
        self._key = html("")
        self._worst = PlaceList(fly, margin=0, sizing_mode="stretch_width")
        self._choice = controls.select(model.param.figure, "Errors by", text.FIGURES)

    def mark_stale(self) -> None:
        """Veil the open tab until it is filled again; the tab of the background runs has no result."""
        self._stamp = None
        self.task.cancel()
        self._veil(self.model.panel != "training")

    def _veil(self, wanted: bool) -> None:
        self.is_stale = wanted
        veil(self.body, wanted)
        if wanted:
            self.say(text.WORKING)

    def show_none(self, reason: str) -> None:
        """Empty the open tab, and show why."""
        self.mark_stale()
        if self.is_stale:
            self._veil(False)
            self.say_only(reason)

    def show(self, *content: Any) -> None:
        """Fill the open tab for ``(month, verdict, months)``: the month, its verdict, the months of its year so far."""
        month, verdict, months = content
        model = self.model
        num_months = len(months) if model.panel == "failures" else 0
        stamp = (
            model.panel,
            month.request,
            model.place,
            model.region,
            model.figure,
            verdict and verdict.best,
            num_months,
        )
        if stamp == self._stamp:
            # drawn, or under way
            return
        self._stamp = stamp
        super().show(month, verdict, months)

    def show_training(self) -> None:
        """Open the tab of the background runs, which needs no month."""
        self.mark_stale()
        super().show()

    def _fail(self, error: Exception) -> None:
        self._stamp = None
        self._veil(False)
        self.say_only((str(error), True))

    def _fill(self, *parts: Any) -> None:
        """The open tab has the result of the selection."""
        self._veil(False)
        fill(self.body, *parts)

    def _show_training(self, *_: object) -> None:
        self.say()
        fill(self.body, *self.training)

    def _show_scores(self, month: MonthResult, verdict: ModelScores | None, _: Sequence[MonthResult]) -> None:
        if verdict is None:
            self._fill()
            self.say(text.NO_SCORES)
            return
        region = self.model.region
        run = month.request.model

        def then(answer: tuple[list[LargeError], Verdict | None]) -> None:
            worst, on_test = answer
            self.say("Mean absolute error over the month's cells, weighted by area.")
            self._rows.object = table(text.score_rows(verdict, month.titles))
            self._comparison.object = comparison_table(verdict.verdict)
            self._worst.places = [
                {"lat": cell.lat, "lon": cell.lon, "words": text.worst(cell, month.variable)} for cell in worst
            ]
            self._on_test.object = text.on_test(on_test)
            self._fill(
                self._comparison,
                self._on_test,
                section("All estimates"),
                self._rows,
                section("Largest errors of the model"),
                self._worst,
            )

        self.task.start(lambda _: (reconstruct.largest_errors(month, region), reconstruct.model_verdict(run)), then)

    def _show_place(self, month: MonthResult, verdict: ModelScores | None, _: Sequence[MonthResult]) -> None:
        best = verdict.best if verdict else "climatology"
        case, place = month.request, self.model.place
        self.task.start(
            lambda report: reconstruct.cell_detail(case, place, report), partial(self._draw_place, month.titles, best)
        )

    def _draw_place(self, titles: dict[str, str], best: str, cell: CellDetail) -> None:
        self.anatomy = cell
        self.say(*text.anatomy(cell, self.model.iso))
        if cell.is_land:
            self._fill()
            return
        levels = {"model": cell.estimates["model"], "baseline": cell.estimates[best], "mean": cell.estimates["mean"]}
        unit = cell.variable.symbol, cell.variable.is_logarithmic
        data = cell.days, cell.hidden, cell.weights, levels, cell.std, cell.truth, *unit
        self._key.object = text.key(titles.get(best), "model", "baseline", "mean", "truth")
        self._rows.object = table(text.anatomy_rows(cell, titles))
        self._fill(self.figures.pane("place", figures.anatomy, *data), self._key, self._rows)

    # errors by category

    def _show_errors(self, month: MonthResult, verdict: ModelScores | None, months: Sequence[MonthResult]) -> None:
        if verdict is None:
            self._fill(self._choice)
            self.say(text.NO_SCORES)
            return
        name, region, best = self.model.figure, self.model.region, verdict.best
        queries: dict[str, Callable[[], Any]] = {
            "spectrum": lambda: reconstruct.spectrum_of(months, best),
            "histogram": lambda: reconstruct.errors_histogram(months, best, region),
            "reliability": lambda: reconstruct.reliability(months, region),
            "observations": lambda: reconstruct.errors_by_observations(months, best, region),
        }
        query = queries.get(name, lambda: reconstruct.errors_by_stratum(reconstruct.score_months(months, region), name))
        title = month.titles[best]
        self.task.start(
            lambda _: query(), partial(self._draw_errors, name, best, title, len(months), month.variable.error_symbol)
        )

    def _draw_errors(self, name: str, best: str, title: str, num_months: int, units: str, result: Any) -> None:
        self._key.object = text.key(title, *("model", "baseline", "mean")[: 3 if name in _SPLITS else 2])
        caption = text.FIGURE_TEXT.get(name, "")
        drawn: tuple[Any, ...]
        if name in _SPLITS:
            errors = {"model": result["model"], "baseline": result[best], "mean": result["mean"]}
            drawn = figures.by_label, errors, list(result["model"]), text.AXES[name], units
        elif name == "spectrum":
            model, baseline = result["model"], result[best]
            caption = text.spectrum_sentence(model.effective_km, baseline.effective_km)
            drawn = figures.spectrum, model.truth, model.estimate, baseline.estimate, model.effective_degree, units
            self._key.object = text.key(None, "model", "baseline", "truth")
        elif name == "histogram":
            edges, fractions = result
            drawn = figures.histogram, edges, fractions["model"], fractions[best], units
        elif name == "reliability":
            if result is None:
                self.say(text.NO_SPREAD)
                self._fill(self._choice)
                return
            drawn = figures.reliability, result["coverage"]
        elif not len(result.count):
            self.say(text.NO_COUNTS)
            self._fill(self._choice)
            return
        else:
            drawn = figures.errors_by_observations, result.count, result.model, result.baseline, units
        self.say(f"{caption} {text.of_months(num_months)}")
        self._fill(self._choice, self.figures.pane(f"errors-{name}", *drawn), self._key)
