"""Cosine similarity of tokens: all with all, or all with one."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from engine.errors import ChoiceError


def cosine_matrix(tokens: Tensor, centre: bool = False, whiten: bool = False) -> Tensor:
    """Cosines (N, N) of all pairs of ``tokens`` (N, D): x·y / (|x| |y|), from -1 to 1.

    ``centre`` takes the mean token off first. ``whiten`` also turns the tokens' covariance into the identity, so that
    directions all tokens share count no more than others; directions without variance are left out.
    A token without length has no direction: its cosines are NaN.
    """
    if centre or whiten:
        tokens = tokens - tokens.mean(dim=0)
    unit = unit_tokens(_whitened(tokens) if whiten else tokens)
    return (unit @ unit.T).clamp_(-1.0, 1.0)


def similarity_map(tokens_grid: Tensor, row: int, col: int) -> Tensor:
    """Cosines (Hp, Wp) of every token of a grid (Hp, Wp, D) with the one at ``row``, ``col``; NaN without length."""
    height, width, _ = tokens_grid.shape
    if not (0 <= row < height and 0 <= col < width):
        raise ChoiceError(
            f"there is no patch ({row}, {col})",
            f"a grid of {height} × {width} patches",
            f"choose a row from 0 to {height - 1} and a column from 0 to {width - 1}",
        )
    chosen = tokens_grid[row, col]
    size = lengths(tokens_grid)
    return (tokens_grid @ chosen / size / size[row, col]).clamp_(-1.0, 1.0)


def unit_tokens(tokens: Tensor) -> Tensor:
    """Tokens (..., D) divided by their lengths; NaN where the length is zero."""
    return tokens / lengths(tokens)[..., None]


def lengths(tokens: Tensor) -> Tensor:
    """Euclidean lengths (...) of tokens (..., D)."""
    return torch.linalg.vector_norm(tokens, dim=-1)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _whitened(centred: Tensor) -> Tensor:
    """Coordinates (N, R) along the R principal axes with variance, each divided by its standard deviation."""
    found = torch.linalg.svd(centred, full_matrices=False)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    left, values = cast("tuple[Tensor, Tensor, Tensor]", found)[:2]
    floor = float(values[0]) * max(centred.shape) * torch.finfo(centred.dtype).eps
    return left[:, values > floor]
