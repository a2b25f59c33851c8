"""The task ``mae``: a masked autoencoder of painted chips, and what its tokens know of a house."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.compute import device, use_thread_policy
from engine.config.mae import MAESettings
from engine.data.chips import SIDE, paint_chips
from engine.evaluation.chip_tokens import (
    ChipTest,
    chip_scores,
    encoder_of,
    pixels_themselves,
    reconstructed_share,
)
from engine.files import write_atomic
from engine.models.masked_autoencoder import MaskedAutoencoder, visible_windows
from engine.runs.checkpoints import write_checkpoint
from engine.runs.context import RunContext
from engine.training.trainer import Clock, Metrics, Trainer, TrainingModule, TrainingTask, load_weights, to_array

FORMAT = "harmonia.mae"
VERSION = 1

VALIDATION, TEST, FIRST_TRAINING = 0, 1, 2
"""Series of painted chips: validation and test are the same for all runs, training is drawn from the run's seed."""

_CHECKPOINT_S = 5.0
_WARMUP = 0.05
_PAINTED_AT_ONCE = 128


def train_mae(settings: MAESettings, run: RunContext, clock: Clock = time.monotonic) -> None:
    """Train a masked autoencoder, then ask it and the same network untrained what their tokens know.

    Metrics, one line a step: ``iteration``, ``epoch``, ``train_loss``, ``val_loss``, ``best_loss``, the mean squared
    error of hidden windows, standardised; ``gradient_norm``, ``learning_rate``. A run that goes on from a checkpoint
    gives the same bits on the CPU.

    Snapshots ``epoch-NNNN.npz``, before the first epoch and after each, of the first chip of the test: ``tokens``
    (64, C), all windows seen, ``summary`` (C,), and ``answer`` (64, V) float16, the decoder's values of all windows
    from the visible quarter.

    Results, of the weights with the least validation loss: ``autoencoder.safetensors``
    (:func:`engine.queries.tokens.chip` reads it) and ``autoencoder.json``: ``trained``, ``untrained`` and
    ``pixels``, each :class:`engine.evaluation.chip_tokens.ChipScores`, the first two with ``reconstructed``.

    Raises:
        RunError: the loss is no longer a number.
    """
    use_thread_policy()
    with run.repeating():
        task = _MAETask(settings, run)
    Trainer(run, _CHECKPOINT_S, clock).fit(task)
    with run.repeating():
        task.score()


def build_autoencoder(settings: MAESettings, seed: int) -> MaskedAutoencoder:
    """The network before the first step."""
    values = 3 * settings.cells**2
    return MaskedAutoencoder(
        SIDE * SIDE, values, settings.width, settings.layers, place_and_time=settings.place_and_time, seed=seed
    )


class _Painted:
    """Chips as the network reads them: ``values`` (B, 64, V) float16 and ``place`` (B, 5)."""

    def __init__(self, number: int, series: int, cells: int) -> None:
        values: list[Tensor] = []
        places: list[Tensor] = []
        for first in range(0, number, _PAINTED_AT_ONCE):  # pixels of all chips at once would be hundreds of MB
            chips = paint_chips(min(_PAINTED_AT_ONCE, number - first), series, first)
            values.append(torch.as_tensor(chips.averaged(cells)).half())
            places.append(torch.as_tensor(chips.place_and_time()))
        self.values, self.place = torch.cat(values), torch.cat(places)


class _MAEModule(TrainingModule):
    """AdamW on :class:`MaskedAutoencoder`."""

    def __init__(self, settings: MAESettings, model: MaskedAutoencoder) -> None:
        optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=settings.weight_decay)
        super().__init__(model, optimizer, clip_norm=1.0)
        self._settings = settings
        self.autoencoder = model

    @property
    def learning_rate(self) -> float:
        """A linear rise over a twentieth of the steps, then half a cosine to zero."""
        num_steps = self._settings.epochs * self._settings.steps_per_epoch
        rise = max(1, round(_WARMUP * num_steps))
        if self.step < rise:
            return self._settings.learning_rate * (self.step + 1) / rise
        part = (self.step - rise) / max(1, num_steps - rise)
        return self._settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * part))

    def backward(self, batch: tuple[Tensor, Tensor, Tensor]) -> Metrics:
        """Gradients of the loss of some chips."""
        loss = self.autoencoder.loss(*(part.to(self.device) for part in batch))
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        return {"train_loss": float(loss.detach())}


class _MAETask(TrainingTask):
    """What the trainer needs of a run: chips, validation, and the files that are left; and the scores at the end."""

    is_start_candidate = True
    reports_last_step_apart = False

    def __init__(self, settings: MAESettings, run: RunContext) -> None:
        self._settings, self._run = settings, run
        self.num_epochs, self.steps_per_epoch = settings.epochs, settings.steps_per_epoch
        self._train = _Painted(settings.chips, FIRST_TRAINING + run.seed, settings.cells)
        self._validation = _Painted(settings.num_validation, VALIDATION, settings.cells)
        self._shown = ChipTest.of(paint_chips(1, TEST), settings.cells, settings.hidden)
        self._model = build_autoencoder(settings, run.seed)
        self._model.standardise_by(self._train.values[: 8 * _PAINTED_AT_ONCE].float())
        self._start = {name: to_array(value).copy() for name, value in self._model.state_dict().items()}
        self._model.to(device())
        self.module = _MAEModule(settings, self._model)

    def train_batch(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Values, visible windows and places of some chips, drawn by the number of the step."""
        random = np.random.default_rng((self._run.seed, step))
        rows = torch.as_tensor(random.choice(self._settings.chips, self._settings.batch))
        seed = int(random.integers(2**62))
        visible = visible_windows(len(rows), SIDE * SIDE, self._settings.hidden, seed)
        return self._train.values[rows].float(), visible, self._train.place[rows]

    def validate(self) -> Metrics:
        """The loss on the validation, the same windows hidden every time."""
        values, place = self._validation.values, self._validation.place
        visible = visible_windows(len(values), SIDE * SIDE, self._settings.hidden, 0)
        self._model.eval()
        total, size = 0.0, self._settings.batch
        with torch.no_grad():
            for first in range(0, len(values), size):
                rows = slice(first, first + size)
                parts = (values[rows].float(), visible[rows], place[rows])
                loss = self._model.loss(*(part.to(self.module.device) for part in parts))
                total += float(loss) * len(parts[0])
        return {"val_loss": total / len(values)}

    def save_best(self, epoch: int, metrics: Metrics) -> None:
        """Keep the weights as the run's best checkpoint."""
        self._run.checkpoint(self._weights(), {"iteration": self.module.step}, name="best")

    def snapshot(self, epoch: int) -> None:
        """Tokens and answer of the shown chip."""
        shown, on = self._shown, self.module.device
        tokens, summary = encoder_of(self._model)(shown.values, shown.visible["all"], shown.place)
        with torch.inference_mode():
            parts = (shown.values, shown.visible["most-hidden"], shown.place)
            answer = self._model(*(part.to(on) for part in parts))[0]
        self._run.snapshot(
            epoch, tokens=to_array(tokens[0]), summary=to_array(summary[0]), answer=to_array(answer.half())
        )

    def _weights(self) -> dict[str, Any]:
        return {name: to_array(value) for name, value in self._model.state_dict().items()}

    def score(self) -> None:
        """Score the best weights, those before the first step, and the pixels; write both results."""
        settings = self._settings
        best = self._run.restore("best")
        assert best is not None, "the first validation keeps one"
        test = ChipTest.of(paint_chips(settings.num_test, TEST), settings.cells, settings.hidden)
        scores: dict[str, Any] = {}
        for name, arrays in (("untrained", self._start), ("trained", best.arrays)):
            self._run.stop_if_asked()
            weights = {key: torch.tensor(array) for key, array in arrays.items()}
            load_weights(self._model, weights, "checkpoints/best.safetensors")
            known = chip_scores(encoder_of(self._model), test)
            scores[name] = known | {"reconstructed": reconstructed_share(self._model, test)}
        scores["pixels"] = chip_scores(pixels_themselves, test)
        metadata = {"settings": settings.model_dump_json(), "seed": self._run.seed, "scores": scores}
        write_checkpoint(self._run.files.autoencoder, self._weights(), metadata)
        content = {"format": FORMAT, "version": VERSION, "settings": settings.model_dump(mode="json"), **scores}
        write_atomic(self._run.files.autoencoder_scores, json.dumps(content, indent=1).encode() + b"\n")
