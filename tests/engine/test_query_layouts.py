"""The cloud of patches in two dimensions."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.errors import ChoiceError
from engine.queries import embeddings
from engine.queries.basis import BasisConfig
from engine.queries.embeddings import COMPONENTS, UMAP, EmbeddingConfig

SPHERE = EmbeddingConfig(BasisConfig(6, 20), 10.0, (1, 1), 3.0)


def neighbours_kept(places: np.ndarray, values: np.ndarray, num: int = 15) -> float:
    """The fraction of each patch's nearest by cosine that are among its nearest in the plane."""
    places, values = places.reshape(-1, 2), values.reshape(-1, values.shape[2])
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    by_cosine = np.argsort(-unit @ unit.T, axis=1)[:, 1 : num + 1]
    squares = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    in_plane = np.argsort(squares, axis=1)[:, 1 : num + 1]
    return float(np.mean([len({*a} & {*b}) / num for a, b in zip(by_cosine, in_plane, strict=True)]))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ImportWarning")
def test_umap_keeps_more_neighbours_than_two_components_and_is_the_same_again() -> None:
    pytest.importorskip("umap")  # pip install -e '.[umap]'; its compilation takes a minute
    values = embeddings.embedding(SPHERE).values
    by_components, by_umap = (embeddings.layout(SPHERE, kind) for kind in (COMPONENTS, UMAP))
    assert by_umap.shape == by_components.shape == (18, 36, 2)
    assert neighbours_kept(by_umap, values) > neighbours_kept(by_components, values) + 0.1
    place = embeddings.patch_at(SPHERE, *by_umap[4, 7], UMAP)
    patches = embeddings.embedding(SPHERE)
    assert place == (patches.lat[4], patches.lon[7])


def test_what_umap_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = EmbeddingConfig(BasisConfig(2, 3), 1.0, (2, 2), 3.0)
    with pytest.raises(ChoiceError, match="16200 patches would take minutes"):
        embeddings.layout(fine, UMAP)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    other = EmbeddingConfig(BasisConfig(2, 3), 10.0, (1, 1), 3.0)
    with pytest.raises(ChoiceError, match="UMAP is not installed"):
        embeddings.layout(other, UMAP)
    assert embeddings.layout(other).shape == (18, 36, 2)


def test_umap_is_asked_for_the_patches_with_numbers_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package stands in: what it gets, and where what it returns lies."""
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    patches = embeddings.embedding(SPHERE)
    lat, lon = np.meshgrid(patches.lat, patches.lon, indexing="ij")
    north = lat > 0.0
    np.savez(tmp_path / "north.npz", lat=lat[north], lon=lon[north], embedding=patches.values[north])
    options_of_calls: list[dict[str, Any]] = []

    class Stand:
        def __init__(self, **options: Any) -> None:
            options_of_calls.append(options)

        def fit_transform(self, values: np.ndarray) -> np.ndarray:
            return values[:, :2] * 2.0

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Stand, __spec__=object()))
    chosen = replace(SPHERE, encoder="file", file="north.npz")
    places = embeddings.layout(chosen, UMAP)
    np.testing.assert_array_equal(places[north], patches.values[north][:, :2] * 2.0)
    assert np.isnan(places[~north]).all()
    assert options_of_calls == [{"n_neighbors": 15, "metric": "cosine", "random_state": 0, "n_jobs": 1}]
    assert embeddings.patch_at(chosen, *places[12, 3], UMAP) == (patches.lat[12], patches.lon[3])
