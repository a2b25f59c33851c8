"""What people bring along: files kept below the hash of their content, for as long as they are of use.

An upload lies in ``uploads/<hash>/<name>`` of the home folder. The folder's time of change tells when it was last used,
so that the file's own stays what it was; a shared ``flock`` on the folder keeps it from being evicted, whichever
process holds it, and goes with that process. What still arrives is locked the same way.
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

from engine.errors import DataError
from engine.files import home_folder
from engine.runs.run_folder import RunFolder, runs_folder

UPLOAD_LIMIT = "HARMONIA_UPLOAD_MB"
UPLOADS_KEPT = "HARMONIA_UPLOADS_KEPT_MB"
KEPT_DAYS = 30
"""An upload that nobody has used for so long is evicted when the next one arrives."""

_DAY_S = 86_400.0
_UPLOAD_NAME = re.compile(r"[0-9a-f]{32}/[\w.+-]{1,90}")
_PART = ".part-"


def upload_limit_mb() -> int:
    """The largest upload in MB: ``$HARMONIA_UPLOAD_MB``, else 200."""
    return int(os.environ.get(UPLOAD_LIMIT, "200"))


def uploads_kept_mb() -> int:
    """How many MB of uploads are kept: ``$HARMONIA_UPLOADS_KEPT_MB``, else 2000."""
    return int(os.environ.get(UPLOADS_KEPT, "2000"))


def uploaded(name: str) -> Path:
    """The file that :meth:`Upload.finish` called ``name``; :class:`DataError` where there is none, or no longer."""
    path = _uploads() / name
    if _UPLOAD_NAME.fullmatch(name) and path.is_file():
        with suppress(OSError):  # a home that can only be read is good enough to read from
            os.utime(path.parent)
        return path
    raise DataError(
        f"there is no such upload, or no longer: what nobody has used for {KEPT_DAYS} days goes, and what was used "
        f"longest ago when there are more than {uploads_kept_mb()} MB",
        name[:120],
        "upload the file again",
    )


def forget_upload(name: str) -> None:
    """Remove an upload that turned out to be useless."""
    shutil.rmtree(uploaded(name).parent, ignore_errors=True)


class UploadHold:
    """Keeps an upload from being evicted until it is released; raises :class:`DataError` where there is none."""

    def __init__(self, name: str) -> None:
        self._descriptor: int | None = os.open(uploaded(name).parent, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        try:
            uploaded(name)  # it may have been evicted while the lock was waited for
        except DataError:
            self.release()
            raise

    def release(self) -> None:
        """Let go; a second time does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Upload:
    """A file that arrives chunk by chunk, in order, and is kept below the hash of its content.

    Nothing is held in memory; what is not finished is removed by :meth:`abandon`. Before it arrives, uploads of old are
    evicted that are of no more use, or in its way.
    Raises :class:`DataError` when the size announced is over the limit, or no size at all.
    """

    def __init__(self, name: str, size: int) -> None:
        limit = upload_limit_mb()
        if size <= 0:
            raise DataError("the file is empty", name[:120], "choose a file with data in it")
        if size > limit * 10**6:
            what = f"the file has {size / 10**6:.0f} MB, the limit is {limit}"
            raise DataError(what, name[:120], "choose a part of it, or put it into a folder of the server")
        _uploads().mkdir(parents=True, exist_ok=True)
        _make_room(size, time.time())
        self.name = name
        self.size = size
        self.received = 0
        self._hash = hashlib.sha256()
        handle, self._path = tempfile.mkstemp(dir=_uploads(), prefix=_PART)
        fcntl.flock(handle, fcntl.LOCK_SH)
        self._file = os.fdopen(handle, "wb")

    def add(self, content: bytes) -> None:
        """Take the next chunk; :class:`DataError` when more comes than was announced."""
        if self.received + len(content) > self.size:
            raise DataError("more arrives than was announced", self.name[:120], "upload the file again")
        self._file.write(content)
        self._hash.update(content)
        self.received += len(content)

    def finish(self) -> str:
        """Keep the file; the name to ask :func:`uploaded` for. The same content twice is one file."""
        self._file.flush()
        safe = re.sub(r"[^\w.+-]", "_", self.name, flags=re.ASCII).lstrip(".")[-80:] or "upload.nc"
        name = f"{self._hash.hexdigest()[:32]}/{safe}"
        folder = (_uploads() / name).parent
        folder.mkdir(exist_ok=True)
        os.replace(self._path, _uploads() / name)
        self._file.close()
        return name

    def abandon(self) -> None:
        """Remove what has arrived."""
        with suppress(OSError):
            os.unlink(self._path)
        self._file.close()


# --- eviction -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kept:
    """A folder of uploads, or a part that was left behind: its bytes, and when it was last used, seconds since 1970."""

    path: Path
    size: int
    used: float


def _make_room(size: int, now: float) -> None:
    """Evict what is too old, and, longest unused first, what stands in the way of ``size`` bytes more."""
    kept = sorted(_kept(), key=lambda one: one.used)
    too_much = size + sum(one.size for one in kept) - uploads_kept_mb() * 10**6
    for one in kept:
        if too_much <= 0 and now - one.used < KEPT_DAYS * _DAY_S:
            return
        if _evicted(one.path):
            too_much -= one.size


def _kept() -> Iterator[_Kept]:
    for entry in os.scandir(_uploads()):
        with suppress(FileNotFoundError):  # another process evicts too
            sizes = [file.stat().st_size for file in (os.scandir(entry) if entry.is_dir() else [entry])]
            yield _Kept(Path(entry.path), sum(sizes), entry.stat().st_mtime)


def _evicted(path: Path) -> bool:
    """Remove what nobody holds and no run reads; whether that could be done."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # another process was faster
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_of_a_run(path):
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


def _is_of_a_run(path: Path) -> bool:
    """Whether a run's configuration names it: it may be resumed, judged, or asked for its source."""
    configs = (RunFolder(folder).config for folder in runs_folder().glob("*") if RunFolder(folder).config.is_file())
    return path.is_dir() and any(path.name in config.read_text(errors="replace") for config in configs)


def _uploads() -> Path:
    return home_folder() / "uploads"
