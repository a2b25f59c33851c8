"""Chunks that unpack to more than their shape: each compressed chunk is looked at once, before it is first read.

The size of a chunk follows from its shape, but the libraries unpack whatever it holds: zlib turns 2 MB into 2 GB. What
states the size of its content (Zstandard, Blosc, LZ4) is compared with the shape; other streams are unpacked piece by
piece and only counted, unless even the highest ratio stays within the memory that a file may take.
"""

from __future__ import annotations

import bz2
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from engine.errors import DataError
from engine.formats.limits import memory_limit

Blocks = Sequence[range]
"""Of each axis the numbers of chunks, or of shards."""

_DEFLATE_RATIO = 1032  # at most: https://zlib.net/zlib_tech.html
_BESIDE = 64  # bytes of checksums
_PIECE = 2**20
_HEAD = 32
_HDF5_CODECS = {1: "deflate", 307: "bzip2", 32001: "blosc", 32015: "zstd"}
_ZARR_CODECS = {
    "gzip": "deflate", "zlib": "deflate", "bz2": "bzip2", "lzma": "lzma", "zstd": "zstd", "blosc": "blosc",
    "lz4": "lz4",
}  # fmt: skip


class _Chunk(NamedTuple):
    """A compressed chunk: ``size`` bytes from ``start`` on in a file (``key`` is empty), or in the file ``key`` of a
    Zarr store, a folder or a zip archive."""

    path: Path
    key: str
    start: int
    size: int
    codec: str


def check_unpacked(file: IO[bytes], size: int, codec: str, num_bytes: int, where: str) -> None:
    """Raise :class:`DataError` where the next ``size`` bytes unpack to more than ``num_bytes``.

    Codecs are ``deflate``, ``bzip2``, ``lzma``, ``zstd``, ``blosc`` and ``lz4``.
    """
    most = num_bytes + _BESIDE
    if codec in _STATED:
        is_too_large = (_STATED[codec](file.read(min(_HEAD, size))) or 0) > most
    else:
        is_too_large = _is_risky(size, codec) and _holds_more(file, size, _STREAMS[codec](), most)
    if is_too_large:
        raise DataError(
            f"a chunk of {size / 1e6:,.3g} MB unpacks to more than the {num_bytes / 1e6:,.3g} MB of its shape",
            where, "the file is damaged: download or copy it again",
        )  # fmt: skip


def _is_risky(size: int, codec: str) -> bool:
    """Whether a chunk of so many bytes could unpack to more than a file may take."""
    return codec != "deflate" or size * _DEFLATE_RATIO > memory_limit()


def _holds_more(file: IO[bytes], size: int, stream: Any, most: int) -> bool:
    """Whether a stream unpacks to more than ``most`` bytes, or is followed by another one."""
    count = 0
    while size > 0 and not stream.eof:
        piece = file.read(min(_PIECE, size))
        if not piece:
            return False  # cut off, which the library says
        size -= len(piece)
        while piece or _waits(stream):
            count += len(stream.decompress(piece, _PIECE))
            if count > most:
                return True
            piece = b"" if stream.eof else getattr(stream, "unconsumed_tail", b"")
    return size + len(stream.unused_data) > _BESIDE


def _waits(stream: Any) -> bool:
    """Whether a stream of bz2 or lzma gives more without another piece; those of zlib return their rest."""
    return not stream.eof and not getattr(stream, "needs_input", True)


_STREAMS: Mapping[str, Callable[[], Any]] = {
    "deflate": lambda: zlib.decompressobj(wbits=47),  # with the header of zlib or of gzip
    "bzip2": bz2.BZ2Decompressor,
    "lzma": lzma.LZMADecompressor,
}


def _of_zstd(head: bytes) -> int | None:
    """The content size of a frame, RFC 8878; None where it states none."""
    if head[:4] != b"\x28\xb5\x2f\xfd" or len(head) < 5:
        return None
    flag, is_single, dictionary = head[4] >> 6, head[4] >> 5 & 1, head[4] & 3
    length = (is_single, 2, 4, 8)[flag]
    at = 6 - is_single + (0, 1, 2, 4)[dictionary]
    return int.from_bytes(head[at : at + length], "little") + (256 if flag == 1 else 0) if length else None


_STATED: Mapping[str, Callable[[bytes], int | None]] = {
    "zstd": _of_zstd,
    "blosc": lambda head: int.from_bytes(head[4:8], "little"),
    "lz4": lambda head: int.from_bytes(head[:4], "little"),
}


@lru_cache(maxsize=65_536)
def _check_once(chunk: _Chunk, num_bytes: int, _stamp: object) -> None:
    is_plain = not chunk.key or chunk.path.is_dir()
    with (
        nullcontext() if is_plain else zipfile.ZipFile(chunk.path) as archive,
        _opened(chunk.path, archive, chunk.key) as file,
    ):
        file.seek(chunk.start)
        check_unpacked(file, chunk.size, chunk.codec, num_bytes, str(chunk.path))


def _only(codecs: Sequence[str], name: str, where: str) -> str:
    """The one codec of a variable, "" where its chunks are not compressed."""
    if len(codecs) > 1:
        raise DataError(f"the chunks of {name!r} are compressed twice", where, "write it again, compressed once")
    return codecs[0] if codecs else ""


# --- NetCDF-4 and HDF5 ----------------------------------------------------------------------------------------------


class _Stored(NamedTuple):
    """The chunks of a variable that are worth a look, by their numbers, and the bytes of their shape."""

    chunks: dict[tuple[int, ...], _Chunk]
    num_bytes: int


def check_hdf5_chunks(path: Path, stamp: object, name: str, blocks: Blocks) -> None:
    """Look at the chunks in ``blocks`` of the variable ``name``, a path in the file; each once for a ``stamp``.

    Raises :class:`DataError` where one unpacks to too much.
    """
    stored = _hdf5_chunks(path, name, memory_limit(), stamp)
    if stored.chunks:
        for block in product(*blocks):
            if block in stored.chunks:
                _check_once(stored.chunks[block], stored.num_bytes, stamp)


@lru_cache(maxsize=32)
def _hdf5_chunks(path: Path, name: str, _limit: int, _stamp: object) -> _Stored:
    import h5py  # pyright: ignore[reportMissingTypeStubs]

    with cast(Any, h5py).File(path, "r") as file:
        dataset = file[name]
        created = dataset.id.get_create_plist()
        filters = [created.get_filter(number)[0] for number in range(created.get_nfilters())]
        codec = _only([_HDF5_CODECS[key] for key in filters if key in _HDF5_CODECS], name, str(path))
        chunks: dict[tuple[int, ...], _Chunk] = {}
        if not codec:
            return _Stored(chunks, 0)
        left_out = 1 << next(number for number, key in enumerate(filters) if key in _HDF5_CODECS)

        def add(info: Any) -> None:
            if not info.filter_mask & left_out and _is_risky(info.size, codec):
                numbers = tuple(at // side for at, side in zip(info.chunk_offset, dataset.chunks, strict=True))
                chunks[numbers] = _Chunk(path, "", info.byte_offset, info.size, codec)

        dataset.id.chunk_iter(add)
        return _Stored(chunks, math.prod(dataset.chunks) * dataset.dtype.itemsize)


# --- Zarr -----------------------------------------------------------------------------------------------------------


def check_zarr_chunks(path: Path, stamp: object, array: Any, blocks: Blocks) -> None:
    """The same of an array of an open store, a folder or a zip archive at ``path``; of shards every chunk."""
    codecs = [_codec_of(codec) for codec in (*array.filters, *array.compressors)]
    codec = _only([known for known in codecs if known], array.name, str(path))
    if not codec:
        return
    num_bytes = math.prod(array.chunks) * array.dtype.itemsize
    per_shard = math.prod(array.shards) // math.prod(array.chunks) if array.shards else 0
    with nullcontext() if path.is_dir() else zipfile.ZipFile(path) as archive:
        for block in product(*blocks):
            key = f"{array.path}/{array.metadata.encode_chunk_key(block)}"
            for start, size in _places(path, archive, key, per_shard):
                if codec in _STATED or _is_risky(size, codec):
                    chunk = _Chunk(path, key, start, size, codec)
                    _check_once(chunk, num_bytes, (stamp, memory_limit()))


def _codec_of(codec: Any) -> str:
    name = getattr(codec, "codec_id", None) or codec.to_dict()["name"]
    return _ZARR_CODECS.get(name.removeprefix("numcodecs."), "")


def _places(path: Path, archive: zipfile.ZipFile | None, key: str, per_shard: int) -> list[tuple[int, int]]:
    """Start and size of the chunk, or of the chunks of the shard, that is stored under a key; none where none is."""
    try:
        size = (path / key).stat().st_size if archive is None else archive.getinfo(key).file_size
    except (OSError, KeyError):
        return []
    if not per_shard:
        return [(0, size)]
    with _opened(path, archive, key) as file:
        return _shard_index(file, size, per_shard)


def _opened(path: Path, archive: zipfile.ZipFile | None, key: str) -> IO[bytes]:
    return open(path / key if key else path, "rb") if archive is None else archive.open(key)


def _shard_index(file: IO[bytes], size: int, count: int) -> list[tuple[int, int]]:
    """Start and size of the chunks in a shard whose index lies at its end, with a checksum of 4 bytes."""
    index_bytes = 16 * count + 4
    if size < index_bytes:
        return []
    file.seek(size - index_bytes)
    numbers = struct.unpack(f"<{2 * count}Q", file.read(16 * count))
    places = zip(numbers[::2], numbers[1::2], strict=True)
    return [(start, length) for start, length in places if start + length <= size]
