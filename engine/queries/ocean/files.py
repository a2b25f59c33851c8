"""Where the ocean's files may lie: the folders people may choose from, and what they take away."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.errors import DataError
from engine.files import home_folder
from engine.queries.export import netcdf_file

ROOTS = "HARMONIA_DATA"

_DATA_ENDINGS = (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".he5")
_ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata")
_MOST_ENTRIES = 1000
_MOST_LOOKED_AT = 500_000


def roots() -> tuple[Path, ...]:
    """The folders that data may be chosen from: ``$HARMONIA_DATA``, else ``data`` in Harmonia's home folder."""
    given = [folder for folder in os.environ.get(ROOTS, "").split(os.pathsep) if folder]
    return tuple(Path(folder).expanduser().resolve() for folder in given or [home_folder() / "data"])


# --- choosing on the server -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One line of the browser: a folder to go into, or data to open. ``path`` is absolute."""

    name: str
    path: str
    is_data: bool
    size: int | None = None


@dataclass(frozen=True)
class FolderListing:
    """What a folder offers: ``parent`` is where "up" leads ("" = the roots; None at the roots themselves)."""

    folder: str
    parent: str | None
    entries: tuple[Entry, ...]
    num_more: int = 0


def listing(folder: str = "") -> FolderListing:
    """Folders and data in ``folder``, by name; "" lists the roots. Links that lead out of the roots are left out.

    Raises :class:`DataError` for a folder outside the roots, or one that cannot be read.
    """
    if not folder:
        found = tuple(Entry(str(root), str(root), False) for root in roots() if root.is_dir())
        return FolderListing("", None, found)
    inside = _inside(Path(folder))
    try:
        entries = sorted(_entries(inside), key=lambda entry: (entry.is_data, entry.name.lower()))
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", str(folder), "choose another folder") from error
    parent = "" if inside in roots() else str(inside.parent)
    return FolderListing(str(inside), parent, tuple(entries[:_MOST_ENTRIES]), max(0, len(entries) - _MOST_ENTRIES))


def _entries(folder: Path) -> Iterator[Entry]:
    for found in os.scandir(folder):
        path = Path(found.path)
        if found.name.startswith(".") or (found.is_symlink() and not _is_inside(path.resolve())):
            continue
        if found.is_dir():
            yield Entry(found.name, found.path, found.name.endswith(".zarr") or is_zarr(path))
        elif found.name.lower().endswith(_DATA_ENDINGS):
            yield Entry(found.name, found.path, True, found.stat().st_size)


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return any((folder / mark).is_file() for mark in _ZARR_MARKS)


def resolved(text: str) -> list[Path]:
    """The files, or the one folder, that ``text`` names: a path or a glob, absolute or below a root.

    Every one lies inside the roots after all links are followed, and so does everything below a folder.
    Raises :class:`DataError` for what does not exist or lies outside.
    """
    wanted = text.strip()
    if ".." in Path(wanted).parts or "\0" in wanted:
        raise DataError("the path goes up by “..”", wanted, "give the path without “..”")
    full = wanted if os.path.isabs(wanted) else _below_a_root(wanted)
    inside = _matches(full) if glob.has_magic(full) else [_inside(Path(full))]
    for folder in (path for path in inside if path.is_dir()):
        _refuse_links_out(folder)
    return inside


def _matches(pattern: str) -> list[Path]:
    """What a glob finds, by name; nobody looks for it outside the roots."""
    plain = list(takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    _inside(Path(*plain))
    found = [_inside(Path(name)) for name in sorted(glob.glob(pattern))]
    if not found:
        raise _nothing(Path(pattern))
    return found


def _below_a_root(wanted: str) -> str:
    """The first root that has something of this name, else the first."""
    candidates = [str(root / wanted) for root in roots()]
    return next((full for full in candidates if glob.glob(full)), candidates[0])


def _inside(path: Path) -> Path:
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        # what lies outside must not even be told apart from what does not exist
        raise _nothing(path) from error
    if not _is_inside(found):
        raise _nothing(path)
    return found


def _nothing(path: Path) -> DataError:
    allowed = ", ".join(str(root) for root in roots())
    return DataError(
        "there is no such file in the folders that may be used",
        str(path),
        f"choose one below {allowed}, or list its folder in {ROOTS} when the server is started",
    )


def _is_inside(path: Path) -> bool:
    return any(path.is_relative_to(root) for root in roots())


def _refuse_links_out(folder: Path) -> None:
    looked_at = 0
    for here, folders, files in os.walk(folder):
        looked_at += len(files)
        for name in (*folders, *files):
            path = Path(here, name)
            if path.is_symlink() and not _is_inside(path.resolve()):
                raise DataError("a link leads out of the folders that may be used", str(path), "remove the link")
        if looked_at > _MOST_LOOKED_AT:
            raise DataError(
                f"the folder holds more than {_MOST_LOOKED_AT} files", str(folder), "choose the data set itself"
            )


# --- taking away ----------------------------------------------------------------------------------------------------


def map_netcdf(field: xr.DataArray) -> bytes:
    """A map (lat, lon) as a CF NetCDF file."""
    coords = {
        "lat": ("lat", field["lat"].values, {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": ("lon", field["lon"].values, {"standard_name": "longitude", "units": "degrees_east"}),
    }
    units = {"°C": "degC", "%": "percent"}.get(field.attrs["units"], field.attrs["units"])
    variable = (("lat", "lon"), field.values, {**field.attrs, "units": units})
    return netcdf_file(xr.Dataset({str(field.name): variable}, coords, {"title": str(field.attrs["long_name"])}))


def series_csv(days: tuple[str, ...], columns: dict[str, NDArray[np.float32]]) -> bytes:
    """Values (N,) by day as CSV, one column each; empty where there is none."""
    lines = [",".join(("date", *columns))]
    for index, day in enumerate(days):
        values = (column[index] for column in columns.values())
        lines.append(",".join((day, *("" if np.isnan(value) else f"{value:.4f}" for value in values))))
    return ("\n".join(lines) + "\n").encode()
