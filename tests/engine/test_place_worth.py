"""What the location input is worth to a model: estimates with other places, and the words for their errors."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.prepare import prepare
from engine.errors import StoreError
from engine.evaluation.place import NOTE, place_worth
from engine.training.sst.place import OtherPositions, ZeroPositions, has_place, place_scores, shifted_positions
from engine.training.sst.positions import PatchPositions
from engine.training.sst.tiled_prediction import estimate_all
from engine.training.sst.windows import Corner, Windows
from tests.support.ocean import GRID, small_ocean
from tests.support.trainings import MODEL, SMALL, untrained


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path_factory.getbasetemp() / "place-home"))


def positions_of(bundle) -> PatchPositions:
    windows = Windows.of(GRID, SMALL.window, SMALL.overlap, MODEL.patch[1:])
    return PatchPositions(bundle.settings.model, windows, bundle.basis)


def test_other_places_are_what_they_are_called():
    positions = positions_of(untrained())
    corner = Corner(2, 9)
    centres, features = positions.of(corner)

    zero = ZeroPositions(positions).of(corner)
    assert not zero[0].any()
    assert zero[1] is not None
    assert zero[1].shape == features.shape
    assert not zero[1].any()

    shifted, shifted_features = shifted_positions(positions, MODEL, 180.0).of(corner)
    np.testing.assert_allclose(shifted[:, 1], centres[:, 1])
    np.testing.assert_allclose(np.abs(shifted[:, 0] - centres[:, 0]), 180.0, atol=1e-4)
    assert np.abs(shifted[:, 0]).max() <= 180.0
    # the sizes of the patches are those of their latitude, their harmonics those of the other side
    np.testing.assert_allclose(shifted_features[:, -10:], features[:, -10:], atol=1e-5)
    assert np.abs(shifted_features[:, :-10] - features[:, :-10]).max() > 0.5

    others = OtherPositions(positions, seed=1)
    other, other_features = others.of(corner)
    places = [tuple(place) for place in centres.tolist()]
    taken = [tuple(place) for place in other.tolist()]
    assert sorted(taken) == sorted(places)
    assert all(mine != own for mine, own in zip(taken, places, strict=True))
    index = [places.index(place) for place in taken]
    np.testing.assert_array_equal(other_features, features[index])
    np.testing.assert_array_equal(OtherPositions(positions, seed=1).of(corner)[0], other)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"encoder": "table"}, True),
        ({"encoder": "none"}, False),
        ({"architecture": "documented"}, False),
        ({"architecture": "unet", "encoder": "none"}, True),
    ],
)
def test_which_models_read_a_place(changes, expected):
    assert has_place(MODEL.model_copy(update=changes)) is expected


def test_a_model_that_reads_no_place_has_no_such_scores():
    bundle = untrained(model=MODEL.model_copy(update={"encoder": "none"}))
    data = prepare(small_ocean(1), (2001, 2), (2001, 3))
    mean = estimate_all(bundle, data).mean
    assert place_scores(bundle, data, mean, 0) is None
    assert place_worth([{"model": {"place": None}}]) is None
    assert place_worth([{"model": {}}]) is None


def made_up(noise: float = 0.01, seed: int = 0, **errors: float) -> dict:
    rng = np.random.default_rng(seed)
    common = 1.0 + 0.3 * rng.random((12, 20))
    place = {}
    for name, error in errors.items():
        sums = error * common * (1.0 + noise * rng.standard_normal(common.shape))
        place[name] = {"mae": float(sums.sum() / common.sum()), "abs_error": sums.tolist()}
    return {"model": {"place": place}}


def test_the_words_follow_the_errors():
    worth = place_worth([made_up(true=0.1, zero=0.125, shifted=0.1, other=0.2)])
    assert worth is not None
    zero, shifted, other = worth.others
    assert zero.worth == pytest.approx(0.2, abs=0.01)
    assert zero.interval is not None
    assert zero.interval[0] < 0.2 < zero.interval[1]
    assert (zero.level, shifted.level, other.level) == ("lower", "level", "lower")
    assert worth.text.startswith("Place is worth 20 % of the error to this model on this source: 0.100 K with the true")
    assert "With longitudes shifted by 180° the error is not clearly different." in worth.text
    assert "With the place of another patch the error is 100 % higher." in worth.text
    assert "without" in NOTE


def test_a_place_may_make_no_difference_or_cost():
    level = place_worth([made_up(0.2, true=0.1, zero=0.1, shifted=0.1, other=0.1)])
    assert level is not None
    assert level.text.startswith("Place makes no clear difference")
    assert "95 % interval: −" in level.text
    worse = place_worth([made_up(true=0.12, zero=0.1, shifted=0.11, other=0.1)])
    assert worse is not None
    assert worse.text.startswith("Place costs this model 20 %")
    assert "With longitudes shifted by 180° the error is 8." in worse.text
    assert "lower" in worse.text


def test_seeds_are_pooled():
    runs = [made_up(seed=seed, true=0.1 + 0.01 * seed, zero=0.125, shifted=0.1, other=0.2) for seed in range(3)]
    alone, pooled = place_worth(runs[:1]), place_worth(runs)
    assert alone is not None
    assert pooled is not None
    assert pooled.error == pytest.approx(0.11, abs=0.001)
    widths = [each.others[0].interval[1] - each.others[0].interval[0] for each in (alone, pooled)]
    assert widths[1] > 2.0 * widths[0]


def test_damaged_errors_are_refused():
    damaged = made_up(true=0.1, zero=0.125, shifted=0.1, other=0.2)
    damaged["model"]["place"]["other"]["abs_error"] = [[1.0]]
    with pytest.raises(StoreError, match="other places"):
        place_worth([damaged])
    del damaged["model"]["place"]["zero"]
    with pytest.raises(StoreError, match="other places"):
        place_worth([damaged])
