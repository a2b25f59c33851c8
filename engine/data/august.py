"""The sea-surface temperature of August 2012 that cartopy ships: real data without a download."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

import numpy as np
import xarray as xr

from engine.errors import DataError
from engine.typed import open_dataset

_FILE = "data/netcdf/HadISST1_SST_update.nc"


@cache
def august_sst() -> xr.DataArray:
    """Monthly mean sea-surface temperature (lat, lon) = (180, 360) float32 in °C, read from the cartopy package.

    Cell centres every degree: ``lat`` from 89.5 down to −89.5, ``lon`` from −179.5 to 179.5, both float64. A third is
    missing (NaN): land, and some sea under ice; other cells under ice hold the freezing point, −1.8 °C. The array is
    shared and read-only.

    Source: HadISST 1.1, Met Office Hadley Centre (Rayner et al. 2003, doi:10.1029/2002JD002670); its terms are in the
    file's attributes. Raises :class:`DataError` where cartopy lacks the file.
    """
    resource = files("cartopy") / _FILE
    try:
        with as_file(resource) as path, open_dataset(path, engine="netcdf4", decode_times=False) as dataset:
            values = np.array(dataset["sst"].values[0], np.float32)
            coords = {name: np.array(dataset[name].values, np.float64) for name in ("lat", "lon")}
            attrs = {name: dataset["sst"].attrs[name] for name in ("long_name", "standard_name", "units")}
    except OSError as error:
        raise DataError(
            f"the sea-surface temperature of August 2012 cannot be read: {error.strerror or error}",
            str(resource),
            "reinstall cartopy",
        ) from error
    values.setflags(write=False)
    return xr.DataArray(values, coords, dims=("lat", "lon"), name="sst", attrs=attrs)
