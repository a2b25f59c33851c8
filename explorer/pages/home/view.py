"""The page Home's view: words and links beside a globe, drawn from a shipped file: nothing is computed first."""

from __future__ import annotations

from datetime import date
from functools import cache, partial

import numpy as np
import param

from engine.assets import asset
from engine.compute import describe_device
from engine.queries.scales import limits_of
from explorer import layout
from explorer.background import LatestTask, unseen
from explorer.badges import Badge, badges
from explorer.layout import box
from explorer.pages.home import text
from explorer.pages.home.news import news
from explorer.registry import REGISTRY
from explorer.session import PageView, Query, Session
from explorer.sources import plain_name
from explorer.widgets import Axes, ColorScale, Globe, HoverReadout, colormap_bytes, pack_field
from explorer.widgets.captions import caption_pane, captions_html
from explorer.widgets.recent_views import RecentViews
from explorer.widgets.text import html

_PAGE = "home"
_GROUP = "home"
_MISSING = -32768

_BOARD = f"""
:host {{ display: grid; box-sizing: border-box; height: auto !important; min-height: 100%;
  gap: 20px 40px;
  max-width: {layout.grown(1640)}; margin: 0 auto; padding: 36px clamp(24px, 3.5vw, 72px) 28px;
  grid-template: 'hero globe' auto 'doors globe' auto 'more globe' 1fr / minmax(0, 1fr) minmax(360px, 42%) }}
:host > * {{ min-width: 0; min-height: 0 }}
@media (max-width: 1099px) {{ :host {{ padding: 24px 20px;
  grid-template: 'hero' auto 'doors' auto 'globe' auto 'more' auto / minmax(0, 1fr) }} }}
"""
_GLOBE = """
:host { display: grid; gap: 6px 24px; height: auto !important; align-content: start;
  grid-template: minmax(320px, min(64vh, 42vw)) auto auto / minmax(0, 1fr) minmax(0, 1fr) }
:host > * { min-width: 0; min-height: 0 }
@media (max-width: 1099px) { :host { grid-template-rows: 56vh auto auto } }
"""
_MORE = """
:host { display: grid; gap: 24px 28px; grid-template-columns: minmax(0, 1.3fr) minmax(0, .8fr) minmax(0, 1fr) }
@media (max-width: 699px) { :host { grid-template-columns: minmax(0, 1fr) } }
"""
_HERO = """
h1 { font: 640 15px/1.2 Inter, system-ui, sans-serif; letter-spacing: .02em; color: var(--h-accent) }
.lead { font: 620 clamp(30px, 3.1vw, 46px)/1.12 Inter, system-ui, sans-serif; letter-spacing: -.02em;
  color: var(--h-text); margin: 8px 0 0; text-wrap: balance }
.what { font-size: 15px; line-height: 1.6; margin: 12px 0 0; max-width: 62ch }
.tour { margin-top: 12px; font-size: 15px } .tour a { color: var(--h-accent); font-weight: 560 }
a:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 2px; border-radius: 6px }
"""
_DOORS = """
nav { display: grid; gap: 12px; grid-template-columns: repeat(3, minmax(0, 1fr)) }
a { display: grid; gap: 6px; align-content: start; padding: 16px; border-radius: 14px; text-decoration: none;
  color: var(--h-text); background: var(--h-panel); border: 1px solid var(--h-divider);
  transition: border-color 120ms, transform 120ms }
a:hover { border-color: var(--h-accent); transform: translateY(-2px) }
a:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 2px }
svg { width: 24px; height: 24px; fill: none; stroke: var(--h-accent); stroke-width: 1.6; stroke-linecap: round;
  stroke-linejoin: round }
b { font: 600 15px/1.3 Inter, system-ui, sans-serif }
span { color: var(--h-secondary); text-wrap: pretty }
@media (max-width: 699px) { nav { grid-template-columns: minmax(0, 1fr) } }
@media (prefers-reduced-motion: reduce) { a { transition: none } a:hover { transform: none } }
"""
_LIST = """
h2 { margin-bottom: 8px }
dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 2px 12px; margin-bottom: 6px }
dt { font-size: 12px; line-height: 20px }
dd { margin: 0; font: 450 13px/20px Inter, system-ui, sans-serif; white-space: normal }
ul { list-style: none; margin: 0; padding: 0 }
li { padding: 3px 0; color: var(--h-secondary); text-wrap: pretty }
li a { display: block; padding: 3px 8px; margin: 0 -8px; border-radius: 8px; color: var(--h-text);
  text-decoration: none }
li a:hover { background: var(--h-hover) }
li b { display: block; font-weight: 560; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
p a { color: var(--h-accent) }
a:focus-visible { outline: 2px solid var(--h-accent); outline-offset: 1px; border-radius: 6px }
li span { color: var(--h-secondary); font-size: 12px; font-feature-settings: 'tnum' }
li .lower { color: var(--h-success) } li .higher, li .failed { color: var(--h-error) }
li .running { color: var(--h-accent) }
"""


class HomeModel(param.Parameterized):
    """The page has no keys of its own in the address."""

    address = param.Dict(default={}, doc="the page's keys of the address bar")

    def restore(self, query: Query, is_whole: bool = False) -> None:
        """There is nothing to restore."""


@cache
def _shipped() -> tuple[date, Axes, np.ndarray, np.ndarray]:
    """A day, the axes, °C as observed on it, and the reconstructed mean of its month (``assets/make_home.py``)."""
    with np.load(asset("home.npz")) as arrays:
        layers = [
            np.where(arrays[name] == _MISSING, np.nan, arrays[name] / np.float32(100.0)).astype(np.float32)
            for name in ("day", "reconstruction")
        ]
        return date.fromisoformat(str(arrays["date"])), Axes.of(arrays["lat"], arrays["lon"]), layers[0], layers[1]


def build(session: Session, query: Query) -> PageView:
    """The page for one session."""
    del query
    return HomeView(session).view


class HomeView:
    """The page. What is here is written anew when a run or the source changes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._badges: dict[str, Badge] = {}
        self._reading = LatestTask(unseen, lambda error: None)
        self._here = html("", _LIST)
        more = box(
            self._here,
            RecentViews(margin=0, sizing_mode="stretch_width"),
            html(text.new(news()), _LIST),
            css=_MORE,
            styles={"grid-area": "more"},
        )
        board = box(
            html(text.hero(), _HERO, styles={"grid-area": "hero"}),
            html(text.doors(), _DOORS, styles={"grid-area": "doors"}),
            _globe(session),
            more,
            css=_BOARD,
            sizing_mode="stretch_both",
        )
        self.view = PageView([], [board], [], [], [], HomeModel())
        session.param.watch(lambda _: self._show(), "source")
        session.param.watch(lambda event: event.new == _PAGE and self._renew(), "page")
        REGISTRY.subscribe(lambda _: self._renew())
        self._renew()

    def _renew(self) -> None:
        """Show the runs of now, then read the verdicts on them."""
        self._show()
        recent = list(REGISTRY.records.values())[: text.MOST_RUNS]
        if recent and not self._reading.running:
            self._reading.start(partial(badges, recent), self._take)

    def _take(self, known: dict[str, Badge]) -> None:
        self._badges = known
        self._show()

    def _show(self) -> None:
        records = list(REGISTRY.records.values())
        source = plain_name(self._session.source)
        self._here.object = text.here(describe_device(), source, records, self._badges, REGISTRY.problem)


def _globe(session: Session) -> layout.pn.Column:
    """The globe with the shipped month, observed and reconstructed, its legend and the value at the pointer."""
    day, axes, observed, filled = _shipped()
    low, high = limits_of([filled])
    colours = colormap_bytes("thermal")
    globe = Globe(
        field=pack_field(observed, axes, "home-observed"),
        field_b=pack_field(filled, axes, "home-reconstruction"),
        colormap=colours,
        vmin=low,
        vmax=high,
        dark=session.param.dark,
        covered="land",
        center_lat=18.0,
        center_lon=-42.0,
        group=_GROUP,
        label=f"Globe: sea-surface temperature as observed and as reconstructed, {day:%B %Y}",
        sizing_mode="stretch_both",
        margin=0,
        styles={"grid-area": "1 / 1 / 2 / -1"},
    )
    captions = caption_pane("1 / 1 / 2 / -1")
    captions.object = captions_html(*text.captions(day))
    scale = ColorScale(
        colormap=colours, vmin=low, vmax=high, label="Sea-surface temperature", units="°C", group=_GROUP, height=52,
        margin=0, sizing_mode="stretch_width",
    )  # fmt: skip
    readout = HoverReadout(span=high - low, units="°C", group=_GROUP, height=44, margin=0, sizing_mode="stretch_width")
    about = html(text.about_globe(day), _LIST, styles={"grid-area": "3 / 1 / 4 / -1"})
    return box(
        globe, captions, scale, readout, about, css=_GLOBE, styles={"grid-area": "globe"}, sizing_mode="stretch_both"
    )
