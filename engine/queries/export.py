"""What is handed over as a file: datasets as NetCDF, columns of numbers as CSV."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray


def netcdf_file(dataset: xr.Dataset) -> bytes:
    """A dataset as a CF NetCDF file that says where it comes from."""
    made = dataset.assign_attrs(Conventions="CF-1.11", source="Harmonia")
    with io.BytesIO() as content:
        made.to_netcdf(content, engine="h5netcdf")  # pyright: ignore[reportUnknownMemberType]
        return content.getvalue()


def csv_file(columns: Mapping[str, NDArray[np.float64]]) -> bytes:
    """Columns (N,) under their names as CSV, nine figures each."""
    rows = np.column_stack(list(columns.values()))
    lines = [",".join(columns), *(",".join(f"{value:.9g}" for value in row) for row in rows)]
    return ("\n".join(lines) + "\n").encode()
