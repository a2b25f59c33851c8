"""Check of a classic NetCDF header before the C library reads it.

A damaged count makes the C library loop for minutes or allocate all memory; here every count is first compared with the
size of the file. Format: the NetCDF classic format specification (CDF-1, CDF-2 and CDF-5).
"""

from __future__ import annotations

from pathlib import Path

_MAGIC = b"CDF"
_DIMENSION, _VARIABLE, _ATTRIBUTE = 10, 11, 12
_BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_MAX_HEADER = 64 * 2**20


def is_sound(path: Path) -> bool:
    """Whether a file is no classic NetCDF, or its header is consistent with the size of the file."""
    with path.open("rb") as file:
        head = file.read(4)
        if head[:3] != _MAGIC:
            return True
        data = head + file.read(_MAX_HEADER)
    try:
        _HeaderParser(data, path.stat().st_size).header()
    except ValueError:
        return False
    return True


class _HeaderParser:
    """A parser of the header; ValueError where it is inconsistent with the size of the file."""

    def __init__(self, data: bytes, file_size: int) -> None:
        version = data[3] if len(data) > 3 else 0
        if version not in (1, 2, 5):
            raise ValueError(version)
        self.data, self.at, self.file_size = data, 4, file_size
        self.count_bytes = 8 if version == 5 else 4
        self.offset_bytes = 4 if version == 1 else 8

    def header(self) -> None:
        self.number(self.count_bytes)  # records
        num_dims = self.list_of(_DIMENSION)
        for _ in range(num_dims):
            self.text()
            self.number(self.count_bytes)
        self.attributes()
        for _ in range(self.list_of(_VARIABLE)):
            self.text()
            for _ in range(self.count(self.count_bytes)):
                if self.number(self.count_bytes) >= num_dims:
                    raise ValueError("dimension")
            self.attributes()
            self.type_bytes()
            self.number(self.count_bytes)
            if self.number(self.offset_bytes) > self.file_size:
                raise ValueError("offset")

    def attributes(self) -> None:
        for _ in range(self.list_of(_ATTRIBUTE)):
            self.text()
            self.skip(self.type_bytes())

    def list_of(self, kind: int) -> int:
        """The length of a list of this kind; an absent one is two zeros."""
        tag = self.number(4)
        length = self.count(2 * self.count_bytes)
        if tag != kind and (tag or length):
            raise ValueError(tag)
        return length

    def text(self) -> None:
        self.skip(1)

    def type_bytes(self) -> int:
        code = self.number(4)
        if code not in _BYTES_OF_TYPE:
            raise ValueError(code)
        return _BYTES_OF_TYPE[code]

    def skip(self, item_bytes: int) -> None:
        """Skip a count and its items, padded to four bytes."""
        size = self.count(item_bytes) * item_bytes
        self.at += size + -size % 4

    def count(self, item_bytes: int) -> int:
        """A count of items of at least ``item_bytes`` each, which must fit into the rest of the header."""
        count = self.number(self.count_bytes)
        if count * item_bytes > len(self.data) - self.at:
            raise ValueError(count)
        return count

    def number(self, size: int) -> int:
        if self.at + size > len(self.data):
            raise ValueError("end")
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "big")
