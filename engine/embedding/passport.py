"""Accuracy and limits of a basis, and the consequences of its K: numbers, and sentences.

Indices count from 0, sentences from 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.embedding._covariance import canonical_order, moments, tie_groups, with_signs
from engine.sphere.grid import LatLonGrid
from engine.sphere.harmonics import resolution_note
from engine.typed import eigh

if TYPE_CHECKING:
    from engine.embedding.basis import HarmonicBasis

PRECISION_MAX_DEGREE = 40
"""Highest degree at which :func:`passport` refits in float32: a second of two cores."""

_PLATEAU_TOLERANCE = 0.01
_SAME_COMPONENT = 0.99


def passport(basis: HarmonicBasis, grid: LatLonGrid, versus: HarmonicBasis | None = None) -> dict[str, Any]:
    """Accuracy and limits of ``basis`` on ``grid``, in plain Python values.

    ``spectrum``: the D eigenvalues times 4π (1 = a harmonic over the whole sphere).
    ``effective_rank``: exp(−Σ p ln p), p = eigenvalues over their sum: the number of equal components with the same
    entropy (Roy & Vetterli 2007). ``ties``: first and last index of components whose variances are equal to rounding;
    only the space that each such run spans is determined. ``plateau``, ``cut``, ``precision``: see the functions below.
    ``rank`` and ``rank_text``: how many components the domain determines (:attr:`HarmonicBasis.rank`).
    ``agreement``: :func:`agreement` with the whole sphere's basis of the same L and K, with ``versus`` where given, and
    the expectation for two random K-dimensional spaces (``chance``).
    """
    agreements = {"whole sphere": agreement_with_whole_sphere(basis)}
    if versus is not None:
        agreements[str(versus.domain["kind"])] = agreement(basis, versus)
    size = basis.eigenvalues.numel()
    return {
        "max_degree": basis.max_degree,
        "num_components": basis.num_components,
        "domain": dict(basis.domain),
        "spectrum": _floats(basis.eigenvalues * 4.0 * math.pi),
        "explained": float(basis.explained.sum()),
        "effective_rank": effective_rank(basis.eigenvalues),
        "rank": basis.rank,
        "rank_text": basis.rank_text,
        "plateau": plateau(basis),
        "ties": tie_groups(basis.eigenvalues),
        "cut": cut(basis),
        "precision": precision(basis),
        "agreement": {**agreements, "chance": basis.num_components / (size - 1)},
        "resolution_note": resolution_note(grid, basis.max_degree),
    }


def agreement(a: HarmonicBasis, b: HarmonicBasis) -> float:
    """Mean squared cosine of the principal angles between the spaces two bases span, from 0 to 1.

    ‖AᵀB‖² / min(K_a, K_b); harmonics of only one of the bases are zero in the other.
    """
    size = min(a.components.shape[0], b.components.shape[0])
    common = a.components[:size].T @ b.components[:size].to(a.components.device)
    return float((common**2).sum()) / min(a.num_components, b.num_components)


def agreement_with_whole_sphere(basis: HarmonicBasis) -> float:
    """:func:`agreement` with the whole sphere's basis of the same L and K, which spans K of the harmonics."""
    kept = canonical_order(basis.max_degree)[: basis.num_components].to(basis.components.device)
    return float((basis.components[kept] ** 2).sum()) / basis.num_components


def effective_rank(eigenvalues: Tensor) -> float:
    """exp of the Shannon entropy of the normalised eigenvalues, from 1 to D."""
    fractions = eigenvalues / eigenvalues.sum()
    return math.exp(-float((fractions * torch.log(fractions.clamp_min(torch.finfo(fractions.dtype).tiny))).sum()))


def plateau(basis: HarmonicBasis) -> dict[str, Any]:
    """The leading components whose eigenvalues are within 1 % of the domain's largest possible eigenvalue.

    A component concentrated inside a domain of fraction f of the sphere has the variance 1/(4πf); no eigenvalue is
    larger, and the order of those that reach it is not meaningful.
    ``first`` and ``last`` are None where fewer than two reach it; ``level`` is the ceiling times 4π.
    """
    fraction = float(basis.domain["fraction"])
    ceiling = 1.0 / (4.0 * math.pi * fraction)
    count = int((basis.eigenvalues >= (1.0 - _PLATEAU_TOLERANCE) * ceiling).sum())
    if count < 2:
        text = "No plateau: at most one component lives wholly inside the domain."
        return {"first": None, "last": None, "level": 1.0 / fraction, "text": text}
    kept = min(count, basis.num_components)
    if basis.is_whole_sphere:
        text = f"All {count} components tie: over the whole sphere every harmonic varies alike, and none leads."
    else:
        text = (
            f"Components 1 to {count} form a plateau (variance × 4π near {1.0 / fraction:.2f}): they live wholly "
            "inside the domain, and their order among themselves means little."
        )
    if kept < count:
        text += f" K = {kept} ends inside it."
    return {"first": 0, "last": count - 1, "level": 1.0 / fraction, "text": text}


def cut(basis: HarmonicBasis) -> dict[str, Any]:
    """The degree or tie that K splits.

    Whole sphere: the ``degree`` in which K ends and how many of its orders are ``kept`` ``of`` all 2l+1.
    Elsewhere: the first and last index of the ``tie`` that K splits, or None. ``text`` is a sentence; ``clean`` is True
    where nothing is split.
    """
    K = basis.num_components
    if basis.is_whole_sphere:
        degree = math.isqrt(K)
        kept, orders = K - degree * degree + 1, 2 * degree + 1
        clean = kept == orders
        text = (
            f"K = {K} ends inside degree {degree}: {kept} of its {orders} orders {'is' if kept == 1 else 'are'} kept."
        )
        if clean:
            text = f"K = {K} holds degrees 1 to {degree} whole; the space it spans does not depend on the axis."
        return {"degree": degree, "kept": kept, "of": orders, "clean": clean, "text": text}
    split = next((group for group in tie_groups(basis.eigenvalues) if group[0] < K <= group[1]), None)
    text = f"K = {K} splits no tie."
    if split is not None:
        text = f"K = {K} splits components {split[0] + 1} to {split[1] + 1}, whose variances are equal to rounding."
    return {"tie": split, "clean": split is None, "text": text}


def precision(basis: HarmonicBasis) -> dict[str, Any]:
    """Comparison of each component with that of a float32 fit on the same cells.

    ``correlations`` (K): signed correlation over the fit domain; 1 = determined by the domain, less = by
    rounding. ``unstable``: the indices below 0.99. None above ``PRECISION_MAX_DEGREE``.
    """
    if basis.max_degree > PRECISION_MAX_DEGREE:
        text = f"Not compared: above degree {PRECISION_MAX_DEGREE} a second fit would take too long."
        return {"correlations": None, "unstable": None, "text": text}
    where = torch.ones(basis.grid.shape, dtype=torch.bool) if basis.where is None else basis.where
    single = moments(basis.grid, where, basis.max_degree, dtype=torch.float32).covariance
    axes = with_signs(eigh(single)[1].flip(1))[:, : basis.num_components].to(torch.float64)
    exact = moments(basis.grid, where, basis.max_degree).covariance
    along = exact @ axes
    sizes = ((axes * along).sum(0).clamp_min(0.0)).sqrt() * basis.std
    correlations = _floats((basis.components * along).sum(0) / sizes.clamp_min(torch.finfo(torch.float64).tiny))
    unstable = [index for index, value in enumerate(correlations) if value < _SAME_COMPONENT]
    text = "Every component is the same in float32 and float64."
    if unstable:
        text = (
            f"{len(unstable)} of {len(correlations)} components change when the fit is made in float32 "
            f"(the first is {unstable[0] + 1}): they are decided by rounding and mean little one by one."
        )
    return {"correlations": correlations, "unstable": unstable, "text": text}


def _floats(values: Tensor) -> list[float]:
    return [float(value) for value in values.cpu().numpy()]
