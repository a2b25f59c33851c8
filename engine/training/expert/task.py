"""The task ``expert``: a network learns to tell where, in which climate and when a picture was taken."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.compute import device, use_thread_policy
from engine.config.expert import ExpertSettings
from engine.data.climate import GROUP_OF_CLASS, SEA
from engine.data.tiles import Tiles
from engine.errors import RunError
from engine.files import write_atomic
from engine.models.geographic_expert import GeographicExpert, Prediction
from engine.mvmf import GeographicLoss, LossTerms
from engine.runs.checkpoints import write_checkpoint
from engine.runs.context import RunContext
from engine.sphere import great_circle_km, lat_lon, unit_vectors
from engine.training.expert.calibration import temper
from engine.training.expert.data_module import ExpertDataModule, counted
from engine.training.expert.model_bundle import believe, load_weights
from engine.training.expert.prior import Prior, day_distance
from engine.training.expert.scores import RECALL_AREAS_KM2, Beliefs, beliefs_of, best_guess, score

CHECKPOINT_S = 5.0
"""Seconds between two checkpoints."""

_PARTS = ("train_place", "train_climate", "train_date")


def learn_expert(settings: ExpertSettings, run: RunContext, clock: Callable[[], float] = time.monotonic) -> None:
    """Learn and be judged beside the prior; see :class:`engine.config.expert.ExpertSettings` for the choices.

    Metrics, one line a step: ``iteration`` (steps made, from 0), ``epoch`` (epochs finished), ``train_loss`` and its
    parts ``train_place``, ``train_climate``, ``train_date``, ``learning_rate``; of the last validation ``val_loss``,
    ``best_loss``, ``val_nll`` (nats per steradian), ``val_error_km`` (median), ``val_climate_accuracy``,
    ``val_date_error_days``; and the prior's own as ``prior_nll`` and so on. Every step reads other tiles where there is
    no end of them; nothing else is random after the start, so that a run that goes on from a checkpoint gives the same
    bits on the CPU.

    ``shown.npz``, at the start: the tiles of the test whose beliefs are kept: ``pixels`` (N, C, h, w) float16, NaN =
    missing, ``bands`` (C,), and ``lat``, ``lon``, ``day``, ``climate`` as in :class:`~engine.data.tiles.Tiles`.
    Snapshots ``epoch-NNNN.npz``, before the first epoch and after each: what is believed of them, ``log_weights``
    (N, K) float16, ``climate`` (N, 31) float16 shares, ``day`` (N,), the guess ``lat``, ``lon`` (N,) and its
    ``error_km``; ``centre_lat``, ``centre_lon`` and ``log_kappa`` (K,).

    Results, of the weights with the least validation loss, their surety tempered on the validation
    (:func:`engine.training.expert.calibration.temper`): ``expert.safetensors``
    (:func:`engine.training.expert.model_bundle.load_expert` reads it) and ``scores.json``: ``expert`` and ``prior``,
    each the scores of :func:`engine.training.expert.scores.score` on the test, and ``recall_areas_km2``.

    Raises:
        RunError: the loss is no longer a number.
    """
    use_thread_policy()
    with run.repeating():
        course = _Course(settings, run, clock)
    course.follow()
    with run.repeating():
        course.judge()


class _Course:
    """The steps of a run, from wherever it was left."""

    def __init__(self, settings: ExpertSettings, run: RunContext, clock: Callable[[], float]) -> None:
        self._settings, self._run, self._clock = settings, run, clock
        self._lesson = ExpertDataModule.of(settings, run.seed)
        self._model = self._lesson.model().to(device())
        self._loss = _loss(self._model, settings)
        self._optimiser = torch.optim.AdamW(_groups(self._model, settings.weight_decay))
        self._num_steps = settings.epochs * settings.steps_per_epoch
        self._step = 0
        self._last: dict[str, float] = {}  # the last step's and the last validation's figures
        self._prior = self._prior_figures()
        self._restore()

    def follow(self) -> None:
        """Take all steps that are left; validate, keep the best and leave a snapshot after every epoch."""
        kept_at = self._clock()
        if not self._last:
            self._run.save(self._run.files.test_tiles, **_as_shown(self._lesson, self._settings.num_shown))
            self._finish_epoch()
        for tiles in self._batches():
            if self._run.should_stop() or self._clock() - kept_at > CHECKPOINT_S:
                self._keep()
                kept_at = self._clock()
            self._learn(tiles)
            if self._step % self._settings.steps_per_epoch == 0:
                self._finish_epoch()
            self._report()
        self._keep()

    def judge(self) -> None:
        """Score the best weights and the prior on the test, and write both results."""
        best = self._run.restore("best")
        assert best is not None, "the first validation keeps one"
        load_weights(self._model, best.arrays)
        lesson, tiles = self._lesson, self._lesson.validation
        start = lesson.model().to(device())
        temper(self._model, start, torch.tensor(tiles.pixels), lambda belief: _paid(belief, self._loss, tiles))
        self._model.cpu()
        scores = {
            "expert": score(self._model.mixture, believe(self._model, lesson.test.pixels), lesson.truth()),
            "prior": score(start.cpu().mixture, _constant(lesson.prior), lesson.truth()),
            "recall_areas_km2": RECALL_AREAS_KM2,
        }
        facts = {
            "settings": self._settings.model_dump_json(),
            "seed": self._run.seed,
            "tiles": lesson.source.name,
            "bands": list(lesson.source.bands),
            "size": lesson.source.size,
            "scores": scores,
        }
        write_checkpoint(self._run.files.expert, _arrays(self._model), facts)
        write_atomic(self._run.files.scores, json.dumps(scores, indent=2).encode() + b"\n")

    def _batches(self) -> Iterator[Tiles]:
        """The tiles of each step that is left; the next are drawn while the last are learned from."""
        with ThreadPoolExecutor(1) as pool:
            steps = range(self._step, self._num_steps)
            coming = pool.submit(self._lesson.batch, self._step) if steps else None
            for step in steps:
                assert coming is not None
                tiles = coming.result()
                coming = pool.submit(self._lesson.batch, step + 1) if step + 1 < self._num_steps else None
                yield tiles

    def _learn(self, tiles: Tiles) -> None:
        """One step."""
        rate = learning_rate(self._settings, self._step, self._num_steps)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        belief = self._model(torch.tensor(tiles.pixels, device=device()))
        paid = _paid(belief, self._loss, tiles)
        self._optimiser.zero_grad()
        paid.total.backward()  # pyright: ignore[reportUnknownMemberType]
        norm = torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._settings.clip_norm)
        total, *parts = (float(part.detach()) for part in paid)
        if not (math.isfinite(total) and math.isfinite(float(norm))):
            raise RunError(
                f"the loss diverged: {total:.3g}, gradient {float(norm):.3g}",
                f"step {self._step + 1}, learning rate {rate:.2g}",
                "lower learning_rate or raise warmup, and start anew",
            )
        self._optimiser.step()  # pyright: ignore[reportUnknownMemberType]
        self._step += 1
        self._last |= {"train_loss": total, **dict(zip(_PARTS, parts, strict=True)), "learning_rate": rate}

    def _finish_epoch(self) -> None:
        """Validate, keep the weights if they are the best so far, and leave a snapshot."""
        with self._run.repeating():
            self._last |= self._validated()
            if self._last["val_loss"] < self._last.get("best_loss", math.inf):
                self._last["best_loss"] = self._last["val_loss"]
                self._run.checkpoint(_arrays(self._model), {"iteration": self._step}, name="best")
            shown = self._lesson.test.pixels[: self._settings.num_shown]
            epoch = self._step // self._settings.steps_per_epoch
            self._run.snapshot(epoch, **_as_believed(self._model, shown, self._lesson.test))

    def _validated(self) -> dict[str, float]:
        """Figures of the validation."""
        tiles = self._lesson.validation
        belief = self._model.predict(torch.tensor(tiles.pixels))
        with torch.no_grad():
            paid = _paid(belief, self._loss, tiles)
        found = _summary(self._model, beliefs_of(*belief), tiles, counted(tiles, self._settings))
        return {"val_loss": float(paid.total), **{f"val_{name}": value for name, value in found.items()}}

    def _prior_figures(self) -> dict[str, float]:
        lesson, tiles = self._lesson, self._lesson.validation
        found = _summary(lesson.model(), _constant(lesson.prior), tiles, counted(tiles, self._settings))
        return {f"prior_{name}": value for name, value in found.items()}

    def _report(self) -> None:
        settings, epoch = self._settings, self._step // self._settings.steps_per_epoch
        self._run.report(
            {"iteration": self._step, "epoch": epoch, **self._last, **self._prior},
            self._step / self._num_steps,
            epoch=epoch,
            num_epochs=settings.epochs,
            best=self._last["best_loss"],
        )

    def _keep(self) -> None:
        arrays = _arrays(self._model)
        for name, parameter in self._model.named_parameters():
            arrays |= {f"{name}:{key}": _array(value) for key, value in self._optimiser.state[parameter].items()}
        self._run.checkpoint(arrays, {"iteration": self._step, "last": self._last})

    def _restore(self) -> None:
        kept = self._run.restore()
        if kept is None:
            return
        load_weights(self._model, kept.arrays)
        for name, parameter in self._model.named_parameters():
            state = {key: value for key, value in kept.arrays.items() if key.startswith(f"{name}:")}
            self._optimiser.state[parameter] = {
                # Adam counts its steps on the CPU
                (key := full.rpartition(":")[2]): torch.tensor(value, device="cpu" if key == "step" else device())
                for full, value in state.items()
            }
        self._step, self._last = kept.metadata["iteration"], kept.metadata["last"]


def learning_rate(settings: ExpertSettings, step: int, num_steps: int) -> float:
    """Of step number ``step``: a linear rise over the warm-up, then half a cosine to zero."""
    rise = max(1, round(settings.warmup * num_steps))
    if step < rise:
        return settings.learning_rate * (step + 1) / rise
    return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(1, num_steps - rise)))


def _constant(prior: Prior) -> Beliefs:
    """The prior as one belief about all pictures."""
    return Beliefs(prior.log_weights[None], prior.climate[None], np.array([prior.day]))


def _loss(model: GeographicExpert, settings: ExpertSettings) -> GeographicLoss:
    return GeographicLoss(
        torch.tensor(GROUP_OF_CLASS),
        model.mixture,
        weights=(settings.place_weight, settings.climate_weight, settings.date_weight),
        sea_class=None if settings.shows_ocean else SEA,
    ).to(model.mean.device)


def _paid(belief: Prediction, loss: GeographicLoss, tiles: Tiles) -> LossTerms:
    """The loss of beliefs about tiles."""
    on = belief.place_logits.device
    lat, lon = (torch.tensor(degrees, device=on) for degrees in (tiles.lat, tiles.lon))
    day = torch.tensor(tiles.day, dtype=torch.float32, device=on)
    shares = torch.tensor(tiles.climate, device=on)
    return loss(*belief, lat_deg=lat, lon_deg=lon, climate_fractions=shares, day_of_year=day)


def _groups(model: GeographicExpert, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters for the optimiser: matrices decay; biases, norms and the components of beliefs do not."""
    named = dict(model.named_parameters())
    plain = [value for name, value in named.items() if value.ndim < 2 or name.startswith("mixture.")]
    matrices = [value for name, value in named.items() if not (value.ndim < 2 or name.startswith("mixture."))]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def _summary(model: GeographicExpert, beliefs: Beliefs, tiles: Tiles, counts: NDArray[np.bool_]) -> dict[str, float]:
    """The figures of the learning curves."""
    chosen = np.flatnonzero(counts)
    log_weights, _, day = beliefs.of(chosen)
    points = unit_vectors(tiles.lat[chosen], tiles.lon[chosen]).float().to(model.mean.device)
    rows = log_weights.to(model.mean.device).expand(len(chosen), -1)
    with torch.no_grad():
        nll = -float(model.mixture.paired_log_prob(points, rows).mean())
    errors = great_circle_km(tiles.lat[chosen], tiles.lon[chosen], *best_guess(model.mixture, log_weights))
    told, guessed = tiles.climate.argmax(1), beliefs.climate.argmax(1).numpy()
    return {
        "nll": nll,
        "error_km": float(errors.median()),
        "climate_accuracy": float((guessed == told).mean()),
        "date_error_days": float(day_distance(day, tiles.day[chosen]).mean()),
    }


def _as_shown(lesson: ExpertDataModule, count: int) -> dict[str, Any]:
    tiles = lesson.test.take(slice(count))
    return {**tiles._asdict(), "pixels": tiles.pixels.astype(np.float16), "bands": np.array(lesson.source.bands)}


def _as_believed(model: GeographicExpert, pixels: NDArray[np.float32], truth: Tiles) -> dict[str, Any]:
    beliefs = believe(model, pixels)
    count = len(pixels)
    guess = best_guess(model.mixture, beliefs.log_weights)
    centre_lat, centre_lon = lat_lon(model.mixture.centres.detach())
    return {
        "log_weights": beliefs.log_weights.numpy().astype(np.float16),
        "climate": beliefs.climate.numpy().astype(np.float16),
        "day": beliefs.day.astype(np.float32),
        "lat": guess[0].numpy().astype(np.float32),
        "lon": guess[1].numpy().astype(np.float32),
        "error_km": great_circle_km(truth.lat[:count], truth.lon[:count], *guess).numpy().astype(np.float32),
        "centre_lat": _array(centre_lat).astype(np.float32),
        "centre_lon": _array(centre_lon).astype(np.float32),
        "log_kappa": _array(model.mixture.kappa.log()),
    }


def _arrays(model: GeographicExpert) -> dict[str, NDArray[Any]]:
    return {name: _array(value) for name, value in model.state_dict().items()}


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()
