"""Which centres? What a run of the task ``centres`` compared on points that were held out: rows, words, files.

A result for each density that needs no file comes along, so that the page has an answer before any run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from engine.assets import asset
from engine.config.centres import MOST_POINTS, CentresSettings
from engine.config.run_config import RunConfig
from engine.errors import StoreError
from engine.evaluation.centre_scores import RECALL_KM
from engine.files import read_file
from engine.provenance import Provenance
from engine.queries.export import csv_file
from engine.queries.results import MAX_RESULT_BYTES
from engine.runs.run_folder import RunFolder
from engine.training.centres import COMPARED, FORMAT, VERSION, ComparedCentres
from engine.training.densities import DENSITIES

EVEN = "fibonacci"

SHIPPED = "pretrained"
"""In the place of a run's id: the result that comes along."""

_AS_GOOD = 0.05  # nats a point


def comparison_config(density: str, points: tuple[tuple[float, float], ...] = ()) -> RunConfig:
    """The run that compares every kind at 8 to 512 centres on a density; of many own points every n-th is taken."""
    points = points if density == "file" else ()
    settings = {"density": density, "points": points[:: -(-len(points) // MOST_POINTS) or 1]}
    return RunConfig(settings=CentresSettings.model_validate(settings))


def compared_centres(run: str, density: str = "land") -> tuple[ComparedCentres, ...]:
    """The rows that a run stored; of :data:`SHIPPED` those on ``density``.

    Raises :class:`StoreError` for a run that is not there, not finished, or damaged.
    """
    path = asset(f"pretrained/centres-{density}.json") if run == SHIPPED else RunFolder.of(run).centres
    return _read(path)


def is_shipped(density: str) -> bool:
    """Whether a result on this density comes along: it needs no file."""
    return density in DENSITIES.values() and density != "file"


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


def comparison_csv(run: str, density: str) -> bytes:
    """A stored comparison as CSV: a row for every kind and number of centres."""
    rows = compared_centres(run, density)
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
    source = "comparison of centres that comes along" if run == SHIPPED else f"comparison of centres of run {run}"
    details = {"density": density, "most_points": MOST_POINTS}
    return csv_file(columns, Provenance(recipe="", choices={}, title=title, source=source, details=details))


def _read(path: Path) -> tuple[ComparedCentres, ...]:
    remedy = "wait until the run has ended, or compare again"
    try:
        content = json.loads(read_file(path, MAX_RESULT_BYTES))
        if (content["format"], content["version"]) != (FORMAT, VERSION):
            raise ValueError(f"it is {content['format']!r}, version {content['version']}")
        rows = tuple(map(ComparedCentres.of, content["rows"]))
        if not any(row.kind == EVEN for row in rows):
            raise ValueError("even centres are missing")
    except FileNotFoundError as error:
        raise StoreError("there is no comparison of centres", path.parent.name, remedy) from error
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"it is no comparison of centres: {error}", path.name, remedy) from error
    return rows
