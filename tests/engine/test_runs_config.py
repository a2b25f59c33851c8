"""A configuration is checked whole: every problem at once, by field, with what would be legal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.runs import BasisSettings, LandSettings, RunConfig


def problems_of(values: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        RunConfig.checked(values)
    return caught.value.problems


def test_a_configuration_survives_its_file(tmp_path):
    config = RunConfig(seed=7, settings=BasisSettings(domain="box", box=(-10.0, 10.0, 170.0, 190.0), max_degree=12))
    path = tmp_path / "config.json"
    path.write_bytes(config.to_json())
    assert RunConfig.read(path) == config
    assert RunConfig.read(path).task == "basis"


def test_defaults_need_only_the_task():
    assert RunConfig.checked({"settings": {"task": "land"}}) == RunConfig(settings=LandSettings())


@pytest.mark.parametrize("task", ["land", "basis"])
def test_every_task_has_a_demo(task):
    assert RunConfig.demo(task).task == task


def test_a_demo_of_an_unknown_task_names_the_tasks():
    with pytest.raises(ConfigError, match="'land', 'basis'"):
        RunConfig.demo("nothing")


def test_all_problems_are_listed_at_once_by_field():
    problems = problems_of(
        {
            "seed": -1,
            "colour": "red",
            "settings": {"task": "basis", "max_degree": 999, "num_components": "many", "step_deg": 0.7, "L": 3},
        }
    )
    fields = sorted(problem.split(":")[0] for problem in problems)
    assert fields == sorted(
        ["seed", "colour", "settings.max_degree", "settings.num_components", "settings.step_deg", "settings.L"]
    )
    text = "\n".join(problems)
    assert "less than or equal to 60 (it is 999)" in text
    assert "'max_degree'" in text  # the unknown field's message lists those there are
    assert "180° must be a whole number of steps; 0.700389 would do" in text


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"task": "train"}, "settings.task: must be 'land', 'basis'"),
        ({}, "settings.task: must be 'land', 'basis'"),
        ({"task": "basis", "max_degree": 3, "num_components": 16}, "max_degree 3 allows at most 15 components"),
        ({"task": "basis", "max_degree": 1, "num_components": 64}, "max_degree 1 allows at most 3 components"),
        ({"task": "basis", "domain": "box"}, "give it with domain 'box'"),
        ({"task": "basis", "box": [0.0, 1.0, 0.0, 1.0]}, "give it with domain 'box'"),
        ({"task": "basis", "domain": "box", "box": [5.0, 1.0, 0.0, 1.0]}, "south < north"),
        ({"task": "land", "step_deg": float("nan")}, "finite"),
        ({"task": "land", "step_deg": True}, "valid number"),
        ({"task": "land", "rows_per_band": 2.5}, "valid integer"),
        ({"task": "land", "resolution": "10m"}, "'50m' or '110m'"),
    ],
)
def test_a_wrong_setting_is_told_in_words(settings, expected):
    assert any(expected in problem for problem in problems_of({"settings": settings})), problems_of(
        {"settings": settings}
    )


def of_a_file(**fields):
    return {"settings": {"task": "sst", "source": {"kind": "file", "path": "sst/*.nc", **fields}}}


def test_a_configuration_of_an_earlier_version_keeps_to_good_observations():
    old = RunConfig.checked(of_a_file(variable=None))
    assert old.settings.source.quality == "good"
    assert old == RunConfig.checked(of_a_file(quality="good"))


@pytest.mark.parametrize("quality", ["good", "all", 0, 4])
def test_the_quality_of_observations_survives_its_file(quality):
    config = RunConfig.checked(of_a_file(quality=quality))
    again = RunConfig.from_json(config.to_json())
    assert again == config
    assert again.settings.source.quality == quality
    assert [config == RunConfig.checked(of_a_file(quality=choice)) for choice in ("good", "all", 0, 4)].count(True) == 1


@pytest.mark.parametrize("quality", ["best", "4", -1, True, 2.5, None, [4], {}])
def test_a_quality_that_cannot_be_is_one_problem(quality):
    (problem,) = problems_of(of_a_file(quality=quality))
    assert problem.startswith("settings.source.quality: should be 'good', 'all', or the number of a level (it is ")


def test_a_missing_box_is_a_problem_only_when_the_domain_needs_it():
    assert RunConfig.checked({"settings": {"task": "basis", "domain": "land"}})


def test_missing_settings_are_told():
    assert problems_of({}) == ["settings: missing; the task and its settings"]


def test_a_newer_version_is_refused_in_words():
    with pytest.raises(ConfigError, match="newer Harmonia") as caught:
        RunConfig.checked({"version": 2, "settings": {"task": "flight"}, "unheard": 1})
    assert "update" in caught.value.remedy


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"nul", b'{"a": 1}}', b"x" * 2_000_000, b"[1]", b"3", b'"x"']
)
def test_what_is_no_configuration_is_refused(content, tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.json"):
        RunConfig.read(path)


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path):
    for path in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(ConfigError, match="cannot be read"):
            RunConfig.read(path)


def test_a_long_wrong_value_is_shortened():
    (problem,) = problems_of({"settings": {"task": "land", "resolution": "x" * 10_000}})
    assert len(problem) < 300


def test_every_field_is_documented():
    for model in (RunConfig, LandSettings, BasisSettings):
        for name, field in model.model_fields.items():
            assert name == "task" or field.description, name


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"settings": st.dictionaries(st.sampled_from(["task", "step_deg", "box", "domain", "max_degree"]), json_values)}
    )
    | json_values
)
def test_anything_is_either_a_configuration_or_a_config_error(values):
    try:
        config = RunConfig.checked(values)
    except ConfigError:
        return
    assert RunConfig.from_json(config.to_json()) == config


def test_problems_survive_a_trip_between_processes():
    import pickle

    error = ConfigError(["a: b"], "here")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.problems, str(copy)) == (error.problems, str(error))


def test_the_file_is_readable_json():
    assert json.loads(RunConfig.demo("land").to_json())["settings"]["task"] == "land"
