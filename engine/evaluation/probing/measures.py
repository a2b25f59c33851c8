"""What an embedding can resolve, whatever the task: scale, isotropy, latitude bias, conditioning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.probing.moments import CONSTANT, Moments, ridge
from engine.evaluation.probing.splits import folds_of
from engine.sphere import harmonics_at
from engine.sphere.geometry import great_circle_km
from engine.sphere.harmonics import wavelength_km
from engine.typed import Floats, eigh, vector_norm

_DEGREES = (1, 2, 3, 4, 6, 8, 11, 16, 22, 32)
_POINTS_AT_ONCE = 4096
_PAIRED = 1024
_BINS = 30
_NEAR_KM = 3000.0
_BANDS = (0.0, 30.0, 60.0, 90.1)


@dataclass(frozen=True, eq=False)
class Resolution:
    """``recovered`` (B,): R² of random fields of one ``degree`` (B,) each, on points held out at random; ``km``: half
    the wavelength at which it falls below one half, the smallest feature that is read. Infinite where even degree 1 is
    not; half the wavelength of the highest degree where all are."""

    degrees: Floats
    recovered: Floats
    km: float


@dataclass(frozen=True)
class EmbeddingMeasures:
    """Attributes:
    isotropy: fraction of the variance of the cosine similarity of pairs that their distance explains, 0 to 1.
    latitude_bias: range of the mean similarity of pairs within 3000 km between three bands of latitude, 0 to 2.
    condition: largest eigenvalue of the correlation matrix over the smallest; infinite for dependent columns.
    effective_rank: (Σe)²/Σe² of these eigenvalues: how many independent numbers there are, 1 to D.
    """

    isotropy: float
    latitude_bias: float
    condition: float
    effective_rank: float


def effective_resolution(
    embedding: Tensor, lat_deg: Floats, lon_deg: Floats, weights: Floats, seed: int = 0
) -> Resolution:
    """Fields of known spectrum, all their energy in one degree, read linearly from ``embedding`` (N, D)."""
    targets = single_degree_fields(lat_deg, lon_deg, seed)
    folds = torch.as_tensor(folds_of("random", lat_deg, lon_deg, "everywhere", seed))
    area = torch.as_tensor(weights / weights.sum())
    moments = Moments.of(embedding, targets.to(embedding.device), area.to(embedding.device), folds.to(embedding.device))
    error = torch.stack([moments.squared_error(ridge(moments, f), f) for f in range(len(moments.gram))]).sum(dim=0)
    mean = moments.cross[:, 0].sum(dim=0)
    recovered = (1.0 - error / (moments.squares.sum(dim=0) - mean**2)).numpy(force=True)
    return Resolution(np.array(_DEGREES, np.float64), recovered, half_recovered_km(np.array(_DEGREES), recovered))


def half_recovered_km(degrees: Floats, recovered: Floats) -> float:
    """Half the wavelength at the first crossing of one half, linear in log degree between two degrees."""
    below = np.flatnonzero(recovered < 0.5)
    if not len(below):
        return wavelength_km(int(degrees[-1])) / 2.0
    first = int(below[0])
    if first == 0:
        return math.inf
    low, high = recovered[first - 1], recovered[first]
    fraction = (low - 0.5) / (low - high)
    degree = degrees[first - 1] * (degrees[first] / degrees[first - 1]) ** fraction
    return wavelength_km(1) / 2.0 * math.sqrt(2.0 / (degree * (degree + 1.0)))


def single_degree_fields(lat_deg: Floats, lon_deg: Floats, seed: int) -> Tensor:
    """(N, B) random isotropic fields of unit variance, one for each degree, float64."""
    return _fields(np.ascontiguousarray(lat_deg).tobytes(), np.ascontiguousarray(lon_deg).tobytes(), seed)


@lru_cache(maxsize=2)
def _fields(lat: bytes, lon: bytes, seed: int) -> Tensor:
    """Kept, for they are the same for every embedding."""
    lat_deg, lon_deg = np.frombuffer(lat), np.frombuffer(lon)
    random = np.random.default_rng(seed)
    highest = _DEGREES[-1]
    coeffs = torch.zeros(((highest + 1) ** 2, len(_DEGREES)), dtype=torch.float64)
    for column, degree in enumerate(_DEGREES):
        drawn = random.standard_normal(2 * degree + 1)
        coeffs[degree**2 : (degree + 1) ** 2, column] = torch.as_tensor(drawn / np.linalg.norm(drawn))
    parts = [
        harmonics_at(lat_deg[rows], lon_deg[rows], highest, dtype=torch.float64) @ coeffs
        for first in range(0, len(lat_deg), _POINTS_AT_ONCE)
        for rows in [slice(first, first + _POINTS_AT_ONCE)]
    ]
    return torch.cat(parts) * math.sqrt(4.0 * math.pi)


def embedding_measures(
    embedding: Tensor, lat_deg: Floats, lon_deg: Floats, weights: Floats, seed: int = 0
) -> EmbeddingMeasures:
    """Isotropy and latitude bias from pairs of 1024 points drawn by area; conditioning from all points."""
    random = np.random.default_rng(seed)
    chosen = random.choice(len(lat_deg), _PAIRED, p=weights / weights.sum())
    codes = embedding[torch.as_tensor(chosen)].to(torch.float64)
    codes = codes / vector_norm(codes)[:, None].clamp_min(1e-300)
    upper = np.triu_indices(_PAIRED, 1)
    similarity: Floats = (codes @ codes.T).numpy(force=True)[upper]
    lat, lon = lat_deg[chosen], lon_deg[chosen]
    km = great_circle_km(lat[upper[0]], lon[upper[0]], lat[upper[1]], lon[upper[1]]).numpy()
    bins = np.minimum((km / (math.pi * 6371.0) * _BINS).astype(np.int64), _BINS - 1)
    num_pairs = np.bincount(bins, minlength=_BINS).clip(1)
    means = np.bincount(bins, similarity, _BINS) / num_pairs
    variance = float(similarity.var())
    isotropy = 1.0 if variance == 0.0 else float(1.0 - ((similarity - means[bins]) ** 2).mean() / variance)
    north = np.abs(lat[upper[0]] + lat[upper[1]]) / 2.0
    near = km < _NEAR_KM
    bands = [similarity[near & (north >= low) & (north < high)] for low, high in pairwise(_BANDS)]
    by_band = [float(band.mean()) for band in bands if len(band)]
    values = _eigenvalues(embedding, torch.as_tensor(weights))
    condition = float(values[-1] / values[0]) if values[0] > 1e-14 * values[-1] else math.inf
    rank = float(values.sum() ** 2 / (values**2).sum())
    return EmbeddingMeasures(isotropy, max(by_band) - min(by_band), condition, rank)


def _eigenvalues(embedding: Tensor, weights: Tensor) -> Tensor:
    """Eigenvalues, ascending, of the correlation matrix of the columns that are not constant."""
    area = (weights / weights.sum()).to(embedding.device)
    moments = Moments.of(embedding, area[:, None], area, torch.zeros(len(area), dtype=torch.int64, device=area.device))
    gram = moments.gram[0]
    covariance = gram[1:, 1:] - torch.outer(gram[0, 1:], gram[0, 1:])
    std = covariance.diagonal().clamp_min(0.0).sqrt()
    kept = std > CONSTANT * gram.diagonal()[1:].sqrt().clamp_min(1e-150)
    if not bool(kept.any()):
        return torch.ones(1, dtype=torch.float64)
    covariance = covariance[kept][:, kept] / torch.outer(std[kept], std[kept])
    return eigh(covariance)[0].clamp_min(0.0)
