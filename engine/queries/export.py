"""Files for download: datasets as NetCDF, columns as CSV."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
import xarray as xr
from numpy.typing import NDArray


def lat_lon_coords(lat_deg: NDArray[Any], lon_deg: NDArray[Any]) -> dict[str, tuple[str, NDArray[Any], dict[str, str]]]:
    """The coordinates ``lat`` (H,) and ``lon`` (W,) of a CF dataset."""
    return {
        "lat": ("lat", lat_deg, {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": ("lon", lon_deg, {"standard_name": "longitude", "units": "degrees_east"}),
    }


def netcdf_file(dataset: xr.Dataset) -> bytes:
    """A dataset as a CF NetCDF file that names its source."""
    dataset = dataset.assign_attrs(Conventions="CF-1.11", source="Harmonia")
    with io.BytesIO() as content:
        dataset.to_netcdf(content, engine="h5netcdf")  # pyright: ignore[reportUnknownMemberType]
        return content.getvalue()


def csv_file(columns: Mapping[str, NDArray[Any] | Sequence[Any]], missing: str = "nan") -> bytes:
    """Columns (N,) by name as CSV: numbers with the digits that read back exactly, NaN as ``missing``."""
    frame: Any = pd.DataFrame(dict(columns))
    return frame.to_csv(index=False, na_rep=missing, lineterminator="\n").encode()
