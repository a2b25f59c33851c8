"""Tokens of every layer of a spatio-temporal model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from engine.errors import ChoiceError
from engine.models.spatiotemporal.model import SpatioTemporalModel


@dataclass(frozen=True)
class LayerTokens:
    """Tokens of each layer, (B, M, h, w, C) by name, and the scene summary (B, C) of a model that has one."""

    tokens: dict[str, Tensor]
    summary: Tensor | None


class _Reached(Exception):  # noqa: N818 not an error: it ends a forward pass before the decoder
    pass


def layer_names(model: nn.Module) -> tuple[str, ...]:
    """The layers of ``model`` that have tokens, first to last.

    ``encoder``: after the encoder, the mean of the month's days by what each shows of the patch; ``time``: after the
    aggregation of days to months; ``block1`` …: after each spatial block; ``output``: what the decoder reads.

    Raises:
        ChoiceError: a model of another architecture, which has no tokens.
    """
    if not isinstance(model, SpatioTemporalModel):
        raise ChoiceError("the model is a U-Net, which has no tokens", "the model", "choose a spatio-temporal model")
    return ("encoder", "time", *(f"block{number + 1}" for number in range(len(_blocks(model)))), "output")


def check_layer(model: nn.Module, layer: str) -> None:
    """Raise :class:`ChoiceError` unless ``model`` has tokens in ``layer``."""
    if layer not in (known := layer_names(model)):
        raise ChoiceError(f"there is no layer {layer!r}", "the layer", f"choose one of {', '.join(known)}")


def layer_tokens(model: SpatioTemporalModel, inputs: tuple[Any, ...]) -> LayerTokens:
    """Tokens of all layers for the arguments of ``model``, with gradients where wanted; the decoder does not run."""
    tokens: dict[str, Tensor] = {}
    summary: Tensor | None = None

    def after_time(_: nn.Module, arguments: tuple[Any, ...], aggregate: Any) -> None:
        nonlocal summary
        days, observed = arguments[0], arguments[2]
        tokens["encoder"] = _mean_by_observed(days, observed)
        tokens["time"], summary = aggregate.tokens, aggregate.scene

    def after_block(number: int) -> Any:
        def keep(_module: nn.Module, _arguments: tuple[Any, ...], output: Tensor) -> None:
            tokens[f"block{number + 1}"] = output.reshape(tokens["time"].shape)

        return keep

    def after_blocks(_: nn.Module, _arguments: tuple[Any, ...], output: Tensor) -> None:
        tokens["output"] = output.reshape(tokens["time"].shape)
        raise _Reached

    handles = [
        model.temporal.register_forward_hook(after_time),
        *(block.register_forward_hook(after_block(number)) for number, block in enumerate(_blocks(model))),
        model.spatial.register_forward_hook(after_blocks),
    ]
    try:
        model.forward_details(*inputs, attention=False, check=False)
    except _Reached:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return LayerTokens(tokens, summary)


def _blocks(model: SpatioTemporalModel) -> list[nn.Module]:
    layers: Any = model.spatial.layers
    return list(layers)


def _mean_by_observed(days: Tensor, observed: Tensor) -> Tensor:
    """Σ n d / Σ n over the days of ``days`` (B, M, t, h, w, C), n = ``observed`` (B, M, t, h, w); where nothing was
    observed the plain mean."""
    weights = observed + (observed.sum(dim=2, keepdim=True) == 0.0).to(observed.dtype)
    weights = weights / weights.sum(dim=2, keepdim=True)
    return (days * weights[..., None]).sum(dim=2)
