"""The probe, and the fixed part of every encoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from engine.embedding import ENCODERS, Patches, encode, sized_parameters
from engine.evaluation.probing import folds_of, probe
from engine.evaluation.probing.moments import Moments, ridge
from engine.sphere import LatLonGrid
from engine.typed import Floats
from tests.benchmarks import Row, peak_mb_above_base, seconds


def fine_places() -> tuple[Floats, Floats]:
    """Latitudes and longitudes of all patches of 4 × 4 cells of 0.25°."""
    patches = Patches(LatLonGrid.regular(0.25), (4, 4))
    lat, lon = (axis.ravel() for axis in np.meshgrid(patches.lat, patches.lon, indexing="ij"))
    return lat, lon


def encode_harmonic() -> None:
    encode("harmonic", *fine_places(), num_components=64)


def encode_few() -> None:
    encode("harmonic", [0.0], [0.0], num_components=64)


def rows() -> Iterator[Row]:
    """Encoders of 64 numbers at 0.25° in patches of 4 × 4 cells; ridge at 1° with and without the moments kept."""
    # first, because a process hands its own peak on to those it starts
    used = peak_mb_above_base(encode_harmonic, warm=encode_few)
    yield Row("memory above base, encoder harmonic, K = 64", used, "MB", target_figure=300.0)
    lat, lon = fine_places()
    for name in ENCODERS:
        if name != "table":
            parameters: dict[str, Any] = {**sized_parameters(name, 64)}
            encode(name, lat[:2], lon[:2], **parameters)  # the basis is fitted once
            taken = seconds(lambda name=name, chosen=parameters: encode(name, lat, lon, **chosen))
            yield Row(f"encoder {name}, K = 64", taken, "s", target_figure=2.0)
    codes = encode("harmonics", lat, lon, max_degree=7)
    folds = torch.as_tensor(folds_of("blocks", lat, lon, "everywhere"))
    area = torch.as_tensor(np.cos(np.deg2rad(lat)) / np.cos(np.deg2rad(lat)).sum())
    values = torch.as_tensor(np.sin(np.deg2rad(lat)))[:, None]
    moments = Moments.of(codes, values, area, folds)

    def from_moments() -> None:
        for fold in range(len(moments.gram)):
            moments.squared_error(ridge(moments, fold), fold)

    taken = 1e3 * seconds(from_moments)
    yield Row("ridge from moments, K = 64, 1°", taken, "ms", target_figure=300.0)
    yield Row("moments, K = 64, 1°", 1e3 * seconds(lambda: Moments.of(codes, values, area, folds)), "ms")
    probe(codes, lat, lon, "sst", "blocks")  # its neighbours are found once
    yield Row("probe of August SST, K = 64, 1°", seconds(lambda: probe(codes, lat, lon, "sst", "blocks")), "s")
