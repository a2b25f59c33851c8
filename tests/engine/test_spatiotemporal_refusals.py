"""Choices and windows that a spatio-temporal model refuses, and the presets it is made from."""

import math
from typing import Any

import pytest
import torch

from engine.errors import ChoiceError, ConfigError, DataError
from engine.models import PRESETS, SpatioTemporalConfig, build_model
from tests.support.windows import model_of, window_of


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 3}, "heads: 3 heads do not divide width 64; 2 and 4 do"),
        ({"heads": 65, "width": 130}, "heads"),
        ({"width": 63}, "width: must be even; 62 and 64 are"),
        ({"patch": (0, 4, 4)}, "patch.0"),
        ({"patch": (1, 4)}, "patch"),
        ({"patch": (1, 2, 4), "overlap": 3}, "overlap: reaches beyond the next patch of 2 × 4; at most 2"),
        ({"encoder": "fourier"}, "encoder"),
        ({"encoder": "sinusoidal", "width": 66, "heads": 2}, "encoder: 'sinusoidal' needs a width that is a multiple"),
        ({"scale_kelvin": 0.0}, "scale_kelvin"),
        ({"scale_kelvin": math.nan}, "scale_kelvin"),
        ({"layers": 3}, "layers: Extra inputs are not permitted"),
        ({"residual": 1}, "residual"),
    ],
)
def test_choices_that_cannot_work_are_refused_with_their_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SpatioTemporalConfig.preset("tiny", **changes)
    assert message in str(caught.value)


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        SpatioTemporalConfig.preset("tiny", heads=3, dropout=1.0)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["heads", "dropout"]
    with pytest.raises(ConfigError, match="choose tiny, small, base, large, documented, repository, unet"):
        SpatioTemporalConfig.preset("huge")


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"daily": torch.zeros(1, 2, 31, 8, 12)}, DataError, r"give \(sample, 1, month, slot, H, W\)"),
        ({"daily": torch.zeros(1, 1, 0, 31, 8, 12)}, DataError, r"give \(sample, 1, month, slot, H, W\)"),
        ({"missing": torch.zeros(1, 1, 2, 31, 8, 8, dtype=torch.bool)}, DataError, "'missing' has shape"),
        ({"missing": torch.zeros(1, 1, 2, 31, 8, 12)}, DataError, "give a mask of bool"),
        ({"land": torch.zeros(8, 12, dtype=torch.bool)}, DataError, "'land' has shape"),
        ({"padded": torch.zeros(1, 2, 30, dtype=torch.bool)}, DataError, "'padded' has shape"),
        ({"phases": torch.zeros(1, 2, 31, 2)}, DataError, "'phases' has shape"),
        ({"baseline": torch.zeros(1, 8, 12)}, DataError, "'baseline' has shape"),
        ({"baseline": torch.full((1, 2, 8, 12), math.nan)}, DataError, "values of the baseline are NaN"),
        ({"place": None}, DataError, "the encoder 'harmonic' needs a place"),
        ({"place": (torch.zeros(1, 6, 2), None)}, DataError, "needs features"),
        ({"place": (torch.zeros(1, 4, 2), torch.zeros(1, 6, 13))}, DataError, "'place lonlat' has shape"),
        ({"place": (torch.zeros(1, 6, 2), torch.zeros(1, 6, 12))}, DataError, "'place features' has shape"),
    ],
)
def test_windows_that_cannot_be_read_are_refused(changes: dict[str, Any], kind: type[Exception], message: str) -> None:
    model = model_of()
    with pytest.raises(kind, match=message):
        model(**window_of(model.config) | changes)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_counts_must_be_finite(value: float) -> None:
    model = model_of()
    window = window_of(model.config)
    window["land"][:] = False
    window["missing"][0, 0, 0, 5, 2, 3] = False
    window["daily"][0, 0, 0, 5, 2, 3] = value
    with pytest.raises(DataError, match="1 of 5952 values that are not missing are NaN or infinite"):
        model(**window)


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (10, 12, "a patch of 4 rows does not divide the window's 10; 2 and 5 do"),
        (8, 7, "a patch of 4 columns does not divide the window's 7; 1 and 7 do"),
    ],
)
def test_a_patch_that_does_not_divide_the_window_is_refused(rows: int, columns: int, message: str) -> None:
    model = model_of()
    with pytest.raises(ChoiceError, match=message):
        model(**window_of(model.config, rows=rows, columns=columns))


# --- presets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_built_and_survives_its_json(name: str) -> None:
    config = SpatioTemporalConfig.preset(name)
    assert SpatioTemporalConfig.model_validate_json(config.model_dump_json()) == config
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build_model(config).parameters())
    most = {
        "tiny": 750_000,
        "small": 2_000_000,
        "base": 2_250_000,
        "large": 20_000_000,
        "documented": 860_000,
        "repository": 2_190_000,
        "unet": 2_000_000,
    }
    assert most[name] / 2 < count < most[name]


def test_every_field_says_what_it_is() -> None:
    assert all(field.description for field in SpatioTemporalConfig.model_fields.values())
