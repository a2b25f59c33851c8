"""The sphere: points, latitude–longitude grids with real cell areas, and spherical harmonics."""

# pyright: reportUnusedImport=false

from engine.sphere.geometry import EARTH_RADIUS_M, fibonacci_sphere, great_circle_km, lat_lon, unit_vectors
from engine.sphere.grid import LatLonGrid, grid_from_dataset
from engine.sphere.harmonics import (
    HarmonicGrid,
    degree_and_order,
    flat_index,
    harmonics_at,
    nodal_lines,
    resolution_note,
    wavelength_km,
)
