"""Which points are held out together: at random, in blocks of 10°, or a basin, a continent, or a sector at a time."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from engine.errors import DataError, check_choice
from engine.evaluation.probing.tasks import Domain
from engine.typed import Floats, Ints

Split = Literal["random", "blocks", "basin"]
SPLITS: tuple[Split, ...] = get_args(Split)

NUM_FOLDS = 5
_BLOCK_DEG = 10.0
_SECTOR_DEG = 60.0
_LEAST_FOLDS = 3  # one to test on, one to choose the regularisation on, one to learn from


def folds_of(split: Split, lat_deg: Floats, lon_deg: Floats, domain: Domain, seed: int = 0) -> Ints:
    """The number (N,) of the fold in which each point is tested, from 0; every fold has points.

    ``random``: five folds of single points. ``blocks``: five folds of blocks of 10° × 10°, so that neighbours of a
    test point are held out with it. ``basin``: one fold for each of seven ocean basins or seven continents, or for six
    sectors of 60° of longitude where a task has both land and sea; ``seed`` has no part in it.

    Raises:
        ChoiceError: no such split. DataError: the points fall into fewer than three folds.
    """
    check_choice("split", split, SPLITS)
    random = np.random.default_rng(seed)
    if split == "random":
        folds = random.permutation(len(lat_deg)) % NUM_FOLDS
    elif split == "blocks":
        blocks = np.floor((lat_deg + 90.0) / _BLOCK_DEG) * 360.0 + np.floor(_east(lon_deg) / _BLOCK_DEG)
        numbers = np.unique(blocks, return_inverse=True)[1]
        folds = (random.permutation(numbers.max(initial=0) + 1) % NUM_FOLDS)[numbers]
    else:
        numbers = {"ocean": basins, "land": continents}.get(domain, _sectors)(lat_deg, lon_deg)
        folds = np.unique(numbers, return_inverse=True)[1]
    if len(np.unique(folds)) < _LEAST_FOLDS:
        raise DataError(
            f"{len(lat_deg)} points fall into {len(np.unique(folds))} parts",
            f"split '{split}'",
            "give points over more of the Earth, or choose the split 'random'",
        )
    return folds.astype(np.int64)


def basins(lat_deg: Floats, lon_deg: Floats) -> Ints:
    """The basin of points at sea: 0 Arctic (north of 66°), 1 Southern (south of 45°S), 2, 3 North and South Atlantic,
    4 Indian, 5, 6 North and South Pacific; straight lines between them, the Mediterranean with the North Atlantic.
    """
    lon = (lon_deg + 180.0) % 360.0 - 180.0
    america = np.select([lat_deg >= 18.0, lat_deg >= 9.0], [-100.0, -84.0], -70.0)
    is_atlantic = (lon >= america) & (lon < np.where(lat_deg > 30.0, 42.0, 20.0))
    is_indian = (lon >= 20.0) & (lon < np.where(lat_deg < -8.0, 147.0, 100.0)) & (lat_deg < 30.0)
    north = lat_deg >= 0.0
    return np.select(
        [lat_deg > 66.0, lat_deg < -45.0, is_atlantic & north, is_atlantic, is_indian, north], [0, 1, 2, 3, 4, 5], 6
    )


def continents(lat_deg: Floats, lon_deg: Floats) -> Ints:
    """The continent of points on land: 0 Antarctica, 1 South and 2 North America, 3 Oceania, 4 Europe, 5 Africa,
    6 Asia; straight lines between them.
    """
    lon = (lon_deg + 180.0) % 360.0 - 180.0
    is_america = (lon > -170.0) & (lon < np.where(lat_deg > 58.0, -10.0, -30.0))
    is_oceania = ((lat_deg < -10.0) & (lon > 110.0)) | ((lat_deg < 0.0) & (lon > 130.0)) | (lon < -170.0)
    is_africa = (lon > -20.0) & (lat_deg < 37.0) & (lon < np.where(lat_deg < 12.0, 52.0, 34.0))
    return np.select(
        [
            lat_deg < -60.0,
            is_america & (lat_deg < 9.0),
            is_america,
            is_oceania & (lat_deg < 30.0),
            (lat_deg >= 37.0) & (lon > -25.0) & (lon < 60.0),
            is_africa,
        ],
        [0, 1, 2, 3, 4, 5],
        6,
    )


def _sectors(lat_deg: Floats, lon_deg: Floats) -> Ints:
    del lat_deg
    return np.floor(_east(lon_deg) / _SECTOR_DEG).astype(np.int64)


def _east(lon_deg: Floats) -> Floats:
    return (lon_deg + 180.0) % 360.0
