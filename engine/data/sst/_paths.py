"""Resolve paths, folders and patterns to files and stores."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import DataError
from engine.formats.limits import check_file

MAX_FILES = 50_000
"""Folders with more files than this are refused."""

_SUFFIXES = (".nc", ".nc4", ".nc3", ".cdf", ".netcdf", ".h5", ".hdf5")
_ZARR_MARKS = ("zarr.json", ".zmetadata", ".zgroup", ".zarray")
_ZIPPED = (".zarr.zip",)
_ZIP = b"PK\x03\x04"
_NETCDF = (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF")
_FOREIGN = {
    b"\x0e\x03\x13\x01": ("an HDF4 file", "convert it with: h4tonccf_nc4 FILE"),
    b"GRIB": ("a GRIB file", "convert it with: cdo -f nc4 copy FILE out.nc"),
    b"\x1f\x8b": ("a gzip archive", "unpack it with: gunzip FILE"),
    b"BZh": ("a bzip2 archive", "unpack it with: bunzip2 FILE"),
    b"<": ("a web page, as left by a download that failed", "download the file again, logged in where that is asked"),
}

Stamp = tuple[tuple[str, int, int], ...]
"""Name, size and time of change in nanoseconds of every file that reveal a change."""


@dataclass(frozen=True)
class Location:
    """One NetCDF file or one Zarr store, a folder or a zip archive, with the stamp of when it was opened.

    ``group`` is the path of the group whose variables, and those of its parents, are read.
    """

    path: Path
    kind: Literal["netcdf", "zarr"]
    stamp: Stamp
    group: str = ""

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def of(cls, path: Path) -> Location:
        """The kind of ``path`` by its first bytes; :class:`DataError` for unknown kinds."""
        kind = "zarr" if path.is_dir() else _kind_of_file(path)
        return cls(path, kind, _stamp(path))

    def refuse_change(self) -> None:
        """Raise :class:`DataError` if the file changed since it was opened.

        The stamp of a Zarr store covers its metadata and the folders of the arrays: new chunks change their folder,
        chunks modified in place do not.
        """
        if _stamp(self.path) != self.stamp:
            raise DataError("the file changed while it was open", str(self.path), "open it again")


def locate(source: str | Path | Sequence[str | Path]) -> list[Location]:
    """The files and stores of a path, a pattern with ``*``, a folder, or a list of these, in order of name.

    Raises :class:`DataError` where there is none, none is readable, or there are too many.
    """
    entries = [source] if isinstance(source, str | Path) else list(source)
    if not entries:
        raise DataError("no file was given", "an empty list", "give at least one path")
    # realpath, because Path.resolve has an error of its own for a loop of links
    paths = {Path(os.path.realpath(path)): None for entry in entries for path in _paths(entry)}
    return [Location.of(path) for path in sorted(paths)]


def content_key(locations: Iterable[Location], variable: str) -> str:
    """A hash (32 hexadecimal digits) of names, sizes, times of change and the variable; no data is read."""
    digest = hashlib.sha256(variable.encode())
    for location in locations:
        digest.update(f"|{location.path}|{location.stamp}".encode())
    return digest.hexdigest()[:32]


def _paths(entry: str | Path) -> list[Path]:
    path, text = Path(entry).expanduser(), str(entry)
    try:
        if path.is_dir() and not _is_store(path):
            return _inside(path)
        if path.exists():
            return [path]
    except (OSError, ValueError) as error:
        raise DataError(f"the path cannot be followed: {error}", text, "give the path of a file") from error
    if glob.has_magic(text):
        paths = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        if not paths:
            raise DataError("no file matches the pattern", text, "check the folder and the pattern")
        return paths
    raise DataError("there is no such file", text, "check the path; it is a path on the computer of the server")


def _inside(folder: Path) -> list[Path]:
    """All NetCDF files and Zarr stores at or below a folder."""
    paths: list[Path] = []
    for path in _walk(folder):
        paths.append(path)
        if len(paths) > MAX_FILES:
            raise DataError(
                f"the folder holds more than {MAX_FILES:,} files", str(folder), "give the folder of one archive"
            )
    if not paths:
        raise DataError(
            "the folder holds no NetCDF file and no Zarr store", str(folder), f"look for {', '.join(_SUFFIXES[:3])}"
        )
    return paths


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        inside = [Path(root, name) for name in folders if not name.startswith(".")]
        stores = {path for path in inside if _is_store(path)}
        yield from stores
        folders[:] = [path.name for path in inside if path not in stores]
        shown = (name for name in files if not name.startswith("."))
        yield from (Path(root, name) for name in shown if name.lower().endswith((*_SUFFIXES, *_ZIPPED)))


def _is_store(folder: Path) -> bool:
    return any((folder / mark).is_file() for mark in _ZARR_MARKS)


def _kind_of_file(path: Path) -> Literal["netcdf", "zarr"]:
    check_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise DataError(
            f"the file cannot be read: {error.strerror or error}", str(path), "check its permissions"
        ) from error
    if head.startswith(_NETCDF):
        return "netcdf"
    if head.startswith(_ZIP):
        return "zarr"
    if not head:
        raise DataError("the file is empty", str(path), "download or copy it again")
    for mark, (kind, remedy) in _FOREIGN.items():
        if head.lstrip().startswith(mark):
            raise DataError(f"the file is {kind}, not NetCDF", str(path), remedy)
    raise DataError("the file is not NetCDF and not Zarr", str(path), "give a NetCDF file or a Zarr store")


def _stamp(path: Path) -> Stamp:
    try:
        watched = [path] if path.is_file() else _watched(path)
        return tuple((str(p), 0 if p.is_dir() else p.stat().st_size, p.stat().st_mtime_ns) for p in watched)
    except OSError as error:
        raise DataError(f"the file is gone: {error.strerror or error}", str(path), "open it again") from error


def _watched(store: Path) -> list[Path]:
    folders = [store, *sorted(p for p in store.iterdir() if p.is_dir())]
    named = [folder / name for folder in folders for name in (*_ZARR_MARKS, ".zattrs", "c")]
    return [*folders, *(path for path in named if path.exists())]
