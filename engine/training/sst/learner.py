"""A model that learns: its weights, their running average, the optimiser, and all that must survive an interruption."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.config.sst import SSTSettings
from engine.errors import RunError, StoreError
from engine.models import SpatioTemporalModel
from engine.training.sst.loss import weighted_loss
from engine.training.sst.samples import Batch

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_BETAS = (0.9, 0.99)
_YOUNG = 10  # steps over which a running average trusts the newest weights more
_FORGETTING = 0.98  # of the smoothed loss that divergence is judged by
_DIVERGED = 20.0  # times the first loss


class Step(NamedTuple):
    """What a step told: the loss and the norm of its gradient before clipping."""

    loss: float
    gradient_norm: float


class _Pair(nn.Module):
    """Mean and standard deviation (or None) of a model, as the outcome of one call."""

    def __init__(self, model: SpatioTemporalModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Any) -> tuple[Tensor, Tensor | None]:
        found = self.model.forward_details(*inputs, attention=False)
        return found.mean, found.std


class Learner:
    """AdamW on :class:`SpatioTemporalModel`, on one process or many, with an exponential average of the weights.

    After step s the average is a ← d·a + (1 − d)·w with d = min(``ema_decay``, (1 + s)/(10 + s)); :attr:`judged`, a
    model of its own, holds it: that is what is validated and kept. Several processes see different samples; the sums of
    errors and of weights are added up over all before they are divided, so that N processes with one window each make
    the step of one process with N.
    """

    def __init__(self, settings: SSTSettings, fabric: Fabric, seed: int, num_steps: int) -> None:
        cast(Any, torch).manual_seed(seed)
        self.settings = settings
        self.fabric = fabric
        self.num_steps = num_steps
        self.step = 0
        self.halvings = 0
        self._first_loss: float | None = None
        self._smooth_loss = 0.0
        model = SpatioTemporalModel(settings.model)
        self.judged = copy.deepcopy(model).to(fabric.device).eval()
        self._own = model
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=settings.learning_rate, betas=_BETAS, weight_decay=settings.weight_decay
        )
        self._model, self._optimiser = cast("tuple[Any, Any]", fabric.setup(_Pair(model), optimiser))
        # the same first weights everywhere, then another stream of random numbers for each process
        cast(Any, torch).manual_seed(seed + fabric.global_rank)

    def learn(self, batches: Sequence[Batch]) -> Step:
        """One step on the gradients of all ``batches``.

        Raises:
            RunError: the loss or its gradient is no longer finite, or the loss has grown without bound. The weights
                are those of the step before.
        """
        self._model.train()
        rate = self.learning_rate
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        weights = [cast(Tensor, batch.weight).sum() for batch in batches]
        total = self._summed(torch.stack(weights).sum()).clamp(min=torch.finfo(torch.float32).tiny)
        loss = total.new_zeros(())
        for number, batch in enumerate(batches):
            with cast(Any, self.fabric).no_backward_sync(self._model, enabled=number < len(batches) - 1):
                error = self._error(batch) / total
                # gradients are averaged over the processes; theirs must add up
                self.fabric.backward(error * self.fabric.world_size)
                loss += error.detach()
        loss = self._summed(loss)
        norm = cast(
            Tensor,
            self.fabric.clip_gradients(
                self._model, self._optimiser, max_norm=self.settings.clip_norm, error_if_nonfinite=False
            ),
        )
        self._refuse_divergence(float(loss), float(norm))
        self._optimiser.step()
        self._optimiser.zero_grad()
        self.step += 1
        self._follow()
        return Step(float(loss), float(norm))

    def _error(self, batch: Batch) -> Tensor:
        """Σ w·e of a batch, not yet divided."""
        assert batch.target is not None
        assert batch.weight is not None
        mean, std = self._model(*batch.inputs())
        return weighted_loss(self.settings.loss, mean, std, batch.target, batch.weight)[0]

    def sum_of_all(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """``values`` (n,) added up over all processes."""
        return self._summed(torch.tensor(values, device=self.fabric.device)).cpu().numpy()

    def _summed(self, value: Tensor) -> Tensor:
        if self.fabric.world_size == 1:
            return value
        return cast(Any, self.fabric).all_reduce(value, reduce_op="sum")

    def _refuse_divergence(self, loss: float, norm: float) -> None:
        if self._first_loss is None:
            self._first_loss = self._smooth_loss = loss
        self._smooth_loss = _FORGETTING * self._smooth_loss + (1.0 - _FORGETTING) * loss
        grown = self.settings.loss != "gaussian" and self._smooth_loss > _DIVERGED * self._first_loss
        if not (math.isfinite(loss) and math.isfinite(norm)) or grown:
            raise RunError(
                f"the loss diverged: {loss:.3g}, gradient {norm:.3g}",
                f"step {self.step + 1}, learning rate {self.learning_rate:.2g}",
                "lower learning_rate or raise warmup, and start anew; the best model so far is kept",
            )

    @property
    def learning_rate(self) -> float:
        """Of the step that comes next: a linear rise over the warm-up, then as the schedule says."""
        settings, rise = self.settings, max(1, round(self.settings.warmup * self.num_steps))
        if self.step < rise:
            return settings.learning_rate * (self.step + 1) / rise
        if settings.schedule == "plateau":
            return settings.learning_rate * 0.5**self.halvings
        done = (self.step - rise) / max(1, self.num_steps - rise)
        return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))

    def _follow(self) -> None:
        """Move the average towards the weights; counts and statistics of layers are taken as they are."""
        memory = min(self.settings.ema_decay, (1 + self.step) / (_YOUNG + self.step))
        with torch.no_grad():
            for average, weight in zip(self.judged.parameters(), self._own.parameters(), strict=True):
                average.lerp_(weight, 1.0 - memory)
            for kept, own in zip(self.judged.buffers(), self._own.buffers(), strict=True):
                kept.copy_(own)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that the next step depends on, by name."""
        arrays = {f"model:{name}": _array(value) for name, value in self._own.state_dict().items()}
        arrays |= {f"average:{name}": _array(value) for name, value in self.judged.state_dict().items()}
        for name, parameter in self._own.named_parameters():
            kept: Mapping[str, Tensor] = self._optimiser.state.get(parameter, {})
            arrays |= {f"adam:{name}:{key}": _array(value) for key, value in kept.items()}
        arrays["random:cpu"] = torch.get_rng_state().numpy()
        if self.fabric.device.type == "cuda":
            arrays["random:cuda"] = torch.cuda.get_rng_state(self.fabric.device).numpy()
        return arrays

    def facts(self) -> dict[str, Any]:
        """The same, as far as it is plain numbers."""
        return {
            "learner": {
                "step": self.step,
                "halvings": self.halvings,
                "first_loss": self._first_loss,
                "smooth_loss": self._smooth_loss,
            }
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
        """Go back to what :meth:`arrays` and :meth:`facts` gave.

        Raises:
            StoreError: they are of another architecture.
        """
        load_weights(self._own, _below("model:", arrays), "checkpoints/last.safetensors")
        load_weights(self.judged, _below("average:", arrays), "checkpoints/last.safetensors")
        for name, parameter in self._own.named_parameters():
            kept = _below(f"adam:{name}:", arrays)
            # Adam counts its steps on the CPU
            self._optimiser.state[parameter] = {
                key: torch.tensor(value, device="cpu" if key == "step" else parameter.device)
                for key, value in kept.items()
            }
        torch.set_rng_state(torch.tensor(arrays["random:cpu"]))
        if self.fabric.device.type == "cuda" and "random:cuda" in arrays:
            torch.cuda.set_rng_state(torch.tensor(arrays["random:cuda"]), self.fabric.device)
        kept_facts = facts["learner"]
        self.step, self.halvings = kept_facts["step"], kept_facts["halvings"]
        self._first_loss, self._smooth_loss = kept_facts["first_loss"], kept_facts["smooth_loss"]


def load_weights(model: SpatioTemporalModel, arrays: Mapping[str, NDArray[Any]], where: str) -> None:
    """Put ``arrays`` in the place of a model's weights.

    Raises:
        StoreError: they are of another architecture; the first difference is named.
    """
    own = model.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in arrays]
    wrong += [f"{name} is unknown" for name in arrays if name not in own]
    wrong += [
        f"{name} is {tuple(arrays[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in arrays and arrays[name].shape != tuple(own[name].shape)
    ]
    if wrong:
        raise StoreError(
            f"the weights are of another model: {wrong[0]}" + (f" and {len(wrong) - 1} more" if wrong[1:] else ""),
            where,
            "use them with the configuration they were made with",
        )
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(torch.tensor(np.asarray(arrays[name])))


def _below(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()
