"""Make the shipped coast files from world-atlas TopoJSON (Natural Earth land polygons).

    python assets/make_coast.py land-110m.json land-50m.json     # both from the npm package world-atlas 2.0.2

writes beside this script
- ``land-110m.npz`` and ``land-50m.npz``: closed rings, cut at the date line and closed over the south pole;
- ``coast-sdf.png`` and ``coast-sdf.json``: the signed great-circle distance to the 50m coast.

Needs numpy, shapely, scipy and pillow. The same input and libraries give the same bytes.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import shapely
from PIL import Image
from scipy.spatial import KDTree

from engine.data.land import UNITS_PER_DEGREE, coastlines, land_mask
from engine.sphere import LatLonGrid, unit_vectors

HERE = Path(__file__).resolve().parent
WORLD = shapely.box(-180.0, -90.0, 180.0, 90.0)

SDF_SHAPE = (2048, 4096)
SDF_LIMIT_DEG = 1.25
SDF_ZERO, SDF_LEVELS_PER_DEG = 128, 64
SAMPLE_STEP_DEG = 0.004  # far below a grey level: distances are to these samples of the coast


def read_rings(path: Path) -> list[np.ndarray]:
    """The closed rings (N, 2) of lon, lat of a TopoJSON file's land, outer ones and holes alike."""
    topology = json.loads(path.read_text())
    scale, offset = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = [np.cumsum(arc, axis=0) * scale + offset for arc in topology["arcs"]]

    def ring(indices: list[int]) -> np.ndarray:
        parts = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in indices]
        return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])

    (land,) = topology["objects"]["land"]["geometries"]
    return [ring(indices) for polygon in land["arcs"] for indices in polygon]


def unwrap(ring: np.ndarray) -> np.ndarray:
    """The ring with longitudes that run on over the date line; one round a pole ends 360° from where it began."""
    steps = np.diff(ring[:, 0])
    lon = ring[0, 0] + np.cumsum(np.append(0.0, steps - 360.0 * np.round(steps / 360.0)))
    return np.column_stack([lon, ring[:, 1]])


def close_over_south_pole(ring: np.ndarray) -> np.ndarray:
    """A ring once round the south pole, as a ring of the plane: along the date line to -90° and back."""
    start = int(np.flatnonzero(np.abs(ring[:, 0]) == 180.0)[0])
    opened = unwrap(np.concatenate([ring[start:], ring[1 : start + 1]]))
    (first, _), (last, _) = opened[0], opened[-1]
    return np.concatenate([opened, [(last, -90.0), (first, -90.0), opened[0]]])


def planar(ring: np.ndarray) -> np.ndarray:
    """The ring closed in a plane whose longitudes may pass ±180°."""
    unwrapped = unwrap(ring)
    goes_round_pole = abs(unwrapped[-1, 0] - unwrapped[0, 0]) > 180.0
    return close_over_south_pole(ring) if goes_round_pole else unwrapped


def cut_at_date_line(ring: np.ndarray) -> list[np.ndarray]:
    """The ring as closed rings inside -180..180. Holes are cut like outer rings: land is where the count is odd."""
    if np.all(np.abs(ring[:, 0]) <= 180.0):
        return [ring]
    copies = [shapely.Polygon(np.add(ring, (turn * 360.0, 0.0))) for turn in (-1, 0, 1)]
    parts = [part for copy in copies for part in shapely.get_parts(shapely.intersection(copy, WORLD))]
    return [shapely.get_coordinates(part) for part in parts if part.area > 0.0]


def write_rings(source: Path, target: Path) -> None:
    """Write the rings as steps from vertex to vertex in whole units (``lon``, ``lat``) and their ``length``."""
    # Natural Earth leaves a pinhole round the south pole, where its own data end: not a coast
    kept = [planar(ring) for ring in read_rings(source) if ring[:, 1].max() > -89.9]
    parts = [part for ring in kept if shapely.Polygon(ring).area > 0.0 for part in cut_at_date_line(ring)]
    rings = [np.rint(part * UNITS_PER_DEGREE).astype(np.int32) for part in parts]
    steps = np.diff(np.concatenate(rings), axis=0, prepend=np.zeros((1, 2), np.int32))
    length = np.array([len(ring) for ring in rings], np.int32)
    np.savez_compressed(target, lon=steps[:, 0], lat=steps[:, 1], length=length)


def dense_coast() -> np.ndarray:
    """Unit vectors (N, 3) along the 50m coast, at most ``SAMPLE_STEP_DEG`` apart; edges are straight in lon and lat."""
    samples = []
    for line in coastlines("50m"):
        step = np.diff(line, axis=0) * np.stack([np.cos(np.radians(line[:-1, 1])), np.ones(len(line) - 1)], axis=1)
        count = np.maximum(1, np.ceil(np.hypot(*step.T) / SAMPLE_STEP_DEG).astype(int))
        edge = np.repeat(np.arange(len(count)), count)
        along = (np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)) / count[edge]
        samples += [line[edge] + along[:, None] * (line[edge + 1] - line[edge]), line[-1:]]
    lon, lat = np.concatenate(samples).T
    return unit_vectors(lat, lon).numpy()


def signed_distance_deg(grid: LatLonGrid) -> np.ndarray:
    """Great-circle degrees (H, W) to the nearest coast, positive on land, clipped to ±``SDF_LIMIT_DEG``."""
    tree = KDTree(dense_coast())
    reach = 2.0 * np.sin(np.radians(SDF_LIMIT_DEG) / 2.0)
    chord = np.stack(
        [tree.query(unit_vectors(lat, grid.lon).numpy(), distance_upper_bound=reach)[0] for lat in grid.lat]
    )
    distance = np.degrees(2.0 * np.arcsin(np.minimum(chord, reach) / 2.0))
    return np.where(land_mask(grid, "50m"), distance, -distance)


def write_sdf(image: Path) -> None:
    """Write the signed distance as 8-bit grey levels, and what they mean beside it."""
    height, width = SDF_SHAPE
    lat = 90.0 - (np.arange(height) + 0.5) * 180.0 / height
    lon = -180.0 + (np.arange(width) + 0.5) * 360.0 / width
    distance = signed_distance_deg(LatLonGrid(lat, lon))
    levels = np.rint(SDF_ZERO + SDF_LEVELS_PER_DEG * distance).astype(np.uint8)
    Image.fromarray(levels).save(image, compress_level=9, compress_type=zlib.Z_FILTERED)
    image.with_suffix(".json").write_text(
        json.dumps(
            {
                "width": width,
                "height": height,
                "layout": "equirectangular, pixel centres, first row north, first column from -180 degrees east",
                "unit": "great-circle degrees, positive on land",
                "formula": "distance = (byte - zero) / levels_per_degree",
                "zero": SDF_ZERO,
                "levels_per_degree": SDF_LEVELS_PER_DEG,
                "limit_deg": SDF_LIMIT_DEG,
            },
            indent=2,
        )
        + "\n"
    )


def main(coarse: str, fine: str) -> None:
    write_rings(Path(coarse), HERE / "land-110m.npz")
    write_rings(Path(fine), HERE / "land-50m.npz")
    write_sdf(HERE / "coast-sdf.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
