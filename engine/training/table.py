"""The task ``table``: a spatial table learns a field from a sample of its points, and is scored on the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.compute import device, use_thread_policy
from engine.config.run_config import TableSettings
from engine.data.vectors import Target, target
from engine.embedding.table import Embedding2d
from engine.models.spatial_conv import SpatialConv
from engine.runs.checkpoints import write_checkpoint
from engine.runs.context import RunContext

CHECKPOINT_S = 2.0
"""Seconds between two checkpoints."""

_ADAM = ("step", "exp_avg", "exp_avg_sq")
_SNAPSHOT_GROWTH = 20  # a snapshot every step at first, later whenever the steps have grown by a twentieth


def fit_table(settings: TableSettings, run: RunContext, clock: Callable[[], float] = time.monotonic) -> None:
    """Fit :class:`SpatialConv` to a sample of a field: Adam on the mean absolute error over the whole sample.

    Metrics, one line a step: ``iteration`` (steps made so far, from 0), ``train_l1`` and ``test_l1``, the mean
    absolute error over the sample and over the rest of the points, and ``test_area_l1``, the latter weighted by area
    (cos φ); all in the field's units. Nothing is random after the start: the seed draws sample and kernel, so a run
    that goes on from a checkpoint gives the same bits on the CPU.

    Snapshots ``epoch-NNNN.npz``, NNNN = iteration: ``lat`` (H,), ``lon`` (W,), ``u`` and ``v`` or ``value`` (H, W), the
    field learned so far, NaN where the true one is missing; ``table`` (W', H', N), the table itself.

    The result is ``table.safetensors``: the parameters and ``lat``, ``lon``, ``learned`` (H, W, N), ``sampled`` (H, W),
    with the settings and the last scores as facts, which stand in ``table.json`` as well.
    """
    use_thread_policy()
    known = target(settings.target)
    model = _model(settings, len(known.names), run.seed)
    lesson = _TableData.of(known, known.sampled(settings.sample_fraction, run.seed), model.embedding)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    snapshots, kept_at = snapshot_steps(settings.iterations), clock()
    scores: dict[str, float] = {}
    for step in range(_restore(run, model, optimiser), settings.iterations + 1):
        if run.should_stop() or clock() - kept_at > CHECKPOINT_S:
            run.checkpoint(_state(model, optimiser), {"iteration": step})
            kept_at = clock()
        field = model.field().flatten(0, 1)
        loss = lesson.train.error(field)
        scores = lesson.scores(loss, field)
        run.report(
            {"iteration": step, **scores}, step / settings.iterations, epoch=step, num_epochs=settings.iterations
        )
        if step in snapshots:
            run.snapshot(step, **lesson.drawn(field), table=_array(model.embedding.weight))
        if step < settings.iterations:
            optimiser.zero_grad()
            loss.backward()  # pyright: ignore[reportUnknownMemberType]
            optimiser.step()  # pyright: ignore[reportUnknownMemberType]
    _save(settings, run, model, lesson, scores)


def snapshot_steps(iterations: int) -> frozenset[int]:
    """The steps that leave a snapshot: 0, 1, 2, … 20, 21, …, then 5 % apart, and the last: about 200 of 100 000."""
    steps, step = {iterations}, 0
    while step < iterations:
        steps.add(step)
        step += max(1, step // _SNAPSHOT_GROWTH)
    return frozenset(steps)


@dataclass(frozen=True)
class _Points:
    """Some points of the field: the cells (P,) they lie in, their scaled values (P, N) and their areas' shares (P,)."""

    cells: Tensor
    values: Tensor
    area: Tensor

    def error(self, field: Tensor) -> Tensor:
        """Mean absolute error of ``field`` (cells, N)."""
        return (field[self.cells] - self.values).abs().mean()

    def area_error(self, field: Tensor) -> Tensor:
        """The same, weighted by area."""
        return (field[self.cells] - self.values).abs().mean(-1) @ self.area


@dataclass(frozen=True)
class _TableData:
    """The field, its sample, and how it is scaled: learned = (value − offset) / scale."""

    known: Target
    sampled: NDArray[np.bool_]
    cells: Tensor
    train: _Points
    test: _Points
    offset: float
    scale: float

    @classmethod
    def of(cls, known: Target, sampled: NDArray[np.bool_], table: Embedding2d) -> _TableData:
        place = table.weight.device
        offset, scale = _scaling(known, sampled)
        cells = table.cells(torch.tensor(known.points(), device=place))
        values = torch.tensor((known.values - offset) / scale, dtype=torch.float32, device=place)
        area = torch.tensor(np.cos(np.deg2rad(known.lat)), device=place)[:, None].expand(cells.shape)

        def points(where: NDArray[np.bool_]) -> _Points:
            mask = torch.tensor(where, device=place)
            return _Points(cells[mask], values[mask], (area[mask] / area[mask].sum()).to(torch.float32))

        return cls(known, sampled, cells, points(sampled), points(known.observed & ~sampled), offset, scale)

    def scores(self, loss: Tensor, field: Tensor) -> dict[str, float]:
        """The errors so far, in the field's units."""
        seen = field.detach()
        errors = {
            "train_l1": loss.detach(),
            "test_l1": self.test.error(seen),
            "test_area_l1": self.test.area_error(seen),
        }
        return {name: self.scale * float(error) for name, error in errors.items()}

    def learned(self, field: Tensor) -> NDArray[np.float32]:
        """The learned field (H, W, N) on the points of the true one, NaN where that is missing."""
        values = self.offset + self.scale * _array(field)[self.cells.cpu().numpy()]
        return np.where(self.known.observed[..., None], values, np.nan).astype(np.float32)

    def drawn(self, field: Tensor) -> dict[str, NDArray[Any]]:
        """What a snapshot holds of the field, by name."""
        components = np.moveaxis(self.learned(field), -1, 0)
        return {"lat": self.known.lat, "lon": self.known.lon, **dict(zip(self.known.names, components, strict=True))}


def _scaling(known: Target, sampled: NDArray[np.bool_]) -> tuple[float, float]:
    """Offset and scale of what is learned: mean and standard deviation of the sample (1 if alike); no units: as is."""
    if known.units == "1":
        return 0.0, 1.0
    values = known.values[sampled]
    return float(values.mean()), float(values.std()) or 1.0


def _model(settings: TableSettings, num_components: int, seed: int) -> SpatialConv:
    return SpatialConv(
        (settings.width, settings.height, num_components),
        padding=(settings.padding, settings.padding),
        topology=settings.topology,
        seed=seed,
        device=device(),
    )


def _state(model: SpatialConv, optimiser: torch.optim.Adam) -> dict[str, NDArray[Any]]:
    """Parameters by name, and Adam's step and moments of each as ``name:exp_avg`` and so on."""
    arrays = {name: _array(parameter) for name, parameter in model.named_parameters()}
    for name, parameter in model.named_parameters():
        arrays |= {f"{name}:{key}": _array(value) for key, value in optimiser.state[parameter].items()}
    return arrays


def _restore(run: RunContext, model: SpatialConv, optimiser: torch.optim.Adam) -> int:
    """Put back what the last checkpoint kept; returns the number of steps made."""
    kept = run.restore()
    if kept is None:
        return 0
    for name, parameter in model.named_parameters():
        parameter.data.copy_(torch.tensor(kept.arrays[name]))
        names = {key: f"{name}:{key}" for key in _ADAM if f"{name}:{key}" in kept.arrays}
        # Adam counts its steps on the CPU
        places = {key: "cpu" if key == "step" else parameter.device for key in names}
        optimiser.state[parameter] = {key: torch.tensor(kept.arrays[names[key]], device=places[key]) for key in names}
    return kept.metadata["iteration"]


def _save(
    settings: TableSettings, run: RunContext, model: SpatialConv, lesson: _TableData, scores: dict[str, float]
) -> None:
    arrays = {name: _array(parameter) for name, parameter in model.named_parameters()}
    with torch.no_grad():
        learned = lesson.learned(model.field().flatten(0, 1))
    arrays |= {"lat": lesson.known.lat, "lon": lesson.known.lon, "learned": learned, "sampled": lesson.sampled}
    facts = {
        "settings": settings.model_dump(),
        "seed": run.seed,
        "title": lesson.known.title,
        "units": lesson.known.units,
        "components": list(lesson.known.names),
        "num_train": lesson.train.cells.numel(),
        "num_test": lesson.test.cells.numel(),
        "offset": lesson.offset,
        "scale": lesson.scale,
        **scores,
    }
    write_checkpoint(run.files.table, arrays, facts)


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()
