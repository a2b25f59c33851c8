"""The task ``table``, run in this process: its settings, its metrics and files, and going on where it was stopped."""

import itertools
import json

import numpy as np
import pytest
import torch

from engine.config.run_config import RunConfig, TableSettings
from engine.data.vectors import target
from engine.errors import CancelledError, ConfigError
from engine.models import SpatialConv
from engine.runs.checkpoints import read_checkpoint
from engine.runs.tasks import load_task
from engine.training.table import fit_table, snapshot_steps
from tests.support.run_context import context

SMALL = TableSettings(width=20, height=10, padding=3, iterations=40)
OCEAN = TableSettings(target="august", width=36, height=18, padding=2, iterations=60, sample_fraction=0.1)


def lines_of(folder) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def with_nothing_timed(line: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in line.items() if name != "time"}


@pytest.fixture(scope="module", params=[SMALL, OCEAN], ids=["force", "august"])
def finished(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    load_task("table")(request.param, context(folder, request.param))
    return request.param, folder


def test_it_learns_and_says_so_at_every_step(finished):
    settings, folder = finished
    lines = lines_of(folder)
    assert [line["iteration"] for line in lines] == list(range(settings.iterations + 1))
    for name in ("train_l1", "test_l1", "test_area_l1"):
        assert lines[-1][name] < 0.6 * lines[0][name]


def test_the_result_holds_the_model_the_field_and_the_scores(finished):
    settings, folder = finished
    result = read_checkpoint(folder / "table.safetensors")
    known = target(settings.target)
    sampled = known.sampled(settings.sample_fraction, seed=0)
    np.testing.assert_array_equal(result.arrays["sampled"], sampled)
    summary = json.loads((folder / "table.json").read_text())["metadata"]
    assert summary == result.metadata
    assert TableSettings(**summary["settings"]) == settings

    side = (settings.padding, settings.padding)
    model = SpatialConv((settings.width, settings.height, len(known.names)), padding=side)
    model.load_state_dict({name: torch.tensor(result.arrays[name]) for name in model.state_dict()})
    with torch.no_grad():
        values = summary["offset"] + summary["scale"] * model(torch.tensor(known.points())).double().numpy()
    learned = result.arrays["learned"]
    np.testing.assert_array_equal(np.isfinite(learned).all(-1), known.observed)
    np.testing.assert_allclose(learned[known.observed], values[known.observed], atol=1e-5)

    errors = np.abs(learned - known.values).mean(-1)
    rest = known.observed & ~sampled
    weights = np.broadcast_to(np.cos(np.deg2rad(known.lat))[:, None], rest.shape)[rest]
    assert (summary["num_train"], summary["num_test"]) == (sampled.sum(), rest.sum())
    assert summary["train_l1"] == pytest.approx(errors[sampled].mean(), rel=1e-4)
    assert summary["test_l1"] == pytest.approx(errors[rest].mean(), rel=1e-4)
    assert summary["test_area_l1"] == pytest.approx(np.average(errors[rest], weights=weights), rel=1e-4)
    last = lines_of(folder)[-1]
    assert {name: last[name] for name in ("train_l1", "test_l1", "test_area_l1")}.items() <= summary.items()


def test_snapshots_show_the_field_as_it_grows(finished):
    settings, folder = finished
    known = target(settings.target)
    steps = sorted(int(path.stem.removeprefix("epoch-")) for path in (folder / "snapshots").iterdir())
    assert steps == sorted(snapshot_steps(settings.iterations))
    with (
        np.load(folder / f"snapshots/epoch-{steps[-1]:04d}.npz") as last,
        np.load(folder / "snapshots/epoch-0000.npz") as first,
    ):
        assert set(last) == {"lat", "lon", "table", *known.names}
        assert last["table"].shape == (settings.width, settings.height, len(known.names))
        assert not first["table"].any()
        learned = read_checkpoint(folder / "table.safetensors").arrays["learned"]
        for index, name in enumerate(known.names):
            np.testing.assert_array_equal(last[name], learned[..., index])


def test_snapshots_are_dense_at_first_and_few_in_the_end():
    assert snapshot_steps(1) == {0, 1}
    assert set(range(22)) < snapshot_steps(300)
    assert {300, 0} < snapshot_steps(300)
    assert len(snapshot_steps(100_000)) < 250


@pytest.mark.parametrize("stop_after", [1, 2, 25, 40])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path, stop_after):
    """Stopped on request it keeps where it was; killed it goes back to a checkpoint, here one every third step."""
    whole, stopped, killed = (tmp_path / name for name in ("whole", "stopped", "killed"))
    for folder in (whole, stopped, killed):
        folder.mkdir()
    fit_table(SMALL, context(whole, SMALL))

    with pytest.raises(CancelledError):
        fit_table(SMALL, context(stopped, SMALL, stop_after))
    assert not (stopped / "table.safetensors").exists()
    fit_table(SMALL, context(stopped, SMALL))

    run = context(killed, SMALL)
    report, left = run.report, iter(range(stop_after))
    run.report = lambda *arguments, **named: report(*arguments, **named) if next(left, None) is not None else 1 / 0
    with pytest.raises(ZeroDivisionError):
        fit_table(SMALL, run, clock=itertools.count(step=0.7).__next__)
    run.close()
    fit_table(SMALL, context(killed, SMALL))

    expected = (whole / "table.safetensors").read_bytes()
    for folder in (stopped, killed):
        assert (folder / "table.safetensors").read_bytes() == expected
        assert [*map(with_nothing_timed, lines_of(folder))] == [*map(with_nothing_timed, lines_of(whole))]


def test_another_seed_is_another_run(tmp_path):
    results = []
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        run = context(folder, SMALL)
        run.config = RunConfig(settings=SMALL, seed=seed)
        fit_table(SMALL, run)
        results.append(read_checkpoint(folder / "table.safetensors"))
    assert (results[0].arrays["sampled"] != results[1].arrays["sampled"]).any()
    assert (results[0].arrays["kernel"] != results[1].arrays["kernel"]).any()


def test_a_sample_of_a_single_point_is_learned_too(tmp_path):
    settings = OCEAN.model_copy(update={"sample_fraction": 2.4e-5, "iterations": 3})
    fit_table(settings, context(tmp_path, settings))
    assert read_checkpoint(tmp_path / "table.safetensors").metadata["num_train"] == 1
    assert all(np.isfinite(list(line.values())).all() for line in lines_of(tmp_path))


# --- settings -------------------------------------------------------------------------------------------------------


def test_the_defaults_are_the_guides_example():
    settings = RunConfig.checked({"settings": {"task": "table"}}).settings
    assert settings == TableSettings(
        target="force", width=63, height=32, padding=7, topology="sphere", sample_fraction=0.5, learning_rate=0.005
    )
    assert RunConfig.demo("table").task == "table"


def test_every_field_is_documented():
    assert all(field.description for name, field in TableSettings.model_fields.items() if name != "task")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"padding": 9, "height": 8}, "settings.padding: must not be wider than the table; at most 8 (it is 9)"),
        ({"padding": 5, "width": 3}, "at most 3"),
        ({"padding": -1}, "greater than or equal to 0"),
        ({"topology": "cube"}, "'sphere', 'torus' or 'clamp'"),
        ({"target": "wind"}, "'force', 'smooth' or 'august'"),
        ({"sample_fraction": 1.0}, "less than 1"),
        ({"sample_fraction": 0}, "greater than 0"),
        ({"iterations": 0}, "greater than or equal to 1"),
        ({"learning_rate": -1.0}, "greater than 0"),
        ({"width": 10_000}, "less than or equal to 720"),
    ],
)
def test_settings_that_cannot_be_are_told_in_words(settings, expected):
    with pytest.raises(ConfigError) as refusal:
        RunConfig.checked({"settings": {"task": "table", **settings}})
    assert expected in str(refusal.value)


def test_the_sphere_wins_on_a_smooth_field_and_not_at_the_kink_of_the_other(tmp_path):
    """What the page says where topologies are compared: errors by field and topology, all and near the poles."""
    errors, at_poles = {}, {}
    for name, topology in itertools.product(("force", "smooth"), ("sphere", "torus")):
        folder = tmp_path / f"{name}-{topology}"
        folder.mkdir()
        settings = TableSettings(target=name, topology=topology, iterations=100)
        fit_table(settings, context(folder, settings))
        result, known = read_checkpoint(folder / "table.safetensors"), target(name)
        error = np.abs(result.arrays["learned"] - known.values).mean(axis=-1)
        polar = (np.abs(known.lat) > 75.0)[:, None] & ~result.arrays["sampled"]
        errors[name, topology], at_poles[name, topology] = result.metadata["test_l1"], error[polar].mean()
    assert errors["smooth", "sphere"] < 0.7 * errors["smooth", "torus"]
    assert at_poles["smooth", "sphere"] < 0.5 * at_poles["smooth", "torus"]
    assert at_poles["force", "torus"] < at_poles["force", "sphere"]
