"""Gaps: what was seen of the sea, and hiding more of it so that errors can be measured where the truth is known.

Legend: N months, T days (or day slots of a month), H rows, W columns, U units that are hidden from one at a time
(days, or whole months), D days whose clouds are used.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, cast, get_args

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.errors import ChoiceError, DataError
from engine.sphere import LatLonGrid

Pattern = Literal["clouds", "swath", "random"]
Mask = NDArray[np.bool_]
Counts = NDArray[np.int32]
Floats = NDArray[np.float64]

APART_DAYS = 10
"""Days between a day and the nearest one whose clouds may be laid over it: clouds persist, and hide their own sky."""

SHARE_TOLERANCE = 0.02
"""How far the withheld share may fall short of what was asked for, where other days lack the clouds."""

_SWATHS = 14  # a polar orbiter goes round 14 times a day, and leaves as many gaps between its tracks
_TILT = 1.5  # gaps that a track is shifted by from the first row to the last: the Earth turns below it


# --- coverage -------------------------------------------------------------------------------------------------------


def coverage(missing: xr.DataArray, land: Mask) -> xr.Dataset:
    """What was observed of the sea, by cell, by day and by month.

    Works on an array in memory as on a chunked one, where the result is lazy and every number is a reduction chunk by
    chunk: an archive is never whole in memory, and what is computed together is read once.

    Args:
        missing: (time, lat, lon) bool, True = missing; one step a day, in order, with ``time`` of any calendar.
        land: (lat, lon) bool, True = land.

    Returns:
        A dataset; shares are 0..1, ``sea`` means sea cells by area, land is NaN in maps and left out of shares.

        - ``observations`` (lat, lon): number of days observed
        - ``share`` (lat, lon): the same as a share of all days
        - ``longest_gap`` (lat, lon): most days in a row without an observation
        - ``day_share`` (time,): share of the sea observed that day
        - ``month_observations`` (month, lat, lon) uint8: days observed in the month, 0 on land
        - ``month_share`` (month,): mean of ``day_share`` over the month's days
        - ``month_unseen`` (month,): share of the sea without any observation in the month

        ``month`` is the time of each month's first day in the data.

    Raises:
        DataError: no day, or no sea.
    """
    num_days = missing.sizes["time"]
    if num_days == 0 or bool(np.all(land)):
        what = "there is no day" if num_days == 0 else "every cell is land"
        raise DataError(what, "coverage", "give at least one day of a sea")
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


def _area(counts: xr.DataArray, cell: xr.DataArray) -> xr.DataArray:
    """The area counted: numbers or truths (…, lat, lon) times the area of the row's ``cell`` (lat,), summed.

    Along a row whole numbers are added, so no chunk is ever held as floating point.
    """
    return cast(Any, xr).dot(counts.sum("lon"), cell)


def _month_edges(missing: xr.DataArray) -> NDArray[np.intp]:
    """(M+1,) where in time each month that has any day begins, and where the last one ends."""
    calendar = missing["time"].dt
    index = np.asarray(calendar.year * 12 + calendar.month)
    return np.flatnonzero(np.diff(index, prepend=index[0] - 1, append=index[-1] + 1))


def _month_sums(observed: xr.DataArray, edges: NDArray[np.intp]) -> xr.DataArray:
    """Days (time, lat, lon) to how many of each month's are True, (month, lat, lon) uint8."""
    lengths = np.diff(edges).tolist()
    if observed.chunks is None:
        sums = np.add.reduceat(observed.values, edges[:-1], axis=0, dtype=np.uint8)
    else:
        months = observed.data.rechunk({0: tuple(lengths)})
        chunks = ((1,) * len(lengths), *months.chunks[1:])
        sums = cast(Any, da).map_blocks(np.sum, months, axis=0, keepdims=True, dtype=np.uint8, chunks=chunks)
    return xr.DataArray(sums, {name: observed[name] for name in ("lat", "lon")}, ("month", "lat", "lon"))


def _longest_gap(missing: xr.DataArray) -> xr.DataArray:
    if missing.chunks is None:
        longest = _longest(_stretch(missing.values))
    else:
        reduction = cast(Any, da).reduction
        longest = reduction(missing.data, _stretch, _longest, combine=_joined, axis=0, dtype=np.int32)
    return missing.isel(time=0, drop=True).copy(data=longest.astype(np.float32))


def _stretch(missing: Mask, axis: Any = 0, keepdims: bool = True) -> Counts:
    """Days (T, H, W) in short: (4, H, W) their number, how many are missing at the start and the end, longest gap."""
    now, first, longest = (np.zeros(missing.shape[1:], np.int32) for _ in range(3))
    for day, gone in enumerate(missing):
        now += 1
        now *= gone
        np.maximum(longest, now, out=longest)
        first[now == day + 1] = day + 1
    return np.stack((np.full_like(now, len(missing)), first, now, longest))


def _joined(stretches: Counts, axis: Any = 0, keepdims: bool = True) -> Counts:
    """Stretches (4S, H, W) that follow one another to the one (4, H, W) that they make together."""
    parts = stretches.reshape(-1, 4, *stretches.shape[1:])
    whole = parts[0].copy()
    length, lead, trail, longest = whole
    for later_length, later_lead, later_trail, later_longest in parts[1:]:
        np.maximum(longest, np.maximum(later_longest, trail + later_lead), out=longest)
        lead += np.where(lead == length, later_lead, 0)
        trail *= later_trail == later_length
        trail += later_trail
        length += later_length
    return whole


def _longest(stretches: Counts, axis: Any = 0, keepdims: bool = False) -> Counts:
    return _joined(stretches)[3]


# --- withholding ----------------------------------------------------------------------------------------------------


def withhold(
    missing: Mask,
    land: Mask,
    share: float,
    seed: int,
    pattern: Pattern = "clouds",
    whole_month: bool = False,
    *,
    clouds: Mask | None = None,
) -> Mask:
    """Choose observations to hide: ``share`` of what was observed, and never anything that was not.

    Every day (or, with ``whole_month``, every month) gives up its share, to the nearest cell where the pattern allows.

    - ``"clouds"``: the clouds of another day, at least :data:`APART_DAYS` away, lie where they lay, over as many
      columns eastward of a random one as the share takes; a second day's clouds where one day's are too few.
    - ``"swath"``: 14 tilted stripes across the grid, the gaps between the tracks of a polar orbiter, as wide as the
      share takes.
    - ``"random"``: single cells anywhere: the easiest to fill, since neighbours tell almost all.

    Args:
        missing: (T, H, W) or (N, T, H, W) bool, True = missing; days in order. Padded day slots are all missing.
        land: (H, W) bool, True = land: no clouds are known there.
        share: of the observations, or of the cells observed in a month, 0 to 1.
        seed: the same seed and input give the same mask.
        pattern: see above.
        whole_month: hide *all* observations of a cell in a month, so that nothing is left of it there; ``missing``
            (T, H, W) is then one month. Clouds come from days of other months.
        clouds: (D, H, W) bool, True = missing: days of elsewhere to take clouds from instead. They should not be the
            days of ``missing``.

    Returns:
        bool of the shape of ``missing``; True = observed, and now withheld.

    Raises:
        ChoiceError: a share outside 0..1, an unknown pattern, shapes that do not fit.
        DataError: no other day has clouds, or all of them together reach less than the share (by more than
            :data:`SHARE_TOLERANCE`): what is never cloudy cannot be hidden by real clouds.
    """
    _check(missing, land, share, pattern, clouds)
    months = missing.reshape(-1, *missing.shape[-3:])
    observed = np.logical_not(months | land)
    units = np.asarray(observed.any(axis=1)) if whole_month else observed.reshape(-1, *land.shape)
    rng = np.random.default_rng(seed)
    wanted = [round(share * _count(unit)) for unit in units]
    if pattern == "clouds":
        span = months.shape[1] if whole_month else 1
        donors = _Donors.of(months.reshape(-1, *land.shape), land, span) if clouds is None else _Donors.of(clouds, land)
        orders = (donors.order(units[i], i, count, rng) for i, count in enumerate(wanted))
    else:
        draw = _swath_order if pattern == "swath" else _random_order
        orders = (draw(land.shape, rng) for _ in wanted)
    hidden = np.stack(
        [_first(units[i], order, count) for i, (order, count) in enumerate(zip(orders, wanted, strict=True))]
    )
    _check_reached(_count(hidden), sum(wanted), _count(units), share)
    return (observed & hidden.reshape(len(months), -1, *land.shape)).reshape(missing.shape)


def _count(where: Mask) -> int:
    return int(np.count_nonzero(where))


def _first(where: Mask, order: Floats, count: int) -> Mask:
    """The ``count`` cells of ``where`` that come first by ``order`` (H, W); those of infinite order never do."""
    cells = np.flatnonzero(where & np.isfinite(order))
    chosen = np.zeros(where.size, dtype=bool)
    if count >= cells.size:
        chosen[cells] = True
    elif count > 0:
        chosen[cells[np.argpartition(order.ravel()[cells], count - 1)[:count]]] = True
    return chosen.reshape(where.shape)


def _random_order(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    return rng.random(shape)


def _swath_order(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Where a cell lies between two tracks, 0..1 (H, W); the columns close the circle without a seam."""
    rows, columns = np.arange(shape[0])[:, None] / shape[0], np.arange(shape[1])[None] / shape[1]
    return (_SWATHS * columns + _TILT * rows + rng.random()) % 1.0


class _Donors(NamedTuple):
    """The days whose clouds may be laid over others."""

    days: Mask
    """(D, H, W), True = missing"""
    cloudy: NDArray[np.intp]
    """Those with a shape to give: neither clear nor, as a padded slot, without any observation."""
    span: int
    """Days of a unit, where the units are those same days; 0: these are days of elsewhere."""

    @classmethod
    def of(cls, days: Mask, land: Mask, span: int = 0) -> _Donors:
        sea = np.flatnonzero(~land)
        missing = np.count_nonzero(days.reshape(len(days), -1)[:, sea], axis=1)
        return cls(days, np.flatnonzero((missing > 0) & (missing < sea.size)), span)

    def order(self, observed: Mask, unit: int, count: int, rng: np.random.Generator) -> Floats:
        """In which order (H, W) the clouds take the observed cells of a unit, until there are ``count``.

        First those under the clouds of one day, column by column to the east of a random one, then those of another.
        """
        order = np.full(observed.shape, np.inf)
        width = int(observed.shape[1])
        east: Floats = np.roll(np.arange(width, dtype=np.float64), int(rng.integers(width)))
        left = count
        for turn, day in enumerate(rng.permutation(self._allowed(unit)) if count else ()):
            new = observed & self.days[day] & np.isinf(order)
            np.copyto(order, turn * width + east, where=new)
            left -= _count(new)
            if left <= 0:
                break
        return order

    def _allowed(self, unit: int) -> NDArray[np.intp]:
        """The days that may cover a unit; DataError if there is none."""
        first, last = unit * self.span, (unit + 1) * self.span - 1
        away = np.maximum(first - self.cloudy, self.cloudy - last)
        allowed = self.cloudy[away >= APART_DAYS] if self.span else self.cloudy
        if allowed.size == 0:
            raise DataError(
                "no other day has clouds to lay over this one",
                f"{len(self.days)} days, at least {APART_DAYS} days apart",
                "give more days, days of elsewhere as clouds=, or choose the pattern 'swath'",
            )
        return allowed


def _check(missing: Mask, land: Mask, share: float, pattern: str, clouds: Mask | None) -> None:
    if not 0.0 <= share <= 1.0:
        raise ChoiceError(f"a share of {share:g} cannot be withheld", "share", "choose one from 0 to 1")
    if pattern not in get_args(Pattern):
        raise ChoiceError(f"there is no pattern {pattern!r}", "pattern", f"choose {', '.join(get_args(Pattern))}")
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


def _check_reached(found: int, wanted: int, total: int, share: float) -> None:
    if total and found < wanted - SHARE_TOLERANCE * total:
        raise DataError(
            f"the clouds of all other days cover {found / total:.0%} of what was observed",
            f"a share of {share:.0%} was asked for",
            "choose a smaller share, give more days, or choose the pattern 'swath' or 'random'",
        )
