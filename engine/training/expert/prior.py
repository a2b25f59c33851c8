"""The prior of a geographic expert, its baseline: one belief about all pictures; and tempering towards it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.data.tiles import Tiles
from engine.evaluation.expert_scores import day_distance
from engine.models.geographic_expert import GeographicExpert, Prediction
from engine.mvmf import LossTerms, fit_weights
from engine.sphere import unit_vectors

FRACTIONS = tuple(step / 40.0 for step in range(81))
"""Fractions of the learned difference that :func:`temper` tries; above 1 the network was underconfident."""


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
    log_weights, log_kappa = fit_weights(
        centres, unit_vectors(train.lat, train.lon), unit_vectors(validation.lat, validation.lon)
    )
    climate = torch.tensor(train.climate.mean(axis=0))
    days = np.arange(1.0, 366.0)
    day = float(days[day_distance(days[:, None], train.day).mean(axis=1).argmin()])
    return Prior(log_weights.float(), log_kappa.float(), climate, day)


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
