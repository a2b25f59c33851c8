"""The texts of the Embeddings page, from plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePath

from engine.queries.embeddings import (
    ColourAxis,
    EmbeddingConfig,
    EmbeddingCost,
    MeasureDifference,
    Neighbour,
    PatchEmbedding,
    ProbeCurves,
    ProbedEncoder,
    ScaleTable,
)
from engine.queries.text import place
from explorer.widgets.text import LabelledValue, number, paragraph, table

DISTANCE = (
    "Similarity of 100\u202f000 pairs of patches against their distance: density of the pairs, their median and, "
    "dashed, the central 90 %. Thin lines are bands of latitude. For a good encoder similarity falls steadily, and "
    "equally in every band."
)
HISTOGRAM = "Similarities of all pairs of patches, weighted by area. A narrow distribution distinguishes places poorly."
COMPARE_HINT = "Keep this choice as B, then change it: the globe shows A left of the divider and B right of it."


NO_FILE = "Choose a file of vectors on the left."


def estimate(cost: EmbeddingCost) -> str:
    """The cost of an embedding."""
    size, peak = cost.result_bytes / 2**20, cost.peak_bytes / 2**20
    if cost.seconds == 0:
        return f"{number(size)} MB, cached."
    return f"{number(size)} MB, about {number(max(cost.seconds, 0.01))} s on one core and {number(peak)} MB of memory."


def readout(config: EmbeddingConfig, embedding: PatchEmbedding, clipped: float) -> list[LabelledValue]:
    """The read-out of one embedding."""
    size = math.sqrt(float(embedding.area_m2.max())) / 1000
    return [
        ("Patches", number(embedding.lat.size * embedding.lon.size), f"{embedding.lat.size} × {embedding.lon.size}"),
        ("Dimensions", str(embedding.values.shape[2]), ""),
        ("Largest patch", number(size), "km"),
        *([("Soft-clipped", number(100 * clipped), "%")] if config.encoder == "harmonic" else []),
    ]


def neighbour_rows(near: Sequence[Neighbour], far: Sequence[Neighbour]) -> list[tuple[str, str]]:
    """The patches most and least similar to the picked one: place, cosine similarity, distance."""
    patches = [*(("Similar", patch) for patch in near), *(("Dissimilar", patch) for patch in far)]
    return [
        (f"{kind}: {place(patch.lat, patch.lon)}", f"{number(patch.similarity)} · {number(patch.km)} km")
        for kind, patch in patches
    ]


def scale_rows(scale: ScaleTable, row: int) -> list[tuple[str, str]]:
    """The ten scale features of the patches of one row: size with its unit, and the feature, its natural logarithm."""
    rows = []
    for name, size, unit, log in scale.of(row):
        known = size / 1000 if unit == "m" else size / 1e6 if unit == "m²" else size
        shown = {"m": "km", "m²": "km²"}.get(unit, "")
        rows.append((name, f"{number(known)} {shown}".strip() + f" · {log:.2f}"))
    return rows


def encoder_rows(encoders: Sequence[ProbedEncoder]) -> list[tuple[str, str]]:
    """Every encoder: its numbers and its score, the best first; those of the Pareto front are marked."""
    return [
        (f"{encoder.title}{' *' if encoder.is_best else ''}", f"{encoder.num_numbers} numbers · {encoder.score:.3f}")
        for encoder in encoders
    ]


def result_rows(of: ProbeCurves) -> list[tuple[str, str]]:
    """Every curve's best: numbers, score and spread; those of the Pareto front are marked."""
    rows: list[tuple[str, str]] = []
    for curve in of.curves:
        best = int(curve.scores.argmax())
        step = "" if curve.step_deg == 1.0 else f", {curve.step_deg:g}°"
        score = f"{curve.scores[best]:.2f} ± {curve.spread[best]:.2f}"
        name = f"{curve.name}{step}{' *' if curve.is_best[best] else ''}"
        rows.append((name, f"{curve.num_numbers[best]:.0f} numbers · {score}"))
    return rows


def not_probed(of: ProbeCurves, task: str, split: str) -> str:
    """Why another task or split is shown than the chosen one; empty where it is not."""
    is_chosen = (of.task, of.split) == (task, split)
    return "" if is_chosen else "This run did not read the chosen task or split; shown is what it did."


def colour_legend(axes: Sequence[ColourAxis]) -> str:
    """HTML of what the three channels mean: share of the variance, where there is most and least of it."""
    total = 100 * sum(axis.share for axis in axes)
    rows = [
        (f"{name}, {100 * axis.share:.1f} %", place(*axis.largest), place(*axis.least))
        for name, axis in zip(("Red", "Green", "Blue"), axes, strict=False)
    ]
    channels = f"The channels are the first principal components, {total:.0f} % of the variance together."
    return paragraph(channels) + table(rows, ("most at", "least at"))


def compared(is_different: bool) -> str:
    """The caption of the differences."""
    return "A → B, differences only." if is_different else "A and B are equal. Change a choice to compare."


def difference_rows(differences: Sequence[MeasureDifference]) -> list[tuple[str, str]]:
    """A against B, only where they differ."""
    return [
        (
            difference.name if difference.unit == "1" else f"{difference.name}, {difference.unit}",
            f"{number(difference.a)} → {number(difference.b)}",
        )
        for difference in differences
    ]


def file_stem(config: EmbeddingConfig) -> str:
    """The file name of this embedding, without its ending."""
    height, width = config.patch
    which = f"-{PurePath(config.file).stem}" if config.file else f"-{config.encoder}"
    numbers = "" if config.file else f"-K{config.basis.num_components}"
    return f"embedding{which}-{config.step_deg:g}deg-{height}x{width}{numbers}"
