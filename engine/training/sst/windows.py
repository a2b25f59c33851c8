"""Windows on a latitude–longitude grid: where they lie, how they are cut out, and how they are put together again.

Columns wrap where the grid closes the circle, so the date line is no edge. Overlaps are blended by cosine tapers, and
values that agree come out bit for bit as they went in.

Legend: H × W cells of the grid, h × w cells of a window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.errors import ChoiceError
from engine.sphere import LatLonGrid

Array = TypeVar("Array", bound=NDArray[Any])

_ROUNDING_DEG = 1e-6


class Corner(NamedTuple):
    """The first row and column of a window."""

    row: int
    column: int


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one size on one grid; make it by :meth:`of`.

    Attributes:
        grid: the cells.
        size: (h, w), within the grid; a patch's, where the grid is smaller than a patch.
        overlap: cells that neighbouring windows share at least, less than h and w.
    """

    grid: LatLonGrid
    size: tuple[int, int]
    overlap: int

    @classmethod
    def of(cls, grid: LatLonGrid, size: tuple[int, int], overlap: int, patch: tuple[int, int]) -> Windows:
        """Windows of ``size`` or, on a smaller grid, of the most patches that fit, with half of that as overlap where
        ``overlap`` would leave them nothing of their own.

        A grid of fewer rows or columns than a patch lies in windows of one patch, whose other cells are land.

        Raises:
            ChoiceError: a patch that does not divide the window; an overlap that leaves a window nothing of its own; a
            patch that would reach over a pole or around the globe.
        """
        for wanted, side, name in zip(size, patch, ("height", "width"), strict=True):
            _check_patch(wanted, side, name)
        if not 0 <= overlap < min(size):
            raise ChoiceError(
                f"an overlap of {overlap} cells leaves a window nothing of its own",
                f"windows of {size[0]} × {size[1]} cells",
                f"choose 0 ≤ overlap < {min(size)}",
            )
        height, width = (
            min(wanted, max(side, length // side * side))
            for wanted, length, side in zip(size, grid.shape, patch, strict=True)
        )
        least = min(height, width)
        windows = cls(grid, (height, width), overlap if overlap < least else least // 2)
        windows._check_reach(patch)
        return windows

    def _check_reach(self, patch: tuple[int, int]) -> None:
        """Refuse a patch that has no room on the sphere: beyond a smaller grid it goes on as land."""
        if not (self._short_rows or self._short_columns):
            return
        lat, lon = self._axes(self.corners[0])
        step = abs(float(self.grid.lat[-1] - self.grid.lat[0])) / (self.grid.lat.size - 1)
        reaches = {
            "over a pole": np.abs(lat).max() + step / 2 > 90.0 + _ROUNDING_DEG,
            "more than once around the globe": lon[-1] - lon[0] + self.grid.lon_step > 360.0 + _ROUNDING_DEG,
        }
        for where, is_so in reaches.items():
            if is_so:
                raise ChoiceError(
                    f"a patch of {patch[0]} × {patch[1]} cells reaches {where} on a grid of "
                    f"{self.grid.shape[0]} × {self.grid.shape[1]} cells of {step:g}° × {self.grid.lon_step:g}°",
                    "the model on this source",
                    "resample the source to a finer grid, or choose a model with smaller patches",
                )

    @cached_property
    def corners(self) -> tuple[Corner, ...]:
        """Windows that cover the grid, from south to north, evenly spaced."""
        height, width = self.size
        rows = _steps(self.grid.shape[0], height, self.overlap)
        if self._short_rows:
            rows = [-self._short_rows if self._is_padded_in_front else 0]
        closed = self.grid.is_periodic
        columns = _turns if closed else _steps
        return tuple(Corner(row, column) for row in rows for column in columns(self.grid.shape[1], width, self.overlap))

    def patch_corners(self, patch: tuple[int, int]) -> tuple[Corner, ...]:
        """Windows that cover all whole patches of the grid and begin at multiples of ``patch``, so that their patches
        are one grid; neighbours share ``overlap`` cells, rounded down to patches, at least."""
        if self._short_rows or self._short_columns:
            return self.corners
        sides = zip(self.grid.shape, self.size, patch, strict=True)
        (rows, own_rows, high), (columns, own_columns, wide) = (
            (of // side, own // side, side) for of, own, side in sides
        )
        closed = self.grid.is_periodic and self.grid.shape[1] % wide == 0
        south = _steps(rows, own_rows, self.overlap // high)
        west = (_turns if closed else _steps)(columns, own_columns, self.overlap // wide)
        return tuple(Corner(row * high, column * wide) for row in south for column in west)

    @cached_property
    def taper(self) -> NDArray[np.float64]:
        """Weight (h, w) of a window's cells where windows overlap: sin² over the overlap, 1 inside, positive."""
        rows, columns = (_taper(size, self.overlap) for size in self.size)
        return rows[:, None] * columns

    def cut(self, field: Array, corner: Corner) -> Array:
        """The window (…, h, w) of ``field`` (…, H, W); columns wrap. A view where nothing wraps.

        Cells beyond a grid that is smaller than a patch are True in masks and NaN in fields: land without values.
        """
        height, width = self.size
        window: Any = field[..., max(0, corner.row) : corner.row + height, :]
        beyond = corner.column + width - self.grid.shape[1]
        if beyond <= 0 or self._short_columns:
            window = window[..., corner.column : corner.column + width]
        else:
            window = np.concatenate((window[..., corner.column :], window[..., :beyond]), axis=-1)
        if not (self._short_rows or self._short_columns):
            return window
        front = max(0, -corner.row)
        around = (front, self._short_rows - front), (0, self._short_columns)
        fill: Any = True if field.dtype == np.bool_ else np.nan
        return np.pad(window, (*[(0, 0)] * (field.ndim - 2), *around), constant_values=fill)  # type: ignore[return-value]

    def coordinates(self, corner: Corner) -> LatLonGrid:
        """The window as a grid of its own."""
        return LatLonGrid(*self._axes(corner))

    def _axes(self, corner: Corner) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Latitudes (h,) and longitudes (w,) of a window, also beyond a grid that is smaller than a patch."""
        height, width = self.size
        lon = self.grid.lon[0] + self.grid.lon_step * (corner.column + np.arange(width))
        lat = self.grid.lat
        if self._short_rows:
            step = (lat[-1] - lat[0]) / (lat.size - 1)
            return lat[0] + step * (corner.row + np.arange(height)), lon
        return lat[corner.row : corner.row + height], lon

    @property
    def _short_rows(self) -> int:
        """Rows that the grid lacks for one patch."""
        return max(0, self.size[0] - self.grid.shape[0])

    @property
    def _short_columns(self) -> int:
        """Columns that the grid lacks for one patch."""
        return max(0, self.size[1] - self.grid.shape[1])

    @property
    def _is_padded_in_front(self) -> bool:
        """Whether the rows that lack come before the first: on the side of the equator, where there is room."""
        return abs(self.grid.lat[0]) < abs(self.grid.lat[-1])

    def likely_corners(self, ocean_area: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """All corners (C, 2) a window may have, and their probabilities (C,): the ``ocean_area`` (H, W) they see.

        So windows follow the ocean's area and none is all land. The loss weighs area as well, and rows near the poles
        lie in fewer windows: cells there count less in training than in the scores.

        Raises:
            ChoiceError: there is no ocean, or the grid is smaller than a patch.
        """
        height, width = self.size
        if self._short_rows or self._short_columns:
            raise ChoiceError(
                f"a patch is larger than the grid's {self.grid.shape[0]} × {self.grid.shape[1]} cells",
                "the windows",
                "choose smaller patches to train here",
            )
        rows = np.arange(self.grid.shape[0] - height + 1)
        columns = np.arange(self.grid.shape[1] if self.grid.is_periodic else self.grid.shape[1] - width + 1)
        wrapped = np.concatenate((ocean_area, ocean_area[:, :width]), axis=1)
        sums = np.pad(wrapped.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
        south, north, west, east = rows[:, None], rows[:, None] + height, columns, columns + width
        area = sums[north, east] - sums[south, east] - sums[north, west] + sums[south, west]
        # differences of sums leave rounding noise where there is nothing
        area[area < 1e-9 * sums[-1, -1]] = 0.0
        if not area.any():
            raise ChoiceError(
                "no window sees a cell to learn from", "the training set", "choose other years or regions"
            )
        corners = np.stack(np.broadcast_arrays(rows[:, None], columns), axis=-1).reshape(-1, 2)
        return corners, (area / area.sum()).reshape(-1)


class Stitcher:
    """Puts windows together to fields (…, H, W), in any order: the taper-weighted mean of all that lie over a cell.

    The mean runs, m ← m + (v − m) · t / Σt, so that equal values leave it exactly as it is.
    """

    def __init__(self, windows: Windows, leading: tuple[int, ...] = ()) -> None:
        self._windows = windows
        self._mean = np.zeros((*leading, *windows.grid.shape), np.float32)
        self._weight = np.zeros(windows.grid.shape)

    def add(self, corner: Corner, values: NDArray[np.floating[Any]]) -> None:
        """Lay a window (…, h, w) over what there is."""
        for there, here in self._pieces(corner):
            taper = self._windows.taper[*here]
            self._weight[there] += taper
            mean = self._mean[..., *there]
            mean += (values[..., *here] - mean) * (taper / self._weight[there]).astype(np.float32)

    def mark(self, corner: Corner, field: NDArray[np.bool_], values: NDArray[np.bool_]) -> None:
        """Set the cells of a window in ``field`` (M, H, W) True for the months whose ``values`` (M,) are True."""
        for there, _ in self._pieces(corner):
            field[..., *there] |= values[:, None, None]

    def _pieces(self, corner: Corner) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
        """The parts of a window on either side of the seam: where in the field, and which of its cells."""
        height, width = self._windows.size
        num_rows, total = self._windows.grid.shape
        rows = slice(max(0, corner.row), min(num_rows, corner.row + height))
        own_rows = slice(rows.start - corner.row, rows.stop - corner.row)
        own = min(width, total - corner.column)
        yield (rows, slice(corner.column, corner.column + own)), (own_rows, slice(0, own))
        if own < width <= total:
            yield (rows, slice(0, width - own)), (own_rows, slice(own, width))

    @property
    def field(self) -> NDArray[np.float32]:
        """The blended fields (…, H, W)."""
        return self._mean


def _check_patch(wanted: int, side: int, name: str) -> None:
    if wanted % side:
        near = [size for size in (wanted // side * side, wanted // side * side + side) if size]
        raise ChoiceError(
            f"patch {name} {side} does not divide a window {name} of {wanted}",
            "the windows",
            f"choose a window {name} of {' or '.join(map(str, near))}",
        )


def _steps(length: int, size: int, overlap: int) -> list[int]:
    """Evenly spaced starts that cover a line of ``length`` cells, the first at 0 and the last at its end."""
    count = 1 + max(0, math.ceil((length - size) / (size - overlap)))
    return [round((length - size) * i / max(1, count - 1)) for i in range(count)]


def _turns(length: int, size: int, overlap: int) -> list[int]:
    """Evenly spaced starts that cover a closed circle of ``length`` cells."""
    count = math.ceil(length / (size - overlap))
    return [length * i // count for i in range(count)]


def _taper(size: int, overlap: int) -> NDArray[np.float64]:
    rise = np.sin(0.5 * np.pi * (np.arange(overlap) + 0.5) / max(1, overlap)) ** 2
    weight = np.ones(size)
    weight[:overlap] *= rise
    weight[size - overlap :] *= rise[::-1]
    return weight
