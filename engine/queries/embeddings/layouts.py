"""The cloud of patches in two dimensions: leading principal components, or UMAP where the package is installed."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np

from engine.errors import ChoiceError
from engine.queries.cache import CACHE
from engine.queries.embeddings.patches import EmbeddingConfig, components, embedding, key_of
from engine.typed import Floats

COMPONENTS, UMAP = "components", "umap"
LAYOUT_AXES = {COMPONENTS: ("First principal component", "Second"), UMAP: ("UMAP 1", "UMAP 2")}
"""The axes of each layout."""

_MOST_PATCHES = 10_000
_NUM_NEIGHBOURS = 15
_SEED = 0


def has_umap() -> bool:
    """Whether the package ``umap-learn`` is installed (``pip install 'harmonia-explorer[umap]'``)."""
    return importlib.util.find_spec("umap") is not None


def layout(config: EmbeddingConfig, kind: str = COMPONENTS) -> Floats:
    """Where the patches lie in two dimensions: (Hp, Wp, 2), NaN without numbers.

    ``components`` are the first two principal components by area, which keep distances as far as a plane can; ``umap``
    keeps neighbours by cosine (15 of them, seed 0; McInnes, Healy, Melville 2018), and its distances mean little.

    Raises:
        ChoiceError: the package is not installed, or there are more than 10 000 patches with numbers.
    """
    if kind == COMPONENTS:
        channels = components(config)[0][:, :, :2]
        return channels if channels.shape[2] == 2 else np.concatenate((channels, np.zeros_like(channels)), axis=2)

    def compute() -> Floats:
        patches = embedding(config)
        known = patches.values[patches.is_known]
        if len(known) > _MOST_PATCHES:
            raise ChoiceError(
                f"UMAP of {len(known)} patches would take minutes", "layout", "choose larger patches or a coarser grid"
            )
        if not has_umap():
            raise ChoiceError("UMAP is not installed", "layout", "pip install 'harmonia-explorer[umap]'")
        package: Any = importlib.import_module("umap")  # when it is needed: its first compilation takes seconds
        num_neighbours = min(_NUM_NEIGHBOURS, len(known) - 1)
        fit = package.UMAP(n_neighbors=num_neighbours, metric="cosine", random_state=_SEED, n_jobs=1)
        places = np.full((*patches.values.shape[:2], 2), np.nan)
        places[patches.is_known] = fit.fit_transform(known)
        return places

    return CACHE.get(key_of(config, "layout", kind), compute, lambda places: places.nbytes)


def patch_at(config: EmbeddingConfig, first: float, second: float, kind: str = COMPONENTS) -> tuple[float, float]:
    """Latitude and longitude of the patch that lies nearest to a point of the layout, in standard deviations."""
    places, patches = layout(config, kind), embedding(config)
    scale = np.maximum(np.nanstd(places, axis=(0, 1)), 1e-300)
    squares = (((places - np.array((first, second))) / scale) ** 2).sum(axis=2)
    row, col = divmod(int(np.nanargmin(squares)), squares.shape[1])
    return float(patches.lat[row]), float(patches.lon[col])
