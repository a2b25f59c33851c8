"""Models of the Reconstruct page: which there are, what they learned from, and the baselines that learned the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.assets import asset
from engine.config.legacy import existing_file
from engine.config.sst import DemoSource, FileSource
from engine.data.source import Quality
from engine.errors import StoreError
from engine.files import home_folder
from engine.queries.cache import CACHE
from engine.queries.ocean.sources import SourceChoice, source
from engine.runs.run_folder import RunFolder
from engine.sphere import LatLonGrid

Arrays = dict[str, NDArray[Any]]
Mask = NDArray[np.bool_]

PRETRAINED = "pretrained"
"""The model that comes with Harmonia; every other name is a run's."""

_MODEL_BYTES = 8 * 2**20


@dataclass(frozen=True, eq=False)
class ModelCard:
    """What is known of a model before it is used. ``years`` are those it learned from, inclusive."""

    name: str
    key: str
    source: str
    grid: LatLonGrid
    years: tuple[int, int]
    test_year: int
    has_spread: bool
    has_baselines: bool
    scores: dict[str, Any]


class Model:
    """A model with the baselines that learned from the same years."""

    def __init__(self, name: str) -> None:
        from engine.models.baselines import Baselines
        from engine.training.sst.model_bundle import load_model

        folder = None if name == PRETRAINED else RunFolder.of(name)
        self.trained = load_model(PRETRAINED if folder is None else folder.path)
        kept = _baselines_file(folder)
        self.has_baselines = kept is not None
        # without what the others learned, only the two that learn nothing are left
        climatology = self.trained.climatology
        plain: Arrays = {"coeffs": climatology.coeffs, "lat": climatology.grid.lat, "lon": climatology.grid.lon}
        self.arrays: Arrays = plain if kept is None else kept
        self.title = {kind: baseline.title for kind, baseline in Baselines.from_state_dict(self.arrays).fitted.items()}

    def baselines_on(self, grid: LatLonGrid, land: Mask) -> Any:
        """The baselines on another grid than theirs."""
        from engine.models.baselines import Baselines, Climatology
        from engine.training.sst.model_bundle import on_grid

        own = Climatology(self.arrays["coeffs"], LatLonGrid(self.arrays["lat"], self.arrays["lon"]))
        there = {"coeffs": on_grid(own, grid, land).coeffs, "lat": grid.lat, "lon": grid.lon}
        return Baselines.from_state_dict({**self.arrays, **there})


def _baselines_file(folder: RunFolder | None) -> Arrays | None:
    from engine.training.sst.model_bundle import PRETRAINED_BASELINES

    try:
        path = asset(PRETRAINED_BASELINES) if folder is None else existing_file(folder.baselines)
        with np.load(path, allow_pickle=False) as kept:
            return dict(kept)
    except (StoreError, OSError, ValueError):
        return None


def model_of(name: str) -> Model:
    """A model with its baselines, kept while its file stays as it is. Raises :class:`StoreError` where there is
    none."""
    best = None if name == PRETRAINED else RunFolder.of(name).model
    if best is not None and not best.exists():
        raise StoreError("there is no model of this run", name, "choose another, or wait until its first epoch is over")
    stamp = None if best is None else best.stat().st_mtime_ns
    return CACHE.get(("sst model", str(home_folder()), name, stamp), partial(Model, name), lambda _: _MODEL_BYTES)


def model_card(name: str) -> ModelCard:
    """What is known of a model. Raises :class:`StoreError` where there is none, or it cannot be read."""
    model = model_of(name)
    settings = model.trained.settings
    years = [*settings.climatology_years, *settings.train_years, *settings.validation_years]
    return ModelCard(
        name,
        model.trained.key,
        str(model.trained.scores.get("data_name", "an unnamed source")),
        model.trained.climatology.grid,
        (min(years), max(years)),
        settings.test_years[0],
        settings.model.uncertainty,
        model.has_baselines,
        dict(model.trained.scores),
    )


def source_of(name: str) -> SourceChoice:
    """The source that a model learned from, as it can be chosen here."""
    wanted = model_of(name).trained.settings.source
    if isinstance(wanted, DemoSource):
        return SourceChoice(step_deg=wanted.step_deg, seed=wanted.seed, years=wanted.years)
    return SourceChoice("path", path=wanted.path, variable=wanted.variable or "", quality=wanted.quality)


def differences(name: str, choice: SourceChoice) -> tuple[str, ...]:
    """In what a source differs from the one a model learned from, a sentence each: grid, ocean, and what counts of it.

    The first is about the grid if the grids differ. Units never do: whatever opens here is in °C.
    """
    model, ocean = model_of(name), source(choice)
    grid = model.trained.climatology.grid
    found: list[str] = []
    if ocean.grid != grid:
        found.append(
            f"The model learned on {_grid_words(grid)}; this source has {_grid_words(ocean.grid)}: what it knows of "
            "fronts and of the size of clouds is of its own cells."
        )
    wanted = model.trained.settings.source
    if ocean.key == model.trained.scores.get("data_key"):
        return tuple(found)
    if not _same_ocean(wanted, choice):
        learned = model.trained.scores.get("data_name", "another source")
        found.append(f"The model learned from {learned}; this is {ocean.name}.")
    elif isinstance(wanted, FileSource) and ocean.grading and wanted.quality != choice.quality:
        found.append(f"The model learned from {_counted(wanted.quality)}; here it sees {_counted(choice.quality)}.")
    return tuple(found)


def needs_resampling(name: str, choice: SourceChoice) -> bool:
    """Whether the source lies on another grid than the one the model learned on."""
    return source(choice).grid != model_of(name).trained.climatology.grid


def is_learned(name: str, choice: SourceChoice, year: int) -> bool:
    """Whether the model has learned from this very year of this source, or was chosen by it."""
    settings = model_of(name).trained.settings
    parts = (settings.climatology_years, settings.train_years, settings.validation_years)
    return _same_ocean(settings.source, choice) and any(first <= year <= last for first, last in parts)


def _same_ocean(learned: Any, choice: SourceChoice) -> bool:
    if isinstance(learned, DemoSource):
        return choice.kind == "demo" and learned.seed == choice.seed
    return choice.kind == "path" and learned.path == choice.path


def _counted(quality: Quality) -> str:
    if isinstance(quality, int):
        return f"observations of level {quality} and better"
    return {"good": "good observations only", "all": "all observations"}[quality]


def _grid_words(grid: LatLonGrid) -> str:
    return f"{grid.shape[0]} × {grid.shape[1]} cells of {abs(grid.lat[1] - grid.lat[0]):.4g}°"
