"""How well a set of centres serves a density of points: what a mixture over them can know, and what it can hit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.errors import DataError
from engine.mvmf import MAX_LOG_KAPPA, MIN_LOG_KAPPA, MixtureVMF, fit_weights
from engine.sphere import EARTH_RADIUS_M
from engine.typed import nearest

RECALL_KM = (1.0, 25.0, 200.0, 750.0, 2500.0)
"""Street, city, region, country and continent, as photo-geolocation counts them (Weyand et al. 2016)."""

_MAX_ROUNDS = 20
_LEAST_POINTS = 30


@dataclass(frozen=True)
class CentreScore:
    """What held-out points say of K centres.

    ``log_likelihood``: mean of ln p(x) − ln 1/4π over them, in nats a point, under a mixture at these centres whose
    weights and κ were fitted to other points: 0 knows nothing. ``median_km`` and ``recall`` (at :data:`RECALL_KM`):
    distance to the nearest centre, the best that a classifier over these centres can do.
    """

    num_centres: int
    log_likelihood: float
    median_km: float
    recall: tuple[float, ...]


class PointSplit(NamedTuple):
    """Points (N, 3) to place centres and fit weights, to stop by, and to score."""

    train: Tensor
    validation: Tensor
    held_out: Tensor


def split_points(points: Tensor, seed: int) -> PointSplit:
    """Points (N, 3) dealt at random: 70 % to train, 10 % to validate, 20 % held out.

    Raises :class:`DataError` for fewer than 30 points.
    """
    num = points.shape[0]
    if num < _LEAST_POINTS:
        raise DataError(f"{num} points", "comparison of centres", f"give at least {_LEAST_POINTS}")
    dealt = points[torch.randperm(num, generator=torch.Generator().manual_seed(seed))]
    held_out, validation = num // 5, num // 10
    return PointSplit(dealt[held_out + validation :], dealt[held_out : held_out + validation], dealt[:held_out])


def score_centres(centres: Tensor, points: PointSplit) -> CentreScore:
    """The score of ``centres`` (K, 3); the first κ is ln K, that of cells of 4π/K: 1/κ is their mean 1 − cos."""
    start = min(max(math.log(len(centres)), MIN_LOG_KAPPA), MAX_LOG_KAPPA)
    log_weights, log_kappa = fit_weights(centres, points.train, points.validation, (start,), _MAX_ROUNDS)
    mixture = MixtureVMF(centres.double(), log_kappa, log_weights)
    likelihood = float(mixture.log_prob(points.held_out.double()).mean()) + math.log(4.0 * math.pi)
    held_out, places = (values.double().cpu().numpy() for values in (points.held_out, centres))
    chords = np.linalg.norm(held_out - places[nearest(places, held_out)], axis=1)
    km = 2.0 * np.arcsin(np.clip(chords / 2.0, 0.0, 1.0)) * EARTH_RADIUS_M / 1e3
    recall = tuple(float((km <= radius).mean()) for radius in RECALL_KM)
    return CentreScore(len(centres), likelihood, float(np.median(km)), recall)
