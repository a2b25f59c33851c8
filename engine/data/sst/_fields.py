"""What a file offers to choose from: its fields, its masks and the grids that suit it, from headers and coordinates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import xarray as xr

from engine.data.source import Regrid
from engine.data.sst._land import is_mask
from engine.data.sst._paths import Location, locate
from engine.data.sst._storage import skeleton
from engine.data.sst._wide import curvilinear_of, with_axes
from engine.errors import EngineError


@dataclass(frozen=True)
class FileFields:
    """The names of fields (…, two dimensions or more), of masks, and the proposals for a grid that is not regular."""

    variables: tuple[str, ...]
    masks: tuple[str, ...]
    regrids: tuple[Regrid, ...]


def file_fields(
    path: str | Path | Sequence[str | Path], check: Callable[[list[tuple[Path, str]]], None] | None = None
) -> FileFields:
    """The fields of the first file of ``path``, named as ``open_sst`` takes them; ``check`` looks at it before.

    Raises :class:`DataError` where it cannot be read.
    """
    location = locate(path)[0]
    if check is not None:
        check([(location.path, location.kind)])
    outside = skeleton(location)
    places = [location, *(replace(location, group=group) for group in outside.encoding["groups"])]
    variables: dict[str, None] = {}
    masks: dict[str, None] = {}
    regrids: tuple[Regrid, ...] = ()
    for place in places:
        dataset = outside if place is location else skeleton(place)
        inherited = {name.rpartition("/")[2] for name in variables}
        for name, field in dataset.data_vars.items():
            if field.ndim < 2 or name in inherited or field.shape[-1] == 2:
                continue
            variables["/".join(part for part in (place.group, str(name)) if part)] = None
            if is_mask(str(name), field.variable):
                masks[str(name)] = None
            elif not regrids and field.ndim > 2:
                regrids = _suited(place, dataset, str(name))
    return FileFields(tuple(variables), tuple(masks), regrids)


def _suited(place: Location, dataset: xr.Dataset, name: str) -> tuple[Regrid, ...]:
    try:
        files, _ = with_axes([(place, dataset)], name)
        curvilinear_of(files, name, None)
    except EngineError as error:
        return error.choices.get("regrid", ())
    return ()
