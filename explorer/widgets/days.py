"""The bar of days under a globe: play, step, drag."""

from typing import Annotated, Any, ClassVar

import param
from pydantic import Field

from explorer.widgets.component import Component, code_beside


class DayBar(Component):
    """Chooses one of ``days``. While it plays, a day follows only when the last one has been ``drawn``."""

    days = param.List(
        default=[], item_type=str, doc="ISO dates, ascending, of any calendar; or numbers of epochs or steps"
    )
    unit = param.Selector(default="day", objects=["day", "month", "epoch", "step"])
    day = param.Integer(default=0, doc="index of the chosen day")
    drawn = param.Integer(default=0, doc="index of the day that is on the globe")
    pace_ms = param.Integer(default=250, doc="the shortest time from one day to the next while it plays")

    # the globe keeps up, and draws only the latest day
    immediate: ClassVar[tuple[str, ...]] = ("day",)

    from_browser: ClassVar[dict[str, Any]] = {"day": Annotated[int, Field(ge=0)]}

    _esm = code_beside(__file__)

    def taken(self, name: str, value: Any) -> Any:
        """A day of the list that the browser had may lie beyond the present one."""
        return min(super().taken(name, value), max(0, len(self.days) - 1))
