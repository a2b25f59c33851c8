"""The geographic expert: climate shares and synthetic tiles against asking point by point, and a step of training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from engine.data.climate import NUM_CLASSES, climate_at, climate_raster
from engine.data.demo_land import DemoLand
from engine.evaluation.expert_scores import Beliefs, Truth, score
from engine.models.geographic_expert import GeographicExpert
from engine.mvmf import MixtureVMF, even_centres
from engine.sphere import LatLonGrid, unit_vectors
from tests.benchmarks import Row, seconds
from tests.support.climate import patch_fractions

TILES = 64
CENTRES = 608
POINTS_A_SIDE = 12  # of a cell, in the naive shares: as fine as the raster on a 1° grid


def rows() -> Iterator[Row]:
    """Raster, shares on two grids, tiles, a step of each encoder, and the scores of a test."""
    yield Row("climate raster, first reading", seconds_cold(), "s")
    coarse, fine = LatLonGrid.regular(1.0), LatLonGrid.regular(0.25)
    yield Row(
        "climate shares, 180 × 360",
        seconds(lambda: patch_fractions(coarse)),
        "s",
        naive=seconds(lambda: naive_shares(coarse)),
        note="naive: 144 points in each cell, counted; only nearly right",
    )
    yield Row("the same, 720 × 1440", seconds(lambda: patch_fractions(fine)), "s")
    land = DemoLand()
    yield Row(f"{TILES} synthetic tiles, 32 × 32", 1e3 * seconds(lambda: land.tiles("train", range(TILES))), "ms")
    tiles = land.tiles("train", range(TILES))
    for encoder in ("conv", "mixer"):
        yield Row(f"step of {TILES} tiles, {encoder}", 1e3 * seconds(step(encoder, tiles.pixels)), "ms")
    yield Row("scores of 256 beliefs", seconds(scoring(land)), "s")


def seconds_cold() -> float:
    climate_raster.cache_clear()
    start = time.perf_counter()
    climate_raster()
    return time.perf_counter() - start


def naive_shares(grid: LatLonGrid) -> np.ndarray:
    middles = (np.arange(POINTS_A_SIDE) + 0.5) / POINTS_A_SIDE
    lat = (grid.lat_bounds[:-1, None] + middles * np.diff(grid.lat_bounds)[:, None]).ravel()
    lon = (grid.lon_bounds[:-1, None] + middles * np.diff(grid.lon_bounds)[:, None]).ravel()
    classes = climate_at(lat[:, None], lon).reshape(grid.shape[0], POINTS_A_SIDE, grid.shape[1], POINTS_A_SIDE)
    return np.stack([(classes == number).mean(axis=(1, 3)) for number in range(NUM_CLASSES)], axis=-1)


def network(encoder: str) -> GeographicExpert:
    mixture = MixtureVMF(even_centres(CENTRES).float(), torch.full((CENTRES,), 6.0), torch.zeros(CENTRES))
    return GeographicExpert(5, 32, mixture, torch.full((NUM_CLASSES,), 1.0 / NUM_CLASSES), encoder=encoder)


def step(encoder: str, pixels: np.ndarray) -> Callable[[], None]:
    model, images = network(encoder), torch.tensor(pixels)
    points = unit_vectors(torch.zeros(len(images)), torch.arange(len(images)).double()).float()

    def once() -> None:
        model.zero_grad()
        belief = model(images)
        (-model.mixture.paired_log_prob(points, belief.place).mean() + belief.climate.square().mean()).backward()

    return once


def scoring(land: DemoLand) -> Callable[[], object]:
    tiles = land.tiles("test", range(256))
    truth = Truth(tiles.lat, tiles.lon, tiles.day, tiles.climate, np.ones(256, bool))
    logits = torch.randn((256, CENTRES), generator=torch.Generator().manual_seed(0))
    beliefs = Beliefs(torch.log_softmax(3.0 * logits, 1), torch.tensor(tiles.climate), tiles.day)
    mixture = network("conv").mixture
    return lambda: score(mixture, beliefs, truth)
