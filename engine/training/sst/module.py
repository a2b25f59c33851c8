"""The training module of the task ``sst``: model, averaged weights, optimiser, loss and learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from engine.config.sst import SSTSettings
from engine.models import ReconstructionModel, build_model
from engine.training.sst.samples import Batch
from engine.training.trainer import Metrics, StateDict, TrainingModule, load_weights
from engine.typed import Floats

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Loss = Literal["l1", "l2", "gaussian"]

_BETA1 = 0.9
_EMA_WARMUP = 10  # steps over which the average forgets faster
_LOSS_DECAY = 0.98  # of the smoothed loss that divergence is measured by
_DIVERGED = 20.0  # times the first loss
_STD_GRADIENT = 0.1  # weight of the standard deviation's gradient beside a scaled error: the mean comes first


class _MeanAndStd(nn.Module):
    """Mean and standard deviation (or None) of a model, as the outcome of one call."""

    def __init__(self, model: ReconstructionModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Any) -> tuple[Tensor, Tensor | None]:
        output = self.model.forward_details(*inputs, attention=False, check=False)
        return output.mean, output.std


class SSTModule(TrainingModule):
    """AdamW on :class:`SpatioTemporalModel`, on one process or many, with an exponential average of the weights.

    After step s the average is a ← d·a + (1 − d)·w with d = min(``ema_decay``, (1 + s)/(10 + s)); :attr:`ema_model`
    holds it: that is what is validated and kept. Several processes see different samples; the sums of errors and of
    weights are added up over all before they are divided, so that N processes with one window each make the step of one
    process with N.
    """

    def __init__(self, settings: SSTSettings, fabric: Fabric, seed: int, num_steps: int, scale: float = 1.0) -> None:
        """``scale``: size of ordinary differences of the variable, :class:`engine.data.kinds.VariableKind`.

        Gradients are those of errors in units of it, so that no unit decides on clipping.
        """
        cast(Any, torch).manual_seed(seed)
        self.settings = settings
        self.fabric = fabric
        self.num_steps = num_steps
        model = build_model(settings.model.scaled(scale))
        self._average = AveragedModel(model, fabric.device, multi_avg_fn=self._move_average).eval()
        self._average.n_averaged.fill_(1)  # the first weights count as the first term of the average
        optimiser = torch.optim.AdamW(
            model.parameters(),
            lr=settings.learning_rate,
            betas=(_BETA1, settings.beta2),
            weight_decay=settings.weight_decay,
        )
        self._parallel, wrapped = cast("tuple[Any, Any]", fabric.setup(_MeanAndStd(model), optimiser))
        self._scale = scale
        super().__init__(model, wrapped, settings.clip_norm or math.inf)
        self._halvings = self._halved_at = 0
        self._first_loss: float | None = None
        self._smooth_loss = 0.0
        self._seed = seed
        cast(Any, torch).manual_seed(seed)

    @property
    def ema_model(self) -> ReconstructionModel:
        """The model with the averaged weights, in ``eval`` mode."""
        return cast(ReconstructionModel, self._average.module)

    def _move_average(self, averages: Any, weights: Any, num_averaged: Any) -> None:
        """Move the average towards the weights; ``num_averaged`` is the number s of steps made."""
        step = int(num_averaged)
        decay = min(self.settings.ema_decay, (1 + step) / (_EMA_WARMUP + step))
        for average, weight in zip(averages, weights, strict=True):
            average.lerp_(weight, 1.0 - decay)

    @property
    def learning_rate(self) -> float:
        """Of the next step: a linear rise over the warm-up, then as the schedule says."""
        settings, rise = self.settings, max(1, round(self.settings.warmup * self.num_steps))
        if self.step < rise:
            return settings.learning_rate * (self.step + 1) / rise
        if settings.schedule == "plateau":
            return max(settings.min_learning_rate, settings.learning_rate * 0.5**self._halvings)
        done = (self.step - rise) / max(1, self.num_steps - rise)
        return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))

    @property
    def may_stop_early(self) -> bool:
        """Whether the rate of the schedule ``plateau`` is at its least, where there is one."""
        return self.settings.schedule != "plateau" or self.learning_rate <= self._least_rate

    @property
    def _least_rate(self) -> float:
        return self.settings.min_learning_rate or math.inf

    def backward(self, batch: Sequence[Batch]) -> Metrics:
        """Gradients of the weighted error of all windows of one step, which come in several batches."""
        weights = [cast(Tensor, windows.weight).sum() for windows in batch]
        total = self._sum(torch.stack(weights).sum()).clamp(min=torch.finfo(torch.float32).tiny)
        loss = total.new_zeros(())
        for number, windows in enumerate(batch):
            assert windows.target is not None
            assert windows.weight is not None
            with cast(Any, self.fabric).no_backward_sync(self._parallel, enabled=number < len(batch) - 1):
                mean, std = self._parallel(*windows.inputs())
                target = windows.target / self._scale
                std = None if std is None else std / self._scale
                error = weighted_error(self.settings.loss, mean / self._scale, std, target, windows.weight) / total
                # gradients are averaged over the processes; theirs must add up
                self.fabric.backward(error * self.fabric.world_size)
                loss += error.detach()
        return {"train_loss": self._in_units(float(self._sum(loss)))}

    def _in_units(self, loss: float) -> float:
        """A loss of values in units of the scale as the same of values in the unit of the variable."""
        if self.settings.loss == "gaussian":
            return loss + math.log(self._scale)
        return loss * self._scale ** (2 if self.settings.loss == "l2" else 1)

    def all_sum(self, values: Floats) -> Floats:
        """``values`` (n,) added up over all processes."""
        return self._sum(torch.tensor(values, device=self.fabric.device)).cpu().numpy()

    def _sum(self, value: Tensor) -> Tensor:
        return value if self.fabric.world_size == 1 else cast(Any, self.fabric).all_reduce(value, reduce_op="sum")

    def has_diverged(self, loss: float) -> bool:
        """Whether the smoothed loss is 20 times the first one; a likelihood has no such scale."""
        if self._first_loss is None:
            self._first_loss = self._smooth_loss = loss
        self._smooth_loss = _LOSS_DECAY * self._smooth_loss + (1.0 - _LOSS_DECAY) * loss
        return self.settings.loss != "gaussian" and self._smooth_loss > _DIVERGED * self._first_loss

    def training_step(self, batch: Sequence[Batch]) -> Metrics:
        """As the base class, and an update of the average; counts and statistics of layers are taken as they are.

        Of several processes each has a stream of random numbers of its own, which follows from its rank and the step: a
        checkpoint holds the generators of the first one only.
        """
        if self.fabric.world_size > 1:
            number = self.step * self.fabric.world_size + self.fabric.global_rank
            cast(Any, torch).manual_seed(self._seed + number)
        metrics = super().training_step(batch)
        self._average.update_parameters(self.model)
        return metrics

    def after_epoch(self, epoch: int, has_improved: bool) -> None:
        """Halve the learning rate of the schedule ``plateau`` where the score has not improved for long enough."""
        if has_improved:
            self._halved_at = epoch
        elif epoch - self._halved_at >= self.settings.plateau_patience:
            self._halvings, self._halved_at = self._halvings + 1, epoch

    def state_dict(self) -> StateDict:
        """As the base class, with the averaged weights, and what schedule and divergence depend on."""
        return super().state_dict() | {
            "ema_model": self.ema_model.state_dict(),
            "halvings": self._halvings,
            "halved_at": self._halved_at,
            "first_loss": self._first_loss,
            "smooth_loss": self._smooth_loss,
        }

    def load_state_dict(self, state: StateDict) -> None:
        """Go back to what :meth:`state_dict` gave; StoreError where it is of another architecture."""
        super().load_state_dict(state)
        load_weights(self.ema_model, state["ema_model"], "checkpoints/last.safetensors")
        self._average.n_averaged.fill_(1 + self.step)
        self._halvings, self._halved_at = state["halvings"], state["halved_at"]
        self._first_loss, self._smooth_loss = state["first_loss"], state["smooth_loss"]


def weighted_error(kind: Loss, mean: Tensor, std: Tensor | None, target: Tensor, weight: Tensor) -> Tensor:
    """Sum Σ w·e over all cells; the loss is this over Σ w, so that several processes can add theirs up first.

    e is |x − y| (``l1``), (x − y)² (``l2``), or −log N(y; x, σ²) = ½((x − y)/σ)² + log σ + ½ log 2π (``gaussian``).
    A σ beside ``l1`` or ``l2`` learns from the same likelihood with x − y held constant and a tenth of its weight, so
    that the mean is not excused where σ is large (Seitzer et al. 2022, arXiv:2203.09168); features before the head
    serve both. The value of the loss stays that of the mean's error.

    Where w = 0 the target may be anything, NaN too: it reaches neither the value nor a gradient.

    Args:
        kind: which error.
        mean: (B, M, H, W), the reconstruction, in units of the variable's scale (1 °C).
        std: (B, M, H, W), its predicted standard deviation, or None; ``gaussian`` needs it.
        target: (B, M, H, W).
        weight: (B, M, H, W), area where a target is known, else 0.

    Returns:
        The sum, a float32 scalar.
    """
    is_weighted = weight > 0
    error = mean.float() - torch.where(is_weighted, target, mean.detach())
    if kind == "l1":
        values = error.abs()
    elif kind == "l2":
        values = error.square()
    else:
        assert std is not None
        values = _gaussian_nll(error, std)
    if kind != "gaussian" and std is not None:
        nll = _gaussian_nll(error.detach(), std)
        values = values + _STD_GRADIENT * (nll - nll.detach())
    return torch.where(is_weighted, values * weight, 0.0).sum()


def _gaussian_nll(error: Tensor, std: Tensor) -> Tensor:
    """−log N(error; 0, σ²); torch's ``gaussian_nll_loss`` takes σ², and ½ log σ² rounds differently from log σ."""
    spread = std.float()
    return 0.5 * (error / spread).square() + spread.log() + 0.5 * math.log(2.0 * math.pi)
