"""The range of a source's values over all of its days, from a few days of every season."""

from __future__ import annotations

import numpy as np

from engine.data.source import SSTSource
from engine.queries.cache import CACHE, Progress
from engine.queries.ocean.days import dates, day, time_steps, touched_bytes
from engine.queries.scales import is_global, value_limits
from engine.typed import Singles

_SAMPLED_DAYS = 12
_SAMPLED_BYTES = 256 * 2**20
_SAMPLED_CELLS = 40_000
"""Of one day: percentiles of a map need no more."""


def sampled_days(days: tuple[str, ...], number: int = _SAMPLED_DAYS) -> tuple[int, ...]:
    """Indices, ascending, of at most ``number`` of the days (ISO dates): from every month that has any, each
    from another part of the span. (Days at equal distances may all be of one season.)
    """
    by_month: dict[str, list[int]] = {}
    for index, iso in enumerate(days):
        by_month.setdefault(iso.split("-")[1], []).append(index)
    groups = [by_month[month] for month in sorted(by_month)]
    chosen: set[int] = set()
    for place in range(number):
        at = place * len(groups) // number
        places = [other for other in range(number) if other * len(groups) // number == at]
        share = (places.index(place) + (at + 0.5) / len(groups)) / len(places)
        chosen.add(groups[at][int(share * len(groups[at]))])
    return tuple(sorted(chosen))


def days_to_sample(ocean: SSTSource) -> tuple[int, ...]:
    """The :func:`sampled_days` of a source, fewer of them where reading a day reads many others with it."""
    read_bytes = touched_bytes(time_steps(ocean), slice(0, 1))
    return sampled_days(dates(ocean), max(2, min(_SAMPLED_DAYS, _SAMPLED_BYTES // max(1, read_bytes))))


def all_days_limits(ocean: SSTSource, progress: Progress) -> tuple[float, float]:
    """Ends of a colour scale for all days, in the model space of the variable: those of its kind for the globe; for a
    region the 1st and 99th percentile of a few days of every season, rounded outwards.
    """
    is_fixed = is_global(ocean.grid.lat) and ocean.variable.shown is not None

    def compute() -> tuple[float, float]:
        steps = () if is_fixed else days_to_sample(ocean)
        values: list[Singles] = []
        for number, step in enumerate(steps):
            progress(number / len(steps), "Reading days of all seasons for the range of colours")
            field = day(ocean, "daily", step)
            known = field[np.isfinite(field)]
            values.append(known[:: max(1, known.size // _SAMPLED_CELLS)])
        known = np.concatenate([np.empty(0, np.float32), *values])
        return value_limits(ocean.variable, ocean.variable.transformed(known), is_fixed, of_all_days=True)

    return CACHE.get(("ocean limits", ocean.key), compute, lambda _: 64)
