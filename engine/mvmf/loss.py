"""What a network that reads an image pays for being wrong about where and when it was taken, and in which climate.

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

SEA_SHARE = 0.95
"""Share of sea from which a sample counts as sea."""


def encode_coordinates(lat_deg: Tensor, lon_deg: Tensor) -> Tensor:
    """((90 − φ)/180, (sin λ + 1)/2, (cos λ + 1)/2), each from 0 to 1: (..., 3). The date line is no edge in it."""
    lon = torch.deg2rad(lon_deg)
    return torch.stack(((90.0 - lat_deg) / 180.0, (torch.sin(lon) + 1.0) / 2.0, (torch.cos(lon) + 1.0) / 2.0), -1)


def decode_coordinates(code: Tensor) -> tuple[Tensor, Tensor]:
    """Latitude, held within ±90, and longitude in [−180, 180] of codes (..., 3); inverse of the encoding.

    Also of codes that a network gives, which need not lie on the circle: the nearest direction counts.
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


def coarse_log_shares(fine_logits: Tensor, coarse_of_fine: Tensor, num_coarse: int) -> Tensor:
    """Logarithms (B, C) of the coarse classes' probabilities: sums of those of their fine classes, so both add up to 1.

    log Σ_{f in c} softmax(fine)_f, by log_softmax and logsumexp, which neither underflow nor overflow.
    """
    classes = torch.arange(num_coarse, device=fine_logits.device)
    outside = coarse_of_fine.to(fine_logits.device) != classes[:, None]
    log_shares = torch.log_softmax(fine_logits, -1)[:, None, :]
    return torch.logsumexp(log_shares.masked_fill(outside, -math.inf), -1)


class LossParts(NamedTuple):
    """Scalars: the weighted sum and its parts before weighting."""

    total: Tensor
    coordinates: Tensor
    climate: Tensor
    date: Tensor


class GeographicLoss(nn.Module):
    """Coordinates, climate and date, 1 : 5 : 8 by default.

    - coordinates: with a ``mixture``, −ln of the density per steradian that the network's belief has at the truth;
      without one, the mean square of the error of the three codes of :func:`encode_coordinates`.
    - climate: half the cross-entropy of the fine classes, half that of the coarse ones, whose probabilities and shares
      are sums of the fine ones.
    - date: the mean square of the error of the two codes of :func:`encode_date`.

    Samples whose share of ``sea_class`` is :data:`SEA_SHARE` or more are left out of coordinates and date: open sea
    looks alike everywhere. ``sea_class=None`` switches that off, for pictures of the sea itself. Where no sample is
    left the two parts are zero, and so is their gradient; so is the whole of a batch without samples.

    Args:
        coarse_of_fine: (F,) int, the coarse class 0 … C−1 of each fine class; every coarse class has at least one.
        mixture: the components (K of them) whose weights the network gives; their own logits do not count.
        weights: of coordinates, climate and date.
        sea_class: the fine class that is sea, or None.

    Raises :class:`ChoiceError` for classes with gaps, a sea class that is none of them, and weights below zero.
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
        found = sorted({int(coarse) for coarse in coarse_of_fine})
        if not found or found != list(range(len(found))):
            raise ChoiceError(f"coarse classes {found}", "coarse_of_fine", "number them 0, 1, 2, … without a gap")
        if sea_class is not None and not 0 <= sea_class < coarse_of_fine.numel():
            raise ChoiceError(
                f"there is no climate class {sea_class}", f"{coarse_of_fine.numel()} classes", "name one, or None"
            )
        if not all(0.0 <= weight < math.inf for weight in weights):
            raise ChoiceError(f"weights {weights}", "GeographicLoss", "choose three numbers of 0 or more")
        self.register_buffer("coarse_of_fine", coarse_of_fine.to(torch.int64))
        self.num_coarse = len(found)
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
        climate_shares: Tensor,
        day_of_year: Tensor,
    ) -> LossParts:
        """The loss of a batch.

        Args:
            place: what the network says of the place: (B, K) logits of the mixture, or (B, 3) codes without one.
            climate_logits: (B, F).
            date: (B, 2) codes.
            lat_deg, lon_deg, day_of_year: (B,), the truth.
            climate_shares: (B, F), the true shares of the fine classes, which add up to 1.
        """
        counts = self.counted(climate_shares)
        coordinates = _mean(self._coordinate_error(place[counts], lat_deg[counts], lon_deg[counts]))
        climate = _mean(self._climate_error(climate_logits, climate_shares))
        date_error = _mean(((date[counts] - encode_date(day_of_year[counts])) ** 2).mean(-1))
        parts = (coordinates, climate, date_error)
        total = torch.stack([weight * part for weight, part in zip(self.weights, parts, strict=True)]).sum()
        return LossParts(total, *parts)

    def counted(self, climate_shares: Tensor) -> Tensor:
        """(B,) bool, True = counts for coordinates and date: all but the sea, or all where the rule is off."""
        if self.sea_class is None:
            return torch.ones(climate_shares.shape[0], dtype=torch.bool, device=climate_shares.device)
        return climate_shares[:, self.sea_class] < SEA_SHARE

    def _coordinate_error(self, place: Tensor, lat_deg: Tensor, lon_deg: Tensor) -> Tensor:
        if self.mixture is None:
            return ((place - encode_coordinates(lat_deg, lon_deg)) ** 2).mean(-1)
        return -self.mixture.paired_log_prob(unit_vectors(lat_deg, lon_deg), place)

    def _climate_error(self, logits: Tensor, shares: Tensor) -> Tensor:
        fine = -(shares * torch.log_softmax(logits, -1)).sum(-1)
        coarse_shares = shares.new_zeros(shares.shape[0], self.num_coarse).index_add_(1, self.coarse_of_fine, shares)
        coarse = -(coarse_shares * coarse_log_shares(logits, self.coarse_of_fine, self.num_coarse)).sum(-1)
        return (fine + coarse) / 2.0


def _mean(errors: Tensor) -> Tensor:
    """The mean of (N,), zero of none."""
    return errors.sum() / max(1, errors.numel())
