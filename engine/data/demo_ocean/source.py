"""The demo ocean as an :class:`SSTSource`."""

from __future__ import annotations

import hashlib
from datetime import date
from functools import lru_cache, partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.demo_ocean import parameters
from engine.data.demo_ocean.ocean import DemoOcean
from engine.data.source import SSTSource
from engine.errors import ChoiceError
from engine.typed import Ints, dask_array

_FIRST_YEAR, _LAST_YEAR = 1700, 2200  # within the range of 64-bit nanoseconds
_NOTES = (
    "a synthetic ocean; its coastlines, its mean state (HadISST, August 2012) and its map of activity are real",
    "the monthly means are those of the truth",
    f"version {parameters.VERSION} of its parameters",
)
_TEMPERATURE = {"standard_name": "sea_surface_temperature", "units": "degC"}


def make_source(step_deg: float, seed: int, start: str, years: int) -> SSTSource:
    """See :func:`engine.data.demo_ocean.demo_ocean`."""
    first, after = _span(start, years)
    ocean = _ocean(step_deg, seed)
    key = _key(ocean, first, after)
    days = np.arange(first, after)
    months = np.unique(days.astype("datetime64[M]"))

    def lazy(variable: str, times: NDArray[np.datetime64], dtype: type, long_name: str) -> xr.DataArray:
        numbers = times.astype("datetime64[D]").astype(np.int64)
        values = (
            dask_array()
            .from_array(numbers, chunks=1)
            .map_blocks(
                partial(_block, step_deg, seed, variable),
                dtype=dtype,
                new_axis=(1, 2),
                chunks=((1,) * len(times), *((n,) for n in ocean.grid.shape)),
                name=f"demo-ocean-{variable}-{key}",
                meta=np.empty((0, 0, 0), dtype),
            )
        )
        coords = {"time": times.astype("datetime64[ns]"), "lat": ocean.grid.lat, "lon": ocean.grid.lon}
        attrs = {"long_name": long_name} | ({} if dtype is np.bool_ else _TEMPERATURE)
        return xr.DataArray(values, coords, ("time", "lat", "lon"), variable, attrs)

    return SSTSource(
        name=f"Demo ocean, {step_deg:g}°, seed {seed}",
        key=key,
        grid=ocean.grid,
        land=ocean.land,
        notes=_NOTES,
        daily=lazy("observed", days, np.float32, "sea surface temperature observed by a synthetic satellite"),
        monthly=lazy("month", months, np.float32, "monthly mean of the true sea surface temperature"),
        truth=lazy("truth", days, np.float32, "true sea surface temperature"),
        ice=lazy("ice", days, np.bool_, "sea ice"),
        is_synthetic=True,
    )


@lru_cache(maxsize=2)
def _ocean(step_deg: float, seed: int) -> DemoOcean:
    return DemoOcean(step_deg, seed)


def _block(step_deg: float, seed: int, variable: str, numbers: Ints) -> NDArray[Any]:
    """One day or month of a lazy array; its arguments are plain, so that another process can compute it."""
    ocean, day = _ocean(step_deg, seed), np.datetime64(int(numbers[0]), "D")
    if variable == "month":
        return ocean.month_mean(day)[None]
    values = ocean.truth(day) if variable == "truth" else getattr(ocean.day(day), variable)
    return values[None]


def _key(ocean: DemoOcean, first: np.datetime64, after: np.datetime64) -> str:
    content = repr((parameters.VERSION, parameters.PARAMETERS, ocean.grid.key, ocean.seed, str(first), str(after)))
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _span(start: str, years: int) -> tuple[np.datetime64, np.datetime64]:
    """The first day, and the day after the last."""
    try:
        day = date.fromisoformat(start)
    except ValueError as error:
        raise ChoiceError(f"{start!r} is no date", "start", "write it as year-month-day, such as 2001-01-01") from error
    if not (years >= 1 and day.year >= _FIRST_YEAR and day.year + years <= _LAST_YEAR):
        raise ChoiceError(
            f"{years} years from {start}",
            "start, years",
            f"choose at least one year between {_FIRST_YEAR} and {_LAST_YEAR}",
        )
    first = np.datetime64(start, "D")
    same_day = first - first.astype("datetime64[M]")
    return first, (first.astype("datetime64[M]") + 12 * years).astype("datetime64[D]") + same_day
