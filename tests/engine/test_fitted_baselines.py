"""Baselines that take minutes are fitted once for the same months, and again where their file is damaged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.config.baselines import BASELINE_CHOICES
from engine.data.kinds import SST
from engine.errors import CancelledError
from engine.models.baselines import BASELINES, Baselines, OptimalInterpolation
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

    (kept,) = (tmp_path / "baselines").glob("*/*.npz")
    kept.write_bytes(kept.read_bytes()[:1000])
    fitted_baselines(names, train, validation)
    assert len(fits) == 2
    np.savez(kept, scale=np.zeros(3))
    fitted_baselines(names, train, validation)
    assert len(fits) == 3
    fitted_baselines(names, train, replace(validation, key="other months"))
    assert len(fits) == 4


def test_what_is_measured_on_other_months_is_fitted_anew(fits: list[str]):
    """The smallest spread that anomalies are divided by goes with the scale that a run measured on its climatology."""
    months = [gaussian_months(1, seed) for seed in (0, 1)]
    for scale in (1.0, 3.0):
        variable = replace(SST, scale=scale)
        fitted_baselines(BASELINE_CHOICES["interpolation"], *(replace(data, variable=variable) for data in months))
    assert len(fits) == 2


def test_of_two_processes_one_fits_and_the_other_waits_and_may_give_up(fits: list[str]):
    """As the ranks of a distributed run do; threads hold the lock apart, too."""
    train, validation = gaussian_months(1, 0), gaussian_months(1, 1)
    is_fitting, is_waited_for = threading.Event(), threading.Event()

    def first(fraction: float, text: str) -> None:
        if text.startswith("fitting") and not is_fitting.is_set():
            is_fitting.set()
            assert is_waited_for.wait(60.0)

    def second(fraction: float, text: str) -> None:
        if text.startswith("waiting"):
            is_waited_for.set()

    def third(fraction: float, text: str) -> None:
        if text.startswith("waiting"):
            raise CancelledError("stopped", "a test", "start again")

    def fit(progress: Callable[[float, str], None]) -> Baselines:
        return fitted_baselines(BASELINE_CHOICES["interpolation"], train, validation, progress)

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(fit, first)]
        assert is_fitting.wait(60.0)
        with pytest.raises(CancelledError):
            fit(third)
        results.append(pool.submit(fit, second))
        pair = [result.result() for result in results]
    assert fits == ["optimal_interpolation"]
    estimates = [fitted.predict(validation)["optimal_interpolation"] for fitted in pair]
    np.testing.assert_array_equal(*estimates)


def test_cheap_ones_are_not_kept(fits: list[str], tmp_path: Path):
    fitted_baselines(BASELINE_CHOICES["cheap"], gaussian_months(1, 0), gaussian_months(1, 1))
    assert not fits
    assert not (tmp_path / "baselines").exists()
