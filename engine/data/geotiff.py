"""Read one tile from a GeoTIFF: its channels, centre, bounds and date.

Bands are channels, named by their descriptions, with scale and offset applied. Pixels of the nodata value, the mask and
the alpha band are missing; the alpha band is no channel. Many writers mark four bands of bytes as red, green, blue and
alpha whatever the fourth holds: it is read as alpha only if all of it is transparent or opaque.

The centre is that of the raster, transformed to WGS84 from any coordinate system; the image is rotated by quarter
turns, and flipped where it is mirrored, until north is up. The date is the first YYYYMMDD or YYYY-MM-DD in the file's
name, else
TIFFTAG_DATETIME: many programs write the time of processing into that tag.

GDAL gets the bytes instead of the name, and only its GeoTIFF driver, so that it cannot open other files or addresses.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.data.tiles import Pixels
from engine.errors import DataError
from engine.formats.limits import check_memory
from engine.typed import Floats

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # TIFF and BigTIFF, of either byte order
_ALONG_EDGE = 32  # points of the outline along each edge; even, to include the midpoint
_CELL_BYTES = 24  # of a cell beside its raw value: float64 twice, float32, masks
_DECIMALS = 9  # of a degree: 0.1 mm
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-:]?)(\d\d)\2(\d\d)(?!\d)")


class GeoTiff(NamedTuple):
    """A tile: ``pixels`` (C, h, w) float32, rows from north to south, NaN = missing; ``bands`` (C,) their names.

    ``lat`` and ``lon`` of the centre and ``edges`` (4,), south, north, west and east of the area, in degrees; east >
    west. An area that contains a pole spans all longitudes.
    """

    pixels: Pixels
    bands: tuple[str, ...]
    lat: float
    lon: float
    edges: Floats
    date: date


def read_geotiff(path: Path, check_size: Callable[[int], None]) -> GeoTiff:
    """The tile of a file. ``check_size`` is called with the number of bytes before they are read, and may raise.

    Raises :class:`DataError` for a file that is damaged, or has no coordinate system, no location or no date.
    """
    rasterio = _rasterio()
    check_size(path.stat().st_size)
    content = path.read_bytes()
    if not content.startswith(_SIGNATURES):
        raise DataError("it is no TIFF", "its first bytes", "write it again as GeoTIFF, or leave it out")
    try:
        with warnings.catch_warnings(), rasterio.MemoryFile(content) as memory:
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)  # reported by _outline
            with memory.open(driver="GTiff") as raster:
                return _read(raster, path.stem, check_size)
    except rasterio.errors.RasterioIOError as error:
        raise DataError(
            "it is damaged or cut off", "reading its pixels", "copy or write it again, or leave it out"
        ) from error


def _rasterio() -> Any:
    """The package rasterio, imported on use because it is slow to import."""
    import rasterio  # pyright: ignore[reportMissingTypeStubs]
    import rasterio.warp  # pyright: ignore[reportMissingTypeStubs, reportUnusedImport]

    return rasterio


def _read(raster: Any, name: str, check_size: Callable[[int], None]) -> GeoTiff:
    if raster.subdatasets:
        raise DataError("it holds several images", "its pages", "write each to a file of its own")
    day = _date_in(name) or _date_in(raster.tags().get("TIFFTAG_DATETIME", ""))
    if day is None:
        raise DataError(
            "it has no date", "its name and TIFFTAG_DATETIME", "name it as in tile_2020-03-01.tif, or set the tag"
        )
    lat, lon = _outline(raster)
    cells = max(height * width for height, width in (raster.shape, *raster.block_shapes))
    check_size(raster.count * cells * np.dtype(np.float32).itemsize)
    check_memory(
        raster.count * cells * (max(np.dtype(kind).itemsize for kind in raster.dtypes) + _CELL_BYTES),
        "its raster", "its size", "cut smaller tiles",
    )  # fmt: skip
    pixels, bands = _channels(raster)
    if raster.transform.determinant > 0.0:  # rows go up: mirrored
        top, right, bottom, left = _middles(lat)
        pixels, middles = pixels[:, ::-1], (bottom, right, top, left)
    else:
        middles = _middles(lat)
    pixels = np.rot90(pixels, int(np.argmax(middles)), axes=(1, 2))
    return GeoTiff(pixels, bands, float(lat[-1]), float(lon[-1]), _edges(lat, lon), day)


def _channels(raster: Any) -> tuple[Pixels, tuple[str, ...]]:
    """Channels (C, h, w), NaN = missing, and their names."""
    enums = _rasterio().enums
    values: NDArray[Any] = raster.read()
    if np.iscomplexobj(values):
        raise DataError("its numbers are complex", "its bands", "write their magnitude or components as real numbers")
    by_alpha = any(enums.MaskFlags.alpha in flags for flags in raster.mask_flag_enums)
    valid = np.ones(values.shape, bool) if by_alpha else raster.read_masks() > 0
    kept = list(range(raster.count))
    for index, meaning in enumerate(raster.colorinterp):
        if meaning == enums.ColorInterp.alpha and _is_mask(values[index]):
            valid &= values[index] > 0
            kept.remove(index)
    scales, offsets = (np.array(numbers)[kept, None, None] for numbers in (raster.scales, raster.offsets))
    pixels = np.where(valid[kept], values[kept] * scales + offsets, np.nan).astype(np.float32)
    return pixels, tuple(raster.descriptions[index] or f"band {index + 1}" for index in kept)


def _is_mask(alpha: NDArray[Any]) -> bool:
    opaque = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1.0
    return bool((alpha == opaque).any() and ((alpha == opaque) | (alpha == 0)).all())


def _outline(raster: Any) -> tuple[Floats, Floats]:
    """Latitude and longitude, degrees, along the top, right, bottom and left edge, clockwise, and of the centre."""
    crs, transform = raster.crs, raster.transform
    if not crs or transform.is_identity or transform.is_degenerate:
        lacks = "transform" if crs else "coordinate system"
        raise DataError(f"it has no {lacks}", "its GeoTIFF tags", "write it again with its georeference")
    along, zero = np.arange(_ALONG_EDGE) / _ALONG_EDGE, np.zeros(_ALONG_EDGE)
    columns = np.concatenate((along, zero + 1.0, 1.0 - along, zero, [0.5])) * raster.width
    rows = np.concatenate((zero, along, zero + 1.0, 1.0 - along, [0.5])) * raster.height
    x, y = (
        transform.a * columns + transform.b * rows + transform.c,
        transform.d * columns + transform.e * rows + transform.f,
    )
    try:
        lon, lat = np.array(_rasterio().warp.transform(crs, "EPSG:4326", x.tolist(), y.tolist())[:2], np.float64)
    except Exception as error:  # GDAL's errors have no public base
        raise _no_location(crs) from error
    if not (crs.is_geographic or crs.is_projected) or not np.isfinite((lat, lon)).all():
        raise _no_location(crs)
    return lat.round(_DECIMALS), lon.round(_DECIMALS)


def _no_location(crs: Any) -> DataError:
    name = re.sub(r"\s+", " ", crs.to_string())[:60]
    return DataError(
        "its location cannot be transformed to latitude and longitude",
        name,
        "write it again in another coordinate system",
    )


def _middles(lat: Floats) -> tuple[float, ...]:
    """Latitudes of the midpoints of the top, right, bottom and left edge."""
    return tuple(float(value) for value in lat[_ALONG_EDGE // 2 : -1 : _ALONG_EDGE])


def _edges(lat: Floats, lon: Floats) -> Floats:
    around = np.unwrap(np.append(lon[:-1], lon[0]), period=360.0)
    south, north = lat.min(), lat.max()
    if abs(around[-1] - around[0]) < 180.0:
        return np.array((south, north, around.min(), around.max()))
    # the outline encloses a pole
    return np.array((south, 90.0, -180.0, 180.0) if lat[-1] > 0.0 else (-90.0, north, -180.0, 180.0))


def _date_in(text: str) -> date | None:
    """The first date in the text."""
    for year, _, month, day in _DATE.findall(text):
        try:
            return date(int(year), int(month), int(day))
        except ValueError:
            continue
    return None
