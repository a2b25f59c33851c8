"""The task ``land``: the land mask of a global grid, drawn band by band."""

from __future__ import annotations

import zlib

import numpy as np

from engine.config import LandSettings
from engine.data.land import draw_rows
from engine.runs.context import RunContext
from engine.typed import Ints


def draw_land(settings: LandSettings, run: RunContext) -> None:
    """Draw the land mask of a global grid from the coastline, band by band, with a checkpoint after each.

    Rows go from south to north, columns from −180° east, cell centres as ``LatLonGrid.regular``. The result is
    ``land.npz``: ``bits`` (H, W/8 rounded up) uint8, one bit a cell (``numpy.unpackbits`` along axis 1, ``count`` = W),
    ``shape`` (2,) = (H, W), ``step_deg``, and ``crc32`` of the bits. Metrics: ``land_percent`` of the area so far.
    """
    rows = round(180.0 / settings.step_deg)
    step = 180.0 / rows
    lat = step * (np.arange(rows, dtype=np.float64) + 0.5) - 90.0
    lon = step * (np.arange(2 * rows, dtype=np.float64) + 0.5) - 180.0
    weight = np.cos(np.radians(lat))

    bands: list[bytes] = []  # deflated, so that a checkpoint is hundreds of times smaller than the mask
    drawn, land_area = 0, 0.0
    if kept := run.restore():
        drawn, land_area = kept.metadata["rows"], kept.metadata["land_area"]
        bands = _split(kept.arrays["bands"].tobytes(), kept.arrays["lengths"])

    while drawn < rows:
        band = slice(drawn, min(drawn + settings.rows_per_band, rows))
        mask = draw_rows(lat[band], lon, settings.resolution)
        bands.append(zlib.compress(np.packbits(mask, axis=1).tobytes(), level=1))
        drawn = band.stop
        land_area += float(weight[band] @ mask.mean(axis=1))
        run.report({"land_percent": 100.0 * land_area / float(weight[:drawn].sum())}, drawn / rows)
        lengths = np.array([len(part) for part in bands], np.int64)
        arrays = {"bands": np.frombuffer(b"".join(bands), np.uint8), "lengths": lengths}
        run.checkpoint(arrays, {"rows": drawn, "land_area": land_area})

    bits = b"".join(zlib.decompress(part) for part in bands)
    run.save(
        run.files.land,
        bits=np.frombuffer(bits, np.uint8).reshape(rows, -1),
        shape=np.array([rows, 2 * rows]),
        step_deg=step,
        crc32=zlib.crc32(bits),
    )


def _split(joined: bytes, lengths: Ints) -> list[bytes]:
    ends = np.cumsum(lengths)
    return [joined[start:end] for start, end in zip(ends - lengths, ends, strict=True)]
