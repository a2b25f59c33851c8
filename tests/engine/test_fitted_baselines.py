"""Baselines that take minutes are fitted once for the same months, and again where their file is damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.config.baselines import BASELINE_CHOICES
from engine.models.baselines import BASELINES, OptimalInterpolation
from engine.training.sst.fitted_baselines import fitted_baselines
from tests.support.gaussian_ocean import gaussian_months


@pytest.fixture
def fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the costly baselines, in the order they are fitted."""
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    counted: list[str] = []
    original = OptimalInterpolation.fit_months.__func__

    def fit_months(cls, *arguments):
        counted.append(cls.name)
        return original(cls, *arguments)

    monkeypatch.setattr(OptimalInterpolation, "fit_months", classmethod(fit_months))
    return counted


def test_the_same_months_are_fitted_once(fits: list[str], tmp_path: Path):
    train, validation, test = gaussian_months(2, 0), gaussian_months(1, 1), gaussian_months(1, 2)
    names = BASELINE_CHOICES["interpolation"]
    first = fitted_baselines(names, train, validation)
    again = fitted_baselines(names, train, validation)
    assert list(first.fitted) == list(again.fitted) == [name for name in BASELINES if name in names]
    assert fits == ["optimal_interpolation"]
    for name, mean in first.predict(test).items():
        np.testing.assert_array_equal(mean, again.predict(test)[name])

    (kept,) = (tmp_path / "baselines").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    fitted_baselines(names, train, validation)
    assert len(fits) == 2
    np.savez(kept, scale=np.zeros(3))
    fitted_baselines(names, train, validation)
    assert len(fits) == 3
    fitted_baselines(names, train, replace(validation, key="other months"))
    assert len(fits) == 4


def test_cheap_ones_are_not_kept(fits: list[str], tmp_path: Path):
    fitted_baselines(BASELINE_CHOICES["cheap"], gaussian_months(1, 0), gaussian_months(1, 1))
    assert not fits
    assert not (tmp_path / "baselines").exists()
