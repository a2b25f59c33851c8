"""Similarity of the patches of an embedding: by distance, as a histogram, and compared between two configurations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from engine.queries.basis import spectrum
from engine.queries.embeddings.patches import EmbeddingConfig, Floats, Singles, cached, clipped_fraction, embedding
from engine.similarity import pair_histogram, sample_pairs
from engine.similarity.pairs import HALF_CIRCUMFERENCE_KM

NUM_PAIRS = 100_000
SEED = 0
BANDS_DEG = (-90, -60, -30, 0, 30, 60, 90)
_DISTANCE_BINS = 40
_SIMILARITY_BINS = 100


@dataclass(frozen=True)
class SimilarityQuantiles:
    """Similarity in each bin of distance: 5th, 50th and 95th percentile, and number of pairs; NaN without any."""

    name: str
    low: Floats
    median: Floats
    high: Floats
    count: NDArray[np.int64]


@dataclass(frozen=True)
class DistanceCurves:
    """Similarity by great-circle distance: centres (B,) of the bins in km, overall and by latitude."""

    km: Floats
    overall: SimilarityQuantiles
    bands: list[SimilarityQuantiles]
    pair_km: Singles
    pair_similarity: Singles
    """The sample of pairs (P,) itself: distance and cosine."""


def similarity_by_distance(config: EmbeddingConfig) -> DistanceCurves:
    """Similarity by distance, from a seeded sample of pairs uniform in area and distance.

    For a good encoder it decreases monotonically, and equally in all bands of latitude.
    """

    def compute() -> DistanceCurves:
        patches = config.patches()
        values = torch.as_tensor(embedding(config).values)
        bounds = torch.tensor(patches.lat_bounds), torch.tensor(patches.lon_bounds)
        pairs = sample_pairs(values, *bounds, NUM_PAIRS, SEED)
        is_known = torch.isfinite(pairs.similarity)  # both patches have numbers
        km, cosine, lat = (of[is_known].numpy() for of in (pairs.distance_km, pairs.similarity, pairs.lat_deg))
        edges = np.linspace(0.0, HALF_CIRCUMFERENCE_KM, _DISTANCE_BINS + 1)
        bins = np.clip(np.searchsorted(edges, km, side="right") - 1, 0, _DISTANCE_BINS - 1)
        bands = [
            _quantiles(_band_name(south, north), bins[inside], cosine[inside])
            for south, north in pairwise(BANDS_DEG)
            for inside in [(lat >= south) & (lat < north)]
        ]
        overall = _quantiles("all latitudes", bins, cosine)
        return DistanceCurves((edges[1:] + edges[:-1]) / 2.0, overall, bands, km.astype(np.float32), cosine)

    return cached("by distance", config, compute)


def _band_name(south: int, north: int) -> str:
    hemisphere = "S" if north <= 0 else "N"
    near, far = sorted((abs(south), abs(north)))
    return f"{near}–{far}° {hemisphere}"


def _quantiles(name: str, bins: NDArray[np.intp], cosine: Singles) -> SimilarityQuantiles:
    order = np.argsort(bins, kind="stable")
    groups = np.split(cosine[order], np.searchsorted(bins[order], np.arange(1, _DISTANCE_BINS)))
    empty = np.full(3, np.nan)
    quantiles = np.stack([np.quantile(group, (0.05, 0.5, 0.95)) if group.size else empty for group in groups], axis=1)
    low, median, high = quantiles
    return SimilarityQuantiles(name, low, median, high, np.array([group.size for group in groups]))


def similarity_histogram(config: EmbeddingConfig) -> tuple[Floats, Floats]:
    """Edges (B+1,) from -1 to 1 and the fraction (B,) of all pairs of patches in each bin, weighted by area.

    Above 3000 patches it is estimated from a seeded sample.
    """

    def compute() -> Floats:
        patches = embedding(config)
        is_known = torch.as_tensor(patches.is_known.ravel())
        tokens = torch.as_tensor(patches.values).flatten(0, 1)[is_known]
        areas = torch.tensor(np.repeat(patches.area_m2, patches.lon.size))[is_known]
        return pair_histogram(tokens, areas, _SIMILARITY_BINS, seed=SEED).numpy()

    return np.linspace(-1.0, 1.0, _SIMILARITY_BINS + 1), cached("histogram", config, compute)


@dataclass(frozen=True)
class MeasureDifference:
    """A measure that differs between two embeddings."""

    name: str
    unit: str
    a: float
    b: float


def compare(a: EmbeddingConfig, b: EmbeddingConfig) -> list[MeasureDifference]:
    """The measures that differ between two configurations."""
    of_a, of_b = _measures(a), _measures(b)
    return [
        MeasureDifference(name, unit, of_a[name][0], of_b[name][0])
        for name, (_, unit) in of_a.items()
        if not np.array_equal(of_a[name][0], of_b[name][0], equal_nan=True)
    ]


def _measures(config: EmbeddingConfig) -> dict[str, tuple[float, str]]:
    """Measures by name: value and unit."""
    patches, values, curves = config.patches(), embedding(config).values, similarity_by_distance(config)
    harmonic = config.encoder == "harmonic"
    explained = float(spectrum(config.basis).explained[: config.basis.num_components].sum()) if harmonic else 0.0
    return {
        "patches": (float(values.shape[0] * values.shape[1]), "1"),
        "dimensions": (float(values.shape[2]), "1"),
        "size": (values.nbytes / 1e6, "MB"),
        "largest patch": (math.sqrt(patches.area_m2.max()) / 1e3, "km"),
        "variance explained": (100.0 * explained, "%"),
        "values clipped": (100.0 * float(clipped_fraction(config).mean()), "%"),
        "distance of half similarity": (_half_distance(curves), "km"),
        "steps that fall": (100.0 * _decreasing_fraction(curves.overall.median), "%"),
        "spread between latitudes": (_unevenness(curves), "1"),
    }


def _half_distance(curves: DistanceCurves) -> float:
    """Distance at which the median similarity first falls below one half, in km; NaN where it never does."""
    below = np.flatnonzero(curves.overall.median < 0.5)
    return float(curves.km[below[0]]) if below.size else math.nan


def _decreasing_fraction(median: Floats) -> float:
    """The fraction of steps from bin to bin in which the median decreases: 1 for a monotone encoder."""
    known = median[np.isfinite(median)]
    return float((np.diff(known) < 0.0).mean()) if known.size > 1 else math.nan


def _unevenness(curves: DistanceCurves) -> float:
    """Range of the medians of the bands of latitude, averaged over distance: 0 for a uniform encoder."""
    medians = np.stack([band.median for band in curves.bands])
    known = medians[:, np.isfinite(medians).all(axis=0)]
    return float(np.ptp(known, axis=0).mean()) if known.size else math.nan
