"""Numbers of the MvMF page's expert: what a trained run believes of its test's pictures, and of new ones.

Legend: N pictures of the test, C bands, h = w pixels, K components of a belief.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from engine.config.expert import ExpertSettings, LandTiles
from engine.data.climate import CLASSES, SEA, climate_at
from engine.data.demo_land import DemoLand
from engine.data.tiles import Pixels, Tiles
from engine.errors import ChoiceError, StoreError
from engine.evaluation.expert_scores import Beliefs, best_guess
from engine.queries.cache import CACHE
from engine.queries.mvmf.centres import Components, Floats
from engine.queries.mvmf.sandbox import Field
from engine.runs.run_folder import RunFolder
from engine.sphere import LatLonGrid, great_circle_km, lat_lon
from engine.training.expert.data_module import is_placed
from engine.training.expert.model_bundle import Expert, load_expert

SCENE_SIDE = 3
"""Pictures along each side of a scene."""

_EXPERT_BYTES = 32 * 2**20
_SHOWN_CLASSES = 6
_STRETCH = (2.0, 98.0)  # percentiles that become black and white


class ClimateBar(NamedTuple):
    """A climate class: its name and official colour, the share that is believed, and the true one."""

    code: str
    name: str
    colour: str
    believed: float
    true: float


@dataclass(frozen=True, eq=False)
class TestTiles:
    """The pictures of a run's test and what the trained expert believes of them.

    ``error_km`` (N,) is the great-circle distance of its guess; ``counts`` (N,), True = place and date are asked for.
    """

    name: str
    tiles: Tiles
    beliefs: Beliefs
    error_km: Floats
    counts: NDArray[np.bool_]

    def __len__(self) -> int:
        return self.error_km.size


@dataclass(frozen=True, eq=False)
class TileCase:
    """One picture, or the mean over a scene's: what is seen, believed and true.

    ``pictures`` are PNG files, row by row; ``believed`` the components of the belief; ``guess`` (lat, lon) the best
    single place.
    """

    pictures: tuple[bytes, ...]
    believed: Components
    guess: tuple[float, float]
    truth: tuple[float, float]
    error_km: float
    climate: tuple[ClimateBar, ...]
    day: float
    true_day: float
    counts: bool


@dataclass(frozen=True)
class Scores:
    """What a run is worth on its test, and the best that can be said without looking: each as in ``scores.json``."""

    expert: dict[str, Any]
    prior: dict[str, Any]
    recall_areas_km2: tuple[float, ...]


def settings_of(folder: Path) -> ExpertSettings:
    """Of the run in ``folder``. Raises :class:`ChoiceError` for a run of another task."""
    config = RunFolder(folder).read_config()
    if not isinstance(config.settings, ExpertSettings):
        raise ChoiceError(f"the run is of the task {config.task!r}", folder.name, "choose a run of the task 'expert'")
    return config.settings


def takes_pictures(folder: Path) -> bool:
    """Whether new pictures of any place can be taken for this expert: its land is drawn, not read."""
    return isinstance(settings_of(folder).tiles, LandTiles)


def exam(folder: Path) -> TestTiles:
    """The test of the finished run in ``folder``.

    Raises :class:`StoreError` for a run that is not finished, or damaged.
    """
    return CACHE.get(("exam", *_stamp(folder)), lambda: _examined(folder), lambda found: found.tiles.pixels.nbytes)


def case(folder: Path, index: int) -> TileCase:
    """Picture ``index`` of the test; beyond the last one it is the last."""
    known = exam(folder)
    index = min(index, len(known) - 1)
    one = np.array([index])
    return _case(_expert(folder), known.tiles.take(one), known.beliefs.of(one), bool(known.counts[index]))


def taken(folder: Path, lat: float, lon: float, day: int, is_scene: bool) -> TileCase:
    """A new picture of a place on a day, or a scene of 3 × 3 around it: their beliefs are averaged as densities.

    Raises :class:`ChoiceError` where no picture can be taken: the sea, or an expert that reads real tiles.
    """
    expert = _expert(folder)
    tiles = expert.settings.tiles
    if not isinstance(tiles, LandTiles):
        raise ChoiceError("this expert reads tiles that were brought to it", expert.tiles, "step through its test")
    if int(climate_at(lat, lon)) == SEA:
        where = f"{abs(lat):.1f}° {'N' if lat >= 0 else 'S'} {abs(lon):.1f}° {'E' if lon >= 0 else 'W'}"
        raise ChoiceError("there is only sea to be seen", where, "click on land")
    source = DemoLand(tiles.size, tiles.pixel_km, tiles.seed)
    lats, lons = _around(lat, lon, tiles.size * tiles.pixel_km) if is_scene else (np.array([lat]), np.array([lon]))
    seen = source.at(lats, lons, day)
    return _case(expert, seen, expert.believe(seen.pixels), True)


def nearest_picture(folder: Path, lat: float, lon: float) -> int:
    """Which picture of the test was taken nearest to a place."""
    tiles = exam(folder).tiles
    return int(great_circle_km(lat, lon, tiles.lat, tiles.lon).argmin())


def error_map(folder: Path, step_deg: float = 10.0) -> Field:
    """Median error in km of the test's pictures in cells of ``step_deg``; NaN where none was taken."""
    known = exam(folder)
    grid = LatLonGrid.regular(step_deg)
    rows, columns = grid.shape
    row = ((known.tiles.lat + 90.0) / step_deg).astype(int).clip(0, rows - 1)
    column = ((known.tiles.lon + 180.0) / step_deg).astype(int) % columns
    values = np.full(grid.shape, np.nan)
    cell = np.where(known.counts, row * columns + column, -1)
    for one in np.unique(cell[cell >= 0]):
        values[divmod(int(one), columns)] = np.median(known.error_km[cell == one])
    return Field(grid.lat, grid.lon, values)


def scores(folder: Path) -> Scores:
    """The scores on the test. Raises :class:`StoreError` while there are none."""
    path = RunFolder(folder).scores
    try:
        found = json.loads(path.read_bytes())
        return Scores(found["expert"], found["prior"], tuple(found["recall_areas_km2"]))
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            "there are no scores of an expert", str(path), "let the run finish, or train once more"
        ) from error


def _stamp(folder: Path) -> tuple[str, int]:
    try:
        return str(folder), RunFolder(folder).expert.stat().st_mtime_ns
    except OSError as error:
        raise StoreError("the expert is not trained yet", folder.name, "let its run finish") from error


def _expert(folder: Path) -> Expert:
    return CACHE.get(("expert", *_stamp(folder)), lambda: load_expert(folder), lambda _: _EXPERT_BYTES)


def _examined(folder: Path) -> TestTiles:
    expert, path = _expert(folder), RunFolder(folder).test_tiles
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in Tiles._fields}
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise StoreError("the pictures of the test cannot be read", str(path), "train once more") from error
    tiles = Tiles(**{**held, "pixels": held["pixels"].astype(np.float32)})
    beliefs = expert.believe(tiles.pixels)
    guess = best_guess(expert.mixture, beliefs.log_weights)
    error_km = great_circle_km(tiles.lat, tiles.lon, *guess).numpy()
    return TestTiles(expert.tiles, tiles, beliefs, error_km, is_placed(tiles, expert.settings))


def _case(expert: Expert, tiles: Tiles, beliefs: Beliefs, counts: bool) -> TileCase:
    """The mean over the tiles; the middle one says where and when."""
    middle = len(tiles.lat) // 2
    truth = float(tiles.lat[middle]), float(tiles.lon[middle])
    weights = np.exp(beliefs.log_weights.double().numpy()).mean(0)
    guess = best_guess(expert.mixture, beliefs.log_weights.new_tensor(np.log(weights + 1e-300))[None])
    lat, lon = float(guess[0]), float(guess[1])
    centre_lat, centre_lon = _degrees(expert.mixture.centres.detach().double())
    kappa = expert.mixture.kappa.detach().double().numpy()
    return TileCase(
        pictures(tiles.pixels, expert.bands),
        Components(centre_lat, centre_lon, kappa, weights),
        (lat, lon),
        truth,
        float(great_circle_km(*truth, lat, lon)),
        _bars(beliefs.climate.double().numpy().mean(0), tiles.climate.mean(0)),
        _mean_day(beliefs.day),
        float(tiles.day[middle]),
        counts,
    )


def pictures(pixels: Pixels, bands: tuple[str, ...]) -> tuple[bytes, ...]:
    """Pixels (N, C, h, w) as PNG files: red, green and blue where there are such bands, else the first as grey.

    All are stretched alike, from their 2nd to their 98th percentile; what is missing is transparent.
    """
    named = [bands.index(name) for name in ("red", "green", "blue") if name in bands]
    chosen: Floats = pixels[:, named if len(named) == 3 else [0, 0, 0]].astype(np.float64)
    low, high = np.nanpercentile(chosen, _STRETCH) if np.isfinite(chosen).any() else (0.0, 1.0)
    shares = ((np.nan_to_num(chosen) - low) / max(float(high - low), 1e-6)).clip(0.0, 1.0)
    rgba = np.empty((len(chosen), 4, *chosen.shape[2:]), np.uint8)
    rgba[:, :3], rgba[:, 3] = np.rint(255.0 * shares), 255 * np.isfinite(chosen).all(axis=1)
    return tuple(_png(one.transpose(1, 2, 0)) for one in rgba)


def _png(rgba: NDArray[np.uint8]) -> bytes:
    with io.BytesIO() as content:
        Image.fromarray(rgba, "RGBA").save(content, "PNG")
        return content.getvalue()


def _bars(believed: Floats, true: NDArray[Any]) -> tuple[ClimateBar, ...]:
    """The classes that matter most to either."""
    order = np.argsort(-np.maximum(believed, true))[:_SHOWN_CLASSES]
    found: list[ClimateBar] = []
    for k in map(int, order):
        code, name, colour = CLASSES[k]
        found.append(ClimateBar(code, name, "#{:02x}{:02x}{:02x}".format(*colour), float(believed[k]), float(true[k])))
    return tuple(found)


def _degrees(vectors: Tensor) -> tuple[Floats, Floats]:
    lat, lon = lat_lon(vectors)
    return lat.numpy(), lon.numpy()


def _mean_day(days: Floats) -> float:
    """The mean round the year."""
    angle = days * (2.0 * math.pi / 365.0)
    return float(np.arctan2(np.sin(angle).mean(), np.cos(angle).mean()) % (2.0 * math.pi) * (365.0 / (2.0 * math.pi)))


def _around(lat: float, lon: float, side_km: float) -> tuple[Floats, Floats]:
    """Centres of the 3 × 3 pictures of a scene, row by row from the north."""
    reach = np.arange(SCENE_SIDE) - SCENE_SIDE // 2
    step = side_km / 111.195
    north, east = (offset.ravel() for offset in np.meshgrid(-reach, reach, indexing="ij"))
    lats: Floats = (lat + north * step).clip(-89.9, 89.9)
    lons = lon + east * step / np.maximum(np.cos(np.deg2rad(lats)), 0.02)
    return lats, (lons + 180.0) % 360.0 - 180.0
