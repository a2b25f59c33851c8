"""What tokens of painted chips know: of the ground around their window, and of a house that they do not show.

Legend: B chips, N = 64 windows, K visible ones, V values of a window, C width of a token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from engine.data.chips import GRASS, NUM_GROUND, ROAD, SIDE, Chips
from engine.evaluation.token_probe import held_out_accuracy, held_out_r2
from engine.models.masked_autoencoder import MaskedAutoencoder, visible_windows
from engine.similarity import cosine_matrix
from engine.typed import Floats, Ints, Mask

Encode = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor | None]]
"""Values (B, N, V), visible (B, K) and place (B, 5) → tokens (B, K, C) and, where there is one, a class token."""

CONDITIONS = ("all", "house-hidden", "most-hidden")
"""Which windows the encoder reads: all; all but the one with the house; a random quarter without it."""

READERS = ("house", "drive", "road", "grass", "mean", "class")
"""From what the house is read: the token of its own window; of the nearest visible window that its drive crosses, or
would; of the nearest of road, and of nothing but grass, that neither house nor drive touch, or would; the mean of all
tokens; the class token."""

DISTANCES = (1, 2, 3, 4, 5)
"""In windows, rounded, between the window with the house and one that neither house nor drive touch."""

_NUM_FOLDS = 5
_FEWEST = 100  # chips that a probe is read from
_BATCH = 64
_MASK_SEED = 20231
_LEAST_ROAD, _LEAST_GRASS = 0.1, 0.99
_STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))


class Accuracy(TypedDict):
    """The share of ``number`` held-out chips of which a linear probe tells rightly whether there is a house."""

    accuracy: float
    number: int


class ChipScores(TypedDict):
    """What the tokens of one encoder know.

    ``smallest_cosine``: of the 64 tokens of a chip of which all is seen, the median over the chips.
    ``surroundings``: R² of the fractions of the five kinds of ground in the hidden windows beside a visible one, read
    from its token by ridge regression on held-out chips; the mean over the kinds and the four sides.
    ``house``: by condition and reader. ``house_by_distance``: by condition, at :data:`DISTANCES`.
    """

    smallest_cosine: float
    surroundings: float
    house: dict[str, dict[str, Accuracy]]
    house_by_distance: dict[str, dict[str, Accuracy]]


@dataclass(frozen=True, eq=False)
class ChipTest:
    """Chips, their values (B, N, V) and places (B, 5), and ``visible`` (B, K) of each of :data:`CONDITIONS`."""

    chips: Chips
    values: Tensor
    place: Tensor
    visible: Mapping[str, Tensor]

    @classmethod
    def of(cls, chips: Chips, cells: int, hidden: float, seed: int = _MASK_SEED) -> ChipTest:
        """``hidden``: the share of windows that condition "most-hidden" hides, the one with the house among them; they
        are drawn from the ``seed``."""
        windows = torch.arange(SIDE * SIDE)
        house = torch.as_tensor(chips.house[:, 0] * SIDE + chips.house[:, 1])
        others = torch.stack([windows[windows != at] for at in house])
        some = visible_windows(len(chips), SIDE * SIDE - 1, 1.0 - _kept(hidden) / (SIDE * SIDE - 1), seed)
        visible = (windows.expand(len(chips), -1), others, others.gather(1, some))
        return cls(
            chips,
            torch.as_tensor(chips.averaged(cells)),
            torch.as_tensor(chips.place_and_time()),
            dict(zip(CONDITIONS, visible, strict=True)),
        )


def _kept(hidden: float) -> int:
    return max(1, round(SIDE * SIDE * (1.0 - hidden)))


def encoder_of(model: MaskedAutoencoder) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The encoder of an autoencoder, without gradients, a few chips at once; its tokens are on the CPU."""
    device = model.mean.device

    @torch.inference_mode()
    def encode(values: Tensor, visible: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        model.eval()
        parts = [
            model.encode(*(whole[rows].to(device) for whole in (values, visible, place))) for rows in _rows(len(values))
        ]
        return torch.cat([tokens for tokens, _ in parts]).cpu(), torch.cat([summary for _, summary in parts]).cpu()

    return encode


def _rows(number: int) -> list[slice]:
    return [slice(first, first + _BATCH) for first in range(0, number, _BATCH)]


def pixels_themselves(values: Tensor, visible: Tensor, place: Tensor) -> tuple[Tensor, None]:
    """No encoder: the values of each window, which know nothing of the others."""
    return values.gather(1, visible[..., None].expand(*visible.shape, values.shape[-1])), None


def reconstructed_share(model: MaskedAutoencoder, test: ChipTest) -> float:
    """The part of the variance of hidden windows that the decoder explains: 1 − Σ e² / Σ (x − x̄)², x̄ the mean of the
    chip's visible windows; below 0 where it is worse than that mean."""
    visible, error, spread = test.visible["most-hidden"], 0.0, 0.0
    model.eval()
    for rows in _rows(len(test.values)):
        values, seen = test.values[rows], visible[rows]
        hidden = torch.ones(values.shape[:2]).scatter(1, seen, 0.0)[..., None]
        with torch.inference_mode():
            answer = model(*(part.to(model.mean.device) for part in (values, seen, test.place[rows]))).cpu()
        mean = (values * (1.0 - hidden)).sum(dim=1, keepdim=True) / seen.shape[1]
        error += float(((answer - values).square() * hidden).sum(dtype=torch.float64))
        spread += float(((mean - values).square() * hidden).sum(dtype=torch.float64))
    return 1.0 - error / spread


def chip_scores(encode: Encode, test: ChipTest) -> ChipScores:
    """The scores of one encoder on a test."""
    house: dict[str, dict[str, Accuracy]] = {}
    by_distance: dict[str, dict[str, Accuracy]] = {}
    smallest, surroundings = np.nan, np.nan
    for condition, visible in test.visible.items():
        tokens, summary = encode(test.values, visible, test.place)
        if condition == "all":
            smallest = float(np.median([float(cosine_matrix(chip).min()) for chip in tokens]))
        if condition == "most-hidden":
            surroundings = _surroundings(test.chips, tokens, visible)
        house[condition] = _house(test.chips, tokens, summary, visible)
        by_distance[condition] = _by_distance(test.chips, tokens, visible)
    return {
        "smallest_cosine": smallest,
        "surroundings": surroundings,
        "house": house,
        "house_by_distance": by_distance,
    }


def _surroundings(chips: Chips, tokens: Tensor, visible: Tensor) -> float:
    """See :class:`ChipScores`."""
    is_hidden = np.ones((len(chips), SIDE * SIDE), bool)
    np.put_along_axis(is_hidden, visible.numpy(), False, axis=1)
    scores: list[Tensor] = []
    for step in _STEPS:
        row, col = visible.numpy() // SIDE + step[0], visible.numpy() % SIDE + step[1]
        inside = (row >= 0) & (row < SIDE) & (col >= 0) & (col < SIDE)
        neighbour = np.where(inside, row * SIDE + col, 0)
        chip, index = np.nonzero(inside & np.take_along_axis(is_hidden, neighbour, axis=1))
        ground = chips.ground.reshape(len(chips), -1, NUM_GROUND)[chip, neighbour[chip, index]]
        r2 = held_out_r2(
            tokens[chip, index],
            torch.as_tensor(ground),
            torch.ones(len(chip), dtype=torch.float64),
            torch.as_tensor(chip % _NUM_FOLDS),
        )
        scores.append(r2)
    return float(torch.stack(scores).nanmean())


def _house(chips: Chips, tokens: Tensor, summary: Tensor | None, visible: Tensor) -> dict[str, Accuracy]:
    ground, distance = chips.ground.reshape(len(chips), -1, NUM_GROUND), _distances(chips)
    touched = chips.is_touched.reshape(len(chips), -1)
    own = distance == 0.0
    windows: dict[str, Mask] = {
        "house": own,
        "drive": touched & ~own,
        "road": (ground[..., ROAD] >= _LEAST_ROAD) & ~touched,
        "grass": (ground[..., GRASS] >= _LEAST_GRASS) & ~touched,
    }
    known: dict[str, Accuracy] = {}
    for name, wanted in windows.items():
        cost = np.where(np.take_along_axis(wanted, visible.numpy(), 1), 0.0, np.inf)
        index = (cost + np.take_along_axis(distance, visible.numpy(), 1)).argmin(axis=1)
        there = np.flatnonzero(np.isfinite(cost[np.arange(len(chips)), index]))
        _read(known, name, chips, tokens[there, index[there]], there)
    every = np.arange(len(chips))
    _read(known, "mean", chips, tokens.mean(dim=1), every)
    if summary is not None:
        _read(known, "class", chips, summary, every)
    return known


def _by_distance(chips: Chips, tokens: Tensor, visible: Tensor) -> dict[str, Accuracy]:
    """From one window at each distance, drawn at random."""
    rings = np.where(chips.is_touched.reshape(len(chips), -1), 0, np.rint(_distances(chips)))
    rings = np.take_along_axis(rings, visible.numpy(), 1)
    order = np.random.default_rng(0).random(rings.shape)
    known: dict[str, Accuracy] = {}
    for ring in DISTANCES:
        index = np.where(rings == ring, order, np.inf).argmin(axis=1)
        there = np.flatnonzero((rings == ring).any(axis=1))
        _read(known, str(ring), chips, tokens[there, index[there]], there)
    return known


def _read(known: dict[str, Accuracy], name: str, chips: Chips, vectors: Tensor, there: Ints) -> None:
    """Probe the ``vectors`` (n, C) of the chips ``there`` (n,), if they are enough."""
    if len(there) >= _FEWEST:
        labels, folds = torch.as_tensor(chips.has_house[there]).long(), torch.as_tensor(there % _NUM_FOLDS)
        known[name] = {"accuracy": held_out_accuracy(vectors, labels, folds), "number": len(there)}


def _distances(chips: Chips) -> Floats:
    """(B, N), in windows, from the one with the house."""
    rows, columns = np.divmod(np.arange(SIDE * SIDE), SIDE)
    return np.hypot(rows - chips.house[:, :1], columns - chips.house[:, 1:])


def standard_error(known: Mapping[str, Any]) -> float:
    """Of an :class:`Accuracy`, binomial."""
    return float(np.sqrt(known["accuracy"] * (1.0 - known["accuracy"]) / known["number"]))
