"""The task ``centres``: which centres serve a density, every kind against their number, on held-out points."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from engine.compute import use_thread_policy
from engine.config.centres import MOST_POINTS, CentresSettings
from engine.errors import EngineError
from engine.evaluation.centre_scores import CentreScore, PointSplit, score_centres, split_points
from engine.files import write_atomic
from engine.mvmf import centres_of_kind
from engine.runs.context import RunContext
from engine.training.densities import density_points
from engine.training.expert.data_module import land_cells

COMPARED = {
    "fibonacci": "even centres", "hierarchy": "cells of a cube", "land": "centres on land", "ocean": "centres at sea",
    "near-data": "data points at random", "kmeans": "k-means centres", "minibatch": "mini-batch centres",
    "farthest": "farthest points", "partition": "cells of a partition",
}  # fmt: skip
"""The kinds of centres that are compared, and how a sentence names them."""

FORMAT = "harmonia.centres"
VERSION = 1


@dataclass(frozen=True)
class ComparedCentres:
    """A kind of centres at one number of them, and the seconds that placing them took."""

    kind: str
    score: CentreScore
    seconds: float

    @classmethod
    def of(cls, row: dict[str, Any]) -> ComparedCentres:
        """From a row of ``centres.json``."""
        fields: dict[str, Any] = {**row["score"], "recall": tuple(row["score"]["recall"])}
        return cls(row["kind"], CentreScore(**fields), row["seconds"])


def compare_centres(settings: CentresSettings, run: RunContext) -> None:
    """Every kind of :data:`COMPARED` at every number, placed on and fitted to 80 % of at most 6,000 points of the
    density, scored on the rest; the seed of the run chooses and deals the points.

    The result is ``centres.json``: ``rows``, a :class:`ComparedCentres` each. A number that a kind cannot have, with
    fewer points than centres for one, is left out. Metrics: ``log_likelihood`` and ``median_km`` of the last row.
    Checkpoint: the rows so far, after each.

    Raises as :func:`engine.training.densities.density_points`, and :class:`DataError` for fewer than 30 points.
    """
    use_thread_policy()
    kept = run.restore()
    rows: list[dict[str, Any]] = kept.metadata["rows"] if kept else []
    done: int = kept.metadata["done"] if kept else 0
    with run.repeating():
        split = dealt_points(settings, run.seed)
    wanted = list(product(COMPARED, settings.sizes))
    for number, (kind, size) in enumerate(wanted[done:], done + 1):
        with run.repeating():
            compared = compare_kind(kind, size, split, run.seed)
        if compared is not None:
            rows = [row for row in rows if not _is_same(row, compared)] + [asdict(compared)]
            run.report(
                {"log_likelihood": compared.score.log_likelihood, "median_km": compared.score.median_km},
                number / len(wanted),
            )
        run.checkpoint({"done": np.array([number])}, {"rows": rows, "done": number})
    write_atomic(run.files.centres, result_json(settings, rows))


def result_json(settings: CentresSettings, rows: Sequence[dict[str, Any]]) -> bytes:
    """The content of ``centres.json``; own points stay in the configuration."""
    kept = settings.model_dump(mode="json", exclude={"points"})
    return json.dumps({"format": FORMAT, "version": VERSION, "settings": kept, "rows": rows}, indent=1).encode() + b"\n"


def dealt_points(settings: CentresSettings, seed: int) -> PointSplit:
    """At most 6,000 points of the density, dealt to place, validate and score."""
    places = density_points(settings.density, settings.points)
    chosen = torch.randperm(len(places), generator=torch.Generator().manual_seed(seed))[:MOST_POINTS]
    return split_points(places[chosen], seed)


def compare_kind(kind: str, size: int, split: PointSplit, seed: int = 0) -> ComparedCentres | None:
    """One kind at one number of centres; None where it cannot have them."""
    began = time.perf_counter()
    try:
        centres = centres_of_kind(kind, size, lambda: split.train, land_cells, 0.0, seed)
    except EngineError:  # more centres than points
        return None
    seconds = round(time.perf_counter() - began, 4)
    return ComparedCentres(kind, score_centres(centres, split), seconds)


def _is_same(row: dict[str, Any], compared: ComparedCentres) -> bool:
    """A kind that gives fewer centres than asked for may have them already."""
    return row["kind"] == compared.kind and row["score"]["num_centres"] == compared.score.num_centres
