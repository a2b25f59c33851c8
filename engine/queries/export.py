"""Exported files with their provenance: datasets as NetCDF, columns as CSV and Parquet, arrays as npz."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
import xarray as xr
from numpy.typing import NDArray

from engine.provenance import Provenance
from engine.sphere.cf import name_missing_values
from engine.typed import write_parquet


def netcdf_file(dataset: xr.Dataset, origin: Provenance) -> bytes:
    """A dataset as a CF NetCDF file with its provenance as global attributes."""
    dataset = dataset.assign_attrs({"Conventions": "CF-1.11", **origin.attributes()})
    name_missing_values(dataset)
    with io.BytesIO() as content:
        dataset.to_netcdf(content, engine="h5netcdf")  # pyright: ignore[reportUnknownMemberType]
        return content.getvalue()


def csv_file(columns: Mapping[str, NDArray[Any] | Sequence[Any]], origin: Provenance, missing: str = "nan") -> bytes:
    """Columns (N,) by name as CSV: numbers with the digits that read back exactly, NaN as ``missing``.

    Above the header, each line that starts with ``#`` has a key and a value of the provenance.
    """
    frame: Any = pd.DataFrame(dict(columns))
    head = "".join(f"# {key}: {_one_line(value)}\n" for key, value in origin.attributes().items())
    return (head + frame.to_csv(index=False, na_rep=missing, lineterminator="\n")).encode()


def npz_file(arrays: Mapping[str, NDArray[Any]], origin: Provenance) -> bytes:
    """Arrays as an ``.npz`` without pickles, with the provenance as the JSON text ``provenance``."""
    with io.BytesIO() as content:
        np.savez(content, allow_pickle=False, provenance=np.array(origin.text()), **arrays)
        return content.getvalue()


def parquet_file(columns: Mapping[str, NDArray[Any]], origin: Provenance) -> bytes:
    """Columns by name as Parquet, (N,) as numbers and (N, D) as lists of D; the provenance is the file's metadata."""
    attributes = {key: str(value) for key, value in origin.attributes().items()}
    return write_parquet(columns, attributes)


def _one_line(value: object) -> str:
    return " ".join(str(value).splitlines())
