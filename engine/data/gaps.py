"""Gaps: coverage of the sea by observations, and withholding of observations to measure errors against known values.

Legend: N months, T days (or day slots of a month), H rows, W columns, U units of withholding (days, or whole
months), D days whose clouds are used.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.errors import ChoiceError, DataError, check_choice
from engine.sphere import LatLonGrid
from engine.typed import Floats, Mask, dask_array, dot

GapPattern = Literal["clouds", "swath", "random"]
Integers = NDArray[np.int32]

APART_DAYS = 10
"""Least distance in days between a day and the day whose clouds are laid over it: nearer clouds overlap its own."""

FRACTION_TOLERANCE = 0.02
"""Largest shortfall of the withheld fraction where the clouds of other days do not suffice."""

_SWATHS = 14  # orbits a day of a polar orbiter, and gaps between its tracks
_TILT = 1.5  # shift of a track from the first row to the last, in gaps: the Earth rotates below it


# --- coverage -------------------------------------------------------------------------------------------------------


def coverage(missing: xr.DataArray, land: Mask) -> xr.Dataset:
    """Coverage of the sea by observations, by cell, by day and by month.

    Accepts arrays in memory and chunked ones; for those the result is lazy and reduced chunk by chunk, so that an
    archive is never held in memory and results computed together read it once.

    Args:
        missing: (time, lat, lon) bool, True = missing; one step a day, in order, with ``time`` of any calendar.
        land: (lat, lon) bool, True = land.

    Returns:
        A dataset; ``share`` variables are fractions 0..1 of the sea area, land is NaN in maps and excluded from
        fractions.

        - ``observations`` (lat, lon): number of days observed
        - ``share`` (lat, lon): the same as a fraction of all days
        - ``longest_gap`` (lat, lon): longest run of days without an observation
        - ``day_share`` (time,): fraction of the sea observed that day
        - ``month_observations`` (month, lat, lon) uint8: days observed in the month, 0 on land
        - ``month_share`` (month,): mean of ``day_share`` over the month
        - ``month_unseen`` (month,): fraction of the sea without any observation in the month

        ``month`` is the time of each month's first day in the data.

    Raises:
        DataError: no day, or no sea.
    """
    num_days = missing.sizes["time"]
    if num_days == 0 or bool(np.all(land)):
        message = "there is no day" if num_days == 0 else "every cell is land"
        raise DataError(message, "coverage", "give at least one day of a sea")
    missing = missing.transpose("time", "lat", "lon")
    sea = xr.DataArray(~land, dims=("lat", "lon"))
    cell = xr.DataArray(LatLonGrid.from_dataset(missing).cell_area_m2, dims="lat")
    cell = cell / float((cell * sea.sum("lon")).sum())
    observed = ~missing & sea
    edges = _month_edges(missing)
    by_month = _month_sums(observed, edges)
    observations = by_month.sum("month", dtype=np.float32).where(sea)
    return xr.Dataset(
        {
            "observations": observations,
            "share": observations / num_days,
            "longest_gap": _longest_gap(missing).where(sea),
            "day_share": _area(observed, cell),
            "month_observations": by_month,
            "month_share": _area(by_month, cell) / xr.DataArray(np.diff(edges), dims="month"),
            "month_unseen": _area((by_month == 0) & sea, cell),
        },
        coords={"month": missing["time"].values[edges[:-1]]},
    )


def _area(cells: xr.DataArray, cell: xr.DataArray) -> xr.DataArray:
    """Area-weighted sum of ``cells`` (…, lat, lon) with the areas ``cell`` (lat,).

    Rows are summed as integers first, so that no chunk is converted to floating point.
    """
    return dot(cells.sum("lon"), cell)


def _month_edges(missing: xr.DataArray) -> NDArray[np.intp]:
    """(M+1,) index in time of the first day of each month with any day, and the end of the last one."""
    calendar = missing["time"].dt
    index = np.asarray(calendar.year * 12 + calendar.month)
    return np.flatnonzero(np.diff(index, prepend=index[0] - 1, append=index[-1] + 1))


def _month_sums(observed: xr.DataArray, edges: NDArray[np.intp]) -> xr.DataArray:
    """Number of True days (time, lat, lon) in each month: (month, lat, lon) uint8."""
    lengths = np.diff(edges).tolist()
    if observed.chunks is None:
        sums = np.add.reduceat(observed.values, edges[:-1], axis=0, dtype=np.uint8)
    else:
        months = observed.data.rechunk({0: tuple(lengths)})
        chunks = ((1,) * len(lengths), *months.chunks[1:])
        sums = dask_array().map_blocks(np.sum, months, axis=0, keepdims=True, dtype=np.uint8, chunks=chunks)
    return xr.DataArray(sums, {name: observed[name] for name in ("lat", "lon")}, ("month", "lat", "lon"))


def _longest_gap(missing: xr.DataArray) -> xr.DataArray:
    if missing.chunks is None:
        longest = _longest(_stretch(missing.values))
    else:
        longest = dask_array().reduction(missing.data, _stretch, _longest, combine=_joined, axis=0, dtype=np.int32)
    return missing.isel(time=0, drop=True).copy(data=longest.astype(np.float32))


def _stretch(missing: Mask, axis: Any = 0, keepdims: bool = True) -> Integers:
    """Summary (4, H, W) of days (T, H, W): number of days, missing run at the start and at the end, longest gap."""
    current, first, longest = (np.zeros(missing.shape[1:], np.int32) for _ in range(3))
    for day, gone in enumerate(missing):
        current += 1
        current *= gone
        np.maximum(longest, current, out=longest)
        first[current == day + 1] = day + 1
    return np.stack((np.full_like(current, len(missing)), first, current, longest))


def _joined(stretches: Integers, axis: Any = 0, keepdims: bool = True) -> Integers:
    """Combine consecutive summaries (4S, H, W) into one (4, H, W)."""
    stretches_4HW = stretches.reshape(-1, 4, *stretches.shape[1:])
    whole = stretches_4HW[0].copy()
    length, lead, trail, longest = whole
    for later_length, later_lead, later_trail, later_longest in stretches_4HW[1:]:
        np.maximum(longest, np.maximum(later_longest, trail + later_lead), out=longest)
        lead += np.where(lead == length, later_lead, 0)
        trail *= later_trail == later_length
        trail += later_trail
        length += later_length
    return whole


def _longest(stretches: Integers, axis: Any = 0, keepdims: bool = False) -> Integers:
    return _joined(stretches)[3]


# --- withholding ----------------------------------------------------------------------------------------------------


def withhold(
    missing: Mask,
    land: Mask,
    fraction: float,
    seed: int,
    pattern: GapPattern = "clouds",
    whole_month: bool = False,
    *,
    clouds: Mask | None = None,
) -> Mask:
    """Choose observations to withhold: a ``fraction`` of those of every day (with ``whole_month``: of every month).

    - ``"clouds"``: cells under the clouds of another day, at least :data:`APART_DAYS` away, column by column eastward
      of a random one until the fraction is reached; then the clouds of a second day.
    - ``"swath"``: 14 tilted stripes across the grid, the gaps between the tracks of a polar orbiter, as wide as the
      fraction needs.
    - ``"random"``: single cells: the easiest to fill, because their neighbours are observed.

    Args:
        missing: (T, H, W) or (N, T, H, W) bool, True = missing; days in order. Padded day slots are all missing.
        land: (H, W) bool, True = land; clouds are unknown there.
        fraction: of the observations, or of the cells observed in a month, 0 to 1.
        seed: same seed and input, same mask.
        pattern: see above.
        whole_month: withhold *all* observations of a cell in a month; ``missing`` (T, H, W) is then one month. Clouds
            are those of other months.
        clouds: (D, H, W) bool, True = missing: other days whose clouds are used instead.

    Returns:
        bool of the shape of ``missing``; True = observed and withheld.

    Raises:
        ChoiceError: a fraction outside 0..1, an unknown pattern, shapes that do not fit.
        DataError: no other day has clouds, or all clouds together cover less than the fraction by more than
            :data:`FRACTION_TOLERANCE`.
    """
    _check(missing, land, fraction, pattern, clouds)
    months = missing.reshape(-1, *missing.shape[-3:])
    observed = np.logical_not(months | land)
    units = np.asarray(observed.any(axis=1)) if whole_month else observed.reshape(-1, *land.shape)
    rng = np.random.default_rng(seed)
    targets = [round(fraction * _count(unit)) for unit in units]
    if pattern == "clouds":
        span = 0 if clouds is not None else months.shape[1] if whole_month else 1
        cloud_days = _CloudDays.of(months.reshape(-1, *land.shape) if clouds is None else clouds, land, span)
        orders = (cloud_days.order(units[i], i, count, rng) for i, count in enumerate(targets))
    elif pattern == "swath":
        orders = (_swath_order(land.shape, rng) for _ in targets)
    else:
        orders = (rng.random(land.shape) for _ in targets)
    hidden = np.stack(
        [_first(units[i], order, count) for i, (order, count) in enumerate(zip(orders, targets, strict=True))]
    )
    _check_reached(_count(hidden), sum(targets), _count(units), fraction)
    return (observed & hidden.reshape(len(months), -1, *land.shape)).reshape(missing.shape)


def _count(where: Mask) -> int:
    return int(np.count_nonzero(where))


def _first(where: Mask, order: Floats, count: int) -> Mask:
    """The ``count`` cells of ``where`` with the lowest finite ``order`` (H, W)."""
    cells = np.flatnonzero(where & np.isfinite(order))
    chosen = np.zeros(where.size, dtype=bool)
    if count >= cells.size:
        chosen[cells] = True
    elif count > 0:
        chosen[cells[np.argpartition(order.ravel()[cells], count - 1)[:count]]] = True
    return chosen.reshape(where.shape)


def _swath_order(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Position of a cell between two tracks, 0..1 (H, W), periodic in the columns."""
    rows, columns = np.arange(shape[0])[:, None] / shape[0], np.arange(shape[1])[None] / shape[1]
    return (_SWATHS * columns + _TILT * rows + rng.random()) % 1.0


class _CloudDays(NamedTuple):
    """Days whose clouds can be laid over others."""

    days: Mask
    """(D, H, W), True = missing"""
    cloudy: NDArray[np.intp]
    """Indices of days with clouds that are neither clear nor wholly missing (as padded slots are)."""
    span: int
    """Days of a unit where the units are these same days; 0 for other days."""

    @classmethod
    def of(cls, days: Mask, land: Mask, span: int) -> _CloudDays:
        sea = np.flatnonzero(~land)
        missing = np.count_nonzero(days.reshape(len(days), -1)[:, sea], axis=1)
        return cls(days, np.flatnonzero((missing > 0) & (missing < sea.size)), span)

    def order(self, observed: Mask, unit: int, count: int, rng: np.random.Generator) -> Floats:
        """Order (H, W) in which observed cells of a unit are covered, until there are ``count``.

        First cells under the clouds of one day, column by column eastward of a random one, then those of another day.
        """
        order = np.full(observed.shape, np.inf)
        width = int(observed.shape[1])
        east: Floats = np.roll(np.arange(width, dtype=np.float64), int(rng.integers(width)))
        remaining = count
        for turn, day in enumerate(rng.permutation(self._allowed(unit)) if count else ()):
            new = observed & self.days[day] & np.isinf(order)
            np.copyto(order, turn * width + east, where=new)
            remaining -= _count(new)
            if remaining <= 0:
                break
        return order

    def _allowed(self, unit: int) -> NDArray[np.intp]:
        """The days whose clouds can cover a unit; DataError if there is none."""
        first, last = unit * self.span, (unit + 1) * self.span - 1
        away = np.maximum(first - self.cloudy, self.cloudy - last)
        allowed = self.cloudy[away >= APART_DAYS] if self.span else self.cloudy
        if allowed.size == 0:
            raise DataError(
                "no other day has clouds to lay over this one",
                f"{len(self.days)} days, at least {APART_DAYS} days apart",
                "give more days, other days as clouds=, or choose the pattern 'swath'",
            )
        return allowed


def _check(missing: Mask, land: Mask, fraction: float, pattern: str, clouds: Mask | None) -> None:
    if not 0.0 <= fraction <= 1.0:
        raise ChoiceError(f"a fraction of {fraction:g} cannot be withheld", "fraction", "choose one from 0 to 1")
    check_choice("pattern", pattern, get_args(GapPattern))
    if missing.ndim not in (3, 4) or missing.shape[-2:] != land.shape:
        raise ChoiceError(
            f"days of shape {missing.shape} do not fit a land mask of {land.shape}",
            "missing",
            "give (T, H, W) or (N, T, H, W)",
        )
    if clouds is not None and (clouds.ndim != 3 or clouds.shape[1:] != land.shape):
        raise ChoiceError(
            f"clouds of shape {clouds.shape} do not fit a land mask of {land.shape}", "clouds", "give (D, H, W)"
        )


def _check_reached(num_hidden: int, targets: int, total: int, fraction: float) -> None:
    if total and num_hidden < targets - FRACTION_TOLERANCE * total:
        raise DataError(
            f"the clouds of all other days cover {num_hidden / total:.0%} of what was observed",
            f"a fraction of {fraction:.0%} was requested",
            "choose a smaller fraction, give more days, or choose the pattern 'swath' or 'random'",
        )
