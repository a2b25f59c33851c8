"""The Embeddings page's view: computes embeddings off the event loop and draws them on globe, map and figures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.errors import EngineError
from engine.queries import embeddings
from engine.queries.cache import Progress
from engine.queries.embeddings import FILE, EmbeddingConfig, ProbeResult
from engine.queries.places import find_place
from explorer import layout
from explorer.background import Debouncer, LatestTask
from explorer.layout import box, show
from explorer.pages.embeddings import sweeps, text
from explorer.pages.embeddings.drawer import FileActions, drawer
from explorer.pages.embeddings.model import COLOURS, DIMENSION, ERROR, SCALE, SHIPPED, EmbeddingsModel
from explorer.pages.embeddings.panels import EmbeddingsPanel
from explorer.registry import REGISTRY
from explorer.run_card import RunCard
from explorer.session import PageView, Query, Session
from explorer.stage import Stage
from explorer.widgets import controls
from explorer.widgets.legend import Scale
from explorer.widgets.packets import Axes, pack_colours, pack_field
from explorer.widgets.text import error_text, html, paragraph

# larger embeddings need a confirmation
_ASK_SECONDS, _ASK_BYTES = 6.0, 400 * 2**20

_CHOICE = [
    "encoder", "domain", "lat_range", "west", "width", "step_deg", "patch_height", "patch_width", "max_degree",
    "num_components", "clip_sigma", "file",
]  # fmt: skip


def build(session: Session, query: Query) -> PageView:
    """The page for one session, as its address describes it."""
    return EmbeddingsView(session, EmbeddingsModel(query)).view


class EmbeddingsView:
    """Computes choice A, and B where there is one; the globe shows both under a divider."""

    def __init__(self, session: Session, model: EmbeddingsModel) -> None:
        self.session = session
        self.model = model
        self._drawn: EmbeddingConfig | None = None
        self._drawn_other: EmbeddingConfig | None = None
        self._question = html("")
        self._go = controls.button("Compute it", on_click=lambda _: self._compute(confirmed=True))
        self._question_card = box(self._question, self._go, css=layout.CARD, styles={"display": "none"})
        self.run = RunCard(session, REGISTRY, "The probe", "Sweep L, K and encoders", "Cancel")
        self._sweeping = ""
        overlays = (self._question_card, self.run.card)
        self.stage = Stage(session, model, "the patch embedding", lambda: self._work.cancel(), overlays, blocks=True)
        self.stage.on_click(lambda lat, lon: model.param.update(picked=(lat, lon)))
        self._work = LatestTask(self.stage.show_progress, self._show_failure)
        self._choice = Debouncer(self._compute, 60)
        self._rest = Debouncer(self._after_rest, 160)
        self._estimate = html("")
        self._legend = html("")
        self.panel = EmbeddingsPanel(model, self._show_failure)
        files = {
            "Picture, PNG": self._offer_picture,
            "Embedding, NetCDF": lambda: self._offer_values("nc", embeddings.embedding_netcdf),
            "Embedding, npz": lambda: self._offer_values("npz", embeddings.embedding_npz),
            "Probe, CSV": lambda: self._offer_probe("csv", embeddings.result_csv),
            "Probe, Parquet": lambda: self._offer_probe("parquet", embeddings.result_parquet),
            "Choices, JSON": lambda: self._offer("json", embeddings.config_json, model.config),
            "Python code": lambda: self._offer("py", lambda config: embeddings.snippet(config).encode(), model.config),
        }
        form = FileActions(self._open_file, lambda error: session.say("error", error_text(error)))
        parts = drawer(model, self.stage.globe, self._estimate, self._legend, form)
        self.view = self.stage.page_view(parts, [self.stage.flat, *self.panel.parts], files)
        model.param.watch(lambda *_: self._mark_stale(), [*_CHOICE, "other"])
        model.param.watch(lambda *_: self._draw(), ["dimension", "feature", "picked"])
        # a map of errors is computed first
        model.param.watch(lambda *_: self._choice.soon() if model.show == ERROR else self._draw(), ["show", "task"])
        model.param.watch(lambda *_: self._choice.soon() if model.show == ERROR else self._rest.soon(), ["split"])
        model.param.watch(lambda *_: self._rest.soon(), ["panel", "result", "layout"])
        model.param.watch(lambda event: event.new.strip() and self._find(event.new), "search")
        REGISTRY.subscribe(lambda _: self._show_run())
        model.param.watch(lambda *_: self._show_run(), ["panel", "task", "split", "encoder", "step_deg", "result"])
        self._show_run()
        self._compute()

    # computing

    @property
    def _is_stale(self) -> bool:
        """Whether what is on screen is of an earlier choice."""
        if self._drawn is None or self.model.waits_for_file:
            return True
        return (self._drawn, self._drawn_other) != (self.model.config, self.model.other)

    def _mark_stale(self) -> None:
        self._veil(self._is_stale)
        self._choice.soon()

    def _veil(self, wanted: bool) -> None:
        self.stage.veil(wanted)
        self.panel.veil(wanted)

    def _open_file(self, path: str) -> None:
        """Show the vectors of a file; a file that was written anew is read anew."""
        if path.strip() == self.model.file:
            self._choice.soon()
        self.model.file = path.strip()

    def _ask(self, question: str, can_go: bool) -> None:
        self._work.cancel()
        self._question.object = paragraph(question)
        self._go.visible = can_go
        show(self._question_card, True)

    def _compute(self, confirmed: bool = False) -> None:
        """Compute A and B, unless they are cached, large and not confirmed, or of a file that is to be chosen."""
        self.stage.clear_failure()
        if self.model.waits_for_file:
            self._estimate.object = ""
            self._ask(text.NO_FILE, can_go=False)
            return
        try:
            config, other = self.model.config, self.model.other
            cost = embeddings.embedding_cost(config)
        except EngineError as error:
            self._show_failure(error)
            return
        self._estimate.object = "" if config.file else paragraph(text.estimate(cost))
        large = cost.seconds > _ASK_SECONDS or cost.peak_bytes > _ASK_BYTES
        if large and not confirmed:
            self._ask(f"Large embedding: {text.estimate(cost)}", can_go=True)
            return
        show(self._question_card, False)

        def work(report: Progress) -> None:
            for wanted in (config, other):
                if wanted is not None:
                    embeddings.embedding(wanted, report)
                    embeddings.clipped_fraction(wanted, report)
                    if is_error:
                        embeddings.probed(wanted, task, split)

        def is_ready(wanted: EmbeddingConfig) -> bool:
            return embeddings.is_embedded(wanted) and not (is_error and not embeddings.is_probed(wanted, task, split))

        task, split, is_error = self.model.task, self.model.split, self.model.show == ERROR
        if all(is_ready(wanted) for wanted in (config, other) if wanted is not None):
            self._work.cancel()
            self._show_embedding(config, other)
        else:
            self._work.start(work, lambda _: self._show_embedding(config, other))

    def _show_embedding(self, config: EmbeddingConfig, other: EmbeddingConfig | None) -> None:
        self._drawn, self._drawn_other = config, other
        if config.file:
            sentences = embeddings.vector_sentences(config.file, embeddings.embedding(config).is_known)
            self._estimate.object = "".join(paragraph(sentence) for sentence in sentences)
            self.model.bound("dimension", 1, embeddings.embedding(config).values.shape[2])
        self._draw()

    def _show_run(self) -> None:
        """Offer a sweep in the tab Probe, show how it fares, and its result once it has ended."""
        if self.model.panel != "probe" or self.model.encoder == FILE:
            self.run.hide()
            return
        offer = sweeps.offer(self.model)
        record = self.run.find(offer.config)
        if record is None or record.state != "done":
            self._sweeping = "" if record is None else record.id
            self.run.show(offer, record)
            return
        self.run.hide()
        if record.id == self._sweeping:
            self._sweeping, self.model.result = "", record.id

    def _find(self, text_of_place: str) -> None:
        """Turn to a place and pick its patch."""
        try:
            name, lat, lon = find_place(text_of_place)
        except EngineError as error:
            self.session.say("warning", str(error))
            return
        self.session.say("info", name)
        self.model.param.update(picked=(lat, lon), camera=(lat, lon, self.model.camera[2]))

    # showing

    def _draw(self) -> None:
        if self._drawn is None or self._is_stale:
            return
        model, other = self.model, self._drawn_other
        globe = self.stage.globe
        if not embeddings.embedding(self._drawn).is_known[embeddings.cell_of(self._drawn, *model.picked)]:
            model.picked = embeddings.first_known(self._drawn, *model.picked)  # draws again
            return
        globe.markers = [{"lat": model.picked[0], "lon": model.picked[1]}]
        first, low, high, name, units = self._layer(self._drawn)
        second = b""
        if other is not None:
            second, low_b, high_b, *_ = self._layer(other)
            low, high = min(low, low_b), max(high, high_b)
        palette = "amp" if model.show in (SCALE, ERROR) else "balance"
        scale = Scale(str(model.show), palette, low, high, name, units)
        globe.param.update(field=first, field_b=second, **self.stage.scale(scale))
        self.stage.caption(*(() if other is None else ("A, current choice", "B, kept choice")))
        self.stage.bar.visible = model.show != COLOURS
        if model.show == COLOURS:
            self._legend.object = text.colour_legend(embeddings.colour_axes(self._drawn))
        self._veil(False)
        self._rest.soon()

    def _layer(self, config: EmbeddingConfig) -> tuple[bytes, float, float, str, str]:
        """Bytes for the globe, limits of the colour scale, label and units."""
        model = self.model
        embedding = embeddings.embedding(config)
        axes = Axes.of(embedding.lat, embedding.lon)
        key, which = f"{text.file_stem(config)}-{model.show}", f"{hash(config) & 0xFFFFFFFF:x}"
        if model.show == COLOURS:
            missing = None if embedding.is_known.all() else ~embedding.is_known
            return (
                pack_colours(embeddings.rgb(config), axes, f"{key}-{which}", missing),
                0.0,
                1.0,
                "Similar colours: similar embeddings",
                "",
            )
        if model.show == DIMENSION:
            index = min(model.dimension, embedding.values.shape[2]) - 1
            values = embeddings.dimension(config, index)
            limit = float(np.nanmax(np.abs(values))) or 1.0
            units = "" if config.file else "σ"
            return (
                pack_field(values, axes, f"{key}-{index + 1}-{which}"),
                -limit,
                limit,
                f"Dimension {index + 1}",
                units,
            )
        if model.show == SCALE:
            scale = embeddings.scale(config)
            column = np.repeat(scale.logs[:, [model.feature - 1]], embedding.lon.size, axis=1)
            name = f"{scale.names[model.feature - 1]}, natural logarithm"
            span = (float(column.min()), float(column.max()))
            return (
                pack_field(column, axes, f"{key}-{model.feature}-{which}"),
                span[0],
                max(span[1], span[0] + 1e-6),
                name,
                "",
            )
        if model.show == ERROR:
            errors = embeddings.probe_error(config, model.task, model.split)
            name, units = embeddings.error_label(model.task)
            high = float(np.nanpercentile(errors, 98)) or 1.0
            return pack_field(errors, axes, f"{key}-{model.task}-{model.split}-{which}"), 0.0, high, name, units
        row, col = embeddings.cell_of(config, *model.picked)
        values = embeddings.similarity(config, row, col)
        return pack_field(values, axes, f"{key}-{row}-{col}-{which}"), -1.0, 1.0, "Cosine similarity", ""

    def _after_rest(self) -> None:
        if self._drawn is None or self._is_stale:
            return
        embedding = embeddings.embedding(self._drawn)
        clipped = float(embeddings.clipped_fraction(self._drawn).mean())
        self.stage.show_readout(text.readout(self._drawn, embedding, clipped))
        self.panel.show(self._drawn)

    def _show_failure(self, error: Exception) -> None:
        self.stage.show_failure("This embedding cannot be computed", error)

    # files

    def _offer_picture(self) -> None:
        if self._drawn is not None:
            stem = text.file_stem(self._drawn)
            self.stage.save_picture(stem, embeddings.origin_of(self._drawn), stem)

    def _offer_probe(self, ending: str, content: Callable[[ProbeResult, str], bytes]) -> None:
        """Offer the scores of a run, or of the sweep that comes along where none is chosen."""
        result = self.model.result or SHIPPED
        source = "the probe that comes along" if result == SHIPPED else f"probe, run {result}"
        self.stage.offer(f"probe.{ending}", lambda: content(sweeps.read(result), source))

    def _offer_values(self, ending: str, content: Callable[[EmbeddingConfig], bytes]) -> None:
        """Offer what is drawn, also while another embedding is being computed."""
        if self._drawn is None:
            self.session.say("info", "No embedding is computed yet.")
        else:
            self._offer(ending, content, self._drawn)

    def _offer(self, ending: str, content: Callable[[EmbeddingConfig], bytes], config: EmbeddingConfig) -> None:
        name = f"{text.file_stem(config)}.{ending}"
        self.stage.offer(name, lambda: content(config))
