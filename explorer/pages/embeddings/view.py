"""The Embeddings page's view: makes embeddings off the event loop and puts them on globe, map and figures."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import panel_material_ui as pmui

from engine import queries
from engine.errors import EngineError
from engine.queries import EmbeddingConfig
from explorer import layout
from explorer.background import Later, Newest
from explorer.layout import box, show
from explorer.pages.embeddings import words
from explorer.pages.embeddings.drawer import drawer
from explorer.pages.embeddings.model import COLOURS, DIMENSION, SCALE, EmbeddingsModel
from explorer.pages.embeddings.panels import Panels
from explorer.session import Query, Session, View
from explorer.widgets import controls
from explorer.widgets.download import Download
from explorer.widgets.globe import Axes, Globe, colormap_bytes, pack_colours, pack_field
from explorer.widgets.readout import ColorScale, HoverReadout
from explorer.widgets.text import facts, html, paragraphs, progress

_GROUP = "embeddings"

# What takes longer, or more room, than this is not begun without being asked for.
_ASK_SECONDS, _ASK_BYTES = 6.0, 400 * 2**20

_CHOICE = [
    "encoder", "domain", "lat_range", "west", "width", "step_deg", "patch_height", "patch_width", "max_degree",
    "num_components", "clip_sigma",
]  # fmt: skip


def build(session: Session, query: Query) -> View:
    """The page for one session, as its address describes it."""
    model = EmbeddingsModel(query)
    if model.notes:
        session.say("warning", f"Changed in this address: {'; '.join(model.notes)}.")
    return EmbeddingsView(session, model).view


class EmbeddingsView:
    """Choice A is made when it changes, choice B when it is kept; the globe shows one or both under a divider."""

    def __init__(self, session: Session, model: EmbeddingsModel) -> None:
        self.session = session
        self.model = model
        self._made: EmbeddingConfig | None = None
        self._work = Newest(self._show_progress, self._show_failure)
        self._choice = Later(self._make, 60)
        self._rest = Later(self._after_rest, 160)
        self._asked: EmbeddingConfig | None = None
        self._download = Download()
        self._make_stage()
        self._estimate = html("")
        self.panels = Panels(model, self._show_failure)
        plots = [self.flat, *self.panels.parts]
        read = [self._bar, self._hover, self._facts]
        self.view = View(drawer(model, self.globe, self._estimate), self._stage, plots, read, self._actions(), model)
        model.param.watch(lambda *_: self._choice.soon(), [*_CHOICE, "other"])
        model.param.watch(lambda *_: self._draw(), ["show", "dimension", "feature", "picked"])
        model.param.watch(lambda *_: self._rest.soon(), ["panel"])
        self._make()

    # parts of the screen

    def _make_stage(self) -> None:
        common: dict[str, Any] = {"group": _GROUP, "dark": self.session.dark, "margin": 0, "blocks": True}
        self.globe = Globe(
            projection=self.model.projection,
            label="Globe with the patch embedding",
            sizing_mode="stretch_both",
            styles={"grid-area": "1 / 1"},
            **common,
        )
        self.flat = Globe(
            leader=_GROUP,
            projection="equal_earth",
            label="Flat map of the same embedding",
            sizing_mode="stretch_width",
            height=150,
            **common,
        )
        for globe in (self.globe, self.flat):
            self.session.param.watch(partial(_follow, globe, "dark"), "dark")
            globe.param.watch(lambda event: self._pick(event.new), "clicked")
        self.model.param.watch(partial(_follow, self.globe, "projection"), "projection")
        self.model.param.watch(lambda _: self._turn_globe(), "camera")
        self.globe.param.watch(lambda *_: self._note_camera(), ["center_lat", "center_lon", "zoom"])
        self._turn_globe()
        self._progress = html("")
        cancel = controls.button("Cancel", on_click=lambda _: self._work.cancel())
        self._waiting = box(self._progress, cancel, css=layout.OVERLAY, styles={"display": "none"})
        self._question = html("")
        go = controls.button("Make it", on_click=lambda _: self._make(agreed=True))
        self._asking = box(self._question, go, css=layout.OVERLAY, styles={"display": "none"})
        self._failure = pmui.Alert(severity="error", variant="outlined", visible=False, margin=(8, 12))
        self._stage = [self._failure, self.globe, self._waiting, self._asking, self._download]
        self._bar = ColorScale(group=_GROUP, margin=0, width=200, height=52)
        self._hover = HoverReadout(group=_GROUP, margin=0, height=44, width=230)
        self._facts = html("")

    def _actions(self) -> list[Any]:
        files = {
            "Picture, PNG": self._offer_picture,
            "Embedding, NetCDF": lambda: self._offer("nc", queries.embedding_netcdf),
            "Embedding, npz": lambda: self._offer("npz", queries.embedding_npz),
            "Choices, JSON": lambda: self._offer("json", lambda config: queries.config_json(config)),
            "Python that rebuilds it": lambda: self._offer("py", lambda config: queries.snippet(config).encode()),
        }
        return [controls.copy_link(self.session.say), controls.export_menu(files)]

    # making

    def _make(self, agreed: bool = False) -> None:
        """Make what is chosen, A and B, unless it is at hand or large enough to be asked about first."""
        self._failure.visible = False
        try:
            config, other = self.model.config, self.model.other
            found = queries.estimate(config)
        except EngineError as error:
            self._show_failure(error)
            return
        self._estimate.object = paragraphs([(words.estimate(found), False)])
        large = found.seconds > _ASK_SECONDS or found.peak_bytes > _ASK_BYTES
        if large and not agreed:
            self._work.cancel()
            self._question.object = paragraphs([(f"This is large: {words.estimate(found)}", False)])
            show(self._asking, True)
            return
        show(self._asking, False)

        def work(report: queries.Progress) -> None:
            for wanted in (config, other):
                if wanted is not None:
                    queries.embedding(wanted, report)
                    queries.clipped_share(wanted, report)

        if all(queries.is_embedded(wanted) for wanted in (config, other) if wanted is not None):
            self._work.cancel()
            self._show_made(config)
        else:
            self._work.start(work, lambda _: self._show_made(config))

    def _show_made(self, config: EmbeddingConfig) -> None:
        self._made = config
        self._draw()

    # showing

    def _draw(self) -> None:
        if self._made is None or self._made != self.model.config:
            return
        model, other = self.model, self.model.other
        self.globe.markers = [{"lat": model.picked[0], "lon": model.picked[1]}]
        first, low, high, name, units = self._layer(self._made)
        second = b""
        if other is not None:
            second, low_b, high_b, *_ = self._layer(other)
            low, high = min(low, low_b), max(high, high_b)
        colours = colormap_bytes("amp" if model.show == SCALE else "balance")
        self.globe.param.update(field=first, field_b=second, vmin=low, vmax=high, colormap=colours)
        self._bar.param.update(colormap=colours, vmin=low, vmax=high, label=name, units=units)
        self._bar.visible = model.show != COLOURS
        self._hover.param.update(span=high - low, units=units)
        self._rest.soon()

    def _layer(self, config: EmbeddingConfig) -> tuple[bytes, float, float, str, str]:
        """Bytes for the globe, both ends of the scale, what it is, and its units."""
        model = self.model
        made = queries.embedding(config)
        axes = Axes.of(made.lat, made.lon)
        key = f"{words.file_stem(config)}-{model.show}"
        if model.show == COLOURS:
            return pack_colours(queries.rgb(config), axes, key), 0.0, 1.0, "Like colours, like embeddings", ""
        if model.show == DIMENSION:
            index = min(model.dimension, made.values.shape[2]) - 1
            values = queries.dimension(config, index)
            limit = float(np.abs(values).max()) or 1.0
            return pack_field(values, axes, f"{key}-{index + 1}"), -limit, limit, f"Dimension {index + 1}", "σ"
        if model.show == SCALE:
            scale = queries.scale(config)
            column = np.repeat(scale.logs[:, [model.feature - 1]], made.lon.size, axis=1)
            name = f"{scale.names[model.feature - 1]}, natural logarithm"
            span = (float(column.min()), float(column.max()))
            return pack_field(column, axes, key), span[0], max(span[1], span[0] + 1e-6), name, ""
        row, col = queries.cell_of(config, *model.picked)
        values = queries.similarity(config, row, col)
        return pack_field(values, axes, f"{key}-{row}-{col}"), -1.0, 1.0, "Cosine similarity", ""

    def _after_rest(self) -> None:
        if self._made is None or self._made != self.model.config:
            return
        made = queries.embedding(self._made)
        clipped = float(queries.clipped_share(self._made).mean())
        self._facts.object = facts(words.facts(self._made, made, clipped))
        self.panels.show(self._made)

    def _pick(self, place: dict[str, Any]) -> None:
        self.model.picked = (place["lat"], place["lon"])

    def _turn_globe(self) -> None:
        lat, lon, zoom = self.model.camera
        self.globe.param.update(center_lat=lat, center_lon=lon, zoom=zoom)

    def _note_camera(self) -> None:
        self.model.camera = (self.globe.center_lat, self.globe.center_lon, self.globe.zoom)

    def _show_progress(self, share: float | None, text: str) -> None:
        self.session.busy = share is not None
        show(self._waiting, share is not None)
        if share is not None:
            self._progress.object = progress(share, text)

    def _show_failure(self, error: Exception) -> None:
        self._failure.param.update(title="This embedding cannot be made", object=str(error), visible=True)

    # files

    def _offer_picture(self) -> None:
        if self._made is not None:
            stem = words.file_stem(self._made)
            self.globe.save_png(f"{stem}.png", f"{stem} — Harmonia", self._bar.label, self._bar.units)

    def _offer(self, ending: str, content: Any) -> None:
        config = self.model.config
        self._work.start(
            lambda report: content(config),
            lambda made: self._download.offer(f"{words.file_stem(config)}.{ending}", made),
        )


def _follow(target: Any, name: str, event: Any) -> None:
    target.param.update(**{name: event.new})
