"""Anything that is a field on the sphere as one: a labelled array, harmonic coefficients, a mixture, a finished run."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from engine.data.kinds import kind_of
from engine.errors import ChoiceError, StoreError
from engine.runs import Run
from engine.sphere.grid import find_coordinate, grid_from_dataset
from engine.typed import coords_of

MAX_STEPS = 400
"""Steps of time that are drawn at most: all of them travel to the browser."""


def as_field(thing: object, step_deg: float = 1.0) -> xr.DataArray:
    """A field (time, lat, lon) float32 of what is on the sphere; without a time the first axis has one step.

    Args:
        thing: a DataArray with a latitude, a longitude and perhaps a time (CF attributes or the usual names, either
            direction of the axes); real harmonic coefficients ((L+1)²,) in the order l·l + l + m, a numpy array or a
            tensor; a :class:`~engine.mvmf.MixtureVMF`, whose density per steradian is taken; or a
            :class:`~engine.runs.Run` of the task ``sst``, whose newest reconstruction is taken.
        step_deg: of the grid of coefficients and mixtures.

    The result has the attributes ``long_name``, ``units`` and ``palette``, the name of a colour map of cmocean.

    Raises:
        GridError: no latitude or longitude is marked.
        ChoiceError: it is nothing of these, has other dimensions, no cells, or more than 400 steps of time.
        StoreError: the run has no reconstruction yet.
    """
    if isinstance(thing, xr.DataArray):
        return _checked(thing)
    if isinstance(thing, Run):
        return _checked(_reconstruction(thing))
    if hasattr(thing, "log_prob_map"):
        return _checked(_density(thing, step_deg))
    if hasattr(thing, "shape"):
        return _checked(_synthesis(thing, step_deg))
    raise ChoiceError(
        f"a {type(thing).__name__} is no field on the sphere",
        "the field to draw",
        "give a DataArray with latitude and longitude, harmonic coefficients, a mixture or a run",
    )


def _checked(field: xr.DataArray) -> xr.DataArray:
    grid, _ = grid_from_dataset(field)
    rows, columns = (str(find_coordinate(field, kind).dims[0]) for kind in ("latitude", "longitude"))
    others = [str(dim) for dim in field.dims if dim not in (rows, columns)]
    if len(others) > 1:
        raise ChoiceError(
            f"the field has the dimensions {', '.join(map(str, field.dims))}",
            str(field.name or "the field to draw"),
            "give latitude, longitude and at most one more; select one step of the others: field.isel(depth=0)",
        )
    if not field.size or (others and field.sizes[others[0]] > MAX_STEPS):
        raise ChoiceError(
            f"the field has {field.sizes[others[0]] if others else 0:,} steps",
            str(field.name or "the field to draw"),
            f"give 1 to {MAX_STEPS}: field.isel({others[0] if others else 'time'}=slice({MAX_STEPS}))",
        )
    if others:
        steps = field[others[0]].values if others[0] in coords_of(field) else np.arange(field.sizes[others[0]])
        field = field.transpose(others[0], rows, columns)
    else:
        steps, field = np.zeros(1, int), field.transpose(rows, columns).expand_dims("step")
    kind = kind_of(str(field.name or ""), {"units": "1", **field.attrs})
    return xr.DataArray(
        np.asarray(field.values, np.float32),
        {"time": steps, "lat": grid.lat, "lon": grid.lon},
        ("time", "lat", "lon"),
        str(field.name or "field"),
        {
            "long_name": str(field.attrs.get("long_name") or field.name or kind.title),
            "units": str(field.attrs.get("units", "")),
            "palette": str(field.attrs.get("palette", kind.palette)),
        },
    )


def _synthesis(coefficients: Any, step_deg: float) -> xr.DataArray:
    import torch

    from engine.sphere import HarmonicGrid, LatLonGrid

    values = torch.as_tensor(coefficients).detach().cpu().double()
    max_degree = int(values.numel() ** 0.5) - 1
    if values.ndim != 1 or max_degree < 0 or (max_degree + 1) ** 2 != values.numel():
        raise ChoiceError(
            f"{tuple(values.shape)} numbers are no harmonic coefficients",
            "the field to draw",
            "give (L+1)² of them in the order l·l + l + m, or a DataArray with latitude and longitude",
        )
    grid = LatLonGrid.regular(step_deg)
    field = HarmonicGrid(grid, max_degree).synthesise(values).numpy()
    return _on_grid(field, grid, f"Harmonics to degree {max_degree}", "1", "balance")


def _density(mixture: Any, step_deg: float) -> xr.DataArray:
    from engine.sphere import LatLonGrid

    grid = LatLonGrid.regular(step_deg)
    density = mixture.log_prob_map(grid).exp().cpu().numpy()
    if density.ndim != 2:
        raise ChoiceError(
            f"the mixture has {density.shape[0]} sets of weights", "the field to draw", "select one: mixture.select(0)"
        )
    return _on_grid(density, grid, "Probability density", "1/sr", "amp")


def _on_grid(values: np.ndarray, grid: Any, title: str, units: str, palette: str) -> xr.DataArray:
    attributes = {"long_name": title, "units": units, "palette": palette}
    return xr.DataArray(values, {"lat": grid.lat, "lon": grid.lon}, ("lat", "lon"), "field", attributes)


def _reconstruction(run: Run) -> xr.DataArray:
    from engine.queries.train.run_files import snapshot_fields, variable_of

    epochs = run.files.snapshot_epochs()
    if not epochs:
        raise StoreError("the run has no reconstruction yet", str(run.folder), "wait for its first epoch")
    field = snapshot_fields(run.folder, epochs[-1])["reconstruction"]
    field.attrs |= {"palette": variable_of(run.folder).palette}
    return field
