"""Sources of SST: the demo ocean, files on the server, or an upload; each opened and checked once."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath

import numpy as np
import xarray as xr

from engine.data.gaps import GapPattern
from engine.data.kinds import SST, VariableKind
from engine.data.source import Overrules, Quality, SSTSource, Understood, check_quality
from engine.errors import CancelledError, ChoiceError, EngineError, QualityError, check_choice
from engine.queries.cache import CACHE, Progress, no_progress, sub_progress
from engine.queries.ocean.days import dates, day, read_day, time_steps, touched_bytes
from engine.queries.ocean.ranges import all_days_limits, days_to_sample
from engine.queries.ocean.uploads import forget_upload, uploaded
from engine.queries.server_files import below_roots, is_zarr, resolved, uploads_folder
from engine.sphere import LatLonGrid

KINDS = ("demo", "path", "upload")
DEMO_STEPS = (2.0, 1.0, 0.5, 0.25)
MAX_SEED = 9999
MAX_YEARS = 20
SPANS = ("month", "year", "all")

WITHHOLDING: tuple[GapPattern, ...] = ("clouds", "swath", "random")

LAYERS = {
    "observed": "Observed",
    "truth": "Truth",
    "gaps": "Gaps",
    "mean": "Mean of observed days",
    "coverage": "Fraction of days observed",
    "count": "Number of observations",
    "difference": "Difference of two days",
    "withheld": "Remaining after withholding",
}
"""The layers of a map: their titles."""

OF_VALUES = ("observed", "truth", "mean", "withheld")
"""The layers that hold values of the source's variable."""


def layer_units(layer: str, variable: VariableKind) -> str:
    """The unit of a layer on screen."""
    if layer in OF_VALUES:
        return variable.symbol
    return {"difference": variable.difference_symbol, "coverage": "%"}.get(layer, "")


OBSERVED, MISSING, ICE = 0.0, 1.0, 2.0
"""The values of the layer ``gaps``; land is NaN."""

GAP_CLASSES = ("observed", "missing", "ice")
"""Their names, by value."""

_SOURCE_BYTES = 2**20


@dataclass(frozen=True)
class SourceChoice:
    """A source: the demo ocean (``step_deg``, ``seed``, ``years``), a ``path`` on the server, or an upload.

    ``path`` is a file, folder or glob inside the roots, or the name that :meth:`Upload.finish` returned. ``variable``
    selects one where a file has several, ``quality`` the observations to use where the file has quality flags.
    Raises :class:`ChoiceError` for invalid values.
    """

    kind: str = "demo"
    step_deg: float = 1.0
    seed: int = 0
    years: int = 6
    path: str = ""
    variable: str = ""
    quality: Quality = "good"
    overrules: Overrules = field(default_factory=Overrules)
    """What is decided in place of what the files state."""

    def __post_init__(self) -> None:
        check_choice("source", self.kind, KINDS)
        if self.kind != "demo" and not self.path.strip():
            raise ChoiceError("no file is named", "source", "choose one")
        check_quality(self.quality)
        if self.step_deg not in DEMO_STEPS:
            steps = ", ".join(f"{step:g}" for step in DEMO_STEPS)
            raise ChoiceError(f"the demo ocean has no step of {self.step_deg:g}°", "step", f"choose one of {steps}")
        if not (0 <= self.seed <= MAX_SEED and 1 <= self.years <= MAX_YEARS):
            raise ChoiceError(
                f"seed {self.seed} with {self.years} years is out of range",
                "demo ocean",
                f"choose a seed up to {MAX_SEED} and 1 to {MAX_YEARS} years",
            )


@dataclass(frozen=True, eq=False)
class SourceSummary:
    """Properties of an open source.

    ``days`` are its time steps as ISO dates, ascending (days, or first days of months: ``unit``). ``layers`` are those
    of :data:`LAYERS` that it has, ``notes`` sentences on what was inferred and repaired, ``cautions`` on slow access.
    ``limits`` are the ends of a colour scale for all days, in the model space of ``variable`` (°C, or logarithms).
    ``day_bytes`` is the memory of one day.
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
    bytes_per_second: float
    """Rate at which a day was read or computed, in whole chunks."""
    understood: Understood | None = None
    """How the files were understood, point by point; None for the demo ocean."""
    grading: str = ""
    """The observations in use, where the source has quality flags to choose by; else empty."""
    variable: VariableKind = SST


def source_limits(choice: SourceChoice, progress: Progress | None = None) -> tuple[float, float]:
    """The ends of a colour scale for all days of a source, ``limits`` of its summary. May read a few days."""
    return all_days_limits(source(choice), progress or no_progress)


@contextmanager
def short_names(choice: SourceChoice) -> Generator[None]:
    """Errors name the files of a choice as the user knows them: an upload by its name, others below their folder of
    data. On the command line they keep their paths.
    """
    try:
        yield
    except EngineError as error:
        problem, where, remedy = (_shortened(choice, text) for text in (error.problem, error.where, error.remedy))
        if (problem, where, remedy) == (error.problem, error.where, error.remedy):
            raise
        raise type(error)(problem, where, remedy, error.choices) from error


def _shortened(choice: SourceChoice, text: str) -> str:
    if choice.kind == "upload":
        return text.replace(str(uploads_folder() / choice.path), PurePath(choice.path).name)
    return below_roots(text)


def source(choice: SourceChoice) -> SSTSource:
    """The source of ``choice``, opened again only when its files change.

    Raises :class:`DataError` or another :class:`EngineError` that says why it cannot be opened.
    """
    if choice.kind == "demo":
        return CACHE.get(("ocean", choice), partial(_demo, choice), lambda _: _SOURCE_BYTES)
    with short_names(choice):
        paths = file_paths(choice)
        stamps = tuple((str(path), *file_stamp(path)) for path in paths)
        return CACHE.get(("ocean", choice, stamps), partial(_open, paths, choice), lambda _: _SOURCE_BYTES)


def file_paths(choice: SourceChoice) -> list[Path]:
    """The files or the folder of a choice."""
    return [uploaded(choice.path)] if choice.kind == "upload" else resolved(choice.path)


def _demo(choice: SourceChoice) -> SSTSource:
    # imported when needed: these modules must not slow down the first page
    from engine.data.demo_ocean import demo_ocean

    return demo_ocean(choice.step_deg, choice.seed, years=choice.years)


def _open(paths: list[Path], choice: SourceChoice) -> SSTSource:
    from engine.data.sst import locate, open_sst
    from engine.formats.child import check_in_child

    check_in_child([(location.path, location.kind) for location in locate(paths)])
    return open_sst(paths[0] if len(paths) == 1 else paths, choice.variable or None, choice.quality, choice.overrules)


def _cautions(steps: xr.DataArray) -> tuple[str, ...]:
    from engine.data.sst import map_note, series_note

    return tuple(note for note in (map_note(steps), series_note(steps)) if note)


def file_stamp(path: Path) -> tuple[int, int]:
    """Latest modification time and total size of a file, or of the files of a folder."""
    entries = [path.stat()] if path.is_file() or is_zarr(path) else [entry.stat() for entry in os.scandir(path)]
    return max((entry.st_mtime_ns for entry in entries), default=0), sum(entry.st_size for entry in entries)


def open_source(choice: SourceChoice, progress: Progress | None = None) -> SourceSummary:
    """Open ``choice`` and read its first day, so that an unreadable file does not become the source.

    An upload whose headers cannot be read is removed; others may open once a point is decided. Raises as
    :func:`source` does.
    """
    try:
        with short_names(choice):
            return _summary(choice, progress or no_progress)
    except (CancelledError, QualityError):
        raise
    except EngineError:
        if choice.kind == "upload" and not _has_headers(uploaded(choice.path)):
            forget_upload(choice.path)
        raise


def _has_headers(path: Path) -> bool:
    from engine.data.sst import file_fields
    from engine.formats.child import check_in_child

    try:
        return bool(file_fields(path, check_in_child).variables)
    except EngineError:
        return False


def _summary(choice: SourceChoice, progress: Progress) -> SourceSummary:
    progress(0.0, "Opening the source")
    ocean = source(choice)
    steps = time_steps(ocean)
    days = dates(ocean)
    progress(0.4, "Reading its first day")
    first = day(ocean, "daily", 0)
    # the first read includes setup that all days share, so the rate is measured on another
    second = min(1, len(days) - 1)
    start = time.perf_counter()
    read_day(ocean, "daily", second)
    seconds = max(time.perf_counter() - start, 1e-3)
    return SourceSummary(
        choice=choice,
        name=ocean.name,
        key=ocean.key,
        days=days,
        unit="day" if ocean.daily is not None else "month",
        shape=ocean.grid.shape,
        grid=grid_text(ocean.grid),
        calendar=str(steps["time"].dt.calendar),
        land_percent=100.0 * float(np.average(ocean.land.mean(axis=1), weights=ocean.grid.cell_area_m2)),
        layers=_layers(ocean),
        notes=ocean.notes,
        cautions=() if choice.kind == "demo" else _cautions(steps),
        limits=all_days_limits(ocean, sub_progress(progress, 0.6, 1.0)),
        day_bytes=first.nbytes,
        bytes_per_second=touched_bytes(steps, slice(second, second + 1)) / seconds,
        understood=ocean.understood,
        grading=ocean.grading,
        variable=ocean.variable,
    )


def observed_percent(choice: SourceChoice, progress: Progress | None = None) -> float:
    """The mean fraction of the sea's area that a day observes, in %, from a few days of every season."""
    ocean = source(choice)
    area = np.where(ocean.land, 0.0, ocean.grid.cell_area_m2[:, None])
    steps = days_to_sample(ocean)

    def compute() -> float:
        fractions: list[float] = []
        for number, step in enumerate(steps):
            (progress or no_progress)(number / len(steps), "Counting its observations")
            seen = area[np.isfinite(day(ocean, "daily", step))].sum()
            fractions.append(float(seen) / max(float(area.sum()), 1e-9))
        return 100.0 * float(np.mean(fractions))

    return CACHE.get(("observed percent", ocean.key), compute, lambda _: 64)


def _layers(ocean: SSTSource) -> tuple[str, ...]:
    missing = {"truth"} if ocean.truth is None else set[str]()
    if ocean.daily is None:
        missing.add("withheld")
    return tuple(name for name in LAYERS if name not in missing)


def grid_text(grid: LatLonGrid) -> str:
    """Size and step of a grid in a few words."""
    rows, columns = grid.shape
    step = f"{abs(grid.lat[-1] - grid.lat[0]) / max(1, rows - 1):.4g}° × {grid.lon_step:.4g}°"
    return f"{rows} × {columns} cells of {step}"
