"""Directions and mixtures of von Mises–Fisher distributions for tests."""

from __future__ import annotations

import math

import numpy as np
import torch

from engine.mvmf import MixtureVMF


def f64(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def directions(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=1)


def single(centre: torch.Tensor, kappa: float) -> MixtureVMF:
    return MixtureVMF(centre[None], f64([math.log(kappa)]), torch.zeros(1).double())


def some_mixture(count: int = 7, seed: int = 1, low: float = 0.0, high: float = 6.0) -> MixtureVMF:
    generator = torch.Generator().manual_seed(seed)
    log_kappa = torch.empty(count, dtype=torch.float64).uniform_(low, high, generator=generator)
    return MixtureVMF(directions(count, seed), log_kappa, torch.randn(count, generator=generator, dtype=torch.float64))


def as_numpy(mixture: MixtureVMF) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return mixture.centres.numpy(), mixture.kappa.numpy(), mixture.logits.numpy()
