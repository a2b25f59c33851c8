"""Which ocean is looked at: the demo ocean, files of the server, or an upload; opened once, and looked at first."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from engine.data.gaps import GapPattern
from engine.data.source import Quality, SSTSource, check_quality
from engine.errors import CancelledError, ChoiceError, DataError, EngineError, QualityError
from engine.queries.cache import CACHE, Progress
from engine.queries.ocean.days import Singles, dates, day, no_progress, read_day, time_steps, touched_bytes
from engine.queries.ocean.files import is_zarr, resolved
from engine.queries.ocean.uploads import forget_upload, uploaded
from engine.sphere import LatLonGrid

KINDS = ("demo", "path", "upload")
DEMO_STEPS = (2.0, 1.0, 0.5, 0.25)
MAX_SEED = 9999
MAX_YEARS = 20
SPANS = ("month", "year", "all")

WITHHOLDING: tuple[GapPattern, ...] = ("clouds", "swath", "random")

LAYERS = {
    "observed": ("Observed", "°C"),
    "truth": ("Truth", "°C"),
    "gaps": ("Gaps", ""),
    "mean": ("Mean of valid days", "°C"),
    "coverage": ("Share of days observed", "%"),
    "count": ("Number of observations", ""),
    "difference": ("Difference of two days", "°C"),
    "withheld": ("Left after withholding", "°C"),
}
"""What a map can show: what it is, and in what units."""

OBSERVED, MISSING, ICE = 0.0, 1.0, 2.0
"""The values of the layer ``gaps``; land is NaN."""

_SOURCE_BYTES = 2**20
_WARM_RANGE = (-2.0, 32.0)
_SEASONS_K = 3.0


@dataclass(frozen=True)
class SourceChoice:
    """Which ocean: the demo ocean (``step_deg``, ``seed``, ``years``), a ``path`` on the server, or an upload.

    ``path`` is a file, folder or glob inside the roots, or the name that :meth:`Upload.finish` gave. ``variable`` names
    the one to take where a file has several, ``quality`` the observations that count where it grades them. Raises
    :class:`ChoiceError` for what cannot be.
    """

    kind: str = "demo"
    step_deg: float = 1.0
    seed: int = 0
    years: int = 6
    path: str = ""
    variable: str = ""
    quality: Quality = "good"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ChoiceError(f"there is no source {self.kind!r}", "source", f"choose one of {', '.join(KINDS)}")
        if self.kind != "demo" and not self.path.strip():
            raise ChoiceError("no file is named", "source", "choose one")
        check_quality(self.quality)
        if self.step_deg not in DEMO_STEPS:
            steps = ", ".join(f"{step:g}" for step in DEMO_STEPS)
            raise ChoiceError(f"the demo ocean has no step of {self.step_deg:g}°", "step", f"choose one of {steps}")
        if not (0 <= self.seed <= MAX_SEED and 1 <= self.years <= MAX_YEARS):
            raise ChoiceError(
                f"seed {self.seed} with {self.years} years is out of reach",
                "demo ocean",
                f"choose a seed up to {MAX_SEED} and 1 to {MAX_YEARS} years",
            )


@dataclass(frozen=True, eq=False)
class Opened:
    """What is known of a source as soon as it is open.

    ``days`` are its time steps as ISO dates, ascending (days, or first days of months: ``unit``). ``layers`` are those
    of :data:`LAYERS` that it can show, ``notes`` sentences on what was understood and repaired, ``cautions``
    those on what will be slow. ``limits`` are the ends of a colour scale that suits all days, °C. ``day_bytes`` is
    what one day takes in memory.
    """

    choice: SourceChoice
    name: str
    key: str
    days: tuple[str, ...]
    unit: str
    shape: tuple[int, int]
    grid: str
    calendar: str
    land_percent: float
    layers: tuple[str, ...]
    notes: tuple[str, ...]
    cautions: tuple[str, ...]
    limits: tuple[float, float]
    day_bytes: int
    bytes_a_second: float
    """How fast a day was read or computed, counted in whole chunks."""
    grading: str = ""
    """Which observations count, where the source grades them and there is a choice; else empty."""


def source(choice: SourceChoice) -> SSTSource:
    """The ocean of ``choice``, opened once as long as its files stay as they are.

    Raises :class:`DataError` or another :class:`EngineError` that says why it cannot be opened.
    """
    if choice.kind == "demo":
        return CACHE.get(("ocean", choice), partial(_demo, choice), lambda _: _SOURCE_BYTES)
    paths = [uploaded(choice.path)] if choice.kind == "upload" else resolved(choice.path)
    stamp = tuple((str(path), *_stamp(path)) for path in paths)
    return CACHE.get(("ocean", choice, stamp), partial(_open, paths, choice), lambda _: _SOURCE_BYTES)


def _demo(choice: SourceChoice) -> SSTSource:
    # imported when needed: what makes and reads oceans must not slow the first page down
    from engine.data.demo_ocean import demo_ocean

    return demo_ocean(choice.step_deg, choice.seed, years=choice.years)


def _open(paths: list[Path], choice: SourceChoice) -> SSTSource:
    from engine.data.sst import open_sst

    return open_sst(paths[0] if len(paths) == 1 else paths, choice.variable or None, choice.quality)


def _cautions(steps: xr.DataArray) -> tuple[str, ...]:
    from engine.data.sst import map_note, series_note

    return tuple(note for note in (map_note(steps), series_note(steps)) if note)


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when the content of a file, or the files of a folder, change."""
    entries = [path.stat()] if path.is_file() or is_zarr(path) else [entry.stat() for entry in os.scandir(path)]
    return max((entry.st_mtime_ns for entry in entries), default=0), sum(entry.st_size for entry in entries)


def opened(choice: SourceChoice, progress: Progress | None = None) -> Opened:
    """Open ``choice`` and look at its first day, so that nothing that cannot be read becomes the source.

    An upload that cannot be opened is removed, unless another ``quality`` may open it. Raises as :func:`source` does;
    of an upload only its own name is told.
    """
    try:
        return _look_at(choice, progress or no_progress)
    except CancelledError:
        raise
    except EngineError as error:
        if choice.kind != "upload":
            raise
        path = uploaded(choice.path)
        said = (part.replace(str(path), path.name) for part in (error.problem, error.where, error.remedy))
        if isinstance(error, QualityError):
            raise QualityError(*said) from error
        forget_upload(choice.path)
        raise DataError(*said) from error


def _look_at(choice: SourceChoice, progress: Progress) -> Opened:
    progress(0.0, "Opening the source")
    ocean = source(choice)
    steps = time_steps(ocean)
    days = dates(ocean)
    progress(0.4, "Reading its first day")
    first = day(ocean, "daily", 0)
    # the first one pays for what all share, so another one tells how fast the days are
    second = min(1, len(days) - 1)
    began = time.perf_counter()
    read_day(ocean, "daily", second)
    seconds = max(time.perf_counter() - began, 1e-3)
    return Opened(
        choice=choice,
        name=ocean.name,
        key=ocean.key,
        days=days,
        unit="day" if ocean.daily is not None else "month",
        shape=ocean.grid.shape,
        grid=_grid_words(ocean.grid),
        calendar=str(steps["time"].dt.calendar),
        land_percent=100.0 * float(np.average(ocean.land.mean(axis=1), weights=ocean.grid.cell_area_m2)),
        layers=_layers(ocean),
        notes=ocean.notes,
        cautions=() if choice.kind == "demo" else _cautions(steps),
        limits=_limits(ocean.grid, first),
        day_bytes=first.nbytes,
        bytes_a_second=touched_bytes(steps, slice(second, second + 1)) / seconds,
        grading=ocean.grading,
    )


def _layers(ocean: SSTSource) -> tuple[str, ...]:
    missing = {"truth"} if ocean.truth is None else set[str]()
    if ocean.daily is None:
        missing.add("withheld")
    return tuple(name for name in LAYERS if name not in missing)


def _grid_words(grid: LatLonGrid) -> str:
    rows, columns = grid.shape
    step = f"{abs(grid.lat[-1] - grid.lat[0]) / max(1, rows - 1):.4g}° × {grid.lon_step:.4g}°"
    return f"{rows} × {columns} cells of {step}"


def _limits(grid: LatLonGrid, first: Singles) -> tuple[float, float]:
    """Of the whole world those of all seasons; of a part what its first day has, and room for the seasons."""
    if not np.isfinite(first).any():
        return _WARM_RANGE
    if np.ptp(grid.lat_bounds) > 90.0:
        return _WARM_RANGE
    low, high = np.nanpercentile(first, (1, 99))
    return max(_WARM_RANGE[0], float(np.floor(low - _SEASONS_K))), float(np.ceil(high + _SEASONS_K))
