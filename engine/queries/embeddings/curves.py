"""How alike the patches of an embedding are: against distance, as a histogram, and one choice against another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from engine.queries.basis import spectrum
from engine.queries.embeddings.embedding import EmbeddingConfig, Floats, Singles, clipped_share, embedding, kept
from engine.similarity import pair_histogram, sample_pairs
from engine.similarity.pairs import HALF_CIRCUMFERENCE_KM

NUM_PAIRS = 100_000
SEED = 0
BANDS_DEG = (-90, -60, -30, 0, 30, 60, 90)
_DISTANCE_BINS = 40
_SIMILARITY_BINS = 100


@dataclass(frozen=True)
class Spread:
    """Similarity in each bin of distance: 5th percentile, median, 95th, and the number of pairs; NaN without any."""

    name: str
    low: Floats
    median: Floats
    high: Floats
    count: NDArray[np.int64]


@dataclass(frozen=True)
class DistanceCurves:
    """Similarity against great-circle distance: bins' centres (B,) in km, over all, and by the reference's latitude."""

    km: Floats
    overall: Spread
    bands: list[Spread]
    pair_km: Singles
    pair_similarity: Singles
    """The sample of pairs (P,) itself: distance and cosine."""


def similarity_by_distance(config: EmbeddingConfig) -> DistanceCurves:
    """How similarity falls with distance, from a seeded sample of pairs even in area and distance.

    A good encoder falls steadily, and alike in all bands of latitude.
    """

    def measure() -> DistanceCurves:
        patches = config.patches()
        values = torch.as_tensor(embedding(config).values)
        bounds = torch.tensor(patches.lat_bounds), torch.tensor(patches.lon_bounds)
        pairs = sample_pairs(values, *bounds, NUM_PAIRS, SEED)
        km, cosine, lat = pairs.distance_km.numpy(), pairs.similarity.numpy(), pairs.lat_deg.numpy()
        edges = np.linspace(0.0, HALF_CIRCUMFERENCE_KM, _DISTANCE_BINS + 1)
        bins = np.clip(np.searchsorted(edges, km, side="right") - 1, 0, _DISTANCE_BINS - 1)
        bands = [
            _spread(_band_name(south, north), bins[inside], cosine[inside])
            for south, north in pairwise(BANDS_DEG)
            for inside in [(lat >= south) & (lat < north)]
        ]
        overall = _spread("all latitudes", bins, cosine)
        return DistanceCurves((edges[1:] + edges[:-1]) / 2.0, overall, bands, km.astype(np.float32), cosine)

    return kept("by distance", config, measure)


def _band_name(south: int, north: int) -> str:
    hemisphere = "S" if north <= 0 else "N"
    near, far = sorted((abs(south), abs(north)))
    return f"{near}–{far}° {hemisphere}"


def _spread(name: str, bins: NDArray[np.intp], cosine: Singles) -> Spread:
    order = np.argsort(bins, kind="stable")
    groups = np.split(cosine[order], np.searchsorted(bins[order], np.arange(1, _DISTANCE_BINS)))
    nothing = np.full(3, np.nan)
    found = np.stack([np.quantile(group, (0.05, 0.5, 0.95)) if group.size else nothing for group in groups], axis=1)
    return Spread(name, found[0], found[1], found[2], np.array([group.size for group in groups]))


def similarity_histogram(config: EmbeddingConfig) -> tuple[Floats, Floats]:
    """Edges (B+1,) from -1 to 1 and the share (B,) of all pairs of patches, weighted by area, that falls between them.

    Beyond 3000 patches a seeded sample stands for all.
    """

    def count() -> Floats:
        made = embedding(config)
        tokens = torch.as_tensor(made.values).flatten(0, 1)
        areas = torch.tensor(np.repeat(made.area_m2, made.lon.size))
        return pair_histogram(tokens, areas, _SIMILARITY_BINS, seed=SEED).numpy()

    return np.linspace(-1.0, 1.0, _SIMILARITY_BINS + 1), kept("histogram", config, count)


@dataclass(frozen=True)
class Difference:
    """A number in which two embeddings differ."""

    name: str
    unit: str
    a: float
    b: float


def compare(a: EmbeddingConfig, b: EmbeddingConfig) -> list[Difference]:
    """The numbers in which two choices differ; those they share are left out."""
    one, other = _measures(a), _measures(b)
    return [
        Difference(name, unit, one[name][0], other[name][0])
        for name, (_, unit) in one.items()
        if not np.array_equal(one[name][0], other[name][0], equal_nan=True)
    ]


def _measures(config: EmbeddingConfig) -> dict[str, tuple[float, str]]:
    """What can be compared: name to value and unit."""
    patches, made, curves = config.patches(), embedding(config), similarity_by_distance(config)
    harmonic = config.encoder == "harmonic"
    explained = float(spectrum(config.basis).explained[: config.basis.num_components].sum()) if harmonic else 0.0
    return {
        "patches": (float(made.lat.size * made.lon.size), "1"),
        "dimensions": (float(made.values.shape[2]), "1"),
        "size": (made.values.nbytes / 1e6, "MB"),
        "largest patch": (math.sqrt(patches.area_m2.max()) / 1e3, "km"),
        "variance explained": (100.0 * explained, "%"),
        "values clipped": (100.0 * float(clipped_share(config).mean()), "%"),
        "distance of half similarity": (_half_distance(curves), "km"),
        "steps that fall": (100.0 * _falling_share(curves.overall.median), "%"),
        "spread between latitudes": (_unevenness(curves), "1"),
    }


def _half_distance(curves: DistanceCurves) -> float:
    """Where the median similarity first falls below one half, in km, NaN where it never does."""
    below = np.flatnonzero(curves.overall.median < 0.5)
    return float(curves.km[below[0]]) if below.size else math.nan


def _falling_share(median: Floats) -> float:
    """The share of steps from bin to bin in which the median falls: 1 for a monotone encoder."""
    known = median[np.isfinite(median)]
    return float((np.diff(known) < 0.0).mean()) if known.size > 1 else math.nan


def _unevenness(curves: DistanceCurves) -> float:
    """Largest minus smallest median of the bands of latitude, averaged over distance: 0 for an even encoder."""
    medians = np.stack([band.median for band in curves.bands])
    known = medians[:, np.isfinite(medians).all(axis=0)]
    return float(np.ptp(known, axis=0).mean()) if known.size else math.nan
