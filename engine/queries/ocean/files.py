"""Files of the Data page: the folders that may be opened, and downloads."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import xarray as xr

from engine.errors import DataError
from engine.files import home_folder
from engine.queries.export import csv_file, lat_lon_coords, netcdf_file
from engine.typed import Singles

ROOTS = "HARMONIA_DATA"

_DATA_SUFFIXES = (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".he5")
_ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata")
_MAX_ENTRIES = 1000
_MAX_FILES = 500_000


def roots() -> tuple[Path, ...]:
    """The folders that data may be chosen from: ``$HARMONIA_DATA``, else ``data`` in Harmonia's home folder."""
    folders = [folder for folder in os.environ.get(ROOTS, "").split(os.pathsep) if folder]
    return tuple(Path(folder).expanduser().resolve() for folder in folders or [home_folder() / "data"])


# --- files on the server --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FolderEntry:
    """A folder to enter, or data to open. ``path`` is absolute."""

    name: str
    path: str
    is_data: bool
    size: int | None = None


@dataclass(frozen=True)
class FolderListing:
    """The content of a folder: ``parent`` is the folder above ("" = the roots; None at the roots)."""

    folder: str
    parent: str | None
    entries: tuple[FolderEntry, ...]
    num_more: int = 0


def list_folder(folder: str = "") -> FolderListing:
    """Folders and data in ``folder``, by name; "" lists the roots. Links that lead out of the roots are left out.

    Raises :class:`DataError` for a folder outside the roots, or one that cannot be read.
    """
    if not folder:
        return FolderListing(
            "", None, tuple(FolderEntry(str(root), str(root), False) for root in roots() if root.is_dir())
        )
    inside = _inside(Path(folder))
    try:
        entries = sorted(_entries(inside), key=lambda entry: (entry.is_data, entry.name.lower()))
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", str(folder), "choose another folder") from error
    parent = "" if inside in roots() else str(inside.parent)
    return FolderListing(str(inside), parent, tuple(entries[:_MAX_ENTRIES]), max(0, len(entries) - _MAX_ENTRIES))


def _entries(folder: Path) -> Iterator[FolderEntry]:
    for entry in os.scandir(folder):
        path = Path(entry.path)
        if entry.name.startswith(".") or (entry.is_symlink() and not _is_inside(path.resolve())):
            continue
        if entry.is_dir():
            yield FolderEntry(entry.name, entry.path, entry.name.endswith(".zarr") or is_zarr(path))
        elif entry.name.lower().endswith(_DATA_SUFFIXES):
            yield FolderEntry(entry.name, entry.path, True, entry.stat().st_size)


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return any((folder / mark).is_file() for mark in _ZARR_MARKS)


def resolved(text: str) -> list[Path]:
    """The files, or the one folder, of a path or glob, absolute or relative to a root.

    All of them lie inside the roots after links are resolved, and so does everything below a folder.
    Raises :class:`DataError` for a path that does not exist or lies outside.
    """
    path = text.strip()
    if ".." in Path(path).parts or "\0" in path:
        raise DataError("the path contains “..”", path, "give the path without “..”")
    full = path if os.path.isabs(path) else _below_a_root(path)
    inside = _matches(full) if glob.has_magic(full) else [_inside(Path(full))]
    for folder in (path for path in inside if path.is_dir()):
        _refuse_links_out(folder)
    return inside


def _matches(pattern: str) -> list[Path]:
    """The files that a glob matches, by name; nothing outside the roots is searched."""
    plain = list(takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    _inside(Path(*plain))
    matches = [_inside(Path(name)) for name in sorted(glob.glob(pattern))]
    if not matches:
        raise _not_found(Path(pattern))
    return matches


def _below_a_root(path: str) -> str:
    """The path below the first root where it exists, else below the first root."""
    candidates = [str(root / path) for root in roots()]
    return next((full for full in candidates if glob.glob(full)), candidates[0])


def _inside(path: Path) -> Path:
    try:
        resolved_path = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        # the message is that of a path outside, so that it does not reveal whether such a file exists
        raise _not_found(path) from error
    if not _is_inside(resolved_path):
        raise _not_found(path)
    return resolved_path


def _not_found(path: Path) -> DataError:
    allowed = ", ".join(str(root) for root in roots())
    return DataError(
        "there is no such file in the folders that may be used",
        str(path),
        f"choose one below {allowed}, or list its folder in {ROOTS} when the server is started",
    )


def _is_inside(path: Path) -> bool:
    return any(path.is_relative_to(root) for root in roots())


def _refuse_links_out(folder: Path) -> None:
    num_files = 0
    for here, folders, files in os.walk(folder):
        num_files += len(files)
        for name in (*folders, *files):
            path = Path(here, name)
            if path.is_symlink() and not _is_inside(path.resolve()):
                raise DataError("a link leads out of the folders that may be used", str(path), "remove the link")
        if num_files > _MAX_FILES:
            raise DataError(
                f"the folder contains more than {_MAX_FILES} files", str(folder), "choose the data set itself"
            )


# --- downloads ------------------------------------------------------------------------------------------------------


def map_netcdf(field: xr.DataArray) -> bytes:
    """A map (lat, lon) as a CF NetCDF file."""
    coords = lat_lon_coords(field["lat"].values, field["lon"].values)
    units = {"°C": "degC", "%": "percent"}.get(field.attrs["units"], field.attrs["units"])
    variable = (("lat", "lon"), field.values, {**field.attrs, "units": units})
    return netcdf_file(xr.Dataset({str(field.name): variable}, coords, {"title": str(field.attrs["long_name"])}))


def series_csv(days: tuple[str, ...], columns: dict[str, Singles]) -> bytes:
    """Values (N,) by day as CSV, a column each; empty where there is none."""
    return csv_file({"date": days, **columns}, missing="")
