"""Paths that come from a browser: what they may name on the server, and the folders that are listed.

Every such path passes :func:`resolved`: those of the Data page and of links, and by :func:`with_checked_paths` those in
configurations of runs. The command line and Python code may use any path.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from engine.config.expert import FolderTiles
from engine.config.reconstruct import ReconstructSettings
from engine.config.run_config import RunConfig
from engine.config.sst import FileSource
from engine.errors import DataError
from engine.files import home_folder
from engine.formats.limits import check_file
from engine.runs.run_folder import is_id

ROOTS = "HARMONIA_DATA"

_DATA_SUFFIXES = (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".he5", ".zip")
_ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata")
_MAX_ENTRIES = 1000
_MAX_FILES = 500_000
_MAX_FOLDERS = 20_000  # that are searched for a name
_MAX_RESOLVED = 1000
_UPLOAD_NAME = re.compile(r"[0-9a-f]{32}/[\w.+-]{1,90}")

_RESOLVED: dict[tuple[str, tuple[Path, ...]], tuple[str, dict[str, int]]] = {}
"""Paths by bare names and roots, each with the folders that were searched and when they had changed last (ns): a search
is made once, and again when a folder has changed."""

_ANY_PATH = ContextVar("any path", default=False)

Settings = TypeVar("Settings", bound=BaseModel)


def roots() -> tuple[Path, ...]:
    """The folders that data may be chosen from: ``$HARMONIA_DATA``, else ``data`` in Harmonia's home folder."""
    own = _folders_of_data()
    return (*own, Path.cwd(), Path("/")) if _ANY_PATH.get() else own


def _folders_of_data() -> tuple[Path, ...]:
    folders = [folder for folder in os.environ.get(ROOTS, "").split(os.pathsep) if folder]
    return tuple(_real(Path(folder).expanduser()) for folder in folders or [home_folder() / "data"])


@contextmanager
def any_path() -> Generator[None]:
    """Let paths lie anywhere while the block runs: for the command line, whose user has the rights of the process."""
    token = _ANY_PATH.set(True)
    try:
        yield
    finally:
        _ANY_PATH.reset(token)


def below_roots(text: str) -> str:
    """``text`` with every path in it as it is named below its folder of data; as it is on the command line."""
    if not _ANY_PATH.get():
        for root in sorted(_folders_of_data(), key=lambda root: len(str(root)), reverse=True):
            text = text.replace(f"{str(root).rstrip(os.sep)}{os.sep}", "")
    return text


# --- one path -------------------------------------------------------------------------------------------------------


def resolved(text: str) -> list[Path]:
    """The files, or the one folder, of a path or glob, absolute or relative to a root.

    All of them lie inside the roots after links are resolved, and so does everything below a folder; all are folders or
    plain files.
    Raises :class:`DataError` for a path that does not exist or lies outside, and for pipes, devices and loops of links.
    """
    full = absolute(text)
    inside = _matches(full) if glob.has_magic(full) else [_inside(Path(full))]
    for path in inside:
        if path.is_dir():
            _check_tree(path)
        else:
            check_file(path)
    return inside


def absolute(text: str) -> str:
    """The path or glob of ``text``, which may be relative to a root. Raises :class:`DataError` for ``..``."""
    path = text.strip()
    if ".." in Path(path).parts or "\0" in path:
        raise DataError("the path contains “..”", path[:200].replace("\0", "\\0"), "give the path without “..”")
    return path if os.path.isabs(path) else _below_a_root(path)


def checked_path(text: str) -> str:
    """``text`` as a run opens it: the path that it was resolved to, or an absolute glob. Raises as :func:`resolved`.

    An upload may be named as exported configurations do it, ``<hash>/<name>``.
    """
    if is_upload(text):
        return text
    if (upload := upload_path(text)) is not None:
        return str(upload)
    paths = resolved(text)
    return absolute(text) if len(paths) > 1 or glob.has_magic(text) else str(paths[0])


def uploads_folder() -> Path:
    """The folder of uploads, which are named ``<hash>/<name>`` below it."""
    return home_folder() / "uploads"


def upload_path(name: str) -> Path | None:
    """The upload of that name; None where there is none, or no longer."""
    path = uploads_folder() / name
    return path if _UPLOAD_NAME.fullmatch(name) and path.is_file() and not path.is_symlink() else None


def is_upload(path: str) -> bool:
    """Whether a path is that of an upload, as the configurations of runs have it."""
    folder = f"{uploads_folder()}/"
    return path.startswith(folder) and upload_path(path.removeprefix(folder)) is not None


# --- the paths of a configuration -----------------------------------------------------------------------------------


def with_checked_paths(config: RunConfig) -> RunConfig:
    """A configuration from a browser with its paths as :func:`checked_path` gives them.

    A model must be a run's or the pretrained one, because the command line accepts any file.

    Raises :class:`DataError` for a path that may not be opened.
    """
    return _checked(config)


def _checked(settings: Settings) -> Settings:
    """``settings`` with all paths in it and in the settings inside it checked."""
    changed: dict[str, Any] = {}
    for name, value in settings:
        if isinstance(value, BaseModel):
            checked = _checked(value)
            if checked is not value:
                changed[name] = checked
    if isinstance(settings, FileSource | FolderTiles):
        changed["path"] = checked_path(settings.path)
    if isinstance(settings, ReconstructSettings) and settings.model != "pretrained" and not is_id(settings.model):
        raise DataError("this is neither a run nor the pretrained model", settings.model, "choose a run's model")
    return settings.model_copy(update=changed) if changed else settings


# --- folders --------------------------------------------------------------------------------------------------------


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


def list_folder(folder: str = "", endings: tuple[str, ...] = _DATA_SUFFIXES) -> FolderListing:
    """Folders and data in ``folder``, by name; "" lists the roots. Links that lead out of the roots are left out.

    Files are listed by their ``endings``, and Zarr stores as data where data of times are looked for, the default.

    Raises :class:`DataError` for a folder outside the roots, or one that cannot be read.
    """
    if not folder:
        return FolderListing(
            "", None, tuple(FolderEntry(str(root), str(root), False) for root in roots() if root.is_dir())
        )
    inside = _inside(Path(folder))
    try:
        entries = sorted(_entries(inside, endings), key=lambda entry: (entry.is_data, entry.name.lower()))
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", str(folder), "choose another folder") from error
    parent = "" if inside in roots() else str(inside.parent)
    return FolderListing(str(inside), parent, tuple(entries[:_MAX_ENTRIES]), max(0, len(entries) - _MAX_ENTRIES))


def _entries(folder: Path, endings: tuple[str, ...]) -> Iterator[FolderEntry]:
    with os.scandir(folder) as scanned:
        for entry in scanned:
            try:
                listed = _entry(entry, endings)
            except OSError:  # a loop of links, or one that leads nowhere; the others are listed
                continue
            if listed is not None:
                yield listed


def _entry(entry: os.DirEntry[str], endings: tuple[str, ...]) -> FolderEntry | None:
    path = Path(entry.path)
    if entry.name.startswith(".") or (entry.is_symlink() and not _is_inside(_real(path))):
        return None
    if entry.is_dir():
        is_store = endings == _DATA_SUFFIXES and (entry.name.endswith(".zarr") or is_zarr(path))
        return FolderEntry(entry.name, entry.path, is_store)
    if entry.name.lower().endswith(endings) and entry.is_file():
        return FolderEntry(entry.name, entry.path, True, entry.stat().st_size)
    return None


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return any((folder / mark).is_file() for mark in _ZARR_MARKS)


# --- inside the roots -----------------------------------------------------------------------------------------------


def _matches(pattern: str) -> list[Path]:
    """The files that a glob matches, by name; nothing outside the roots is searched."""
    plain = list(takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    _inside(Path(*plain))
    matches = [_inside(Path(name)) for name in sorted(glob.glob(pattern))]
    if not matches:
        raise _not_found(Path(pattern))
    return matches


def _below_a_root(path: str) -> str:
    """The path below the first root where it exists, else the only one of that name in a folder of a root, else the
    path below the first root. Exported configurations give the name of a file without its folder.
    """
    known, changed = _RESOLVED.get((path, roots()), ("", {}))
    if known and all(_changed_at(folder) == at for folder, at in changed.items()):
        return known
    direct = [str(root / path) for root in roots()]
    existing = next((full for full in direct if glob.glob(full)), None)
    if existing is not None or os.sep in path:
        return existing or direct[0]
    changed = {folder: _changed_at(folder) for folder in folders_of_data()}
    inside = {full for folder in changed if glob.glob(full := os.path.join(folder, path))}
    if len(inside) != 1:
        return direct[0]
    if len(_RESOLVED) >= _MAX_RESOLVED:
        _RESOLVED.clear()
    full = inside.pop()
    _RESOLVED[path, roots()] = full, changed
    return full


def _changed_at(folder: str) -> int:
    """When entries of the folder were added or removed last, ns; −1 for one that is gone."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return -1


def folders_of_data() -> Iterator[str]:
    """The folders that data may be chosen from, and all folders below them but Zarr stores."""
    num_folders = 0
    for root in _folders_of_data():
        for folder, inside, _ in os.walk(root):
            inside[:] = sorted(name for name in inside if not name.startswith(".") and not name.endswith(".zarr"))
            yield folder
            num_folders += 1
            if num_folders >= _MAX_FOLDERS:
                return


def _inside(path: Path) -> Path:
    try:
        resolved_path = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links
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


def _real(path: Path) -> Path:
    """Links resolved; ``Path.resolve`` raises an error of its own for a loop of links."""
    return Path(os.path.realpath(path))


def _check_tree(folder: Path) -> None:
    """Refuse links that lead out, pipes and devices below a folder, because its files are opened without asking."""
    num_files, folders = 0, [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as scanned:
                entries = list(scanned)
        except OSError as error:
            where = error.filename or folder
            raise DataError(f"a folder cannot be read: {error.strerror}", str(where), "correct its rights") from error
        folders += [entry.path for entry in entries if _is_checked_folder(entry)]
        num_files += len(entries)
        if num_files > _MAX_FILES:
            raise DataError(
                f"the folder contains more than {_MAX_FILES} files", str(folder), "choose the data set itself"
            )


def _is_checked_folder(entry: os.DirEntry[str]) -> bool:
    path = Path(entry.path)
    if entry.is_symlink() and not _is_inside(_real(path)):
        raise DataError("a link leads out of the folders that may be used", entry.path, "remove the link")
    if entry.is_dir(follow_symlinks=False):
        return True
    if not entry.is_file(follow_symlinks=False) and path.exists() and not path.is_dir():
        check_file(path)
    return False
