"""Embeddings computed elsewhere: three formats read alike, and what is wrong with them said in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from engine.embedding.imported import read_embedding
from engine.errors import DataError

random = np.random.default_rng(0)
LAT, LON = random.uniform(-90, 90, 40), random.uniform(-180, 180, 40)
VALUES = random.standard_normal((40, 6))


@pytest.mark.parametrize("kind", ["npz", "nc", "columns.parquet", "lists.parquet"])
def test_every_format_is_read_alike(tmp_path, kind: str) -> None:
    path = tmp_path / f"embedding.{kind}"
    if kind == "npz":
        np.savez(path, lat=LAT, lon=LON + 360.0, embedding=VALUES)
    elif kind == "nc":
        points = {"latitude": ("point", LAT), "longitude": ("point", LON), "vectors": (("number", "point"), VALUES.T)}
        xr.Dataset(points).to_netcdf(path)
    elif kind == "columns.parquet":
        numbers = {f"e{index}": VALUES[:, index] for index in range(6)}
        pd.DataFrame({"lat": LAT, "lng": LON, "name": "place", **numbers}).to_parquet(path)
    else:
        pd.DataFrame({"lat": LAT, "lon": LON, "embedding": list(VALUES)}).to_parquet(path)
    known = read_embedding(path)
    np.testing.assert_allclose(known.values, VALUES)
    np.testing.assert_allclose(known.lat, LAT)
    np.testing.assert_allclose(known.lon, LON)
    assert known.notes == ()


def test_a_grid_becomes_points(tmp_path) -> None:
    lat, lon = np.array([-45.0, 45.0]), np.array([-90.0, 0.0, 90.0])
    values = random.standard_normal((2, 3, 4))
    field = xr.DataArray(np.moveaxis(values, -1, 0), {"lat": lat, "lon": lon}, ("k", "lat", "lon"), "embedding")
    field.to_dataset().to_netcdf(tmp_path / "grid.nc")
    known = read_embedding(tmp_path / "grid.nc")
    np.testing.assert_allclose(known.values, values.reshape(6, 4))
    np.testing.assert_allclose(known.lat, [-45.0] * 3 + [45.0] * 3)


def test_what_cannot_be_used_is_left_out_and_named(tmp_path) -> None:
    lat, lon, values = LAT.copy(), LON.copy(), VALUES.copy()
    values[3, 2] = np.nan
    values[:, 5] = 7.0
    lat[8], lon[8] = lat[7], lon[7] + 360.0
    np.savez(tmp_path / "e.npz", lat=lat, lon=lon, embedding=values)
    known = read_embedding(tmp_path / "e.npz")
    assert known.values.shape == (38, 5)
    assert known.notes == (
        "1 of 40 rows were left out: they hold NaN or infinity",
        "1 rows were left out: their place stands in the file before",
        "1 of 6 columns were left out: they are constant",
    )


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"lat": LAT, "lon": LON}, "it has no 'embedding', but lat, lon"),
        ({"lat": LAT[:39], "lon": LON[:39], "embedding": VALUES}, "39 latitudes and 39 longitudes stand beside"),
        ({"lat": LAT + 90.0, "lon": LON, "embedding": VALUES}, "not on the sphere"),
        ({"lat": LAT, "lon": LON, "embedding": np.full((40, 2), np.nan)}, "nothing is left: 40 of 40 rows"),
        ({"lat": LAT, "lon": LON, "embedding": np.ones((40, 2))}, "nothing is left: 2 of 2 columns"),
        ({"lat": LAT[:4], "lon": LON[:4], "embedding": VALUES[:4]}, "6 numbers for 4 places"),
    ],
)
def test_what_is_no_embedding_is_refused_in_words(tmp_path, arrays, problem: str) -> None:
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(DataError) as refusal:
        read_embedding(tmp_path / "e.npz")
    assert problem in str(refusal.value)


def test_other_files_are_refused(tmp_path) -> None:
    with pytest.raises(DataError, match=r"write \.nc, \.npz, \.parquet"):
        read_embedding(tmp_path / "e.csv")
    with pytest.raises(DataError, match="no such file"):
        read_embedding(tmp_path / "e.nc")
    (tmp_path / "e.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        read_embedding(tmp_path / "e.parquet")
