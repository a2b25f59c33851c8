"""The prior of a geographic expert, its baseline: one belief about all pictures; and tempering towards it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.data.tiles import Tiles
from engine.evaluation.expert_scores import day_distance
from engine.models.geographic_expert import GeographicExpert, Prediction
from engine.mvmf import LossTerms, log_normaliser
from engine.sphere import unit_vectors

MAX_LOG_KAPPA, MIN_LOG_KAPPA = 9.0, 2.0
"""Range of the prior's log κ: peaks of 70 to 2300 km."""

FRACTIONS = tuple(step / 40.0 for step in range(81))
"""Fractions of the learned difference that :func:`temper` tries; above 1 the network was underconfident."""

_START_LOG_KAPPAS = (4.0, 5.0, 6.0, 7.0)
_MAX_ROUNDS = 60
_MAX_PAIRS, _MIN_PLACES = 2**23, 256  # places × centres held at once; with many centres fewer places are used


class Prior(NamedTuple):
    """The best constant belief: ``log_weights`` (K,), ``log_kappa`` (K,), ``climate`` (31,) fractions, a ``day``."""

    log_weights: Tensor
    log_kappa: Tensor
    climate: Tensor
    day: float


def fit_prior(centres: Tensor, train: Tiles, validation: Tiles) -> Prior:
    """Fit the constant belief to the tiles of the training split; those of validation decide when to stop.

    Weights and κ of the mixture over ``centres`` (K, 3): expectation–maximisation on the tiles' places, for as many
    rounds as raise the likelihood of the places of validation. Climate: the mean fraction of each class. Day: the one
    with the least mean distance to the tiles' days, round the year.
    """
    places = (unit_vectors(tiles.lat, tiles.lon) for tiles in (train, validation))
    log_weights, log_kappa = _fit_places(centres.double(), *places)
    climate = torch.tensor(train.climate.mean(axis=0))
    days = np.arange(1.0, 366.0)
    day = float(days[day_distance(days[:, None], train.day).mean(axis=1).argmin()])
    return Prior(log_weights, log_kappa, climate, day)


def _fit_places(centres: Tensor, train: Tensor, validation: Tensor) -> tuple[Tensor, Tensor]:
    """Log-weights and log κ (K,), both float32, of the start and the round that were best for ``validation``."""
    most = max(_MIN_PLACES, _MAX_PAIRS // len(centres))
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


@torch.no_grad()
def temper(
    model: GeographicExpert, start: GeographicExpert, pixels: Tensor, loss: Callable[[Prediction], LossTerms]
) -> None:
    """Scale the logits of place and climate to the confidence that pictures outside the training set support.

    A network is overconfident on places that it was not trained on. Of the difference between its logits and those of
    ``start``, which are the prior's, the fraction s in [0, 2] with the least loss is kept, one for each head:

        logits = start + s (trained − start).

    s = 0 is the prior, s = 1 changes nothing. It is a temperature (Guo et al. 2017, arXiv:1706.04599) of the learned
    difference alone. The heads are linear, so the scale is applied to their own parameters.

    Args:
        model: the trained network.
        start: the network before its first step.
        pixels: (N, C, h, w) of pictures that were not trained on.
        loss: of beliefs about them.
    """
    learned = model.predict(pixels)
    first = Prediction(start.mixture.log_weights, start.climate.bias, learned.date)

    def loss_at(fraction: float) -> LossTerms:
        place, climate = (torch.lerp(a.expand_as(b), b, fraction) for a, b in zip(first[:2], learned[:2], strict=True))
        return loss(Prediction(place, climate, learned.date))

    losses = {fraction: loss_at(fraction) for fraction in FRACTIONS}
    _scale(model.place, start.place, min(FRACTIONS, key=lambda fraction: float(losses[fraction].coordinates)))
    _scale(model.climate, start.climate, min(FRACTIONS, key=lambda fraction: float(losses[fraction].climate)))


def _scale(head: torch.nn.Linear, start: torch.nn.Linear, fraction: float) -> None:
    for value, first in zip(head.parameters(), start.parameters(), strict=True):
        value.copy_(torch.lerp(first, value, fraction))
