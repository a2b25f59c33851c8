"""The Embeddings page's view: makes embeddings off the event loop and puts them on globe, map and figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import EngineError
from engine.queries import embeddings
from engine.queries.cache import Progress
from engine.queries.embeddings import EmbeddingConfig
from explorer import layout
from explorer.background import Debouncer, LatestTask
from explorer.layout import box, show
from explorer.pages.embeddings import text
from explorer.pages.embeddings.drawer import drawer
from explorer.pages.embeddings.model import COLOURS, DIMENSION, SCALE, EmbeddingsModel
from explorer.pages.embeddings.panels import Panels
from explorer.session import PageView, Query, Session
from explorer.stage import Stage
from explorer.widgets import controls
from explorer.widgets.globe import Axes, colormap_bytes, pack_colours, pack_field
from explorer.widgets.text import html, paragraph

# What takes longer, or more room, than this is not begun without being asked for.
_ASK_SECONDS, _ASK_BYTES = 6.0, 400 * 2**20

_CHOICE = [
    "encoder", "domain", "lat_range", "west", "width", "step_deg", "patch_height", "patch_width", "max_degree",
    "num_components", "clip_sigma",
]  # fmt: skip


def build(session: Session, query: Query) -> PageView:
    """The page for one session, as its address describes it."""
    model = EmbeddingsModel(query)
    session.say_changed(model.notes)
    return EmbeddingsView(session, model).view


class EmbeddingsView:
    """Choice A is made when it changes, choice B when it is kept; the globe shows one or both under a divider."""

    def __init__(self, session: Session, model: EmbeddingsModel) -> None:
        self.session = session
        self.model = model
        self._made: EmbeddingConfig | None = None
        self._question = html("")
        self._asking = self._ask_card()
        overlays = (self._asking,)
        self.stage = Stage(session, model, "the patch embedding", lambda: self._work.cancel(), overlays, blocks=True)
        self.stage.on_click(self._pick)
        self._work = LatestTask(self.stage.show_progress, self._show_failure)
        self._choice = Debouncer(self._make, 60)
        self._rest = Debouncer(self._after_rest, 160)
        self._estimate = html("")
        self.panels = Panels(model, self._show_failure)
        self.view = PageView(
            drawer(model, self.stage.globe, self._estimate),
            self.stage.parts,
            [self.stage.flat, *self.panels.parts],
            self.stage.read,
            self._actions(),
            model,
        )
        model.param.watch(lambda *_: self._choice.soon(), [*_CHOICE, "other"])
        model.param.watch(lambda *_: self._draw(), ["show", "dimension", "feature", "picked"])
        model.param.watch(lambda *_: self._rest.soon(), ["panel"])
        self._make()

    def _ask_card(self) -> Any:
        """The question that stands before something large."""
        go = controls.button("Make it", on_click=lambda _: self._make(agreed=True))
        return box(self._question, go, css=layout.CARD, styles={"display": "none"})

    def _actions(self) -> list[Any]:
        files = {
            "Picture, PNG": self._offer_picture,
            "Embedding, NetCDF": lambda: self._offer("nc", embeddings.embedding_netcdf),
            "Embedding, npz": lambda: self._offer("npz", embeddings.embedding_npz),
            "Choices, JSON": lambda: self._offer("json", lambda config: embeddings.config_json(config)),
            "Python that rebuilds it": lambda: self._offer("py", lambda config: embeddings.snippet(config).encode()),
        }
        return [controls.copy_link(self.session.say), controls.export_menu(files)]

    # making

    def _make(self, agreed: bool = False) -> None:
        """Make what is chosen, A and B, unless it is at hand or large enough to be asked about first."""
        self.stage.clear_failure()
        try:
            config, other = self.model.config, self.model.other
            found = embeddings.embedding_cost(config)
        except EngineError as error:
            self._show_failure(error)
            return
        self._estimate.object = paragraph(text.estimate(found))
        large = found.seconds > _ASK_SECONDS or found.peak_bytes > _ASK_BYTES
        if large and not agreed:
            self._work.cancel()
            self._question.object = paragraph(f"This is large: {text.estimate(found)}")
            show(self._asking, True)
            return
        show(self._asking, False)

        def work(report: Progress) -> None:
            for wanted in (config, other):
                if wanted is not None:
                    embeddings.embedding(wanted, report)
                    embeddings.clipped_fraction(wanted, report)

        if all(embeddings.is_embedded(wanted) for wanted in (config, other) if wanted is not None):
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
        globe = self.stage.globe
        globe.markers = [{"lat": model.picked[0], "lon": model.picked[1]}]
        first, low, high, name, units = self._layer(self._made)
        second = b""
        if other is not None:
            second, low_b, high_b, *_ = self._layer(other)
            low, high = min(low, low_b), max(high, high_b)
        colours = colormap_bytes("amp" if model.show == SCALE else "balance")
        globe.param.update(field=first, field_b=second, vmin=low, vmax=high, colormap=colours)
        self.stage.caption(*(() if other is None else ("A, the choice here", "B, the choice kept")))
        self.stage.scale(colours, low, high, name, units)
        self.stage.bar.visible = model.show != COLOURS
        self._rest.soon()

    def _layer(self, config: EmbeddingConfig) -> tuple[bytes, float, float, str, str]:
        """Bytes for the globe, both ends of the scale, what it is, and its units."""
        model = self.model
        made = embeddings.embedding(config)
        axes = Axes.of(made.lat, made.lon)
        key = f"{text.file_stem(config)}-{model.show}"
        if model.show == COLOURS:
            return pack_colours(embeddings.rgb(config), axes, key), 0.0, 1.0, "Like colours, like embeddings", ""
        if model.show == DIMENSION:
            index = min(model.dimension, made.values.shape[2]) - 1
            values = embeddings.dimension(config, index)
            limit = float(np.abs(values).max()) or 1.0
            return pack_field(values, axes, f"{key}-{index + 1}"), -limit, limit, f"Dimension {index + 1}", "σ"
        if model.show == SCALE:
            scale = embeddings.scale(config)
            column = np.repeat(scale.logs[:, [model.feature - 1]], made.lon.size, axis=1)
            name = f"{scale.names[model.feature - 1]}, natural logarithm"
            span = (float(column.min()), float(column.max()))
            return pack_field(column, axes, key), span[0], max(span[1], span[0] + 1e-6), name, ""
        row, col = embeddings.cell_of(config, *model.picked)
        values = embeddings.similarity(config, row, col)
        return pack_field(values, axes, f"{key}-{row}-{col}"), -1.0, 1.0, "Cosine similarity", ""

    def _after_rest(self) -> None:
        if self._made is None or self._made != self.model.config:
            return
        made = embeddings.embedding(self._made)
        clipped = float(embeddings.clipped_fraction(self._made).mean())
        self.stage.say_facts(text.facts(self._made, made, clipped))
        self.panels.show(self._made)

    def _pick(self, lat: float, lon: float) -> None:
        self.model.picked = (lat, lon)

    def _show_failure(self, error: Exception) -> None:
        self.stage.show_failure("This embedding cannot be made", error)

    # files

    def _offer_picture(self) -> None:
        if self._made is not None:
            stem = text.file_stem(self._made)
            self.stage.save_picture(stem, stem)

    def _offer(self, ending: str, content: Any) -> None:
        config = self.model.config
        self._work.start(
            lambda report: content(config),
            lambda made: self.stage.download.offer(f"{text.file_stem(config)}.{ending}", made),
        )
