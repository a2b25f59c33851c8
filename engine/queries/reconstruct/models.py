"""Models of the Reconstruct page, their training data, and the baselines fitted to the same data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.config.sst import DemoSource, FileSource
from engine.data.kinds import SST, VariableKind
from engine.data.source import Quality
from engine.errors import DataError, StoreError
from engine.evaluation import Verdict
from engine.files import home_folder
from engine.queries.cache import CACHE
from engine.queries.ocean.run_sources import run_source, source_choice
from engine.queries.ocean.sources import SourceChoice, grid_text, source
from engine.queries.verdicts import run_verdict
from engine.runs.run_folder import RunFolder
from engine.sphere import LatLonGrid
from engine.typed import Mask

if TYPE_CHECKING:
    from engine.models.baselines import Baselines

PRETRAINED = "pretrained"
"""The name of the model that comes with Harmonia; every other name is the id of a run."""

_MODEL_BYTES = 8 * 2**20


@dataclass(frozen=True, eq=False)
class ModelCard:
    """Properties of a model. ``learned`` is the span of months of its training and validation data, ``test`` that of
    its test months.
    """

    name: str
    key: str
    source: str
    grid: LatLonGrid
    learned: tuple[str, str]
    test: tuple[str, str]
    has_baselines: bool
    scores: dict[str, Any]
    variable: VariableKind = SST


class ModelWithBaselines:
    """A model with the baselines fitted to the same years."""

    def __init__(self, name: str) -> None:
        from engine.models.baselines import Baselines
        from engine.training.sst.model_bundle import load_model

        self.bundle = load_model(PRETRAINED if name == PRETRAINED else RunFolder.of(name).path)
        self.has_baselines = bool(self.bundle.baselines)
        climatology = self.bundle.climatology
        # the mean and the climatology need no fit of their own
        alone = {"coeffs": climatology.coeffs, "lat": climatology.grid.lat, "lon": climatology.grid.lon}
        self._baselines = Baselines.from_state_dict(dict(self.bundle.baselines) or alone)
        self.title = {name: baseline.title() for name, baseline in self._baselines.fitted.items()}
        self._on_grid: dict[tuple[str, bytes], Baselines] = {}

    def baselines_on(self, grid: LatLonGrid, land: Mask) -> Baselines:
        """The baselines on another grid; those of the last one are kept for its other months."""
        from engine.training.sst.model_bundle import baselines_on_grid

        key = (grid.key, land.tobytes())
        kept = self._on_grid.get(key)
        if kept is None:
            kept = baselines_on_grid(self._baselines, grid, land)
            self._on_grid = {key: kept}
        return kept


def model_of(name: str) -> ModelWithBaselines:
    """A model with its baselines, read again when its files change. Raises :class:`StoreError` where there is none."""
    folder = None if name == PRETRAINED else RunFolder.of(name)
    if folder is not None and not folder.model.exists():
        raise StoreError(
            "there is no model of this run", name, "choose another, or wait for the end of its first epoch"
        )
    files = () if folder is None else (folder.model, folder.baselines)
    stamp = tuple(path.stat().st_mtime_ns for path in files if path.exists())
    return CACHE.get(
        ("sst model", str(home_folder()), name, stamp), partial(ModelWithBaselines, name), lambda _: _MODEL_BYTES
    )


def model_card(name: str) -> ModelCard:
    """Properties of a model. Raises :class:`StoreError` where there is none, or it cannot be read."""
    model = model_of(name)
    settings = model.bundle.settings
    months = [*settings.climatology, *settings.train, *settings.validation]
    return ModelCard(
        name,
        model.bundle.key,
        str(model.bundle.scores.get("data_name", "an unnamed source")),
        model.bundle.climatology.grid,
        (min(months), max(months)),
        settings.test,
        model.has_baselines,
        dict(model.bundle.scores),
        model.bundle.variable,
    )


def model_verdict(name: str) -> Verdict | None:
    """The verdict on the run that trained a model, on its test months.

    None for the pretrained model, and while the run is not scored. Raises :class:`StoreError` where its scores are
    damaged.
    """
    return None if name == PRETRAINED else run_verdict(RunFolder.of(name).path, "sst")


def source_of(name: str) -> SourceChoice:
    """The training source of a model. Raises :class:`ChoiceError` where no page can choose it."""
    return source_choice(model_of(name).bundle.settings.source)


def source_differences(name: str, choice: SourceChoice) -> tuple[str, ...]:
    """How a source differs from the training source of a model, a sentence each: grid, source, observations in use.

    The first is about the grid if the grids differ. Raises :class:`ChoiceError` where the source holds another kind of
    variable than the model has learned.
    """
    model, ocean = model_of(name), source(choice)
    model.bundle.check_variable(ocean.variable)
    grid, scores = model.bundle.climatology.grid, model.bundle.scores
    sentences: list[str] = []
    if ocean.grid != grid:
        sentences.append(
            f"The model was trained on {grid_text(grid)}; this source has {grid_text(ocean.grid)}: fronts and clouds "
            "have another size in cells than in its training data."
        )
    if ocean.key == scores.get("data_key"):
        return tuple(sentences)
    training_source = model.bundle.settings.source
    if not _is_same_source(training_source, choice):
        data_name = scores.get("data_name", "another source")
        sentences.append(f"The model was trained on {data_name}; this is {ocean.name}.")
    elif isinstance(training_source, FileSource) and ocean.grading and training_source.quality != choice.quality:
        trained, chosen = _quality_text(training_source.quality), _quality_text(choice.quality)
        sentences.append(f"The model was trained on {trained}; here its input is {chosen}.")
    return tuple(sentences)


def needs_resampling(name: str, choice: SourceChoice) -> bool:
    """Whether the source has another grid than the training data of the model."""
    return source(choice).grid != model_of(name).bundle.climatology.grid


def is_trained_from(name: str, choice: SourceChoice) -> bool:
    """Whether a model has learned from this file, or the demo ocean of this seed."""
    return _is_same_source(model_of(name).bundle.settings.source, choice)


def is_trained_on(name: str, choice: SourceChoice, month: str) -> bool:
    """Whether a month (``2001-07``) of a source is part of the training or validation data of the model."""
    settings = model_of(name).bundle.settings
    spans = (settings.climatology, settings.train, settings.validation)
    return _is_same_source(settings.source, choice) and any(first <= month <= last for first, last in spans)


def _is_same_source(training_source: DemoSource | FileSource, choice: SourceChoice) -> bool:
    if isinstance(training_source, DemoSource):
        return choice.kind == "demo" and training_source.seed == choice.seed
    # a run holds the absolute path of what a link or a form may name relative to a folder of data
    return choice.kind != "demo" and training_source.path in (choice.path, _absolute(choice))


def _absolute(choice: SourceChoice) -> str:
    try:
        source = run_source(choice)
    except DataError:
        return choice.path
    return source.path if isinstance(source, FileSource) else ""


def _quality_text(quality: Quality) -> str:
    if isinstance(quality, int):
        return f"observations of level {quality} and better"
    return {"good": "good observations only", "all": "all observations"}[quality]
