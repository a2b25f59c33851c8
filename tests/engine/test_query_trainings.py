"""Curves, scores and sweeps as the Train page reads them, and the form that is made from a task's settings."""

import json
import subprocess
import sys

import numpy as np
import pytest

from engine.config.model import SpatioTemporalConfig
from engine.config.sst import SSTSettings
from engine.errors import CancelledError, ChoiceError, ConfigError, StoreError
from engine.models.spatiotemporal.estimate import count_parameters
from engine.queries.train import curves as trainings
from engine.queries.train import forms
from engine.queries.train.cost import dry_run
from engine.runs import MetricsReader, RunConfig


def defaults(task):
    """The default settings of a task; those of its demo where some field has no default."""
    settings = RunConfig.demo(task).settings
    is_whole = not any(field.is_required() for field in type(settings).model_fields.values())
    return (type(settings)() if is_whole else settings).model_dump(mode="json")


@pytest.fixture
def reader(tmp_path):
    rng = np.random.default_rng(0)
    loss = np.exp(-np.arange(5000) / 1000) + 0.1 * rng.standard_normal(5000)
    loss[1234] = -3.0
    lines = [
        json.dumps({"step": k + 1, "time": k / 10, "epoch": k // 100, "loss": None if k == 7 else value})
        for k, value in enumerate(loss.tolist())
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    reader = MetricsReader(tmp_path / "metrics.jsonl")
    reader.poll()
    return reader


def test_a_curve_is_thinned_and_keeps_its_minimum(reader):
    curve = trainings.curve(reader, "loss", num_points=200)
    assert curve.x.size <= 210
    assert curve.y.min() == -3.0
    assert curve.x[curve.y.argmin()] == 1235
    assert np.isfinite(curve.y).all()


def test_a_curve_per_epoch_has_each_epochs_last_value(reader):
    curve = trainings.curve(reader, "loss", axis="epoch")
    assert curve.x.tolist() == list(range(50))
    np.testing.assert_array_equal(curve.y, reader.columns["loss"][99::100])


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1000])
def test_smoothing_is_the_weighted_mean_of_what_came_before(size):
    values = np.random.default_rng(size).standard_normal(size)
    smoothed = trainings.smoothed(values, 0.9)
    for n in {0, size // 2, size - 1}:
        weights = 0.9 ** np.arange(n, -1, -1)
        assert smoothed[n] == pytest.approx(np.average(values[: n + 1], weights=weights), rel=1e-12, abs=1e-12)


def test_a_metric_that_is_not_there_gives_an_empty_curve(reader):
    assert trainings.curve(reader, "nothing").x.size == 0


def test_runs_that_differ_only_in_their_seed_make_one_bar():
    config = RunConfig.demo("table")
    configs = {"a": config, "b": config.model_copy(update={"seed": 1}), "c": RunConfig.demo("land")}
    bars = trainings.score_bars({"a": 1.0, "c": 5.0, "b": 3.0}, configs)
    assert [bar.runs for bar in bars] == [("a", "b"), ("c",)]
    assert (bars[0].mean, bars[0].std) == (2.0, pytest.approx(2**0.5))
    assert bars[1].std == 0.0


def trial(number, state="done", value=None, **chosen):
    return {
        "number": number,
        "state": state,
        "chosen": chosen,
        "run": None,
        "value": value,
        "scores": [],
        "why": "",
    }


def test_a_sweep_is_read_with_its_best_and_its_improvements(tmp_path):
    assert trainings.sweep_summary(tmp_path).trials == ()
    sweep = {
        "fields": ["width", "rate", "encoder"],
        "importance": {"width": 0.7, "rate": 0.3},
        "trials": [
            trial(0, value=3.0, width=4, rate=1e-4, encoder="none"),
            trial(1, "pruned", value=0.1, width=4, rate=1e-1, encoder="none"),
            trial(2, value=4.0, width=8, rate=1e-2, encoder="table"),
            trial(3, value=2.0, width=6, rate=1e-3, encoder="none"),
            trial(4, "failed", width=6, rate=1e-3, encoder="none"),
        ],
    }
    (tmp_path / "trials.json").write_text(json.dumps(sweep))
    view = trainings.sweep_summary(tmp_path)
    assert view.best.number == 3
    assert view.best_so_far == ((0, 3.0), (3, 2.0))
    assert view.num_by_state() == {"done": 3, "pruned": 1, "failed": 1}
    lines = trainings.parallel_coordinates(view)
    assert lines.names == ("width", "rate", "encoder", "score")
    assert lines.numbers == (0, 2, 3)
    np.testing.assert_allclose(lines.position[:, 0], [0.0, 1.0, 0.5])
    np.testing.assert_allclose(lines.position[:, 1], [0.0, 1.0, 0.5])  # by factors
    np.testing.assert_allclose(lines.position[:, 2], [0.0, 1.0, 0.0])
    np.testing.assert_allclose(lines.position[:, 3], [0.5, 1.0, 0.0])
    assert dict(lines.labels[2]) == {"none": 0.0, "table": 1.0}


@pytest.mark.parametrize("content", ["{", "[]", '{"trials": [{"number": 1}], "fields": [], "importance": {}}'])
def test_a_damaged_sweep_says_so(tmp_path, content):
    (tmp_path / "trials.json").write_text(content)
    with pytest.raises(StoreError, match="damaged"):
        trainings.sweep_summary(tmp_path)


def test_the_form_has_every_field_of_the_file():
    names = {field.name for field in forms.form_fields("sst")}
    values = defaults("sst")
    assert {name for name in names if forms.value_of(values, name) is not None} <= names
    for field in forms.form_fields("sst"):
        if field.only_if is None and not field.is_optional:
            assert forms.value_of(values, field.name) is not None, field.name
        assert field.help, field.name
    assert {"source.kind", "source.path", "source.step_deg", "model.width", "learning_rate"} <= names
    path = next(field for field in forms.form_fields("sst") if field.name == "source.path")
    assert path.only_if == ("source.kind", ("file",))


@pytest.mark.parametrize("task", ["land", "basis", "table", "sst", "expert", "sweep"])
def test_the_defaults_of_every_task_are_a_run(task):
    assert forms.checked_config(defaults(task)).task == task


def test_only_what_can_work_is_legal():
    values = defaults("sst")
    assert forms.valid_values(values, "model.heads", (1, 2, 3, 4, 5, 8)) == (1, 2, 4, 8)
    assert forms.valid_values(values, "model.width", (32, 33, 62, 64)) == (32, 64)
    # a problem elsewhere does not make every candidate illegal
    broken = forms.with_value(values, "learning_rate", -1.0)
    assert forms.valid_values(broken, "model.heads", (3, 4)) == (4,)


def test_every_wrong_field_is_told_by_its_name():
    values = forms.with_value(forms.with_value(defaults("sst"), "model.width", 7), "learning_rate", -1)
    values = forms.with_value(values, "source.step_deg", 0.7)
    with pytest.raises(ConfigError) as caught:
        forms.checked_config(values)
    problems = forms.problems_by_field(caught.value)
    assert {"model.width", "learning_rate", "source.step_deg"} <= set(problems)
    assert "6 and 8 are" in problems["model.width"]


def test_presets_are_found_again():
    values = forms.with_preset(defaults("sst"), "base")
    assert forms.preset_of(values) == "base"
    assert forms.preset_of(forms.with_value(values, "model.width", 64)) is None


def test_configurations_are_compared_with_what_differs_first():
    config = RunConfig(settings=SSTSettings())
    other = RunConfig(settings=SSTSettings(learning_rate=1e-4), seed=3)
    comparison = forms.compare_configs([config, other])
    assert comparison.rows[: comparison.num_differing] == (("seed", ("0", "3")), ("learning_rate", ("0.002", "0.0001")))
    assert not comparison.on_other_data
    elsewhere = RunConfig(
        settings=SSTSettings(
            train=("2003-01", "2003-12"), validation=("2004-02", "2004-11"), test=("2005-02", "2005-12")
        )
    )
    comparison = forms.compare_configs([config, elsewhere])
    assert comparison.on_other_data
    assert "train" in [name for name, _ in comparison.rows[: comparison.num_differing]]


SMALL = SSTSettings(
    model=SpatioTemporalConfig.preset("tiny", width=8, heads=2, spatial_layers=1, decoder_width=8),
    window=(8, 8),
    overlap=2,
    batch=1,
    epochs=3,
)


def test_a_dry_run_counts_parameters_and_measures_a_step():
    estimate = dry_run(RunConfig(settings=SMALL))
    assert estimate.num_parameters == count_parameters(SMALL.model)
    assert 0.0 < estimate.seconds_per_step < 60.0
    assert estimate.seconds_total == pytest.approx(3 * estimate.seconds_per_epoch)
    assert estimate.memory_bytes > 0
    assert estimate.disk_bytes > 5 * 4 * estimate.num_parameters
    # neither seed, months nor epochs change a step, which is not measured again for them
    longer = dry_run(RunConfig(settings=SMALL.model_copy(update={"epochs": 6, "test": ("2006-03", "2006-12")}), seed=5))
    assert longer.seconds_per_step == estimate.seconds_per_step
    assert longer.seconds_total == pytest.approx(2 * estimate.seconds_total)


_AFTER_A_PEAK = """
import numpy as np
np.ones(30_000_000).sum()
from engine.training.sst.cost import main
main()
"""


def test_the_memory_of_a_step_does_not_depend_on_what_the_process_held_before():
    """What the process had held at its peak was subtracted, and pages of the libraries' files counted."""
    config = RunConfig(settings=SMALL.model_copy(update={"batch": 8})).to_json()
    commands = (["-m", "engine.training.sst.cost"], ["-c", _AFTER_A_PEAK])
    plain, after = (
        json.loads(subprocess.run([sys.executable, *command], input=config, capture_output=True, check=True).stdout)
        for command in commands
    )
    assert after["memory_bytes"] == pytest.approx(plain["memory_bytes"], rel=0.2)


def test_a_dry_run_can_be_abandoned():
    with pytest.raises(CancelledError):
        dry_run(RunConfig(settings=SMALL.model_copy(update={"batch": 3})), should_stop=lambda: True)


def test_a_dry_run_is_of_the_ocean_task():
    with pytest.raises(ChoiceError, match="'land'"):
        dry_run(RunConfig.demo("land"))
