"""The bar of days under a globe: play, step, drag."""

from typing import Annotated, Any, ClassVar

import param
from pydantic import Field

from explorer.widgets.component import Component, code_beside
from explorer.widgets.requests import Serial


class DayBar(Component):
    """Chooses one of ``days``. While it plays, a day follows only when the last one has been ``drawn``.

    Before the server hears of it, each choice raises the DOM event ``harmonia:control`` (bubbling, composed; ``detail``
    = control, value, serial, text). A globe with a deck of this control draws what it has, and answers with
    ``harmonia:drawn`` (control, value).
    """

    control = param.String(default="day", doc="name of what is chosen, as the events tell it")

    days = param.List(
        default=[], item_type=str, doc="ISO dates, ascending, of any calendar; or numbers of epochs or steps"
    )
    unit = param.Selector(default="day", objects=["day", "month", "epoch", "step"])
    day = param.Integer(default=0, doc="index of the chosen day")
    serial = param.Integer(default=0, doc="set by the browser with the day: number of the choice")
    drawn = param.Integer(default=0, doc="index of the day that is on the globe")
    pace_ms = param.Integer(default=250, doc="the shortest time from one day to the next while it plays")

    # the globe keeps up, and draws only the latest day
    immediate: ClassVar[tuple[str, ...]] = ("day", "serial")

    from_browser: ClassVar[dict[str, Any]] = {"day": Annotated[int, Field(ge=0)], "serial": Serial}

    _esm = code_beside(__file__)

    def taken(self, name: str, value: Any) -> Any:
        """A day of the list that the browser had may lie beyond the present one."""
        taken = super().taken(name, value)
        return min(taken, max(0, len(self.days) - 1)) if name == "day" else taken
