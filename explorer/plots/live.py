"""Figures that are redrawn in place when their data change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import panel as pn
from holoviews.streams import Pipe


class Figures:
    """The figures of one page and session, by name; each is made when first asked for, then fed new data."""

    def __init__(self) -> None:
        self._pipes: dict[str, Pipe] = {}
        self._panes: dict[str, Any] = {}

    def pane(
        self,
        name: str,
        draw: Callable[..., Any],
        *data: Any,
        on_click: Callable[[float, float], object] | None = None,
        **options: Any,
    ) -> Any:
        """The pane of ``draw(*data)``; ``on_click`` is called with the point of its axes that is clicked."""
        if name in self._pipes:
            self._pipes[name].send(data)
        else:
            pipe = self._pipes[name] = Pipe(data=data)
            options_of = {} if on_click is None else {"hooks": [_click_hook(on_click)]}
            element = hv.DynamicMap(lambda data: draw(*data).opts(**options_of), streams=[pipe])
            self._panes[name] = pn.pane.HoloViews(element, **{"margin": 0, "sizing_mode": "stretch_width", **options})
        return self._panes[name]


def _click_hook(on_click: Callable[[float, float], object]) -> Callable[[Any, Any], None]:
    """What HoloViews calls whenever it has drawn: a figure is listened to once."""
    heard: set[str] = set()

    def hook(plot: Any, _: Any) -> None:
        if plot.state.id not in heard:
            heard.add(plot.state.id)
            plot.state.on_event("tap", lambda event: on_click(event.x, event.y))

    return hook
