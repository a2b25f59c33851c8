"""The home folder, atomic writes, validated reads, and locks that end with their process.

One writer per file: the temporary name is fixed, so that the next write replaces what a killed writer left.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Callable, Container, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

import platformdirs
from pydantic import BaseModel, ValidationError

from engine.environment import whole_number
from engine.errors import DiskFullError, RunError, StoreError

Model = TypeVar("Model", bound=BaseModel)

VERSION = 1
"""Version of the files in a run's folder; a reader refuses a newer one."""

HOME = "HARMONIA_HOME"
"""Environment variable that names the home folder."""

DISK_RESERVE = "HARMONIA_DISK_RESERVE_MB"
"""Environment variable that names the free disk, in MB, which uploads and new runs leave."""

MAX_JSON_BYTES = 2**20
"""Size limit of a JSON file that is read back; ours are a few kB."""

_LOCK_POLL_S = 0.01


def home_folder() -> Path:
    """The folder of runs and caches: ``$HARMONIA_HOME``, else the platform's data folder. It may not exist yet."""
    chosen = os.environ.get(HOME) or platformdirs.user_data_dir("harmonia", appauthor=False)
    return Path(chosen).expanduser().absolute()


def write_atomic(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader sees the old file or the new one, never a part of it.

    Temporary file beside it → fsync → rename → fsync of the folder.

    Raises:
        StoreError: the disk is full, or the folder is missing or cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()  # frees space on a full disk, so that the reason can still be written
        raise write_error(error, path) from error


def disk_reserve_bytes(folder: Path) -> int:
    """Free disk that is kept: ``$HARMONIA_DISK_RESERVE_MB``, by default 1000 MB, at most 2 % of the disk.

    Raises:
        RunError: the variable is no number.
    """
    return 10**6 * whole_number(DISK_RESERVE, int(min(1e3, _disk_usage(folder)[0] / 50e6)))


def check_free_disk(folder: Path, num_bytes: int = 0) -> None:
    """Refuse what needs ``num_bytes`` of the disk, and some room to work, when it is nearly full.

    ``folder`` or one of the folders above it exists.

    Raises:
        DiskFullError: too little would be left for the running runs.
        RunError: as :func:`disk_reserve_bytes`.
    """
    _, _, free = _disk_usage(folder)
    reserve = disk_reserve_bytes(folder)
    if free - num_bytes < reserve:
        raise DiskFullError(
            f"the disk is nearly full: of {free / 1e6:,.0f} MB free, {reserve / 1e6:,.0f} MB are kept for running runs",
            str(folder),
            f"free some space, or lower {DISK_RESERVE}",
        )


def _disk_usage(folder: Path) -> tuple[int, int, int]:
    """Bytes in all, used and free on the disk of ``folder``, which may not exist yet."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists()))


def sweep_temporaries(folder: Path, keep: Container[str] = ()) -> None:
    """Delete the temporary files below ``folder`` that killed writers left, except those of the names in ``keep``.

    The caller makes sure that nobody writes there. Names as in :func:`write_atomic`, and ``.NAME.tmp.nc`` or the
    folder ``.NAME.tmp.zarr`` of datasets.
    """
    for path in list(folder.rglob(".*.tmp*")):
        if path.name.removeprefix(".").partition(".tmp")[0] in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def sync_folder(folder: Path) -> None:
    """Make renames inside ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_error(error: OSError, path: Path) -> StoreError:
    """The error for a write that the system refused."""
    where = str(path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError("the disk is full", where, "free some space, then resume the run")
    if error.errno == errno.EFBIG:
        return StoreError("the file would be larger than the system allows", where, "raise the limit on file size")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError("the folder cannot be written", where, "make it writable, or set HARMONIA_HOME to another")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return StoreError("a file is in the way of a folder", where, "set HARMONIA_HOME to a folder")
    if error.errno == errno.ENOENT:
        return StoreError("the folder is gone", where, "start the run again")
    return StoreError(f"writing failed: {error.strerror}", where, "check the disk, then resume the run")


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading. A pipe or a device in its place would make the reader wait, or read for ever.

    Raises:
        FileNotFoundError: there is none.
        StoreError: it is no regular file, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path, error.strerror or "") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unreadable(path, "it is not a regular file")
    return open(descriptor, "rb")


def read_file(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file of at most ``max_bytes``; nothing is read of a larger one.

    Raises:
        FileNotFoundError: there is none.
        StoreError: it is no regular file, too large, or cannot be read.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise _unreadable(path, f"it has {size / 1e6:.1f} MB; at most {max_bytes / 1e6:.1f} are read")
        try:
            return file.read(size)
        except OSError as error:
            raise _unreadable(path, error.strerror or "") from error


def _unreadable(path: Path, why: str) -> StoreError:
    return StoreError(f"the file {path.name} cannot be read: {why}", str(path), "restore it, or move it away")


def load(model: type[Model], path: Path) -> Model | None:
    """Read a JSON file as ``model``; None where there is no such file.

    Raises:
        StoreError: the file is unreadable, too large, damaged, or written by a newer version.
    """
    try:
        content = read_file(path, MAX_JSON_BYTES)
    except FileNotFoundError:
        return None
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise _damaged(content, path) from error


class _Versioned(BaseModel):
    version: int = 0


def _damaged(content: bytes, path: Path) -> StoreError:
    try:
        version = _Versioned.model_validate_json(content).version
    except ValidationError:
        version = 0
    if version > VERSION:
        return StoreError(
            f"the file was written by a newer Harmonia (version {version}; this one reads up to {VERSION})",
            str(path),
            "update Harmonia",
        )
    return StoreError("the file is damaged", str(path), "restore it from a copy, or move the run's folder away")


def try_lock(path: Path) -> int | None:
    """Acquire the lock at ``path``: its descriptor, or None while another process holds it.

    The lock is ``flock``'s: it belongs to the open file, passes to a child that inherits the descriptor, and is freed
    by the kernel when the last holder dies. The file itself stays.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise write_error(error, path) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise write_error(error, path) from error
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock at ``path``; works in a read-only folder. False where locks do not work."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


@contextmanager
def locked(path: Path, timeout_s: float = 5.0, waiting: Callable[[], None] | None = None) -> Generator[int]:
    """Hold the lock at ``path`` for a block; waits up to ``timeout_s`` seconds for it.

    ``waiting`` is called again and again meanwhile; it may raise to give up.

    Raises:
        RunError: another process holds it for longer.
    """
    deadline = time.monotonic() + timeout_s
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise RunError("another process works on it", str(path.parent), "wait for it to end, then try again")
        if waiting is not None:
            waiting()
        time.sleep(_LOCK_POLL_S)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
