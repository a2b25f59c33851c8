"""How far an expert is to be trusted where it has never been: what it has learned is tempered towards its prior."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.models.geographic_expert import GeographicExpert, Prediction
from engine.mvmf import LossTerms

SHARES = tuple(step / 40.0 for step in range(81))
"""Shares of what was learned that are tried, 0 to 2; above 1 the network was less sure than it might be."""


@torch.no_grad()
def temper(
    model: GeographicExpert, start: GeographicExpert, pixels: Tensor, pay: Callable[[Prediction], LossTerms]
) -> None:
    """Scale what the heads of place and climate have learned to what ``pixels`` that were never learned from bear out.

    Ground that was learned from looks more telling than any other, so a network is too sure of other ground. Of the
    difference between its logits and those of ``start``, which are the prior's, the share s in [0, 2] is kept that pays
    least, one for each head:

        logits = start + s (trained − start).

    s = 0 is the prior, s = 1 changes nothing. It is a temperature (Guo et al. 2017, arXiv:1706.04599) of what was
    learned alone. The heads are linear, so their own parameters take it up.

    Args:
        model: the trained network.
        start: the network before its first step.
        pixels: (N, C, h, w) of pictures that were not learned from.
        pay: the loss of beliefs about them.
    """
    learned = model.predict(pixels)
    first = Prediction(start.mixture.log_weights, start.climate.bias, learned.date)

    def paid(share: float) -> LossTerms:
        place, climate = (torch.lerp(a.expand_as(b), b, share) for a, b in zip(first[:2], learned[:2], strict=True))
        return pay(Prediction(place, climate, learned.date))

    tried = {share: paid(share) for share in SHARES}
    _keep(model.place, start.place, min(SHARES, key=lambda share: float(tried[share].coordinates)))
    _keep(model.climate, start.climate, min(SHARES, key=lambda share: float(tried[share].climate)))


def _keep(head: torch.nn.Linear, start: torch.nn.Linear, share: float) -> None:
    for value, first in zip(head.parameters(), start.parameters(), strict=True):
        value.copy_(torch.lerp(first, value, share))
