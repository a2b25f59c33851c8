"""Which centres? Every kind against the number of centres, on points that were held out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch

from engine.errors import EngineError
from engine.evaluation.centre_scores import RECALL_KM, CentreScore, PointSplit, score_centres, split_points
from engine.mvmf import centres_of_kind
from engine.provenance import Provenance
from engine.queries.cache import CACHE, Progress, no_progress
from engine.queries.export import csv_file
from engine.queries.mvmf.densities import DENSITIES, density_points
from engine.training.expert.data_module import land_cells

COMPARED = {
    "fibonacci": "even centres", "hierarchy": "cells of a cube", "land": "centres on land", "ocean": "centres at sea",
    "near-data": "data points at random", "kmeans": "k-means centres", "minibatch": "mini-batch centres",
    "farthest": "farthest points", "partition": "cells of a partition",
}  # fmt: skip
"""The kinds of centres that are compared, and how a sentence names them."""

EVEN = "fibonacci"
SIZES = (8, 32, 128, 512)

_MOST_POINTS = 6000  # so that the comparison takes seconds
_SEED = 0
_AS_GOOD = 0.05  # nats a point


@dataclass(frozen=True)
class ComparedCentres:
    """A kind of centres at one number of them, and the seconds that placing them took."""

    kind: str
    score: CentreScore
    seconds: float


def compare_centres(
    density: str, points: tuple[tuple[float, float], ...] = (), progress: Progress = no_progress
) -> tuple[ComparedCentres, ...]:
    """Every kind at 8 to 512 centres, placed on and fitted to 80 % of 6,000 points of the density, scored on the rest.

    A number that a kind cannot have, with fewer points than centres for one, is left out. Raises as
    :func:`engine.queries.mvmf.densities.density_points`.
    """

    def compute() -> tuple[ComparedCentres, ...]:
        places = density_points(density, points)
        chosen = torch.randperm(len(places), generator=torch.Generator().manual_seed(_SEED))[:_MOST_POINTS]
        split = split_points(places[chosen], _SEED)
        rows: dict[tuple[str, int], ComparedCentres] = {}
        for number, (kind, size) in enumerate(product(COMPARED, SIZES)):
            progress(number / (len(COMPARED) * len(SIZES)), f"Comparing {COMPARED[kind]}, {size:,} centres …")
            if row := _compared(kind, size, split):
                rows[kind, row.score.num_centres] = row
        return tuple(rows.values())

    return CACHE.get(("centres compared", density, points), compute, lambda rows: 400 * len(rows))


def comparison_sentences(rows: Sequence[ComparedCentres], density: str) -> list[str]:
    """The answer in words: what knows most, what is nearest, and what even centres would need."""
    title = next(title for title, name in DENSITIES.items() if name == density)
    most = max(row.score.num_centres for row in rows if row.kind == EVEN)
    last = {row.kind: row for row in rows if most / 2 < row.score.num_centres <= most}
    even = last[EVEN].score
    best = max(last.values(), key=lambda row: row.score.log_likelihood)
    closest = min(last.values(), key=lambda row: row.score.median_km)
    beside = "" if best.kind == EVEN else f"; even ones {even.log_likelihood:.2f}"
    sentences = [
        f"{title}, about {most:,} centres: {COMPARED[best.kind]} know most of points that were held out, "
        f"{best.score.log_likelihood:.2f} nats a point more than nothing{beside}.",
        f"Half of these points lie within {closest.score.median_km:,.0f} km of the nearest centre with "
        f"{COMPARED[closest.kind]}, within {even.median_km:,.0f} km with even ones.",
    ]
    target = even.log_likelihood - _AS_GOOD
    fewer = min((row for row in rows if row.score.log_likelihood >= target), key=lambda row: row.score.num_centres)
    if fewer.score.num_centres < most:
        sentences.append(
            f"{fewer.score.num_centres:,} centres ({COMPARED[fewer.kind]}) know as much as {most:,} even ones, "
            f"within {_AS_GOOD:g} nats."
        )
    slowest = max(last.values(), key=lambda row: row.seconds)
    sentences.append(f"Placing took {slowest.seconds:.1f} s at most: {COMPARED[slowest.kind]}.")
    return sentences


def comparison_csv(rows: Sequence[ComparedCentres], density: str) -> bytes:
    """The comparison as CSV: a row for every kind and number of centres."""
    columns = {
        "kind": [row.kind for row in rows],
        "num_centres": [row.score.num_centres for row in rows],
        "log_likelihood_nats": [row.score.log_likelihood for row in rows],
        "median_km": [row.score.median_km for row in rows],
        **{
            f"recall_{km:g}_km": [row.score.recall[number] for row in rows] for number, km in enumerate(RECALL_KM)
        },
        "place_seconds": [row.seconds for row in rows],
    }  # fmt: skip
    title = "Which centres serve a density of points: kinds and numbers compared on held-out points"
    details = {"density": density, "most_points": _MOST_POINTS, "seed": _SEED}
    source = "centres compared on the Geolocation page"
    return csv_file(columns, Provenance(recipe="", choices={}, title=title, source=source, details=details))


def _compared(kind: str, size: int, split: PointSplit) -> ComparedCentres | None:
    began = time.perf_counter()
    try:
        centres = centres_of_kind(kind, size, lambda: split.train, land_cells, 0.0, _SEED)
    except EngineError:  # more centres than points
        return None
    seconds = time.perf_counter() - began
    return ComparedCentres(kind, score_centres(centres, split), seconds)
