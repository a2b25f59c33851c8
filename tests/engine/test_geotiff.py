"""Tiles from GeoTIFF: place, ground, values and date are what went in; no tile is told by name; no other file read."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.enums import ColorInterp

import engine.data.tile_files as tile_files
from engine.data.climate import box_fractions
from engine.data.geotiff import GeoTiff, read_geotiff
from engine.data.tile_files import _from_netcdf, _read, folder_tiles
from engine.data.tiles import SPLITS
from engine.errors import DataError


def north_up(west: float, north: float, width: float, height: float) -> Affine:
    return Affine(width, 0.0, west, 0.0, -height, north)


def product(*parts: Affine) -> Affine:
    """Affine's own operator is ``*`` in its older versions and ``@`` in its newer ones."""
    matrix = np.linalg.multi_dot([np.reshape(part, (3, 3)) for part in parts])
    return Affine(*matrix[:2].ravel())


SIZE = 8
DEGREES = north_up(10.0, 50.0, 0.1, 0.1)  # 10° to 10.8° E, 49.2° to 50° N
PICTURE = np.arange(2.0 * SIZE * SIZE, dtype=np.float32).reshape(2, SIZE, SIZE)


def write(path: Path, pixels: np.ndarray = PICTURE, date: str = "2020:03:01 10:11:12", **profile) -> Path:
    """A GeoTIFF of ``pixels`` (C, h, w); the profile may bring ``bands``, ``scales``, ``mask`` and ``colors``."""
    extra = {name: profile.pop(name, None) for name in ("bands", "scales", "offsets", "mask", "colors")}
    count, height, width = pixels.shape
    options = {"crs": "EPSG:4326", "transform": DEGREES, "dtype": pixels.dtype, "driver": "GTiff", **profile}
    with rasterio.open(path, "w", count=count, height=height, width=width, **options) as raster:
        raster.write(pixels)
        if date:
            raster.update_tags(TIFFTAG_DATETIME=date)
        if extra["bands"]:
            raster.descriptions = extra["bands"]
        if extra["scales"]:
            raster.scales, raster.offsets = extra["scales"], extra["offsets"]
        if extra["colors"]:
            raster.colorinterp = extra["colors"]
        if extra["mask"] is not None:
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
                raster.write_mask(extra["mask"])
    return path


def read(path: Path) -> GeoTiff:
    return read_geotiff(path, lambda _: None)


# --- place ----------------------------------------------------------------------------------------------------------


def test_a_raster_in_degrees_is_read_as_netcdf_is(tmp_path):
    """The same tile as GeoTIFF and as NetCDF: every field is the same."""
    picture = _read(write(tmp_path / "tile.tif", bands=("a", "b")))
    coords = {
        "lat": 49.95 - 0.1 * np.arange(SIZE),
        "lon": 10.05 + 0.1 * np.arange(SIZE),
        "time": np.datetime64("2020-03-01"),
    }
    variables = {name: (("lat", "lon"), values) for name, values in zip("ab", PICTURE, strict=True)}
    xr.Dataset(variables, coords).to_netcdf(tmp_path / "tile.nc")
    other = _from_netcdf(tmp_path / "tile.nc")
    assert picture.bands == other.bands == ("a", "b")
    for name in ("pixels", "lat", "lon", "day", "edges", "climate", "ground"):
        np.testing.assert_allclose(getattr(picture, name), getattr(other, name), atol=1e-6, err_msg=name)
    np.testing.assert_allclose(picture.edges, [[49.2, 50.0, 10.0, 10.8]], atol=1e-9)
    assert picture.day.tolist() == [61.0]


def test_a_utm_tile_lies_where_the_meridian_puts_it(tmp_path):
    """Zone 33 on its meridian, 15° E: the arc to 45° N is 4 984 944.378 m on WGS84, drawn 0.9996 times as long."""
    north = 4_984_944.378 * 0.9996
    half = SIZE * 250.0
    tile = read(write(tmp_path / "t.tif", crs="EPSG:32633", transform=north_up(500e3 - half, north + half, 500, 500)))
    assert (tile.lat, tile.lon) == pytest.approx((45.0, 15.0), abs=1e-7)
    # 2 km of 111.13 km per degree of latitude, and of 78.85 km per degree of longitude there
    np.testing.assert_allclose(tile.edges, [45 - 0.018, 45 + 0.018, 15 - 0.0254, 15 + 0.0254], atol=1e-4)
    np.testing.assert_array_equal(tile.pixels, PICTURE)


def test_a_tile_over_the_date_line_is_one_box(tmp_path):
    """Zone 1 begins at 180° W, 166 021 m east on the equator."""
    tile = read(write(tmp_path / "t.tif", crs="EPSG:32601", transform=north_up(164e3, 2e3, 500, 500)))
    south, north, west, east = tile.edges
    assert abs(abs(tile.lon) - 180.0) < 0.01
    assert east - west == pytest.approx(4.0 / 111.3, rel=0.01)
    assert north - south == pytest.approx(4.0 / 110.6, rel=0.01)
    assert west < 180.0 < east or west < -180.0 < east


@pytest.mark.parametrize(("crs", "edges"), [("EPSG:3413", 1), ("EPSG:3031", -1)])
def test_around_a_pole_the_ground_is_all_longitudes(tmp_path, crs, edges):
    tile = read(write(tmp_path / "t.tif", crs=crs, transform=north_up(-4e5, 4e5, 1e5, 1e5)))
    assert tile.lat == pytest.approx(90.0 * edges)
    reach = 4e5 * np.hypot(1, 1) / 111_200  # the corners, to a few per cent
    low, high = sorted((90.0 * edges, (90.0 - reach) * edges))
    np.testing.assert_allclose(tile.edges, [low, high, -180, 180], atol=0.2)


def test_the_whole_earth_is_a_box(tmp_path):
    tile = read(write(tmp_path / "t.tif", transform=north_up(-180.0, 90.0, 360 / SIZE, 180 / SIZE)))
    np.testing.assert_array_equal(tile.edges, [-90, 90, -180, 180])
    assert (tile.lat, tile.lon) == (0.0, 0.0)


def test_a_rotated_raster_has_the_centre_and_the_box_of_its_corners(tmp_path):
    """A square of 0.8° turned by 30° about its upper left corner, 10° E, 1° N."""
    turned = product(Affine.translation(10.0, 1.0), Affine.rotation(-30.0), Affine.scale(0.1, -0.1))
    tile = read(write(tmp_path / "t.tif", transform=turned))
    c, s = np.cos(np.deg2rad(30.0)), np.sin(np.deg2rad(30.0))
    assert (tile.lon, tile.lat) == pytest.approx((10 + 0.4 * c - 0.4 * s, 1 - 0.4 * c - 0.4 * s), abs=1e-8)
    np.testing.assert_allclose(tile.edges, [1 - 0.8 * (s + c), 1, 10 - 0.8 * s, 10 + 0.8 * c], atol=1e-8)
    np.testing.assert_array_equal(tile.pixels, PICTURE)


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_rows_go_from_north_to_south_however_they_are_stored(tmp_path, quarters, mirrored):
    """The same ground: the picture is stored turned, and mirrored, and its transform says so."""
    stored = np.rot90(PICTURE, -quarters, axes=(1, 2))
    to, back = Affine.translation(-SIZE / 2, -SIZE / 2), Affine.translation(SIZE / 2, SIZE / 2)
    mirror = Affine.scale(1, -1 if mirrored else 1)
    stored = stored[:, ::-1] if mirrored else stored
    # from stored columns and rows, about the middle, to those of the picture, to degrees
    transform = product(DEGREES, back, Affine.rotation(-90.0 * quarters), mirror, to)
    tile = read(write(tmp_path / "t.tif", stored, transform=transform))
    np.testing.assert_array_equal(tile.pixels, PICTURE)
    np.testing.assert_allclose(tile.edges, [49.2, 50.0, 10.0, 10.8], atol=1e-8)
    assert (tile.lat, tile.lon) == pytest.approx((49.6, 10.4))


# --- values ---------------------------------------------------------------------------------------------------------


def test_nodata_and_nan_are_missing(tmp_path):
    picture = PICTURE.copy()
    picture[0, 0, 0], picture[1, 2, 3] = -9999.0, np.nan
    tile = read(write(tmp_path / "t.tif", picture, nodata=-9999.0))
    expected = picture.copy()
    expected[0, 0, 0] = np.nan
    np.testing.assert_array_equal(tile.pixels, expected)


def test_a_mask_tells_what_is_missing(tmp_path):
    valid = np.arange(SIZE * SIZE).reshape(SIZE, SIZE) % 3 > 0
    tile = read(write(tmp_path / "t.tif", mask=valid))
    np.testing.assert_array_equal(tile.pixels, np.where(valid, PICTURE, np.nan))


def test_scale_and_offset_are_applied(tmp_path):
    whole = PICTURE.astype(np.uint16)
    tile = read(write(tmp_path / "t.tif", whole, scales=(1e-4, 0.5), offsets=(-0.1, 3.0), nodata=5))
    expected = np.stack((PICTURE[0] * 1e-4 - 0.1, PICTURE[1] * 0.5 + 3.0))
    expected[whole == 5] = np.nan
    np.testing.assert_allclose(tile.pixels, expected, rtol=1e-6)
    assert tile.pixels.dtype == np.float32


def test_bands_have_their_descriptions_or_numbers(tmp_path):
    assert read(write(tmp_path / "t.tif", bands=("red", None))).bands == ("red", "band 2")


def bytes_of_four(fourth: np.ndarray) -> np.ndarray:
    three = np.arange(3 * SIZE * SIZE).reshape(3, SIZE, SIZE)
    return np.concatenate((three, fourth[None])).astype(np.uint8)


def test_an_alpha_band_is_a_mask_and_no_channel(tmp_path):
    clear = np.eye(SIZE, dtype=bool)
    picture = bytes_of_four(np.where(clear, 0, 255))
    path = write(tmp_path / "t.tif", picture)
    with rasterio.open(path) as raster:
        assert raster.colorinterp[3] == ColorInterp.alpha
    tile = read(path)
    assert len(tile.bands) == 3
    np.testing.assert_array_equal(tile.pixels, np.where(clear, np.nan, picture[:3].astype(np.float32)))


@pytest.mark.parametrize("fourth", [np.arange(SIZE * SIZE).reshape(SIZE, SIZE), np.zeros((SIZE, SIZE))])
def test_near_infrared_that_a_writer_marks_as_alpha_stays_a_channel(tmp_path, fourth):
    picture = bytes_of_four(fourth)
    tile = read(write(tmp_path / "t.tif", picture))
    np.testing.assert_array_equal(tile.pixels, picture.astype(np.float32))


# --- date -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tag", "date"),
    [
        ("tile.tif", "2020:03:01 10:11:12", "2020-03-01"),
        ("tile_2019-07-04.tif", "2020:03:01 10:11:12", "2019-07-04"),
        ("tile_2019-07-04.tif", "", "2019-07-04"),
        ("tile_2019-07-04.tif", "0000:00:00 00:00:00", "2019-07-04"),
        ("S2A_MSIL2A_20200301T101021_N0214.tif", "", "2020-03-01"),
        ("LC08_L1TP_195026_20191231_20200113_02_T1.tif", "", "2019-12-31"),
        ("20201301_20200229.TIFF", "", "2020-02-29"),
    ],
)
def test_the_date_is_the_names_else_the_tags(tmp_path, name, tag, date):
    assert read(write(tmp_path / name, date=tag)).date.isoformat() == date


@pytest.mark.parametrize("name", ["tile.tif", "tile_20200230.tif", "tile_1202003011.tif", "tile_2020-0301.tif"])
def test_a_tile_without_a_date_is_refused_with_the_remedy(tmp_path, name):
    with pytest.raises(DataError, match=r"it has no date .*name it as in tile_2020-03-01\.tif"):
        read(write(tmp_path / name, date=""))


# --- a folder -------------------------------------------------------------------------------------------------------


def write_folder(folder: Path, count: int = 40) -> np.ndarray:
    """Tiles of a UTM zone each, whose values are their latitude; the last quarter are NetCDF. Their places (N, 2)."""
    rng = np.random.default_rng(2)
    places = []
    for index in range(count):
        zone, northing = int(rng.integers(1, 61)), float(rng.uniform(0.2e6, 6.5e6))
        if index < count * 3 // 4:
            path = folder / f"{index}_2021-02-{index % 28 + 1:02}.{('tif', 'TIF', 'tiff')[index % 3]}"
            at = north_up(500e3 - 2e3, northing + 2e3, 500, 500)
            write(path, PICTURE + northing, date="", crs=f"EPSG:{32600 + zone}", transform=at, bands=("a", "b"))
            places.append((np.nan, -183.0 + 6.0 * zone))
        else:
            offsets = (np.arange(SIZE) - 3.5) * 0.01
            lat, lon = rng.uniform(-60, 60), rng.uniform(-179, 179)
            coords = {"lat": lat + offsets, "lon": lon + offsets, "time": np.datetime64("2021-06-01")}
            xr.Dataset(dict.fromkeys("ab", (("lat", "lon"), PICTURE[0])), coords).to_netcdf(folder / f"{index}.nc")
            places.append((lat, lon))
    return np.array(places)


def test_a_folder_may_mix_geotiff_and_netcdf_of_the_same_channels(tmp_path):
    places = write_folder(tmp_path)
    (tmp_path / "0_2021-02-01.tif.aux.xml").write_text("left alone")
    tiles = folder_tiles(tmp_path)
    assert (tiles.bands, tiles.size, tiles.lat.size) == (("a", "b"), SIZE, 40)
    np.testing.assert_allclose(np.sort(tiles.lon), np.sort(places[:, 1]), atol=1e-6)
    np.testing.assert_allclose(tiles.climate, box_fractions(*tiles.edges.T))
    shown = [tiles.tiles(part, np.arange(tiles.count(part))) for part in SPLITS]
    for part in shown:
        from_utm = part.pixels.max(axis=(1, 2, 3)) > 1e5
        # 111 km a degree of latitude, to half a per cent
        np.testing.assert_allclose(part.pixels[from_utm].min(axis=(1, 2, 3)) / 111.0e3, part.lat[from_utm], rtol=5e-3)
        assert {*part.day[~from_utm]} <= {152.0}
        assert {*part.day[from_utm]} <= {*range(32, 60)}


def test_channels_of_other_names_are_refused_by_name(tmp_path):
    write(tmp_path / "a.tif", bands=("red", "green"))
    write(tmp_path / "b.tif")
    with pytest.raises(DataError, match="channels band 1, band 2 are mixed with tiles with red, green") as refusal:
        folder_tiles(tmp_path)
    assert "b.tif" in str(refusal.value)
    assert "same names" in refusal.value.remedy


def test_shapes_that_differ_are_refused_by_name(tmp_path):
    write(tmp_path / "a.tif")
    write(tmp_path / "b.tif", PICTURE[:1])
    with pytest.raises(DataError, match=r"1 × 8 × 8 are mixed with tiles of 2 × 8 × 8 .*b\.tif"):
        folder_tiles(tmp_path)


# --- what is no tile ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({"crs": None}, "no coordinate system"),
        ({"transform": Affine.identity()}, "no transform"),
        ({"crs": 'LOCAL_CS["site",UNIT["metre",1]]'}, "cannot be transformed to latitude and longitude"),
        ({"crs": "IAU_2015:30100"}, "cannot be transformed to latitude and longitude"),
        ({"crs": "EPSG:32633", "transform": north_up(1e12, 1e12, 10, 10)}, "cannot be transformed to latitude"),
        ({"transform": north_up(10.0, 5000.0, 0.1, 0.1)}, "no point on Earth"),
        ({"transform": north_up(10.0, 80.0, 6.0, 30.0)}, "the bounds are no box"),
        ({"pixels": PICTURE[:, :5]}, "cut them square"),
        ({"pixels": PICTURE.astype(np.complex64)}, "complex"),
        ({"nodata": 7.0, "pixels": np.full_like(PICTURE, 7.0)}, "no pixel has a value"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_rasters_that_are_no_tiles_are_refused_by_name(tmp_path, profile, message):
    write(tmp_path / "wrong.tif", **profile)
    with pytest.raises(DataError, match=message) as refusal:
        folder_tiles(tmp_path)
    assert "wrong.tif" in refusal.value.where
    assert "vsimem" not in str(refusal.value)


@pytest.mark.parametrize(("end", "message"), [(0, "no TIFF"), (100, "damaged"), (-100, "damaged")])
def test_damaged_files_are_refused_by_name(tmp_path, end, message):
    path = write(tmp_path / "wrong.tif")
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(DataError, match=message) as refusal:
        folder_tiles(tmp_path)
    assert "wrong.tif" in refusal.value.where
    assert "vsimem" not in str(refusal.value)


def test_several_pictures_in_a_file_are_refused(tmp_path):
    path = write(tmp_path / "wrong.tif")
    write(path, APPEND_SUBDATASET="YES")
    with pytest.raises(DataError, match="several images"):
        read(path)


# --- hostile files --------------------------------------------------------------------------------------------------


def test_a_name_or_content_that_leads_elsewhere_is_not_followed(tmp_path, monkeypatch):
    """GDAL would take the first for another file's name, follow the second, and believe what lies beside the third."""
    folder = tmp_path / "tiles"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write(folder / "secret.tif", PICTURE + 1000.0)
    virtual = f"<VRTDataset rasterXSize='8' rasterYSize='8'><SRS>EPSG:4326</SRS><VRTRasterBand dataType='Float32' \
band='1'><SimpleSource><SourceFilename>{tmp_path}/secret.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    write(folder / "own.tif").rename(folder / "GTIFF_DIR:1:secret.tif")
    np.testing.assert_array_equal(read(Path("GTIFF_DIR:1:secret.tif")).pixels, PICTURE)
    for path in folder.iterdir():
        path.rename(tmp_path / path.name)
    (folder / "virtual.tif").write_text(virtual)
    with pytest.raises(DataError, match="no TIFF"):
        folder_tiles(".")
    (folder / "virtual.tif").rename(folder / "virtual.vrt")
    with pytest.raises(DataError, match=r"there are no \.tif"):
        folder_tiles(".")
    write(folder / "tile.tif", crs=None)
    (folder / "tile.tif.aux.xml").write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    with pytest.raises(DataError, match="no coordinate system"):
        folder_tiles(".")


def test_a_small_file_of_a_huge_raster_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "bomb.tif"
    options = {"driver": "GTiff", "crs": "EPSG:4326", "transform": DEGREES, "dtype": "uint8", "tiled": True}
    with rasterio.open(path, "w", count=1, width=200_000, height=200_000, SPARSE_OK=True, **options) as raster:
        raster.update_tags(TIFFTAG_DATETIME="2020:03:01 10:11:12")
    assert path.stat().st_size < 20e6
    with pytest.raises(DataError, match=r"takes 160\.0 GB .*cut smaller tiles"):
        folder_tiles(tmp_path)


def test_all_kinds_of_files_have_one_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(tile_files, "_MAX_BYTES", 30_000)
    large = np.ones((1, 100, 100), np.float32)
    write(tmp_path / "a.tif", large)
    np.savez_compressed(tmp_path / "b.npz", pixels=large, lat=1.0, lon=2.0, day=3.0)
    coords = {"lat": 1 + 0.01 * np.arange(100), "lon": 0.01 * np.arange(100), "time": np.datetime64("2020-03-01")}
    xr.Dataset({"a": (("lat", "lon"), large[0])}, coords).to_netcdf(tmp_path / "c.nc")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(DataError, match="split it into several files") as refusal:
            _read(path)
        assert path.name in refusal.value.where


def test_rasterio_is_imported_only_when_a_geotiff_is_read(tmp_path):
    path = write(tmp_path / "t.tif")
    program = f"""
import json, sys
from pathlib import Path
import engine.data.tile_files
from engine.data.geotiff import read_geotiff
before = "rasterio" in sys.modules
read_geotiff(Path({str(path)!r}), print)
print(json.dumps([before, "rasterio" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [False, True]
