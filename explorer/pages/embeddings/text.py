"""What the Embeddings page says in words, from plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.queries.embeddings import (
    EmbeddingConfig,
    EmbeddingCost,
    MeasureDifference,
    Neighbour,
    PatchEmbedding,
    ScaleTable,
)
from engine.queries.text import place
from explorer.widgets.text import number

Fact = tuple[str, str, str]

NEARNESS = (
    "Median similarity of two patches against their distance, with the middle 90 % of pairs; thin lines, where they "
    "leave the thick one, are bands of latitude. A good encoder falls steadily, and alike in every band."
)
HISTOGRAM = (
    "Similarities of all pairs of patches, by area. A spread that stays near one value tells places apart badly."
)
COMPARE_HINT = (
    "Keep this choice as B, then change something: the globe shows A to the left of the divider and B to the right."
)


def estimate(found: EmbeddingCost) -> str:
    """What the choice will cost."""
    size, peak = found.result_bytes / 2**20, found.peak_bytes / 2**20
    if found.seconds == 0:
        return f"{number(size)} MB, at hand."
    return f"{number(size)} MB, about {number(max(found.seconds, 0.01))} s of one core and {number(peak)} MB to make."


def facts(config: EmbeddingConfig, made: PatchEmbedding, clipped: float) -> list[Fact]:
    """The read-out of one embedding."""
    size = math.sqrt(float(made.area_m2.max())) / 1000
    return [
        ("Patches", number(made.lat.size * made.lon.size), f"{made.lat.size} × {made.lon.size}"),
        ("Dimensions", str(made.values.shape[2]), ""),
        ("Largest patch", number(size), "km"),
        *([("Softly clipped", number(100 * clipped), "%")] if config.encoder == "harmonic" else []),
    ]


def neighbour_rows(near: Sequence[Neighbour], far: Sequence[Neighbour]) -> list[tuple[str, str]]:
    """The patches most and least like the picked one: where, cosine similarity, distance."""
    found = [*(("Like", one) for one in near), *(("Unlike", one) for one in far)]
    return [
        (f"{kind}: {place(one.lat, one.lon)}", f"{number(one.similarity)} · {number(one.km)} km") for kind, one in found
    ]


def scale_rows(scale: ScaleTable, row: int) -> list[tuple[str, str]]:
    """The ten scale features of the patches of one row: size with its unit, and the feature, its natural logarithm."""
    rows = []
    for name, size, unit, log in scale.of(row):
        known = size / 1000 if unit == "m" else size / 1e6 if unit == "m²" else size
        shown = {"m": "km", "m²": "km²"}.get(unit, "")
        rows.append((name, f"{number(known)} {shown}".strip() + f" · {log:.2f}"))
    return rows


def compared(is_different: bool) -> str:
    """What the table of differences is."""
    return "A → B, only what differs." if is_different else "A and B are the same. Change a choice to compare."


def difference_rows(differences: Sequence[MeasureDifference]) -> list[tuple[str, str]]:
    """A against B, only where they differ."""
    return [
        (one.name if one.unit == "1" else f"{one.name}, {one.unit}", f"{number(one.a)} → {number(one.b)}")
        for one in differences
    ]


def file_stem(config: EmbeddingConfig) -> str:
    """What files of this embedding are called."""
    height, width = config.patch
    return f"embedding-{config.encoder}-{config.step_deg:g}deg-{height}x{width}-K{config.basis.num_components}"
