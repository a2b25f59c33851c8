"""Kinds of variables: their transforms and units there and back, and that what is written of one reads back as it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.cf import value_attributes
from engine.data.kinds import KINDS, OTHER, VariableKind, kind_from, kind_of, own_kind
from engine.data.prepare import prepare
from engine.data.units import Conversion
from engine.training.sst.holdout import HoldOutSet
from engine.training.sst.task import snapshot
from engine.training.sst.tiled_prediction import MonthlyEstimate
from tests.support.ocean import small_ocean

PRESSURE = own_kind(OTHER, "sp", {"long_name": "surface pressure", "units": "Pa"})
ALL = (*(kind for kind in KINDS.values() if kind is not OTHER), PRESSURE)
of_every_kind = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)


def limits(kind: VariableKind) -> tuple[float, float]:
    """Plausible values; those of a variable of no kind are any that float32 holds."""
    low, high = (float(np.clip(limit, -1e30, 1e30)) for limit in kind.limits)
    return low, high


def values_within(kind: VariableKind) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(*limits(kind)), min_size=1, max_size=20)


# --- model space ----------------------------------------------------------------------------------------------------


@given(st.sampled_from(ALL), st.data())
def test_model_space_is_left_as_it_was_entered(kind: VariableKind, data: st.DataObject) -> None:
    for dtype, tolerance in ((np.float64, 1e-14), (np.float32, 2e-6)):
        values = np.array(data.draw(values_within(kind)), dtype)
        values = np.concatenate((values, np.array([*limits(kind), np.nan], dtype)))
        inside = kind.transformed(values)
        assert inside.dtype == dtype
        np.testing.assert_array_equal(np.isnan(inside), np.isnan(values))  # limits have values, missing ones none
        np.testing.assert_allclose(kind.restored(inside), values, rtol=tolerance)
        order = np.argsort(values[:-1])
        assert (np.diff(inside[:-1][order]) >= 0.0).all()
        assert (inside[:-1][order][-1], inside[:-1][order][0]) == (inside[:-1].max(), inside[:-1].min())


@given(st.sampled_from(ALL), st.data())
def test_bounds_hold_move_nothing_within_and_keep_what_is_missing(kind: VariableKind, data: st.DataObject) -> None:
    values = np.array([*data.draw(st.lists(st.floats(-1e4, 1e4), max_size=20)), *limits(kind), np.nan], np.float32)
    bounded = kind.bounded(values)
    least, most = (np.float32(np.nan if end is None else end) for end in (kind.least, kind.most))
    assert not (bounded < least).any()
    assert not (bounded > most).any()
    is_within = ~(values < least) & ~(values > most)
    np.testing.assert_array_equal(bounded[is_within], values[is_within])
    np.testing.assert_array_equal(kind.bounded(bounded), bounded)


def test_a_value_without_a_logarithm_is_missing() -> None:
    inside = KINDS["chlorophyll"].transformed(np.array([-1.0, 0.0, np.nan, 1.0, 100.0]))
    np.testing.assert_array_equal(inside, [np.nan, np.nan, np.nan, 0.0, 2.0])


@given(st.sampled_from(ALL), st.data())
def test_one_value_is_restored_as_many_are(kind: VariableKind, data: st.DataObject) -> None:
    inside = kind.transformed(np.array(data.draw(values_within(kind))))
    assert [kind.restored_value(float(value)) for value in inside] == pytest.approx(list(kind.restored(inside)))


# --- units ----------------------------------------------------------------------------------------------------------

CONVERSIONS = [(kind, unit) for kind in ALL for unit in kind.units.by_name.values()]


def there(unit: Conversion, values: np.ndarray) -> np.ndarray:
    return values * unit.factor + unit.offset


@given(st.sampled_from(CONVERSIONS), st.data())
def test_units_there_and_back(of_kind: tuple[VariableKind, Conversion], data: st.DataObject) -> None:
    kind, unit = of_kind
    values = np.array(data.draw(values_within(kind)))
    in_unit = (values - unit.offset) / unit.factor
    np.testing.assert_allclose(there(unit, in_unit), values, rtol=1e-12, atol=1e-9)
    assert unit.factor > 0.0  # order is kept


@of_every_kind
def test_a_kind_understands_its_own_unit_as_it_is(kind: VariableKind) -> None:
    assert kind.units.conversion(kind.unit) == replace(
        kind.units.conversion(kind.unit) or pytest.fail("not understood"), factor=1.0, offset=0.0
    )


def test_temperatures_that_are_known_by_definition() -> None:
    for unit, points in {"K": {273.15: 0.0, 373.15: 100.0}, "degF": {32.0: 0.0, 212.0: 100.0, -40.0: -40.0}}.items():
        conversion = KINDS["sst"].units.conversion(unit)
        assert conversion is not None
        for value, celsius in points.items():
            assert conversion.factor * value + conversion.offset == pytest.approx(celsius)
        difference = KINDS["sst_anomaly"].units.conversion(unit)
        assert difference is not None
        assert (difference.factor, difference.offset) == (conversion.factor, 0.0)


# --- what is written reads back -------------------------------------------------------------------------------------


@of_every_kind
def test_a_file_that_is_written_reads_back_as_its_kind(kind: VariableKind) -> None:
    attrs = value_attributes(kind) | {"long_name": kind.title}
    assert kind_of(kind.name, attrs).key == kind.key
    assert kind_from(kind.as_dict()) == kind


@pytest.mark.parametrize("name", ["anom", "sst", "lst", "lst_anomaly", "land_temperature", "something"])
def test_the_name_decides_between_anomalies_of_one_standard_name(name: str) -> None:
    kind = kind_of(name, {"standard_name": "surface_temperature_anomaly", "units": "K"})
    assert kind.key == ("land_temperature_anomaly" if name.startswith("l") else "sst_anomaly")


# --- snapshots ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [replace(PRESSURE, scale=800.0), KINDS["sst"]], ids=lambda kind: kind.name)
def test_a_snapshot_holds_values_of_any_size(kind: VariableKind, tmp_path, monkeypatch) -> None:
    """101,325 Pa are beyond float16, which holds 1,013.25 hPa to half a hectopascal."""
    source = small_ocean(1)
    data = replace(prepare(source, (2001, 1), (2001, 1), folder=tmp_path), variable=kind)
    shift = 101_325.0 if kind.key == "other" else 0.0
    assert data.target is not None
    data = replace(data, daily=data.daily + np.float32(shift), target=data.target + np.float32(shift))
    mean = np.where(data.land, np.nan, data.target + 1.0).astype(np.float32)
    arrays = snapshot(HoldOutSet.of(data, 0.0, 0), MonthlyEstimate(mean, None, np.zeros_like(mean, bool)))
    step = 0.02 * kind.measured_scale
    np.testing.assert_allclose(arrays["reconstruction"].astype(np.float64), mean[0], atol=step)
    np.testing.assert_allclose(arrays["target"].astype(np.float64), data.target[0], atol=step)
    assert np.isfinite(arrays["observed"]).any()
    assert not np.isinf(arrays["observed"]).any()
    assert (arrays["target"].dtype == np.float16) == (kind.key == "sst")
