"""One day of the demo ocean, fine and coarse, alone and in a row, and five years of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch

from engine.data.demo_ocean import DemoOcean
from engine.data.demo_ocean.process import HarmonicProcess, Stream, unit_variance
from engine.data.demo_ocean.spectral import Synthesis
from engine.sphere import HarmonicGrid, LatLonGrid
from tests.benchmarks import Row, seconds

START = np.datetime64("2003-01-01")
DAY_1_LIMIT_MS = 40.0
DAY_025_LIMIT_MS = 600.0
FIVE_YEARS_LIMIT_S = 90.0
FIVE_YEARS_DAYS = 1826
TIMED_DAYS = 60


def rows() -> Iterator[Row]:
    """A day (truth and observation) at both steps, five years at 1°, a day far from the others, one synthesis."""
    coarse, fine = DemoOcean(1.0), DemoOcean(0.25)
    yield Row("next day, truth and observation, 1°", 1e3 * next_day(coarse), "ms", target_figure=DAY_1_LIMIT_MS)
    yield Row("next day, truth and observation, 0.25°", 1e3 * next_day(fine), "ms", target_figure=DAY_025_LIMIT_MS)
    days = iter(range(10**6))
    yield Row("a day far from all others, 1°", 1e3 * seconds(lambda: coarse.day(START - 500 * next(days))), "ms")
    yield Row("the truth alone, 1°", 1e3 * next_truth(coarse), "ms")
    yield Row(
        "five years of days with their months' means, 1°",
        seconds(lambda: two_months(DemoOcean(1.0))) * FIVE_YEARS_DAYS / TIMED_DAYS,
        "s",
        target_figure=FIVE_YEARS_LIMIT_S,
        note=f"extrapolated from {TIMED_DAYS} days; making the ocean included each time",
    )
    process = HarmonicProcess(unit_variance(np.ones(161)), np.full(161, 4.0), 0, Stream.BASIN)
    coeffs = process.on(0)
    flat = torch.rand(161**2)
    grid = LatLonGrid.regular(1.0)
    synthesis, harmonics = Synthesis(grid, 160), HarmonicGrid(grid, 160)
    yield Row(
        "one field of degree 160, 1°",
        1e3 * seconds(lambda: synthesis(coeffs)),
        "ms",
        naive=1e3 * seconds(lambda: harmonics.synthesise(flat)),
        note="against HarmonicGrid, whose profiles are made anew and in float64",
    )


def next_day(ocean: DemoOcean) -> float:
    days = itertools.count()
    return seconds(lambda: ocean.day(START + next(days)))


def next_truth(ocean: DemoOcean) -> float:
    days = itertools.count(3000)
    return seconds(lambda: ocean.truth(START + next(days)))


def two_months(ocean: DemoOcean) -> None:
    """The days one by one, then the means of their two months."""
    for _ in ocean.days(START, START + TIMED_DAYS - 1):
        pass
    ocean.month_mean(START)
    ocean.month_mean(START + 31)
