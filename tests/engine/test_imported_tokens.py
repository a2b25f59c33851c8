"""Tokens of other models: every format is read alike, measured as a reference does, and what is wrong is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from engine.errors import ChoiceError, DataError
from engine.queries.tokens import imported as queries
from engine.similarity.imported import read_tokens

random = np.random.default_rng(0)
TOKENS = random.standard_normal((4, 8, 8, 6)).astype(np.float32)
CLASS = random.standard_normal((4, 6)).astype(np.float32)
HEIGHT = random.standard_normal((4, 8, 8))


def write(path, kind):
    if kind == "npz":
        np.savez(path, tokens=TOKENS, class_token=CLASS, height=HEIGHT)
    elif kind == "sequence.npz":
        sequence = np.concatenate((CLASS[:, None], TOKENS.reshape(4, 64, 6)), axis=1)
        np.savez(path, tokens=sequence, height=HEIGHT)
    elif kind == "nc":
        axes = ("dimension", "sample", "row", "col")
        fields = {
            "embedding": (axes, np.moveaxis(TOKENS, -1, 0)),
            "class_token": (("dimension", "sample"), CLASS.T),
            "height": (("col", "sample", "row"), HEIGHT.transpose(2, 0, 1)),
        }
        xr.Dataset(fields).to_netcdf(path)
    else:
        at = np.indices((4, 8, 8)).reshape(3, -1)
        patches = pd.DataFrame(
            {
                "sample": at[0],
                "row": at[1],
                "col": at[2],
                "embedding": list(TOKENS.reshape(-1, 6)),
                "height": HEIGHT.ravel(),
            }
        )
        whole = pd.DataFrame({"sample": range(4), "row": -1, "col": -1, "embedding": list(CLASS), "height": np.nan})
        pd.concat((patches.sample(frac=1.0, random_state=0), whole)).to_parquet(path)
    return path


@pytest.mark.parametrize("kind", ["npz", "sequence.npz", "nc", "parquet"])
def test_every_format_is_read_alike(tmp_path, kind):
    known = read_tokens(write(tmp_path / f"tokens.{kind}", kind))
    np.testing.assert_array_equal(known.tokens, TOKENS)
    np.testing.assert_array_equal(known.class_tokens, CLASS)
    np.testing.assert_allclose(known.targets["height"], HEIGHT)
    assert known.notes == ("4 samples of 8 × 8 patches with 6 components", "with a class token")


def test_one_chip_of_64_tokens_needs_no_name_and_no_class_token(tmp_path):
    np.savez(tmp_path / "chip.npz", z=TOKENS[0].reshape(64, 6))
    known = read_tokens(tmp_path / "chip.npz")
    np.testing.assert_array_equal(known.tokens, TOKENS[:1])
    assert known.class_tokens is None


def test_latitudes_put_the_north_at_the_top_and_land_has_no_token(tmp_path):
    lat, lon = np.array([-10.0, 0.0, 10.0]), np.array([0.0, 20.0])
    values = random.standard_normal((3, 2, 5)).astype(np.float32)
    values[0, 1] = np.nan
    xr.Dataset({"embedding": (("lat", "lon", "dimension"), values)}, {"lat": lat, "lon": lon}).to_netcdf(
        tmp_path / "o.nc"
    )
    there = np.isfinite(values).all(axis=-1)
    rows, cols = np.nonzero(there)
    table = {"lat": lat[rows], "lon": lon[cols], "embedding": list(values[there]), "sea": rows / 2}
    pd.DataFrame(table).to_parquet(tmp_path / "o.parquet")
    for name in ("o.nc", "o.parquet"):
        known = read_tokens(tmp_path / name)
        np.testing.assert_array_equal(known.tokens[0], values[::-1])
        assert "1 patches have no token" in known.notes


@pytest.mark.parametrize(
    ("name", "arrays", "problem"),
    [
        ("a.npz", {}, "no 'tokens', but nothing"),
        ("a.npz", {"tokens": np.zeros((3, 3, 1))}, "fewer than two"),
        ("a.npz", {"tokens": np.zeros((51, 6))}, "no square grid"),
        ("a.npz", {"tokens": np.zeros((2, 2, 2, 2, 2))}, "shape"),
        ("a.npz", {"tokens": np.full((2, 2, 3), "a")}, "cannot be read|no numbers"),
        ("a.npz", {"tokens": np.ones((2, 2, 3)), "class_token": np.ones(4)}, "class tokens have the shape"),
        ("a.txt", {"tokens": np.ones((2, 2, 3))}, "are not read"),
    ],
)
def test_what_is_no_grid_of_tokens_is_refused_with_a_remedy(tmp_path, name, arrays, problem):
    with open(tmp_path / name, "wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(DataError, match=problem) as caught:
        read_tokens(tmp_path / name)
    assert caught.value.remedy


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_figures_of_a_file_are_those_of_numpy(folder):
    write(folder / "tokens.npz", "npz")
    case = queries.imported_case("tokens.npz", 2, 3, 5)
    unit = TOKENS[2].reshape(64, 6) / np.linalg.norm(TOKENS[2].reshape(64, 6), axis=1, keepdims=True)
    np.testing.assert_allclose(case.known.cosines, unit @ unit.T, atol=1e-6)
    np.testing.assert_allclose(case.similarity, (unit @ unit[29]).reshape(8, 8), atol=1e-6)
    assert case.known.spread.minimum == pytest.approx((unit @ unit.T).min(), abs=1e-6)
    mean = TOKENS[2].reshape(64, 6).mean(axis=0)
    assert case.mean_class_cosine == pytest.approx(mean @ CLASS[2] / np.linalg.norm(mean) / np.linalg.norm(CLASS[2]))
    whole = TOKENS.reshape(-1, 6) / np.linalg.norm(TOKENS.reshape(-1, 6), axis=1, keepdims=True)
    scores = whole @ unit[29]
    scores[2 * 64 + 29] = -2.0
    best = case.matches[0]
    assert (best.sample * 64 + best.row * 8 + best.col, best.score) == (scores.argmax(), pytest.approx(scores.max()))


def test_a_target_that_the_tokens_hold_is_read_from_the_patch_and_lost_in_the_mean(folder):
    np.savez(folder / "held.npz", tokens=TOKENS, class_token=CLASS, held=TOKENS[..., 2], of_class=CLASS[:, 1])
    held, of_class = queries.imported_verdict("held.npz")
    assert held.patch > 0.999
    assert held.mean < 0.2
    assert of_class.patch < 0.2
    np.savez(folder / "none.npz", tokens=TOKENS)
    assert queries.imported_verdict("none.npz") == ()
    np.savez(folder / "two.npz", tokens=TOKENS[:2], held=TOKENS[:2, ..., 2])
    with pytest.raises(DataError, match="too few"):
        queries.imported_verdict("two.npz")


def test_paths_pass_the_gate_and_patches_that_cannot_be_are_refused(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "t.npz"
    np.savez(outside, tokens=TOKENS)
    for path in (str(outside), "../t.npz", "missing.npz", "."):
        with pytest.raises(DataError):
            queries.imported_tokens(path)
    tokens = TOKENS[0].copy()
    tokens[0, 0], tokens[0, 1] = np.nan, 0.0
    np.savez(folder / "t.npz", tokens=tokens)
    for col, problem in ((0, "no token"), (1, "no length"), (8, "no patch")):
        with pytest.raises(ChoiceError, match=problem):
            queries.imported_case("t.npz", 0, 0, col)
    assert queries.nearest_patch("t.npz", 9, 0) in ((0, 0, 2), (0, 1, 0))
    assert queries.nearest_patch("t.npz", 0, 63) == (0, 7, 7)
    assert queries.imported_case("t.npz", 0, 0, 2).known.spread.num_constant == 1
