"""DINEOF: gaps are filled by the leading modes of the data themselves, found and filled in turns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.errors import ChoiceError, DataError
from engine.typed import eigh

_WITHHELD = 0.05  # of the known values, at most, to choose the number of modes by
_WORSE = 3  # further modes that do not help end the search
_AS_GOOD = 1.001  # times the smallest error: fewer modes are taken
_ROUNDING = 1e-3  # of the values' size: errors below cannot be told apart
_CV_COLUMNS = 3000  # the number of modes is chosen on so many columns


def dineof(values: Tensor, num_modes: int | None = None, seed: int = 0, noise: float = 0.0) -> tuple[Tensor, int]:
    """Fill the gaps of a matrix by its leading singular vectors (data interpolating empirical orthogonal functions).

    Missing values start at 0 and are replaced by those of the truncated singular value decomposition
    Σ_{k ≤ K} u_k s_k v_kᵀ of the filled matrix, again and again until they stand still; modes are added one by one,
    each starting from the values that fewer modes left. Nothing is subtracted: give anomalies.

    Args:
        values: (T, N) times by places, NaN = missing.
        num_modes: K. None: the number with the smallest error on about 5 % of the known values that are withheld in
            the shape of the gaps of other times; with more than 3000 places it is chosen on an even selection.
        seed: of what is withheld.
        noise: variance of what the modes do not hold, as known beforehand; singular values are shrunk by it,
            s_k (1 − noise·max(T, N)/s_k²), so that modes of noise do not fill gaps. 0: as published.

    Returns:
        The filled matrix (T, N), known values as they were, in the dtype and on the device of ``values``; and K.

    Raises:
        ChoiceError: ``values`` is no matrix, ``num_modes`` is not from 1 to min(T, N), or ``noise`` is negative.
        DataError: no value is known, or one is infinite.

    Source: Beckers & Rixen (2003), J. Atmos. Oceanic Technol. 20, 1839–1856; Alvera-Azcárate et al. (2005), Ocean
    Modelling 9, 325–346. Clouds in place of single points as by Beckers, Barth & Alvera-Azcárate (2006), Ocean Sci. 2;
    the shrinkage as by Josse & Husson (2012), J. Soc. Française Statistique 153.
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
    if noise < 0.0:
        raise ChoiceError(f"a variance of {noise:g}", "noise", "give 0 or more")
    known = ~values.isnan()
    if not bool(known.any()) or bool(values.isinf().any()):
        raise DataError("no value is known, or one is infinite", "dineof", "give finite values, NaN where missing")
    start = torch.where(known, values, 0.0)
    exact = values.dtype == torch.float64
    effort = _Effort(1e-6 if exact else 1e-4, 1000)
    chosen = num_modes if num_modes is not None else _best_number(start, known, seed, _Effort(1e-5, 500))
    return _from_few_modes(start, known, chosen, effort, noise), chosen


class _Effort(NamedTuple):
    """When the filling ends: when it moves by ``tolerance`` of the known values' size, or after ``max_steps``."""

    tolerance: float
    max_steps: int


_FIRST = _Effort(1e-2, 5)


def _from_few_modes(values: Tensor, known: Tensor, modes: int, effort: _Effort, noise: float) -> Tensor:
    """Filled by ``modes``; the start is what one, two, four and so on leave."""
    few = 1
    while few < modes:
        values, few = _filled(values, known, few, _FIRST, noise), 2 * few
    return _filled(values, known, modes, effort, noise)


def _filled(values: Tensor, known: Tensor, modes: int, effort: _Effort, noise: float = 0.0) -> Tensor:
    """``values`` with what is not known replaced until it stands still."""
    size = values[known].square().mean().sqrt()
    missing = ~known
    if not bool(missing.any()):
        return values
    for _ in range(effort.max_steps):
        estimate = _truncated(values, modes, noise)
        moved = (estimate - values)[missing].square().mean().sqrt()
        values = torch.where(known, values, estimate)
        if bool(moved <= effort.tolerance * size):
            break
    return values


def _truncated(values: Tensor, modes: int, noise: float = 0.0) -> Tensor:
    """The best approximation (T, N) of this rank, shrunk by ``noise``; by the smaller Gram matrix, in float64."""
    if values.shape[0] > values.shape[1]:
        return _truncated(values.T, modes, noise).T
    squares, vectors = eigh((values @ values.T).double())
    leading = vectors[:, -modes:]
    shrunk = (1.0 - noise * max(values.shape) / squares[-modes:].clamp(min=1e-300)).clamp(min=0.0)
    return (leading * shrunk).to(values.dtype) @ (leading.T.to(values.dtype) @ values)


def _best_number(values: Tensor, known: Tensor, seed: int, effort: _Effort) -> int:
    """The smallest number of modes whose error on withheld values is as small as any."""
    every = -(-values.shape[1] // _CV_COLUMNS)
    values, known = values[:, ::every], known[:, ::every]
    withheld = withheld_clouds(known, seed)
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


def withheld_clouds(known: Tensor, seed: int) -> Tensor:
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
