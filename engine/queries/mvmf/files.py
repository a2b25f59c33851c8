"""Files of the Geolocation page: the components of the mixture on screen, and its density."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from engine.files import read_file
from engine.provenance import Detail, Provenance
from engine.queries.export import csv_file, netcdf_file
from engine.queries.mvmf.centres import CentreChoice, Components, PlacedComponent, components
from engine.queries.mvmf.expert import (
    SHIPPED,
    can_draw_tiles,
    expert_folder,
    new_prediction,
    settings_of,
    tile_prediction,
)
from engine.queries.mvmf.sandbox import Mixture, map_grid
from engine.queries.run_exports import is_simulated
from engine.runs.run_folder import RunFolder
from engine.sphere.cf import cf_grid

_MAX_EXPERT_BYTES = 2**30


@dataclass(frozen=True)
class SandboxChoice:
    """A mixture built by hand: initial centres, and what replaced them or was added."""

    initial: CentreChoice
    placed: tuple[PlacedComponent, ...] = ()


@dataclass(frozen=True)
class ExpertChoice:
    """The prediction of an expert for test tile ``tile``, or for a new tile, or scene of tiles, at ``place`` (degrees
    north, east) on ``day`` of the year. ``run`` is the id of its run, or :data:`SHIPPED`.
    """

    run: str
    tile: int = 0
    place: tuple[float, float] | None = None
    day: int = 1
    is_scene: bool = False


MixtureChoice = SandboxChoice | ExpertChoice


def centres_csv(choice: MixtureChoice) -> bytes:
    """The components as CSV, which :func:`engine.queries.mvmf.centres.points_of_text` reads: degrees, κ, weight."""
    columns = {f"{name}{unit}": values for (name, unit), values in _columns(_components(choice)).items()}
    return csv_file(columns, _origin(choice, "centres", "Components of a mixture of von Mises–Fisher distributions"))


def density_netcdf(choice: MixtureChoice) -> bytes:
    """The density per km² at the centre of every cell (lat, lon), and the components, as CF NetCDF."""
    of = _components(choice)
    density = {"long_name": "probability density", "units": "km-2"}
    dataset = xr.Dataset(
        {
            "density": (("lat", "lon"), Mixture(of).map().values.astype(np.float64), density),
            **{
                f"component_{name}": ("component", values, {"long_name": f"{name} of a component", **_UNITS[unit]})
                for (name, unit), values in _columns(of).items()
            },
            **cf_grid(map_grid()),
        }
    )
    return netcdf_file(dataset, density_origin(choice))


_UNITS = {"_deg": {"units": "degrees"}, "": {"units": "1"}}


def _columns(of: Components) -> dict[tuple[str, str], Any]:
    """The arrays (K,) of all components by name and unit."""
    return {("lat", "_deg"): of.lat, ("lon", "_deg"): of.lon, ("kappa", ""): of.kappa, ("weight", ""): of.weight}


def _components(choice: MixtureChoice) -> Components:
    if isinstance(choice, SandboxChoice):
        return components(choice.initial, choice.placed)
    folder = expert_folder(choice.run)
    if choice.place is None:
        return tile_prediction(folder, choice.tile).components
    return new_prediction(folder, *choice.place, choice.day, choice.is_scene).components


def density_origin(choice: MixtureChoice) -> Provenance:
    """The provenance of a density."""
    return _origin(choice, "density", "Density of a mixture of von Mises–Fisher distributions")


def _origin(choice: MixtureChoice, part: str, title: str) -> Provenance:
    if isinstance(choice, SandboxChoice):
        initial = choice.initial
        details: Mapping[str, Detail] = {"centres": initial.kind, "seed": initial.seed, "placed": len(choice.placed)}
        source = "mixture built by hand on the Geolocation page"
        return Provenance(recipe=f"sandbox.{part}", choices=asdict(choice), title=title, source=source, details=details)
    folder = RunFolder(expert_folder(choice.run))
    settings = settings_of(folder.path)
    weights = hashlib.sha256(read_file(folder.expert, _MAX_EXPERT_BYTES)).hexdigest()[:32]
    tile = f"test tile {choice.tile + 1}" if choice.place is None else "new tile"
    return Provenance(
        recipe=f"expert.{part}",
        choices=asdict(choice),
        title=f"{title}: prediction for a {tile}",
        source=f"geographic expert {'that comes along' if choice.run == SHIPPED else f'of run {choice.run}'}",
        is_synthetic=can_draw_tiles(folder.path) or is_simulated(settings),
        details={
            "model": choice.run,
            "model_hash": weights,
            "model_config": folder.read_config().model_dump(mode="json"),
            "data": settings.tiles.model_dump(mode="json"),
        },
    )
