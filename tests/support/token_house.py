"""A run whose model has random weights, and the small ocean in a file that it would have learned from: no training."""

from __future__ import annotations

from pathlib import Path

from engine.config.sst import FileSource
from engine.runs import RunConfig, RunStore
from engine.runs.run_folder import RunFolder
from tests.support.ocean import small_ocean
from tests.support.trainings import untrained


def token_house(folder: Path, **changes: object) -> str:
    """The id of the run in ``folder/home``; its ocean lies in ``folder/data``."""
    ocean = folder / "data" / "ocean.nc"
    ocean.parent.mkdir(parents=True)
    daily = small_ocean(2).daily.rename("sst").assign_attrs(standard_name="sea_surface_temperature", units="degC")
    daily["lat"].attrs["units"], daily["lon"].attrs["units"] = "degrees_north", "degrees_east"
    daily.to_netcdf(ocean)
    bundle = untrained(source=FileSource(path=str(ocean), variable="sst"), **changes)
    with RunStore(folder / "home") as store:
        run = store.create(RunConfig(settings=bundle.settings), name="Small")
        bundle.save(RunFolder(store.folder(run.id)).model)
    return run.id
