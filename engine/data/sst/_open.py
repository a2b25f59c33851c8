"""``open_sst``: from a path to an :class:`SSTSource`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.data.regrid import check_regrid, regrid_text, target_grid
from engine.data.resample import resampled
from engine.data.source import Overrules, Quality, Regrid, SSTSource, check_quality
from engine.data.sst._groups import in_group
from engine.data.sst._land import land_of
from engine.data.sst._paths import content_key, locate
from engine.data.sst._prepared import is_prepared, open_prepared
from engine.data.sst._quality import no_levels_error
from engine.data.sst._series import MultiFileVariable, grouped, month_means, open_variable
from engine.data.sst._time_axis import File
from engine.data.sst._variables import candidates, choose
from engine.errors import ChoiceError, DataError
from engine.provenance import PREFIX, SYNTHETIC

_PUBLISHED = re.compile(r"^\d{4,8}_(day|hr|mon)_.+_(masked|full)_[^_]+\.nc$")


def open_sst(
    path: str | Path | Sequence[str | Path],
    variable: str | None = None,
    quality: Quality = "good",
    overrules: Overrules = Overrules(),  # noqa: B008 (immutable)
) -> SSTSource:
    """Sea-surface temperature in one or many files, lazy; only headers and a few days are read on opening.

    ``path`` is a NetCDF file, a Zarr store (v2 or v3, a folder or a zip archive), a pattern with ``*``, a folder, or a
    list of these; files whose names differ only in digits are concatenated. Days (or hours, averaged to days) become
    ``daily``, months ``monthly``; in one file or in several. Also read are

    - the published pairs ``YYYYMM_{day,hr,mon}_*_{masked,full}_<variable>.nc``: masked days are ``daily``, full days
      ``truth``, full months ``monthly``; ``lsm`` in a further file (True = land) is the land mask;
    - the five prepared stores ``input_da.zarr``, ``input_da_nan_mask.zarr``, ``monthly_da.zarr``,
      ``padded_days_mask.zarr`` and ``time_features.zarr``, in one folder or one folder a year.

    A variable in a group of a NetCDF-4 file or Zarr store has its coordinates in that group or in the groups around it.

    ``variable`` names the temperature if there are several, with its group where that is needed: ``"night/sst"``. The
    unit is checked against the values. Infinite values are missing. Days have the
    coordinate ``hour`` (time,), the mean hour of day of their steps.

    If a file grades its observations, only those of good quality are kept, and a note reports the fraction removed:
    levels 4 and 5, acceptable and best, of the GHRSST Data Specification; 0 and 1, best and good, of NASA's
    ``qual_sst``; else by the flag meanings. ``quality`` "all" keeps all, a number keeps this level and better.

    Whatever is read from attributes and values is in ``understood``; ``overrules`` decide in place of the files. Other
    kinds of variables than sea-surface temperature (:data:`engine.data.kinds.KINDS`) are read the same way.

    Curvilinear grids and swaths are refused with proposals in ``error.choices["regrid"]``: they are regridded only
    where ``overrules.regrid`` says so, map by map when it is read. Other grids are regridded by area.

    Raises :class:`DataError` or :class:`GridError` for files that are none of these, with what is wrong, where, and the
    remedy; :class:`QualityError` where another ``quality`` may help. Files are opened read-only; a file that changes
    later raises when it is read.
    """
    check_quality(quality)
    locations, name = locate(path), _name(path)
    if is_prepared(locations):
        if isinstance(quality, int):
            raise no_levels_error(quality, str(locations[0].path.parent))
        parts = [variable or "", *([overrules.text] if overrules.text else [])]
        prepared = open_prepared(locations, variable, name, content_key(locations, "|".join(parts)), overrules)
        return prepared if overrules.regrid is None else _by_area(prepared, overrules.regrid)
    files = [in_group(location, variable, overrules.kind) for location in locations]
    leaf = None if variable is None else variable.rpartition("/")[2]
    groups = _with_variable(files, leaf, overrules.kind)
    fields = [open_variable(group, n, quality, overrules) for group, names in groups for n in names]
    filters = dict.fromkeys(field.filter_text for field in fields if field.filter_text)
    key = content_key(locations, "|".join([variable or "", *filters, *([overrules.text] if overrules.text else [])]))
    source = _source(_roles(fields), files, name, key, overrules)
    is_by_area = overrules.regrid is not None and fields[0].variable_grid.curvilinear is None
    return _by_area(source, overrules.regrid) if is_by_area else source


def _with_variable(files: Sequence[File], variable: str | None, kind: str | None) -> list[tuple[list[File], list[str]]]:
    """The groups of files with the variable, or with one of a kind, and its names in each."""
    groups = grouped(files)
    matching = [
        group
        for group in groups
        if (variable in group[0][1].data_vars if variable is not None else candidates(group[0][1], kind))
    ]
    if not matching:  # raises with a list of the variables
        choose(groups[0][0][1], variable, str(groups[0][0][0]), kind)
    return [(group, choose(group[0][1], variable, str(group[0][0]), kind)) for group in matching]


def _roles(fields: Sequence[MultiFileVariable]) -> dict[str, MultiFileVariable]:
    """The daily, monthly and true series; :class:`DataError` where two have the same role."""
    roles: dict[str, MultiFileVariable] = {}
    full_only = not any(_published(s) == ("day", "masked") or _published(s) == ("hr", "masked") for s in fields)
    # days before hours, full months before masked ones
    for series in sorted(fields, key=lambda s: (s.step == "hours", _published(s)[1] == "masked")):
        kind, cover = _published(series)
        role = "monthly" if series.step == "months" else "truth" if cover == "full" and not full_only else "daily"
        if role in roles and not kind:
            raise DataError(
                f"two sets of files could be the {role} data",
                f"{roles[role].where}; {series.where}",
                "open one of them, or give the path of the files that belong together",
            )
        roles.setdefault(role, series)
    first = next(iter(roles.values()))
    for series in roles.values():
        if series.grid != first.grid:
            raise DataError(
                "the files lie on different grids", f"{first.where}; {series.where}", "open them one by one"
            )
    return roles


def _source(
    roles: dict[str, MultiFileVariable], files: Sequence[File], name: str, key: str, overrules: Overrules
) -> SSTSource:
    main = roles.get("daily") or roles["monthly"]
    sample = max((series.values.sample for series in roles.values()), key=lambda sample: sample.num_valid_cells)
    land = land_of([group[0] for group in grouped(files)], main.grid, sample, main.kind, overrules.mask)
    arrays = {role: series.array(land.mask, "sst", f"{role}-{key}") for role, series in roles.items()}
    has_ice = main.kind.has_ice and "daily" in roles
    ice, ice_note = roles["daily"].ice(f"ice-{key}") if has_ice else (None, None)
    monthly, truth = arrays.get("monthly"), arrays.get("truth")
    notes = [*main.notes]
    for role, series in roles.items():
        if series is not main:
            notes.append(f"{role}: {series.notes[2]}")
    if monthly is None and truth is not None:
        monthly = month_means(truth)
        notes.append("monthly: the means of the full days")
    notes += [land.note, *([ice_note] if ice_note else [])]
    return SSTSource(
        name,
        key,
        main.grid,
        land.mask,
        tuple(dict.fromkeys(notes)),
        arrays.get("daily"),
        monthly,
        truth,
        ice,
        next((series.quality_note or "" for series in (main, *roles.values()) if series.is_graded), ""),
        is_synthetic=any(dataset.attrs.get(f"{PREFIX}synthetic") == SYNTHETIC for _, dataset in files),
        understood=main.understood(land.note, overrules),
        variable=main.kind,
    )


def _by_area(source: SSTSource, regrid: Regrid | None) -> SSTSource:
    """The source on the regular grid of a step, by area."""
    assert regrid is not None
    check_regrid(regrid)
    if regrid.method != "conservative":
        raise ChoiceError(
            f"the grid has latitudes and longitudes, and {regrid_text(regrid)} is for others", "regrid",
            "choose conservative", {"regrid": (replace(regrid, method="conservative"),)},
        )  # fmt: skip
    lat, lon = source.grid.lat_bounds, source.grid.lon_bounds
    inside = np.clip(lat + np.array([1e-9, *np.zeros(lat.size - 2), -1e-9]), -90.0, 90.0)
    grid = target_grid(regrid.step_deg, [(inside, np.append(lon[:-1] + 1e-9, lon[-1] - 1e-9))])
    understood = source.understood
    if understood is not None:
        rows, columns = grid.shape
        text = f"{rows:,} × {columns:,} cells, regridded from {understood.grid.partition(', regridded')[0]} to "
        understood = replace(understood, grid=text + regrid_text(regrid))
    return replace(resampled(source, grid), understood=understood, resampled_from="")


def _published(series: MultiFileVariable) -> tuple[str, str]:
    match = _PUBLISHED.match(series.files[0][0].path.name)
    return (match[1], match[2]) if match else ("", "")


def _name(path: str | Path | Sequence[str | Path]) -> str:
    if isinstance(path, str | Path):
        return Path(path).name or str(path)
    return f"{Path(path[0]).name} and {len(path) - 1} more" if len(path) > 1 else Path(path[0]).name
