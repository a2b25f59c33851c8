"""Cosine similarity of tokens: all pairs, or all tokens with one."""

from __future__ import annotations

from torch import Tensor

from engine.errors import ChoiceError
from engine.similarity import whitening
from engine.typed import vector_norm


def cosine_matrix(tokens: Tensor, centre: bool = False, whiten: bool = False) -> Tensor:
    """Cosines (N, N) of all pairs of ``tokens`` (N, D): x·y / (|x| |y|), from -1 to 1.

    ``centre`` takes the mean token off first. ``whiten`` also turns the tokens' covariance into the identity, so that
    common directions have no more weight than others; directions without variance are left out.
    The cosines of a token of length 0 are NaN.
    """
    if whiten:
        tokens = whitening.whiten(tokens)
    elif centre:
        tokens = tokens - tokens.mean(dim=0)
    unit = unit_tokens(tokens)
    return (unit @ unit.T).clamp_(-1.0, 1.0)


def similarity_map(tokens_grid: Tensor, row: int, col: int) -> Tensor:
    """Cosines (Hp, Wp) of every token of a grid (Hp, Wp, D) with the one at ``row``, ``col``; NaN without length."""
    check_place_in_grid(tokens_grid, row, col)
    chosen = tokens_grid[row, col]
    size = vector_norm(tokens_grid)
    return (tokens_grid @ chosen / size / size[row, col]).clamp_(-1.0, 1.0)


def check_place_in_grid(tokens: Tensor, row: int, col: int) -> None:
    """Raise :class:`ChoiceError` unless ``tokens`` (..., Hp, Wp, D) has a patch at ``row``, ``col``."""
    height, width = tokens.shape[-3:-1]
    if not (0 <= row < height and 0 <= col < width):
        raise ChoiceError(
            f"there is no patch ({row}, {col})",
            f"a grid of {height} × {width} patches",
            f"choose a row from 0 to {height - 1} and a column from 0 to {width - 1}",
        )


def unit_tokens(tokens: Tensor) -> Tensor:
    """Tokens (..., D) divided by their lengths; NaN where the length is zero."""
    return tokens / vector_norm(tokens)[..., None]
