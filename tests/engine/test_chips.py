"""Painted chips, the autoencoder that reads them, and what is read from its tokens."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.config import RunConfig
from engine.config.mae import MAESettings
from engine.data.chips import COVERS, HOUSE, NUM_GROUND, SIDE, WINDOW, paint_chips
from engine.errors import CancelledError, ChoiceError, ConfigError, StoreError
from engine.evaluation.chip_tokens import CONDITIONS, ChipTest, chip_scores, encoder_of, reconstructed_share
from engine.files import write_atomic
from engine.models.masked_autoencoder import MaskedAutoencoder, visible_windows
from engine.queries.tokens import chip as queries
from engine.queries.tokens import chip_verdict
from engine.runs.run_folder import RunFolder
from engine.similarity import cosine_matrix
from engine.training.mae import TEST, train_mae
from tests.support.run_context import context

SMALL = MAESettings(
    cells=4, width=16, layers=1, chips=64, epochs=3, batch=16, num_validation=16, num_test=60, learning_rate=5e-3
)
NUM_TESTED = 240


@pytest.fixture(scope="module")
def chips():
    return paint_chips(NUM_TESTED, TEST)


@pytest.fixture(scope="module")
def chip_test(chips) -> ChipTest:
    return ChipTest.of(chips, 8, 0.75)


def network(**changes) -> MaskedAutoencoder:
    return MaskedAutoencoder(SIDE**2, 48, 16, 2, **{"place_and_time": False, "seed": 3} | changes)


def test_a_chip_depends_on_its_number_only(chips):
    again = paint_chips(2, TEST, first=5)
    np.testing.assert_array_equal(again.pixels, chips.pixels[5:7])
    np.testing.assert_array_equal(again.cover, chips.cover[5:7])
    np.testing.assert_allclose(chips.cover.sum(axis=-1), 1.0, atol=1e-5)
    assert chips.cover.shape == (NUM_TESTED, SIDE, SIDE, len(COVERS))
    assert 0.4 < chips.has_house.mean() < 0.6


def test_house_and_drive_lie_in_windows_that_are_touched(chips):
    changed = ~np.isclose(chips.cover[..., :NUM_GROUND], chips.ground, atol=1e-6).all(axis=-1)
    assert not (changed & ~chips.is_touched).any()
    numbers = np.arange(NUM_TESTED)
    painted = chips.cover[numbers, chips.house[:, 0], chips.house[:, 1], HOUSE]
    np.testing.assert_array_equal(painted > 0.0, chips.has_house)
    # 18 × 15 pixels, wholly inside its window
    np.testing.assert_allclose(painted[chips.has_house], 270 / WINDOW**2, atol=1e-6)


def test_without_its_house_nothing_else_of_a_chip_changes():
    there, gone = (paint_chips(6, 9, house=house) for house in (True, False))
    assert there.has_house.all() and not gone.has_house.any()  # noqa: PT018
    row, col = np.divmod(np.arange(SIDE**2), SIDE)
    for index in range(6):
        differs = (there.pixels[index] != gone.pixels[index]).any(axis=0)
        windows = differs.reshape(SIDE, WINDOW, SIDE, WINDOW).any(axis=(1, 3)).ravel()
        house = tuple(there.house[index])
        assert [(row[at], col[at]) for at in np.flatnonzero(windows)] == [house]


def test_averaged_windows_are_means_of_their_pixels(chips):
    values = chips.averaged(8)[7]
    pixels = chips.pixels[7].astype(np.float64) / 255.0
    window = pixels[:, 2 * WINDOW : 3 * WINDOW, 5 * WINDOW : 6 * WINDOW]
    np.testing.assert_allclose(values[2 * SIDE + 5].reshape(3, 8, 8)[1, 0, 3], window[1, :4, 12:16].mean(), atol=1e-6)
    np.testing.assert_allclose(chips.averaged(32)[7][2 * SIDE + 5].reshape(3, WINDOW, WINDOW), window, atol=1e-6)


def test_hidden_windows_do_not_reach_the_tokens_and_the_loss_counts_only_them():
    model = network()
    values = torch.rand((2, SIDE**2, 48), generator=torch.Generator().manual_seed(0))
    visible = visible_windows(2, SIDE**2, 0.75, seed=1)
    assert visible.shape == (2, 16)
    other = torch.rand_like(values).scatter(
        1, visible[..., None].expand(-1, -1, 48), values.gather(1, visible[..., None].expand(-1, -1, 48))
    )
    for first, second in zip(model.encode(values, visible), model.encode(other, visible), strict=True):
        torch.testing.assert_close(first, second)
    hidden = torch.ones(2, SIDE**2, dtype=torch.bool).scatter(1, visible, False)
    error = ((model(values, visible) - values) / model.std).square().mean(dim=-1)[hidden].mean()
    torch.testing.assert_close(model.loss(values, visible), error)


def test_place_and_time_are_read_only_where_that_is_chosen():
    values, place = torch.rand(2, SIDE**2, 48), torch.rand(2, 5)
    for wanted in (True, False):
        model = network(place_and_time=wanted)
        same = torch.equal(model.encode(values, place=place)[0], model.encode(values, place=-place)[0])
        assert same is not wanted


def test_the_probes_find_what_tokens_were_made_to_hold(chips, chip_test):
    """A token that is the ground north of its window and, in the class token, whether there is a house."""
    ground = torch.as_tensor(chips.ground.reshape(NUM_TESTED, SIDE**2, NUM_GROUND))
    random = torch.Generator().manual_seed(0)

    def encode(values, visible, place):
        around = [torch.roll(ground.reshape(NUM_TESTED, SIDE, SIDE, -1), step, dims) for step, dims in
                  (((1,), (1,)), ((-1,), (1,)), ((1,), (2,)), ((-1,), (2,)))]  # fmt: skip
        known = torch.cat(around, dim=-1).flatten(1, 2)
        tokens = known.gather(1, visible[..., None].expand(-1, -1, known.shape[-1]))
        house = torch.as_tensor(chips.has_house).float()[:, None]
        return tokens, house + 0.01 * torch.randn((NUM_TESTED, 3), generator=random)

    scores = chip_scores(encode, chip_test)
    assert scores["surroundings"] > 0.999
    for condition in CONDITIONS:
        assert scores["house"][condition]["class"] == {"accuracy": 1.0, "number": NUM_TESTED}
        # the ground tells nothing of the house, which is drawn after it
        assert abs(scores["house"][condition]["grass"]["accuracy"] - 0.5) < 0.13
    assert "house" not in scores["house"]["house-hidden"]


def test_the_shipped_autoencoder_beats_the_untrained_one_by_the_margin_that_is_told(chip_test):
    """0.1 of R² in all trainings of the card, and measured anew of the one whose weights come along."""
    known = queries.autoencoder()
    trained, untrained = (chip_scores(encoder_of(model), chip_test) for model in (known.trained, known.untrained))
    assert trained["surroundings"] - untrained["surroundings"] > 0.1
    assert reconstructed_share(known.trained, chip_test) > 0.15 > reconstructed_share(known.untrained, chip_test)
    runs = chip_verdict.seeds_card()
    assert min(run["trained"]["surroundings"] - run["untrained"]["surroundings"] for run in runs) > 0.1
    assert min(run["trained"]["reconstructed"] for run in runs) > 0.15
    # 1200 chips then, 240 of them now
    assert trained["surroundings"] == pytest.approx(known.scores["trained"]["surroundings"], abs=0.05)


def test_a_stopped_training_ends_alike_and_its_result_is_the_pages(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    ids = ("20260101-000000-0000000000", "20260101-000000-0000000001")
    folders = [RunFolder.of(run).path for run in ids]
    for folder in folders:
        folder.mkdir(parents=True)
    train_mae(SMALL, context(folders[0], SMALL))
    with pytest.raises(CancelledError):
        train_mae(SMALL, context(folders[1], SMALL, stop_after=7))
    with pytest.raises(StoreError, match="no trained autoencoder"):
        queries.autoencoder(ids[1])
    train_mae(SMALL, context(folders[1], SMALL))
    whole, stopped = (queries.autoencoder(run) for run in ids)
    assert whole.scores == stopped.scores
    for name, value in whole.trained.state_dict().items():
        torch.testing.assert_close(value, stopped.trained.state_dict()[name], rtol=0.0, atol=0.0)
    assert whole.scores["trained"]["reconstructed"] > whole.scores["untrained"]["reconstructed"]
    assert RunFolder.of(ids[0]).snapshot_epochs() == [0, 1, 2, 3]


def test_a_chip_on_the_page_is_the_engines(chip_test):
    known = queries.autoencoder()
    case = queries.chip_case("", 4, "most-hidden")
    alone = ChipTest.of(paint_chips(1, TEST, 4, True), 8, 0.75, seed=4)
    tokens, _ = encoder_of(known.trained)(alone.values, alone.visible["most-hidden"], alone.place)
    seen = alone.visible["most-hidden"][0].numpy()
    np.testing.assert_allclose(case.cosines[np.ix_(seen, seen)], cosine_matrix(tokens[0].double()), atol=1e-12)
    assert case.smallest == float(cosine_matrix(tokens[0].double()).min())
    assert case.is_seen.sum() == np.isfinite(case.changes).sum() == 16
    assert not case.is_seen[case.house]
    np.testing.assert_array_equal(case.chip, np.moveaxis(alone.chips.pixels[0], 0, -1))
    hidden = ~np.isfinite(case.changes).repeat(WINDOW, 0).repeat(WINDOW, 1)
    np.testing.assert_array_equal(case.answer[~hidden], case.chip[~hidden])
    assert (case.seen[hidden] == 128).all()
    # the house is hidden and its drive is not taken away: no visible token can change
    assert np.nanmax(case.changes) < 1e-9
    assert queries.chip_case("", 4, "all").changes.argmax() == SIDE * case.house[0] + case.house[1]


def test_the_answer_in_words_is_that_of_the_figures():
    known = queries.autoencoder()
    text = " ".join(chip_verdict.chip_sentences(known, "all"))
    for name, reader in queries.READERS.items():
        accuracy = known.scores["trained"]["house"]["all"][name]
        assert f"{reader} ({100 * accuracy['accuracy']:.0f} %)" in text
    assert f"{known.scores['trained']['smallest_cosine']:.3f}" in text
    assert "0.999" in text
    first = text.index("tells whether")  # what is known is named first
    for name, reader in queries.READERS.items():
        is_known = chip_verdict.is_known(known.scores["trained"]["house"]["all"][name])
        assert (text.index(f"{reader} (", first) < text.index("cannot from")) is is_known
    markdown = chip_verdict.chip_markdown(known, "all").decode()
    assert all(sentence in markdown for sentence in chip_verdict.chip_sentences(known, "all"))


def test_a_training_that_failed_is_not_praised():
    """Neither the surroundings nor the house are claimed where the figures do not show them."""
    known = queries.autoencoder()
    trained = deepcopy(known.scores["trained"])
    trained["surroundings"] = known.scores["untrained"]["surroundings"] - 0.01
    trained["house"]["all"]["house"]["accuracy"] = trained["house"]["all"]["mean"]["accuracy"] = 0.5
    failed = replace(known, scores={**known.scores, "trained": trained})
    text = " ".join(chip_verdict.chip_sentences(failed, "all"))
    assert "did not learn its surroundings" in text
    assert "still knows" not in text
    assert "nan" not in text
    # a test of few chips reads no house at all
    few = {name: {**scores, "house": {name: {} for name in CONDITIONS}} for name, scores in known.scores.items()}
    assert "house" not in " ".join(chip_verdict.chip_sentences(replace(known, scores=few), "all"))


def test_chips_that_cannot_be_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    with pytest.raises(ChoiceError, match="condition"):
        queries.chip_case("", 0, "none")
    with pytest.raises(ChoiceError, match="no chip -1"):
        queries.chip_case("", -1)
    run = "20260101-000000-0000000002"
    with pytest.raises(StoreError, match="no trained autoencoder"):
        queries.autoencoder(run)
    RunFolder.of(run).path.mkdir(parents=True)
    write_atomic(RunFolder.of(run).autoencoder, b"no weights")
    with pytest.raises(StoreError, match=r"damaged|no autoencoder"):
        queries.autoencoder(run)
    with pytest.raises(StoreError, match=r"not the id"):
        queries.autoencoder("../x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"width": 30}, "28 and 32 are"), ({"cells": 5}, "cells"), ({"hidden": 1.0}, "hidden"), ({"chips": 0}, "chips")],
)
def test_settings_that_cannot_be_are_refused_with_their_field(changes, message):
    with pytest.raises(ConfigError) as caught:
        RunConfig.checked({"settings": {"task": "mae"} | changes})
    assert message in str(caught.value)
