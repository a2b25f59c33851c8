"""Made-up content of ``scores.json``, with and without sums by block and month, and draws from them as plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.typed import Floats


def plain(**errors: float) -> dict[str, Any]:
    """Scores as older versions wrote them: errors over all open sea, without sums by block."""
    return {name: {"surface": {"sea": {"mae": error}}} for name, error in errors.items()}


def with_blocks(seed: int = 0, noise: float = 0.05, num_blocks: int = 20, **errors: float) -> dict[str, Any]:
    """Scores whose mean errors are about ``errors``, with sums of a year in blocks, all cells observed often."""
    rng = np.random.default_rng(seed)
    area = rng.uniform(1.0, 3.0, (12, num_blocks, 1))
    scores = {}
    for name, error in errors.items():
        sums = area * error * (1.0 + noise * rng.standard_normal(area.shape))
        total = float(sums.sum() / area.sum())
        blocks = {"labels": [">8"], "area": area.tolist(), "abs_error": sums.tolist()}
        scores[name] = {
            "surface": {"sea": {"mae": total}},
            "observations": {">8": {"mae": total}},
            "class": {"observed": {"mae": total}},
            "blocks": blocks,
        }
    return scores


def drawn_one_by_one(model: Floats, baseline: Floats, seeds: Floats, months: Floats, blocks: Floats) -> list[float]:
    """The draws as loops: each block and month counts as often as both were drawn."""
    margins = []
    for draw in range(len(months)):
        errors = [0.0] * len(model)
        other = 0.0
        for month in range(baseline.shape[0]):
            for block in range(baseline.shape[1]):
                times = months[draw, month] * blocks[draw, block]
                other += times * baseline[month, block]
                for run in range(len(model)):
                    errors[run] += times * model[run, month, block]
        mean = sum(seeds[draw, run] * error for run, error in enumerate(errors)) / len(model)
        margins.append(1.0 - mean / other)
    return margins
