"""``open_sst``: from a path to an :class:`SSTSource`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from engine.data.quality import Quality, check_quality
from engine.data.source import SSTSource
from engine.data.sst._land import guessed_mask, own_mask
from engine.data.sst._meaning import candidates, choose
from engine.data.sst._paths import content_key, locate
from engine.data.sst._prepared import is_prepared, open_prepared
from engine.data.sst._quality import no_levels
from engine.data.sst._series import File, FileSeries, grouped, month_means, open_series
from engine.data.sst._storage import skeleton
from engine.errors import DataError

_PUBLISHED = re.compile(r"^\d{4,8}_(day|hr|mon)_.+_(masked|full)_[^_]+\.nc$")


def open_sst(
    path: str | Path | Sequence[str | Path], variable: str | None = None, quality: Quality = "good"
) -> SSTSource:
    """Sea-surface temperature in one or many files, lazy; nothing but headers and a few days is read on opening.

    ``path`` is a NetCDF file, a Zarr store (v2 or v3), a pattern with ``*``, a folder, or a list of these; files whose
    names differ in digits only continue each other. Days (or hours, averaged to days) become ``daily``, months
    ``monthly``; they may stand in one file or in several. Also understood are

    - the published pairs ``YYYYMM_{day,hr,mon}_*_{masked,full}_<variable>.nc``: masked days are ``daily``, full days
      ``truth``, full months ``monthly``; ``lsm`` in a file beside them (True = land) is the land;
    - the five prepared stores ``input_da.zarr``, ``input_da_nan_mask.zarr``, ``monthly_da.zarr``,
      ``padded_days_mask.zarr`` and ``time_features.zarr``, in one folder or one folder a year.

    ``variable`` names the temperature where several could be meant. The unit is checked against the values. Infinite
    values count as missing. Days carry ``hour`` (time,), the mean hour of day of what they hold.

    Where a file grades its observations, only those of good quality count, and a note tells how many were left out:
    levels 4 and 5, acceptable and best, of the GHRSST Data Specification; 0 and 1, best and good, of NASA's
    ``qual_sst``; else as the flags' meanings say. ``quality`` "all" keeps all, a number those of this level and better.

    Raises :class:`DataError` or :class:`GridError` for everything that keeps a file from being one of these: what is
    wrong, where, and what to do; :class:`QualityError` where another ``quality`` may help. Files are opened read-only,
    and one that changes later raises when it is read.
    """
    check_quality(quality)
    locations, name = locate(path), _name(path)
    if is_prepared(locations):
        if isinstance(quality, int):
            raise no_levels(quality, str(locations[0].path.parent))
        return open_prepared(locations, variable, name, content_key(locations, variable or ""))
    files = [(location, skeleton(location)) for location in locations]
    series = [open_series(group, n, quality) for group, names in _temperatures(files, variable) for n in names]
    screens = dict.fromkeys(one.screen for one in series if one.screen)
    key = content_key(locations, "|".join([variable or "", *screens]))
    return _source(_roles(series), files, name, key)


def _temperatures(files: Sequence[File], variable: str | None) -> list[tuple[list[File], list[str]]]:
    """The groups of files that hold a temperature, and its name or names in each."""
    groups = grouped(files)
    holding = [
        group
        for group in groups
        if (variable in group[0][1].data_vars if variable is not None else candidates(group[0][1]))
    ]
    if not holding:  # let the first say what there is
        choose(groups[0][0][1], variable, str(groups[0][0][0]))
    return [(group, choose(group[0][1], variable, str(group[0][0]))) for group in holding]


def _roles(series: Sequence[FileSeries]) -> dict[str, FileSeries]:
    """Which series is daily, monthly or the truth; :class:`DataError` where two claim the same."""
    roles: dict[str, FileSeries] = {}
    full_only = not any(_published(s) == ("day", "masked") or _published(s) == ("hr", "masked") for s in series)
    # days before hours, full months before masked ones
    for one in sorted(series, key=lambda s: (s.step == "hours", _published(s)[1] == "masked")):
        kind, cover = _published(one)
        role = "monthly" if one.step == "months" else "truth" if cover == "full" and not full_only else "daily"
        if role in roles and not kind:
            raise DataError(
                f"two sets of files could be the {role} data",
                f"{roles[role].where}; {one.where}",
                "open one of them, or give the path of the files that belong together",
            )
        roles.setdefault(role, one)
    first = next(iter(roles.values()))
    for one in roles.values():
        if one.grid != first.grid:
            raise DataError("the files lie on different grids", f"{first.where}; {one.where}", "open them one by one")
    return roles


def _source(roles: dict[str, FileSeries], files: Sequence[File], name: str, key: str) -> SSTSource:
    main = roles.get("daily") or roles["monthly"]
    seen = max((one.sample for one in roles.values()), key=lambda sample: sample.num_seen)
    land = own_mask([group[0] for group in grouped(files)], main.grid) or guessed_mask(seen, main.grid)
    arrays = {role: one.array(land.mask, "sst", f"{role}-{key}") for role, one in roles.items()}
    ice, ice_note = roles["daily"].ice(f"ice-{key}") if "daily" in roles else (None, None)
    monthly, truth = arrays.get("monthly"), arrays.get("truth")
    notes = [*main.notes]
    for role, one in roles.items():
        if one is not main:
            notes.append(f"{role}: {one.notes[2]}")
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
        next((one.told or "" for one in (main, *roles.values()) if one.is_graded), ""),
    )


def _published(series: FileSeries) -> tuple[str, str]:
    found = _PUBLISHED.match(series.files[0][0].path.name)
    return (found[1], found[2]) if found else ("", "")


def _name(path: str | Path | Sequence[str | Path]) -> str:
    if isinstance(path, str | Path):
        return Path(path).name or str(path)
    return f"{Path(path[0]).name} and {len(path) - 1} more" if len(path) > 1 else Path(path[0]).name
