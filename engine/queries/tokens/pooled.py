"""Tokens of a month as single vectors or as one vector of a scene, and figures of how alike they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import ChoiceError, check_choice
from engine.queries.colours import principal_colours
from engine.queries.tokens.maps import TokenMap
from engine.similarity import Spread, cosine_matrix, ledoit_wolf_shrinkage, pooled, similarity_map, spread_of
from engine.similarity.whitening import whiten
from engine.typed import Floats, Ints, Singles

POOLINGS = ("patch", "mean", "area_mean", "summary")
"""A patch's own token; the plain mean of its scene; the mean by area of sea; the model's scene summary token."""

TRANSFORMS = ("raw", "centred", "whitened")

_MOST_SPREAD = 1500


def pooled_tokens(tokens: TokenMap, layer: str, pooling: str = "patch") -> Singles:
    """(Hp, Wp, C): of each patch its own token, or the one vector of its scene. A scene is the patches that are taken
    from one window; its means are over the patches with sea.

    Raises:
        ChoiceError: no such layer or pooling, or a model without a summary token.
    """
    check_choice("pooling", pooling, POOLINGS)
    values = tokens.tokens(layer)
    if pooling == "patch":
        return values
    if pooling == "summary":
        if tokens.summaries is None:
            raise ChoiceError("the model has no summary token", "the pooling", "choose the mean or a patch")
        return tokens.summaries[tokens.window]
    weights = tokens.weights() if pooling == "area_mean" else tokens.is_sea.astype(np.float64)
    whole = np.zeros_like(values)
    for number in np.unique(tokens.window[tokens.is_sea]):
        mine = tokens.window == number
        own = torch.as_tensor(weights * mine)
        whole[mine] = pooled(torch.as_tensor(values), "mean", weights=own).numpy()
    return whole


def similarity(
    tokens: TokenMap, layer: str, row: int, col: int, pooling: str = "patch", transform: str = "raw"
) -> Singles:
    """Cosine (Hp, Wp) of every patch's vector with that of the patch at ``row``, ``col``; NaN on land.

    ``transform``: of the patches' tokens first; see :func:`transformed`.
    """
    values = pooled_tokens(tokens, layer, pooling)
    if transform != "raw":
        sea, changed = tokens.is_sea, np.zeros_like(values)
        changed[sea] = transformed(values[sea], transform)[0]
        values = changed
    cosines = similarity_map(torch.as_tensor(values), row, col).numpy()
    return np.where(tokens.is_sea, cosines, np.float32(np.nan))


def transformed(values: Singles, transform: str) -> tuple[Singles, float]:
    """Vectors (N, C) as they are, less their mean, or whitened with the Ledoit-Wolf shrinkage, which is returned, 0
    otherwise."""
    check_choice("transformation", transform, TRANSFORMS)
    if transform == "centred":
        return values - values.mean(axis=0), 0.0
    if transform == "whitened":
        rows = torch.as_tensor(values)
        shrinkage = ledoit_wolf_shrinkage(rows)
        return whiten(rows, shrinkage).numpy(), shrinkage
    return values, 0.0


@dataclass(frozen=True, eq=False)
class SceneCosines:
    """Cosines (N, N) of the N sea patches of a scene, row by row from the north; ``rows`` and ``cols`` (N,) where they
    lie; the histogram ``shares`` of the pairs between ``edges``; the ``spread``; the ``shrinkage`` of the whitening."""

    cosines: Singles
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    edges: Floats
    shares: Floats
    spread: Spread
    shrinkage: float


def scene_cosines(tokens: TokenMap, layer: str, row: int, col: int, transform: str = "raw") -> SceneCosines:
    """The cosines of all pairs of sea patches of the scene that holds the patch at ``row``, ``col``."""
    mine = (tokens.window == tokens.window[row, col]) & tokens.is_sea
    rows, cols = np.nonzero(mine)
    order = np.lexsort((cols, -rows))
    rows, cols = rows[order], cols[order]
    return cosines_of(tokens.tokens(layer)[rows, cols], rows, cols, transform)


def cosines_of(values: Singles, rows: Ints, cols: Ints, transform: str) -> SceneCosines:
    """The cosines of all pairs of tokens (N, C), which lie at ``rows`` and ``cols`` (N,)."""
    values, shrinkage = transformed(values, transform)
    vectors = torch.as_tensor(values)
    cosines = cosine_matrix(vectors).numpy()
    pairs = cosines[np.triu_indices(len(rows), 1)]
    low = float(np.nanmin(pairs)) if len(pairs) else 0.0
    edges = np.linspace(min(low, 0.99), 1.0, 41)
    num_pairs = np.histogram(np.clip(pairs, edges[0], edges[-1]), edges)[0]
    shares = num_pairs / max(1, num_pairs.sum())
    return SceneCosines(cosines, rows, cols, edges, shares, spread_of(vectors), shrinkage)


def map_spread(tokens: TokenMap, layer: str) -> Spread:
    """The spread of the sea patches of the whole map; of more than 1500 a random sample, the same at every call."""
    values = tokens.tokens(layer)[tokens.is_sea]
    if len(values) > _MOST_SPREAD:
        values = values[np.random.default_rng(0).choice(len(values), _MOST_SPREAD, replace=False)]
    return spread_of(torch.as_tensor(values))


def colours(tokens: TokenMap, layer: str) -> NDArray[np.uint8]:
    """Tokens as colours (Hp, Wp, 3): their first three principal components over the sea; grey on land."""
    values, sea = tokens.tokens(layer), tokens.is_sea
    # land has the mean of the sea, which adds nothing to the components
    filled = np.where(sea[..., None], values, values[sea].mean(axis=0))
    shown = principal_colours(filled, tokens.area_m2)
    shown[~sea] = 128
    return shown
