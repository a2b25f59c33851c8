"""Variables in groups, and Zarr stores in zip archives: the same values as without, and what is dangerous refused."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import zarr

from engine.data.sst import open_sst
from engine.errors import DataError
from engine.formats.child import check_in_child
from engine.formats.zipped import check_zip
from engine.queries import ocean
from tests.support import producers
from tests.support.people_files import LAT, LON, sea


def nested(path: Path, groups: dict[str, float], coordinates: str = "", name: str = "sst") -> Path:
    """A file with the sea, plus a number of degrees, in each group; latitude and longitude in ``coordinates``."""
    with netCDF4.Dataset(path, "w") as file:
        around = file.createGroup(coordinates) if coordinates else file
        for dim, axis, unit in (("lat", LAT, "degrees_north"), ("lon", LON, "degrees_east")):
            around.createDimension(dim, axis.size)
            variable = around.createVariable(dim, "f8", (dim,))
            variable.units, variable[:] = unit, axis
        for group, warmer in groups.items():
            inside = file.createGroup(group)
            inside.createDimension("time", None)
            stamps = inside.createVariable("time", "f8", ("time",))
            stamps.units, stamps[:] = "days since 2020-01-01", np.arange(3.0)
            field = inside.createVariable(name, "f4", ("time", "lat", "lon"))
            field.units, field[:] = "degC", sea(3) + warmer
    return path


def zipped(store: Path, path: Path, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for folder, _, names in os.walk(store):
            for name in names:
                archive.write(file := Path(folder, name), top + file.relative_to(store).as_posix())
    return path


@pytest.mark.parametrize(
    ("group", "coordinates"), [("data", ""), ("data/l3", ""), ("data/l3", "data"), ("data/l3", "data/l3")]
)
def test_coordinates_lie_in_the_group_or_around_it(group: str, coordinates: str, tmp_path: Path) -> None:
    path = nested(tmp_path / "a.nc", {group: 0.0}, coordinates)
    check_in_child([(path, "netcdf")])
    source = open_sst(path)
    assert source.daily is not None
    np.testing.assert_allclose(source.daily.values, sea(3), rtol=0, atol=2e-6)
    assert source.understood is not None
    assert source.understood.variable == f"{group}/sst"


def test_of_several_groups_one_is_chosen(tmp_path: Path) -> None:
    path = nested(tmp_path / "a.nc", {"day": 0.0, "night": -1.0})
    with pytest.raises(DataError, match="2 groups hold a variable") as refused:
        open_sst(path)
    assert refused.value.choices == {"variable": ("day/sst", "night/sst")}
    for variable, warmer in zip(refused.value.choices["variable"], (0.0, -1.0), strict=True):
        daily = open_sst(path, variable).daily
        assert daily is not None
        np.testing.assert_allclose(daily.values, sea(3) + warmer, rtol=0, atol=2e-6)
    with pytest.raises(DataError, match=r"no group 'noon'.*choose one of: day, night"):
        open_sst(path, "noon/sst")


def test_a_variable_of_no_known_name_in_the_only_group(tmp_path: Path) -> None:
    path = nested(tmp_path / "a.nc", {"data": 0.0}, name="thetao_surf")
    with pytest.raises(DataError, match=r"choose one as variable: thetao_surf"):
        open_sst(path)
    assert open_sst(path, "data/thetao_surf").daily is not None


@pytest.mark.parametrize("version", [2, 3])
def test_a_group_of_a_zarr_store(version: int, tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    zarr.open_group(store, mode="w", zarr_format=version)  # pyright: ignore
    data = producers.dataset(3)
    data.to_zarr(store, group="l3/day", zarr_format=version, consolidated=False)  # pyright: ignore
    check_in_child([(store, "zarr")])
    daily = open_sst(store).daily
    assert daily is not None
    np.testing.assert_array_equal(daily.values, np.roll(data["sst"].values, 36, axis=-1))


@pytest.mark.parametrize("top", ["", "store.zarr/"])
@pytest.mark.parametrize("version", [2, 3])
def test_a_zipped_store_reads_as_the_folder(version: int, top: str, tmp_path: Path) -> None:
    store = producers.zarr(tmp_path, version, 4)
    path = zipped(store, tmp_path / "a.zarr.zip", top)
    check_in_child([(path, "zarr")])
    ours, theirs = open_sst(path).daily, open_sst(store).daily
    assert ours is not None
    assert theirs is not None
    np.testing.assert_array_equal(ours.values, theirs.values)


def test_a_zipped_store_is_a_source_of_the_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    zipped(producers.zarr(tmp_path / "outside", 3, 4), tmp_path / "a.zarr.zip")
    assert ocean.source(ocean.SourceChoice("path", path="a.zarr.zip")).daily is not None
    assert "a.zarr.zip" in [entry.name for entry in ocean.list_folder(str(tmp_path)).entries]


def archive(path: Path, name: str, content: bytes = b"{}", mode: int = 0o644, **attributes: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(".zgroup", '{"zarr_format": 2}')
        info = zipfile.ZipInfo(name)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, mode << 16
        file.writestr(info, content)
    return path


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "sst/../../a", "C:/a", "sst\\..\\a"])
def test_members_outside_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zarr.zip", name)
    for opened in (lambda: open_sst(path), lambda: check_in_child([(path, "zarr")])):
        with pytest.raises(DataError, match="a member outside its folder"):
            opened()


def test_links_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has a link"):
        open_sst(archive(tmp_path / "a.zarr.zip", "sst", b"/etc", 0o120777))


def test_a_member_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_FILE_MB", "200")
    path = archive(tmp_path / "a.zarr.zip", "sst/0.0.0", bytes(210_000_000))
    assert path.stat().st_size < 1e6
    for opened in (lambda: open_sst(path), lambda: check_in_child([(path, "zarr")])):
        with pytest.raises(DataError, match=r"unpacks to 0\.2 GB"):
            opened()


def test_a_directory_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zarr.zip", "a")
    content = bytearray(path.read_bytes())
    struct.pack_into("<L", content, content.rfind(b"PK\x05\x06") + 12, 2**31)
    path.write_bytes(content)
    with pytest.raises(DataError, match="the directory of the zip archive has 2,147 MB"):
        check_zip(path)


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zarr.zip", "a", os.urandom(1000))
    content = bytearray(path.read_bytes())
    second = content.rfind(b"PK\x01\x02")
    struct.pack_into("<L", content, second + 20, 10**6)  # its compressed size
    path.write_bytes(content)
    with pytest.raises(DataError, match="members of the zip archive overlap"):
        open_sst(path)


def test_other_archives_are_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("sst.nc", b"CDF")
    with pytest.raises(DataError, match="a zip archive without a Zarr store"):
        open_sst(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/.zgroup", "{}")
        file.writestr("b/zarr.json", "{}")
    with pytest.raises(DataError, match=r"2 Zarr stores .*a, b"):
        open_sst(path)
