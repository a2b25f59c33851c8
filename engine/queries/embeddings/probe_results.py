"""What a run of the task ``probe`` measured: scores against K for each encoder and L, the answer in words, files.

The result of a sweep comes along (:data:`SHIPPED`), so that a page has an answer before any run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from engine.assets import asset
from engine.config.encoders import EncoderName
from engine.config.probe import DEFAULT_ENCODERS, ProbeSettings
from engine.config.run_config import RunConfig
from engine.errors import DataError
from engine.evaluation.probing import TASKS
from engine.files import read_file
from engine.provenance import Provenance
from engine.queries.export import csv_file
from engine.queries.text import counted
from engine.runs.run_folder import RunFolder
from engine.training.probe import FORMAT, VERSION
from engine.typed import Floats, write_parquet

SHIPPED = "probe.json"
"""The asset: the default probe's encoders and tasks at several K and L, in held-out blocks."""

Row = Mapping[str, Any]

_MAX_BYTES = 64 * 2**20
_AS_GOOD = 0.01  # of the score
_KEYS = (
    "encoder", "max_degree", "num_numbers", "step_deg", "task", "split", "seed", "reader", "metric", "score",
    "latitude", "nearest", "fold_spread",
)  # fmt: skip
_SWEPT_SIZES, _SWEPT_DEGREES = (8, 16, 32, 64, 128), (6, 10, 14)


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """The rows of a probe, one for each embedding, task, split and seed; and what is measured of each embedding."""

    rows: tuple[Row, ...]
    embeddings: tuple[Row, ...]

    @property
    def tasks(self) -> list[str]:
        """The tasks that were read."""
        return [name for name in TASKS if any(row["task"] == name for row in self.rows)]

    @property
    def splits(self) -> list[str]:
        """The ways in which points were held out."""
        return list(dict.fromkeys(row["split"] for row in self.rows))


@dataclass(frozen=True, eq=False)
class EncoderCurve:
    """One encoder, of one L if harmonic, at one patch size: scores (n,), means over the seeds, at ``num_numbers`` (n,).

    ``spread`` (n,): the standard deviation over the folds. ``is_best`` (n,): no embedding with as few numbers reads
    more, the Pareto front.
    """

    encoder: str
    max_degree: int
    step_deg: float
    num_numbers: Floats
    scores: Floats
    spread: Floats
    is_best: tuple[bool, ...]

    @property
    def name(self) -> str:
        """The encoder, and L if it has one."""
        return f"{self.encoder}, L = {self.max_degree}" if self.max_degree else self.encoder


@dataclass(frozen=True, eq=False)
class ProbeCurves:
    """All curves of one task and split, the one of the highest score first, and what needs no embedding."""

    task: str
    split: str
    metric: str
    latitude: float
    nearest: float
    curves: tuple[EncoderCurve, ...]


def read_probe(path: Path) -> ProbeResult:
    """The result in a run's ``probe.json``. Raises :class:`DataError` for another file."""
    try:
        content = json.loads(read_file(path, _MAX_BYTES))
        is_known = content["format"] == FORMAT and content["version"] == VERSION
        rows, embeddings = tuple(content["rows"]), tuple(content["embeddings"])
        is_known = is_known and bool(rows) and all(key in row for row in rows for key in _KEYS)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"it is no result of a probe: {error}", path.name, "run the probe again") from error
    if not is_known:
        raise DataError("it is no result of a probe of this version", path.name, "run the probe again")
    return ProbeResult(rows, embeddings)


def read_run(run_id: str) -> ProbeResult:
    """The result of a run. Raises :class:`StoreError` for no run, :class:`DataError` for one without a result."""
    path = RunFolder.of(run_id).probe
    if not path.is_file():
        raise DataError("this run has no result of a probe", run_id, "choose another, or wait until it has ended")
    return read_probe(path)


@cache
def shipped_probe() -> ProbeResult:
    """The result that comes along."""
    return read_probe(asset(SHIPPED))


def sweep_config(encoder: str, task: str, split: str, step_deg: float) -> RunConfig:
    """One run that reads ``task`` from every encoder of the default probe, and from ``encoder``, at K from 8 to 128 and
    L of 6, 10 and 14, from patches of 1° and of ``step_deg``.
    """
    encoders = dict.fromkeys((*DEFAULT_ENCODERS, cast(EncoderName, encoder)))
    steps = sorted({1.0, step_deg})
    settings = {
        "encoders": tuple(name for name in encoders if name not in ("table", "none", "sinusoidal")),
        "sizes": _SWEPT_SIZES, "degrees": _SWEPT_DEGREES, "tasks": (task,), "splits": (split,),
        "steps_deg": tuple(step for step in steps if 0.5 <= step <= 10.0),
    }  # fmt: skip
    return RunConfig(settings=ProbeSettings.model_validate(settings))


def probe_curves(result: ProbeResult, task: str, split: str) -> ProbeCurves:
    """The curves of one task and split. Raises :class:`DataError` where the run did not read them."""
    rows = [row for row in result.rows if (row["task"], row["split"]) == (task, split)]
    if not rows:
        there = ", ".join(f"{name!r}" for name in (*result.tasks, *result.splits))
        raise DataError(f"this run did not read {task!r} in {split!r}", "probe", f"it has {there}: choose among these")
    by_embedding: dict[tuple[str, int, float], dict[int, list[Row]]] = {}
    for row in rows:
        at = by_embedding.setdefault((row["encoder"], row["max_degree"], row["step_deg"]), {})
        at.setdefault(row["num_numbers"], []).append(row)
    points = [(size, _mean(seeds, "score")) for sizes in by_embedding.values() for size, seeds in sizes.items()]
    curves = [_curve(*key, sizes, points) for key, sizes in by_embedding.items()]
    return ProbeCurves(
        task,
        split,
        rows[0]["metric"],
        _mean(rows, "latitude"),
        _mean(rows, "nearest"),
        tuple(sorted(curves, key=lambda curve: -curve.scores.max())),
    )


def result_sentences(of: ProbeCurves) -> list[str]:
    """The answer in words: who reads most, with how few numbers the others' best is reached, and what L gains."""
    best = of.curves[0]
    top, number = float(best.scores.max()), int(best.num_numbers[best.scores.argmax()])
    sentences = [
        f"{TASKS[of.task].title}: {best.name} reads most, {of.metric} {top:.2f} from {counted(number, 'number')}. "
        f"Latitude alone reads {of.latitude:.2f}, the nearest training point {of.nearest:.2f}."
    ]
    for other in of.curves[1:]:
        if other.encoder == best.encoder:
            continue
        reached = float(other.scores.max())
        enough = best.num_numbers[best.scores >= reached - _AS_GOOD]
        most = int(other.num_numbers[other.scores.argmax()])
        if enough.size and enough.min() < most:
            sentences.append(f"{enough.min():.0f} numbers of {best.name} read as much as {most} of {other.name}.")
        break
    if degrees := degree_sentence(of):
        sentences.append(degrees)
    return sentences


def degree_sentence(of: ProbeCurves) -> str:
    """The least L that serves the harmonic basis as well as any higher one; empty where fewer than two were probed."""
    harmonic = [curve for curve in of.curves if curve.max_degree]
    reached: dict[int, float] = {}
    for curve in harmonic:
        reached[curve.max_degree] = max(reached.get(curve.max_degree, -np.inf), float(curve.scores.max()))
    if len(reached) < 2:
        return ""
    most = max(int(curve.num_numbers.max()) for curve in harmonic)
    enough = min(degree for degree, score in reached.items() if score >= max(reached.values()) - _AS_GOOD)
    gain = "the highest probed, serves best" if enough == max(reached) else "serves as well as any higher"
    return (
        f"With at most {most} components of the ocean's basis, L = {enough} {gain}: {of.metric} {reached[enough]:.2f}."
    )


def advice(result: ProbeResult, encoder: str, max_degree: int, num_numbers: int) -> str:
    """What the probe measured for an encoder with ``num_numbers``, L if harmonic, in one sentence: the nearest that was
    probed, of the first field read in blocks, beside the best of at most as many numbers. Empty where the encoder was
    not probed.
    """
    split = "blocks" if "blocks" in result.splits else result.splits[0]
    task = next(name for name in ("sst", *result.tasks) if name in result.tasks)
    of = probe_curves(result, task, split)
    own = [curve for curve in of.curves if curve.encoder == encoder]
    if not own:
        return ""
    curve = min(own, key=lambda curve: abs(curve.max_degree - max_degree))
    index = int(np.abs(np.log(curve.num_numbers / max(num_numbers, 1))).argmin())
    size, score, spread = int(curve.num_numbers[index]), curve.scores[index], curve.spread[index]
    others = [
        (float(other.scores[at]), -int(other.num_numbers[at]), other.name)
        for other in of.curves
        for at in range(len(other.scores))
        if other.num_numbers[at] <= max(size, num_numbers)
    ]
    best, fewest, name = max(others)
    beside = "none with as few reads more" if best <= score else f"{name} with {-fewest} reads {best:.2f}"
    return (
        f"Probe: {curve.name} with {counted(size, 'number')} reads {of.metric} {score:.2f} ± {spread:.2f} of "
        f"{_SHORT.get(task, TASKS[task].title)} {_HELD_OUT[split]}; {beside}, latitude alone {of.latitude:.2f}."
    )


def result_csv(result: ProbeResult, source: str) -> bytes:
    """All rows as CSV; ``source`` names the run."""
    return csv_file(_columns(result), _origin(source))


def result_parquet(result: ProbeResult, source: str) -> bytes:
    """All rows as Parquet, the origin in the file's metadata."""
    columns = {name: np.array(values) for name, values in _columns(result).items()}
    return write_parquet(columns, {name: str(value) for name, value in _origin(source).attributes().items()})


_SHORT = {"sst": "August SST"}
_HELD_OUT = {"random": "at points held out at random", "blocks": "in held-out blocks", "basin": "in a held-out basin"}


def _curve(
    encoder: str, max_degree: int, step: float, sizes: dict[int, list[Row]], points: list[tuple[int, float]]
) -> EncoderCurve:
    numbers = sorted(sizes)
    scores = [_mean(sizes[size], "score") for size in numbers]
    is_best = tuple(
        all(other <= score or count > size for count, other in points)
        for size, score in zip(numbers, scores, strict=True)
    )
    spread = [_mean(sizes[size], "fold_spread") for size in numbers]
    return EncoderCurve(
        encoder, max_degree, step, np.array(numbers, float), np.array(scores), np.array(spread), is_best
    )


def _mean(rows: list[Row], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))


def _columns(result: ProbeResult) -> dict[str, list[Any]]:
    names = list(dict.fromkeys(name for row in result.rows for name in row))
    measured = {_embedding_key(row): row for row in result.embeddings}
    columns = {name: [row.get(name) for row in result.rows] for name in names}
    for name in ("resolution_km", "isotropy", "latitude_bias", "condition", "effective_rank", "encode_seconds"):
        columns[name] = [measured.get(_embedding_key(row), {}).get(name) for row in result.rows]
    return {name: [np.nan if value is None else value for value in values] for name, values in columns.items()}


def _embedding_key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("encoder", "max_degree", "size", "step_deg"))


def _origin(source: str) -> Provenance:
    title = "What can be read from location encoders, on points that were held out"
    return Provenance(recipe="", choices={}, title=title, source=source)
