"""Zip archives that hold a Zarr store, checked before any library opens them.

A zip file may name members outside its folder, list millions of them, or unpack to far more than its size. All this
is in its directory, whose own size is in the last bytes of the file.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path, PurePosixPath

from engine.errors import DataError
from engine.formats.limits import check_file, memory_limit

MAX_MEMBERS = 2_000_000
"""Files in an archive: chunks and metadata of the store."""

_MARKS = ("zarr.json", ".zmetadata", ".zgroup", ".zarray")
_MAX_DIRECTORY = 256 * 2**20
_END, _END64_LOCATOR = b"PK\x05\x06", b"PK\x06\x07"
_UNPACK = "unpack it, and give the folder of the store"


def check_zip(path: Path) -> list[zipfile.ZipInfo]:
    """The members of an archive in which nothing is dangerous.

    Raises :class:`DataError` for names that are absolute or contain ``..``, links, encrypted members, a member or a
    directory that takes too much memory, and members that claim more bytes than the file has.
    """
    size, where = check_file(path).st_size, str(path)
    if (directory := _directory_bytes(path, size)) > _MAX_DIRECTORY:
        raise DataError(f"the directory of the zip archive has {directory / 1e6:,.0f} MB", where, _UNPACK)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise DataError(f"the zip archive has more than {MAX_MEMBERS:,} members", where, _UNPACK)
    for member in members:
        _check_member(member, where)
    if sum(member.compress_size for member in members) > size:
        raise DataError("members of the zip archive overlap", where, "download or copy it again")
    return members


def zarr_folder(members: list[zipfile.ZipInfo], where: str) -> str:
    """The folder of the Zarr store in an archive, "" where the store is the archive itself.

    Raises :class:`DataError` where there is no store, or there are several.
    """
    folders = {str(PurePosixPath(m.filename).parent) for m in members if PurePosixPath(m.filename).name in _MARKS}
    tops = sorted(f for f in folders if f != "." and not any(str(up) in folders for up in PurePosixPath(f).parents))
    if "." in folders:
        return ""
    if len(tops) == 1:
        return tops[0]
    if not tops:
        raise DataError("the file is a zip archive without a Zarr store", where, "unpack it, and give what is in it")
    raise DataError(f"the zip archive holds {len(tops)} Zarr stores", f"{where}: {', '.join(tops[:5])}", _UNPACK)


def _check_member(member: zipfile.ZipInfo, where: str) -> None:
    name = member.filename
    # a name is cut at a zero byte by the library, which keeps the original beside it
    unsafe = name.startswith("/") or "\\" in name or ":" in name.split("/")[0] or ".." in name.split("/")
    if unsafe or "\0" in member.orig_filename:
        raise DataError(f"the zip archive has a member outside its folder, {name[:80]!r}", where, "do not open it")
    if (member.external_attr >> 16) & 0o170000 == 0o120000:
        raise DataError(f"the zip archive has a link, {name[:80]!r}", where, _UNPACK)
    if member.flag_bits & 1:
        raise DataError("the zip archive is encrypted", where, _UNPACK)
    if member.file_size > memory_limit():
        raise DataError(
            f"{name[:80]!r} in the zip archive unpacks to {member.file_size / 1e9:,.1f} GB, more than the "
            f"{memory_limit() / 1e9:.1f} GB allowed",
            where, "write the store with smaller chunks, or raise HARMONIA_FILE_MB",
        )  # fmt: skip


def _directory_bytes(path: Path, size: int) -> int:
    """Size of the directory at the end of an archive; ValueError where there is none."""
    with path.open("rb") as file:
        file.seek(max(0, size - 65_557))  # 22 bytes and a comment
        tail = file.read()
        end = tail.rfind(_END)
        if end < 0 or len(tail) < end + 22:
            raise ValueError("the zip archive has no directory")
        directory = int(struct.unpack_from("<L", tail, end + 12)[0])
        locator = end - 20
        if locator >= 0 and tail[locator : locator + 4] == _END64_LOCATOR:
            file.seek(struct.unpack_from("<Q", tail, locator + 8)[0])
            record = file.read(56)
            directory = int(struct.unpack_from("<Q", record, 40)[0]) if len(record) == 56 else size
    return directory
