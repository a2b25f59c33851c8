"""Names on disk of earlier versions, and what they are called today. Nothing else knows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PREFIXES = {"model:": "module:model:", "average:": "module:ema_model:", "random:": "module:random:"}


def trainer_state(
    arrays: Mapping[str, Any], facts: Mapping[str, Any], steps_per_epoch: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and plain values of a training's last checkpoint, under the names of today's ``Trainer``."""
    if "course" in facts:
        return _sst_state(arrays, facts["course"], dict(facts["learner"]))
    if "last" in facts:
        return _expert_state(arrays, facts["iteration"], dict(facts["last"]), steps_per_epoch)
    return dict(arrays), dict(facts)


def _sst_state(
    arrays: Mapping[str, Any], course: Mapping[str, Any], learner: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    renamed = {name.replace("adam:", "module:optimizer:", 1): array for name, array in arrays.items()}
    for old, new in _PREFIXES.items():
        renamed = {name.replace(old, new, 1) if name.startswith(old) else name: renamed[name] for name in renamed}
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
