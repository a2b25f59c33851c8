"""The task ``sst`` on a small ocean: what it writes, that it learns, and that it goes on where it was stopped."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from engine.config.sst import DemoSource, FileSource, SSTSettings
from engine.data.prepare import prepare
from engine.errors import CancelledError, ChoiceError, ConfigError, DataError, RunError, StoreError
from engine.evaluation.place import PLACES
from engine.evaluation.spectra import spectra
from engine.evaluation.uncertainty import calibration
from engine.models.baselines import Baselines
from engine.runs import RunConfig
from engine.runs.checkpoints import read_checkpoint, write_checkpoint
from engine.training.fit import fit
from engine.training.sst import data_module
from engine.training.sst import task as sst_task
from engine.training.sst.holdout import TEST_SEED, HoldOutSet
from engine.training.sst.model_bundle import ModelBundle
from engine.training.sst.tiled_prediction import estimate_months
from tests.support.ocean import GRID, small_ocean
from tests.support.run_context import context
from tests.support.trainings import MODEL, SMALL, learn, lines_of


@pytest.fixture(autouse=True)
def ocean(tmp_path_factory, monkeypatch):
    """The small ocean stands in for the demo ocean, and prepared months are kept for this module's tests."""
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path_factory.getbasetemp() / "sst-home"))
    monkeypatch.setattr(data_module, "open_source", lambda _: small_ocean(4))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_HOME", str(tmp_path_factory.getbasetemp() / "sst-home"))
        patched.setattr(data_module, "open_source", lambda _: small_ocean(4))
        return learn(tmp_path_factory.mktemp("whole"))


def test_every_step_and_every_epoch_leaves_a_line(finished):
    lines = lines_of(finished)
    steps = [line["iteration"] for line in lines]
    assert sorted(set(steps)) == list(range(1, 13))
    assert [line["epoch"] for line in lines if line["iteration"] == 12] == [2, 3]
    last = lines[-1]
    baselines = [name.removeprefix("val_mae_") for name in last if name.startswith("val_mae_")]
    assert set(baselines) == {"mean", "mean_debiased", "climatology", "climatology_anomaly"}
    for name in baselines:
        assert last[f"skill_{name}"] == pytest.approx(1.0 - last["val_mae"] / last[f"val_mae_{name}"])
    assert last["best_mae"] == min(line["val_mae"] for line in lines if line["iteration"] in (4, 8, 12))
    assert last["learning_rate"] == pytest.approx(0.0, abs=1e-9)
    assert lines[0]["learning_rate"] > lines[-2]["learning_rate"]


def test_snapshots_show_the_first_month_of_validation(finished):
    names = sorted(path.name for path in (finished / "snapshots").iterdir())
    assert names == [f"epoch-{epoch:04d}.npz" for epoch in range(4)]
    with np.load(finished / "snapshots" / names[-1]) as shown:
        assert set(shown) == {"lat", "lon", "reconstruction", "observed", "target", "error", "count"}
        np.testing.assert_array_equal(shown["lat"], GRID.lat)
        sea = ~small_ocean(4).land
        assert np.isfinite(shown["reconstruction"][sea]).all()
        assert np.isnan(shown["reconstruction"][~sea]).all()
        # the month is February: validation begins after a gap of a month
        truth = small_ocean(4).monthly.sel(time="2003-02-01").values
        np.testing.assert_allclose(shown["target"][sea], truth[sea], atol=0.02)
        np.testing.assert_allclose(shown["error"][sea], (shown["reconstruction"] - shown["target"])[sea], atol=0.05)


def test_the_model_file_holds_all_that_is_needed(finished):
    best = ModelBundle.load(finished / "best.safetensors")
    assert best.settings == SMALL
    assert best.scores["val_mae"] == pytest.approx(lines_of(finished)[-1]["best_mae"])
    assert best.basis is not None
    assert best.basis.num_components == 8
    assert best.climatology.grid == GRID
    assert best.scores["data_key"] == small_ocean(4).key


def test_the_baselines_of_the_run_are_kept(finished):
    with np.load(finished / "baselines.npz") as kept:
        baselines = Baselines.from_state_dict(dict(kept))
    assert set(baselines.fitted) == {"mean", "mean_debiased", "climatology", "climatology_anomaly"}


def test_the_scores_compare_the_model_with_its_baselines_on_the_test_year(finished):
    table = json.loads((finished / "scores.json").read_text())
    assert set(table) == {"model", "mean", "mean_debiased", "climatology", "climatology_anomaly"}
    assert {"observed", "withheld"} <= set(table["model"]["class"])
    assert table["model"]["surface"]["sea"]["mae"] > 0.0


def test_the_scores_hold_the_errors_with_other_places(finished):
    scores = json.loads((finished / "scores.json").read_text())
    place = scores["model"]["place"]
    assert set(place) == {"true", *PLACES}
    assert place["true"]["mae"] == pytest.approx(scores["model"]["surface"]["sea"]["mae"], rel=1e-5)
    assert all(place[name]["mae"] != place["true"]["mae"] for name in PLACES)
    sums = np.array(scores["model"]["blocks"]["abs_error"]).sum(axis=-1)
    np.testing.assert_allclose(place["true"]["abs_error"], sums, rtol=1e-4)
    assert scores["model"]["source_key"] == small_ocean(4).key


def test_the_scores_hold_the_spectra_of_model_and_baselines(finished):
    """The same as evaluating the kept model by the functions themselves."""
    scores = json.loads((finished / "scores.json").read_text())
    hold_out, estimates, climatology = evaluated_again(finished, SMALL)
    for name, spectrum in spectra(hold_out.data, estimates, climatology).items():
        assert scores[name]["spectrum"] == spectrum.table()
        assert len(scores[name]["spectrum"]["truth"]) == GRID.max_resolved_degree + 1
    assert not any("calibration" in table for table in scores.values())


def test_the_scores_hold_the_calibration_of_a_predicted_uncertainty(tmp_path):
    model = MODEL.model_copy(update={"uncertainty": True})
    box = (-30.0, 30.0, -180.0, -100.0)
    settings = SMALL.model_copy(update={"epochs": 1, "model": model, "held_out_box": box})
    folder = learn(tmp_path / "unsure", settings)
    whole, region = (json.loads((folder / name).read_text()) for name in ("scores.json", "scores-held-out.json"))
    hold_out, estimates, _ = evaluated_again(folder, settings)
    trained = ModelBundle.load(folder / "best.safetensors")
    parts = estimate_months(trained.model, trained.model_inputs(hold_out.data), settings)
    std = np.concatenate([part.std for _, part in parts])
    assert whole["model"]["calibration"] == calibration(hold_out.data, estimates["model"], std)
    assert whole["model"]["calibration"] != region["model"]["calibration"]
    assert whole["model"]["std_factors"] == trained.std_factors
    assert trained.std_factors  # fitted on validation; those of the network itself are fitted again by a resumed run
    assert set(region["model"]["spectrum"]) == set(whole["mean"]["spectrum"])
    assert "calibration" not in whole["mean"]


def evaluated_again(folder, settings):
    """The hold-out set of a finished run, all estimates of it, and the climatology by month."""
    trained = ModelBundle.load(folder / "best.safetensors")
    with np.load(folder / "baselines.npz") as kept:
        baselines = Baselines.from_state_dict(dict(kept))
    months = settings.months_of("test")
    hold_out = HoldOutSet.of(prepare(small_ocean(4), months[0], months[-1]), settings.withheld_fraction, TEST_SEED)
    parts = estimate_months(trained.model, trained.model_inputs(hold_out.data), settings)
    estimates = {"model": np.concatenate([part.mean for _, part in parts]), **baselines.predict(hold_out.data)}
    return hold_out, estimates, {month: trained.climatology.at(month) for month in range(1, 13)}


@pytest.mark.parametrize("stop_after", [1, 4, 5, 10])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path, finished, stop_after):
    """Stopped on request at any report, in an epoch or between two, it keeps where it was."""
    folder = tmp_path / "stopped"
    with pytest.raises(CancelledError):
        learn(folder, stop_after=stop_after)
    learn(folder)
    assert_alike(folder, finished)


def test_a_run_that_was_killed_goes_back_to_a_checkpoint(tmp_path, finished, monkeypatch):
    monkeypatch.setattr(sst_task, "CHECKPOINT_S", 1.0)
    folder = tmp_path / "killed"
    for left in (3, 6, 4):
        folder.mkdir(exist_ok=True)
        run = context(folder, SMALL)
        report, budget = run.report, iter(range(left))

        def counted(metrics, *arguments, report=report, budget=budget, **named):
            if "epoch" in metrics:
                next(budget)
            report(metrics, *arguments, **named)

        run.report = counted
        with pytest.raises(StopIteration):
            sst_task.train_sst(SMALL, run, clock=itertools.count(step=0.4).__next__)
        run.close()
    learn(folder)
    assert_alike(folder, finished)


def assert_alike(folder: Path, expected: Path) -> None:
    assert lines_of(folder) == lines_of(expected)
    for name in ("best.safetensors", "scores.json"):
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name
    for path in (expected / "snapshots").iterdir():
        with np.load(path) as whole, np.load(folder / "snapshots" / path.name) as parts:
            for name in whole:
                np.testing.assert_array_equal(parts[name], whole[name])
    ends = [read_checkpoint(place / "checkpoints" / "last.safetensors") for place in (folder, expected)]
    for name in ends[1].arrays:
        np.testing.assert_array_equal(ends[0].arrays[name], ends[1].arrays[name], err_msg=name)


def test_it_learns_what_the_mean_of_the_valid_days_cannot_know(tmp_path):
    """Above all where a whole month was withheld: there the mean falls back on the climatology."""
    settings = SMALL.model_copy(
        update={
            "epochs": 15,
            "samples": 64,
            "batch": 4,
            "learning_rate": 4e-3,
            "ema_decay": 0.9,
            "withheld_fraction": 0.2,
        }
    )
    table = json.loads((learn(tmp_path / "long", settings) / "scores.json").read_text())
    model, mean = table["model"], table["mean"]
    assert model["class"]["withheld"]["mae"] < 0.7 * mean["class"]["withheld"]["mae"]
    assert model["surface"]["sea"]["mae"] < 0.6 * mean["surface"]["sea"]["mae"]
    assert model["surface"]["sea"]["mae"] < table["mean_debiased"]["surface"]["sea"]["mae"]


def test_without_a_known_truth_it_learns_from_hidden_days(tmp_path, monkeypatch):
    monkeypatch.setattr(data_module, "open_source", lambda _: small_ocean(4, monthly=False))
    folder = learn(tmp_path / "gappy", SMALL.model_copy(update={"epochs": 2}))
    last = lines_of(folder)[-1]
    assert "val_mae_mean" in last
    assert "val_mae_mean_debiased" not in last
    table = json.loads((folder / "scores.json").read_text())
    assert set(table["model"]["class"]) == {"withheld"}
    assert "spectrum" not in table["model"]  # what is known in scattered cells only has none


def test_it_stops_early_when_nothing_improves_and_keeps_the_best(tmp_path):
    settings = SMALL.model_copy(update={"epochs": 50, "patience": 2, "learning_rate": 0.2, "warmup": 0.0, "samples": 4})
    folder = learn(tmp_path / "patient", settings)
    lines = lines_of(folder)
    ends = [line for line, after in itertools.pairwise(lines) if line["epoch"] > 0 and after["epoch"] > line["epoch"]]
    best_epoch = int(np.argmin([*(line["val_mae"] for line in ends), lines[-1]["val_mae"]])) + 1
    assert lines[-1]["epoch"] == best_epoch + 2 < 50
    best = ModelBundle.load(folder / "best.safetensors")
    assert best.scores["epoch"] == best_epoch
    assert lines[-1]["val_mae"] > lines[-1]["best_mae"] == best.scores["val_mae"]
    last = read_checkpoint(folder / "checkpoints" / "last.safetensors").arrays
    head = best.model.state_dict()["decoder.head.weight"].numpy()
    assert (head != last["module:ema_model:decoder.head.weight"]).any(), "the best is no view of the last"


def test_a_plateau_halves_the_learning_rate(tmp_path):
    settings = SMALL.model_copy(
        update={"epochs": 6, "schedule": "plateau", "plateau_patience": 1, "learning_rate": 0.2, "warmup": 0.0}
    )
    rates = [line["learning_rate"] for line in lines_of(learn(tmp_path / "plateau", settings))]
    assert rates[0] == 0.2
    assert rates[-1] in {0.2 * 0.5**n for n in range(1, 6)}


@pytest.mark.parametrize("changes", [{"batch": 4}, {"accumulate": 2}, {"months": 3, "samples": 4}])
def test_batches_accumulation_and_several_months(tmp_path, changes):
    lines = lines_of(learn(tmp_path / "run", SMALL.model_copy(update={"epochs": 1, **changes})))
    assert lines[-1]["iteration"] == 2
    assert np.isfinite(lines[-1]["val_mae"])


def test_accumulated_batches_are_one_large_batch(tmp_path):
    model = MODEL.model_copy(update={"dropout": 0.0})
    firsts = []
    for name, changes in {"large": {"batch": 4}, "accumulated": {"batch": 2, "accumulate": 2}}.items():
        settings = SMALL.model_copy(update={"epochs": 1, "samples": 4, "model": model, **changes})
        firsts.append(lines_of(learn(tmp_path / name, settings))[0])
    for name in ("train_loss", "gradient_norm"):
        assert firsts[0][name] == pytest.approx(firsts[1][name], rel=1e-4)


def test_a_predicted_standard_deviation_is_kept_and_shown(tmp_path):
    model = MODEL.model_copy(update={"uncertainty": True})
    settings = SMALL.model_copy(update={"epochs": 1, "model": model, "loss": "gaussian"})
    folder = learn(tmp_path / "spread", settings)
    with np.load(folder / "snapshots" / "epoch-0001.npz") as shown:
        assert (shown["std"][~small_ocean(4).land] > 0.0).all()


@pytest.mark.parametrize("encoder", ["none", "sinusoidal", "table"])
def test_other_encoders_of_place(tmp_path, encoder):
    model = MODEL.model_copy(update={"encoder": encoder})
    folder = learn(tmp_path / encoder, SMALL.model_copy(update={"epochs": 1, "model": model}))
    assert ModelBundle.load(folder / "best.safetensors").basis is None


def test_low_precision(tmp_path):
    folder = learn(tmp_path / "low", SMALL.model_copy(update={"epochs": 1, "precision": "bfloat16"}))
    assert np.isfinite(lines_of(folder)[-1]["val_mae"])


def test_a_region_that_is_held_out_is_scored_for_itself(tmp_path):
    box = (-30.0, 30.0, -180.0, -100.0)
    folder = learn(tmp_path / "region", SMALL.model_copy(update={"epochs": 1, "held_out_box": box}))
    whole, region = (json.loads((folder / name).read_text()) for name in ("scores.json", "scores-held-out.json"))
    assert set(region) == set(whole)
    assert set(region["model"]["latitude"]) == {"40–20°S", "20°S–20°N", "20–40°N"}
    assert region["model"]["surface"]["sea"]["mae"] != whole["model"]["surface"]["sea"]["mae"]


def test_another_seed_is_another_run(tmp_path, finished):
    folder = tmp_path / "other"
    folder.mkdir()
    run = context(folder, SMALL)
    run.config = RunConfig(settings=SMALL, seed=1)
    sst_task.train_sst(SMALL, run)
    mine, other = lines_of(folder)[-1], lines_of(finished)[-1]
    assert mine["val_mae"] != other["val_mae"]
    # yet both are evaluated on the same cells, so that trials of a sweep can be compared: their baselines err alike
    baselines = [name for name in mine if name.startswith("val_mae_")]
    assert baselines
    assert all(mine[name] == other[name] for name in baselines)


def test_fit_does_a_run_in_this_process(tmp_path):
    config = RunConfig(settings=SMALL.model_copy(update={"epochs": 1}))
    fit(config, tmp_path / "run")
    assert json.loads((tmp_path / "run/status.json").read_text())["state"] == "done"
    assert RunConfig.read(tmp_path / "run/config.json") == config
    assert (tmp_path / "run/scores.json").exists()


# --- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_diverging_loss_is_stopped_and_explained(tmp_path):
    wild = SMALL.model_copy(
        update={"learning_rate": 10.0, "warmup": 0.0, "clip_norm": 1e6, "samples": 200, "epochs": 2}
    )
    with pytest.raises(RunError, match="the loss diverged") as refusal:
        learn(tmp_path / "wild", wild)
    assert "learning_rate" in refusal.value.remedy
    kept = read_checkpoint(tmp_path / "wild/checkpoints/last.safetensors")
    assert kept is None or all(np.isfinite(array).all() for array in kept.arrays.values() if array.dtype == np.float32)


def test_the_weights_of_another_model_are_refused(tmp_path, finished):
    folder = tmp_path / "other"
    (folder / "checkpoints").mkdir(parents=True)
    kept = read_checkpoint(finished / "checkpoints" / "last.safetensors")
    write_checkpoint(folder / "checkpoints" / "last.safetensors", kept.arrays, kept.metadata)
    wider = SMALL.model_copy(update={"model": MODEL.model_copy(update={"decoder_width": 32})})
    with pytest.raises(StoreError, match=r"weights are of another model: decoder\.proj\.weight is \(16, 16, 1, 1\)"):
        learn(folder, wider)


def test_a_training_set_without_a_valid_cell(tmp_path, monkeypatch):
    box = SMALL.model_copy(update={"held_out_box": (-90.0, 90.0, -180.0, 180.0)})
    with pytest.raises(ChoiceError, match="no window sees a cell to learn from"):
        learn(tmp_path / "nothing", box)
    monkeypatch.setattr(data_module, "open_source", lambda _: small_ocean(4, cloudy=1.1, monthly=False, seed=5))
    with pytest.raises((DataError, ChoiceError)):
        learn(tmp_path / "clouds", SMALL)


def test_nothing_to_learn_from(tmp_path, monkeypatch):
    monkeypatch.setattr(data_module, "open_source", lambda _: small_ocean(4, monthly=False))
    with pytest.raises(ChoiceError, match=r"nothing to learn from: .*extra_clouds"):
        learn(tmp_path / "a", SMALL.model_copy(update={"extra_clouds": 0.0}))
    with pytest.raises(DataError, match=r"no days are withheld .*withheld_fraction"):
        learn(tmp_path / "b", SMALL.model_copy(update={"withheld_fraction": 0.0}))
    with pytest.raises(DataError, match="a sample of 24 months does not fit into the 12"):
        learn(tmp_path / "c", SMALL.model_copy(update={"months": 24}))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"window": [61, 120]}, "settings.window: patch height 4 does not divide 61; 60 and 64 do"),
        ({"overlap": 60}, "settings.overlap: must be smaller than the window; at most 59"),
        ({"train": ["2004-01", "2003-12"]}, "settings.train: the first month must not come after the last"),
        ({"train": ["2004-13", "2004-12"]}, "settings.train.0: should be a year and a month such as 2001-07"),
        ({"test": ["2007-02", "2007-03"]}, "settings.test: the ocean has the years 2001 to 2006"),
        ({"test": ["2005-11", "2006-12"]}, "settings.test: shares months with validation 2005-02 to 2005-11"),
        ({"test": ["2005-12", "2006-12"]}, "settings.test: lies 0 days from validation 2005-02 to 2005-11; gap_days"),
        ({"climatology": ["2001-01", "2002-10"]}, "settings.train: leaves months between it and climatology 2001-01"),
        ({"loss": "gaussian"}, "'gaussian' needs a model with uncertainty"),
        ({"source": {"kind": "file"}}, "settings.source.path: missing; file, folder, pattern"),
        ({"source": {"kind": "web"}}, "settings.source.kind: must be 'demo', 'file'"),
        ({"source": {"kind": "demo", "step": 1}}, "settings.source.step: unknown; there are 'kind', 'step_deg'"),
        ({"source": {"kind": "demo", "step_deg": 0.7}}, "180° must be a whole number of steps"),
        ({"model": {"heads": 3}}, "settings.model.heads: 3 heads do not divide width 128"),
        ({"held_out_box": [10.0, -10.0, 0.0, 20.0]}, "settings.held_out_box: must be south < north"),
        ({"batch": 0}, "settings.batch: should be greater than or equal to 1 (it is 0)"),
        ({"precision": "float16"}, "'float32' or 'bfloat16'"),
    ],
)
def test_settings_that_cannot_be_are_told_in_words(settings, expected):
    with pytest.raises(ConfigError) as refusal:
        RunConfig.checked({"settings": {"task": "sst", **settings}})
    assert expected in str(refusal.value)


def test_settings_survive_their_file():
    for source in (DemoSource(), FileSource(path="sst/*.nc", variable="sst")):
        config = RunConfig(settings=SSTSettings(source=source, held_out_box=(-10.0, 10.0, 100.0, 200.0)))
        assert RunConfig.from_json(config.to_json()) == config
    assert RunConfig.demo("sst").task == "sst"


def test_every_field_is_documented():
    for model in (SSTSettings, DemoSource, FileSource):
        for name, field in model.model_fields.items():
            assert name in ("task", "kind") or field.description, name


def test_validation_and_test_keep_their_distance():
    settings = SSTSettings()
    assert settings.months_of("train")[0] == (2003, 1)
    assert settings.months_of("train")[-1] == (2004, 12)
    assert settings.months_of("validation") == [(2005, month) for month in range(2, 12)]
    assert settings.months_of("test") == [(2006, month) for month in range(2, 13)]
    whole = ("2005-01", "2005-12"), ("2006-01", "2006-12")
    assert len(SSTSettings(gap_days=0, validation=whole[0], test=whole[1]).months_of("test")) == 12
    with pytest.raises(ValidationError, match="lies 0 days from train"):
        SSTSettings(validation=whole[0])
    # February is shorter than the gap: it is not enough between two splits
    with pytest.raises(ValidationError, match="lies 28 days from train"):
        SSTSettings(train=("2003-01", "2005-01"), validation=("2005-03", "2005-11"))
    assert SSTSettings(climatology=("2003-01", "2004-12")).months_of("climatology")[0] == (2003, 1)
