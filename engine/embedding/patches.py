"""Rectangles of grid cells: where the patches of a grid lie and how large they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.config.model import divisors_near
from engine.errors import ChoiceError
from engine.sphere.geometry import EARTH_RADIUS_M
from engine.sphere.grid import LatLonGrid
from engine.typed import Floats


@dataclass(frozen=True)
class Patches:
    """The cells of ``grid`` (H, W) in blocks of ``size`` = (ph, pw) rows and columns: Hp × Wp patches.

    Raises :class:`ChoiceError` with the nearest divisors where the patches do not fill the grid.
    """

    grid: LatLonGrid
    size: tuple[int, int]

    def __post_init__(self) -> None:
        for name, size, cells, of in zip(
            ("height", "width"), self.size, self.grid.shape, ("latitudes", "longitudes"), strict=True
        ):
            if size < 1 or cells % size:
                raise ChoiceError(
                    f"patch {name} {size} does not divide {cells} {of}",
                    f"grid {self.grid.shape}",
                    divisors_near(cells, size),
                )

    @property
    def shape(self) -> tuple[int, int]:
        """(Hp, Wp): rows and columns of patches."""
        return self.grid.shape[0] // self.size[0], self.grid.shape[1] // self.size[1]

    @property
    def lat_bounds(self) -> Floats:
        """Outer edges (Hp+1,) in degrees, in the order of the grid's rows."""
        return self.grid.lat_bounds[:: self.size[0]]

    @property
    def lon_bounds(self) -> Floats:
        """Outer edges (Wp+1,) in degrees, ascending; beyond 180 where the grid goes on over the date line."""
        return self.grid.lon_bounds[:: self.size[1]]

    @property
    def lat(self) -> Floats:
        """Centres (Hp,) in degrees north, midway between the edges."""
        return (self.lat_bounds[1:] + self.lat_bounds[:-1]) / 2.0

    @property
    def lon(self) -> Floats:
        """Centres (Wp,) in degrees east, midway between the edges, from -180 to below 180."""
        return np.remainder((self.lon_bounds[1:] + self.lon_bounds[:-1]) / 2.0 + 180.0, 360.0) - 180.0

    @property
    def area_m2(self) -> Floats:
        """Area (Hp,) in m² of one patch of each row, exact on the sphere: R² (sin φ_north − sin φ_south) Δλ."""
        edges = np.deg2rad(self.lat_bounds)
        middle, half = (edges[1:] + edges[:-1]) / 2.0, np.abs(np.diff(edges)) / 2.0
        # sin a − sin b as a product, which does not cancel beside the poles
        height = 2.0 * np.cos(middle) * np.sin(half)
        return EARTH_RADIUS_M**2 * height * np.deg2rad(self.grid.lon_step * self.size[1])

    @property
    def row_weights(self) -> Floats:
        """Fraction (Hp, H) of a patch's area in each row of the grid: rows sum to 1."""
        height, cells = self.size[0], self.grid.shape[0]
        weights = np.zeros((self.shape[0], cells))
        weights[np.arange(cells) // height, np.arange(cells)] = self.grid.cell_area_m2
        return weights / weights.sum(axis=1, keepdims=True)


def divisors(cells: int) -> list[int]:
    """The patch sizes that divide ``cells``, ascending."""
    return [size for size in range(1, cells + 1) if cells % size == 0]
