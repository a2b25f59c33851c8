"""The training loop that every task with epochs shares: steps, validation, best weights, early stop, checkpoints.

A :class:`Trainer` drives a :class:`TrainingTask` (data, validation, snapshots), which holds a :class:`TrainingModule`
(model, optimiser and their state). A run that goes on from a checkpoint gives the same bits on the CPU.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.config.legacy import trainer_state
from engine.errors import CancelledError, RunError, StoreError
from engine.runs.checkpoints import Checkpoint
from engine.runs.context import RunContext

Clock = Callable[[], float]
Metrics = dict[str, float]
StateDict = dict[str, Any]
"""Tensors and plain JSON values in nested dictionaries, as PyTorch's ``state_dict``."""

Batch = TypeVar("Batch")


class TrainingModule(ABC):
    """A model with its optimiser: one step, and everything that the next step depends on.

    The learning rate is a function of the step, not one of torch's schedulers: they multiply a base rate, which rounds
    differently, and know no plateau after a warm-up.

    Attributes:
        model: what is trained.
        optimizer: of its parameters; Fabric's wrapper is one as well.
        clip_norm: largest norm of a step's gradient.
        step: number of steps made.
    """

    def __init__(self, model: nn.Module, optimizer: Any, clip_norm: float) -> None:
        self.model = model
        self.optimizer = optimizer
        self.clip_norm = clip_norm
        self.step = 0

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.model.parameters()).device

    @property
    @abstractmethod
    def learning_rate(self) -> float:
        """Of the next step."""

    @property
    def may_stop_early(self) -> bool:
        """Whether a training without improvement may stop; False while a lower learning rate is still to come."""
        return True

    @abstractmethod
    def backward(self, batch: Any) -> Metrics:
        """Compute the gradients of the loss of a batch; returns ``train_loss`` and other figures of it."""

    def has_diverged(self, loss: float) -> bool:
        """Whether a finite loss has grown without bound."""
        return False

    def after_epoch(self, epoch: int, has_improved: bool) -> None:  # noqa: B027 an optional hook
        """Called after every epoch's validation; ``epoch`` counts from 1."""

    def all_sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """``values`` (n,) added up over all processes."""
        return values

    def training_step(self, batch: Any) -> Metrics:
        """One step of the optimiser; returns the figures of :meth:`backward`, ``gradient_norm`` and ``learning_rate``.

        Raises:
            RunError: the loss or its gradient is not finite, or the loss has grown without bound. The weights are those
                of the step before.
        """
        self.model.train()
        rate = self.learning_rate
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        metrics = self.backward(batch)
        loss = metrics["train_loss"]
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm))
        if self.has_diverged(loss) or not (math.isfinite(loss) and math.isfinite(norm)):
            raise RunError(
                f"the loss diverged: {loss:.3g}, gradient {norm:.3g}",
                f"step {self.step + 1}, learning rate {rate:.2g}",
                "lower learning_rate or raise warmup, and start anew; the best model so far is kept",
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return {**metrics, "gradient_norm": norm, "learning_rate": rate}

    def state_dict(self) -> StateDict:
        """Weights, the optimiser's moments by parameter, random number generators, and the step."""
        random = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.device)
        optimizer = optimizer_state(self.model, self.optimizer)
        return {"model": self.model.state_dict(), "optimizer": optimizer, "random": random, "step": self.step}

    def load_state_dict(self, state: StateDict) -> None:
        """Go back to what :meth:`state_dict` gave.

        Raises:
            StoreError: it is of another architecture.
        """
        load_weights(self.model, state["model"], "checkpoints/last.safetensors")
        load_optimizer_state(self.model, self.optimizer, state.get("optimizer", {}))
        self.step = state["step"]
        if (random := state.get("random")) is not None:
            torch.set_rng_state(random["cpu"])
            if self.device.type == "cuda" and "cuda" in random:
                torch.cuda.set_rng_state(random["cuda"], self.device)


class TrainingTask(ABC):
    """What a :class:`Trainer` trains, on which data, and what it leaves of it.

    Attributes:
        module: the model with its optimiser.
        num_epochs, steps_per_epoch: how long.
        patience: epochs without a better score before the training stops; 0: never.
        min_improvement: how much lower a score must be to be better.
        monitor: the metric of :meth:`validate` that is made small; the best is reported as ``best_…``.
        is_start_candidate: whether the weights before the first step may be the best ones.
        reports_last_step_apart: whether the line of an epoch's last step is written before the validation.
    """

    module: TrainingModule
    num_epochs: int
    steps_per_epoch: int
    patience: int = 0
    min_improvement: float = 0.0
    monitor: str = "val_loss"
    is_start_candidate: bool = False
    reports_last_step_apart: bool = True

    @abstractmethod
    def train_batch(self, step: int) -> Any:
        """The batch of a step, counted over all epochs from 0; it is drawn in a thread of its own."""

    @abstractmethod
    def validate(self) -> Metrics:
        """The figures of the current weights on the validation data."""

    @abstractmethod
    def save_best(self, epoch: int, metrics: Metrics) -> None:
        """Keep the current weights, the best so far."""

    @abstractmethod
    def snapshot(self, epoch: int) -> None:
        """Leave what the page of the run draws, from the last validation; epoch 0: before the first step."""

    def initial_state(self) -> Checkpoint | None:
        """The checkpoint to begin with where the run has none of its own: that of a run which is continued."""
        return None

    def extra_metrics(self, metrics: Metrics, steps_per_s: float) -> Mapping[str, float | None]:
        """Further figures of every line: those of the baselines, speed."""
        return {}


class Trainer:
    """Trains for as many epochs as the task says, from wherever the run was left."""

    def __init__(self, run: RunContext, checkpoint_s: float, clock: Clock = time.monotonic) -> None:
        self._run = run
        self._checkpoint_s = checkpoint_s
        self._clock = clock
        self._saved_at = clock()
        self._epoch = 0  # epochs finished
        self._best: float | None = None
        self._epochs_since_best = 0
        self._metrics: Metrics = {}  # of the last step and the last validation
        self._steps_per_s = 0.0

    def fit(self, task: TrainingTask) -> None:
        """Make all steps that are left; validate and leave a snapshot before the first and after each epoch."""
        self._task, self._module = task, task.module
        self._load_checkpoint()
        if self._module.step == 0:
            self._validate(0)
        batches = prefetched(task.train_batch, range(self._module.step, task.num_epochs * task.steps_per_epoch))
        while self._epoch < task.num_epochs and not self._stops_early():
            end = (self._epoch + 1) * task.steps_per_epoch
            while self._module.step < end:
                self._checkpoint_if_due()
                self._train(next(batches))
                if self._module.step < end or task.reports_last_step_apart:
                    self._report()
            self._save_checkpoint()
            self._validate(self._epoch + 1)
            self._report()
            self._save_checkpoint()
        batches.close()

    def _stops_early(self) -> bool:
        return 0 < self._task.patience <= self._epochs_since_best and self._module.may_stop_early

    def _train(self, batch: Any) -> None:
        began = time.monotonic()
        with self._run.repeating():
            self._metrics |= self._module.training_step(batch)
        self._steps_per_s = 1.0 / max(1e-9, time.monotonic() - began)

    def _validate(self, epoch: int) -> None:
        """Validate at the end of an epoch, or before the first (0); keep the best weights and leave a snapshot."""
        task = self._task
        with self._run.repeating():
            self._metrics |= task.validate()
            score = self._metrics[task.monitor]
            is_better = self._best is None or score < self._best - task.min_improvement
            has_improved = is_better and (epoch > 0 or task.is_start_candidate)
            if has_improved:
                self._best, self._epochs_since_best = score, 0
                task.save_best(epoch, self._metrics)
            if epoch > 0:
                self._epoch, self._epochs_since_best = epoch, 0 if has_improved else self._epochs_since_best + 1
                self._module.after_epoch(epoch, has_improved)
            task.snapshot(epoch)

    def _report(self) -> None:
        task, step = self._task, self._module.step
        line = {"iteration": step, "epoch": self._epoch, **self._metrics}
        line[task.monitor.replace("val_", "best_")] = self._best
        self._run.report(
            {**line, **task.extra_metrics(self._metrics, self._steps_per_s)},
            step / (task.num_epochs * task.steps_per_epoch),
            epoch=self._epoch,
            num_epochs=task.num_epochs,
            best=self._best,
        )

    def _checkpoint_if_due(self) -> None:
        """Save a checkpoint when it is time, or when the run is asked to stop: then all processes do."""
        stop = bool(self._module.all_sum(np.array([self._run.should_stop()], float))[0])
        if stop or self._clock() - self._saved_at > self._checkpoint_s:
            self._save_checkpoint()
        if stop:  # the first process has left by now
            raise CancelledError("the run was asked to stop", str(self._run.folder), "resume it to go on")

    def _save_checkpoint(self) -> None:
        state = {
            "module": self._module.state_dict(),
            "epoch": self._epoch,
            "best": self._best,
            "epochs_since_best": self._epochs_since_best,
            "metrics": self._metrics,
        }
        self._run.checkpoint(*flat_state(state))
        self._saved_at = self._clock()

    def _load_checkpoint(self) -> None:
        kept = self._run.restore() or self._task.initial_state()
        if kept is None:
            return
        state = nested_state(*trainer_state(kept.arrays, kept.metadata, self._task.steps_per_epoch))
        self._module.load_state_dict(state["module"])
        self._epoch, self._best, self._epochs_since_best = state["epoch"], state["best"], state["epochs_since_best"]
        self._metrics = state["metrics"]


def prefetched(make: Callable[[int], Batch], steps: range) -> Generator[Batch]:
    """The batches of ``steps``; the next one is made in a thread while the last one is used.

    Not torch's ``DataLoader``: its worker processes would copy the months in memory.
    """
    with ThreadPoolExecutor(1, "batches") as pool:
        pending = pool.submit(make, steps[0]) if steps else None
        for step in steps:
            assert pending is not None
            batch = pending.result()
            pending = pool.submit(make, step + 1) if step + 1 in steps else None
            yield batch


def flat_state(state: Mapping[str, Any]) -> tuple[dict[str, NDArray[Any]], StateDict]:
    """The tensors of a nested state as arrays named ``outer:inner``, and what is left, as it was nested."""
    arrays: dict[str, NDArray[Any]] = {}
    plain: StateDict = {}
    for name, value in state.items():
        if isinstance(value, Tensor):
            arrays[name] = to_array(value)
        elif isinstance(value, Mapping):
            inner, rest = flat_state(cast("Mapping[str, Any]", value))
            arrays |= {f"{name}:{key}": array for key, array in inner.items()}
            if rest:
                plain[name] = rest
        else:
            plain[name] = value
    return arrays, plain


def nested_state(arrays: Mapping[str, NDArray[Any]], plain: StateDict) -> StateDict:
    """The state whose :func:`flat_state` these are, its tensors on the CPU; ``plain`` is changed."""
    for name, array in arrays.items():
        *outer, last = name.split(":")
        inner = plain
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last] = torch.tensor(array)
    return plain


def optimizer_state(model: nn.Module, optimizer: Any) -> dict[str, dict[str, Tensor]]:
    """The optimiser's state of every parameter that has one, by the parameter's name."""
    return {name: dict(optimizer.state[value]) for name, value in model.named_parameters() if value in optimizer.state}


def load_optimizer_state(model: nn.Module, optimizer: Any, state: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Put back what :func:`optimizer_state` gave; Adam counts its steps on the CPU."""
    for name, parameter in model.named_parameters():
        if name in state:
            optimizer.state[parameter] = {
                key: value if key == "step" else value.to(parameter.device) for key, value in state[name].items()
            }


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Put ``weights`` in the place of a model's parameters and buffers.

    Raises:
        StoreError: they are of another architecture; the first difference is named.
    """
    own = model.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in weights]
    wrong += [f"{name} is unknown" for name in weights if name not in own]
    wrong += [
        f"{name} is {tuple(weights[name].shape)}, not {tuple(value.shape)}"
        for name, value in own.items()
        if name in weights and weights[name].shape != value.shape
    ]
    if wrong:
        raise StoreError(
            f"the weights are of another model: {wrong[0]}" + (f" and {len(wrong) - 1} more" if wrong[1:] else ""),
            where,
            "use them with the configuration they were made with",
        )
    model.load_state_dict(weights)


def to_array(tensor: Tensor) -> NDArray[Any]:
    """A tensor's values on the CPU, without its gradient."""
    return tensor.detach().cpu().numpy()
