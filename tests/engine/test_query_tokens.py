"""Tokens of a run: layers, the map put together of windows, what a token depends on, probes, search, files."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import xarray as xr

from engine.embedding.imported import read_embedding
from engine.errors import CancelledError, ChoiceError, DataError, StoreError
from engine.evaluation.token_probe import held_out_accuracy, held_out_r2
from engine.models.spatiotemporal.layers import layer_names, layer_tokens
from engine.queries import tokens as queries
from engine.queries.remake import remake
from engine.queries.tokens import Kept, PatchExample, TokenRequest
from engine.queries.tokens.fields import _shares, request_patch
from engine.queries.tokens.maps import patch_scene
from engine.queries.tokens.verdict import _kept_sentences
from engine.runs import RunStore
from tests.support.token_house import token_house

PLACE = (5.0, -95.0)


@pytest.fixture(scope="module")
def request_(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_HOME", str(folder / "home"))
        patched.setenv("HARMONIA_DATA", str(folder / "data"))
        run = token_house(folder)
        yield TokenRequest(run, queries.source_of(run), 2001, 7)


@pytest.fixture(scope="module")
def tokens(request_):
    return queries.token_map(request_)


# --- layers ---------------------------------------------------------------------------------------------------------


def test_layers_are_those_of_the_models_own_forward(request_, tokens):
    scene = patch_scene(request_, "output", *tokens.sea_patch_at(*PLACE)).scene
    inputs = scene.batch.inputs()
    names = layer_names(scene.model)
    assert names == ("encoder", "time", "block1", "output") == queries.layers_of(request_.model)
    with torch.inference_mode():
        layers = layer_tokens(scene.model, inputs)
        known = scene.model.forward_details(*inputs)
    torch.testing.assert_close(layers.tokens["output"], known.tokens, rtol=0, atol=0)
    torch.testing.assert_close(layers.summary, known.scene, rtol=0, atol=0)
    placed = layers.tokens["time"] + scene.model.place(inputs[5], (6, 9), torch.device("cpu")).reshape(1, 1, 6, 9, -1)
    block = scene.model.spatial.layers[0](placed.flatten(0, 1))
    torch.testing.assert_close(layers.tokens["block1"].flatten(0, 1), block)


def test_a_scene_of_its_own_values_is_the_models_input(request_, tokens):
    row, col = tokens.sea_patch_at(*PLACE)
    known = patch_scene(request_, "output", row, col)
    with torch.inference_mode():
        own = known.scene(known.scene.sample[None])[0]
        observed = known.scene.observed(known.scene.finite[None])[0]
    torch.testing.assert_close(own, observed)
    np.testing.assert_allclose(own[known.row, known.col].numpy(), tokens.tokens("output")[row, col], atol=1e-5)
    assert (known.rows[known.row], known.columns[known.col]) == (row, col)


def test_every_patch_is_taken_from_one_window_and_lies_where_it_says(request_, tokens):
    high, wide = request_patch(request_)
    assert tokens.sea.shape == (18 // high, 36 // wide)
    land = np.zeros((18, 36), bool)
    land[2:7, 5:12] = land[0] = True
    shares = 1.0 - land.reshape(18 // high, high, 36 // wide, wide).mean(axis=(1, 3))
    np.testing.assert_allclose(tokens.sea, shares)
    for row, col in ((0, 0), (8, 17), (4, 9)):
        assert tokens.patch_at(float(tokens.lat[row]), float(tokens.lon[col])) == (row, col)
    assert tokens.patch_at(90.0, 180.0) == (8, 0)


def test_what_cannot_be_shown_is_said_in_a_sentence(request_, tokens):
    with pytest.raises(ChoiceError, match=r"there is no layer 'block9'.*choose one of encoder, time"):
        tokens.tokens("block9")
    with pytest.raises(ChoiceError, match="there is no layer 'block9'"):
        patch_scene(request_, "block9", 4, 4)
    with pytest.raises(DataError, match=r"all land.*40\.0° S 70\.0° W.*click a patch with sea"):
        tokens.sea_patch_at(-50.0, -80.0)
    with RunStore() as store:
        empty = store.create(store.get(request_.model).config).id
    with pytest.raises(StoreError, match="no model of this run"):
        queries.token_map(replace(request_, model=empty))
    with pytest.raises(ChoiceError, match="kind of weights 'half'"):
        replace(request_, weights="half")


def test_a_u_net_has_no_tokens():
    from engine.models import SpatioTemporalConfig, build_model

    config = SpatioTemporalConfig.preset("unet", levels=1)
    with pytest.raises(ChoiceError, match="U-Net, which has no tokens"):
        layer_names(build_model(config))


def test_untrained_weights_are_others_and_the_same_at_every_call(request_, tokens):
    other = queries.token_map(replace(request_, weights="untrained")).tokens("output")
    assert not np.allclose(other, tokens.tokens("output"))


# --- figures --------------------------------------------------------------------------------------------------------


def test_pooled_vectors_are_means_of_their_scene(tokens):
    mine = (tokens.window == tokens.window[4, 4]) & tokens.is_sea
    values = tokens.tokens("output")
    np.testing.assert_allclose(
        queries.pooled_tokens(tokens, "output", "mean")[4, 4], values[mine].mean(axis=0), atol=1e-5
    )
    area = np.average(values[mine], axis=0, weights=tokens.weights()[mine])
    np.testing.assert_allclose(queries.pooled_tokens(tokens, "output", "area_mean")[4, 4], area, atol=1e-5)
    summary = queries.pooled_tokens(tokens, "output", "summary")[4, 4]
    np.testing.assert_array_equal(summary, tokens.summaries[tokens.window[4, 4]])


@pytest.mark.parametrize("transform", queries.TRANSFORMS)
def test_the_map_is_the_cosine_of_each_pair_and_empty_on_land(tokens, transform):
    row, col = tokens.sea_patch_at(*PLACE)
    cosines = queries.similarity(tokens, "output", row, col, "patch", transform)
    assert cosines[row, col] == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(np.isnan(cosines), ~tokens.is_sea)
    values = tokens.tokens("output").astype(np.float64)
    if transform == "centred":
        values = values - values[tokens.is_sea].mean(axis=0)
    if transform != "whitened":
        expected = values[6, 9] @ values[row, col] / np.linalg.norm(values[6, 9]) / np.linalg.norm(values[row, col])
        assert cosines[6, 9] == pytest.approx(expected, abs=1e-4)


def test_the_scenes_matrix_its_minimum_and_its_histogram(tokens):
    row, col = tokens.sea_patch_at(*PLACE)
    known = queries.scene_cosines(tokens, "output", row, col)
    assert len(known.rows) == ((tokens.window == tokens.window[row, col]) & tokens.is_sea).sum()
    pairs = known.cosines[np.triu_indices(len(known.rows), 1)]
    assert known.spread.minimum == pytest.approx(pairs.min(), abs=1e-4)
    assert known.shares.sum() == pytest.approx(1.0)


# --- what a token depends on ----------------------------------------------------------------------------------------


def test_the_estimated_gradient_is_close_to_the_exact_one_and_radii_follow(request_, tokens):
    row, col = tokens.sea_patch_at(*PLACE)
    known = patch_scene(request_, "output", row, col)
    exact = _shares(known, "gradient", lambda *_: None, None)
    field = queries.field_of(request_, "output", *PLACE, "gradient")
    assert np.nansum(field.shares) == pytest.approx(1.0)
    assert field.own == pytest.approx(float(exact[known.row, known.col]), abs=0.1)
    assert 0.0 <= field.radius_50_km <= field.radius_90_km <= field.window_km
    distance, held = queries.influence_curve(tokens, field)
    assert distance[0] == 0.0
    assert held[0] == pytest.approx(field.own)
    assert held[-1] == pytest.approx(1.0)


def test_occlusion_hides_one_patch_after_the_other(request_, tokens):
    row, col = tokens.sea_patch_at(*PLACE)
    field = queries.field_of(request_, "time", *PLACE, "occlusion")
    known = patch_scene(request_, "time", row, col)
    scene, sample = known.scene, known.scene.sample
    high, wide = request_patch(request_)
    changes = np.zeros((6, 9))
    with torch.inference_mode():
        token = scene(sample[None])[0, known.row, known.col]
        for i in range(6):
            for j in range(9):
                hidden = sample.clone()
                hidden[:, i * high : (i + 1) * high, j * wide : (j + 1) * wide] = float("nan")
                changes[i, j] = float((scene(hidden[None])[0, known.row, known.col] - token).square().sum())
    shares = field.shares[known.rows[:, None], known.columns]
    np.testing.assert_allclose(shares, changes / changes.sum(), atol=1e-5)


def test_parts_and_context_are_drops_of_the_cosine(request_, tokens):
    parts = queries.parts_of(request_, "output", *PLACE)
    assert sum(parts.shares().values()) == pytest.approx(1.0)
    assert parts.own > 0.0
    drops = queries.context_drops(request_, "output", *PLACE)
    num_windows = len(np.unique(tokens.window[tokens.is_sea]))
    assert {kind: len(values) for kind, values in drops.items()} == {
        "time": 4,
        "place": num_windows - 1,
        "cloud": num_windows - 1,
    }
    assert all((values >= 0.0).all() for values in drops.values())
    # before spatial attention a token knows its own patch, and the scene's summary
    assert drops["place"].max() > queries.context_drops(request_, "encoder", *PLACE)["place"].max()


def test_work_is_abandoned_when_progress_raises(request_):
    def cancel(fraction: float, text: str) -> None:
        raise CancelledError("cancelled", text, "again")

    with pytest.raises(CancelledError):
        queries.mean_field(request_, "block1", 3, cancel)


# --- probes and the verdict -----------------------------------------------------------------------------------------


def test_a_probe_reads_what_is_there_on_folds_it_has_not_seen():
    random = np.random.default_rng(0)
    tokens = torch.as_tensor(random.normal(size=(300, 6)))
    folds = torch.arange(300) % 5
    targets = torch.stack((tokens @ torch.arange(6.0).double(), torch.as_tensor(random.normal(size=300))), dim=1)
    read = held_out_r2(tokens, targets, torch.ones(300).double(), folds)
    assert read[0] > 0.999
    assert read[1] < 0.1
    assert held_out_accuracy(tokens, (tokens[:, 0] > 0).long(), folds) > 0.9
    with pytest.raises(DataError, match="2 months or groups"):
        held_out_r2(tokens, targets, torch.ones(300), folds % 2)


def test_the_verdict_is_in_words_from_its_figures(request_, tokens):
    verdict = queries.token_verdict(request_, "output")
    assert queries.has_verdict(request_, "output")
    assert verdict.months == tuple(f"{year}-{month:02d}-01" for year in (2001, 2002) for month in (3, 6, 9, 12))
    text = " ".join(queries.sentences(verdict))
    assert f"cosine of {verdict.spread.minimum:.3f}" in text
    assert f"{100 * verdict.field.own:.0f} % comes from its own patch" in text
    for kept in verdict.kept:
        if kept.share is not None:
            percent = "all" if kept.mean >= kept.patch else f"{100 * kept.mean / kept.patch:.0f} %"
            assert f"{percent} about {queries.TARGETS[kept.target]}" in text
    content = queries.verdict_markdown(verdict).decode()
    for sentence in queries.sentences(verdict):
        assert f"- {sentence}" in content
    assert "harmonia_model_hash" in content


# --- search and files -----------------------------------------------------------------------------------------------


def test_search_ranks_by_the_cosine_with_examples_of_any_month(request_, tokens):
    row, col = tokens.sea_patch_at(*PLACE)
    matches = queries.search(request_, "output", [PatchExample(2001, 7, *PLACE)], number=5)
    cosines = queries.similarity(tokens, "output", row, col)
    cosines[row, col] = np.nan
    order = np.sort(cosines[np.isfinite(cosines)])[::-1]
    np.testing.assert_allclose([match.score for match in matches], order[:5], atol=1e-5)
    later = queries.search(request_, "output", [PatchExample(2002, 1, *PLACE)], number=3)
    assert {(match.year, match.month) for match in later} == {(2001, 7)}
    same = [PatchExample(2001, 7, *PLACE), PatchExample(2001, 7, *PLACE, is_positive=False)]
    with pytest.raises(ChoiceError, match="the same mean"):
        queries.search(request_, "output", same)
    with pytest.raises(ChoiceError, match="no positive example"):
        queries.search(request_, "output", [])


def test_files_hold_the_tokens_and_their_origin(request_, tokens, tmp_path):
    with xr.open_dataset(io.BytesIO(queries.tokens_netcdf(request_, "time")), engine="h5netcdf") as dataset:
        values = dataset["embedding"].transpose("lat", "lon", ...).values
        assert dataset.attrs["harmonia_recipe"] == "tokens.netcdf"
    np.testing.assert_array_equal(values[tokens.is_sea], tokens.tokens("time")[tokens.is_sea])
    assert np.isnan(values[~tokens.is_sea]).all()
    path = tmp_path / "tokens.parquet"
    path.write_bytes(queries.tokens_parquet(request_, "time"))
    known = read_embedding(path)
    np.testing.assert_allclose(known.values, tokens.tokens("time")[tokens.is_sea])
    assert b"harmonia_model_hash" in pq.read_schema(path).metadata


def test_a_mean_that_is_read_better_than_a_patch_keeps_all():
    kept = (Kept("season", 0.5, 0.8, None), Kept("anomaly", 0.8, 0.08, 0.1), Kept("place", 0.01, 0.0, None))
    assert [part.share for part in kept] == [1.0, pytest.approx(0.1), None]
    assert _kept_sentences(kept) == [
        "Averaging a scene keeps, of what a linear probe reads from one patch, all about the season and 10 % about its "
        "anomaly.",
        "The token of a single patch does not hold its place either.",
    ]


def test_an_exported_file_is_made_anew(request_, tmp_path):
    path = tmp_path / "tokens.nc"
    path.write_bytes(queries.tokens_netcdf(request_, "output"))
    remade = remake(path, tmp_path / "again.nc", str(request_.source.path))
    assert (remade.recipe, remade.differences) == ("tokens.netcdf", ())
