"""The training of a model as an animated GIF: a month's reconstruction and its error, epoch by epoch."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from engine.config.sst import SSTSettings
from engine.data.land import coastlines
from engine.errors import DataError
from engine.provenance import Provenance
from engine.queries.reconstruct.files import Snapshot, snapshot_epochs, snapshot_in
from engine.queries.run_exports import is_simulated
from engine.queries.scales import error_limit, is_global, value_limits
from engine.runs.run_folder import RunFolder
from engine.sphere import LatLonGrid
from engine.typed import Floats

_FRAME_MS = 350
_LAST_MS = 1500
_WIDTH = 720
_LAND, _COAST, _PAGE, _TEXT = (58, 67, 82), (157, 167, 184), (11, 14, 20), (232, 235, 241)
_NUM_COLOURS = 120  # of each of the two scales; a palette has 256
_LAND_CODE, _COAST_CODE, _PAGE_CODE, _TEXT_CODE = (2 * _NUM_COLOURS + index for index in range(4))
_MARGIN, _LINE, _BAR = 12, 20, 10
_FONT = partial(ImageFont.load_default, 13)


class _Scale(NamedTuple):
    """A colour scale: its first code in the palette, its ends, and what stands beside them."""

    first: int
    low: float
    high: float
    label: str

    def codes(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Codes of the palette; NaN becomes land."""
        position = np.nan_to_num((values - self.low) / (self.high - self.low)).clip(0.0, 1.0)
        codes = self.first + np.round((_NUM_COLOURS - 1) * position)
        return np.where(np.isfinite(values), codes, _LAND_CODE).astype(np.uint8)


def animation_gif(run: str, colours: bytes, error_colours: bytes) -> bytes:
    """The reconstruction and its error by epoch as an animated GIF: flat maps, north up, with coasts, colour bars, the
    month, the epoch and the mean absolute error. Both ``colours`` are 256 × 3 bytes.

    Raises :class:`DataError` where there is no epoch yet.
    """
    epochs = snapshot_epochs(run)
    if not epochs:
        raise DataError("there is no epoch yet", run, "wait for the first one")
    return film_of(RunFolder.of(run), Film(run, epochs, colours.hex(), error_colours.hex()))


@dataclass(frozen=True)
class Film:
    """What a film shows: the run, its epochs, and colours as hexadecimal digits; its limits follow from these."""

    run: str
    epochs: tuple[int, ...]
    colours: str
    error_colours: str


def film_of(folder: RunFolder, film: Film) -> bytes:
    """The film of the training in a folder, which may be another one than that of the run that it names."""
    epochs = film.epochs
    origin, month = _origin(folder, film)
    last = snapshot_in(folder, epochs[-1])
    variable = last.variable
    scales = _value_scale(last), _error_scale(last)
    colours = [*_sampled(bytes.fromhex(film.colours)), *_sampled(bytes.fromhex(film.error_colours))]
    palette = [*colours, *_LAND, *_COAST, *_PAGE, *_TEXT]
    note = "synthetic data" if origin.is_synthetic else "observed data"
    frames: list[Any] = []
    for epoch in epochs:
        shown = snapshot_in(folder, epoch)
        error, simple = (_plain(variable.error_text(value)) for value in (shown.error_kelvin, shown.mean_error_kelvin))
        head = f"{month}, epoch {epoch} of {epochs[-1]}: mean absolute error {error}"
        below = f"{note}; the mean of the observed days has {simple}; run {film.run[:15]}"
        frame = _frame(shown, scales, head, below)
        frame.putpalette(palette)
        frames.append(frame)
    with io.BytesIO() as content:
        frames[0].save(
            content,
            "GIF",
            save_all=True,
            append_images=frames[1:],
            duration=[_FRAME_MS] * (len(frames) - 1) + [_LAST_MS],
            loop=0,
            optimize=False,
            comment=origin.text().encode(),
        )
        return content.getvalue()


def _origin(folder: RunFolder, film: Film) -> tuple[Provenance, str]:
    """The provenance of the film, and the month that it shows."""
    config, run = folder.read_config(), film.run
    if not isinstance(config.settings, SSTSettings):
        raise DataError(f"the run is of the task {config.task!r}", run, "choose a run of the task 'sst'")
    month = config.settings.validation[0]
    model = config.model_dump(mode="json")
    origin = Provenance(
        recipe="run.film",
        choices={"config": model, "film": asdict(film)},
        title=f"Training of run {run}: the reconstruction of {month} by epoch",
        source=f"snapshots of run {run}",
        is_synthetic=is_simulated(config.settings),
        details={
            "model": run,
            "model_config": model,
            "data": config.settings.source.model_dump(mode="json"),
            "seed": config.seed,
            "month": month,
            "epoch": f"{film.epochs[0]} to {film.epochs[-1]}",
        },
    )
    return origin, month


def _value_scale(last: Snapshot) -> _Scale:
    """The scale of all months; of logarithms the unit says so."""
    variable = last.variable
    limits = value_limits(variable, last.reconstruction, is_global(last.lat))
    return _Scale(0, *limits, _plain(variable.model_symbol))


def _error_scale(last: Snapshot) -> _Scale:
    """± twice the error that 98 % of the cells stay below after the last epoch, in steps of 0.5 K."""
    limit = error_limit(last.variable, last.reconstruction - last.truth, 2.0)
    return _Scale(_NUM_COLOURS, -limit, limit, f"{_plain(last.variable.error_symbol)}, reconstruction minus reference")


def _plain(text: str) -> str:
    """Without the characters that the font lacks."""
    return text.translate(str.maketrans("₁₀⁻³", "10-3"))


def _sampled(colours: bytes) -> list[int]:
    """Every other colour of a table of 256."""
    table = np.frombuffer(colours, np.uint8).reshape(256, 3)
    return table[np.linspace(0, 255, _NUM_COLOURS).round().astype(int)].ravel().tolist()


def _frame(shown: Snapshot, scales: tuple[_Scale, _Scale], head: str, below: str) -> Any:
    """Both maps below each other, each with its bar; two lines of text above them."""
    fields = shown.reconstruction, shown.reconstruction - shown.truth
    maps = [_map(scale.codes(field[::-1]), shown) for scale, field in zip(scales, fields, strict=True)]
    width, height = maps[0].size
    top, step = _MARGIN + 2 * _LINE + 4, height + _BAR + _LINE + _MARGIN
    frame = Image.new("P", (width + 2 * _MARGIN, top + 2 * step), _PAGE_CODE)
    draw = ImageDraw.Draw(frame)
    draw.fontmode = "1"  # no half-tones: the palette has none
    draw.text((_MARGIN, _MARGIN), head, _TEXT_CODE, _FONT())
    draw.text((_MARGIN, _MARGIN + _LINE), below, _TEXT_CODE, _FONT())
    for index, (picture, scale) in enumerate(zip(maps, scales, strict=True)):
        y = top + index * step
        frame.paste(picture, (_MARGIN, y))
        bar = (scale.first + np.linspace(0, _NUM_COLOURS - 1, width).round()).astype(np.uint8)
        frame.paste(Image.fromarray(bar[None].repeat(_BAR, axis=0)), (_MARGIN, y + height + 4))
        texts = f"{scale.low:g}", scale.label, f"{scale.high:g}"
        for anchor, x, text in zip("lmr", (_MARGIN, _MARGIN + width // 2, _MARGIN + width), texts, strict=True):
            draw.text((x, y + height + _BAR + 6), text, _TEXT_CODE, _FONT(), anchor=f"{anchor}a")
    return frame


def _map(codes: NDArray[np.uint8], shown: Snapshot) -> Any:
    """The codes (H, W), north up, enlarged by a whole number, with coasts."""
    factor = max(1, _WIDTH // codes.shape[1])
    picture = Image.fromarray(codes.repeat(factor, axis=0).repeat(factor, axis=1))
    draw, grid = ImageDraw.Draw(picture), LatLonGrid(shown.lat, shown.lon)
    west, north = float(grid.lon_bounds[0]), float(grid.lat_bounds[-1])
    scale_x = picture.width / (float(grid.lon_bounds[-1]) - west)
    scale_y = picture.height / (north - float(grid.lat_bounds[0]))
    for line in coastlines("110m"):
        x: Floats = (line[:, 0] - west) * scale_x
        y: Floats = (north - line[:, 1]) * scale_y
        draw.line(np.stack((x, y), axis=1).ravel().tolist(), fill=_COAST_CODE)
    return picture
