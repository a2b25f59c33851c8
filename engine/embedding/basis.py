"""Area-weighted principal components of the spherical harmonics: a basis of location embeddings.

A basis is fitted once, over the whole sphere or a region, and saved with its users: its mean and standard deviations
are those of the fit domain on every grid.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.embedding import _file
from engine.embedding._covariance import Moments, Progress, canonical_order, moments, principal_axes, rank_of
from engine.embedding.passport import passport
from engine.errors import ChoiceError
from engine.sphere.grid import LatLonGrid
from engine.sphere.harmonics import HarmonicGrid

MAX_MASKED_DEGREE = 80
"""Highest degree of a fit over a part of the sphere: its eigensolver takes D³, a minute and a gigabyte at D = 6561."""


@dataclass(frozen=True, eq=False)
class HarmonicBasis:
    """K components in the space of the D = (L+1)² harmonics of degree 0 … L. All tensors are float64."""

    max_degree: int
    """L"""
    mean: Tensor
    """(D,) area-weighted mean of every harmonic over the fit domain."""
    components: Tensor
    """(D, K) orthonormal columns of loadings, by descending variance."""
    eigenvalues: Tensor
    """(D,) variances along all axes, descending; over the whole sphere 1/4π, D − 1 times, then 0."""
    std: Tensor
    """(K,) standard deviation over the fit domain of (Y − mean) · component."""
    grid: LatLonGrid
    """The grid it was fitted on."""
    where: Tensor | None
    """(H, W) bool on ``grid``, True = included in the fit; None for the whole sphere."""
    domain: dict[str, Any]
    """Description of the fit domain: at least ``kind`` and ``fraction``, its fraction of the sphere."""

    @classmethod
    def fit(
        cls,
        grid: LatLonGrid,
        max_degree: int,
        num_components: int,
        where: Tensor | NDArray[Any] | None = None,
        progress: Progress | None = None,
        domain: Mapping[str, Any] | None = None,
        remember: Callable[[Callable[[], Moments]], Moments] | None = None,
    ) -> HarmonicBasis:
        """The leading ``num_components`` axes of the covariance of Y over the cells ``where`` is True (None: all).

        Over the whole sphere the harmonics are uncorrelated with variance 1/4π each, so there is nothing to solve: the
        components are the harmonics themselves, l ascending, then m = 0, −1, 1, −2, 2, …, the same on every grid.
        Elsewhere: area-weighted covariance and eigensolver in float64, on the device of ``where``; ties are resolved
        as in :func:`engine.embedding._covariance.principal_axes`.

        ``progress(fraction, text)`` is called between the stages and may raise to abandon the work.
        ``domain`` describes ``where`` in plain values, such as ``{"kind": "ocean"}``.
        ``remember(compute)`` gives the moments over the domain, possibly from a cache.

        A small domain determines fewer components than there are harmonics; of the others no more than rounding is
        left. K is held to the number that float64 determines, :attr:`rank`, and :attr:`rank_text` says so.

        Raises :class:`ChoiceError` for an L or K outside its range, for a ``where`` that does not fit the grid, holds
        NaN or anything but True and False (1 and 0), or contains no cell, and for a domain over which nothing varies.
        """
        check_sizes(max_degree, num_components)
        mask = None if where is None and grid.is_global else _checked_domain(grid, where)
        if mask is None or (grid.is_global and bool(mask.all())):
            described = {"kind": "sphere", **(domain or {}), "fraction": 1.0}
            return _whole_sphere(grid, max_degree, num_components, described)
        if max_degree > MAX_MASKED_DEGREE:
            raise ChoiceError(
                f"components over a part of the sphere are fitted up to degree {MAX_MASKED_DEGREE}",
                f"max_degree L = {max_degree}",
                f"choose L ≤ {MAX_MASKED_DEGREE}, or the whole sphere",
            )
        report = progress or _silent
        report(0.0, "reading the domain")

        def compute() -> Moments:
            return moments(grid, mask, max_degree, progress=lambda done, text: report(0.4 * done, text))

        fitted_moments = compute() if remember is None else remember(compute)
        report(0.4, f"eigenvectors of {fitted_moments.mean.numel()} × {fitted_moments.mean.numel()}")
        values, axes = principal_axes(fitted_moments.covariance)
        rank = rank_of(values)
        noise = torch.finfo(torch.float64).eps * values.numel() * float((fitted_moments.mean**2).sum())
        if rank == 0 or float(values[0]) <= noise:
            raise ChoiceError(
                "no harmonic varies over the domain", f"{int(mask.sum())} cells of {grid!r}", "choose a larger domain"
            )
        components = axes[:, : min(num_components, rank)].clone()
        variances = (components * (fitted_moments.covariance @ components)).sum(dim=0)
        report(1.0, "done")
        return cls(
            max_degree=max_degree,
            mean=fitted_moments.mean,
            components=components,
            eigenvalues=values.clamp_min(0.0),
            std=variances.sqrt(),
            grid=grid,
            where=mask,
            domain={"kind": "grid" if where is None else "mask", **(domain or {}), "fraction": fitted_moments.fraction},
        )

    @property
    def num_components(self) -> int:
        """K."""
        return self.components.shape[1]

    @property
    def rank(self) -> int:
        """How many components the domain determines in float64, at most D − 1; K is not more."""
        return self.eigenvalues.numel() - 1 if self.where is None else rank_of(self.eigenvalues)

    @property
    def rank_text(self) -> str | None:
        """A sentence where the domain determines fewer than D − 1 components."""
        most = self.eigenvalues.numel() - 1
        if self.rank == most:
            return None
        return (
            f"This domain determines {self.rank} of the {most} components: the variance of the others is below "
            f"10⁻⁸ of the largest, no more than rounding. K is at most {self.rank} here."
        )

    @property
    def explained(self) -> Tensor:
        """(K,) fraction of the total variance of each component; their sum is at most 1."""
        return self.eigenvalues[: self.num_components] / self.eigenvalues.sum()

    @property
    def is_whole_sphere(self) -> bool:
        """Whether the fit domain is the whole sphere, where all components but the constant are tied."""
        return self.where is None

    @cached_property
    def key(self) -> str:
        """A hash of the content (32 hexadecimal digits): numbers, grid, domain."""
        digest = hashlib.sha256(f"{self.max_degree}|{self.grid.key}|{_file.domain_text(self.domain)}".encode())
        for tensor in (self.mean, self.components, self.eigenvalues, self.std, self.where):
            if tensor is not None:
                digest.update(f"|{tuple(tensor.shape)}|".encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:32]

    def component_factors(self, grid: LatLonGrid, component: int) -> tuple[Tensor, Tensor]:
        """One component on any grid as factors: a latitude table (H, 2L+1) and the orders (2L+1,), −L … L.

        The field (H, W) is ``table @ HarmonicGrid(grid, L).trig``, trig_m = cos mλ or, for m < 0, sin |m|λ. It is the
        standardised one: centred and scaled by the moments of the *fit domain*, (Y − mean) · v / std, on every grid.
        """
        self._check_component(component)
        coeffs = self.components[:, component] / self.std[component]
        table = HarmonicGrid(grid, self.max_degree, device=coeffs.device).lat_tables(coeffs).contiguous()
        table[:, self.max_degree] -= self.mean @ coeffs
        return table, torch.arange(-self.max_degree, self.max_degree + 1, device=coeffs.device)

    def passport(self, grid: LatLonGrid, versus: HarmonicBasis | None = None) -> dict[str, Any]:
        """Accuracy and limits of this basis on ``grid``; see :func:`engine.embedding.passport.passport`."""
        return passport(self, grid, versus)

    def save(self, path: str | PathLike[str], attributes: Mapping[str, object] | None = None) -> None:
        """Write the basis as safetensors with its order convention, grid, domain, version and content hash.

        ``attributes`` are added to its metadata, as texts.
        """
        tensors = {"mean": self.mean, "components": self.components, "eigenvalues": self.eigenvalues, "std": self.std}
        _file.write(
            Path(path), tensors, self.grid, self.where, self.domain, self.max_degree, self.key, attributes or {}
        )

    @classmethod
    def load(cls, path: str | PathLike[str]) -> HarmonicBasis:
        """Read a basis written by :meth:`save`; :class:`StoreError` if it is missing, of another format, newer or
        damaged.
        """
        content, key = _file.read(Path(path))
        basis = cls(**content)
        if basis.key != key:
            raise _file.damaged(Path(path), "its content does not match its hash")
        return basis

    def _check_component(self, component: int) -> None:
        if not 0 <= component < self.num_components:
            raise ChoiceError(
                f"there is no component {component}",
                f"K = {self.num_components}",
                f"choose one from 0 to {self.num_components - 1}",
            )


def _whole_sphere(grid: LatLonGrid, max_degree: int, num_components: int, domain: dict[str, Any]) -> HarmonicBasis:
    size = (max_degree + 1) ** 2
    mean = torch.zeros(size, dtype=torch.float64)
    mean[0] = 1.0 / math.sqrt(4.0 * math.pi)
    components = torch.zeros((size, num_components), dtype=torch.float64)
    components[canonical_order(max_degree)[:num_components], torch.arange(num_components)] = 1.0
    eigenvalues = torch.full((size,), 1.0 / (4.0 * math.pi), dtype=torch.float64)
    eigenvalues[-1] = 0.0
    std = torch.full((num_components,), mean[0].item(), dtype=torch.float64)
    return HarmonicBasis(max_degree, mean, components, eigenvalues, std, grid, None, domain)


def check_sizes(max_degree: int, num_components: int) -> None:
    """Raise :class:`ChoiceError` where a basis of this degree cannot have so many components."""
    if max_degree < 1:
        raise ChoiceError(
            "degree 0 alone is a constant and has no components", f"max_degree L = {max_degree}", "choose L ≥ 1"
        )
    most = (max_degree + 1) ** 2 - 1
    if not 1 <= num_components <= most:
        raise ChoiceError(
            f"{num_components} components cannot be had",
            f"max_degree L = {max_degree}",
            f"choose 1 ≤ K ≤ (L+1)² − 1 = {most}",
        )


def _checked_domain(grid: LatLonGrid, where: Tensor | NDArray[Any] | None) -> Tensor:
    domain = torch.ones(grid.shape, dtype=torch.bool) if where is None else torch.as_tensor(where)
    mask = domain == 1
    if domain.dtype != torch.bool and bool((wrong := ~(mask | (domain == 0))).any()):
        kinds = "NaN" if bool(domain.isnan().any()) else "numbers other than 1 and 0"
        raise ChoiceError(
            f"the domain holds {kinds} in {int(wrong.sum())} of {wrong.numel()} cells",
            f"grid {grid.shape}",
            "give True for the cells that count and False for the others, such as where=sst.notnull()",
        )
    if mask.shape != grid.shape:
        raise ChoiceError(
            f"the domain has shape {tuple(mask.shape)}", f"grid {grid.shape}", "give one True or False for every cell"
        )
    if not bool(mask.any()):
        raise ChoiceError("the domain contains no cell", f"grid {grid.shape}", "choose a domain that meets the grid")
    return mask


def _silent(_done: float, _text: str) -> None:
    pass
