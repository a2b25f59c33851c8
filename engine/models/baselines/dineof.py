"""DINEOF: gaps are filled by the leading modes of the data themselves, found and filled in turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.compute import device
from engine.errors import ChoiceError, DataError
from engine.models.baselines.baseline import (
    Baseline,
    Months,
    Progress,
    Regrid,
    State,
    no_progress,
    spread_in,
)
from engine.models.baselines.bias import Bias, bias_of_days, bias_of_estimates
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.observed import ObservedMonth, evenly
from engine.models.baselines.part_months import PART_WEIGHTS, super_observations
from engine.typed import Floats, eigh

_WITHHELD = 0.05  # of the known values, at most, to choose the number of modes by
_WORSE = 3  # further modes that do not help end the search
_AS_GOOD = 1.001  # times the smallest error: fewer modes are taken
_ROUNDING = 1e-3  # of the values' size: errors below cannot be told apart
_CV_COLUMNS = 3000  # the number of modes is chosen on so many columns
_MAX_ELEMENTS = 2e7  # of the training matrix: 80 MB
_MONTHS = 24  # in it, at most


def dineof(values: Tensor, num_modes: int | None = None, seed: int = 0) -> tuple[Tensor, int]:
    """Fill the gaps of a matrix by its leading singular vectors (data interpolating empirical orthogonal functions).

    Missing values start at 0 and are replaced by those of the truncated singular value decomposition
    Σ_{k ≤ K} u_k s_k v_kᵀ of the filled matrix, again and again until they stand still; modes are added one by one,
    each starting from the values that fewer modes left. Nothing is subtracted: give anomalies.

    Args:
        values: (T, N) times by places, NaN = missing.
        num_modes: K. None: the number with the smallest error on about 5 % of the known values that are withheld in
            the shape of the gaps of other times; with more than 3000 places it is chosen on an even selection.
        seed: of what is withheld.

    Returns:
        The filled matrix (T, N), known values as they were, in the dtype and on the device of ``values``; and K.

    Raises:
        ChoiceError: ``values`` is no matrix, or ``num_modes`` is not from 1 to min(T, N).
        DataError: no value is known, or one is infinite.

    Source: Beckers & Rixen (2003), J. Atmos. Oceanic Technol. 20, 1839–1856; Alvera-Azcárate et al. (2005), Ocean
    Modelling 9, 325–346. Clouds in place of single points as by Beckers, Barth & Alvera-Azcárate (2006), Ocean Sci. 2.
    """
    if values.ndim != 2:
        raise ChoiceError(f"values have the shape {tuple(values.shape)}", "dineof", "give times by places, (T, N)")
    most = min(values.shape)
    if num_modes is not None and not 1 <= num_modes <= most:
        raise ChoiceError(
            f"{num_modes} modes of {values.shape[0]} times and {values.shape[1]} places",
            "num_modes",
            f"choose 1 to {most}, or None",
        )
    known = ~values.isnan()
    if not bool(known.any()) or bool(values.isinf().any()):
        raise DataError("no value is known, or one is infinite", "dineof", "give finite values, NaN where missing")
    start = torch.where(known, values, 0.0)
    exact = values.dtype == torch.float64
    effort = _Effort(1e-6 if exact else 1e-4, 1000)
    chosen = num_modes if num_modes is not None else _best_number(start, known, seed, _Effort(1e-5, 500))
    return _from_few_modes(start, known, chosen, effort), chosen


class _Effort(NamedTuple):
    """When the filling ends: when it moves by ``tolerance`` of the known values' size, or after ``max_steps``."""

    tolerance: float
    max_steps: int


_FIRST, _TRAINING, _MONTH = _Effort(1e-2, 5), _Effort(3e-3, 40), _Effort(1e-3, 60)
_TRAINING_SEARCH = _Effort(1e-2, 12)


def _from_few_modes(values: Tensor, known: Tensor, modes: int, effort: _Effort) -> Tensor:
    """Filled by ``modes``; the start is what one, two, four and so on leave."""
    few = 1
    while few < modes:
        values, few = _filled(values, known, few, _FIRST), 2 * few
    return _filled(values, known, modes, effort)


def _filled(values: Tensor, known: Tensor, modes: int, effort: _Effort) -> Tensor:
    """``values`` with what is not known replaced until it stands still."""
    size = values[known].square().mean().sqrt()
    missing = ~known
    if not bool(missing.any()):
        return values
    for _ in range(effort.max_steps):
        estimate = _truncated(values, modes)
        moved = (estimate - values)[missing].square().mean().sqrt()
        values = torch.where(known, values, estimate)
        if bool(moved <= effort.tolerance * size):
            break
    return values


def _truncated(values: Tensor, modes: int) -> Tensor:
    """The best approximation (T, N) of this rank; by the smaller one of the two Gram matrices, in float64."""
    if values.shape[0] > values.shape[1]:
        return _truncated(values.T, modes).T
    _, vectors = eigh((values @ values.T).double())
    leading = vectors[:, -modes:].to(values.dtype)
    return leading @ (leading.T @ values)


def _best_number(values: Tensor, known: Tensor, seed: int, effort: _Effort) -> int:
    """The smallest number of modes whose error on withheld values is as small as any."""
    every = -(-values.shape[1] // _CV_COLUMNS)
    values, known = values[:, ::every], known[:, ::every]
    withheld = _withheld(known, seed)
    if not bool(withheld.any()):
        return 1
    visible = known & ~withheld
    truth = values[withheld]
    size = float(truth.square().mean().sqrt())
    filled = torch.where(visible, values, 0.0)
    errors: list[float] = []
    for modes in range(1, max(1, min(values.shape) - 1) + 1):
        filled = _filled(filled, visible, modes, effort)
        errors.append(float((filled[withheld] - truth).square().mean().sqrt()))
        if errors[-1] <= _ROUNDING * size or len(errors) - 1 - int(np.argmin(errors)) >= _WORSE:
            break
    return next(n for n, error in enumerate(errors, 1) if error <= max(_AS_GOOD * min(errors), _ROUNDING * size))


def _withheld(known: Tensor, seed: int) -> Tensor:
    """(T, N) True = withheld: at some times, what is missing at another, at most a third of what is known there."""
    rng = np.random.default_rng(seed)
    observed = known.cpu().numpy()
    withheld = np.zeros_like(observed)
    most = _WITHHELD * np.count_nonzero(observed)
    for time in rng.permutation(len(observed)):
        own = observed[time]
        for other in rng.permutation(len(observed))[:10]:
            hidden = own & ~observed[other]
            if hidden.any() and 3 * np.count_nonzero(hidden) <= np.count_nonzero(own):
                break
        else:  # clouds are all too large, or all the same: single points
            hidden = own & (rng.random(own.size) < 2.0 * _WITHHELD)
        withheld[time] = hidden
        if np.count_nonzero(withheld) >= most:
            break
    return torch.as_tensor(withheld, device=known.device)


@dataclass(frozen=True, eq=False)
class DINEOF(Baseline):
    """Super-observations of about five days, filled by :func:`dineof` from the modes of the training months.

    The training months' anomalies (less the bias of the days) are filled once; their leading modes, times their
    singular values, stand for them from then on: a new month is filled as six more rows below these, so that the search
    starts from what is known and the month's own days still move the modes. The mean of the six is the estimate, less
    a bias that is learned from the truth of the training months.

    Attributes:
        modes: (K, N) float32, s_k v_k over the N cells of the sea, K times the root of the cell's area.
        bias, residual_bias: of the days, and of the estimate; None without truth.
    """

    name: ClassVar[str] = "dineof"
    modes: NDArray[np.float32]
    bias: Bias | None = None
    residual_bias: Bias | None = None

    @classmethod
    def fit_months(
        cls, train: Months, validation: Months, climatology: Climatology, progress: Progress | None = None
    ) -> Self:
        """Fill at most two years of ``train``; the number of modes is the best on withheld clouds of theirs."""
        report = progress or no_progress
        bias = bias_of_days(train, validation, climatology.grid)
        sea = np.isfinite(climatology.coeffs[0])
        most = max(12, int(_MAX_ELEMENTS / (6 * np.count_nonzero(sea))))
        rows: list[NDArray[np.float32]] = []
        for month in evenly(train, min(_MONTHS, most)):
            rows.append(super_observations(month, climatology, bias).anomaly[:, sea])
            report(0.0)
        matrix = np.concatenate(rows) * _roots(climatology)
        if not np.isfinite(matrix).any():
            raise DataError("no month has an observed day", "DINEOF", "choose other months or another region")
        rows_known = torch.as_tensor(matrix, device=device())
        known, start = ~rows_known.isnan(), rows_known.nan_to_num()
        modes = _best_number(start, known, 0, _TRAINING_SEARCH)
        report(0.4)
        filled = _from_few_modes(start, known, modes, _TRAINING)
        report(0.7)
        left = eigh((filled @ filled.T).double())[1][:, -modes:].to(filled.dtype)
        fitted = cls(climatology, (left.T @ filled).cpu().numpy(), bias)
        if bias is None:
            return fitted.with_spread(validation)
        residual = bias_of_estimates(
            fitted.mean_of, train, validation, climatology.grid, lambda done: report(0.7 + 0.3 * done)
        )
        return replace(fitted, residual_bias=residual).with_spread(validation)

    def mean_of(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        sea = np.isfinite(self.climatology.coeffs[0])
        roots = _roots(self.climatology)
        days = super_observations(month, self.climatology, self.bias).anomaly[:, sea] * roots
        rows = torch.as_tensor(np.concatenate((self.modes, days)), device=device())
        known = ~rows.isnan()
        start = torch.where(known, rows, 0.0)
        filled = _filled(start, known, len(self.modes), _MONTH)
        anomaly = filled[len(self.modes) :].cpu().numpy() / roots
        mean = self.climatology.at(month.month).astype(np.float64)
        mean[sea] += PART_WEIGHTS @ anomaly
        return mean if self.residual_bias is None else mean - self.residual_bias.of(month, self.climatology.grid)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Modes, spread, and the biases where they are known."""
        biases = {"bias": self.bias, "residual_bias": self.residual_bias}
        known = {key: bias.coeffs for key, bias in biases.items() if bias is not None}
        return {**super().state_dict(), "modes": self.modes, **known}

    @classmethod
    def from_state_dict(cls, state: State, climatology: Climatology) -> Self:
        """See :class:`Baseline`."""
        biases = {key: Bias(state[key]) if key in state else None for key in ("bias", "residual_bias")}
        return cls(climatology, state["modes"], **biases, spread=spread_in(state))

    def on_grid(self, climatology: Climatology, regrid: Regrid) -> Self:
        """See :class:`Baseline`."""
        sea, there = np.isfinite(self.climatology.coeffs[0]), np.isfinite(climatology.coeffs[0])
        fields = np.full((len(self.modes), *sea.shape), np.nan, np.float32)
        fields[:, sea] = self.modes / _roots(self.climatology)
        moved = regrid(fields)[:, there] * _roots(climatology)
        return replace(self, climatology=climatology, modes=moved.astype(np.float32))


def _roots(climatology: Climatology) -> NDArray[np.float32]:
    """(N,) root of the area of each cell of the sea, relative to the mean cell of the sea."""
    sea = np.isfinite(climatology.coeffs[0])
    area = np.broadcast_to(climatology.grid.cell_area_m2[:, None], sea.shape)[sea]
    return np.sqrt(area / area.mean()).astype(np.float32)
