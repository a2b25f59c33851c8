"""One vector of a scene's tokens: their mean, the model's summary token, or a single patch."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from engine.errors import ChoiceError, check_choice
from engine.similarity.cosine import check_place_in_grid

Pooling = Literal["mean", "summary", "patch"]
POOLINGS: tuple[str, ...] = ("mean", "summary", "patch")


def pooled(
    tokens: Tensor,
    pooling: Pooling = "mean",
    *,
    weights: Tensor | None = None,
    summary: Tensor | None = None,
    row: int = 0,
    col: int = 0,
) -> Tensor:
    """One vector (..., D) of the tokens (..., h, w, D) of each scene.

    - ``mean``: Σ w t / Σ w with ``weights`` (h, w), the patches' areas or 0 for patches that do not count; without
      weights the plain mean.
    - ``summary``: the model's own ``summary`` (..., D).
    - ``patch``: the token at ``row``, ``col``.

    Raises:
        ChoiceError: an unknown pooling, a model without a summary, a patch that does not exist, weights without sum.
    """
    check_choice("pooling", pooling, POOLINGS)
    if pooling == "patch":
        check_place_in_grid(tokens, row, col)
        return tokens[..., row, col, :]
    if pooling == "summary":
        if summary is None:
            raise ChoiceError("the model has no summary token", "the pooling", "choose the mean or a patch")
        return summary
    if weights is None:
        return tokens.mean(dim=(-3, -2))
    total = weights.sum()
    if not float(total) > 0.0:
        raise ChoiceError("no patch has a weight above 0", "the mean of the tokens", "choose patches that count")
    shares = (weights / total).to(tokens)
    return (tokens * shares[..., None]).sum(dim=(-3, -2))
