"""Predictions of a trained expert on the Geolocation page: for the tiles of its test set, and for new ones.

Legend: N tiles of the test set, C bands, h = w pixels, K components of a mixture.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.assets import asset
from engine.config.expert import ExpertSettings, LandTiles
from engine.data.climate import CLASSES, NUM_CLASSES, SEA, climate_at
from engine.data.demo_land import DemoLand
from engine.data.tiles import Pixels, Tiles
from engine.errors import ChoiceError, DataError, StoreError
from engine.evaluation.expert_scores import Beliefs, best_guess
from engine.formats.npz import read_npz
from engine.queries.cache import CACHE
from engine.queries.mvmf.centres import Components, Floats
from engine.queries.mvmf.sandbox import MapField
from engine.queries.results import ExpertScores, check_shapes, read_result
from engine.queries.text import place
from engine.runs.run_folder import RunFolder
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, great_circle_km, lat_lon
from engine.training.expert.data_module import is_placed
from engine.training.expert.model_bundle import Expert, load_expert

SHIPPED = "pretrained"
"""In the place of a run's id: the expert that comes along (``assets/pretrained/expert/card.md``)."""

SCENE_SIDE = 3
"""Tiles along each side of a scene."""

_EXPERT_BYTES = 32 * 2**20
_NUM_BARS = 6
_PERCENTILES = (2.0, 98.0)  # drawn black and white


class ClimateBar(NamedTuple):
    """A climate class: its name and official colour, the predicted and the true probability."""

    code: str
    name: str
    colour: str
    predicted: float
    true: float


@dataclass(frozen=True, eq=False)
class TestPredictions:
    """The tiles of the test set of a run and the predictions of the trained expert.

    ``error_km`` (N,) is the great-circle distance of its best guess; ``is_scored`` (N,), True = location and date are
    scored.
    """

    name: str
    tiles: Tiles
    beliefs: Beliefs
    error_km: Floats
    is_scored: NDArray[np.bool_]

    def __len__(self) -> int:
        return self.error_km.size


@dataclass(frozen=True, eq=False)
class TilePrediction:
    """The prediction for one tile, or the mean over those of a scene, with the truth.

    ``pictures`` are PNG files, row by row; ``components`` those of the predicted mixture; ``guess`` (lat, lon) the
    location of minimum expected error.
    """

    pictures: tuple[bytes, ...]
    components: Components
    guess: tuple[float, float]
    truth: tuple[float, float]
    error_km: float
    climate: tuple[ClimateBar, ...]
    day: float
    true_day: float
    is_scored: bool


@dataclass(frozen=True)
class Scores:
    """Scores on the test set of the expert and of its prior, which ignores the pixels; each as in ``scores.json``."""

    expert: dict[str, Any]
    prior: dict[str, Any]
    recall_areas_km2: tuple[float, ...]


def expert_folder(run: str) -> Path:
    """The folder of a run; that of the expert that comes along holds the same files.

    Raises :class:`StoreError` for what is neither :data:`SHIPPED` nor the id of a run.
    """
    return asset("pretrained/expert/expert.safetensors").parent if run == SHIPPED else RunFolder.of(run).path


def settings_of(folder: Path) -> ExpertSettings:
    """The settings of the run in ``folder``. Raises :class:`ChoiceError` for a run of another task."""
    config = RunFolder(folder).read_config()
    if not isinstance(config.settings, ExpertSettings):
        raise ChoiceError(f"the run is of the task {config.task!r}", folder.name, "choose a run of the task 'expert'")
    return config.settings


def can_draw_tiles(folder: Path) -> bool:
    """Whether tiles of any location can be generated for this expert: its training data are synthetic."""
    return isinstance(settings_of(folder).tiles, LandTiles)


def test_predictions(folder: Path) -> TestPredictions:
    """The test set of the finished run in ``folder`` with its predictions.

    Raises :class:`StoreError` for a run that is not finished, or damaged.
    """
    return CACHE.get(("test set", *_stamp(folder)), lambda: _predict(folder), lambda test: test.tiles.pixels.nbytes)


def tile_prediction(folder: Path, index: int) -> TilePrediction:
    """The prediction for tile ``index`` of the test set, or for the last tile when there are fewer."""
    test = test_predictions(folder)
    index = min(index, len(test) - 1)
    chosen = np.array([index])
    return _prediction(_expert(folder), test.tiles.take(chosen), test.beliefs.of(chosen), bool(test.is_scored[index]))


def new_prediction(folder: Path, lat: float, lon: float, day: int, is_scene: bool) -> TilePrediction:
    """The prediction for a new tile at a location on a day, or the mean density of a scene of 3 × 3 tiles around it.

    Raises :class:`ChoiceError` for the sea, and for an expert trained on real tiles.
    """
    expert = _expert(folder)
    tiles = expert.settings.tiles
    if not isinstance(tiles, LandTiles):
        raise ChoiceError("this expert is trained on tiles from files", expert.tiles, "choose a tile of its test set")
    if int(climate_at(lat, lon)) == SEA:
        raise ChoiceError("this location is sea", place(lat, lon), "click on land")
    source = DemoLand(tiles.size, tiles.pixel_km, tiles.seed)
    lats, lons = _around(lat, lon, tiles.size * tiles.pixel_km) if is_scene else (np.array([lat]), np.array([lon]))
    drawn = source.at(lats, lons, day)
    return _prediction(expert, drawn, expert.believe(drawn.pixels), True)


def nearest_tile(folder: Path, lat: float, lon: float) -> int:
    """Index of the tile of the test set nearest to a location."""
    tiles = test_predictions(folder).tiles
    return int(great_circle_km(lat, lon, tiles.lat, tiles.lon).argmin())


def error_map(folder: Path, step_deg: float = 10.0) -> MapField:
    """Median error in km of the tiles of the test set in cells of ``step_deg``; NaN where there is none."""
    test = test_predictions(folder)
    grid = LatLonGrid.regular(step_deg)
    rows, columns = grid.shape
    row = ((test.tiles.lat + 90.0) / step_deg).astype(int).clip(0, rows - 1)
    column = ((test.tiles.lon + 180.0) / step_deg).astype(int) % columns
    values = np.full(grid.shape, np.nan)
    cells = np.where(test.is_scored, row * columns + column, -1)
    for cell in np.unique(cells[cells >= 0]):
        values[divmod(int(cell), columns)] = np.median(test.error_km[cells == cell])
    return MapField(grid.lat, grid.lon, values)


def scores(folder: Path) -> Scores:
    """The scores on the test set. Raises :class:`StoreError` while there are none."""
    path = RunFolder(folder).scores
    remedy = "let the run finish, or train again"
    try:
        content = read_result(ExpertScores, path, remedy)
    except FileNotFoundError as error:
        raise StoreError("there are no scores of an expert", str(path), remedy) from error
    return Scores(content.expert.model_dump(), content.prior.model_dump(), tuple(content.recall_areas_km2))


def _stamp(folder: Path) -> tuple[str, int]:
    try:
        return str(folder), RunFolder(folder).expert.stat().st_mtime_ns
    except OSError as error:
        raise StoreError("the expert is not trained yet", folder.name, "let its run finish") from error


def _expert(folder: Path) -> Expert:
    return CACHE.get(("expert", *_stamp(folder)), lambda: load_expert(folder), lambda _: _EXPERT_BYTES)


def _predict(folder: Path) -> TestPredictions:
    expert, path = _expert(folder), RunFolder(folder).test_tiles
    try:
        arrays = read_npz(path)
    except DataError as error:
        raise StoreError("the tiles of the test set cannot be read", str(path), "train again") from error
    count = len(arrays["lat"]) if arrays.get("lat", np.empty(())).ndim else 0
    lines = dict.fromkeys(("lat", "lon", "day"), (count,))
    check_shapes(arrays, {"pixels": (count, None, None, None), "climate": (count, NUM_CLASSES), **lines}, str(path))
    if not count:
        raise StoreError("the test set is empty", str(path), "train again")
    fields: dict[str, Any] = {name: arrays[name] for name in Tiles._fields}
    tiles = Tiles(**{**fields, "pixels": fields["pixels"].astype(np.float32)})
    beliefs = expert.believe(tiles.pixels)
    guess = best_guess(expert.mixture, beliefs.log_weights)
    error_km = great_circle_km(tiles.lat, tiles.lon, *guess).numpy()
    return TestPredictions(expert.tiles, tiles, beliefs, error_km, is_placed(tiles, expert.settings))


def _prediction(expert: Expert, tiles: Tiles, beliefs: Beliefs, is_scored: bool) -> TilePrediction:
    """The mean over the tiles, with location and date of the middle one."""
    middle = len(tiles.lat) // 2
    truth = float(tiles.lat[middle]), float(tiles.lon[middle])
    weights = np.exp(beliefs.log_weights.double().numpy()).mean(0)
    guess = best_guess(expert.mixture, beliefs.log_weights.new_tensor(np.log(weights + 1e-300))[None])
    lat, lon = float(guess[0]), float(guess[1])
    centre_lat, centre_lon = (angle.numpy() for angle in lat_lon(expert.mixture.centres.detach().double()))
    kappa = expert.mixture.kappa.detach().double().numpy()
    return TilePrediction(
        pictures(tiles.pixels, expert.bands),
        Components(centre_lat, centre_lon, kappa, weights),
        (lat, lon),
        truth,
        float(great_circle_km(*truth, lat, lon)),
        _bars(beliefs.climate.double().numpy().mean(0), tiles.climate.mean(0)),
        _mean_day(beliefs.day),
        float(tiles.day[middle]),
        is_scored,
    )


def pictures(pixels: Pixels, bands: tuple[str, ...]) -> tuple[bytes, ...]:
    """Pixels (N, C, h, w) as PNG files: bands red, green and blue where they exist, else the first band as grey.

    All are scaled alike, from the 2nd to the 98th percentile; missing pixels are transparent.
    """
    indices = [bands.index(name) for name in ("red", "green", "blue") if name in bands]
    rgb: Floats = pixels[:, indices if len(indices) == 3 else [0, 0, 0]].astype(np.float64)
    low, high = np.nanpercentile(rgb, _PERCENTILES) if np.isfinite(rgb).any() else (0.0, 1.0)
    scaled = ((np.nan_to_num(rgb) - low) / max(float(high - low), 1e-6)).clip(0.0, 1.0)
    rgba = np.empty((len(rgb), 4, *rgb.shape[2:]), np.uint8)
    rgba[:, :3], rgba[:, 3] = np.rint(255.0 * scaled), 255 * np.isfinite(rgb).all(axis=1)
    return tuple(_png(image.transpose(1, 2, 0)) for image in rgba)


def _png(rgba: NDArray[np.uint8]) -> bytes:
    with io.BytesIO() as content:
        Image.fromarray(rgba, "RGBA").save(content, "PNG")
        return content.getvalue()


def _bars(predicted: Floats, true: NDArray[Any]) -> tuple[ClimateBar, ...]:
    """The classes with the largest probabilities, predicted or true."""
    bars: list[ClimateBar] = []
    for k in map(int, np.argsort(-np.maximum(predicted, true))[:_NUM_BARS]):
        code, name, colour = CLASSES[k]
        bars.append(ClimateBar(code, name, "#{:02x}{:02x}{:02x}".format(*colour), float(predicted[k]), float(true[k])))
    return tuple(bars)


def _mean_day(days: Floats) -> float:
    """The circular mean of days of the year."""
    angle = days * (2.0 * math.pi / 365.0)
    return float(np.arctan2(np.sin(angle).mean(), np.cos(angle).mean()) % (2.0 * math.pi) * (365.0 / (2.0 * math.pi)))


def _around(lat: float, lon: float, side_km: float) -> tuple[Floats, Floats]:
    """Centres of the 3 × 3 tiles of a scene, row by row from the north."""
    reach = np.arange(SCENE_SIDE) - SCENE_SIDE // 2
    step = np.rad2deg(1000.0 * side_km / EARTH_RADIUS_M)
    north, east = (offset.ravel() for offset in np.meshgrid(-reach, reach, indexing="ij"))
    lats: Floats = (lat + north * step).clip(-89.9, 89.9)
    lons = lon + east * step / np.maximum(np.cos(np.deg2rad(lats)), 0.02)
    return lats, (lons + 180.0) % 360.0 - 180.0
