"""Vectors of a file on the patches of the Embeddings page."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.embedding import Patches
from engine.embedding.imported import ImportedEmbedding, read_embedding
from engine.errors import ChoiceError, DataError, StoreError
from engine.queries import embeddings
from engine.queries.embeddings import FILE, EmbeddingConfig
from engine.queries.server_files import any_path
from engine.sphere import LatLonGrid

GRID, PATCH = 5.0, (2, 2)
PLAIN = EmbeddingConfig(embeddings.EmbeddingConfig().basis, GRID, PATCH, encoder="cartesian3d")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    return tmp_path


def points_of(config: EmbeddingConfig) -> tuple[np.ndarray, np.ndarray]:
    patches = config.patches()
    lat, lon = np.meshgrid(patches.lat, patches.lon, indexing="ij")
    return lat.ravel(), lon.ravel()


def write(path: Path, config: EmbeddingConfig, where: np.ndarray | None = None) -> EmbeddingConfig:
    """The values of an embedding at its patches (some of them) as a file, and the choice of that file."""
    lat, lon = points_of(config)
    values = embeddings.embedding(config).values.reshape(len(lat), -1)
    keep = np.ones(len(lat), bool) if where is None else where
    np.savez(path, lat=lat[keep], lon=lon[keep], embedding=values[keep])
    return replace(config, encoder=FILE, file=path.name)


def test_vectors_of_every_patch_are_the_embedding_itself(folder: Path) -> None:
    chosen = write(folder / "all.npz", PLAIN)
    np.testing.assert_array_equal(embeddings.embedding(chosen).values, embeddings.embedding(PLAIN).values)
    np.testing.assert_array_equal(embeddings.similarity(chosen, 3, 5), embeddings.similarity(PLAIN, 3, 5))
    np.testing.assert_array_equal(embeddings.rgb(chosen), embeddings.rgb(PLAIN))
    of_file, of_encoder = (embeddings.similarity_by_distance(config) for config in (chosen, PLAIN))
    np.testing.assert_array_equal(of_file.overall.median, of_encoder.overall.median)
    score, same = (embeddings.probed(config, "sst", "random") for config in (chosen, PLAIN))
    assert score.score == same.score
    np.testing.assert_array_equal(score.predicted, same.predicted)
    assert embeddings.vector_sentences("all.npz", embeddings.embedding(chosen).is_known) == [
        "648 points with 3 numbers each. Every patch has a point."
    ]


def test_patches_without_a_point_are_left_out_everywhere(folder: Path) -> None:
    lat, _ = points_of(PLAIN)
    chosen = write(folder / "north.npz", PLAIN, lat > 0)
    known = embeddings.embedding(chosen)
    assert known.is_known.sum() == (lat > 0).sum()
    row, col = embeddings.cell_of(chosen, 45.0, 5.0)
    similarity = embeddings.similarity(chosen, row, col)
    np.testing.assert_array_equal(np.isfinite(similarity), known.is_known)
    near, far = embeddings.extremes(chosen, row, col, 10)
    assert all(patch.lat > 0 and np.isfinite(patch.similarity) for patch in (*near, *far))
    channels, shares = embeddings.components(chosen)
    np.testing.assert_array_equal(np.isfinite(channels[:, :, 0]), known.is_known)
    assert shares.sum() == pytest.approx(1.0)
    at = embeddings.patch_at(chosen, *channels[row, col, :2])
    assert at == (known.lat[row], known.lon[col])
    assert all(axis.largest[0] > 0 and axis.least[0] > 0 for axis in embeddings.colour_axes(chosen))
    assert embeddings.similarity_histogram(chosen)[1].sum() == pytest.approx(1.0)
    curves = embeddings.similarity_by_distance(chosen)
    assert 0 < curves.overall.count.sum() < embeddings.similarity_by_distance(PLAIN).overall.count.sum()
    assert embeddings.first_known(chosen, -80.0, 7.0)[0] == known.lat[known.lat > 0].min()


def test_others_are_probed_at_the_same_places(folder: Path) -> None:
    lat, _ = points_of(PLAIN)
    chosen = write(folder / "north.npz", PLAIN, lat > 0)
    score = embeddings.probed(chosen, "sst", "random")
    same = embeddings.probed(PLAIN, "sst", "random", like=chosen)
    assert score.score == same.score
    assert score.num_points < embeddings.probed(PLAIN, "sst", "random").num_points
    error = embeddings.probe_error(chosen, "sst", "random")
    assert np.isnan(error[embeddings.embedding(chosen).lat < 0]).all()
    assert np.isfinite(error).sum() == score.num_points
    rows = {row.name: row for row in embeddings.compare_encoders(chosen, "sst", "random")}
    assert rows[FILE].score == score.score == rows["cartesian3d"].score
    assert rows[FILE].title == "Vectors of a file"
    # all principal components hold what the numbers hold: the reader's scaling is all that differs
    curve = embeddings.probe_curve(chosen, "sst", "random")
    assert curve.num_numbers.tolist() == [2.0, 3.0]
    assert curve.scores[-1] == pytest.approx(score.score, abs=0.01)


def test_a_patch_has_the_mean_of_its_points() -> None:
    patches = Patches(LatLonGrid.regular(30.0), (1, 1))
    lat = np.array([90.0, 80.0, -90.0, 1.0, 1.0, -1.0])
    lon = np.array([10.0, 20.0, 180.0, 179.0, -179.0, -180.0])
    values = np.arange(12.0).reshape(6, 2)
    known = embeddings.gridded(ImportedEmbedding(values, lat, lon, ()), patches)
    assert known.num_points.sum() == 6
    np.testing.assert_array_equal(known.values[5, 6], values[:2].mean(axis=0))
    np.testing.assert_array_equal(known.values[0, 0], values[2])  # 180° is −180°
    np.testing.assert_array_equal(known.values[3, 11], values[3])
    np.testing.assert_array_equal(known.values[3, 0], values[4])
    np.testing.assert_array_equal(known.values[2, 0], values[5])
    assert np.isnan(known.values[4, 4]).all()
    with pytest.raises(DataError, match="2 of 72 patches"):
        embeddings.gridded(ImportedEmbedding(values[:2], np.array([0.0, 50.0]), np.array([0.0, 0.0]), ()), patches)


def test_a_file_that_was_written_anew_is_read_anew(folder: Path) -> None:
    chosen = write(folder / "vectors.npz", PLAIN)
    before = embeddings.embedding(chosen).values
    write(folder / "vectors.npz", replace(PLAIN, encoder="direct"))
    os.utime(folder / "vectors.npz", ns=(1, 1))
    assert embeddings.embedding(chosen).values.shape != before.shape


def test_a_choice_survives_its_file_and_its_code(folder: Path) -> None:
    chosen = write(folder / "all.npz", PLAIN)
    assert embeddings.config_from_json(embeddings.config_json(chosen)) == chosen
    assert b'"file"' not in embeddings.config_json(PLAIN)
    code: dict[str, object] = {}
    exec(embeddings.snippet(replace(chosen, file=str(folder / "all.npz"))), code)
    np.testing.assert_array_equal(code["embedding"], embeddings.embedding(chosen).values)
    (folder / "saved.npz").write_bytes(embeddings.embedding_npz(chosen))
    np.testing.assert_array_equal(
        read_embedding(folder / "saved.npz").values, embeddings.embedding(chosen).values.reshape(648, -1)
    )


def test_what_no_file_is_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(ChoiceError, match="no file is chosen"):
        EmbeddingConfig(encoder=FILE)
    with pytest.raises(ChoiceError, match="reads no file"):
        EmbeddingConfig(file="vectors.npz")
    outside = tmp_path_factory.mktemp("outside") / "secret.npz"
    write(outside, PLAIN)
    for path in (str(outside), "../secret.npz", "missing.npz", "/etc/passwd"):
        with pytest.raises(DataError):
            embeddings.embedding(replace(PLAIN, encoder=FILE, file=path))
    (folder / "inside").mkdir()
    with pytest.raises(DataError, match="one file"):
        embeddings.embedding(replace(PLAIN, encoder=FILE, file="inside"))
    with any_path():
        assert embeddings.embedding(replace(PLAIN, encoder=FILE, file=str(outside))).is_known.all()
    with pytest.raises(StoreError):
        embeddings.config_from_json(b'{"format": "harmonia.patch_embedding", "version": 1, "file": 3}')
