"""The packets in which fields travel to the globe.

Wire format of all data, little-endian: ``uint32`` length of the header, the header as JSON, padded with blanks so that
the payload starts at a multiple of 8 bytes, the payload. Shape and registration travel with the data because two
parameters arrive as two events, and a field drawn with the other one's shape is a striped globe.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.errors import ChoiceError, GridError

_MISSING_CODE = 65535  # the uint16 code that stands for "no value"; scene.js knows it too


@dataclass(frozen=True)
class Axes:
    """Where the samples of a regular grid lie: ``lat = lat0 + i·dlat``, ``lon = lon0 + j·dlon``, in degrees.

    Holds for cell centres and for grid points alike: a sample is drawn exactly where it lies. ``periodic`` says that
    the columns close the circle, the last one being a neighbour of the first.
    """

    lat0: float
    dlat: float
    lon0: float
    dlon: float
    periodic: bool

    @classmethod
    def of(cls, lat_deg: np.ndarray, lon_deg: np.ndarray) -> Axes:
        """The axes of coordinates (H,) degrees north and (W,) degrees east, either direction, at least two of each.

        Raises:
            GridError: A coordinate lies more than a thousandth of a step (float32 rounding) from where it should.
        """
        lat0, dlat = _regular(np.asarray(lat_deg, float), "latitude")
        lon0, dlon = _regular(np.asarray(lon_deg, float), "longitude")
        circle = np.sign(dlon) * 360.0 / len(lon_deg)
        periodic = abs(circle - dlon) * len(lon_deg) <= 2e-3 * abs(dlon)
        return cls(lat0, dlat, lon0, float(circle) if periodic else dlon, bool(periodic))


def _regular(values: np.ndarray, name: str) -> tuple[float, float]:
    if len(values) < 2:
        raise GridError(f"{len(values)} {name} is no axis to draw on", "the field's grid", "give at least two")
    step = (values[-1] - values[0]) / (len(values) - 1)
    off = np.abs(values - (values[0] + step * np.arange(len(values)))).max()
    if step == 0.0 or not off <= 1e-3 * abs(step):
        raise GridError(
            f"the {name}s are not evenly spaced (off by {off:.3g}°)", "the field's grid", "interpolate to even steps"
        )
    return float(values[0]), float(step)


def packet(payload: bytes, **header: Any) -> bytes:
    """A payload with its header."""
    text = json.dumps(header).encode()
    text += b" " * (-(4 + len(text)) % 8)
    return struct.pack("<I", len(text)) + text + payload


def _grid_packet(kind: str, payload: bytes, axes: Axes, shape: tuple[int, ...], **header: Any) -> bytes:
    return packet(payload, kind=kind, height=shape[0], width=shape[1], **asdict(axes), **header)


def pack_field(values: np.ndarray, axes: Axes, key: str = "") -> bytes:
    """A field (lat, lon) as 16-bit codes, ``value = offset + scale·code``; not finite = missing.

    The error is at most half a step of the field's own range, range/131068: finer than the 256 colours, and than
    float16 wherever a field does not start at zero. ``key`` names the field; the widget shows it as ``data-key`` once
    the field is drawn.
    """
    present = np.isfinite(values)
    low, high = (float(values[present].min()), float(values[present].max())) if present.any() else (0.0, 0.0)
    scale = (high - low) / (_MISSING_CODE - 1)
    codes = np.full(values.shape, _MISSING_CODE, "<u2")
    codes[present] = np.rint((values[present] - low) / scale) if scale else 0
    return _grid_packet("codes", codes.tobytes(), axes, codes.shape, key=key, scale=scale, offset=low)


def pack_harmonics(
    lat_table: np.ndarray,
    orders: np.ndarray,
    width: int,
    axes: Axes,
    key: str = "",
    at: Mapping[str, int] | None = None,
) -> bytes:
    """A sum of harmonics as what is left of it: one column a wave, ``field (H, W) = lat_table (H, R) @ waves (R, W)``.

    The waves, cos mλ or sin |m|λ for m < 0, are known from their ``orders (R,)`` and the axes, so the browser makes
    them and multiplies: a harmonic on 721×1440 points travels in 3 kB instead of 2 MB.
    ``at`` says what the field is of, by the names of the controls, where the browser can draw the next one by itself
    (:func:`pack_synthesis`).

    Raises:
        ChoiceError: There is not one order a column.
    """
    if lat_table.shape[1] != len(orders):
        raise ChoiceError(
            f"{lat_table.shape[1]} latitude columns do not meet {len(orders)} orders",
            "the harmonics of a field",
            "give (H, R) and (R,)",
        )
    payload = np.asarray(lat_table, "<f4").tobytes()
    shape = (lat_table.shape[0], width)
    waves = {"rank": len(orders), "orders": [int(m) for m in orders], "at": dict(at or {})}
    return _grid_packet("harmonics", payload, axes, shape, key=key, **waves)


def pack_synthesis(axes: Axes, shape: tuple[int, int], name: str, coefficients: np.ndarray | None = None) -> bytes:
    """What the browser needs to draw a function by itself, in the frame in which a control moves.

    Without ``coefficients`` the real harmonic of the controls ``degree`` and ``order``. With them, (K, D) float32 in
    the order of :mod:`engine.sphere`, the sum of harmonics whose row the control ``component`` names, from 1. ``name``
    is the key of a field, with the names of the controls in braces: ``"harmonic-l{degree}-m{order}"``. The grid has the
    rows and columns ``shape``.
    """
    if coefficients is None:
        return _grid_packet("synthesis", b"", axes, shape, of="harmonic", name=name)
    count, size = coefficients.shape
    payload = np.asarray(coefficients, "<f4").tobytes()
    degree = round(size**0.5) - 1
    return _grid_packet("synthesis", payload, axes, shape, of="components", name=name, count=count, maxDegree=degree)


def pack_colours(rgb: np.ndarray, axes: Axes, key: str = "", missing: np.ndarray | None = None) -> bytes:
    """Colours (lat, lon, 3) of uint8 that are drawn as they are, between samples as their mean in red, green and blue.

    Neither colour map nor range applies, and there is no value to read out. ``missing (lat, lon)``, True where there is
    no colour. Four bytes a cell: red, green, blue and 255, or four zeros.

    Raises:
        ChoiceError: The colours are not (H, W, 3) of uint8, or ``missing`` is not (H, W).
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ChoiceError(
            f"{rgb.shape} of {rgb.dtype} are no colours", "the colours of a field", "give (H, W, 3) of uint8, 0 to 255"
        )
    if missing is not None and missing.shape != rgb.shape[:2]:
        raise ChoiceError(
            f"missing cells of {missing.shape} do not meet colours of {rgb.shape[:2]}",
            "the colours of a field",
            "give one flag a cell",
        )
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    if missing is not None:
        rgba[np.asarray(missing, bool)] = 0
    return _grid_packet("colours", rgba.tobytes(), axes, rgb.shape[:2], key=key)


def stamped(packed: bytes, **fields: Any) -> bytes:
    """A packet with more fields in its header; an empty one stays empty."""
    if not packed:
        return packed
    (length,) = struct.unpack_from("<I", packed)
    return packet(packed[4 + length :], **json.loads(packed[4 : 4 + length]), **fields)


def pack_reference(**fields: Any) -> bytes:
    """The card ``index`` of the deck, in place of a field that the browser has already."""
    return packet(b"", kind="card", **fields)


def pack_mask(mask: np.ndarray, axes: Axes) -> bytes:
    """A domain (lat, lon), True = belongs to it, one byte a cell; its border is drawn midway between cell centres."""
    return _grid_packet("mask", np.asarray(mask, np.uint8).tobytes(), axes, mask.shape)
