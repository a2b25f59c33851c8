"""Reconstructed months as CF datasets, and as NetCDF or Zarr written month by month."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.config.run_config import RunConfig
from engine.data.cf import ancillary_attributes, mean_method, spelled, value_attributes
from engine.data.kinds import VariableKind
from engine.data.source import MonthlyData, SSTSource, understood_details
from engine.errors import ChoiceError
from engine.files import write_error
from engine.provenance import Detail, Provenance
from engine.sphere.cf import BOUNDS, DAYS, Variables, cf_grid, name_missing_values
from engine.training.sst.model_bundle import ModelBundle
from engine.training.sst.tiled_prediction import ice_mask
from engine.typed import Mask, Singles

_DIMS = ("time", "lat", "lon")


def month_dataset(
    data: MonthlyData, mean: Singles, std: Singles | None, is_climatology: Mask, origin: Provenance
) -> xr.Dataset:
    """Reconstructed months (N, lat, lon) as a dataset after the CF conventions 1.11.

    ``sst`` °C, or the name and unit of another kind of variable, NaN on land; ``sst_std`` K, where it is predicted, NaN
    where ``sst`` is the climatology; ``num_observations`` days; ``ice``, for a sea-surface temperature, 1 where it is
    that below ice (:func:`engine.training.sst.tiled_prediction.ice_mask`); ``from_climatology``, 1 where nothing was
    observed far around, so that ``sst`` is the climatology; ``time``, the first day of the month, with
    ``time_bounds``; ``lat`` and ``lon``, degrees, with their bounds. The attributes are those of ``origin``
    (:func:`origin_of`).
    """
    starts = [_start(year, month) for year, month in zip(data.years, data.months, strict=True)]
    ends = [_start(year + month // 12, month % 12 + 1) for year, month in zip(data.years, data.months, strict=True)]
    observed = np.isfinite(data.daily).sum(axis=1, dtype=np.int16)
    variable = data.variable
    name, ice = variable.name, ["ice"] if variable.has_ice else []
    beside = ["num_observations", *ice, "from_climatology", *([] if std is None else [f"{name}_std"])]
    attrs = value_attributes(variable) | {
        "long_name": f"Reconstructed monthly mean {spelled(variable)}",
        "cell_methods": mean_method(variable),
        "ancillary_variables": " ".join(beside),
    }
    fallback = _flags(f"{name} is the climatology", "reconstructed climatology")
    counted = ancillary_attributes(variable, "number_of_observations")
    variables: Variables = {
        name: (_DIMS, variable.restored(mean), attrs),
        "num_observations": (_DIMS, observed, counted | {"long_name": "number of days observed", "units": "1"}),
    }
    if ice:
        variables["ice"] = (_DIMS, ice_mask(data, mean).astype(np.int8), _flags("sea ice", "open_water ice"))
    variables |= {
        "from_climatology": (_DIMS, is_climatology.astype(np.int8), fallback),
        "time": ("time", np.array(starts, "datetime64[s]"), _TIME),
        "time_bounds": (("time", BOUNDS), np.array([starts, ends], "datetime64[s]").T, {}),
        **cf_grid(data.grid),
    }
    if std is not None:
        std = np.where(is_climatology, np.float32(np.nan), std)
        variables[f"{name}_std"] = (_DIMS, std, _std_attributes(variable))
    dataset = xr.Dataset(variables, attrs={"Conventions": "CF-1.11", **origin.attributes()})
    name_missing_values(dataset)
    for name in ("time", "time_bounds"):
        dataset[name].encoding |= DAYS
    return dataset


_TIME = {
    "standard_name": "time",
    "long_name": "month",
    "bounds": "time_bounds",
    "axis": "T",
    "units_metadata": "leap_seconds: none",
}


def _std_attributes(variable: VariableKind) -> dict[str, str]:
    if variable.is_logarithmic:
        comment = "an interval of n standard deviations reaches from value / 10^(n std) to value * 10^(n std)"
        return {
            "long_name": f"standard deviation of the decimal logarithm of {variable.name}",
            "units": "1",
            "comment": comment,
        }
    standard = ancillary_attributes(variable, "standard_error")
    return standard | {"long_name": f"standard deviation of {variable.name}", "units": variable.error_unit}


def origin_of(
    model: ModelBundle,
    source: SSTSource,
    title: str,
    recipe: str,
    choices: Mapping[str, Any],
    details: Mapping[str, Detail],
) -> Provenance:
    """The provenance of what ``model`` makes of ``source``: hashes of model and data, and the model's training."""
    known: dict[str, Detail] = {
        "model_hash": model.key,
        "model_config": RunConfig(seed=model.seed, settings=model.settings).model_dump(mode="json"),
        "data": source.name,
        "data_hash": source.opened_key,
        "seed": model.seed,
        "variable": f"{source.variable.title}, {source.variable.unit}",
    }
    known |= understood_details(source)
    if "epoch" in model.scores:
        known["epoch"] = int(model.scores["epoch"])
    return Provenance(
        recipe=recipe,
        choices=choices,
        title=title,
        source=f"spatio-temporal model {model.key[:12]} on {source.name}",
        is_synthetic=source.is_synthetic,
        details=known | dict(details),
    )


def _start(year: int, month: int) -> np.datetime64:
    return np.datetime64(f"{year:04d}-{month:02d}-01")


def _flags(long_name: str, meanings: str) -> dict[str, Any]:
    return {"long_name": long_name, "flag_values": np.array([0, 1], np.int8), "flag_meanings": meanings}


def write_months(path: Path, months: Iterable[xr.Dataset]) -> xr.Dataset:
    """Write datasets of consecutive times one after another; the file appears under its name when it is whole.

    Returns it opened lazily.

    Raises:
        ChoiceError: neither ``.nc`` nor ``.zarr``. StoreError: it cannot be written.
    """
    if path.suffix not in _WRITERS:
        raise ChoiceError(
            f"files {path.suffix!r} are not written", str(path), "choose a name that ends in .nc or .zarr"
        )
    append, reader = _WRITERS[path.suffix]
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        _remove(temporary)
        for number, dataset in enumerate(months):
            append(temporary, dataset, number == 0)
        _remove(path)
        os.replace(temporary, path)
    except OSError as error:
        raise write_error(error, path) from error
    finally:
        _remove(temporary)
    return cast(Any, xr).open_dataset(path, chunks={}, **reader)


def _append_netcdf(path: Path, dataset: xr.Dataset, is_first: bool) -> None:
    if is_first:
        fields = (str(name) for name, field in dataset.data_vars.items() if field.dtype.kind == "f" and field.ndim == 3)
        packed = {name: {"zlib": True, "complevel": 1} for name in fields}
        cast(Any, dataset).to_netcdf(path, engine="netcdf4", unlimited_dims=["time"], encoding=packed)
        return
    import netCDF4

    with netCDF4.Dataset(path, "a") as file:
        num_written = file.dimensions["time"].size
        new = slice(num_written, num_written + dataset.sizes["time"])
        days = {name: _days(dataset[name].values) for name in ("time", "time_bounds")}
        for name, variable in dataset.variables.items():
            if "time" in variable.dims:
                file[str(name)][new] = days.get(str(name), variable.values)


def _days(times: NDArray[Any]) -> NDArray[np.int32]:
    return (times.astype("datetime64[D]") - np.datetime64("1970-01-01")).astype(np.int32)


def _append_zarr(path: Path, dataset: xr.Dataset, is_first: bool) -> None:
    if is_first:
        cast(Any, dataset).to_zarr(path, mode="w", consolidated=False)
    else:
        cast(Any, dataset.drop_encoding()).to_zarr(path, append_dim="time", consolidated=False)


_WRITERS: dict[str, tuple[Callable[[Path, xr.Dataset, bool], None], dict[str, Any]]] = {
    ".nc": (_append_netcdf, {"engine": "netcdf4"}),
    ".zarr": (_append_zarr, {"engine": "zarr", "consolidated": False}),
}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
