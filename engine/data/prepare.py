"""Months of a source, read once and cached as plain arrays on disk for all runs and reconstructions.

``$HARMONIA_HOME/prepared/<key>/`` belongs to one source: ``daily.npy`` (N, 31, H, W), ``target.npy`` and ``ice.npy``
(N, H, W) have room for all its N months; they are sparse files that take space only for months that were read, and
``ready.npy`` (N,) marks those. A month is marked after its values are on disk, so it is complete or absent, and an
interrupted preparation continues where it stopped.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.compute import cpu_threads
from engine.config.months import Month
from engine.data.calendar import by_month
from engine.data.kinds import SST
from engine.data.source import MonthlyData, SSTSource
from engine.errors import DataError, EngineError
from engine.files import home_folder, locked, write_error
from engine.typed import Mask, Singles, compute

VERSION = 1
"""Part of every key; incremented with the layout or the meaning of the arrays."""

Progress = Callable[[float, str], None]
"""Called between months with the fraction of the work done and a text; may raise to abandon the work."""

_PATIENCE_S = 600.0  # another run may be reading the same month
_DAYS = 31


def prepare(
    source: SSTSource,
    first: tuple[int, int],
    last: tuple[int, int],
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> MonthlyData:
    """The months ``first`` to ``last`` (year, month), both included, memory-mapped; missing ones are read first.

    Values are in the model space of the source's variable. A month's mean that the source itself knows is the logarithm
    of its arithmetic mean where that space is logarithmic.

    Args:
        source: a source with daily fields; months with a known mean (``source.monthly``) get it as target.
        first, last: (year, month), within the source's days.
        folder: the cache; ``$HARMONIA_HOME/prepared`` by default.
        progress: see :data:`Progress`; months that are ready stay.

    Raises:
        DataError: the source has no days, or none in these months, cannot be read any more, or holds infinite values.
        StoreError: the disk is full or the folder cannot be written.
    """
    months = _Months.of(source)
    start, stop = months.index(Month(*first)), months.index(Month(*last)) + 1
    if start >= stop:
        raise DataError(f"{Month(*first)} comes after {Month(*last)}", "the requested months", "exchange them")
    store = _PreparedFolder.of((folder or home_folder() / "prepared") / _key(source), source, len(months.names))
    missing_months = [month for month in range(start, stop) if not store.is_ready(month)]
    for done, month in enumerate(missing_months):
        if progress is not None:
            progress(done / len(missing_months), f"reading {months.names[month]}")
        with locked(store.folder / "lock", _PATIENCE_S):
            if not store.is_ready(month):
                store.keep(month, *months.read(month))
    span = slice(start, stop)
    return MonthlyData(
        daily=store.array("daily")[span],
        padded=months.padded[span],
        phases=months.phases[span],
        target=None if source.monthly is None else store.array("target")[span],
        ice=store.array("ice")[span],
        land=source.land,
        years=np.array([name.year for name in months.names[span]], np.int64),
        months=np.array([name.month for name in months.names[span]], np.int64),
        grid=source.grid,
        key=hashlib.sha256(f"{_key(source)}|{months.names[start]}|{months.names[stop - 1]}".encode()).hexdigest()[:32],
        variable=source.variable,
    )


def available(source: SSTSource) -> tuple[Month, Month]:
    """The first and the last month of the source's days. Raises :class:`DataError` where there are no days."""
    names = _Months.of(source).names
    return names[0], names[-1]


def _key(source: SSTSource) -> str:
    kind = "" if source.kind == SST.key else f"|{source.kind}"
    return hashlib.sha256(f"prepared {VERSION}|{source.key}|{source.grid.key}{kind}".encode()).hexdigest()[:32]


@dataclass(frozen=True, eq=False)
class _Months:
    """The months of a source: names, padding and phases, and the reader of one month."""

    source: SSTSource
    daily: xr.DataArray
    names: list[Month]
    padded: Mask
    phases: Singles

    @classmethod
    def of(cls, source: SSTSource) -> _Months:
        if source.daily is None:
            raise DataError(
                "there are no daily fields to reconstruct from", source.name, "choose a source of daily observations"
            )
        months = by_month(source.daily)
        names = [
            Month(int(year), int(number))
            for year, number in zip(months.daily["year"].values, months.daily["month_number"].values, strict=True)
        ]
        return cls(source, source.daily, names, np.asarray(months.padded), np.asarray(months.phases, np.float32))

    def index(self, month: Month) -> int:
        if month not in self.names:
            raise DataError(
                f"there are no days in {month}",
                self.source.name,
                f"choose months from {self.names[0]} to {self.names[-1]}",
            )
        return self.names.index(month)

    def read(self, index: int) -> tuple[Singles, Singles, Singles]:
        """Daily fields (31, H, W), the month's mean (H, W) and the fraction of days under ice (H, W) of one month."""
        month, source = self.names[index], self.source
        in_month = _in_month(self.daily, month)
        lazy_fields = [self.daily.isel(time=in_month)]
        if source.ice is not None:
            lazy_fields.append(source.ice.isel(time=in_month))
        if source.monthly is not None:
            lazy_fields.append(source.monthly.isel(time=_in_month(source.monthly, month)))
        try:
            fields = _computed(lazy_fields)
        except EngineError:
            raise
        except Exception as error:
            # storage libraries raise exceptions of any type when files vanish or disks fail
            raise DataError(
                f"{month} cannot be read: {type(error).__name__}: {error}",
                source.name,
                "check that the files still exist, then resume",
            ) from error
        daily = np.full((_DAYS, *source.grid.shape), np.nan, np.float32)
        daily[self.daily["time"][in_month].dt.day.values - 1] = fields.pop(0)
        ice = fields.pop(0).mean(axis=0, dtype=np.float32) if source.ice is not None else np.zeros(daily.shape[1:])
        # a source may have means of some months only
        target = fields.pop(0)[:1] if source.monthly is not None else daily[:0]
        mean = target[0] if len(target) else np.full(daily.shape[1:], np.nan)
        for values in (daily, mean):
            self._refuse_infinite(values, month)
            values[..., source.land] = np.nan
        daily, mean = (source.variable.transformed(values) for values in (daily, mean))
        return daily, mean.astype(np.float32), ice.astype(np.float32)

    def _refuse_infinite(self, values: NDArray[np.floating[Any]], month: Month) -> None:
        count = int(np.isinf(values).sum())
        if count:
            raise DataError(
                f"{count} values of {month} are infinite",
                self.source.name,
                "mark missing values by NaN or the file's fill value",
            )


def _in_month(field: xr.DataArray, month: Month) -> NDArray[np.intp]:
    time = field["time"].dt
    return np.flatnonzero((time.year.values == month.year) & (time.month.values == month.month))


def _computed(fields: list[xr.DataArray]) -> list[NDArray[Any]]:
    """The values of all ``fields``; shared dask tasks run once."""
    data = (field.data for field in fields)
    return [np.array(values) for values in compute(*data, scheduler="threads", num_workers=cpu_threads())]


@dataclass(frozen=True)
class _PreparedFolder:
    """The cache folder of one source."""

    folder: Path
    shapes: dict[str, tuple[tuple[int, ...], str]]

    @classmethod
    def of(cls, folder: Path, source: SSTSource, num_months: int) -> _PreparedFolder:
        cells = source.grid.shape
        store = cls(
            folder,
            {
                "daily": ((num_months, _DAYS, *cells), "<f4"),
                "target": ((num_months, *cells), "<f4"),
                "ice": ((num_months, *cells), "<f4"),
                "ready": ((num_months,), "|b1"),
            },
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(error, folder) from error
        with locked(folder / "lock", _PATIENCE_S):
            for name in store.shapes:
                store._create(name)
        return store

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def _create(self, name: str) -> None:
        """Create the sparse file of an array of zeros once; it is renamed when it has its full length."""
        path = self._path(name)
        if path.exists():
            return
        shape, dtype = self.shapes[name]
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            np.lib.format.open_memmap(temporary, "w+", dtype, shape)
            os.replace(temporary, path)
        except OSError as error:
            raise write_error(error, path) from error

    def array(self, name: str) -> NDArray[Any]:
        """The memory-mapped array, read-only."""
        return np.load(self._path(name), mmap_mode="r", allow_pickle=False)

    def is_ready(self, month: int) -> bool:
        return bool(self.array("ready")[month])

    def keep(self, month: int, daily: Singles, target: Singles, ice: Singles) -> None:
        for name, values in (("daily", daily), ("target", target), ("ice", ice), ("ready", np.ones((), np.bool_))):
            self._write(name, month, values)

    def _write(self, name: str, month: int, values: NDArray[Any]) -> None:
        """Write one month and fsync; not through the memory map, where a full disk ends the process by SIGBUS."""
        path = self._path(name)
        content = np.ascontiguousarray(values, self.shapes[name][1]).tobytes()
        try:
            with open(path, "r+b") as file:
                file.seek(cast(Any, self.array(name)).offset + month * len(content))
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise DataError("prepared months were deleted", str(path), "resume to prepare them again") from error
            raise write_error(error, path) from error
