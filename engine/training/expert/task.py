"""The task ``expert``: a network learns to tell where, in which climate and when a picture was taken."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.compute import device, use_thread_policy
from engine.config.expert import ExpertSettings
from engine.data.climate import GROUP_OF_CLASS, SEA
from engine.data.tiles import Tiles
from engine.evaluation.expert_scores import RECALL_AREAS_KM2, Beliefs, beliefs_of, best_guess, day_distance, score
from engine.files import write_atomic
from engine.models.geographic_expert import GeographicExpert, Prediction
from engine.mvmf import GeographicLoss, LossTerms
from engine.runs.checkpoints import write_checkpoint
from engine.runs.context import RunContext
from engine.sphere import great_circle_km, lat_lon, unit_vectors
from engine.training.expert.data_module import ExpertDataModule, is_placed
from engine.training.expert.model_bundle import predict_beliefs
from engine.training.expert.prior import Prior, temper
from engine.training.trainer import Clock, Metrics, Trainer, TrainingModule, TrainingTask, flat_state, load_weights
from engine.typed import numbers

CHECKPOINT_S = 5.0
"""Seconds between two checkpoints, beside the one at the end of every epoch."""


def train_expert(settings: ExpertSettings, run: RunContext, clock: Clock = time.monotonic) -> None:
    """Train and score an expert beside the prior; see :class:`engine.config.expert.ExpertSettings` for the choices.

    Metrics, one line a step: ``iteration`` (steps made, from 0), ``epoch`` (epochs finished), ``train_loss`` and its
    parts ``train_place``, ``train_climate``, ``train_date``, ``gradient_norm``, ``learning_rate``; of the last
    validation ``val_loss``, ``best_loss``, ``val_nll`` (nats per steradian), ``val_error_km`` (median),
    ``val_climate_accuracy``, ``val_date_error_days``; and the prior's own as ``prior_nll`` and so on. Every step reads
    other tiles where their number is not limited; nothing else is random after the start, so that a run that goes on
    from a checkpoint gives the same bits on the CPU.

    ``shown.npz``, at the start: the tiles of the test whose beliefs are kept: ``pixels`` (N, C, h, w) float16, NaN =
    missing, ``bands`` (C,), and ``lat``, ``lon``, ``day``, ``climate`` as in :class:`~engine.data.tiles.Tiles`.
    Snapshots ``epoch-NNNN.npz``, before the first epoch and after each: the beliefs about them, ``log_weights``
    (N, K) float16, ``climate`` (N, 31) float16 fractions, ``day`` (N,), the best guess ``lat``, ``lon`` (N,) and its
    ``error_km``; ``centre_lat``, ``centre_lon`` and ``log_kappa`` (K,).

    Results, of the weights with the least validation loss, their confidence tempered on the validation
    (:func:`engine.training.expert.prior.temper`): ``expert.safetensors``
    (:func:`engine.training.expert.model_bundle.load_expert` reads it) and ``scores.json``: ``expert`` and ``prior``,
    each the scores of :func:`engine.evaluation.expert_scores.score` on the test, and ``recall_areas_km2``.

    Raises:
        RunError: the loss is no longer a number.
    """
    use_thread_policy()
    with run.repeating():
        task = _ExpertTask(settings, run)
    Trainer(run, CHECKPOINT_S, clock).fit(task)
    with run.repeating():
        task.score()


class ExpertModule(TrainingModule):
    """AdamW on :class:`GeographicExpert` with :class:`GeographicLoss`."""

    def __init__(self, settings: ExpertSettings, model: GeographicExpert) -> None:
        super().__init__(model, torch.optim.AdamW(_groups(model, settings.weight_decay)), settings.clip_norm)
        self._settings = settings
        self._loss = GeographicLoss(
            torch.tensor(GROUP_OF_CLASS),
            model.mixture,
            weights=(settings.place_weight, settings.climate_weight, settings.date_weight),
            sea_class=None if settings.shows_ocean else SEA,
        ).to(self.device)

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return learning_rate(self._settings, self.step, self._settings.epochs * self._settings.steps_per_epoch)

    def backward(self, batch: Tiles) -> Metrics:
        """Gradients of the loss of some tiles."""
        loss = self.loss(self.model(torch.tensor(batch.pixels, device=self.device)), batch)
        loss.total.backward()  # pyright: ignore[reportUnknownMemberType]
        names = ("train_loss", "train_place", "train_climate", "train_date")
        # one transfer from the device for all of them
        return dict(zip(names, numbers(torch.stack(loss).detach()), strict=True))

    def loss(self, belief: Prediction, tiles: Tiles) -> LossTerms:
        """The loss of beliefs about tiles."""
        on = belief.place_logits.device
        lat, lon = (torch.tensor(degrees, device=on) for degrees in (tiles.lat, tiles.lon))
        day = torch.tensor(tiles.day, dtype=torch.float32, device=on)
        fractions = torch.tensor(tiles.climate, device=on)
        return self._loss(*belief, lat_deg=lat, lon_deg=lon, climate_fractions=fractions, day_of_year=day)


class _ExpertTask(TrainingTask):
    """What the trainer needs of a run: tiles, validation, and the files that are left; and the scores at the end."""

    is_start_candidate = True
    reports_last_step_apart = False

    def __init__(self, settings: ExpertSettings, run: RunContext) -> None:
        self._settings, self._run = settings, run
        self.num_epochs, self.steps_per_epoch = settings.epochs, settings.steps_per_epoch
        self._data = ExpertDataModule.of(settings, run.seed)
        self._model = self._data.model().to(device())
        self.module = self._expert_module = ExpertModule(settings, self._model)
        prior = self._figures(self._data.model(), _constant(self._data.prior))
        self._prior_metrics = {f"prior_{name}": value for name, value in prior.items()}

    def train_batch(self, step: int) -> Tiles:
        """The tiles of a step."""
        return self._data.batch(step)

    def validate(self) -> Metrics:
        """Loss and figures of the validation."""
        belief = self._model.predict(torch.tensor(self._data.validation.pixels))
        with torch.no_grad():
            loss = self._expert_module.loss(belief, self._data.validation)
        figures = self._figures(self._model, beliefs_of(*belief))
        return {"val_loss": float(loss.total), **{f"val_{name}": value for name, value in figures.items()}}

    def _figures(self, model: GeographicExpert, beliefs: Beliefs) -> Metrics:
        """The figures of the learning curves: of beliefs about the validation."""
        tiles = self._data.validation
        placed = np.flatnonzero(is_placed(tiles, self._settings))
        log_weights, _, day = beliefs.of(placed)
        points = unit_vectors(tiles.lat[placed], tiles.lon[placed]).float().to(model.mean.device)
        rows = log_weights.to(model.mean.device).expand(len(placed), -1)
        with torch.no_grad():
            nll = -float(model.mixture.paired_log_prob(points, rows).mean())
        errors = great_circle_km(tiles.lat[placed], tiles.lon[placed], *best_guess(model.mixture, log_weights))
        true_class, likeliest = tiles.climate.argmax(1), beliefs.climate.argmax(1).numpy()
        return {
            "nll": nll,
            "error_km": float(errors.median()),
            "climate_accuracy": float((likeliest == true_class).mean()),
            "date_error_days": float(day_distance(day, tiles.day[placed]).mean()),
        }

    def save_best(self, epoch: int, metrics: Metrics) -> None:
        """Keep the weights as the run's best checkpoint."""
        self._run.checkpoint(_weights(self._model), {"iteration": self.module.step}, name="best")

    def snapshot(self, epoch: int) -> None:
        """Leave the beliefs about the shown tiles; before the first epoch the tiles as well."""
        truth = self._data.test.take(slice(self._settings.num_shown))
        if epoch == 0:
            bands = np.array(self._data.source.bands)
            tiles = {**truth._asdict(), "pixels": truth.pixels.astype(np.float16)}
            self._run.save(self._run.files.test_tiles, **tiles, bands=bands)
        beliefs, mixture = predict_beliefs(self._model, truth.pixels), self._model.mixture
        guess = best_guess(mixture, beliefs.log_weights)
        centre_lat, centre_lon = (values.cpu().numpy() for values in lat_lon(mixture.centres.detach()))
        self._run.snapshot(
            epoch,
            log_weights=beliefs.log_weights.numpy().astype(np.float16),
            climate=beliefs.climate.numpy().astype(np.float16),
            day=beliefs.day.astype(np.float32),
            lat=guess[0].numpy().astype(np.float32),
            lon=guess[1].numpy().astype(np.float32),
            error_km=great_circle_km(truth.lat, truth.lon, *guess).numpy().astype(np.float32),
            centre_lat=centre_lat.astype(np.float32),
            centre_lon=centre_lon.astype(np.float32),
            log_kappa=mixture.kappa.log().detach().cpu().numpy(),
        )

    def extra_metrics(self, metrics: Metrics, steps_per_s: float) -> Metrics:
        """The figures of the prior."""
        return self._prior_metrics

    def score(self) -> None:
        """Temper the best weights, score them and the prior on the test, and write both results."""
        best = self._run.restore("best")
        assert best is not None, "the first validation keeps one"
        data, tiles = self._data, self._data.validation
        weights = {name: torch.tensor(array) for name, array in best.arrays.items()}
        load_weights(self._model, weights, "checkpoints/best.safetensors")
        start = data.model().to(device())
        temper(self._model, start, torch.tensor(tiles.pixels), lambda belief: self._expert_module.loss(belief, tiles))
        self._model.cpu()
        scores = {
            "expert": score(self._model.mixture, predict_beliefs(self._model, data.test.pixels), data.truth()),
            "prior": score(start.cpu().mixture, _constant(data.prior), data.truth()),
            "recall_areas_km2": RECALL_AREAS_KM2,
        }
        metadata = {
            "settings": self._settings.model_dump_json(),
            "seed": self._run.seed,
            "tiles": data.source.name,
            "bands": list(data.source.bands),
            "size": data.source.size,
            "scores": scores,
        }
        write_checkpoint(self._run.files.expert, _weights(self._model), metadata)
        write_atomic(self._run.files.scores, json.dumps(scores, indent=2).encode() + b"\n")


def learning_rate(settings: ExpertSettings, step: int, num_steps: int) -> float:
    """Of step number ``step``: a linear rise over the warm-up, then half a cosine to zero."""
    rise = max(1, round(settings.warmup * num_steps))
    if step < rise:
        return settings.learning_rate * (step + 1) / rise
    return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(1, num_steps - rise)))


def _constant(prior: Prior) -> Beliefs:
    """The prior as one belief about all pictures."""
    return Beliefs(prior.log_weights[None], prior.climate[None], np.array([prior.day]))


def _groups(model: GeographicExpert, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters for the optimiser: matrices decay; biases, norms and the components of beliefs do not."""
    named = dict(model.named_parameters())
    plain = {name for name, value in named.items() if value.ndim < 2 or name.startswith("mixture.")}
    return [
        {"params": [value for name, value in named.items() if name not in plain], "weight_decay": weight_decay},
        {"params": [value for name, value in named.items() if name in plain], "weight_decay": 0.0},
    ]


def _weights(model: GeographicExpert) -> dict[str, NDArray[Any]]:
    return flat_state(model.state_dict())[0]
