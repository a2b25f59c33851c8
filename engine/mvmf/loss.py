"""Loss of predicted location, date and climate of an image.

Legend: B samples, K mixture components, F fine and C coarse climate classes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.errors import ChoiceError
from engine.mvmf.mixture import MixtureVMF
from engine.sphere import unit_vectors

DAYS = 365.0
"""Days of the year's circle; 29 February and 1 March of a leap year are a day apart on it all the same."""

SEA_FRACTION = 0.95
"""Fraction of sea from which a sample is sea."""


def encode_coordinates(lat_deg: Tensor, lon_deg: Tensor) -> Tensor:
    """((90 − φ)/180, (sin λ + 1)/2, (cos λ + 1)/2), each from 0 to 1: (..., 3). The date line is no edge in it."""
    lon = torch.deg2rad(lon_deg)
    return torch.stack(((90.0 - lat_deg) / 180.0, (torch.sin(lon) + 1.0) / 2.0, (torch.cos(lon) + 1.0) / 2.0), -1)


def decode_coordinates(code: Tensor) -> tuple[Tensor, Tensor]:
    """Latitude, held within ±90, and longitude in [−180, 180] of codes (..., 3); inverse of the encoding.

    Predicted codes need not be on the circle: the nearest direction is taken.
    """
    first, sine, cosine = code.unbind(-1)
    lon = torch.rad2deg(torch.atan2(2.0 * sine - 1.0, 2.0 * cosine - 1.0))
    return (90.0 - 180.0 * first).clamp(-90.0, 90.0), lon


def encode_date(day_of_year: Tensor) -> Tensor:
    """((sin, cos of 2π · day/365) + 1)/2, each from 0 to 1: (..., 2). Day 1 is 1 January; fractions are welcome."""
    angle = 2.0 * math.pi / DAYS * day_of_year
    return torch.stack(((torch.sin(angle) + 1.0) / 2.0, (torch.cos(angle) + 1.0) / 2.0), -1)


def decode_date(code: Tensor) -> Tensor:
    """Day of the year in (0, 365] of codes (..., 2); inverse of the encoding up to whole years."""
    sine, cosine = (2.0 * code - 1.0).unbind(-1)
    day = torch.remainder(torch.atan2(sine, cosine) * (DAYS / (2.0 * math.pi)), DAYS)
    return torch.where(day > 0.0, day, day + DAYS)


def coarse_log_probabilities(fine_logits: Tensor, coarse_of_fine: Tensor, num_coarse: int) -> Tensor:
    """Logarithms (B, C) of the coarse classes' probabilities: sums over their fine classes.

    log Σ_{f in c} softmax(fine)_f, by log_softmax and logsumexp, which neither underflow nor overflow.
    """
    classes = torch.arange(num_coarse, device=fine_logits.device)
    outside = coarse_of_fine.to(fine_logits.device) != classes[:, None]
    log_probabilities = torch.log_softmax(fine_logits, -1)[:, None, :]
    return torch.logsumexp(log_probabilities.masked_fill(outside, -math.inf), -1)


class LossTerms(NamedTuple):
    """Scalars: the weighted sum and its parts before weighting."""

    total: Tensor
    coordinates: Tensor
    climate: Tensor
    date: Tensor


class GeographicLoss(nn.Module):
    """Coordinates, climate and date, 1 : 5 : 8 by default.

    - coordinates: with a ``mixture``, −ln of the predicted density per steradian at the true location;
      without one, the mean squared error of the three codes of :func:`encode_coordinates`.
    - climate: half the cross-entropy of the fine classes, half that of the coarse ones, whose probabilities and
      fractions are sums of the fine ones.
    - date: the mean squared error of the two codes of :func:`encode_date`.

    Samples with a fraction of ``sea_class`` of :data:`SEA_FRACTION` or more are excluded from coordinates and date:
    open sea has no recognisable location. ``sea_class=None`` disables the rule, for images of the sea. Without any
    sample left the two terms and their gradients are zero.

    Args:
        coarse_of_fine: (F,) int, the coarse class 0 … C−1 of each fine class; every coarse class has at least one.
        mixture: the components (K of them) whose weights the network predicts; their own logits are ignored.
        weights: of coordinates, climate and date.
        sea_class: the fine class of sea, or None.

    Raises :class:`ChoiceError` for classes with gaps, an unknown sea class, and negative weights.
    """

    coarse_of_fine: Tensor

    def __init__(
        self,
        coarse_of_fine: Tensor,
        mixture: MixtureVMF | None = None,
        *,
        weights: tuple[float, float, float] = (1.0, 5.0, 8.0),
        sea_class: int | None,
    ) -> None:
        super().__init__()
        classes = sorted({int(coarse) for coarse in coarse_of_fine})
        if not classes or classes != list(range(len(classes))):
            raise ChoiceError(f"coarse classes {classes}", "coarse_of_fine", "number them 0, 1, 2, … without a gap")
        if sea_class is not None and not 0 <= sea_class < coarse_of_fine.numel():
            raise ChoiceError(
                f"there is no climate class {sea_class}", f"{coarse_of_fine.numel()} classes", "name one, or None"
            )
        if not all(0.0 <= weight < math.inf for weight in weights):
            raise ChoiceError(f"weights {weights}", "GeographicLoss", "choose three numbers of 0 or more")
        self.register_buffer("coarse_of_fine", coarse_of_fine.to(torch.int64))
        self.num_coarse = len(classes)
        self.mixture = mixture
        self.weights = weights
        self.sea_class = sea_class

    def forward(
        self,
        place: Tensor,
        climate_logits: Tensor,
        date: Tensor,
        *,
        lat_deg: Tensor,
        lon_deg: Tensor,
        climate_fractions: Tensor,
        day_of_year: Tensor,
    ) -> LossTerms:
        """The loss of a batch.

        Args:
            place: the predicted location: (B, K) logits of the mixture, or (B, 3) codes without one.
            climate_logits: (B, F).
            date: (B, 2) codes.
            lat_deg, lon_deg, day_of_year: (B,), the true values.
            climate_fractions: (B, F), the true fractions of the fine classes, which sum to 1.
        """
        is_included = self.included(climate_fractions)
        # excluded samples are computed with zeros for their truth and weighted by nothing: to select by a mask would
        # make every step wait for an accelerator
        lat, lon, day = (torch.where(is_included, truth, 0.0) for truth in (lat_deg, lon_deg, day_of_year))
        coordinates = _mean(self._coordinate_error(place, lat, lon), is_included)
        climate = _mean(self._climate_error(climate_logits, climate_fractions), torch.ones_like(is_included))
        date_error = _mean(((date - encode_date(day)) ** 2).mean(-1), is_included)
        values = (coordinates, climate, date_error)
        total = torch.stack([weight * value for weight, value in zip(self.weights, values, strict=True)]).sum()
        return LossTerms(total, *values)

    def included(self, climate_fractions: Tensor) -> Tensor:
        """(B,) bool, True = included in coordinates and date: all but the sea, or all where the rule is disabled."""
        if self.sea_class is None:
            return torch.ones(climate_fractions.shape[0], dtype=torch.bool, device=climate_fractions.device)
        return climate_fractions[:, self.sea_class] < SEA_FRACTION

    def _coordinate_error(self, place: Tensor, lat_deg: Tensor, lon_deg: Tensor) -> Tensor:
        if self.mixture is None:
            return ((place - encode_coordinates(lat_deg, lon_deg)) ** 2).mean(-1)
        return -self.mixture.paired_log_prob(unit_vectors(lat_deg, lon_deg), place)

    def _climate_error(self, logits: Tensor, fractions: Tensor) -> Tensor:
        fine = -(fractions * torch.log_softmax(logits, -1)).sum(-1)
        coarse_fractions = fractions.new_zeros(fractions.shape[0], self.num_coarse).index_add_(
            1, self.coarse_of_fine, fractions
        )
        coarse = -(coarse_fractions * coarse_log_probabilities(logits, self.coarse_of_fine, self.num_coarse)).sum(-1)
        return (fine + coarse) / 2.0


def _mean(errors: Tensor, is_included: Tensor) -> Tensor:
    """The mean of the included ones of (N,), zero of none."""
    return torch.where(is_included, errors, 0.0).sum() / is_included.sum().clamp(min=1)
