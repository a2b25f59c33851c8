"""What can be said of a picture without looking at it: the baseline of the geographic expert."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.data.tiles import Tiles
from engine.mvmf import log_normaliser
from engine.mvmf.loss import DAYS
from engine.sphere import unit_vectors

Floats = NDArray[np.float64]

MAX_LOG_KAPPA, MIN_LOG_KAPPA = 9.0, 2.0
"""Range of the prior's log κ: peaks of 70 to 2300 km."""

_START_LOG_KAPPAS = (4.0, 5.0, 6.0, 7.0)
_MAX_ROUNDS = 60
_MOST_PAIRS, _LEAST_PLACES = 2**23, 256  # places × centres held at once; with many centres fewer places are used


class Prior(NamedTuple):
    """The best constant belief: ``log_weights`` (K,), ``log_kappa`` (K,), ``climate`` (31,) shares, a ``day``."""

    log_weights: Tensor
    log_kappa: Tensor
    climate: Tensor
    day: float


def fit_prior(centres: Tensor, train: Tiles, validation: Tiles) -> Prior:
    """Fit the constant belief to the tiles of the training part; those of validation say when to stop.

    Weights and κ of the mixture over ``centres`` (K, 3): expectation–maximisation on the tiles' places, as many rounds
    as help the places of validation. Climate: the mean share of each class. Day: the one with the least mean distance
    to the tiles' days, round the year.
    """
    log_weights, log_kappa = _fit_places(centres.double(), _places(train), _places(validation))
    climate = torch.tensor(train.climate.mean(axis=0))
    days = np.arange(1.0, 366.0)
    return Prior(
        log_weights, log_kappa, climate, float(days[day_distance(days[:, None], train.day).mean(axis=1).argmin()])
    )


def day_distance(first: Floats, second: Floats) -> Floats:
    """Days between two days of the year, the shorter way round: 0 to 182.5; the arguments broadcast."""
    apart = np.abs(first - second) % DAYS
    return np.minimum(apart, DAYS - apart)


def _places(tiles: Tiles) -> Tensor:
    return unit_vectors(tiles.lat, tiles.lon)


def _fit_places(centres: Tensor, train: Tensor, validation: Tensor) -> tuple[Tensor, Tensor]:
    """Log-weights and log κ (K,), both float32, of the start and the round that were best for ``validation``."""
    most = max(_LEAST_PLACES, _MOST_PAIRS // len(centres))
    drops, checked = (_drops(centres, points[:most]) for points in (train, validation))
    fits = [_expectation_maximisation(drops, checked, start) for start in _START_LOG_KAPPAS]
    _, log_weights, log_kappa = max(fits, key=lambda fit: fit[0])
    return log_weights.float(), log_kappa.float()


def _expectation_maximisation(drops: Tensor, checked: Tensor, start: float) -> tuple[float, Tensor, Tensor]:
    """Mean log-likelihood of ``checked`` (M, K), log-weights and log κ (K,) of the best round, from equal components.

    Every centre counts one place more than it has, as far away as its first width: none is ruled out, none collapses.
    """
    count = drops.shape[1]
    log_weights = torch.full((count,), -math.log(count), dtype=torch.float64)
    log_kappa = torch.full((count,), start, dtype=torch.float64)
    best = -math.inf, log_weights, log_kappa
    for _ in range(_MAX_ROUNDS):
        likelihood = float(torch.logsumexp(_joint(checked, log_weights, log_kappa), 1).mean())
        if likelihood < best[0]:
            break
        best = likelihood, log_weights, log_kappa
        responsibility = torch.softmax(_joint(drops, log_weights, log_kappa), 1)
        total = responsibility.sum(0)
        spread = ((responsibility * drops).sum(0) + math.exp(-start)) / (total + 1.0)
        log_weights = torch.log_softmax(torch.log(total + 1.0), 0)
        log_kappa = -spread.log().clamp(-MAX_LOG_KAPPA, -MIN_LOG_KAPPA)  # the likeliest κ above 10: 1 / mean(1 − cos)
    return best


def _drops(centres: Tensor, points: Tensor) -> Tensor:
    """1 − cos of the angle between points (N, 3) and centres (K, 3): (N, K), by the chord, exact for small angles."""
    return torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist") ** 2 / 2.0


def _joint(drops: Tensor, log_weights: Tensor, log_kappa: Tensor) -> Tensor:
    """log (weight × density) of every point under every component, (N, K)."""
    kappa = log_kappa.exp()
    return log_weights + log_normaliser(kappa) - kappa * drops
