"""The demo ocean: any day computed on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.demo_ocean import parameters
from engine.data.demo_ocean.anomalies import Background, Mesoscale
from engine.data.demo_ocean.clouds import CloudProcesses, Clouds
from engine.data.demo_ocean.mean_state import Sampler, mean_state
from engine.data.demo_ocean.satellite import Satellite
from engine.data.demo_ocean.spectral import Synthesis
from engine.data.land import land_mask
from engine.errors import ChoiceError
from engine.sphere import LatLonGrid
from engine.typed import Mask, Singles

Date = np.datetime64 | NDArray[np.datetime64] | str

_KEPT_BYTES = 64 * 2**20
_FINEST_DEG, _COARSEST_DEG = 0.25, 2.0


@dataclass(frozen=True, eq=False)
class DemoDay:
    """One day of the demo ocean; all arrays (H, W), read-only.

    Attributes:
        date: the day.
        truth: °C, daily mean below the warm skin; NaN on land only, freezing point under ice.
        observed: °C, the satellite observation; NaN = missing.
        cloud_missing: True = under cloud, also over land.
        swath_missing: True = between two swaths.
        ice: True = covered by ice; never on land.
    """

    date: np.datetime64
    truth: Singles
    observed: Singles
    cloud_missing: Mask
    swath_missing: Mask
    ice: Mask


class DemoOcean:
    """A synthetic ocean on a regular grid; a day is computed without the days before it.

    The same seed gives the same ocean on every grid; only the sensor noise is drawn cell by cell. Up to 64 MB of days
    are cached. Thread-safe.

    Args:
        step_deg: size of a cell, from 0.25° to 2°.
        seed: ≥ 0.

    Raises:
        ChoiceError, GridError: a step or a seed out of range.
    """

    def __init__(self, step_deg: float = 1.0, seed: int = 0) -> None:
        if not _FINEST_DEG <= step_deg <= _COARSEST_DEG:
            raise ChoiceError(
                f"the demo ocean has no cells of {step_deg:g}°",
                "step_deg",
                f"choose {_FINEST_DEG:g}° to {_COARSEST_DEG:g}°",
            )
        if seed < 0:
            raise ChoiceError(f"the seed is {seed}", "seed", "choose 0 or more")
        grid = LatLonGrid.regular(step_deg)
        self.grid = grid
        self.seed = seed
        self.land: Mask = land_mask(grid).numpy()
        state, processes, sampler = mean_state(), CloudProcesses(seed), Sampler(grid)
        self._state = state
        self._sampler = sampler
        self._background = Background(state, processes, seed)
        synthesis = Synthesis(grid, int(max(parameters.FINE_MAX_DEGREE, parameters.CLOUD_MAX_DEGREE)))
        self._mesoscale = Mesoscale(grid, state, sampler, synthesis, seed)
        self._clouds = Clouds(grid, state, processes, sampler, synthesis)
        self._satellite = Satellite(grid, seed)
        cells = grid.shape[0] * grid.shape[1]
        self._surface = lru_cache(maxsize=max(2, _KEPT_BYTES // (5 * cells)))(self._compute_surface)
        self._day = lru_cache(maxsize=max(2, _KEPT_BYTES // (6 * cells)))(self._compute_day)

    def day(self, date: Date) -> DemoDay:
        """All fields of one day."""
        return self._day(day_number(date))

    def days(self, first: Date, last: Date) -> Iterator[DemoDay]:
        """The days from ``first`` to ``last``, both included, in order."""
        return map(self._day, range(day_number(first), day_number(last) + 1))

    def truth(self, date: Date) -> Singles:
        """(H, W) as of :class:`DemoDay`, without clouds and satellite, at half the cost."""
        return self._surface(day_number(date))[0]

    def month_mean(self, month: Date) -> Singles:
        """(H, W) °C: the mean of the truth over all days of the calendar month that holds ``month``; NaN on land."""
        start = np.asarray(month, "datetime64[M]")
        days = range(day_number(start), day_number(start + 1))
        total = np.zeros(self.grid.shape)
        for day in days:
            total += self._surface(day)[0]
        return (total / len(days)).astype(np.float32)

    def enso(self, date: Date) -> float:
        """The index of the El Niño mode, K."""
        return float(self._background.enso(day_number(date)))

    def _compute_surface(self, day: int) -> tuple[Singles, Mask]:
        field = self._mesoscale.on(day, self._background.on(day))
        ice = (field < parameters.FREEZING_C) & ~self.land
        width = np.float32(parameters.FREEZING_WIDTH_K)
        above = (field - np.float32(parameters.FREEZING_C)) / width
        # a smooth max(field, freezing): width · log(1 + e^x)
        truth = np.float32(parameters.FREEZING_C) + width * (np.maximum(above, 0.0) + np.log1p(np.exp(-np.abs(above))))
        truth[self.land] = np.nan
        return _read_only(truth), _read_only(ice)

    def _compute_day(self, day: int) -> DemoDay:
        truth, ice = self._surface(day)
        climate = self._sampler(self._state.climate(day)[None])[0]
        anomaly = np.where(self.land, np.float32(0.0), truth - climate)
        clearness = self._clouds.clearness(day, anomaly)
        cloud_missing = clearness <= 0.0
        swath, swath_missing = self._satellite.swaths(day)
        observed = truth + self._satellite.errors(day, clearness, self._clouds.wind(day), swath)
        observed[cloud_missing | swath_missing | ice] = np.nan
        return DemoDay(
            np.datetime64(day, "D"),
            truth,
            _read_only(observed),
            _read_only(cloud_missing),
            _read_only(swath_missing),
            ice,
        )


def day_number(date: Date) -> int:
    """Days since 1 January 1970; a month stands for its first day."""
    return int(np.asarray(date, "datetime64[D]").astype(np.int64))


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    values.setflags(write=False)
    return values
