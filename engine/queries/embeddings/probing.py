"""What can be read from the embedding on screen: its score, its score against K, other encoders, and where it errs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from engine.errors import EngineError
from engine.evaluation.probing import SPLITS, TASKS, ProbeScore, Split, probe
from engine.queries.cache import CACHE, Progress, no_progress
from engine.queries.embeddings.patches import SHOWN_ENCODERS, EmbeddingConfig, embedding, key_of
from engine.queries.embeddings.vectors import FILE, FILE_TITLE
from engine.typed import Floats, Singles

PROBE_TASKS = {task.title: name for name, task in TASKS.items()}
"""Titles of the tasks, and their names."""

PROBE_SPLITS: dict[str, Split] = dict(
    zip(("Points at random", "Blocks of 10°", "A basin or continent"), SPLITS, strict=True)
)
"""How a page names the splits."""

_HELD_OUT = {
    "random": "on points held out at random",
    "blocks": "on held-out blocks of 10°",
    "basin": "on a held-out basin, continent or sector",
}
_SIZES = (2, 4, 8, 16, 32, 64, 128, 256, 512)
_AS_GOOD = 0.01  # of the score


@dataclass(frozen=True)
class ProbeCurve:
    """Scores (n,) at ``num_numbers`` (n,) numbers, and their standard deviation over the folds."""

    num_numbers: Floats
    scores: Floats
    spread: Floats


@dataclass(frozen=True)
class ProbedEncoder:
    """The score of an encoder with as many numbers as the choice on screen allows; ``is_best`` where none with as few
    numbers reads more: the Pareto front."""

    name: str
    title: str
    num_numbers: int
    score: float
    is_best: bool


def probed(config: EmbeddingConfig, task: str, split: Split, like: EmbeddingConfig | None = None) -> ProbeScore:
    """The linear probe of the embedding at its patches' centres, cached; of the patches that ``like`` has numbers for
    where one is given, so that both are read at the same places.
    """

    def compute() -> ProbeScore:
        patches = embedding(config)
        values = patches.values if like is None else np.where(embedding(like).is_known[:, :, None], patches.values, nan)
        return _probe(values, patches.lat, patches.lon, patches.area_m2, task, split)

    nan = np.float32(np.nan)
    return CACHE.get(_key(config, task, split, like), compute, lambda score: 2 * score.values.nbytes)


def is_probed(config: EmbeddingConfig, task: str, split: Split) -> bool:
    """Whether the probe is in the cache."""
    return _key(config, task, split, None) in CACHE


def _key(config: EmbeddingConfig, task: str, split: Split, like: EmbeddingConfig | None) -> tuple[Any, ...]:
    return (*key_of(config, "probe", task, split), *(() if like is None else key_of(like)))


def probe_error(config: EmbeddingConfig, task: str, split: Split) -> Singles:
    """(Hp, Wp) how far off a patch is when it is held out: |read − true| in the task's unit, or 1 for a wrong class and
    0 for a right one; NaN without a value.
    """
    score = probed(config, task, split)
    error = np.abs(score.predicted - score.values)
    if TASKS[task].classes:
        error = np.where(np.isnan(error), np.nan, np.minimum(error, 1.0))
    return error.reshape(config.patches().shape).astype(np.float32)


def error_label(task: str) -> tuple[str, str]:
    """Label and unit of :func:`probe_error`."""
    return ("Wrong class = 1", "") if TASKS[task].classes else ("Error of reading", TASKS[task].unit)


def probe_curve(config: EmbeddingConfig, task: str, split: Split, progress: Progress = no_progress) -> ProbeCurve:
    """The score against K: of the leading components of the harmonic basis, of the leading principal components of the
    vectors of a file, of smaller settings of other encoders.
    """
    most = embedding(config).values.shape[2] if config.encoder == FILE else config.basis.num_components
    sizes = sorted({*(size for size in _SIZES if size < most), most})
    ordered = _ordered(config) if config.encoder in ("harmonic", FILE) else None
    points: dict[int, ProbeScore] = {}
    for number, size in enumerate(sizes):
        progress(number / len(sizes), "Reading …")
        if ordered is not None:
            patches = embedding(config)
            score = _probe(ordered[:, :, :size], patches.lat, patches.lon, patches.area_m2, task, split)
        else:
            try:
                score = probed(_sized(config, config.encoder, size), task, split)
            except EngineError:  # an encoder that cannot have so few numbers
                continue
        points[score.num_numbers] = score
    return ProbeCurve(
        np.array(list(points), np.float64),
        np.array([score.score for score in points.values()]),
        np.array([float(np.nanstd(score.by_fold)) for score in points.values()]),
    )


def compare_encoders(
    config: EmbeddingConfig, task: str, split: Split, progress: Progress = no_progress
) -> list[ProbedEncoder]:
    """Every encoder with at most as many numbers as the choice on screen, the best first.

    Beside the vectors of a file all are read at the places that it has vectors of.
    """
    is_file = config.encoder == FILE
    num_numbers = embedding(config).values.shape[2] if is_file else config.basis.num_components
    scores: dict[str, ProbeScore] = {FILE: probed(config, task, split)} if is_file else {}
    for number, name in enumerate(SHOWN_ENCODERS):
        progress(number / len(SHOWN_ENCODERS), f"Reading {SHOWN_ENCODERS[name]} …")
        try:
            scores[name] = probed(_sized(config, name, num_numbers), task, split, config if is_file else None)
        except EngineError:  # K that this encoder cannot have
            continue
    rows = [
        ProbedEncoder(
            name,
            SHOWN_ENCODERS.get(name, FILE_TITLE),
            score.num_numbers,
            score.score,
            all(
                other.score <= score.score or other.num_numbers > score.num_numbers
                for other in scores.values()
                if other is not score
            ),
        )
        for name, score in scores.items()
    ]
    return sorted(rows, key=lambda row: -row.score)


def probe_sentences(config: EmbeddingConfig, task: str, split: Split, curve: ProbeCurve) -> list[str]:
    """The answer in words: what is read, beside what needs no embedding, and how few numbers would do."""
    score = probed(config, task, split)
    latitude, nearest = f"{score.latitude:.2f}", f"{score.nearest:.2f}"
    sentences = [
        f"{TASKS[task].title}: {score.metric} {score.score:.2f} from {score.num_numbers} numbers, read linearly "
        f"{_HELD_OUT[split]}. Latitude alone reads {latitude}, the nearest training point {nearest}."
    ]
    best = float(curve.scores.max())
    enough = curve.num_numbers[curve.scores >= best - _AS_GOOD][0]
    if score.score < score.latitude:
        sentences.append("Latitude alone reads more than the embedding.")
    elif score.score < score.nearest:
        sentences.append("The value at the nearest training point is the better guess.")
    if enough < curve.num_numbers[-1]:
        sentences.append(f"{enough:.0f} numbers read as much as {curve.num_numbers[-1]:.0f}, within {_AS_GOOD:g}.")
    elif len(curve.scores) > 1 and curve.scores[-1] - curve.scores[-2] > _AS_GOOD:
        gain = curve.scores[-1] - curve.scores[-2]
        sentences.append(f"More may help: the last doubling of K gained {gain:.2f}.")
    return sentences


def _sized(config: EmbeddingConfig, encoder: str, size: int) -> EmbeddingConfig:
    """The same patches with another encoder, or another K."""
    size = max(4, size // 4 * 4) if encoder == "sinusoidal" else size
    if encoder == "harmonic":
        size = min(size, (config.basis.max_degree + 1) ** 2 - 1)
    return replace(config, encoder=encoder, file="", basis=replace(config.basis, num_components=size))


def _ordered(config: EmbeddingConfig) -> Singles:
    """The numbers (Hp, Wp, K) in the order of their variance: a basis has them so, a file's are turned to it."""
    patches = embedding(config)
    if config.encoder == "harmonic":
        return patches.values
    known = patches.values[patches.is_known].astype(np.float64)
    weights = np.repeat(patches.area_m2, patches.lon.size)[patches.is_known.ravel()]
    centred = known - np.average(known, axis=0, weights=weights)
    _, axes = np.linalg.eigh(np.einsum("n,nk,nj->kj", weights / weights.sum(), centred, centred, optimize=True))
    turned = np.full_like(patches.values, np.nan)
    turned[patches.is_known] = centred @ axes[:, ::-1]
    return turned


def _probe(values: Singles, lat: Floats, lon: Floats, area: Floats, task: str, split: Split) -> ProbeScore:
    """The probe of the patches with numbers; predictions and values are NaN at the others."""
    lats, lons = (axis.ravel() for axis in np.meshgrid(lat, lon, indexing="ij"))
    flat = values.reshape(-1, values.shape[2])
    is_known = np.isfinite(flat[:, 0])
    areas = np.repeat(area, lon.size)[is_known]
    codes = torch.as_tensor(flat[is_known])
    score = probe(codes, lats[is_known], lons[is_known], task, split, weights=areas)
    everywhere = np.full((2, len(flat)), np.nan)
    everywhere[:, is_known] = score.predicted, score.values
    return replace(score, predicted=everywhere[0], values=everywhere[1])
