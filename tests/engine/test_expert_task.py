"""The task ``expert``, run in this process: it beats its prior, leaves what the page reads, and goes on bit for bit."""

import itertools
import json

import numpy as np
import pytest
import torch

from engine.config.expert import ExpertSettings, FolderTiles, LandTiles, OceanTiles
from engine.config.run_config import RunConfig
from engine.config.sst import DemoSource
from engine.data.climate import NUM_CLASSES, SEA
from engine.data.tiles import SPLITS
from engine.errors import CancelledError, ConfigError, DataError, RunError, StoreError
from engine.evaluation.expert_scores import RECALL_AREAS_KM2
from engine.runs.checkpoints import read_checkpoint
from engine.runs.tasks import load_task
from engine.training.expert.data_module import ExpertDataModule, is_placed, open_tiles
from engine.training.expert.model_bundle import load_expert
from engine.training.expert.prior import FRACTIONS
from engine.training.expert.task import learning_rate, train_expert
from tests.support.run_context import context
from tests.support.tiles import split_of_points, write_tiles
from tests.support.trainings import EXPERT

LEARNED = ExpertSettings(
    tiles=LandTiles(size=24),
    num_centres=300,
    width=24,
    epochs=16,
    samples=6400,
    num_validation=512,
    num_test=1024,
    num_shown=40,
)
"""Two minutes."""

QUICK = LEARNED.model_copy(
    update={
        "tiles": LandTiles(size=12),
        "width": 16,
        "epochs": 12,
        "samples": 4000,
    }
)
"""Half a minute: better than the prior on every score too, if by less."""

MARGINS = {"nll": 1.0, "climate_accuracy": 0.25, "climate_accuracy_coarse": 0.25, "date_error_days": 10.0}
"""How much better than the prior the longer training is; the quick one is by half as much."""


def steps_of(folder) -> list[dict[str, float]]:
    """The metrics of the steps, without their times; repeated lines (of long calculations) once."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    timeless = [{k: v for k, v in line.items() if k not in ("time", "step")} for line in lines if "iteration" in line]
    return [line for line, _ in itertools.groupby(timeless)]


@pytest.fixture(scope="module", params=[QUICK, pytest.param(LEARNED, marks=pytest.mark.long)], ids=["quick", "long"])
def learned(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    load_task("expert")(request.param, context(folder, request.param))
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    train_expert(EXPERT, context(folder, EXPERT))
    return folder


# --- what it learns -------------------------------------------------------------------------------------------------


def test_a_short_training_beats_the_prior_on_every_score(learned):
    """No tile shows ground seen in training. Nobody's one guess falls within 1 km; the probability given to so small a
    circle tells them apart."""
    scores = json.loads((learned / "scores.json").read_text())
    expert, prior = scores["expert"], scores["prior"]
    settings = load_expert(learned).settings
    ratio = 1.0 if settings == LEARNED else 0.5
    margins = {name: ratio * margin for name, margin in MARGINS.items()}
    assert expert["num_placed"] == prior["num_placed"] > 950
    for name in ("median", "q25", "q75", "mean"):
        assert expert["error_km"][name] < prior["error_km"][name]
    assert expert["within_km"]["2500"] > (1.0 + ratio) * prior["within_km"]["2500"]
    assert expert["within_km"]["750"] > prior["within_km"]["750"] + ratio * 0.02
    for radius in ("1", "25", "200"):
        assert expert["within_km"][radius] >= prior["within_km"][radius]
    for radius, share in expert["belief_within_km"].items():
        assert share > 2.0 * prior["belief_within_km"][radius]
    assert expert["nll"] < prior["nll"] - margins["nll"]
    for level in ("0.5", "0.9"):
        assert expert["area_km2"][level] < (1.0 - 0.5 * ratio) * prior["area_km2"][level]
        assert expert["coverage"][level] == pytest.approx(float(level), abs=0.05)
    assert _misjudged(expert) < _misjudged(prior)
    assert expert["area_to_truth_km2"] < (1.0 - 0.5 * ratio) * prior["area_to_truth_km2"]
    assert all(recall >= prior_recall for recall, prior_recall in zip(expert["recall"], prior["recall"], strict=True))
    assert expert["climate_accuracy"] > prior["climate_accuracy"] + margins["climate_accuracy"]
    assert expert["climate_accuracy_coarse"] > prior["climate_accuracy_coarse"] + margins["climate_accuracy_coarse"]
    assert expert["date_error_days"] < prior["date_error_days"] - margins["date_error_days"]


def _misjudged(scores) -> float:
    """How far the regions are from holding what they say they hold."""
    return sum(abs(share - float(level)) for level, share in scores["coverage"].items())


def test_it_is_better_than_the_prior_on_the_curves_too(learned):
    lines = steps_of(learned)
    settings = load_expert(learned).settings
    assert [line["iteration"] for line in lines] == list(range(1, settings.epochs * settings.steps_per_epoch + 1))
    last = lines[-1]
    for name in ("nll", "error_km", "date_error_days"):
        assert last[f"val_{name}"] < last[f"prior_{name}"]
    assert last["val_climate_accuracy"] > last["prior_climate_accuracy"]
    # at first it says what the prior says
    assert lines[0]["val_nll"] == pytest.approx(lines[0]["prior_nll"], abs=1e-4)
    assert lines[0]["val_error_km"] == pytest.approx(lines[0]["prior_error_km"], rel=1e-6)


def test_the_trained_expert_comes_back_from_its_file(learned):
    expert = load_expert(learned)
    scores = json.loads((learned / "scores.json").read_text())
    assert expert.scores == scores
    assert scores["recall_areas_km2"] == list(RECALL_AREAS_KM2)
    settings = expert.settings
    assert settings in (QUICK, LEARNED)
    assert "synthetic" in expert.tiles.lower()
    data_module = ExpertDataModule.of(settings, 0)
    beliefs = expert.believe(data_module.test.pixels[:50])
    nll = -float(expert.mixture.paired_log_prob(_points(data_module, 50), beliefs.log_weights).mean())
    assert abs(nll - scores["expert"]["nll"]) < 0.6
    torch.testing.assert_close(beliefs.climate.sum(1), torch.ones(50))
    side = settings.tiles.size
    with pytest.raises(DataError, match=f"this expert reads 5 × {side} × {side}"):
        expert.believe(np.zeros((1, 4, side, side), np.float32))


def _points(data_module: ExpertDataModule, count: int) -> torch.Tensor:
    return data_module.truth().points[:count].float()


def test_neither_coordinates_nor_climate_are_inputs(learned):
    """The same pictures with another truth are believed the same; ice looks alike wherever it lies."""
    expert = load_expert(learned)
    source = open_tiles(expert.settings, 0)
    ice = source.at([-80.0, -80.0, -80.0], [20.0, 110.0, -120.0], 60)
    alike = expert.believe(ice.pixels)
    spread = torch.cdist(alike.log_weights.exp(), alike.log_weights.exp(), p=1.0)
    assert float(spread.max()) < 1.0, "in total variation × 2: no longitude is read from ice"
    other = source.at([0.0, 40.0, 70.0], [0.0, 0.0, 0.0], 200)._replace(pixels=ice.pixels)
    again = expert.believe(other.pixels)
    torch.testing.assert_close(again.log_weights, alike.log_weights)


# --- what it leaves -------------------------------------------------------------------------------------------------


def test_snapshots_hold_beliefs_about_the_shown_tiles(whole):
    with np.load(whole / "shown.npz") as shown:
        assert shown["pixels"].shape == (8, 5, 8, 8)
        assert shown["pixels"].dtype == np.float16
        assert {*shown} == {"pixels", "bands", "lat", "lon", "day", "climate"}
        np.testing.assert_array_equal(split_of_points(shown["lat"], shown["lon"], 0), SPLITS.index("test"))
    names = sorted(path.name for path in (whole / "snapshots").iterdir())
    assert names == [f"epoch-{epoch:04d}.npz" for epoch in range(EXPERT.epochs + 1)]
    with np.load(whole / "snapshots" / names[-1]) as last, np.load(whole / "snapshots" / names[0]) as first:
        assert last["log_weights"].shape == (8, 12)
        assert last["log_weights"].dtype == last["climate"].dtype == np.float16
        np.testing.assert_allclose(np.exp(last["log_weights"].astype(float)).sum(1), 1.0, atol=5e-3)
        np.testing.assert_allclose(last["climate"].astype(float).sum(1), 1.0, atol=5e-3)
        assert last["climate"].shape == (8, NUM_CLASSES)
        assert {len(last[name]) for name in ("centre_lat", "centre_lon", "log_kappa")} == {12}
        assert {len(last[name]) for name in ("day", "lat", "lon", "error_km")} == {8}
        assert (first["log_weights"] == first["log_weights"][0]).all()
        assert (last["log_weights"] != last["log_weights"][0]).any()


def test_the_best_weights_are_a_copy_tempered(whole):
    """Of the epoch with the least validation loss, whatever came after; only how much two heads say is another."""
    lines = steps_of(whole)
    assert lines[-1]["best_loss"] == min(line["val_loss"] for line in lines)
    best, result = (read_checkpoint(whole / name) for name in ("checkpoints/best.safetensors", "expert.safetensors"))
    assert best is not None
    assert result is not None
    start = ExpertDataModule.of(EXPERT, 0).model().state_dict()
    for name, array in result.arrays.items():
        if name.startswith(("place.", "climate.")):
            learned, kept = best.arrays[name] - start[name].numpy(), array - start[name].numpy()
            share = (kept * learned).sum() / (learned * learned).sum()
            assert share == pytest.approx(min(FRACTIONS, key=lambda tried: abs(tried - share)), abs=1e-5)
            np.testing.assert_allclose(kept, share * learned, atol=1e-6)
        else:
            np.testing.assert_array_equal(array, best.arrays[name])


# --- going on -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop_after", [1, 5, 12])
def test_a_run_that_was_stopped_or_killed_goes_on_to_the_same_bits(tmp_path, whole, stop_after):
    stopped, killed = tmp_path / "stopped", tmp_path / "killed"
    for folder in (stopped, killed):
        folder.mkdir()
    with pytest.raises(CancelledError):
        train_expert(EXPERT, context(stopped, EXPERT, stop_after))
    assert not (stopped / "expert.safetensors").exists()
    train_expert(EXPERT, context(stopped, EXPERT))

    run = context(killed, EXPERT)
    report, left = run.report, iter(range(stop_after - 1))
    run.report = lambda *arguments, **named: report(*arguments, **named) if next(left, None) is not None else 1 / 0
    with pytest.raises(ZeroDivisionError):
        train_expert(EXPERT, run, clock=itertools.count(step=1.7).__next__)
    run.close()
    train_expert(EXPERT, context(killed, EXPERT))

    for folder in (stopped, killed):
        assert (folder / "expert.safetensors").read_bytes() == (whole / "expert.safetensors").read_bytes()
        assert steps_of(folder) == steps_of(whole)
        for epoch in range(EXPERT.epochs + 1):
            name = f"snapshots/epoch-{epoch:04d}.npz"
            assert (folder / name).read_bytes() == (whole / name).read_bytes()


def test_another_seed_is_another_run(tmp_path, whole):
    run = context(tmp_path, EXPERT)
    run.config = RunConfig(settings=EXPERT, seed=1)
    train_expert(EXPERT, run)
    assert (tmp_path / "expert.safetensors").read_bytes() != (whole / "expert.safetensors").read_bytes()


def test_a_loss_that_is_no_number_ends_the_run_in_words(tmp_path, monkeypatch):
    batch = ExpertDataModule.batch
    monkeypatch.setattr(
        ExpertDataModule, "batch", lambda *arguments: batch(*arguments)._replace(climate=np.full((16, 31), np.nan))
    )
    with pytest.raises(RunError, match="the loss diverged"):
        train_expert(EXPERT, context(tmp_path, EXPERT))


# --- other sources --------------------------------------------------------------------------------------------------


def test_it_learns_from_a_users_tiles_and_from_an_ocean(tmp_path):
    tiles = tmp_path / "tiles"
    tiles.mkdir()
    write_tiles(tiles)
    ocean = OceanTiles(source=DemoSource(step_deg=2.0, years=1), size=8, num_days=4)
    for choice in (FolderTiles(path=str(tiles), is_ocean=True), ocean):
        settings = EXPERT.model_copy(update={"tiles": choice, "centres": "kmeans", "num_centres": 8, "epochs": 1})
        folder = tmp_path / choice.kind
        folder.mkdir()
        train_expert(settings, context(folder, settings))
        scores = json.loads((folder / "scores.json").read_text())
        assert np.isfinite(scores["expert"]["nll"])
        assert load_expert(folder).settings.shows_ocean


@pytest.mark.parametrize(
    "kind",
    ["fibonacci", "land", "ocean", "near-data", "kmeans", "minibatch", "farthest", "partition", "hierarchy"],
)
def test_centres_stand_where_the_settings_say(kind):
    settings = EXPERT.model_copy(update={"centres": kind, "num_centres": 24, "separation_km": 500.0})
    data_module = ExpertDataModule.of(settings, 0)
    count = len(data_module.centres)
    # a partition has as many cells as splitting gives, up to the number
    assert 12 <= count <= 24 if kind == "partition" else count == 24
    torch.testing.assert_close(data_module.centres.norm(dim=1), torch.ones(count).double())
    if kind == "near-data":
        assert torch.pdist(data_module.centres).min() > 499.0 / 6371.0


def test_the_sea_rule_is_on_for_land_and_off_for_the_ocean(tmp_path):
    sea = open_tiles(EXPERT, 0).at([0.0, 45.0], [-150.0, 5.0], 1)
    assert sea.climate[0, SEA] == 1.0
    assert is_placed(sea, EXPERT).tolist() == [False, True]
    ocean = EXPERT.model_copy(update={"tiles": OceanTiles(size=8)})
    assert is_placed(sea, ocean).all()
    write_tiles(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    lat, lon = np.meshgrid(np.arange(-28.0, 8.0, 4.0), np.arange(-170.0, -110.0, 4.0))
    pixels = np.ones((lat.size, 1, 8, 8))
    np.savez(tmp_path / "sea.npz", pixels=pixels, lat=lat.ravel(), lon=lon.ravel(), day=np.ones(lat.size))
    settings = EXPERT.model_copy(update={"tiles": FolderTiles(path=str(tmp_path))})
    with pytest.raises(DataError, match="all tiles of a split are sea"):
        ExpertDataModule.of(settings, 0)


# --- files and settings ---------------------------------------------------------------------------------------------


def test_files_that_hold_no_expert_are_refused(tmp_path, whole):
    with pytest.raises(StoreError, match="no such file"):
        load_expert(tmp_path)
    (tmp_path / "expert.safetensors").write_bytes((whole / "checkpoints/best.safetensors").read_bytes())
    with pytest.raises(StoreError, match="no expert of ours"):
        load_expert(tmp_path)


def test_the_learning_rate_rises_then_falls_to_nothing():
    settings = EXPERT.model_copy(update={"warmup": 0.1, "learning_rate": 2.0})
    rates = [learning_rate(settings, step, 100) for step in range(100)]
    np.testing.assert_allclose(rates[:10], 0.2 * np.arange(1, 11))
    assert np.argmax(rates) in (9, 10)
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[-1] < 0.01


def test_every_field_is_documented_and_the_demo_is_one():
    for model in (ExpertSettings, LandTiles, OceanTiles, FolderTiles):
        assert all(field.description for name, field in model.model_fields.items() if name not in ("task", "kind"))
    assert RunConfig.demo("expert").task == "expert"
    assert (
        RunConfig.checked(json.loads(RunConfig.demo("expert").to_json())).settings == RunConfig.demo("expert").settings
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"width": 20}, "settings.width: must be a multiple of 8; 16 and 24 are (it is 20)"),
        ({"encoder": "mixer", "tiles": {"kind": "land", "size": 30}}, "patches of 4 pixels do not divide 30"),
        ({"tiles": {"kind": "moon"}}, "'land', 'ocean', 'folder'"),
        ({"tiles": {"kind": "folder"}}, "folder of .tif, .nc and .npz tiles"),
        ({"place_weight": 0.0, "climate_weight": 0.0, "date_weight": 0.0}, "must have a weight"),
        ({"num_centres": 0}, "greater than or equal to 8"),
        ({"centres": "cities"}, "'fibonacci', 'land', 'ocean'"),
        ({"learning_rate": 0.0}, "greater than 0"),
    ],
)
def test_settings_that_cannot_be_are_told_in_words(settings, expected):
    with pytest.raises(ConfigError) as refusal:
        RunConfig.checked({"settings": {"task": "expert", **settings}})
    assert expected in str(refusal.value)
