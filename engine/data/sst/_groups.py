"""The group of a file that holds a variable."""

from __future__ import annotations

from dataclasses import replace

import xarray as xr

from engine.data.sst._paths import Location
from engine.data.sst._storage import skeleton
from engine.data.sst._time_axis import File
from engine.data.sst._variables import candidates
from engine.errors import DataError


def in_group(location: Location, variable: str | None, kind: str | None) -> File:
    """The file with its variables of the group that holds ``variable``, or else a variable of a known kind.

    ``variable`` may name its group, as ``"night/sst"``. Variables outside all groups come first.

    Raises :class:`DataError` with a list of the variables where several groups hold one, or the group does not exist.
    """
    outside = skeleton(location)
    groups: list[str] = outside.encoding["groups"]
    if variable is not None and "/" in variable:
        group = variable.strip("/").rpartition("/")[0]
        if group not in groups:
            listed = ", ".join(groups[:20]) or "none: the file has no groups"
            raise DataError(f"there is no group {group!r}", str(location), f"choose one of: {listed}")
        groups = [group]
    elif not groups or _holds(outside, variable, kind):
        return location, outside
    inside = [(place, skeleton(place)) for place in (replace(location, group=group) for group in groups)]
    if len(inside) == 1:
        return inside[0]
    # a variable is also seen from the groups inside of its own, which add nothing
    own = [file for file in inside if _holds(file[1], variable, kind) and not _is_inherited(file, inside)]
    if not own:
        own = [file for file in inside if _fields(file[1])]
    if len(own) == 1:
        return own[0]
    if not own:
        return location, outside
    names = [f"{place.group}/{name}" for place, dataset in own for name in _named(dataset, variable, kind)]
    raise DataError(
        f"{len(own)} groups hold a variable that could be meant", str(location),
        f"choose one as variable: {', '.join(names)}", {"variable": tuple(names)},
    )  # fmt: skip


def _is_inherited(file: File, files: list[File]) -> bool:
    group = file[0].group
    around = [other for other in files if group.startswith(f"{other[0].group}/")]
    return any(_fields(other[1]) == _fields(file[1]) for other in around)


def _holds(dataset: xr.Dataset, variable: str | None, kind: str | None) -> bool:
    return bool(candidates(dataset, kind)) if variable is None else variable in dataset.data_vars


def _named(dataset: xr.Dataset, variable: str | None, kind: str | None) -> list[str]:
    return [variable] if variable is not None else candidates(dataset, kind) or _fields(dataset)


def _fields(dataset: xr.Dataset) -> list[str]:
    return sorted(str(name) for name, field in dataset.data_vars.items() if field.ndim >= 2)
