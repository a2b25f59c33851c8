"""“Understood as”: how the open or refused file was understood, and a control for each point to decide it otherwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import param

from engine.errors import EngineError
from engine.queries import ocean
from engine.queries.ocean import FilePoints, SourceChoice
from explorer.background import LatestTask, unseen
from explorer.layout import box
from explorer.pages.data import text
from explorer.pages.data.model import DataModel
from explorer.widgets import controls
from explorer.widgets.text import section


class _Decisions(param.Parameterized):
    """The decisions as text, "" where the file decides."""

    variable = param.String(default="")
    kind = param.String(default="")
    unit = param.String(default="")
    calendar = param.String(default="")
    fill = param.String(default="")
    step = param.String(default="")
    mask = param.String(default="")
    zeros = param.String(default="")
    regrid = param.String(default="")


_BY_FILE = {"By the file": ""}
_SUBJECT = ["opened", "unread", "refused"]
NAMES = ("variable", "kind", "unit", "calendar", "fill", "step", "mask", "zeros", "regrid")


class PointsPanel:
    """Changing a point opens the file again; buttons above offer what would mend a refusal."""

    def __init__(self, model: DataModel, choose: Callable[[SourceChoice], None]) -> None:
        self.model = model
        self._choose = choose
        self._decisions = _Decisions()
        self._is_renewing = False
        self._controls: dict[str, Any] = {}
        self._reading = LatestTask(unseen, lambda _: self._take(None))
        self._mends = box(css=":host { gap: 6px }")
        self.part = controls.group(model, [*_SUBJECT, "points", "mends"], lambda: self._is_decidable, self._build)
        self._decisions.param.watch(self._decide, list(NAMES))
        model.param.watch(lambda *_: self._read(), _SUBJECT)
        model.param.watch(lambda *_: self._renew(), "points")

    @property
    def _is_decidable(self) -> bool:
        """Whether there is a file with something to decide: of one that is damaged, or no data, there is nothing."""
        model = self.model
        return model.subject is not None and (
            model.points is not None or bool(model.mends) or model.refused is not None
        )

    def _build(self) -> list[Any]:
        known = self._decisions.param
        self._controls = {
            name: controls.select(known[name], text.POINTS[name], _BY_FILE) for name in NAMES if name != "fill"
        }
        self._controls["fill"] = controls.field(known.fill, text.POINTS["fill"])
        self._renew()
        return [
            section("Understood as"),
            self._mends,
            *(self._controls[name] for name in NAMES),
            controls.group(
                self.model, ["opened", "refused"], lambda: self.model.graded is not None, lambda: _quality(self.model)
            ),
            controls.sentence(self.model, _SUBJECT, lambda: text.quality_of_file(self.model.opened, self.model.graded)),
        ]

    def _read(self) -> None:
        subject = self.model.subject
        if subject is None:
            self._reading.cancel()
        else:
            self._reading.start(partial(ocean.file_points, subject), self._take)

    def _take(self, points: FilePoints | None) -> None:
        self.model.points = points
        self._renew()

    def _renew(self) -> None:
        """Show the choices that the file allows, and what is decided."""
        subject, points = self.model.subject, self.model.points
        if subject is None or points is None or not self._controls:
            return
        self._is_renewing = True
        try:
            opened = self.model.opened
            opened = opened if opened is not None and opened.choice == subject else None
            self._controls["fill"].helper_text = text.stated("fill", opened)
            for name in NAMES:
                value = text.decision(subject, name)
                if name != "fill":
                    choices = text.point_choices(name, points, opened, subject)
                    choices |= {} if value in choices.values() else {value: value}
                    controls.offer(self._controls[name], choices, value)
                setattr(self._decisions, name, value)
        finally:
            self._is_renewing = False
        self._mends[:] = [
            controls.button(
                ocean.decision_text(name, value), variant="contained", on_click=partial(self._mend, name, value)
            )
            for name, values in self.model.mends.items()
            for value in values[:4]
        ]

    def _mend(self, name: str, value: Any, *_: object) -> None:
        subject = self.model.subject
        if subject is not None:
            self._choose(ocean.decided(subject, name, value))

    def _decide(self, *events: param.parameterized.Event) -> None:
        subject = self.model.subject
        if self._is_renewing or subject is None:
            return
        try:
            for event in events:
                value = event.new if event.name == "variable" else ocean.point_value(event.name, event.new)
                subject = ocean.decided(subject, event.name, value)
        except EngineError:
            self._renew()
            return
        if subject != self.model.subject:
            self._choose(subject)


def _quality(model: DataModel) -> list[Any]:
    """The quality of the observations, for sources with quality levels."""
    choices = controls.segments(model.param.quality, text.qualities(model.graded))

    def renew(*_: object) -> None:
        if model.graded is not None:
            choices.param.update(options=text.qualities(model.graded), value=model.quality)

    names = ["opened", "refused"]
    model.param.watch(renew, names)
    grading = controls.sentence(model, names, lambda: text.grading(model.opened, model.refused), margin=(2, 0, 8, 0))
    return [section("Quality of the observations"), choices, grading]
