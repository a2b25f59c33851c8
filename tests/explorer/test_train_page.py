"""The Train page without a browser: drafts and addresses, the form's rows, verdicts, curves, comparisons and sweeps."""

from __future__ import annotations

import json
import re
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import holoviews as hv
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.baselines import BASELINE_KINDS
from engine.config.sst import SSTSettings
from engine.errors import ConfigError, StoreError
from engine.evaluation import verdict
from engine.queries.train import curves as trainings
from engine.queries.train import forms
from engine.queries.train.run_files import final_scores, latest_metrics, snapshot_fields
from engine.runs import RunConfig, RunRecord, RunStore
from engine.runs.run_folder import RunFolder
from explorer.badges import badge
from explorer.pages.train import form_fields as fields
from explorer.pages.train import markup, text
from explorer.pages.train.comparisons import read_compared
from explorer.pages.train.model import COMPARE, NEW, RUNS, TASKS, TrainModel
from explorer.pages.train.run_reader import CurveOptions, RunReader
from explorer.plots import training as figures

hv.extension("bokeh", logo=False)  # type: ignore[operator]

RECORD = RunRecord(id="20261120-101500-0123456789", state="running", task="sst")
HOSTILE = "<script>alert(1)</script>"


def shown_text(markup_: str) -> str:
    """What a person reads of HTML, in one line."""
    return unescape(" ".join(re.sub("<[^>]*>", "", markup_).split()))


def row(model: TrainModel, name: str) -> dict[str, Any]:
    return next(field_row for field_row in fields.form_rows(model) if field_row["name"] == name)


# --- the draft and its address ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_every_demo_is_a_legal_draft(task: str) -> None:
    model = TrainModel({"task": task})
    assert model.checked() == RunConfig.demo(task)
    assert model.changes == {}
    assert not [field_row for field_row in fields.form_rows(model) if field_row["problem"]]


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from([*TrainModel.KEYS, "run", "runs", "metric", "task", "seed", "run_seed", "src", "set", "at"]),
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(
                ["new", "runs", "compare", "sst", "sweep", "97", "-1", '{"epochs":3}', '{"space":5}', "[1]"]
            ),
        ),
    )
)
def test_any_address_opens_a_page_whose_own_address_opens_it_again(query: dict[str, str]) -> None:
    model = TrainModel(query)
    fields.form_rows(model)
    again = TrainModel(model.address)
    assert again.address == model.address
    assert not again.notes


@pytest.mark.parametrize(
    ("preset", "training", "loss"),
    [("documented", "published", "l1"), ("repository", "published", "l1"), ("unet", "likelihood", "gaussian")],
)
def test_a_published_model_and_the_unet_are_chosen_in_two_choices_of_the_form(preset, training, loss):
    for task in ("sst", "sweep"):
        model = TrainModel({"task": task})
        fields.change(model, "preset", preset)
        fields.change(model, "training", training)
        chosen = {row["name"]: row["text"] for row in fields.form_rows(model)}
        assert (chosen["preset"], chosen["training"]) == (preset, training)
        drafted = model.checked().settings
        trained = drafted if task == "sst" else drafted.trial
        assert (trained.model.architecture, trained.loss) == (preset, loss)
    assert ("U-Net" in " ".join(text.plan(model.checked()))) == (preset == "unet")


def test_a_draft_travels_in_the_address_even_when_it_is_wrong() -> None:
    model = TrainModel({"face": NEW, "task": "sst"})
    fields.change(model, "model.width", "7")
    fields.change(model, "window", "61, 60")
    fields.change(model, "seed", "5")
    again = TrainModel(model.address)
    assert (again.values, again.seed) == (model.values, 5)
    assert set(again.problems()) == {"model.width", "model.heads", "window"} & set(again.problems()) | {"model.width"}


def test_all_invalid_fields_are_reported_with_valid_values() -> None:
    model = TrainModel({"task": "sst"})
    for name, typed in (("model.patch", "1, 7, 4"), ("epochs", "many"), ("learning_rate", "-1")):
        fields.change(model, name, typed)
    with pytest.raises(ConfigError) as caught:
        model.checked()
    assert len(caught.value.problems) == 3
    # 60 rows are a whole number of patches of 2, 3, 5 or 6 rows, which the window's row lists
    assert "patch height 7 does not divide 60; 56 and 63 do" in row(model, "window")["problem"]
    assert "Valid values" in row(model, "learning_rate")["problem"]
    assert row(model, "epochs")["text"] == "many"
    fields.change(model, "model.patch", "1, 6, 4")
    assert not row(model, "window")["problem"]


def test_incompatible_choices_are_not_offered() -> None:
    model = TrainModel({"task": "sst"})
    legal = {field_row["text"]: field_row["is_legal"] for field_row in row(model, "loss")["options"]}
    assert legal == {"l1": True, "l2": True, "gaussian": False}
    assert row(model, "model.heads")["suggestions"] == ["1", "2", "4", "8", "16"]
    fields.change(model, "model.width", "20")
    assert row(model, "model.heads")["suggestions"] == ["1", "2", "4"]


def test_an_encoder_shows_its_own_numbers_and_keeps_the_rest_of_the_model() -> None:
    model = TrainModel({"task": "sst"})
    fields.change(model, "model.width", "48")
    names = {row["name"] for row in fields.form_rows(model)}
    assert not any(name.startswith("model.encoder_options") for name in names)
    fields.change(model, "model.encoder", "grid")
    options = {row["name"].rpartition(".")[2] for row in fields.form_rows(model) if "encoder_options" in row["name"]}
    assert options == {"net", "net_width", "net_layers", "scale_features", "num_scales", "min_radius"}
    fields.change(model, "model.encoder_options.num_scales", "65")
    assert "64" in row(model, "model.encoder_options.num_scales")["problem"]
    fields.change(model, "model.encoder_options.num_scales", "12")
    config = model.checked().settings.model  # type: ignore[union-attr]
    assert (config.encoder, config.width, config.encoder_options.num_scales) == ("grid", 48, 12)


@settings(max_examples=12)
@given(st.data())
def test_every_row_reads_back_its_own_text(data: st.DataObject) -> None:
    model = TrainModel({"task": data.draw(st.sampled_from(TASKS))})
    before = model.values
    for field in forms.form_fields(model.task):
        if field.name != "space" and (
            field.only_if is None or forms.value_of(before, field.only_if[0]) in field.only_if[1]
        ):
            fields.change(model, field.name, fields.as_text(forms.value_of(before, field.name)))
    assert model.checked() == RunConfig.demo(model.task)


@pytest.mark.parametrize(
    "text", ["16, 32", "0.0003 … 0.003 log", "1 … 4", "1×2×2, 1×4×4", "harmonic, none", "true, false", "0.0 … 0.3"]
)
def test_a_dimension_survives_its_text(text: str) -> None:
    assert fields.dimension_text(fields.dimension_of(text)) == text


def test_a_sweep_is_drafted_from_its_search_space() -> None:
    model = TrainModel({"task": "sst"})
    fields.change(model, "epochs", "2")
    model.set_task("sweep")
    fields.change(model, "space.model.width", "")
    for name in fields._DIMENSIONS:
        fields.change(model, "space+", name)
    config = model.checked()
    assert set(config.settings.space) == set(fields._DIMENSIONS)  # type: ignore[union-attr]
    assert config.settings.trial.epochs == 2  # type: ignore[union-attr]
    fields.change(model, "space.batch", "none, at, all")
    assert "batch" in row(model, "space+")["problem"]


def test_another_source_resets_the_fields_of_the_source() -> None:
    model = TrainModel({"task": "sst"})
    fields.change(model, "source.kind", "file")
    assert model.values["source"] == {"kind": "file"}
    assert "source.path" in model.problems()
    # the source is chosen in the page's head
    assert not [field_row for field_row in fields.form_rows(model) if field_row["name"].startswith("source.")]
    fields.change(model, "source.kind", "demo")
    assert not model.problems().keys() & {"source.path", "source.step_deg"}


def test_at_most_eight_runs_are_compared() -> None:
    model = TrainModel({"face": COMPARE})
    assert all(model.toggle(f"run-{number}") for number in range(8))
    assert not model.toggle("one more")
    assert model.toggle("run-3")
    assert TrainModel(model.address).compared == model.compared


# --- text ------------------------------------------------------------------------------------------------------------


def with_errors(**errors: float) -> dict[str, Any]:
    return {name: {"surface": {"sea": {"mae": error}}} for name, error in errors.items()}


@pytest.mark.parametrize(
    ("model", "phrase", "colour"),
    [(0.2, "20 % lower error than", "success"), (0.3, "20 % higher error than", "error"),
     (0.247, "No clear difference from", "secondary")],
)  # fmt: skip
def test_colour_and_headline_of_a_run_are_those_of_its_verdict(model: float, phrase: str, colour: str) -> None:
    """A model that was worse than the best baseline was green, since it was better than the plain mean."""
    result = verdict(with_errors(model=model, mean=0.5, climatology=0.25))
    shown = markup.result(RECORD, {}, result, False)
    assert phrase in shown
    assert "on the validation months so far" in shown
    assert f"color:var(--h-{colour})" in shown
    assert shown_text(shown).endswith(result.text)
    assert "On the test months" in markup.result(RECORD, {}, result, True)


def test_without_a_score_the_result_is_the_state_of_the_run() -> None:
    assert "Reading the data: 25 %" in markup.result(RECORD, {"preparing": 0.25}, None, False)
    failed = RunRecord(id=RECORD.id, state="failed", task="sst", failure=f"no room {HOSTILE}")
    assert HOSTILE not in markup.result(failed, {}, None, False)
    assert "no room" in markup.result(failed, {}, None, False)


def test_a_badge_is_the_headline_of_the_verdict() -> None:
    last = {"val_mae": 0.2, "val_mae_mean": 0.25}
    headline, level = badge(RECORD, last, None)
    assert headline == "20 % lower error than the baseline (mean of observed days), validation"
    assert level == "lower"
    # once the test years are scored, the list says the same as the page of the run
    result = verdict(with_errors(model=0.3, mean=0.25))
    assert badge(RECORD, last, result) == (result.headline, "higher")
    assert badge(RECORD, {}, None) == ("", "")


def test_the_test_scores_are_those_against_the_best_baseline() -> None:
    scores = with_errors(model=0.219, mean=0.236, climatology_anomaly=0.216)
    for name, error in (("model", 0.5), ("mean", 0.4), ("climatology_anomaly", 0.4)):
        scores[name]["class"] = {"withheld": {"mae": error}}
    shown = markup.tested(scores, verdict(scores))
    assert shown.index("0.216 K") < shown.index("0.236 K")
    assert "25 % higher" in shown
    assert "var(--h-success)" not in shown
    assert "Climatology + mean anomaly" in shown
    assert markup.tested({}, None) == ""


def test_external_text_is_escaped() -> None:
    configs = [RunConfig(seed=seed, settings=SSTSettings()) for seed in (0, 1)]
    result = markup.differences(forms.compare_configs(configs), [(HOSTILE, "red"), ("b", "blue")])
    assert HOSTILE not in result + markup.bars([(HOSTILE, 1.0, 0.1, "red")], "K") + markup.key([(HOSTILE, "red", True)])
    # what differs comes first
    assert result.index(">Seed<") < result.index("equal fields")


@pytest.mark.parametrize("task", TASKS)
def test_fields_have_labels_and_their_names_in_files(task: str) -> None:
    model = TrainModel({"task": task})
    rows = [field_row for field_row in fields.form_rows(model) if field_row["name"] not in ("space+",)]
    named = [(field_row["group"], field_row["label"]) for field_row in rows]
    assert len(set(named)) == len(named)
    assert not [field_row for field_row in rows if "_" in field_row["label"]]
    written = {field_row["name"]: field_row["help"] for field_row in rows}
    for field in forms.form_fields(task):
        if field.name in written and field.name != "space":
            assert f"written {field.name.removeprefix('trial.')} in files" in written[field.name]


def test_form_comparison_and_sweep_use_the_same_labels() -> None:
    name = "model.patch"
    field_label = row(TrainModel({"task": "sst"}), name)["label"]
    changed = SSTSettings(window=(60, 60), model=SSTSettings().model.model_copy(update={"patch": (1, 2, 2)}))
    configs = [RunConfig(settings=settings) for settings in (SSTSettings(window=(60, 60)), changed)]
    result = markup.differences(forms.compare_configs(configs), [("a", "red"), ("b", "blue")])
    head = f'<th scope=row title="{name}">{field_label}</th>'
    assert head in result[: result.index("equal fields")]
    assert "1, 2, 2" in result
    sweep = TrainModel({"task": "sweep"})
    fields.change(sweep, "space+", name)
    assert row(sweep, f"space.{name}")["label"] == field_label == text.label(f"trial.{name}")
    assert text.chosen_text({name: [1, 2, 2]}) == f"{text.short(name)} 1×2×2"


def test_problems_are_reported_with_labels() -> None:
    model = TrainModel({"task": "sst"})
    fields.change(model, "validation", "2003-01, 2003-11")
    assert (
        "lies 0 days from train 2002-01 to 2002-12; “Gap between splits, days” is 31"
        in row(model, "validation")["problem"]
    )
    assert text.label("window.0") == text.label("window")
    assert text.with_labels("no file /data/a_b.nc") == "no file /data/a_b.nc"
    sweep = TrainModel({"task": "sweep"})
    sweep.set_field("space", {})
    assert row(sweep, "space+")["problem"] == "the search space is empty; choose at least one field"


# --- what is read of runs ---------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


def run_with_metrics(store: RunStore, seed: int = 0, num_lines: int = 50) -> RunReader:
    """A run that nobody started, with metrics as the task writes them."""
    run = store.create(RunConfig(seed=seed, settings=SSTSettings()), name=f"seed {seed}")
    lines = []
    for step in range(num_lines):
        values = {"iteration": step, "epoch": step // 10, "train_loss": 1 / (step + 1), "val_mae": 0.2 + seed / 100}
        lines.append(json.dumps({"step": step, "time": step / 2, **values, "val_mae_mean": 0.25, "skill_mean": 0.2}))
    (run.folder / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step":99,"ti')
    return RunReader(run)


def test_a_run_is_read_once_and_drawn_with_its_baselines(store: RunStore) -> None:
    run = run_with_metrics(store)
    snapshot = run.read(run.run.record, CurveOptions("", "step", 0.0), -1)
    assert snapshot.metric == "val_mae"
    assert [(line.name.split(",")[0], line.is_dashed) for line in snapshot.lines] == [
        ("Mean of observed days", True),
        ("Model", False),
    ]
    assert snapshot.top == 0.5
    figure = figures.curves(snapshot.lines, False, "Step", "K", 200, snapshot.top)
    assert hv.render(figure).y_range.end < 0.5
    assert latest_metrics(run.run.folder)["step"] == 49  # the torn line does not count
    assert latest_metrics(store.home) == {}


def test_every_baseline_of_the_key_is_drawn() -> None:
    names = list(BASELINE_KINDS)
    line = partial(figures.Line, x=np.arange(4.0), y=np.arange(4.0), colour="#808080", is_dashed=True)
    figure = hv.render(figures.curves([line(name) for name in names], False, "Step", "K", 200))
    dashed = [renderer for renderer in figure.renderers if len(renderer.data_source.data.get("x", ())) == 4]
    assert len(dashed) == len(names)


def test_snapshots_are_fields_and_a_damaged_one_is_an_error(store: RunStore) -> None:
    folder = run_with_metrics(store).run.folder
    (folder / "snapshots").mkdir()
    lat, lon = np.array([-5.0, 5.0]), np.array([0.0, 10.0, 20.0])
    field = np.ones((2, 3), np.float16)
    np.savez(
        folder / "snapshots" / "epoch-0003.npz", lat=lat, lon=lon, reconstruction=2 * field, target=field,
        observed=3 * field, error=field, count=field.astype(np.uint8),
    )  # fmt: skip
    (folder / "snapshots" / "epoch-0004.npz").write_bytes(b"no archive")
    assert RunFolder(folder).snapshot_epochs() == [3, 4]
    result = snapshot_fields(folder, 3)
    assert (result["mean_error"] == 2).all()
    with pytest.raises(StoreError, match="cannot be read"):
        snapshot_fields(folder, 4)
    assert final_scores(folder) == {}


def test_compared_runs_share_an_axis_and_seeds_share_a_bar(store: RunStore) -> None:
    runs = [run_with_metrics(store, seed) for seed in range(3)]
    records = {run.run.id: RunRecord(id=run.run.id, state="done", best=0.2 + number / 100, name=HOSTILE)
               for number, run in enumerate(runs)}  # fmt: skip
    result = read_compared(runs, records, CurveOptions("val_mae", "epoch", 0.0))
    assert [line.x.tolist() for line in result.lines] == [[0, 1, 2, 3, 4]] * 3
    assert [bar.runs for bar in result.bars] == [tuple(run.run.id for run in runs)]
    assert result.comparison.rows[0][0] == "seed"
    assert not result.comparison.on_other_data


def test_figures_of_a_sweep_stand_for_any_number_of_trials() -> None:
    for count in (0, 1, 30):
        chosen = [{"model.width": 8 + number, "encoder": "none"} for number in range(count)]
        trials = tuple(
            trainings.SweepTrial(number, "done", values, "r", 1.0 / (number + 1), [], "")
            for number, values in enumerate(chosen)
        )
        view = trainings.SweepSummary(("model.width", "encoder"), trials, {"model.width": 1.0})
        result = trainings.parallel_coordinates(view)
        hv.render(figures.parallel(result, ["Width", "Encoder", "Score"], 0))
        if count:
            hv.render(figures.slice_of(result, 0, "Width", "K"))
            hv.render(figures.best_so_far(result, view.best_so_far, "K"))
        assert f"{count} done" in text.sweep_sentence(view, 30) or not count


def test_the_tab_of_an_address_is_kept() -> None:
    model = TrainModel({"face": RUNS, "run": RECORD.id, "layer": "error"})
    assert model.address["run"] == RECORD.id
    model.tab = NEW
    assert "run" not in model.address
