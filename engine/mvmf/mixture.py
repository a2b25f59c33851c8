"""Mixtures of von Mises–Fisher distributions on the sphere.

One component with unit centre μ and concentration κ has the density, per steradian,
p(x) = κ / (2π (1 − e^−2κ)) · exp(−κ (1 − μ·x)), and 1 − μ·x = ‖x − μ‖²/2.
A mixture has the density Σ_k softmax(logits)_k p_k(x).

Legend: K components, N points, B mixtures that share their components, grid (H, W).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import ChoiceError, DataError
from engine.mvmf import maps
from engine.mvmf._likelihood import log_mixture
from engine.mvmf._tiles import Peaks
from engine.sphere import LatLonGrid

MIN_KAPPA, MAX_KAPPA = 1e-6, 1e6
"""The range of κ. The least is uniform to 1e-6; the greatest is a spot of 6 km."""

_SERIES_BELOW = 1e-2
# Quantiles that give an entropy: the most and, for many components, the fewest, and what they cost in pairs.
_MOST_QUANTILES, _QUANTILES, _FEWEST_QUANTILES = 2**16, 2**14, 2**10
_LIGHT_PAIRS, _MOST_PAIRS = 2**24, 2**27
_PLASTIC = 1.324717957244746  # the root of x³ = x + 1: its powers spread points evenly in the plane


def log_normaliser(kappa: Tensor) -> Tensor:
    """ln of κ / (2π (1 − e^−2κ)), the factor of exp(−κ (1 − μ·x)): exact to rounding from κ = 1e-6 to 1e6.

    Below κ = 0.01 by the series −ln 4π + κ − κ²/6 + κ⁴/180, where the closed form cancels.
    """
    small = kappa.clamp(max=_SERIES_BELOW)
    series = small - small**2 / 6.0 + small**4 / 180.0 - math.log(4.0 * math.pi)
    large = kappa.clamp(min=_SERIES_BELOW)
    closed = torch.log(large) - torch.log(-torch.expm1(-2.0 * large)) - math.log(2.0 * math.pi)
    return torch.where(kappa < _SERIES_BELOW, series, closed)


class MixtureVMF(nn.Module):
    """A mixture of K von Mises–Fisher components, or B mixtures of the same components.

    Args:
        centres: (K, 3), directions of any length but zero; kept as they come and normalised on use, so that a step of
            an optimiser leaves them on the sphere. Doubled and antipodal ones are as good as any.
        log_kappa: (K,), ln κ of each; κ from 1e-6 to 1e6. Values that training carries outside count as the limit.
        logits: (K,) or (B, K), log-weights up to a constant; −inf is a weight of zero. A large logit is no harm.
        learn_centres, learn_kappa, learn_logits: which of them are parameters; the others are buffers.

    All three are used in the dtype of ``centres``. float64 gives log-probabilities exact to 1e-10, float32 to 1e-5 of
    themselves; close to a sharp peak to 3e-7 √κ, for centres and points themselves are rounded by 0.4 m then.

    Raises :class:`ChoiceError` for shapes that do not fit, centres of whole numbers and a κ out of range,
    :class:`DataError` for centres without a direction, and for logits that are NaN, +inf, or −inf throughout.
    """

    centres_raw: Tensor
    log_kappa: Tensor
    logits: Tensor

    def __init__(
        self,
        centres: Tensor,
        log_kappa: Tensor,
        logits: Tensor,
        *,
        learn_centres: bool = False,
        learn_kappa: bool = False,
        learn_logits: bool = False,
    ) -> None:
        super().__init__()
        _check(centres, log_kappa, logits)
        tensors = {
            "centres_raw": (centres, learn_centres),
            "log_kappa": (log_kappa.to(centres.dtype), learn_kappa),
            "logits": (logits.to(centres.dtype), learn_logits),
        }
        for name, (values, is_learned) in tensors.items():
            if is_learned:
                self.register_parameter(name, nn.Parameter(values.detach().clone()))
            else:
                self.register_buffer(name, values)

    @property
    def centres(self) -> Tensor:
        """(K, 3) unit vectors."""
        return functional.normalize(self.centres_raw, dim=1)

    @property
    def kappa(self) -> Tensor:
        """(K,)."""
        return torch.exp(self.log_kappa.clamp(math.log(MIN_KAPPA), math.log(MAX_KAPPA)))

    @property
    def log_weights(self) -> Tensor:
        """(K,) or (B, K): logarithms of weights that add up to 1."""
        return torch.log_softmax(self.logits, -1)

    def log_prob(self, points: Tensor) -> Tensor:
        """Logarithm of the density per steradian at unit vectors ``points`` (N, 3): (N,), or (B, N) for B mixtures.

        Raises :class:`DataError` for points of another shape.
        """
        points_and_components = self._points_and_components(points)
        if self.logits.ndim == 1:
            return log_mixture(*points_and_components, self.logits)
        return torch.stack([log_mixture(*points_and_components, row) for row in self.logits])

    def paired_log_prob(self, points: Tensor, logits: Tensor | None = None) -> Tensor:
        """The same of point b (B, 3) under mixture b alone: (B,). Its negative mean is the loss of a network.

        ``logits`` (B, K) are the network's; None: the mixture's own. Loss and gradient together hold (B, K) twice: the
        logits and their gradient. Raises :class:`DataError` for points and logits that do not belong together.
        """
        row_logits = self.logits if logits is None else logits.to(self.centres_raw.dtype)
        points_and_components = self._points_and_components(points)
        if row_logits.shape not in ((len(self.log_kappa),), (len(points), len(self.log_kappa))):
            raise DataError(
                f"logits of shape {tuple(row_logits.shape)} for {len(points)} points",
                f"{len(self.log_kappa)} components",
                f"give logits ({len(points)}, {len(self.log_kappa)})",
            )
        return log_mixture(*points_and_components, row_logits)

    def log_prob_map(self, grid: LatLonGrid, tolerance: float = maps.TOLERANCE) -> Tensor:
        """Logarithm of the density per steradian at the points of ``grid``: float64 (H, W), or (B, H, W).

        Its exponential is within ten times ``tolerance`` of the map's maximum of the exact density; below ``tolerance``
        of the maximum the map is level. A ``tolerance`` of 1e-3 on a grid of 1° makes a draft.
        """
        return self._each(lambda select: _log_map(select.peaks(), grid, tolerance))

    def cell_mass(self, grid: LatLonGrid, tolerance: float = maps.TOLERANCE) -> Tensor:
        """Probability of every cell of ``grid``: float64 (H, W), or (B, H, W).

        These are integrals over the cells, right to a few times ``tolerance`` also for a peak far smaller than a cell
        or on a cell's corner. Over a grid of the whole sphere they add up to 1 as closely; nothing is rescaled.
        """
        return self._each(lambda select: maps.cell_integrals(select.peaks(), grid, tolerance))

    def peaks(self) -> Peaks:
        """The components with logits (K,) as weighted peaks in float64, for the sums of :mod:`engine.mvmf.maps`."""
        self._check_single()
        kappa = self.kappa.detach().double()
        height = torch.log_softmax(self.logits.detach().double(), -1) + log_normaliser(kappa)
        return Peaks(functional.normalize(self.centres_raw.detach().double(), dim=1), kappa, height)

    def select(self, index: int) -> MixtureVMF:
        """Mixture ``index`` of the B, by itself and detached."""
        return self._detached(self.logits[index])

    def average(self) -> MixtureVMF:
        """The one mixture whose density is the mean of the B: the prediction for a scene from those of its patches."""
        logits = self.log_weights.detach()
        if logits.ndim == 2:
            logits = torch.logsumexp(logits, 0) - math.log(logits.shape[0])
        return self._detached(logits)

    def sample(self, n: int, seed: int) -> Tensor:
        """``n`` points drawn from the mixture with logits (K,): unit vectors (n, 3) float64. Same seed, same points.

        Raises :class:`ChoiceError` for ``n`` below zero.
        """
        if n < 0:
            raise ChoiceError(f"{n} points were asked for", "sample", "ask for 0 or more")
        generator = torch.Generator().manual_seed(seed)
        uniform = torch.rand((3, n), dtype=torch.float64, generator=generator).to(self.logits.device)
        return self._points_at(uniform)

    def entropy(self) -> Tensor:
        """−∫ p ln p dΩ in nats, with logits (K,): ln 4π at most. A scalar float64, right to 1e-3 for up to 250
        components and to 1e-2 for tens of thousands.

        The mean of −ln p over :meth:`quantiles`.
        """
        return -self.quantiles()[1].mean()

    def quantiles(self) -> tuple[Tensor, Tensor]:
        """Points (n, 3) evenly spread in probability (Roberts' sequence), each for 1/n of it, and ln p there (n,).

        float64, of the mixture with logits (K,); n from 65 536 for a few components to 1024 for very many.
        """
        count = self.logits.numel()
        num = min(_MOST_QUANTILES, max(_QUANTILES, _LIGHT_PAIRS // count))
        num = max(_FEWEST_QUANTILES, min(num, _MOST_PAIRS // count))
        steps = torch.arange(num, dtype=torch.float64, device=self.logits.device)
        spread = torch.stack(((steps + 0.5) / num, *(steps * _PLASTIC**-power % 1.0 for power in (1, 2))))
        with torch.no_grad():
            exact = MixtureVMF(*(values.detach().double() for values in (self.centres, self.log_kappa, self.logits)))
            points = exact._points_at(spread)
            return points, exact.log_prob(points)

    def _points_at(self, uniform: Tensor) -> Tensor:
        """Where quantiles (3, n) of [0, 1) lie: of the component, of the distance from its centre, of the bearing."""
        peaks = self.peaks()
        cumulative = torch.cumsum(torch.softmax(self.logits.detach().double(), -1), 0)
        chosen = torch.searchsorted(cumulative / cumulative[-1], uniform[0], right=True).clamp(max=len(cumulative) - 1)
        centre, kappa = peaks.centres[chosen], peaks.kappa[chosen]
        # P(1 − cos ≤ d) = (1 − e^−κd) / (1 − e^−2κ), inverted without cancellation
        drop = -torch.log1p(uniform[1] * torch.expm1(-2.0 * kappa)) / kappa
        sine, bearing = torch.sqrt(drop * (2.0 - drop)), 2.0 * math.pi * uniform[2]
        # two directions across the centre; the axis it lies least along is never parallel to it
        axis = functional.one_hot(centre.abs().argmin(1), 3).to(centre.dtype)
        east = functional.normalize(_cross(axis, centre), dim=1)
        north = _cross(centre, east)
        across = torch.cos(bearing)[:, None] * east + torch.sin(bearing)[:, None] * north
        return functional.normalize((1.0 - drop)[:, None] * centre + sine[:, None] * across, dim=1)

    def _points_and_components(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if points.ndim != 2 or points.shape[1] != 3:
            raise DataError(f"points of shape {tuple(points.shape)}", "MixtureVMF", "give unit vectors, as (N, 3)")
        kappa = self.kappa
        # as many numbers as components: worth float64 whatever the dtype
        return points.to(self.centres_raw), self.centres, kappa, log_normaliser(kappa.double()).to(kappa.dtype)

    def _each(self, work: Callable[[MixtureVMF], Tensor]) -> Tensor:
        """``work`` of this mixture, or of each of the B one after the other, stacked."""
        if self.logits.ndim == 1:
            return work(self)
        return torch.stack([work(self.select(index)) for index in range(self.logits.shape[0])])

    def _detached(self, logits: Tensor) -> MixtureVMF:
        return MixtureVMF(self.centres_raw.detach(), self.log_kappa.detach(), logits.detach())

    def _check_single(self) -> None:
        if self.logits.ndim == 2:
            raise ChoiceError(
                f"there are {self.logits.shape[0]} mixtures here",
                "logits (B, K)",
                "choose one of them by .select(index)",
            )


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a.roll(-1, 1) * b.roll(1, 1) - a.roll(1, 1) * b.roll(-1, 1)


def _log_map(peaks: Peaks, grid: LatLonGrid, tolerance: float) -> Tensor:
    field, log_factor = maps.density(peaks, grid, tolerance)
    return torch.log(field.clamp_min_(tolerance * float(field.max()))).double().add_(log_factor)


def _check(centres: Tensor, log_kappa: Tensor, logits: Tensor) -> None:
    if centres.ndim != 2 or centres.shape[1] != 3 or not centres.shape[0]:
        raise ChoiceError(
            f"centres of shape {tuple(centres.shape)}", "MixtureVMF", "give at least one unit vector, as (K, 3)"
        )
    if not centres.is_floating_point():
        raise ChoiceError(f"centres of {centres.dtype}", "MixtureVMF", "give them as torch.float64 or torch.float32")
    count = centres.shape[0]
    if log_kappa.shape != (count,) or logits.ndim not in (1, 2) or logits.shape[-1] != count:
        raise ChoiceError(
            f"log_kappa of shape {tuple(log_kappa.shape)} and logits of shape {tuple(logits.shape)}",
            f"{count} centres",
            f"give log_kappa ({count},), and logits ({count},) or (B, {count})",
        )
    length = (centres.detach().double() ** 2).sum(1).sqrt()
    _refuse(~(torch.isfinite(length) & (length > 1e-12)), "have no direction", "leave them out")
    log_kappa, logits = log_kappa.detach().double(), logits.detach()
    low, high = math.log(MIN_KAPPA) - 1e-6, math.log(MAX_KAPPA) + 1e-6
    wrong = torch.nonzero(~((log_kappa >= low) & (log_kappa <= high)))
    if wrong.numel():
        raise ChoiceError(
            f"κ = {math.exp(min(float(log_kappa[wrong[0]]), 700.0)):g} is out of range",
            f"component {int(wrong[0])} of {count}",
            f"choose κ from {MIN_KAPPA:g} to {MAX_KAPPA:g}",
        )
    _refuse(torch.isnan(logits).flatten() | (logits == math.inf).flatten(), "have no weight", "give finite logits")
    if bool((logits.amax(-1) == -math.inf).any()):
        raise DataError("all weights are zero", "logits are −inf throughout", "give one component a finite logit")


def _refuse(wrong: Tensor, problem: str, remedy: str) -> None:
    if bool(wrong.any()):
        count = int(wrong.sum())
        raise DataError(
            f"{count} of {wrong.numel()} components {problem}", f"first at {int(wrong.nonzero()[0])}", remedy
        )
