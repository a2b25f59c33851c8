"""What a training needs to know of its source before it starts: months, grid, and the share of the sea observed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.config.months import Month
from engine.config.sst import DemoSource, FileSource
from engine.data.kinds import SST, VariableKind
from engine.errors import CancelledError
from engine.queries.cache import CACHE, Progress, no_progress
from engine.queries.ocean.run_sources import source_choice
from engine.queries.ocean.sources import file_stamp, short_names
from engine.queries.server_files import checked_path, is_upload, resolved
from engine.typed import Ints, Mask, Singles, compute

if TYPE_CHECKING:
    from engine.data.source import SSTSource
    from engine.sphere import LatLonGrid

_BUDGET_BYTES = 2**28
_OVERVIEW_BYTES = 2**16
_DAYS = 31

Stop = Callable[[], bool]


@dataclass(frozen=True)
class MonthShare:
    """A month of a source.

    Attributes:
        month: as ``2001-07``.
        fraction: of the area with values (for most variables the sea's) and the month's days, the part that is
            observed, 0 to 1; days that the source lacks
            count as not observed.
        is_estimated: taken from the nearest month that was read, because reading all would take too long.
    """

    month: str
    fraction: float
    is_estimated: bool = False


@dataclass(frozen=True, eq=False)
class SourceOverview:
    """Properties of an open source, read from its times, its grid and some of its days.

    Attributes:
        name: the name on screen.
        key: hash of its content.
        grid: the cells.
        land: (H, W), True = land.
        months: every month from the first day to the last; empty for a source without daily fields.
        knows_mean: whether it knows the true mean of some month, which is then what is learned.
        seconds_per_day: to read one day.
        notes: how the files were interpreted.
        variable: what it holds.
    """

    name: str
    key: str
    grid: LatLonGrid
    land: Mask
    months: tuple[MonthShare, ...]
    knows_mean: bool
    seconds_per_day: float
    notes: tuple[str, ...]
    variable: VariableKind = SST

    @property
    def observed(self) -> list[Month]:
        """The months with an observation."""
        return [Month.parse(share.month) for share in self.months if share.fraction > 0.0]

    @property
    def span(self) -> tuple[str, str]:
        """The first and the last month."""
        return self.months[0].month, self.months[-1].month


def source_overview(
    source: DemoSource | FileSource, progress: Progress = no_progress, should_stop: Stop = lambda: False
) -> SourceOverview:
    """The overview of a source, cached until its files change. Takes seconds: call it off the event loop.

    Of each month some days are read, spread evenly, at most 256 MB in all; of the demo ocean one day of each month of
    its first year. A month in which these hold nothing is read on until an observation turns up.

    Raises:
        CancelledError: ``should_stop`` returned True.
        DataError: the source cannot be opened, or lies outside the folders that may be used.
    """
    with short_names(source_choice(source)) if isinstance(source, FileSource) else nullcontext():
        return _kept_overview(source, progress, should_stop)


def _kept_overview(source: DemoSource | FileSource, progress: Progress, should_stop: Stop) -> SourceOverview:
    paths = _paths(source)
    key = ("training source", source.model_dump_json(), tuple((str(path), *file_stamp(path)) for path in paths))
    return CACHE.get(key, partial(_overview, source, paths, progress, should_stop), lambda _: _OVERVIEW_BYTES)


def _paths(source: DemoSource | FileSource) -> list[Path]:
    if isinstance(source, DemoSource):
        return []
    path = checked_path(source.path)
    return [Path(path)] if is_upload(path) else resolved(path)


def _overview(
    source: DemoSource | FileSource, paths: list[Path], progress: Progress, should_stop: Stop
) -> SourceOverview:
    # imported when needed: torch must not slow down the first page
    from engine.training.sst.data_module import open_source

    progress(0.0, "Opening the source")
    _check_headers(paths)
    checked = (
        source.model_copy(update={"path": checked_path(source.path)}) if isinstance(source, FileSource) else source
    )
    ocean = open_source(checked)
    shares, seconds = ((), 0.0) if ocean.daily is None else _shares(ocean, progress, should_stop)
    knows_mean = ocean.monthly is not None
    return SourceOverview(
        ocean.name, ocean.key, ocean.grid, ocean.land, shares, knows_mean, seconds, ocean.notes, ocean.variable
    )


def _check_headers(paths: list[Path]) -> None:
    if paths:
        from engine.data.sst import locate
        from engine.formats.child import check_in_child

        check_in_child([(location.path, location.kind) for location in locate(paths)])


def _shares(ocean: SSTSource, progress: Progress, should_stop: Stop) -> tuple[tuple[MonthShare, ...], float]:
    """The share of every month, and seconds to read a day."""
    from engine.data.calendar import month_edges

    daily: Any = ocean.daily
    dates = daily["time"].dt
    number = 12 * dates.year.values.astype(np.int64) + dates.month.values - 1
    first, num_months = int(number[0]), int(number[-1] - number[0]) + 1
    lengths = np.diff(month_edges(first, num_months, str(dates.calendar)))
    steps_of = [np.flatnonzero(number == first + month) for month in range(num_months)]
    present = [month for month, steps in enumerate(steps_of) if steps.size]
    read, num_days = _sampling(ocean, present)
    chosen = {month: _spread(steps_of[month], num_days) for month in read}
    reader = _Reader(ocean, should_stop)
    seen: dict[int, float] = {}
    wanted = np.concatenate(list(chosen.values()))
    for shares in reader.read(wanted):
        seen |= shares
        progress(len(seen) / len(wanted), "Looking for observations")
    known: dict[int, float] = {}
    for month, steps in chosen.items():
        shares = [seen[step] for step in steps.tolist()]
        if not any(shares):
            for others in reader.read(np.setdiff1d(steps_of[month], steps)):
                shares += others.values()
                if any(shares):
                    break
        known[month] = float(np.mean(shares)) * len(steps_of[month]) / float(lengths[month])
    shares = [
        _share(first + month, known.get(month), _nearest(known, month, ocean.is_synthetic) if steps.size else 0.0)
        for month, steps in enumerate(steps_of)
    ]
    return tuple(shares), reader.seconds_per_day


def _share(number: int, known: float | None, near: float) -> MonthShare:
    month = str(Month(number // 12, number % 12 + 1))
    return MonthShare(month, near, near > 0.0) if known is None else MonthShare(month, known)


def _sampling(ocean: SSTSource, present: list[int]) -> tuple[list[int], int]:
    """Which months are read, and how many days of each."""
    if ocean.is_synthetic:  # its days are computed, and one year is like another
        return present[:12], 1
    affordable = max(1, _BUDGET_BYTES // max(1, ocean.land.size * 4))
    if affordable >= len(present):
        return present, affordable // len(present)
    every = -(-len(present) // affordable)
    return sorted({*present[::every], present[-1]}), 1


def _nearest(known: dict[int, float], month: int, same_season: bool) -> float:
    """The share of the nearest month that was read: of the same season where one year is like another."""
    return known[min(known, key=lambda other: ((other - month) % 12 if same_season else 0, abs(other - month)))]


def _spread(steps: Ints, count: int) -> Ints:
    """``count`` of the steps, evenly spread; all where there are no more."""
    if count >= len(steps):
        return steps
    return steps[((np.arange(count) + 0.5) * len(steps) / count).astype(np.int64)]


class _Reader:
    """Reads the observed fraction of the sea's area on days, each stored block of days in one call where memory allows.

    A file may be stored as one compressed chunk, which every call unpacks whole.
    """

    def __init__(self, ocean: SSTSource, should_stop: Stop) -> None:
        self._ocean = ocean
        self._should_stop = should_stop
        self._daily: Any = ocean.daily
        self._area = ocean.grid.cell_area_m2[:, None] * ~ocean.land
        self._total = float(self._area.sum())
        self._lengths: tuple[int, ...] = self._daily.chunks[0] if self._daily.chunks else (self._daily.sizes["time"],)
        self._most = max(1, _BUDGET_BYTES // max(1, ocean.land.size * 4))
        self._seconds, self._num_calls = 0.0, 0

    @property
    def seconds_per_day(self) -> float:
        """To read one day of a month that is read whole, as a training does."""
        return self._seconds / max(1, self._num_calls) / min(_DAYS, max(self._lengths))

    def read(self, steps: Ints) -> Iterator[dict[int, float]]:
        """The fractions by day, block by block."""
        ends = np.cumsum(self._lengths)
        steps = np.sort(steps)
        blocks = np.searchsorted(ends, steps, side="right")
        while steps.size:
            together = (blocks == blocks[0]) & (steps < steps[0] + self._most)
            yield self._call(steps[together])
            steps, blocks = steps[~together], blocks[~together]

    def _call(self, steps: Ints) -> dict[int, float]:
        if self._should_stop():
            raise CancelledError("the look at the source was cancelled", self._ocean.name, "start it again")
        began = time.perf_counter()
        first, last = int(steps[0]), int(steps[-1])
        lazy = self._daily.isel(time=slice(first, last + 1)).data
        [values] = compute(lazy, scheduler="threads", num_workers=1)
        self._seconds += time.perf_counter() - began
        self._num_calls += 1
        return {step: self._share(values[step - first]) for step in steps.tolist()}

    def _share(self, values: Singles) -> float:
        return float(self._area[np.isfinite(values)].sum()) / self._total if self._total else 0.0
