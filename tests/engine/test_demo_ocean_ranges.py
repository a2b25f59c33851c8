"""What the demo ocean claims about itself, measured at 2° (the spectrum at 1°) on two seeds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.data.august import august_sst
from engine.data.demo_ocean import EXPECTED_RANGES, DemoOcean
from engine.data.demo_ocean.mean_state import mean_state
from engine.data.demo_ocean.vortices import Vortices

SEEDS = (0, 1)
YEAR_DAYS = 365.2425
START = np.datetime64("2001-01-01")
EVERY_DAYS = 20
MONTHS = ("2002-02", "2004-09")  # most and least ice in the south
BANDS = ((60, 70), (40, 50), (20, 30), (-5, 5), (-40, -30), (-65, -55))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_claim_holds(seed: int) -> None:
    values = measured(seed)
    assert values.keys() == EXPECTED_RANGES.keys()
    outside = [
        f"{name}: {values[name].min():.3g} to {values[name].max():.3g}, claimed {expected.low:g} to {expected.high:g}"
        for name, expected in EXPECTED_RANGES.items()
        if not (expected.low <= values[name].min() and values[name].max() <= expected.high)
    ]
    assert not outside


def measured(seed: int) -> dict[str, NDArray[np.float64]]:
    """Every claimed property: all values of it that were found."""
    ocean = DemoOcean(2.0, seed)
    days = START + np.arange(0, 6 * 365, EVERY_DAYS)
    truth = np.stack([np.nan_to_num(ocean.truth(day)) for day in days])
    weights = np.cos(np.deg2rad(ocean.grid.lat))[:, None] * ~ocean.land
    weights /= weights.sum()
    climate, anomaly = seasonal_fit(days, truth)
    half_range = (climate.max(axis=0) - climate.min(axis=0)) / 2.0
    variance = (anomaly**2 * weights).sum()
    lag = 40 // EVERY_DAYS
    tomorrow = np.stack([np.nan_to_num(ocean.truth(day + 1)) for day in days[::8]])
    measurements = {
        "global mean": (truth * weights).sum(axis=(1, 2)),
        "distance from the real August": np.array([distance_from_the_real_august(ocean, weights)]),
        "anomaly": np.sqrt((anomaly**2 * weights).sum(axis=(1, 2)).mean(keepdims=True)),
        "memory over 40 days": np.array(
            [(anomaly[lag:] * anomaly[:-lag] * weights).sum() / variance * len(days) / (len(days) - lag)]
        ),
        "change in a day": np.sqrt((((tomorrow - truth[::8]) ** 2) * weights).sum(axis=(1, 2))),
        "vortices": np.array([len(Vortices(mean_state(), seed).on(int(day.astype(int))).lat) for day in days[::30]]),
        "El Niño": np.array([np.std([ocean.enso(START + 30 * k) for k in range(-600, 600)])]),
    }
    for south, north in BANDS:
        band = weights * ((ocean.grid.lat > south) & (ocean.grid.lat < north))[:, None]
        measurements[f"season {south}° to {north}°"] = (half_range * band).sum(keepdims=True) / band.sum()
    return measurements | fine_scales(seed) | seen(ocean, weights)


def seasonal_fit(days: NDArray[np.datetime64], truth: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    """Mean and two harmonics of the year, fitted in every cell, and what they leave."""
    theta = 2.0 * np.pi * days.astype(np.int64) / YEAR_DAYS
    waves = [np.ones_like(theta)] + [wave(k * theta) for k in (1, 2) for wave in (np.cos, np.sin)]
    design = np.stack(waves, axis=1)
    flat = truth.reshape(len(days), -1)
    fitted = (design @ np.linalg.lstsq(design, flat, rcond=None)[0]).reshape(truth.shape)
    return fitted, truth - fitted


def distance_from_the_real_august(ocean: DemoOcean, weights: NDArray) -> float:
    """Rms over the cells that the real field knows of the mean of six Augusts minus the real one, K."""
    real = august_sst().values[::-1].reshape(90, 2, 180, 2)
    known = np.isfinite(real).all(axis=(1, 3)) & ~ocean.land
    mean = np.mean([ocean.truth(f"{year}-08-{day}") for year in range(2001, 2007) for day in (10, 20)], axis=0)
    square = np.where(known, (mean - real.mean(axis=(1, 3))) ** 2, 0.0)
    return float(np.sqrt((square * weights).sum() / (known * weights).sum()))


def fine_scales(seed: int) -> dict[str, NDArray[np.float64]]:
    """The slope of the zonal spectrum between 15° and 3°, and how far the finest scales are from Gaussian, at 1°."""
    ocean = DemoOcean(1.0, seed)
    # open sea: the Pacific from 180° to 120° W, in parallels without an island
    rows = (np.abs(ocean.grid.lat) > 20.0) & (np.abs(ocean.grid.lat) < 40.0)
    rows &= ~ocean.land[:, :60].any(axis=1)
    east = np.arange(60) - 29.5
    spectra, rough = [], []
    for k in range(4):
        field = ocean.truth(START + 97 * k).astype(np.float64)
        part = field[rows, :60]
        part = part - part.mean(axis=1, keepdims=True) - np.outer(part @ east / (east @ east), east)
        spectra.append((np.abs(np.fft.rfft(part * np.hanning(60), axis=1)) ** 2).mean(axis=0))
        middle = field[1:-1, 1:-1]
        beside = field[2:, 1:-1] + field[:-2, 1:-1] + field[1:-1, 2:] + field[1:-1, :-2]
        rough.append((middle - beside / 4.0)[np.isfinite(middle - beside)])
    waves = np.arange(4, 21)
    slope = np.polyfit(np.log(waves), np.log(np.mean(spectra, axis=0)[waves]), 1)[0]
    values = np.concatenate(rough)
    values -= values.mean()
    return {
        "zonal spectrum": np.array([slope]),
        "fine scales": np.array([(values**4).mean() / (values**2).mean() ** 2 - 3.0]),
    }


def seen(ocean: DemoOcean, weights: NDArray) -> dict[str, NDArray[np.float64]]:
    """What the satellite leaves out and what it gets wrong, in two whole months."""
    missing, ice, shares, errors = [], [], [], []
    for month in MONTHS:
        first = np.datetime64(month)
        days = list(ocean.days(first, np.datetime64(first + 1, "D") - 1))
        valid = np.stack([np.isfinite(day.observed) for day in days])
        missing += [1.0 - (mask * weights).sum() for mask in valid]
        ice.append((days[0].ice * weights).sum())
        number = valid.sum(axis=0)
        classes = (number == 0, (number > 0) & (number < 4), (number > 3) & (number < 9), number > 8)
        shares.append([(chosen * weights).sum() for chosen in classes])
        errors.append(np.concatenate([(day.observed - day.truth)[seen] for day, seen in zip(days, valid, strict=True)]))
    error = np.concatenate(errors)
    none, few, some, many = np.mean(shares, axis=0)
    return {
        "missing": np.array(missing),
        "ice": np.array(ice),
        "never seen in a month": np.array([none]),
        "seen 1 to 3 times": np.array([few]),
        "seen 4 to 8 times": np.array([some]),
        "seen more often": np.array([many]),
        "mean error": error.mean(keepdims=True),
        "error": error.std(keepdims=True),
    }
