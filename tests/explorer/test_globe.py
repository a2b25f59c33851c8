"""What the globe sends over the wire, read back as the browser reads it."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ChoiceError, GridError
from explorer.widgets import (
    Axes,
    ColorScale,
    Globe,
    HoverReadout,
    colormap_bytes,
    pack_colours,
    pack_field,
    pack_harmonics,
    pack_mask,
)

CELLS = Axes(-89.5, 1.0, -179.5, 1.0, True)


def unpack(packet: bytes) -> tuple[dict, bytes]:
    (length,) = struct.unpack_from("<I", packet)
    assert (4 + length) % 8 == 0  # typed arrays in the browser must start on their own size
    return json.loads(packet[4 : 4 + length]), packet[4 + length :]


def values_of(packet: bytes) -> np.ndarray:
    header, payload = unpack(packet)
    codes = np.frombuffer(payload, "<u2").reshape(header["height"], header["width"]).astype(float)
    return np.where(codes == 65535, np.nan, header["offset"] + header["scale"] * codes)


@given(low=st.floats(-1e9, 1e9), span=st.floats(1e-3, 1e9), seed=st.integers(0, 2**32 - 1))
def test_field_is_right_to_half_a_step(low: float, span: float, seed: int) -> None:
    field = low + span * np.random.default_rng(seed).random((5, 7))
    field[2, 3] = np.nan
    field[4, 0] = np.inf
    back = values_of(pack_field(field, CELLS))
    present = np.isfinite(field)
    assert np.array_equal(np.isfinite(back), present)
    step = np.ptp(field[present]) / 65534
    assert np.abs(back - field)[present].max() <= 0.5001 * step + 1e-15 * abs(low)


@pytest.mark.parametrize(("value", "expected"), [(3.5, 3.5), (np.nan, np.nan)])
def test_flat_and_empty_fields(value: float, expected: float) -> None:
    np.testing.assert_array_equal(values_of(pack_field(np.full((2, 3), value), CELLS)), np.full((2, 3), expected))


def test_field_header() -> None:
    header, payload = unpack(pack_field(np.zeros((3, 4), np.float32), CELLS, key="8,5"))
    assert {name: header[name] for name in ("kind", "key", "height", "width")} == {
        "kind": "codes", "key": "8,5", "height": 3, "width": 4,
    }  # fmt: skip
    assert [header[name] for name in ("lat0", "dlat", "lon0", "dlon", "periodic")] == [-89.5, 1.0, -179.5, 1.0, True]
    assert len(payload) == 24


def test_harmonics_travel_as_latitude_columns_and_orders() -> None:
    lat_table = np.arange(6.0).reshape(3, 2)
    header, payload = unpack(pack_harmonics(lat_table, np.array([-1, 4]), 4, CELLS))
    assert (header["height"], header["rank"], header["width"], header["orders"]) == (3, 2, 4, [-1, 4])
    np.testing.assert_array_equal(np.frombuffer(payload, "<f4").reshape(3, 2), lat_table)


def test_a_quarter_degree_harmonic_is_small() -> None:
    assert len(pack_harmonics(np.zeros((721, 1)), np.array([7]), 1440, CELLS)) < 3200  # 2 MB as a dense field


def test_columns_and_orders_that_do_not_meet() -> None:
    with pytest.raises(ChoiceError, match="2 latitude columns do not meet 3 orders"):
        pack_harmonics(np.zeros((4, 2)), np.arange(3), 5, CELLS)


def test_colours_are_four_bytes_a_cell() -> None:
    rgb = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    header, payload = unpack(pack_colours(rgb, CELLS, key="pc"))
    assert (header["kind"], header["key"], header["height"], header["width"]) == ("colours", "pc", 2, 2)
    assert (header["lat0"], header["periodic"]) == (-89.5, True)
    rgba = np.frombuffer(payload, np.uint8).reshape(2, 2, 4)
    np.testing.assert_array_equal(rgba[..., :3], rgb)
    assert (rgba[..., 3] == 255).all()


@pytest.mark.parametrize("kind", [bool, np.uint8])
def test_missing_colours_are_zeros(kind: type) -> None:
    missing = np.array([[0, 1], [0, 0]], kind)
    payload = unpack(pack_colours(np.full((2, 2, 3), 9, np.uint8), CELLS, missing=missing))[1]
    present = b"\x09\x09\x09\xff"
    assert payload == present + bytes(4) + present * 2


@pytest.mark.parametrize(
    ("rgb", "missing", "sentence"),
    [
        (np.zeros((2, 2, 3)), None, r"\(2, 2, 3\) of float64 are no colours"),
        (np.zeros((2, 2, 4), np.uint8), None, r"\(2, 2, 4\) of uint8 are no colours"),
        (np.zeros((2, 2), np.uint8), None, r"\(2, 2\) of uint8 are no colours"),
        (np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3), bool), r"missing cells of \(2, 3\) do not meet"),
    ],
)
def test_colours_that_are_none(rgb: np.ndarray, missing: np.ndarray | None, sentence: str) -> None:
    with pytest.raises(ChoiceError, match=sentence):
        pack_colours(rgb, CELLS, missing=missing)


def test_mask_is_one_byte_a_cell() -> None:
    header, payload = unpack(pack_mask(np.array([[True, False], [False, True]]), CELLS))
    assert header["kind"] == "mask"
    assert payload == b"\x01\x00\x00\x01"


@pytest.mark.parametrize(
    ("lat", "lon", "periodic"),
    [
        (np.linspace(-90, 90, 721), np.arange(1440) * 0.25 - 180, True),
        (np.arange(89.5, -90, -1), np.arange(0.5, 360), True),
        (np.arange(30, 60, 0.5), np.arange(-20, 10, 0.5), False),
        (np.linspace(-90, 90, 19), np.linspace(-180, 180, 37), False),  # the date line twice: no neighbour is missing
        (np.linspace(-89.95, 89.95, 1800).astype("f4"), (np.arange(3600) * 0.1).astype("f4"), True),
    ],
)
def test_axes_of_coordinates(lat: np.ndarray, lon: np.ndarray, periodic: bool) -> None:
    axes = Axes.of(lat, lon)
    np.testing.assert_allclose(axes.lat0 + axes.dlat * np.arange(len(lat)), lat, atol=2e-5)
    np.testing.assert_allclose(axes.lon0 + axes.dlon * np.arange(len(lon)), lon, atol=2e-4)
    assert axes.periodic is periodic


@pytest.mark.parametrize("lat", [[0.0], [0.0, 1.0, 3.0], [2.0, 2.0], [0.0, np.nan, 2.0]])
def test_axes_that_cannot_be_drawn(lat: list[float]) -> None:
    with pytest.raises(GridError, match="latitude"):
        Axes.of(np.array(lat), np.arange(4.0))


def test_colormap_is_256_colours() -> None:
    table = np.frombuffer(colormap_bytes("balance"), np.uint8).reshape(256, 3).astype(int)
    assert table[127:129].min() > 200  # pale in the middle
    assert table[0, 2] > table[0, 0]  # blue below
    assert table[255, 0] > table[255, 2]  # red above


def test_colormap_that_does_not_exist() -> None:
    with pytest.raises(ChoiceError, match="no colour map 'jet'"):
        colormap_bytes("jet")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((-1.0, 3.0, False), (-1.0, 3.0)),
        ((-1.0, 3.0, True), (-3.0, 3.0)),
        ((2.0, 2.0, False), (2.0, 3.0)),
        ((0.0, 0.0, True), (0.0, 1.0)),
    ],
)
def test_range(arguments: tuple[float, float, bool], expected: tuple[float, float]) -> None:
    globe = Globe()
    globe.use_range(*arguments)
    assert (globe.vmin, globe.vmax) == expected


def test_the_coast_comes_with_its_meaning_and_only_once() -> None:
    header, payload = unpack(Globe().coast_image)
    assert payload.startswith(b"\x89PNG")
    assert {"zero", "levels_per_degree"} <= set(header)
    assert Globe(leader="main").coast_image == b""


@pytest.mark.parametrize("component", [Globe, ColorScale, HoverReadout])
def test_components_ask_no_other_host(component: type) -> None:
    assert "import " not in component._esm
    assert "http" not in component._esm


def test_the_browser_has_nothing_to_translate_and_loads_a_code_once() -> None:
    globe, other, bar = (part.get_root() for part in (Globe(), Globe(), ColorScale()))
    assert globe.bundle == other.bundle
    assert {globe.bundle, bar.bundle}.isdisjoint({None, "url"})
    assert globe.bundle != bar.bundle
