"""The same patch in other surroundings: how much of its token is the patch's own."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.errors import DataError
from engine.similarity.cosine import check_place_in_grid, unit_tokens
from engine.similarity.receptive_field import OnStep, TokenModel, no_step, slices_of


def context_drop(
    model: TokenModel,
    sample: Tensor,
    row: int,
    col: int,
    surroundings: Tensor,
    *,
    batch: int = 32,
    on_step: OnStep = no_step,
) -> Tensor:
    """Drop 1 − cos (n,) of the token at ``row``, ``col`` when its patch of ``sample`` (C, H, W) stands in others.

    The patch's values are put in the same place of each of ``surroundings`` (n, C, H, W). 0: the token knows its
    patch only; 1: it has nothing in common with the token in the patch's own surroundings. NaN where a token has no
    length.

    Raises:
        ChoiceError: a token that does not exist.
        DataError: surroundings of another shape, or none.
    """
    if surroundings.shape[1:] != sample.shape or not len(surroundings):
        raise DataError(
            f"surroundings of shape {tuple(surroundings.shape)} do not suit the sample",
            f"a sample of shape {tuple(sample.shape)}",
            "give at least one, each of the sample's shape",
        )
    with torch.no_grad():
        tokens = model(sample[None])[0]
        check_place_in_grid(tokens, row, col)
        height, width = sample.shape[1] // tokens.shape[0], sample.shape[2] // tokens.shape[1]
        own = slices_of(row, col, (height, width))
        parts: list[Tensor] = []
        for first in range(0, len(surroundings), batch):
            on_step(first, len(surroundings))
            swapped = surroundings[first : first + batch].clone()
            swapped[:, :, *own] = sample[:, *own]
            parts.append(unit_tokens(model(swapped)[:, row, col]) @ unit_tokens(tokens[row, col]))
    return 1.0 - torch.cat(parts).clamp(-1.0, 1.0)
