"""DINEOF as a baseline: the modes of blocks of the sea, and months interpolated by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.compute import device
from engine.errors import DataError
from engine.models.baselines.baseline import (
    Baseline,
    Months,
    Progress,
    Regrid,
    State,
    lowest,
    no_progress,
    spread_in,
    tuning_months,
)
from engine.models.baselines.bias import Bias, bias_of_days, bias_of_estimates
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.dineof import withheld_clouds
from engine.models.baselines.means import SHRINKAGES
from engine.models.baselines.mode_blocks import (
    SHIFTS,
    Blocks,
    block_size_deg,
    blocks_of,
    fill,
    gathered,
    interpolate,
    persistence_factor,
    persistence_of,
)
from engine.models.baselines.observed import ObservedMonth, area_mae, evenly
from engine.models.baselines.oi import LEAST_SCALE, local_std
from engine.models.baselines.part_months import NUM_PARTS, PART_WEIGHTS, super_observations
from engine.typed import Floats, Singles

NUM_MODES = (1, 2, 4, 8, 16, 32)
"""Numbers of modes of a block that are tried on withheld clouds."""

NOISE_SCALES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Factors of the variance that the modes leave, tried on validation: what they leave is correlated in space."""

_TOLERANCE, _MAX_STEPS = 3e-3, 15
_MAX_ELEMENTS = 2e7  # of the training matrix: 80 MB
_SOME_BLOCKS = 40  # to choose, tune and debias on
_LEAST_NOISE = 1e-4  # of the variance of the anomalies
_MOST_PERSISTENT = 0.98
_CLEAR_OF_EDGES = 0.25  # weight of a cell that is estimated from one tiling alone


@dataclass(frozen=True, eq=False)
class DINEOF(Baseline):
    """Super-observations of about five days, filled by the leading modes of the blocks of cells around.

    The training months' anomalies (less the bias of the days, divided by their local standard deviation) are filled
    block by block by data interpolating empirical orthogonal functions (:mod:`engine.models.baselines.mode_blocks`).
    The singular values are shrunk by the variance of what the modes do not hold, as withheld clouds show it: without
    that, cells that are seldom observed get modes that fit noise, and an estimate worse than climatology. A new month
    is interpolated by the modes, whose coefficients persist from one part of the month to the next; what its own days
    say beyond the modes is added with weight n/(n + k); the mean of the six parts, less a bias that is learned from
    the truth of the training months, is the estimate.

    Attributes:
        modes: (4, K, H, W) float16, of the four tilings, in units of ``scale``: prior standard deviation 1 each.
        scale: (H, W) float32 K, what anomalies are divided by.
        persistence: (K,) correlation of a mode's coefficients in neighbouring parts of a month.
        noise: variance that the modes leave of the divided super-observations.
        noise_scale: of :data:`NOISE_SCALES`, with the lowest error on validation; as ``days``, the k above.
        size_deg: height of a block.
        bias, residual_bias: of the days, and of the estimate; None without truth.
    """

    name: ClassVar[str] = "dineof"
    modes: NDArray[np.float16]
    scale: Singles
    persistence: Floats
    noise: float
    size_deg: float
    noise_scale: float = 1.0
    days: float = 0.0
    bias: Bias | None = None
    residual_bias: Bias | None = None

    @classmethod
    def fit_months(
        cls, train: Months, validation: Months, climatology: Climatology, progress: Progress | None = None
    ) -> Self:
        """Fill at most four years of ``train``, at 1°; the number of modes is the best on withheld clouds of theirs."""
        report = progress or no_progress
        bias = bias_of_days(train, validation, climatology.grid)
        sea = np.isfinite(climatology.coeffs[0])
        most = max(12, int(_MAX_ELEMENTS / (NUM_PARTS * np.count_nonzero(sea))))
        anomalies = [super_observations(month, climatology, bias).anomaly for month in evenly(train, most)]
        if not any(bool(np.isfinite(anomaly).any()) for anomaly in anomalies):
            raise DataError("no month has an observed day", "DINEOF", "choose other months or another region")
        scale = local_std(anomalies, climatology, LEAST_SCALE * train[0].scale)
        size = block_size_deg(climatology.grid)
        values = torch.as_tensor(np.concatenate([anomaly / scale for anomaly in anomalies]), device=device()).flatten(1)
        some = _some(blocks_of(climatology.grid, sea, size, values.device, [0]))
        num_modes, noise = _best_number([gathered(values, blocks) for blocks in some], some)
        report(0.1)
        modes = np.zeros((len(SHIFTS), num_modes, sea.size), np.float16)
        all_blocks = list(blocks_of(climatology.grid, sea, size, values.device))
        for n, blocks in enumerate(all_blocks):
            own, _ = fill(gathered(values, blocks), blocks.num_cells, num_modes, noise, _TOLERANCE, _MAX_STEPS)
            modes[blocks.tiling, : own.shape[1]][:, blocks.cells[blocks.is_cell].cpu().numpy()] = (
                own.transpose(0, 1)[:, blocks.is_cell].cpu().numpy()
            )
            report(0.1 + 0.6 * (n + 1) / len(all_blocks))
        fitted = cls(
            climatology,
            modes.reshape(len(SHIFTS), num_modes, *sea.shape),
            scale,
            np.zeros(num_modes),
            noise,
            size,
            bias=bias,
        )
        fitted = fitted._with_persistence(some, values)._tuned(tuning_months(validation), some)
        report(0.8)
        if bias is None:
            return fitted.with_spread(validation)
        residual = bias_of_estimates(
            lambda month: fitted._estimate(month, some, _CLEAR_OF_EDGES),
            train,
            validation,
            climatology.grid,
            lambda done: report(0.8 + 0.2 * done),
        )
        return replace(fitted, residual_bias=residual).with_spread(validation)

    def mean_of(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        sea = np.isfinite(self.climatology.coeffs[0])
        return self._estimate(month, blocks_of(self.climatology.grid, sea, self.size_deg, device()), 0.0)

    def _estimate(self, month: ObservedMonth, some: Iterable[Blocks], least_weight: float) -> Floats:
        """The mean of the month (H, W) where the weights of the blocks add up to more than ``least_weight``."""
        parts = super_observations(month, self.climatology, self.bias)
        values = torch.as_tensor(parts.anomaly / self.scale, device=device()).flatten(1)
        num_days = torch.as_tensor(parts.num_days.astype(np.float32), device=device()).flatten(1)
        factor = persistence_factor(torch.as_tensor(self.persistence, dtype=values.dtype, device=device()))
        shares = torch.as_tensor(PART_WEIGHTS, dtype=values.dtype, device=device())
        total, weight = (torch.zeros_like(values[0]) for _ in range(2))
        for blocks in some:
            own = gathered(values, blocks)
            filled = interpolate(self._modes_of(blocks), own, self.noise_scale * self.noise, factor)
            days = torch.where(own.isnan(), 0.0, num_days[:, blocks.cells].transpose(0, 1))
            beyond = (days * (own - filled).nan_to_num()).sum(dim=1)
            observed = days.sum(dim=1)
            mean = torch.einsum("p,bpn->bn", shares, filled) + beyond / (observed + self.days).clamp(min=1e-6)
            for field, added in ((total, mean * blocks.weight), (weight, blocks.weight)):
                field.index_add_(0, blocks.cells[blocks.is_cell], added[blocks.is_cell])
        anomaly = torch.where(weight > least_weight, total / weight.clamp(min=1e-12), torch.nan).cpu().numpy()
        mean = self.climatology.at(month.month) + (self.scale * anomaly.reshape(self.scale.shape)).astype(np.float64)
        return mean if self.residual_bias is None else mean - self.residual_bias.of(month, self.climatology.grid)

    def _modes_of(self, blocks: Blocks) -> Tensor:
        """(B, K, n), 0 where padded."""
        fields = self.modes[blocks.tiling].reshape(self.modes.shape[1], -1)
        own = torch.as_tensor(fields[:, blocks.cells.cpu().numpy()].astype(np.float32), device=blocks.cells.device)
        return own.transpose(0, 1) * blocks.is_cell[:, None]

    def _with_persistence(self, some: Sequence[Blocks], values: Tensor) -> Self:
        """With the correlation of coefficients in neighbouring parts of the training months (T, H·W)."""
        both, squares = np.zeros(self.modes.shape[1]), np.zeros(self.modes.shape[1])
        for blocks in some:
            sums = persistence_of(self._modes_of(blocks), gathered(values, blocks), self.noise)
            both, squares = both + sums[0], squares + sums[1]
        return replace(self, persistence=np.clip(both / np.maximum(squares, 1e-12), 0.0, _MOST_PERSISTENT))

    def _tuned(self, months: Months, some: Sequence[Blocks]) -> Self:
        """With the noise scale, and then the k, of the lowest error in ``months``."""

        def error(candidate: Self) -> float:
            return area_mae(
                months, self.climatology.grid, lambda month: candidate._estimate(month, some, _CLEAR_OF_EDGES)
            )

        scale = lowest(NOISE_SCALES, 2.0, lambda scale: error(replace(self, noise_scale=scale, days=1.0)))
        days = lowest(SHRINKAGES, 1.0, lambda days: error(replace(self, noise_scale=scale, days=days)))
        return replace(self, noise_scale=scale, days=days)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Modes, scale, numbers, spread, and the biases where they are known."""
        biases = {"bias": self.bias, "residual_bias": self.residual_bias}
        return {
            **super().state_dict(),
            "modes": self.modes,
            "scale": self.scale,
            "persistence": self.persistence,
            "numbers": np.array([self.noise, self.size_deg, self.noise_scale, self.days]),
            **{key: bias.coeffs for key, bias in biases.items() if bias is not None},
        }

    @classmethod
    def from_state_dict(cls, state: State, climatology: Climatology) -> Self:
        """See :class:`Baseline`."""
        biases = [Bias(state[key]) if key in state else None for key in ("bias", "residual_bias")]
        noise, size_deg, noise_scale, days = map(float, state["numbers"])
        return cls(
            climatology,
            state["modes"],
            state["scale"],
            state["persistence"],
            noise,
            size_deg,
            noise_scale,
            days,
            *biases,
            spread=spread_in(state),
        )

    def on_grid(self, climatology: Climatology, regrid: Regrid) -> Self:
        """See :class:`Baseline`; blocks lie at the same latitudes and longitudes on any grid."""
        scale = np.nan_to_num(regrid(self.scale), nan=float(self.scale.min()))
        modes = np.nan_to_num(regrid(self.modes.astype(np.float32)))
        return replace(self, climatology=climatology, modes=modes.astype(np.float16), scale=scale.astype(np.float32))


def _some(all_blocks: Iterable[Blocks]) -> list[Blocks]:
    """About :data:`_SOME_BLOCKS` of them, evenly spread."""
    kept = list(all_blocks)
    every = max(1, round(sum(len(blocks.cells) for blocks in kept) / _SOME_BLOCKS))
    return [Blocks(blocks.tiling, *(field[::every] for field in blocks[1:])) for blocks in kept]


def _best_number(all_values: Sequence[Tensor], some: Sequence[Blocks]) -> tuple[int, float]:
    """The number of modes with the smallest error on withheld clouds of blocks, and the square of that error."""
    withheld = [torch.stack([withheld_clouds(~block.isnan(), 0) for block in values]) for values in all_values]
    best, noise = NUM_MODES[0], 1.0
    most = max(min(values.shape[1:]) for values in all_values)
    errors: list[float] = []
    for num_modes in NUM_MODES:
        if num_modes > max(1, most - 1):
            break
        squares, count = 0.0, 0
        for values, hidden, blocks in zip(all_values, withheld, some, strict=True):
            visible = torch.where(hidden, torch.nan, values)
            _, filled = fill(visible, blocks.num_cells, num_modes, noise, _TOLERANCE, _MAX_STEPS)
            squares += float((filled - values)[hidden].square().sum())
            count += int(hidden.sum())
        errors.append(squares / max(count, 1))
        if errors[-1] <= min(errors):
            best = num_modes
        noise = max(min(errors), _LEAST_NOISE)
    return best, noise
