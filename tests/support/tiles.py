"""Tiles in files, as a user brings them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from engine.data.tiles import split_of_boxes


def split_of_points(lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int, tile_deg: float = 0.0) -> NDArray[np.uint8]:
    """The split of the block that contains each point; the arguments broadcast."""
    return split_of_boxes(lat_deg, lat_deg, lon_deg, lon_deg, seed, tile_deg)


def write_tiles(folder: Path, count: int = 60) -> None:
    """Half of the tiles in one .npz, the others in a NetCDF file each."""
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(-60, 60, count), rng.uniform(-180, 180, count)
    pixels = (lat[:, None, None, None] + rng.normal(size=(count, 2, 8, 8))).astype(np.float32)
    half = count // 2
    np.savez(
        folder / "many.npz",
        pixels=pixels[:half],
        lat=lat[:half],
        lon=lon[:half],
        day=np.arange(half) + 1,
        bands=["a", "b"],
    )
    offsets = (np.arange(8) - 3.5) * 0.01
    for index in range(half, count):
        coords = {"lat": lat[index] + offsets, "lon": lon[index] + offsets, "time": np.datetime64("2020-03-01")}
        variables = {name: (("lat", "lon"), pixels[index, b, ::-1]) for b, name in enumerate("ab")}
        xr.Dataset(variables, coords).to_netcdf(folder / f"tile{index}.nc")
