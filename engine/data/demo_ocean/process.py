"""Random processes whose value on any day is computed without the days before it.

A stationary Gaussian process with covariance exp(−|Δt|/τ) (Ornstein–Uhlenbeck) is Markov: given two days, the day
midway is independent of all others. A day is drawn given its two parents, half a dyadic interval away on either side,
and so on recursively; the recursion ends where the correlation with the parents is below rounding.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from enum import IntEnum
from functools import lru_cache
from threading import Lock

import numpy as np

from engine.data.demo_ocean.spectral import Coefficients, by_order
from engine.typed import Floats, Singles


class Stream(IntEnum):
    """The purpose of a draw: each has its own random stream."""

    BASIN = 1
    ENSO = 2
    STIR = 3
    FINE = 4
    WAVES = 5
    VORTICES = 6
    CLOUDS_MIDLATITUDES = 7
    CLOUDS_TROPICS = 8
    CLOUDS_SLOW = 9
    WIND = 10
    SENSOR = 11


_KEPT_DAYS = 64
_FORGOTTEN = math.log(2.0**24)  # e^(−this) is float32's rounding


def generator(seed: int, stream: Stream, day: int) -> np.random.Generator:
    """The generator of one stream on one day; independent of which days are drawn, and in which order."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, stream, day & 0xFFFFFFFF))))


class OrnsteinUhlenbeck:
    """D independent processes of zero mean and unit variance with memories τ_d: E[x_d(s) x_d(t)] = exp(−|s−t|/τ_d).

    The number n of a day gives its place in a binary tree: with g the largest power of two that divides n, the
    parents of n are n − g and n + g, and with r = exp(−g/τ)

        x(n) = r/(1 + r²) · (x(n−g) + x(n+g)) + √((1 − r²)/(1 + r²)) · ε(n),   ε(n) standard normal, drawn for n alone.

    Parents beyond 16.6 τ are left out: there r is below float32's rounding. A single day costs O(log τ) draws, a day
    whose neighbours are cached one draw. Thread-safe.

    Args:
        memory_days: (D,) τ > 0. Appending processes does not change the others.
        seed, stream: key of the draws, together with the day.
    """

    def __init__(self, memory_days: Floats, seed: int, stream: Stream) -> None:
        self._memory_days = np.asarray(memory_days, np.float64)
        self._seed, self._stream = seed, stream
        self._alone_from = _FORGOTTEN * float(self._memory_days.max())
        self._weights = lru_cache(maxsize=None)(self._bridge)
        self._kept: OrderedDict[int, Singles] = OrderedDict()
        self._lock = Lock()

    def at(self, day: int) -> Singles:
        """(D,) the processes on a day, numbered from any epoch; read-only."""
        with self._lock:
            if day in self._kept:
                self._kept.move_to_end(day)
                return self._kept[day]
        value = self._drawn(day)
        value.setflags(write=False)
        with self._lock:
            self._kept[day] = value
            if len(self._kept) > _KEPT_DAYS:
                self._kept.popitem(last=False)
        return value

    def _drawn(self, day: int) -> Singles:
        random = generator(self._seed, self._stream, day)
        noise = random.standard_normal(self._memory_days.size, dtype=np.float32)
        gap = day & -day
        if gap == 0 or gap >= self._alone_from:
            return noise
        of_parents, of_noise = self._weights(gap)
        parents = self.at(day - gap) + self.at(day + gap)
        return np.asarray(of_parents * parents + of_noise * noise, np.float32)

    def _bridge(self, gap: int) -> tuple[Singles, Singles]:
        kept = np.exp(-gap / self._memory_days)
        lost = -np.expm1(-2.0 * gap / self._memory_days)
        of_parents, of_noise = kept / (1.0 + kept**2), np.sqrt(lost / (1.0 + kept**2))
        return of_parents.astype(np.float32), of_noise.astype(np.float32)


class HarmonicProcess:
    """A drifting random field on the sphere whose harmonic coefficients are Ornstein–Uhlenbeck processes.

    The field has variance Σ_l (2l+1)/4π · variance_l everywhere, memory τ_l at degree l in the frame that drifts
    eastward, and is isotropic. Fewer degrees give a truncation of the same field: a coefficient does not depend on
    the others.

    Args:
        variances: (L+1,) of every coefficient of degree l.
        memory_days: (L+1,) τ_l.
        seed, stream: as of :class:`OrnsteinUhlenbeck`.
        drift: ° of longitude a day, eastward.
    """

    def __init__(self, variances: Floats, memory_days: Floats, seed: int, stream: Stream, drift: float = 0.0) -> None:
        self.max_degree = len(variances) - 1
        each = 2 * np.arange(self.max_degree + 1) + 1
        self._scale = np.repeat(np.sqrt(variances), each).astype(np.float32)
        self._process = OrnsteinUhlenbeck(np.repeat(memory_days, each), seed, stream)
        self._turn = -1j * np.deg2rad(drift) * np.arange(self.max_degree + 1)

    def on(self, day: int) -> Coefficients:
        """The field's coefficients on a day, (L+1, L+1) by order and degree as :func:`spectral.by_order` has them."""
        turn = np.exp(self._turn * day).astype(np.complex64)
        return by_order(self._scale * self._process.at(day)) * turn[:, None]

    def filtered(self, day: int, weights: Floats, max_degree: int) -> Coefficients:
        """Σ_k weights[k] · field(day − k) up to ``max_degree``, in the layout of :meth:`on`: a causal filter of the
        field.
        """
        size = (max_degree + 1) ** 2
        days = day - np.arange(len(weights))
        past = np.stack([self._process.at(int(each))[:size] for each in days])
        turns = weights[:, None] * np.exp(self._turn[: max_degree + 1] * days[:, None])
        return np.einsum("km,kml->ml", turns.astype(np.complex64), by_order(self._scale[:size] * past))


def unit_variance(spectrum: Floats) -> Floats:
    """``spectrum`` (L+1,) of coefficients' variances, scaled so that the field has variance 1."""
    degrees = np.arange(len(spectrum))
    return spectrum * 4.0 * math.pi / float(((2 * degrees + 1) * spectrum).sum())


def unit_gradient(spectrum: Floats) -> Floats:
    """As :func:`unit_variance`, scaled so that the field's gradient has mean square 1 per square radian."""
    degrees = np.arange(len(spectrum))
    return spectrum * 4.0 * math.pi / float(((2 * degrees + 1) * degrees * (degrees + 1) * spectrum).sum())
