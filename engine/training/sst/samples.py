"""Training samples: windows of months under additional clouds, and their targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.config.sst import SSTSettings
from engine.data.gaps import GapPattern, withhold
from engine.data.source import MonthlyData
from engine.errors import ChoiceError, DataError
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.observed import ICE_FRACTION
from engine.sphere import LatLonGrid
from engine.training.sst.positions import Positions
from engine.training.sst.windows import Corner, Windows

_MAX_HIDDEN = 0.95  # of the observations of a sample may be hidden


@dataclass(frozen=True)
class Batch:
    """Windows of M months as the model reads them, and their targets; legend as in
    :mod:`engine.training.sst.windows`."""

    daily: Tensor
    """(B, 1, M, T, h, w) °C, 0 where missing"""
    missing: Tensor
    """the same shape, bool"""
    land: Tensor
    """(B, h, w) bool"""
    padded: Tensor
    """(B, M, T) bool"""
    phases: Tensor
    """(B, M, T, 3) radians"""
    lonlat: Tensor
    """(B, N, 2) degrees"""
    baseline: Tensor
    """(B, M, h, w) °C"""
    features: Tensor | None = None
    """(B, N, P)"""
    target: Tensor | None = None
    """(B, M, h, w) °C; None where nothing is learned"""
    weight: Tensor | None = None
    """(B, M, h, w), weight where the target counts, else 0; 1 for a cell on the equator"""

    @classmethod
    def of(cls, samples: Sequence[dict[str, Any]], device: torch.device) -> Batch:
        """The samples, arrays by name, on top of each other."""
        names = [name for name, array in samples[0].items() if array is not None]
        stacked: dict[str, Any] = {
            name: torch.as_tensor(np.stack([sample[name] for sample in samples]), device=device) for name in names
        }
        return cls(**stacked)

    def inputs(self) -> tuple[Any, ...]:
        """The arguments of the model."""
        position = (self.lonlat, self.features)
        return self.daily, self.missing, self.land, self.padded, self.phases, position, self.baseline


@dataclass(frozen=True, eq=False)
class ModelInputs:
    """The months of one data set as a model reads them, window by window."""

    data: MonthlyData
    climatology: NDArray[np.float32]
    """(12, H, W), the climatology of every month of the year, °C; 0 on land"""
    windows: Windows
    positions: Positions
    fallback: NDArray[np.float32]
    """(12, H, W), the same of more years where it is known: what a month without observations is taken to be"""
    std_factors: Mapping[str, float] = field(default_factory=dict[str, float])
    """by class of cells, what a predicted standard deviation is multiplied by"""

    @classmethod
    def of(
        cls,
        data: MonthlyData,
        climatology: Climatology,
        windows: Windows,
        positions: Positions,
        fallback: Climatology | None = None,
        std_factors: Mapping[str, float] | None = None,
    ) -> ModelInputs:
        """The months of ``data`` as differences from ``climatology``; ``fallback`` is the same where it is None."""
        own = np.nan_to_num(climatology.at(np.arange(1, 13)))
        other = own if fallback is None else np.nan_to_num(fallback.at(np.arange(1, 13)))
        return cls(data, own, windows, positions, other, std_factors or {})

    @cached_property
    def sea_corners(self) -> tuple[Corner, ...]:
        """The corners of the windows that hold sea."""
        return tuple(at for at in self.windows.corners if not self.windows.cut(self.data.land, at).all())

    def window(self, months: range, corner: Corner) -> dict[str, Any]:
        """The arrays of :class:`Batch` but target and weight, without the leading B."""
        span = slice(months.start, months.stop)
        daily = self.windows.cut(self.data.daily[span], corner)
        land = self.windows.cut(self.data.land, corner)
        missing = ~np.isfinite(daily) | land | self.data.padded[span, :, None, None]
        lonlat, features = self.positions.of(corner)
        return {
            "daily": np.where(missing, np.float32(0.0), daily)[None],
            "missing": missing[None],
            "land": np.ascontiguousarray(land),
            "padded": np.asarray(self.data.padded[span]),
            "phases": np.asarray(self.data.phases[span]),
            "lonlat": lonlat,
            "features": features,
            "baseline": self.windows.cut(self.climatology, corner)[self.data.months[span] - 1],
        }


def counted_area(
    data: MonthlyData,
    held_out_box: tuple[float, float, float, float] | None,
    weights: Literal["area", "equal"] = "area",
) -> NDArray[np.float32]:
    """(H, W), the weight of the cells in the loss, 0 on land and in the box: the grid's ``area_weights``, or 1."""
    of_rows = data.grid.area_weights if weights == "area" else np.ones_like(data.grid.area_weights)
    area = of_rows[:, None] * ~data.land
    if held_out_box is not None:
        area = area * ~in_box(data.grid, held_out_box)
    return area.astype(np.float32)


def in_box(grid: LatLonGrid, box: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    """(H, W), True = the cell's centre lies in the box (south, north, west, east), degrees."""
    south, north, west, east = box
    rows = (grid.lat >= south) & (grid.lat <= north)
    return rows[:, None] & ((grid.lon - west) % 360.0 <= east - west)


class Samples:
    """The samples of every epoch. Each has its own seed (run, epoch, number), so they can be drawn in any order.

    A sample is a window at a random place, more often where there is more ocean, of months that take turns, under
    clouds of another time. Where the source knows the month's mean, that is the target; else it is the mean of the days
    that those clouds hide, in the cells where they hide any.

    Raises:
        ChoiceError: nothing can be learned: no truth and no clouds to hide days by, or no cell with a target.
        DataError: fewer months than a sample has.
    """

    def __init__(self, inputs: ModelInputs, settings: SSTSettings, seed: int) -> None:
        self.inputs = inputs
        self.settings = settings
        self.seed = seed
        data = inputs.data
        num_blocks = len(data.months) - settings.months + 1
        if num_blocks < 1:
            raise DataError(
                f"a sample of {settings.months} months does not fit into the {len(data.months)} to learn from",
                "train",
                "choose more months to train on or fewer months in a sample",
            )
        if data.target is None and not settings.extra_clouds:
            raise ChoiceError(
                "there is nothing to learn from: the true means of the months are not known, and no days are hidden",
                "extra_clouds",
                "choose a share above 0",
            )
        self._num_blocks = num_blocks
        self._area = counted_area(data, settings.held_out_box, settings.loss_weights)
        known = self._has_target()
        self._corners, chances = inputs.windows.likely_corners((self._area * known).astype(np.float64))
        self._cumulated = np.cumsum(chances)

    def _has_target(self) -> NDArray[np.bool_]:
        """(H, W), True = some month has a target there."""
        data = self.inputs.data
        known = np.zeros(data.grid.shape, bool)
        for n, days in enumerate(data.daily):  # never all days at once
            fields = days if data.target is None else data.target[n : n + 1]
            known |= np.any(np.isfinite(fields), axis=0)
        return known

    def sample(self, epoch: int, number: int) -> dict[str, Any]:
        """Sample ``number`` of an epoch: arrays by the names of :class:`Batch`, without the leading B."""
        rng = np.random.default_rng((self.seed, epoch, number))
        months = self._months(epoch, number)
        corner = Corner(*self._corners[np.searchsorted(self._cumulated, rng.random() * self._cumulated[-1])])
        sample = self.inputs.window(months, corner)
        hidden = self._clouds(sample, months, corner, rng)
        target, is_known = self._target(sample, months, corner, hidden)
        weight = self.inputs.windows.cut(self._area, corner) * is_known
        sample["missing"] = sample["missing"] | hidden
        sample["daily"] = np.where(hidden, np.float32(0.0), sample["daily"])
        return sample | {"target": np.where(is_known, target, 0.0).astype(np.float32), "weight": weight}

    def _months(self, epoch: int, number: int) -> range:
        """The months of a sample: all blocks take turns, in an order of their own for each turn."""
        turn, position = divmod(number, self._num_blocks)
        first = int(np.random.default_rng((self.seed, epoch, turn, 1)).permutation(self._num_blocks)[position])
        return range(first, first + self.settings.months)

    def _clouds(
        self, sample: dict[str, Any], months: range, corner: Corner, rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        """(1, M, T, h, w), True = hidden: by the clouds that the window had at another time, days and whole months.

        Up to twice the fraction of days and of cell-months, so that all kinds of cloud cover occur.
        """
        missing: NDArray[np.bool_] = sample["missing"][0]
        land: NDArray[np.bool_] = sample["land"]
        data, windows = self.inputs.data, self.inputs.windows
        others = [n for n in range(len(data.months)) if n not in months] or list(months)
        clouds = np.isnan(windows.cut(data.daily[int(rng.choice(others))], corner))
        hidden = np.zeros(missing.shape, bool)
        for fraction, whole_month in ((self.settings.extra_clouds, False), (self.settings.withheld_fraction, True)):
            chosen, seed = min(_MAX_HIDDEN, fraction * 2.0 * rng.random()), int(cast(Any, rng).integers(2**31))
            hidden |= hide(missing | hidden, land, chosen, seed, clouds, whole_month=whole_month)[0]
        return hidden[None]

    def _target(
        self, sample: dict[str, Any], months: range, corner: Corner, hidden: NDArray[np.bool_]
    ) -> tuple[NDArray[np.floating[Any]], NDArray[np.bool_]]:
        """Target (M, h, w) and where it is known and weighted."""
        data, span = self.inputs.data, slice(months.start, months.stop)
        if data.target is not None:
            target = self.inputs.windows.cut(data.target[span], corner)
            return target, np.isfinite(target) & (self.inputs.windows.cut(data.ice[span], corner) <= ICE_FRACTION)
        return mean_of(sample["daily"][0], hidden[0])


def hide(
    missing: NDArray[np.bool_],
    land: NDArray[np.bool_],
    fraction: float,
    seed: int,
    clouds: NDArray[np.bool_] | None = None,
    *,
    whole_month: bool = False,
) -> tuple[NDArray[np.bool_], GapPattern]:
    """:func:`engine.data.gaps.withhold` by clouds, or by swaths where those are too few; and which pattern it was."""
    try:
        return withhold(missing, land, fraction, seed, clouds=clouds, whole_month=whole_month), "clouds"
    except DataError:  # where it is nearly always clear, or nearly always overcast, there are no clouds to take
        return withhold(missing, land, fraction, seed, "swath", whole_month=whole_month), "swath"


def mean_of(daily: NDArray[np.float32], chosen: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The mean (M, H, W) over the ``chosen`` days of (M, T, H, W), and where there are any."""
    count = chosen.sum(axis=1, dtype=np.float32)
    total = np.where(chosen, daily, np.float32(0.0)).sum(axis=1)
    return total / np.maximum(count, 1.0), count > 0
