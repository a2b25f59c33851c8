"""The chip of the question: is a small red house still known from the road, the grass, the mean, the class token?

Answers come from a masked autoencoder of painted chips, that of a run of the task ``mae`` or the one that comes along.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.assets import asset
from engine.config.mae import MAESettings
from engine.config.run_config import RunConfig
from engine.data.chips import SIDE, SIZE, WINDOW, paint_chips
from engine.errors import ChoiceError, StoreError, check_choice
from engine.queries.cache import CACHE
from engine.runs.checkpoints import read_checkpoint
from engine.runs.run_folder import RunFolder
from engine.typed import Floats

if TYPE_CHECKING:
    from engine.models.masked_autoencoder import MaskedAutoencoder

SHIPPED = ""
"""In the place of a run's id: the autoencoder that comes along."""

_ASSET = "pretrained/mae-chips.safetensors"
_HIDDEN_GREY = 128
_MOST_CHIPS = 1_000_000
_BYTES = 4 * 2**20

CONDITIONS = {"all": "All is seen", "house-hidden": "House hidden", "most-hidden": "75 % hidden"}
"""Which windows the encoder reads, as :data:`engine.evaluation.chip_tokens.CONDITIONS`."""

READERS = {
    "house": "its own window",
    "drive": "the drive",
    "road": "the road",
    "grass": "the grass",
    "mean": "the mean of all tokens",
    "class": "the class token",
}
"""From what the house is read, and how a sentence names it."""

DISCUSSED = 0.999
"""The smallest cosine of the 64 embeddings of a chip that was reported for Clay."""


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """A trained network, the same with the weights it started from, its settings and what was measured of it."""

    trained: MaskedAutoencoder
    untrained: MaskedAutoencoder
    settings: MAESettings
    scores: dict[str, Any]
    key: tuple[str, int]


def mae_config(place_and_time: bool) -> RunConfig:
    """The run that the page offers: three minutes of one core."""
    return RunConfig(settings=MAESettings(place_and_time=place_and_time))


def autoencoder(run: str = SHIPPED) -> Autoencoder:
    """The autoencoder of a run, or the one that comes along.

    Raises:
        StoreError: no such run, one without a result, or a damaged file.
    """
    path = asset(_ASSET) if run == SHIPPED else RunFolder.of(run).autoencoder
    try:
        stamp = str(path), path.stat().st_mtime_ns
    except OSError as error:
        remedy = "wait until it has ended, or choose another"
        raise StoreError("this run has no trained autoencoder", run, remedy) from error
    return CACHE.get(("autoencoder", *stamp), partial(_read, path, stamp), lambda _: _BYTES)


def _read(path: Path, key: tuple[str, int]) -> Autoencoder:
    import torch

    from engine.training.mae import build_autoencoder
    from engine.training.trainer import load_weights

    kept = read_checkpoint(path)
    try:
        assert kept is not None
        settings = MAESettings.model_validate_json(kept.metadata["settings"])
        scores = cast("dict[str, Any]", kept.metadata["scores"])
        if not {"trained", "untrained", "pixels"} <= scores.keys():
            raise ValueError("its scores are incomplete")
        models = [build_autoencoder(settings, int(kept.metadata["seed"])) for _ in range(2)]
        weights = {name: torch.tensor(array).float() for name, array in kept.arrays.items()}
        load_weights(models[0], weights, str(path))
        models[1].mean.copy_(weights["mean"])
        models[1].std.copy_(weights["std"])
    except Exception as error:  # entries that are missing, or of another type or shape
        problem = f"this is no autoencoder of ours: {' '.join(str(error).split())[:200]}"
        raise StoreError(problem, path.name, "train again") from error
    return Autoencoder(models[0].eval(), models[1].eval(), settings, scores, key)


@dataclass(frozen=True, eq=False)
class ChipCase:
    """One chip as an autoencoder reads it; windows are numbered row by row from the north-west.

    Attributes:
        chip, seen, answer: (256, 256, 3) uint8, the picture; with hidden windows grey; what the decoder makes of it, in
            the windows that it was not given.
        is_seen: (8, 8). cosines: (64, 64) of the tokens, NaN for hidden windows; ``smallest`` of them.
        changes: (8, 8), 1 − cos of each token with itself when the house is taken away; NaN for hidden windows.
        mean_change, class_change: the same of the mean of all tokens and of the class token.
        house: row and column of its window.
    """

    chip: NDArray[np.uint8]
    seen: NDArray[np.uint8]
    answer: NDArray[np.uint8]
    is_seen: NDArray[np.bool_]
    cosines: Floats
    smallest: float
    changes: Floats
    mean_change: float
    class_change: float
    house: tuple[int, int]


def chip_case(run: str, number: int, condition: str = "all", house: bool = True, weights: str = "trained") -> ChipCase:
    """Chip ``number`` of the test series, with or without its house.

    Raises:
        ChoiceError: no such chip, condition or weights. StoreError: as :func:`autoencoder`.
    """
    check_choice("condition", condition, CONDITIONS)
    check_choice("kind of weights", weights, ("trained", "untrained"))
    if not 0 <= number < _MOST_CHIPS:
        raise ChoiceError(f"there is no chip {number}", "the painted chips", f"choose one from 0 to {_MOST_CHIPS - 1}")
    known = autoencoder(run)
    compute = partial(_chip_case, known, number, condition, house, weights)
    return CACHE.get(("chip", *known.key, number, condition, house, weights), compute, lambda _: 2**20)


def _chip_case(known: Autoencoder, number: int, condition: str, house: bool, weights: str) -> ChipCase:
    import torch

    from engine.evaluation.chip_tokens import ChipTest, encoder_of
    from engine.similarity import cosine_matrix
    from engine.training.mae import TEST

    settings = known.settings
    model = known.trained if weights == "trained" else known.untrained
    # hidden windows depend on the number of chips in a test, so that each case is a test of its own
    cases = [
        ChipTest.of(paint_chips(1, TEST, number, there), settings.cells, settings.hidden, seed=number)
        for there in (house, not house)
    ]
    (tokens, summary), (others, other_summary) = (
        encoder_of(model)(case.values, case.visible[condition], case.place) for case in cases
    )
    case, visible = cases[0], cases[0].visible[condition][0].numpy()
    with torch.inference_mode():
        values = model(case.values, case.visible[condition], case.place)[0].numpy()
    cosines = np.full((SIDE**2, SIDE**2), np.nan)
    cosines[visible[:, None], visible] = cosine_matrix(tokens[0].double()).numpy()
    is_seen, changes = np.zeros(SIDE**2, bool), np.full(SIDE**2, np.nan)
    is_seen[visible] = True

    def change(first: torch.Tensor, second: torch.Tensor) -> NDArray[np.float64]:
        drop = 1.0 - torch.nn.functional.cosine_similarity(first.double(), second.double(), dim=-1)
        return drop.clamp_min(0.0).numpy()

    changes[visible] = change(tokens[0], others[0])
    chip = np.moveaxis(case.chips.pixels[0], 0, -1)
    hidden = ~is_seen.reshape(SIDE, SIDE).repeat(WINDOW, 0).repeat(WINDOW, 1)[..., None]
    drawn = _picture(values, settings.cells)
    return ChipCase(
        chip=chip,
        seen=np.where(hidden, np.uint8(_HIDDEN_GREY), chip),
        answer=np.where(hidden, drawn, chip),
        is_seen=is_seen.reshape(SIDE, SIDE),
        cosines=cosines,
        smallest=float(np.nanmin(cosines)),
        changes=changes.reshape(SIDE, SIDE),
        mean_change=float(change(tokens[0].mean(dim=0), others[0].mean(dim=0))),
        class_change=float(change(summary[0], other_summary[0])),
        house=(int(case.chips.house[0, 0]), int(case.chips.house[0, 1])),
    )


def _picture(values: NDArray[np.float32], cells: int) -> NDArray[np.uint8]:
    """The picture (256, 256, 3) of averaged windows (64, 3 · cells²)."""
    parts = values.reshape(SIDE, SIDE, 3, cells, cells).transpose(0, 3, 1, 4, 2).reshape(SIDE * cells, SIDE * cells, 3)
    factor = SIZE // (SIDE * cells)
    return np.clip(255.0 * parts, 0.0, 255.0).astype(np.uint8).repeat(factor, 0).repeat(factor, 1)


def pictures(case: ChipCase) -> tuple[bytes, bytes, bytes]:
    """Chip, what is seen of it, and the reconstruction, as PNG files."""

    def png(picture: NDArray[np.uint8]) -> bytes:
        with io.BytesIO() as content:
            Image.fromarray(picture).save(content, "PNG")
            return content.getvalue()

    return png(case.chip), png(case.seen), png(case.answer)
