"""Result files of runs as models: what the pages read of them has the type and shape that they expect.

A file that was damaged, edited or written by something else is refused in words where it is read, so that one run's
page says so and no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import numpy as np
from annotated_types import MinLen
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FiniteFloat, RootModel, ValidationError, model_validator

from engine.errors import GridError, StoreError
from engine.files import read_file

if TYPE_CHECKING:
    from engine.sphere import LatLonGrid

MAX_RESULT_BYTES = 32 * 2**20
"""Size limit of a JSON file of results; those of many years and baselines have a few MB."""

Model = TypeVar("Model", bound=BaseModel)
Arrays = Mapping[str, NDArray[Any]]


class _Entries(BaseModel):
    """Named entries, of which only those that a page reads are checked."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Sea(_Entries):
    mae: FiniteFloat


class _Surface(_Entries):
    sea: _Sea | None = None


class _Estimate(_Entries):
    surface: _Surface | None = None


class SSTScores(RootModel[dict[str, _Estimate]]):
    """``scores.json`` of the task ``sst``, by the estimate's name; see :func:`engine.evaluation.report.report`."""


class _Median(_Entries):
    median: FiniteFloat


class _ExpertScores(_Entries):
    error_km: _Median
    within_km: dict[str, FiniteFloat]
    nll: FiniteFloat
    area_km2: dict[str, FiniteFloat]
    coverage: dict[str, FiniteFloat]
    climate_accuracy: FiniteFloat
    climate_accuracy_coarse: FiniteFloat
    date_error_days: FiniteFloat
    recall: list[FiniteFloat]

    @model_validator(mode="after")
    def _has_levels(self) -> Self:
        shown = {"within_km": ("750", "2500"), "area_km2": ("0.5",), "coverage": ("0.5", "0.9")}
        missing = [f"{field} {key}" for field, keys in shown.items() for key in keys if key not in getattr(self, field)]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
        return self


class ExpertScores(_Entries):
    """``scores.json`` of the task ``expert``; see :func:`engine.evaluation.expert_scores.score`."""

    expert: _ExpertScores
    prior: _ExpertScores
    recall_areas_km2: Annotated[list[FiniteFloat], MinLen(1)]

    @model_validator(mode="after")
    def _has_curves(self) -> Self:
        if any(len(scores.recall) != len(self.recall_areas_km2) for scores in (self.expert, self.prior)):
            raise ValueError("a recall curve has another length than its areas")
        return self


def read_result(model: type[Model], path: Path, remedy: str) -> Model:
    """A JSON file of results as ``model``.

    Raises:
        FileNotFoundError: there is none.
        StoreError: it is damaged, too large, or no plain file.
    """
    try:
        return model.model_validate_json(read_file(path, MAX_RESULT_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(step) for step in first["loc"]) or "the file"
        raise StoreError(f"{path.name} is damaged: {field}: {first['msg']}", str(path), remedy) from error


def check_maps(arrays: Arrays, names: Iterable[str], optional: Iterable[str], where: str) -> LatLonGrid:
    """The grid of the ``lat`` and ``lon`` among ``arrays``, on which the arrays called ``names`` lie as (H, W) numbers.

    Those called ``optional`` may be absent. Raises :class:`StoreError` where one is missing or of another shape.
    """
    from engine.sphere import LatLonGrid

    for name in ("lat", "lon", *names):
        if name not in arrays:
            raise _damaged(f"{name!r} is missing", where)
    try:
        grid = LatLonGrid(arrays["lat"].astype(np.float64), arrays["lon"].astype(np.float64))
    except (GridError, ValueError, TypeError, IndexError) as error:
        raise _damaged(f"its coordinates are no grid: {error}", where) from error
    check_shapes(arrays, {name: grid.shape for name in (*names, *optional) if name in arrays}, where)
    return grid


def check_shapes(arrays: Arrays, shapes: Mapping[str, tuple[int | None, ...]], where: str) -> None:
    """Raise :class:`StoreError` unless ``arrays`` are numbers of these ``shapes``, in which None is any size."""
    for name, shape in shapes.items():
        array = arrays.get(name)
        if array is None or array.dtype.kind not in "iufb":
            raise _damaged(f"{name!r} is missing or holds no numbers", where)
        fits = array.ndim == len(shape) and all(
            want in (None, size) for want, size in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise _damaged(f"{name!r} has the shape {array.shape}", where)


def _damaged(why: str, where: str) -> StoreError:
    return StoreError(f"the file is damaged: {why}", where, "let the run write it again, or train again")
