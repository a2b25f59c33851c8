"""A file is refused by what it declares, before anything of that size is allocated; large archives still open."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import zipfile
import zlib
from pathlib import Path

import h5py
import netCDF4
import numcodecs
import numpy as np
import pytest
import zarr
from google_crc32c import value as crc32c

from engine.config.run_config import RunConfig
from engine.data.sst import open_sst
from engine.data.tile_files import _read as read_tile
from engine.errors import ConfigError, DataError
from engine.formats import child
from engine.formats.child import check_in_child
from engine.formats.chunks import check_hdf5_chunks
from engine.formats.limits import check_file
from engine.formats.npz import read_npy, read_npz
from tests.support import producers

UNWRITTEN_STEPS = 10**9


def netcdf(
    path: Path, steps: int, chunks: tuple[int, int, int] | None = (1, 36, 72), cells: int = 1, **options
) -> Path:
    """Days on a 5° grid, or one finer by ``cells``, whose times and values are never written."""
    with netCDF4.Dataset(path, "w", format=options.pop("format", "NETCDF4")) as file:
        sizes = {"time": steps, "lat": 36 * cells, "lon": 72 * cells}
        for name, size in sizes.items():
            file.createDimension(name, size)
            line = file.createVariable(name, "f8", (name,))
            line.units = {"time": "days since 2000-01-01", "lat": "degrees_north", "lon": "degrees_east"}[name]
        file.variables["lat"][:] = np.linspace(-90, 90, sizes["lat"] + 1)[:-1] + 90 / sizes["lat"]
        file.variables["lon"][:] = np.linspace(0, 360, sizes["lon"] + 1)[:-1]
        sst = file.createVariable("sst", "f4", tuple(sizes), chunksizes=chunks, **options)
        sst.setncatts({"units": "degC", "standard_name": "sea_surface_temperature"})
        if steps < 10_000:
            file.variables["time"][:] = np.arange(steps)
    return path


def test_an_unwritten_time_axis_of_a_billion_steps_is_refused(tmp_path):
    path = netcdf(tmp_path / "a.nc", UNWRITTEN_STEPS)
    assert path.stat().st_size < 50_000
    grown = peak_of(f"""
        from engine.data.sst import open_sst
        from engine.errors import DataError
        try:
            open_sst({str(path)!r})
        except DataError as error:
            assert "1,000,000,000 steps" in str(error), error
        else:
            raise AssertionError("it opened")
    """)
    assert grown < 400e6


def peak_of(code: str) -> int:
    """Bytes by which the peak memory of a process grows while it runs ``code``, after its imports."""
    script = f"""
import engine.data.sst
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
before = peak()
{textwrap.dedent(code)}
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_one_chunk_of_gigabytes_is_refused(tmp_path):
    path = netcdf(tmp_path / "a.nc", 400, chunks=(400, 720, 1440), cells=20, zlib=True)
    with pytest.raises(DataError, match=r"one chunk of 'sst', 400 × 720 × 1,440 values, takes 5.8 GB.*nccopy"):
        open_sst(path)


@pytest.mark.parametrize("limit_mb", ["100", "2500"])
def test_one_map_is_refused_where_it_takes_more_than_allowed(tmp_path, monkeypatch, limit_mb):
    monkeypatch.setenv("HARMONIA_FILE_MB", limit_mb)
    path = netcdf(tmp_path / "a.nc", 2, chunks=None, cells=100)  # 26 million cells: 0.36 GB
    message = "one map of 'sst' takes 0.4 GB" if limit_mb == "100" else "every cell is missing"
    with pytest.raises(DataError, match=message):
        open_sst(path)


def test_many_coordinates_are_added_up(tmp_path):
    path = tmp_path / "a.nc"
    producers.dataset(3).to_netcdf(path)
    with netCDF4.Dataset(path, "a") as file:
        file.createDimension("long", 4_000_000)
        for number in range(40):
            file.createVariable(f"line{number}", "f8", ("long",))
    with pytest.raises(DataError, match=r"the content of its 4[0-9] coordinates takes 5.1 GB"):
        open_sst(path)


def test_lists_records_and_text_are_left_alone(tmp_path):
    path = tmp_path / "a.nc"
    producers.dataset(3).to_netcdf(path)
    with netCDF4.Dataset(path, "a") as file:
        lists = file.createVariable("lists", file.createVLType("i4", "list"), ("lat",))
        lists[0] = np.arange(10, dtype="i4")
        file.createVariable("records", file.createCompoundType(np.dtype([("a", "f8")]), "record"), ("lat",))
        file.createVariable("words", str, ("lat",))
    check_in_child([(path, "netcdf")])
    assert open_sst(path).daily.sizes["time"] == 3


def test_a_long_archive_of_small_chunks_opens_whatever_its_size(tmp_path):
    """100 years of a 0.25° grid are 150 GB; a day is 4 MB."""
    path = netcdf(tmp_path / "a.nc", 36_500, chunks=(1, 720, 1440), cells=20)
    with netCDF4.Dataset(path, "a") as file:
        file.variables["time"][:] = np.arange(36_500)
        file.variables["sst"][0] = 15.0
    check_in_child([(path, "netcdf")])
    daily = open_sst(path).daily
    assert daily.nbytes > 150e9
    assert float(daily[0].max()) == 15.0


# ---------------------------------------------------------------- Zarr


@pytest.mark.parametrize("version", [2, 3])
def test_a_store_that_declares_too_much_is_refused(tmp_path, version):
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=version)
    for name, values in {"lat": np.arange(-85.0, 90.0, 10), "lon": np.arange(0.0, 360.0, 10)}.items():
        line = group.create_array(name, data=values, **dims(version, name))
        line.attrs.update({"units": f"degrees_{'north' if name == 'lat' else 'east'}", **old_dims(version, name)})
    time = group.create_array("time", shape=(100,), chunks=(10**9,), dtype="f8", **dims(version, "time"))
    time.attrs.update({"units": "days since 2000-01-01", **old_dims(version, "time")})
    sst = group.create_array(
        "sst", shape=(100, 18, 36), chunks=(1, 18, 36), dtype="f4", **dims(version, "time", "lat", "lon")
    )
    sst.attrs.update({"units": "degC", "standard_name": "sea_surface_temperature"})
    sst.attrs.update(old_dims(version, "time", "lat", "lon"))
    with pytest.raises(DataError, match=r"one chunk of 'time' takes 16.0 GB"):
        open_sst(path)
    with pytest.raises(DataError, match=r"one chunk of 'time' takes 16.0 GB"):
        check_in_child([(path, "zarr")])


def bomb(unpacked: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(2**20)) for _ in range(unpacked // 2**20)), packer.flush()])


def test_a_later_chunk_that_unpacks_to_more_than_its_shape_is_refused_when_it_is_read(tmp_path, monkeypatch):
    """Only the first chunk of a field is read when a file is checked."""
    monkeypatch.setenv("HARMONIA_FILE_MB", "3")
    path = netcdf(tmp_path / "a.nc", 4, zlib=True, shuffle=False)
    with netCDF4.Dataset(path, "a") as file:
        file["sst"][:] = np.arange(4.0)[:, None, None]
    assert float(open_sst(path).daily[2].max()) == 2.0
    with h5py.File(path, "a") as file:
        file["sst"].id.write_direct_chunk((2, 0, 0), bomb(8 * 2**20))
    with pytest.raises(DataError, match=r"a chunk of 0.0\d+ MB unpacks to more than the 0.0104 MB of its shape"):
        open_sst(path).daily[2].load()


@pytest.mark.parametrize("codec", ["gzip", "zlib", "zstd", "blosc", "lz4", "bz2", "lzma"])
@pytest.mark.parametrize("container", ["folder", "zip"])
def test_a_chunk_of_a_store_that_unpacks_to_more_than_its_shape_is_refused(tmp_path, monkeypatch, codec, container):
    monkeypatch.setenv("HARMONIA_FILE_MB", "3")
    path = store(tmp_path / "a.zarr", compressors=numcodecs.get_codec({"id": codec}))
    assert float(open_sst(path).daily[2].max()) == 2.0
    packed = numcodecs.get_codec({"id": codec}).encode(bytes(8 * 2**20))
    (path / "sst" / "2.0.0").write_bytes(packed)
    if container == "zip":
        shutil.make_archive(str(tmp_path / "a"), "zip", path)
        path = tmp_path / "a.zip"
    with pytest.raises(DataError, match=r"unpacks to more than the 0.00259 MB of its shape"):
        open_sst(path).daily[2].load()


def test_a_chunk_in_a_shard_is_looked_at_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_FILE_MB", "3")
    path = store(tmp_path / "a.zarr", 3, compressors=zarr.codecs.GzipCodec(), shards=(2, 18, 36))
    shard = path / "sst" / "c" / "1" / "0" / "0"
    content = shard.read_bytes()
    index = list(struct.unpack("<4Q", content[-36:-4]))
    packed = gzip.compress(bytes(8 * 2**20))
    index[2:] = [len(content) - 36, len(packed)]
    packed_index = struct.pack("<4Q", *index)
    shard.write_bytes(content[:-36] + packed + packed_index + struct.pack("<I", crc32c(packed_index)))
    with pytest.raises(DataError, match=r"unpacks to more than the 0.00259 MB of its shape"):
        open_sst(path).daily[3].load()


def test_chunks_that_are_compressed_twice_are_refused(tmp_path):
    path = netcdf(tmp_path / "a.nc", 2)
    with netCDF4.Dataset(path, "a") as file:
        file.renameVariable("sst", "unused")
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_chunk((1, 36, 72))
    created.set_deflate(1)
    created.set_deflate(1)
    with h5py.File(path, "a") as file:
        space = h5py.h5s.create_simple((2, 36, 72))
        h5py.h5d.create(file.id, b"sst", h5py.h5t.NATIVE_FLOAT, space, created)
        file["sst"][:] = 1.0
    with pytest.raises(DataError, match="compressed twice"):
        check_hdf5_chunks(path, 0, "sst", [range(1)] * 3)


def store(path: Path, version: int = 2, **options: object) -> Path:
    """Four days of 0, 1, 2, 3 on a 10° grid, a chunk each."""
    group = zarr.open_group(path, mode="w", zarr_format=version)
    lines = {"time": np.arange(4.0), "lat": np.arange(-85.0, 90.0, 10), "lon": np.arange(0.0, 360.0, 10)}
    units = {"time": "days since 2000-01-01", "lat": "degrees_north", "lon": "degrees_east"}
    for name, values in lines.items():
        line = group.create_array(name, data=values, **dims(version, name))
        line.attrs.update({"units": units[name], **old_dims(version, name)})
    sst = group.create_array(
        "sst", shape=(4, 18, 36), chunks=(1, 18, 36), dtype="f4", **dims(version, "time", "lat", "lon"), **options
    )
    sst.attrs.update({"units": "degC", "standard_name": "sea_surface_temperature"})
    sst.attrs.update(old_dims(version, "time", "lat", "lon"))
    sst[:] = np.arange(4.0)[:, None, None]
    return path


def dims(version: int, *names: str) -> dict[str, object]:
    return {"dimension_names": names} if version == 3 else {}


def old_dims(version: int, *names: str) -> dict[str, object]:
    return {"_ARRAY_DIMENSIONS": list(names)} if version == 2 else {}


def test_a_store_with_huge_metadata_is_refused(tmp_path):
    path = producers.zarr(tmp_path, 3, days=2)
    with open(path / "zarr.json", "ab") as file:
        file.truncate(40 * 2**20)
    with pytest.raises(DataError, match=r"the metadata of the store have 42 MB"):
        open_sst(path)


# ---------------------------------------------------------------- arrays


def archive(shape: tuple[int, ...], content: bytes, descr: str = "<f8") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": shape, "fortran_order": False, "descr": descr})
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as held:
        held.writestr("a.npy", file.getvalue() + content)
    return whole.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive((10**6, 10**6), b""), "declares 8,000,000,000,000 bytes, the file holds 0"),
        (archive((3,), b"\0" * 16), "declares 24 bytes, the file holds 16"),
        (archive((2,), b"\0" * 16, "|O"), "Python objects"),
        (archive((2**62, 4), b""), "declares"),
        (b"PK\x03\x04 nothing", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_arrays_that_declare_another_size_are_refused(content, message):
    with pytest.raises(DataError, match=message):
        read_npz(content)


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_FILE_MB", "20")
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(30_000_000, np.uint8))
    assert (tmp_path / "a.npz").stat().st_size < 100_000
    with pytest.raises(DataError, match=r"its content takes 0.03 GB"):
        read_npz(tmp_path / "a.npz")


def test_arrays_come_back_as_they_were_written(tmp_path):
    arrays = {
        "a": np.arange(6.0).reshape(2, 3), "b": np.asfortranarray(np.arange(6).reshape(2, 3)), "c": np.array("text"),
        "d": np.empty((0, 4), np.float32), "e": np.array(3), "f": np.array([True, False]),
    }  # fmt: skip
    np.savez(tmp_path / "a.npz", **arrays)
    read = read_npz(tmp_path / "a.npz")
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype
    buffer = io.BytesIO()
    np.save(buffer, arrays["b"])
    np.testing.assert_array_equal(read_npy(buffer.getvalue(), "b"), arrays["b"])


def test_a_tile_whose_time_axis_is_absurd_is_refused(tmp_path):
    path = netcdf(tmp_path / "tile.nc", UNWRITTEN_STEPS)
    with pytest.raises(DataError, match=r"takes .* GB"):
        read_tile(path)


@pytest.mark.parametrize("name", ["lat", "day", "bands", "bounds"])
def test_a_tile_s_arrays_are_compared_before_they_are_converted(tmp_path, name):
    """Ten million names of bands would be ten million strings."""
    arrays = {"pixels": np.zeros((5, 2, 8, 8), np.float32), "lat": np.zeros(5), "lon": np.zeros(5), "day": np.ones(5)}
    np.savez_compressed(tmp_path / "a.npz", **arrays | {name: np.zeros(10_000_000, np.uint8)})
    with pytest.raises(DataError, match=rf"{name} has the shape \(10000000,\) for pixels"):
        read_tile(tmp_path / "a.npz")


def test_a_configuration_nested_deeply_or_odd_inside_a_sweep_is_refused_in_words():
    deep = b'{"a":' + b"[" * 950 + b"]" * 950 + b"}"
    with pytest.raises(ConfigError):
        RunConfig.from_json(deep)
    values = json.loads(RunConfig.demo("sweep").to_json())
    for odd in (float("inf"), None, [], {}):
        values["settings"]["space"]["learning_rate"]["kind"] = odd
        with pytest.raises(ConfigError, match=r"settings\.space\.learning_rate"):
            RunConfig.from_json(json.dumps(values).encode())


# ---------------------------------------------------------------- what is no file


def special(folder: Path, kind: str) -> Path:
    path = folder / "a.nc"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "links":
        path.symlink_to(folder / "b.nc")
        (folder / "b.nc").symlink_to(path)
    return path


@pytest.mark.parametrize("kind", ["a folder", "a named pipe", "a device", "links", "a path that is missing"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path, kind):
    path = special(tmp_path, kind)
    for read in (check_file, read_npz, read_tile):
        with pytest.raises(DataError, match=f"this is {kind}|cannot be found"):
            read(path)
    with pytest.raises(DataError):
        open_sst(path)


def test_a_pipe_among_the_files_of_a_folder_is_refused(tmp_path):
    producers.dataset(3).to_netcdf(tmp_path / "a.nc")
    os.mkfifo(tmp_path / "b.nc")
    with pytest.raises(DataError, match=r"this is a named pipe"):
        open_sst(tmp_path)


# ---------------------------------------------------------------- the child process


@pytest.mark.parametrize(
    ("code", "message"),
    [(signal.SIGSEGV, "crashes the library"), (signal.SIGXCPU, "processor time"), (signal.SIGKILL, "too much memory")],
)
def test_a_file_that_ends_the_child_is_refused_and_the_next_one_is_read(tmp_path, monkeypatch, code, message):
    sound = tmp_path / "a.nc"
    producers.dataset(3).to_netcdf(sound)
    child._close()
    started: list[subprocess.Popen[bytes]] = []
    start, wait = subprocess.Popen, child.select.select

    def start_and_remember(*arguments, **options):
        started.append(start(*arguments, **options))
        return started[-1]

    def end_it_and_wait(*arguments):
        """Called when the file has been sent, while the process still imports its libraries."""
        started[-1].send_signal(code)
        return wait(*arguments)

    monkeypatch.setattr(child.subprocess, "Popen", start_and_remember)
    monkeypatch.setattr(child.select, "select", end_it_and_wait)
    with pytest.raises(DataError, match=message) as refusal:
        check_in_child([(sound, "netcdf")])
    assert refusal.value.where == str(sound)
    assert len(started) == 1
    monkeypatch.undo()
    check_in_child([(sound, "netcdf")])


def test_a_child_that_ended_while_it_was_idle_is_replaced(tmp_path):
    sound = tmp_path / "a.nc"
    producers.dataset(3).to_netcdf(sound)
    check_in_child([(sound, "netcdf")])
    child._IDLE[-1]._process.kill()
    check_in_child([(sound, "netcdf")])


def test_a_chunk_that_unpacks_to_more_than_it_declares_ends_in_a_sentence(tmp_path, monkeypatch):
    """No header reveals it: zlib unpacks 2 MB to 2 GB, and HDF5 lets it."""
    monkeypatch.setenv("HARMONIA_FILE_MB", "400")
    path = tmp_path / "a.nc"
    netcdf(path, 2, zlib=True, shuffle=False)
    with h5py.File(path, "a") as file:
        file["sst"].id.write_direct_chunk((0, 0, 0), bomb(2**31))
    with pytest.raises(DataError, match=r"damaged|memory"):
        check_in_child([(path, "netcdf")])
