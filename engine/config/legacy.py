"""The one reader of formats that earlier versions wrote: old names of fields, keys and files, and what they are now.

Files are written with the names of today only. Every reader of a file or an address passes its content through here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from engine.config.months import Month, days_between

_KEYS = {
    # fields of configurations
    "average": "ema_decay",
    "withheld_share": "withheld_fraction",
    "sample_share": "sample_fraction",
    # keys of checkpoints, model files and ``status.json``
    "facts": "metadata",
    "what": "problem",
    "rivals_val_mae": "baselines_val_mae",
}
"""Keys of JSON objects. No old key has another meaning today, so keys are renamed at every level."""

_PRESETS = {"published": "base"}
"""Presets of a model: ``published`` was never the published model, which ``documented`` and ``repository`` are."""

_SPLIT_YEARS = {
    "climatology": (2001, 2002),
    "train": (2003, 2004),
    "validation": (2005, 2005),
    "test": (2006, 2006),
}
"""Splits that were given as whole years, ``train_years`` and so on, and the defaults that these had."""

_FILES = {
    "baselines.npz": "rivals.npz",
}
"""Files in a run's folder, by the name of today."""

TRASH = "bin"
"""The folder of deleted runs in a home."""


def current_key(name: str) -> str:
    """The name of today of a field or key, which may be a path such as ``trial.average``."""
    outer, dot, last = name.rpartition(".")
    return outer + dot + _KEYS.get(last, last)


def current_preset(name: str) -> str:
    """The name of today of a preset."""
    return _PRESETS.get(name, name)


def current_keys(values: Any) -> Any:
    """Plain JSON values with the keys of today. An old key beside its new one is left, to be refused as unknown.

    The presets that a sweep chooses among, under ``preset``, get their names of today.
    """
    if isinstance(values, dict):
        items = _month_splits(cast("dict[str, Any]", values))
        current = {key if current_key(key) in items else current_key(key): current_keys(items[key]) for key in items}
        if "preset" in current:
            current["preset"] = _current_presets(current["preset"])
        return current
    if isinstance(values, list):
        return [current_keys(value) for value in cast("list[Any]", values)]
    return values


def _current_presets(value: Any) -> Any:
    """A preset's name, or the ``values`` of a dimension of a sweep, with the names of today."""
    if isinstance(value, str):
        return current_preset(value)
    if isinstance(value, dict):
        dimension = cast("dict[str, Any]", value)
        if isinstance(names := dimension.get("values"), list):
            return dimension | {"values": [_current_presets(name) for name in cast("list[Any]", names)]}
    return cast(Any, value)


def _month_splits(values: dict[str, Any]) -> dict[str, Any]:
    """Settings of the task ``sst`` whose splits were whole years with ``gap_months`` left out between two adjacent
    ones, with the same months as spans. All other values, and years that are none, are returned as they are.
    """
    old = {f"{split}_years": split for split in _SPLIT_YEARS}
    if not (old.keys() | {"gap_months"}) & values.keys() or values.keys() & set(old.values()):
        return values
    years = {split: values.get(name, _SPLIT_YEARS[split]) for name, split in old.items()}
    gap = values.get("gap_months", 1)
    if not all(_are_years(pair) for pair in years.values()) or not (_is_whole(gap) and 0 <= gap <= 11):
        return values
    spans = {split: _months_without_gap(split, years, gap) for split in years}
    texts = {split: [str(first), str(last)] for split, (first, last) in spans.items()}
    kept = {name: value for name, value in values.items() if name not in old and name != "gap_months"}
    return kept | {"gap_days": _least_distance(texts) if gap else 0} | texts


def _months_without_gap(split: str, years: Mapping[str, Any], gap: int) -> tuple[Month, Month]:
    first, last = years[split]
    taken = {year for other, (start, stop) in years.items() if other != split for year in range(start, stop + 1)}
    is_trimmed = split in ("validation", "test")
    start = Month(first, 1).plus(gap if is_trimmed and first - 1 in taken else 0)
    return start, Month(last, 12).plus(-gap if is_trimmed and last + 1 in taken else 0)


def _least_distance(spans: Mapping[str, list[str]]) -> int:
    """Days between the two closest of the splits that must lie apart, at most the 31 of today's default."""
    pairs = [(name, other) for name in ("validation", "test") for other in spans if other != name]
    return max(0, min(31, *(days_between(_pair(spans[name]), _pair(spans[other])) for name, other in pairs)))


def _pair(span: list[str]) -> tuple[str, str]:
    return span[0], span[1]


def _are_years(pair: object) -> bool:
    return (
        isinstance(pair, list | tuple)
        and len(years := cast("list[Any]", pair)) == 2
        and all(_is_whole(year) and 1 <= year <= 9998 for year in years)
        and years[0] <= years[1]
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def current_trials(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a sweep's ``trials.json``, whose ``fields`` are names too."""
    content = current_keys(content)
    return content | {"fields": [current_key(name) for name in content["fields"]]}


def current_study(journal: str) -> str:
    """The journal of a sweep's study (Optuna's, JSON lines) with the names of today of parameters and presets."""
    journal = re.sub(r'("param_name": ?")([^"]+)', lambda match: match[1] + current_key(match[2]), journal)
    names = re.compile(rf"\b({'|'.join(_PRESETS)})\b")
    return "".join(
        names.sub(lambda match: current_preset(match[0]), line) if re.search(r'"param_name": ?"preset"', line) else line
        for line in journal.splitlines(keepends=True)
    )


def existing_file(path: Path) -> Path:
    """``path``, or the same file under the name that an earlier version gave it, where only that exists."""
    old = path.with_name(_FILES.get(path.name, path.name))
    return old if old.exists() and not path.exists() else path


def trainer_state(
    arrays: Mapping[str, Any], metadata: Mapping[str, Any], steps_per_epoch: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and metadata of a training's last checkpoint, by the names of today's ``Trainer``."""
    if "course" in metadata:
        return _sst_state(arrays, metadata["course"], metadata["learner"])
    if "last" in metadata:
        return _expert_state(arrays, metadata["iteration"], dict(metadata["last"]), steps_per_epoch)
    return dict(arrays), dict(metadata)


def _sst_state(
    arrays: Mapping[str, Any], course: Mapping[str, Any], learner: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    names = {"average": "ema_model", "adam": "optimizer"}
    split = {name: name.partition(":") for name in arrays}
    renamed = {f"module:{names.get(first, first)}:{rest}": arrays[name] for name, (first, _, rest) in split.items()}
    loss, norm = course["last"]
    return renamed, {
        "module": {**learner, "halved_at": course["halved_at"]},
        "epoch": course["epoch"],
        "best": course["best_mae"],
        "epochs_since_best": course["since_best"],
        "metrics": {"train_loss": loss, "gradient_norm": norm, "val_mae": course["val_mae"]},
    }


def _expert_state(
    arrays: Mapping[str, Any], step: int, last: dict[str, Any], steps_per_epoch: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    renamed = {f"module:{'optimizer' if ':' in name else 'model'}:{name}": array for name, array in arrays.items()}
    best = last.pop("best_loss")
    plain = {"module": {"step": step}, "epoch": step // steps_per_epoch, "best": best, "epochs_since_best": 0}
    return renamed, {**plain, "metrics": last}
