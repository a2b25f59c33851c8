"""A learnable table: one vector of parameters for every cell, looked up with the cell's neighbourhood.

The topology defines the cells beyond an edge. On the sphere the first column follows the last, and
north of the top row lies the same top row, 180° away.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import ChoiceError, DataError, check_choice

Topology = Literal["sphere", "torus", "clamp"]

TOPOLOGIES: tuple[Topology, ...] = get_args(Topology)

GLOBE = (-180.0, -90.0, 360.0, 180.0)
"""The exterior (x, y, w, h) that covers the whole sphere."""


class Embedding2d(nn.Module):
    """Vectors of N parameters in W × H cells over a rectangle, looked up by point together with their neighbours.

    ``manifold`` = (W, H, N): columns from west to east, rows from south to north, parameters a cell. ``exterior`` =
    (x, y, w, h): west edge, south edge, width and height of the rectangle, in degrees. ``padding`` = (px, py):
    neighbours on either side, at most W and H.

    ``topology`` defines the cells beyond an edge:

    - ``"sphere"``: the exterior is 360° × 180°. Longitude is an angle, so any value counts. The cell k rows beyond a
      pole is the k-th row on this side of it, 180° away; with an odd W that meridian is the border of two columns,
      and their mean is taken.
    - ``"torus"``: the rectangle repeats in both directions; its north edge is its south edge.
    - ``"clamp"``: the cells of the edge continue.

    Points on the far edge belong to the last column or row, on a periodic axis to the first; latitude 90 on the sphere
    belongs to the top row. Cells are found in float64 whatever the dtype of the table.

    ``weight`` (W, H, N) is zero at first. Raises :class:`ChoiceError` for sizes out of range.

    After Embedding2d of torch-geopooling (Y. Bubnov, 2024), which has the torus topology only.
    """

    def __init__(
        self,
        manifold: tuple[int, int, int],
        exterior: tuple[float, float, float, float] = GLOBE,
        padding: tuple[int, int] = (0, 0),
        topology: Topology = "sphere",
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        _check(manifold, exterior, padding, topology)
        self.manifold = manifold
        self.exterior = exterior
        self.padding = padding
        self.topology: Topology = topology
        self.weight = nn.Parameter(torch.zeros(manifold, dtype=dtype, device=device))

    def forward(self, points: Tensor, *, check: bool = True) -> Tensor:
        """The neighbourhoods (*, 2px+1, 2py+1, N) of ``points`` (*, 2), each (longitude, latitude) in degrees.

        Entry (i, j) is the cell i − px columns east and j − py rows north of the one the point lies in. Where a
        convolution follows, :class:`engine.models.SpatialConv` is several times faster.

        Raises :class:`DataError` for points that are not finite or lie outside the exterior; ``check=False`` trusts
        them, and does not wait for an accelerator.
        """
        _, height, num_features = self.manifold
        across, along = (2 * pad + 1 for pad in self.padding)
        if check:
            self._check_points(points)
        column, row = self._column_and_row(points)
        first = column * height + row
        index = first[..., None] + height * torch.arange(across, device=first.device)
        return functional.embedding(index, self.strips()).reshape(*index.shape, along, num_features)

    def cells(self, points: Tensor) -> Tensor:
        """The cell (*,) int64 of ``points`` (*, 2) = (longitude, latitude): column · H + row, as in ``weight.view``.

        Raises :class:`DataError` for points that are not finite or lie outside the exterior.
        """
        self._check_points(points)
        column, row = self._column_and_row(points)
        return column * self.manifold[1] + row

    def strips(self) -> Tensor:
        """All columns of all neighbourhoods: ((W+2px) · H, (2py+1) · N), row c · H + r for column c of :meth:`padded`.

        A strip runs northward through 2py+1 cells, its middle in row r; a neighbourhood is 2px+1 strips side by side.
        """
        along = 2 * self.padding[1] + 1
        return self.padded().unfold(1, along, 1).movedim(-1, 2).reshape(-1, along * self.manifold[2])

    def padded(self) -> Tensor:
        """The table with its neighbours all around: (W+2px, H+2py, N)."""
        west, south = self.padding
        if self.topology == "clamp":
            return _clamped(_clamped(self.weight, west, 0), south, 1)
        tall = _over_poles(self.weight, south) if self.topology == "sphere" else _repeated(self.weight, south, 1)
        return _repeated(tall, west, 0)

    def _column_and_row(self, points: Tensor) -> tuple[Tensor, Tensor]:
        x, y, wide, high = self.exterior
        width, height, _ = self.manifold
        lon, lat = points.to(self.weight.device, torch.float64).unbind(-1)
        column = torch.floor((lon - x) / wide * width)
        row = torch.floor((lat - y) / high * height)
        column = column.clamp(max=width - 1) if self.topology == "clamp" else column.remainder(width)
        row = row.remainder(height) if self.topology == "torus" else row.clamp(max=height - 1)
        return column.to(torch.int64), row.to(torch.int64)

    def _check_points(self, points: Tensor) -> None:
        if points.ndim == 0 or points.shape[-1] != 2:
            raise DataError(
                f"points of shape {tuple(points.shape)}",
                "Embedding2d",
                "give (longitude, latitude) along the last axis",
            )
        x, y, wide, high = self.exterior
        lon, lat = points.to(torch.float64).unbind(-1)
        finite = points.isfinite().all(-1)
        outside = (lat < y) | (lat > y + high)
        if self.topology != "sphere":
            outside |= (lon < x) | (lon > x + wide)
        if bool((finite & ~outside).all()):
            return
        if not bool(finite.all()):
            raise DataError(f"{_count_text(~finite)} are not finite", "Embedding2d", "leave missing points out")
        raise DataError(
            f"{_count_text(outside)} lie outside the table, the first at longitude {float(lon[outside][0]):g}, "
            f"latitude {float(lat[outside][0]):g}",
            f"exterior: longitude {x:g} to {x + wide:g}, latitude {y:g} to {y + high:g}",
            "leave them out, or make the exterior larger",
        )

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        return f"manifold={self.manifold}, exterior={self.exterior}, padding={self.padding}, topology={self.topology!r}"


def _count_text(wrong: Tensor) -> str:
    return f"{int(wrong.sum())} of {wrong.numel()} points"


def _repeated(table: Tensor, pad: int, axis: int) -> Tensor:
    size = table.shape[axis]
    return torch.cat((table.narrow(axis, size - pad, pad), table, table.narrow(axis, 0, pad)), axis)


def _clamped(table: Tensor, pad: int, axis: int) -> Tensor:
    size = table.shape[axis]
    shape = list(table.shape)
    shape[axis] = pad
    first, last = table.narrow(axis, 0, 1), table.narrow(axis, size - 1, 1)
    return torch.cat((first.expand(shape), table, last.expand(shape)), axis)


def _over_poles(table: Tensor, pad: int) -> Tensor:
    """The table (W, H, N) with ``pad`` rows beyond either pole: the rows on this side, seen 180° away."""
    height = table.shape[1]
    south, north = table[:, :pad].flip(1), table[:, height - pad :].flip(1)
    return torch.cat((_opposite(south), table, _opposite(north)), 1)


def _opposite(rows: Tensor) -> Tensor:
    """Values at longitude + 180° of each column; the mean of two columns when their number is odd."""
    half = rows.shape[0] // 2
    if rows.shape[0] % 2 == 0:
        return rows.roll(half, 0)
    return (rows.roll(half, 0) + rows.roll(half + 1, 0)) / 2.0


def _check(
    manifold: tuple[int, int, int],
    exterior: tuple[float, float, float, float],
    padding: tuple[int, int],
    topology: Topology,
) -> None:
    if min(manifold) < 1:
        raise ChoiceError(f"a table of {manifold} holds nothing", "manifold (W, H, N)", "give sizes of 1 or more")
    check_choice("topology", topology, TOPOLOGIES)
    for name, pad, size in zip(("columns", "rows"), padding, manifold[:2], strict=True):
        if not 0 <= pad <= size:
            raise ChoiceError(
                f"a padding of {pad} {name} is wider than the table", f"manifold {manifold}", f"choose 0 to {size}"
            )
    _, y, wide, high = exterior
    if not (wide > 0.0 and high > 0.0):
        raise ChoiceError(f"an exterior {wide:g} wide and {high:g} high", "exterior (x, y, w, h)", "give w, h > 0")
    if topology == "sphere" and (y, wide, high) != GLOBE[1:]:
        raise ChoiceError(
            "the topology 'sphere' needs the whole sphere",
            f"exterior {exterior}",
            "give (x, -90, 360, 180), or choose 'clamp'",
        )
