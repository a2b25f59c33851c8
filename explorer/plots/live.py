"""Figures that are redrawn in place when their data change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import panel as pn
from holoviews.streams import Pipe, Tap


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
            element = hv.DynamicMap(lambda data: draw(*data), streams=[pipe])
            if on_click is not None:
                click = Tap(source=element)
                click.add_subscriber(lambda x, y: None if x is None else on_click(x, y))
            self._panes[name] = pn.pane.HoloViews(element, **{"margin": 0, "sizing_mode": "stretch_width", **options})
        return self._panes[name]
