"""The Tokens page's controls: model, layer, what the map shows, and what a click does."""

from __future__ import annotations

from typing import Any

from explorer.model_choice import model_choice
from explorer.pages.tokens import text
from explorer.pages.tokens.model import COLOURS, FIELD, SIMILARITY, TokensModel
from explorer.widgets import controls
from explorer.widgets.globe import Globe
from explorer.widgets.maps import map_controls
from explorer.widgets.text import section

_SHOWN = {"Similarity": SIMILARITY, "Colours": COLOURS, "Influence": FIELD}
_WEIGHTS = {"Trained": "trained", "Untrained": "untrained"}
_HOW = {"Gradient": "gradient", "Occlusion": "occlusion"}


def drawer(model: TokensModel, globe: Globe, about: Any) -> list[Any]:
    """All controls; ``about`` describes the source of the model."""
    return [
        section("Model"),
        model_choice(model),
        about,
        controls.segments(model.param.weights, _WEIGHTS),
        _layers(model),
        section("Map quantity"),
        controls.segments(model.param.show, _SHOWN),
        controls.only_if(model.param.show, SIMILARITY, lambda: _of_similarity(model)),
        controls.group(
            model,
            ["show", "panel"],
            lambda: model.show == FIELD or model.panel == "field",
            lambda: [section("Influence"), controls.segments(model.param.how, _HOW)],
        ),
        section("Click on the map"),
        controls.segments(model.param.click, text.CLICKS),
        section("Map"),
        *map_controls(model, globe),
    ]


def _of_similarity(model: TokensModel) -> list[Any]:
    return [
        controls.select(model.param.pooling, "Compare", text.POOLINGS),
        controls.segments(model.param.transform, text.TRANSFORMS),
    ]


def _layers(model: TokensModel) -> Any:
    def offered() -> dict[str, str]:
        return {text.layer_name(name): name for name in model.layers}

    chosen = controls.select(model.param.layer, "Layer", offered())
    model.param.watch(lambda *_: controls.offer(chosen, offered(), model.layer), "layers")
    return chosen
