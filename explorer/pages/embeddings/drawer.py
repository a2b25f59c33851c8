"""The Embeddings page's controls: encoder, grid, patches, basis, the map's quantity, and the choice to compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import panel as pn

from engine.queries.embeddings import (
    COMPONENTS,
    FILE,
    PROBE_SPLITS,
    PROBE_TASKS,
    UMAP,
    VECTOR_ENDINGS,
    has_umap,
)
from explorer.background import Debouncer
from explorer.layout import box, row
from explorer.pages.embeddings import sweeps
from explorer.pages.embeddings.model import (
    CLIPS,
    COLOURS,
    DIMENSION,
    ENCODERS,
    ERROR,
    SCALE,
    SIMILARITY,
    STEPS,
    EmbeddingsModel,
)
from explorer.registry import REGISTRY
from explorer.widgets import controls
from explorer.widgets.domain import domain_controls
from explorer.widgets.files import FileBrowser
from explorer.widgets.globe import Globe
from explorer.widgets.maps import map_controls
from explorer.widgets.text import section, text_pane
from explorer.widgets.upload import UploadField

_PAIR = ":host { display: grid; grid-template-columns: 1fr 1fr; gap: 8px }"
_SHOWN = {"Similarity": SIMILARITY, "Colours": COLOURS, "Dimension": DIMENSION, "Size": SCALE, "Error": ERROR}


@dataclass(frozen=True)
class FileActions:
    """What the choice of a file does: ``open(path)`` takes it, ``failed(error)`` tells why there is none."""

    open: Callable[[str], None]
    failed: Callable[[Exception], None]


def drawer(model: EmbeddingsModel, globe: Globe, estimate: Any, legend: Any, files: FileActions) -> list[Any]:
    """All controls; ``estimate`` is the pane with the cost of the choice, ``legend`` the meaning of colours."""
    return [
        section("Map quantity"),
        controls.segments(model.param.show, _SHOWN),
        controls.field(model.param.search, "Go to a city, or latitude, longitude"),
        controls.only_if(model.param.show, COLOURS, lambda: [legend]),
        controls.only_if(model.param.show, DIMENSION, lambda: [controls.slider(model.param.dimension, "Dimension")]),
        controls.only_if(model.param.show, SCALE, lambda: [controls.slider(model.param.feature, "Feature")]),
        controls.group(
            model,
            ["show", "panel"],
            lambda: model.show == ERROR or model.panel == "probe",
            lambda: [
                section("Probe"),
                controls.select(model.param.task, "Read", PROBE_TASKS),
                controls.select(model.param.split, "Held out", PROBE_SPLITS),
                controls.only_if(model.param.panel, "probe", lambda: [_results(model)]),
            ],
        ),
        controls.only_if(model.param.panel, "patch", lambda: _layout(model)),
        section("Embedding A"),
        controls.select(model.param.encoder, "Encoder", {title: name for name, title in ENCODERS.items()}),
        controls.only_if(model.param.encoder, FILE, lambda: _file(model, files)),
        controls.select(model.param.step_deg, "Grid", {f"{step:g}°": step for step in STEPS}),
        box(_side(model, "patch_height", "Patch height"), _side(model, "patch_width", "Patch width"), css=_PAIR),
        controls.group(
            model,
            ["encoder"],
            lambda: model.encoder != FILE,
            lambda: [
                text_pane("The table encoder is learned; see the page Learned table."),
                controls.slider(model.param.num_components, "Dimensions K"),
            ],
        ),
        controls.only_if(model.param.encoder, "harmonic", lambda: _basis(model)),
        estimate,
        _compare(model),
        section("Map"),
        *map_controls(model, globe),
    ]


def _results(model: EmbeddingsModel) -> Any:
    """Whose scores the tab Probe shows."""
    chosen = controls.select(model.param.result, "Scores of", sweeps.options(model))
    REGISTRY.subscribe(lambda _: controls.offer(chosen, sweeps.options(model), model.result))
    return chosen


def _layout(model: EmbeddingsModel) -> list[Any]:
    """How the tab Patch lays the patches out, where there is a choice."""
    if not has_umap():
        return []
    return [
        section("Cloud of patches"),
        controls.segments(model.param.layout, {"Components": COMPONENTS, "UMAP": UMAP}),
    ]


def _file(model: EmbeddingsModel, files: FileActions) -> list[Any]:
    """A file of vectors: from this computer, or on the server."""
    path = controls.field(model.param.file, "Path on the server")
    entered = Debouncer(lambda: files.open(model.file), 200)  # the event of Enter arrives before the text
    path.param.watch(lambda _: entered.soon(), "enter_pressed")
    return [
        text_pane(
            "Another model's vectors of places, such as SatCLIP's or GeoCLIP's: latitudes, longitudes and one row of "
            "numbers for each point, as .npz, .nc or .parquet. A patch gets the mean of its points."
        ),
        UploadField(
            files.open,
            files.failed,
            accept=",".join(VECTOR_ENDINGS),
            kinds="npz, NetCDF, Parquet",
            margin=(4, 0),
            sizing_mode="stretch_width",
        ),
        FileBrowser(
            files.open,
            files.failed,
            VECTOR_ENDINGS,
            current=model.param.file,
            margin=(4, 0),
            sizing_mode="stretch_width",
        ),
        path,
    ]


def _side(model: EmbeddingsModel, name: str, label: str) -> Any:
    """A select of the divisors of the grid."""
    sizes = {str(size): size for size in model.param[name].objects}
    widget = controls.select(model.param[name], label, sizes)

    def offer(*_: object) -> None:
        widget.param.update(options={str(size): size for size in model.param[name].objects}, value=getattr(model, name))

    model.param.watch(offer, "step_deg")
    return widget


def _basis(model: EmbeddingsModel) -> list[Any]:
    clips = {"no clip" if clip is None else f"{clip:g} σ": clip for clip in CLIPS}
    return [
        controls.slider(model.param.max_degree, "Max. degree L"),
        controls.select(model.param.clip_sigma, "Soft clip", clips),
        *domain_controls(model),
    ]


def _compare(model: EmbeddingsModel) -> pn.Column:
    keep = controls.button("Keep as B", on_click=lambda _: model.keep_as_other())
    has_other = model.param.other.rx.is_not(None)
    forget = controls.button("Discard B", on_click=lambda _: model.forget_other(), visible=has_other)
    return row(keep, forget, margin=(8, 0, 16, 0))
