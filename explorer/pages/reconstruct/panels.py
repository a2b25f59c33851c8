"""The figures beside the maps: the scores, one place, where it fails, the training. Only the open one is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from engine.queries import reconstruct
from engine.queries.reconstruct import CellDetail, LargeError, ModelScores, MonthResult
from explorer.background import LatestTask, unseen
from explorer.layout import box, fill
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.plots import reconstruct as figures
from explorer.plots.live import Figures
from explorer.session import Session
from explorer.widgets import controls
from explorer.widgets.places import PlaceList
from explorer.widgets.text import html, paragraphs, section, table

_SPLITS = ("latitude", "coast", "month")


class Panels:
    """One of four panels at a time; what takes long is made off the event loop."""

    def __init__(
        self,
        session: Session,
        model: ReconstructModel,
        fly: Callable[[float, float], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self.session = session
        self.model = model
        self._stamp: tuple[object, ...] | None = None
        self._on_error = on_error
        self._work = LatestTask(unseen, self._fail)
        self._words = html("")
        self._rows = html("")
        self._class_rows = html("")
        self._key = html("")
        self._figures = Figures()
        self._worst = PlaceList(fly, margin=0, sizing_mode="stretch_width")
        self._choice = controls.select(model.param.figure, "Look at", text.FIGURES)
        self._body = box(css=":host { gap: 8px }")
        self.training: list[Any] = []
        """What the panel "Training" holds; the view puts it there."""
        self.anatomy: CellDetail | None = None
        """The place that is shown, if any."""
        tabs = controls.segments(model.param.panel, text.PANELS)
        self.parts = (tabs, self._words, self._body)

    def show(self, found: MonthResult, now: ModelScores | None, months: Sequence[MonthResult]) -> None:
        """Draw the open panel for the month that is shown, its verdict, and the months of its year at hand."""
        model = self.model
        of_year = len(months) if model.panel == "failures" else 0
        stamp = (model.panel, found.request, model.place, model.region, model.figure, now and now.best, of_year)
        if stamp == self._stamp:
            # shown, or under way
            return
        is_other = self._stamp is None or self._stamp[0] != model.panel
        self._stamp = stamp
        self._work.cancel()
        if is_other:
            self._say((text.WORKING, False))
            fill(self._body)
        getattr(self, f"_show_{self.model.panel}")(found, now, months)

    def _fail(self, error: Exception) -> None:
        self._stamp = None
        self._on_error(error)

    def _say(self, *sentences: tuple[str, bool]) -> None:
        self._words.object = paragraphs(sentences)

    def show_training(self) -> None:
        """Open the panel of what works in the background."""
        self._stamp = None
        self._work.cancel()
        self._words.object = ""
        fill(self._body, *self.training)

    # scores

    def _show_scores(self, found: MonthResult, now: ModelScores | None, months: Sequence[MonthResult]) -> None:
        del months
        if now is None:
            self._say(("Nothing can be scored here.", False))
            fill(self._body)
            return
        region = self.model.region
        self._say(("Mean absolute error over the month's cells, weighted by their area.", False))
        self._rows.object = table(text.score_rows(now, found.titles))
        self._class_rows.object = table(text.class_rows(now))

        def then(worst: list[LargeError]) -> None:
            self._worst.places = [{"lat": one.lat, "lon": one.lon, "words": text.worst(one)} for one in worst]
            fill(
                self._body,
                self._rows,
                section("Model / best baseline, by what could be seen"),
                self._class_rows,
                section("Where the model errs most"),
                self._worst,
            )

        self._work.start(lambda _: reconstruct.largest_errors(found, region), then)

    # one place

    def _show_place(self, found: MonthResult, now: ModelScores | None, months: Sequence[MonthResult]) -> None:
        del months
        best = now.best if now else "climatology"
        case, place = found.request, self.model.place
        self._work.start(
            lambda report: reconstruct.cell_detail(case, place, report), partial(self._draw_place, found, best)
        )

    def _draw_place(self, found: MonthResult, best: str, cell: CellDetail) -> None:
        self.anatomy = cell
        self._say(*text.anatomy(cell, self.model.iso))
        if cell.is_land:
            fill(self._body)
            return
        levels = {"model": cell.estimates["model"], "baseline": cell.estimates[best], "mean": cell.estimates["mean"]}
        drawn = figures.anatomy, cell.days, cell.hidden, cell.weights, levels, cell.std, cell.truth
        self._key.object = text.key(found.titles.get(best), "model", "baseline", "mean", "truth")
        self._rows.object = table(text.anatomy_rows(cell, found.titles))
        fill(self._body, self._figures.pane("place", *drawn), self._key, self._rows)

    # where it fails

    def _show_failures(self, found: MonthResult, now: ModelScores | None, months: Sequence[MonthResult]) -> None:
        if now is None:
            self._say(("Nothing can be scored here.", False))
            fill(self._body, self._choice)
            return
        name, region = self.model.figure, self.model.region
        self._key.object = text.key(
            found.titles[now.best], *("model", "baseline", "mean")[: 3 if name in _SPLITS else 2]
        )

        def work(_: object) -> Any:
            if name in _SPLITS:
                return reconstruct.errors_by_stratum(reconstruct.score_months(months, region), name)
            if name == "spectrum":
                return reconstruct.spectrum_of(months, now.best)
            if name == "histogram":
                return reconstruct.errors_histogram(months, now.best, region)
            if name == "reliability":
                return reconstruct.reliability(months, region)
            return reconstruct.errors_by_observations(months, now.best, region)

        self._work.start(work, partial(self._draw_failures, name, now.best, len(months)))

    def _draw_failures(self, name: str, best: str, num_months: int, made: Any) -> None:
        said = text.FIGURE_WORDS.get(name, "")
        drawn: tuple[Any, ...]
        if name in _SPLITS:
            errors = {"model": made["model"], "baseline": made[best], "mean": made["mean"]}
            drawn = figures.by_label, errors, list(made["model"]), text.AXES[name]
        elif name == "spectrum":
            model, baseline = made["model"], made[best]
            said = text.spectrum_sentence(model.effective_km, baseline.effective_km)
            drawn = figures.spectrum, model.truth, model.estimate, baseline.estimate, model.effective_degree
            self._key.object = text.key(None, "model", "baseline", "truth")
        elif name == "histogram":
            edges, shares = made
            drawn = figures.histogram, edges, shares["model"], shares[best]
        elif name == "reliability":
            if made is None:
                self._say((text.NO_SPREAD, False))
                fill(self._body, self._choice)
                return
            drawn = figures.reliability, made["coverage"]
        else:
            drawn = figures.errors_by_observations, made.count, made.model, made.baseline
        self._say((f"{said} {text.of_months(num_months)}", False))
        fill(self._body, self._choice, self._figures.pane(f"fails-{name}", *drawn), self._key)
