"""How a run ends on a full disk, and says so."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from engine.errors import DiskFullError
from engine.files import write_atomic, write_error
from engine.runs.record import Status
from engine.runs.run_folder import RunFolder

NO_ROOM = 4
"""Exit code of a worker that could not write its status, because the disk is full."""

FOLDER_GONE = 5
"""Exit code of a worker whose folder was deleted, moved or replaced: a copy put back in its place can be resumed."""

_END_BYTES = 16_384
"""Space in each run's folder, as content of its lock file, that is freed on a full disk to record the run's end."""

_FULL_BYTES = 2**20  # with less than this free, a write that failed has failed because the disk is full
_FULL = (errno.ENOSPC, errno.EDQUOT)


def fill_reserve(folder: RunFolder) -> None:
    """Take the space that :func:`write_last_status` frees; random bytes, because a file system may compress others.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    try:
        with open(folder.lock, "ab") as file:
            file.write(os.urandom(max(0, _END_BYTES - file.tell())))
    except OSError as error:
        raise write_error(error, folder.lock) from error


def write_last_status(folder: RunFolder, status: Status) -> None:
    """Write the status with which a run ends, on a full disk too: with the space that its folder has reserved.

    Raises:
        StoreError: as :func:`write_atomic`.
    """
    content = status.model_dump_json().encode()
    try:
        write_atomic(folder.status, content)
    except DiskFullError:
        with suppress(OSError):
            os.truncate(folder.lock, 0)
        write_atomic(folder.status, content)


def is_disk_full(error: BaseException, folder: Path) -> bool:
    """Whether ``error`` means that the disk of ``folder`` is full; libraries in C do not say so."""
    if isinstance(error, DiskFullError) or (isinstance(error, OSError) and error.errno in _FULL):
        return True
    if os.strerror(errno.ENOSPC).lower() in str(error).lower():
        return True
    return isinstance(error, OSError | RuntimeError) and has_no_room(folder)


def has_no_room(folder: Path) -> bool:
    """Whether nothing can be written in ``folder`` any more."""
    with suppress(OSError):
        return shutil.disk_usage(folder).free < _FULL_BYTES
    return False
