"""Uploads: files stored by the hash of their content, and evicted when they are no longer used.

All uploads together, with those that are still arriving, take at most ``$HARMONIA_UPLOADS_KEPT_MB``; the space of one
is reserved when it begins. An upload lies in ``uploads/<hash>/<name>`` of the home folder. The modification time of the
folder is the time of last use, that of the file stays as it was. A shared ``flock`` on the folder prevents its eviction
by any process and ends with the process that holds it. A file that is still arriving is locked in the same way.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.environment import number, whole_number
from engine.errors import DataError, StoreError
from engine.files import MAX_JSON_BYTES, check_free_disk, locked, read_file
from engine.queries.server_files import upload_path, uploads_folder
from engine.runs.run_folder import RunFolder, runs_folder

UPLOAD_LIMIT = "HARMONIA_UPLOAD_MB"
UPLOADS_KEPT = "HARMONIA_UPLOADS_KEPT_MB"
KEPT_DAYS = 30
"""An upload not used for so long is evicted when the next one arrives."""

STALLED_S = 600.0
"""An upload that has received nothing for so long may be evicted before it is complete."""

_DAY_S = 86_400.0
_PARTIAL = ".part-"


def upload_limit_mb() -> int:
    """The largest upload in MB: ``$HARMONIA_UPLOAD_MB``, else 200."""
    return whole_number(UPLOAD_LIMIT, 200, 1)


def uploads_kept_mb() -> float:
    """How many MB all uploads may take: ``$HARMONIA_UPLOADS_KEPT_MB``, else 2000."""
    return number(UPLOADS_KEPT, 2000.0)


def uploaded(name: str) -> Path:
    """The file that :meth:`Upload.finish` named ``name``; :class:`DataError` where it does not exist (any more)."""
    path = upload_path(name)
    if path is not None:
        with suppress(OSError):  # the home folder may be read-only
            os.utime(path.parent)
        return path
    raise DataError(
        f"there is no such upload, or no longer: uploads are kept for {KEPT_DAYS} days after their last use, "
        f"and the oldest go where they take more than {uploads_kept_mb():g} MB",
        name[:120],
        "upload the file again",
    )


def forget_upload(name: str) -> None:
    """Remove an upload that cannot be opened."""
    shutil.rmtree(uploaded(name).parent, ignore_errors=True)


class UploadHold:
    """Prevents the eviction of an upload until it is released; raises :class:`DataError` where there is none."""

    def __init__(self, name: str) -> None:
        self._descriptor: int | None = os.open(uploaded(name).parent, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        try:
            uploaded(name)  # it may have been evicted before the lock was acquired
        except DataError:
            self.release()
            raise

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Upload:
    """A file that arrives chunk by chunk, in order, and is stored by the hash of its content.

    Nothing is kept in memory; :meth:`abandon` removes an unfinished file. Before it arrives, uploads that are too old
    or exceed the space are evicted, and its own space is reserved.
    Raises :class:`DataError` when the announced size is zero or above the limit, when it does not fit beside the
    uploads that are in use, and :class:`StoreError` when the disk is nearly full.
    """

    def __init__(self, name: str, size: int) -> None:
        limit = upload_limit_mb()
        if size <= 0:
            raise DataError("the file is empty", name[:120], "choose a file with data in it")
        if size > limit * 10**6:
            raise DataError(
                f"the file has {size / 10**6:.0f} MB, the limit is {limit}",
                name[:120],
                "upload a part of it, or copy it into a folder of the server",
            )
        uploads_folder().mkdir(parents=True, exist_ok=True)
        self.name = name
        self.size = size
        self.received = 0
        self._hash = hashlib.sha256()
        with locked(_lock()):
            _make_room(size, time.time(), name)
            check_free_disk(uploads_folder(), size)
            handle, self._path = tempfile.mkstemp(dir=uploads_folder(), prefix=_PARTIAL)
            self._file = os.fdopen(handle, "wb")
            try:
                fcntl.flock(handle, fcntl.LOCK_SH)
                _reserve(handle, size)
            except OSError:
                self.abandon()
                raise

    def add(self, content: bytes) -> None:
        """Append the next chunk; :class:`DataError` when the file is larger than announced."""
        if self.received + len(content) > self.size:
            raise DataError("the file is larger than announced", self.name[:120], "upload the file again")
        self._file.write(content)
        self._hash.update(content)
        self.received += len(content)

    def finish(self) -> str:
        """Store the file and return its name for :func:`uploaded`. The same content is stored once.

        Raises :class:`DataError` where it stalled so long that its space was given to another.
        """
        self._file.truncate(self.received)
        file_name = re.sub(r"[^\w.+-]", "_", self.name, flags=re.ASCII).lstrip(".")[-80:] or "upload.nc"
        name = f"{self._hash.hexdigest()[:32]}/{file_name}"
        with locked(_lock()):  # nothing is evicted meanwhile
            (uploads_folder() / name).parent.mkdir(exist_ok=True)
            try:
                os.replace(self._path, uploads_folder() / name)
            except FileNotFoundError as error:
                self.abandon()
                problem = "the upload took too long and was removed"
                raise DataError(problem, self.name[:120], "upload the file again") from error
        self._file.close()
        return name

    def abandon(self) -> None:
        """Remove the unfinished file."""
        with suppress(OSError):
            os.unlink(self._path)
        self._file.close()


def _lock() -> Path:
    """Held while space is reserved or freed; beside the folder, which holds uploads only."""
    return uploads_folder().with_name("uploads.lock")


def _reserve(handle: int, size: int) -> None:
    """Take the whole space of a file at once, so that others see its size."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:  # macOS
        os.ftruncate(handle, size)


# --- eviction -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _StoredUpload:
    """The folder of an upload, or an unfinished file: its bytes, and its last use in seconds since 1970."""

    path: Path
    size: int
    last_use: float


def _make_room(size: int, now: float, name: str) -> None:
    """Evict uploads that are too old and, least recently used first, as many as ``size`` more bytes require.

    Raises :class:`DataError` where those that are left leave too little room.
    """
    uploads = sorted(_stored_uploads(), key=lambda upload: upload.last_use)
    excess = size + sum(upload.size for upload in uploads) - uploads_kept_mb() * 10**6
    if size > uploads_kept_mb() * 10**6:
        raise _no_room(size, name)
    for upload in uploads:
        if excess <= 0 and now - upload.last_use < KEPT_DAYS * _DAY_S:
            return
        if _evict(upload.path, is_stalled=now - upload.last_use > STALLED_S):
            excess -= upload.size
    if excess > 0:
        raise _no_room(size, name)


def _no_room(size: int, name: str) -> DataError:
    return DataError(
        f"uploads may take {uploads_kept_mb():g} MB in all, and this one, {size / 1e6:,.1f} MB, does not fit beside "
        "those in use",
        name[:120],
        f"upload a smaller file, wait until others are closed, or raise {UPLOADS_KEPT}",
    )


def _stored_uploads() -> Iterator[_StoredUpload]:
    for entry in os.scandir(uploads_folder()):
        with suppress(FileNotFoundError):  # another process evicts too
            sizes = [file.stat().st_size for file in (os.scandir(entry) if entry.is_dir() else [entry])]
            yield _StoredUpload(Path(entry.path), sum(sizes), entry.stat().st_mtime)


def _evict(path: Path, is_stalled: bool) -> bool:
    """Remove an upload that is neither locked nor used by a run; returns whether it is gone.

    One that is arriving is locked, but goes where it has stalled.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # another process was faster
        return True
    try:
        if not (is_stalled and path.name.startswith(_PARTIAL)):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_used_by_run(path):
            return False
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def _is_used_by_run(path: Path) -> bool:
    """Whether the configuration of a run names the upload: the run may be resumed, evaluated, or read its source."""
    return path.is_dir() and any(_names(RunFolder(folder).config, path.name) for folder in runs_folder().glob("*"))


def _names(config: Path, text: str) -> bool:
    try:
        return text.encode() in read_file(config, MAX_JSON_BYTES)
    except (FileNotFoundError, StoreError):
        return False
