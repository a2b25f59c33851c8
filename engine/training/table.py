"""The task ``table``: a spatial table learns a field from a sample of its points, and is scored on the rest.

Its loop is not :class:`engine.training.trainer.Trainer`: every step sees the whole sample and is scored, and there are
neither batches nor a validation set.
"""

from __future__ import annotations

import time
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
from engine.training.trainer import (
    Clock,
    flat_state,
    load_optimizer_state,
    load_weights,
    nested_state,
    optimizer_state,
    to_array,
)

Array = NDArray[Any]

CHECKPOINT_S = 2.0
"""Seconds between two checkpoints."""

_SNAPSHOT_GROWTH = 20  # a snapshot every step at first, later whenever the steps have grown by a twentieth


def fit_table(settings: TableSettings, run: RunContext, clock: Clock = time.monotonic) -> None:
    """Fit :class:`SpatialConv` to a sample of a field: Adam on the mean absolute error over the whole sample.

    Metrics, one line a step: ``iteration`` (steps made so far, from 0), ``train_l1`` and ``test_l1``, the mean
    absolute error over the sample and over the rest of the points, and ``test_area_l1``, the latter weighted by area
    (cos φ); all in the field's units. Nothing is random after the start: the seed draws sample and kernel, so a run
    that goes on from a checkpoint gives the same bits on the CPU.

    Snapshots ``epoch-NNNN.npz``, NNNN = iteration: ``lat`` (H,), ``lon`` (W,), ``u`` and ``v`` or ``value`` (H, W), the
    field learned so far, NaN where the true one is missing; ``table`` (W', H', N), the table itself.

    The result is ``table.safetensors``: the parameters and ``lat``, ``lon``, ``learned`` (H, W, N), ``sampled`` (H, W),
    with the settings and the last scores as metadata, which stand in ``table.json`` as well.
    """
    use_thread_policy()
    known = target(settings.target)
    model = _model(settings, len(known.names), run.seed)
    data = _TableData.of(known, known.sampled(settings.sample_fraction, run.seed), model.embedding)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    snapshots, saved_at = snapshot_steps(settings.iterations), clock()
    scores: dict[str, float] = {}
    for step in range(_restore(run, model, optimizer), settings.iterations + 1):
        if run.should_stop() or clock() - saved_at > CHECKPOINT_S:
            moments, _ = flat_state(optimizer_state(model, optimizer))
            run.checkpoint(_weights(model) | moments, {"iteration": step})
            saved_at = clock()
        field = model.field().flatten(0, 1)
        loss = data.train.error(field)
        scores = data.scores(loss, field)
        run.report(
            {"iteration": step, **scores}, step / settings.iterations, epoch=step, num_epochs=settings.iterations
        )
        if step in snapshots:
            run.snapshot(step, **data.snapshot(field), table=to_array(model.embedding.weight))
        if step < settings.iterations:
            optimizer.zero_grad()
            loss.backward()  # pyright: ignore[reportUnknownMemberType]
            optimizer.step()  # pyright: ignore[reportUnknownMemberType]
    _save(settings, run, model, data, scores)


def snapshot_steps(iterations: int) -> frozenset[int]:
    """The steps that leave a snapshot: 0, 1, 2, … 20, 21, …, then 5 % apart, and the last: about 200 of 100 000."""
    steps, step = {iterations}, 0
    while step < iterations:
        steps.add(step)
        step += max(1, step // _SNAPSHOT_GROWTH)
    return frozenset(steps)


@dataclass(frozen=True)
class _Points:
    """Some points of the field: their cells (P,), their scaled values (P, N) and fractions (P,) of the area."""

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
        device = table.weight.device
        offset, scale = _scaling(known, sampled)
        cells = table.cells(torch.tensor(known.points(), device=device))
        values = torch.tensor((known.values - offset) / scale, dtype=torch.float32, device=device)
        area = torch.tensor(np.cos(np.deg2rad(known.lat)), device=device)[:, None].expand(cells.shape)

        def points(where: NDArray[np.bool_]) -> _Points:
            mask = torch.tensor(where, device=device)
            return _Points(cells[mask], values[mask], (area[mask] / area[mask].sum()).to(torch.float32))

        return cls(known, sampled, cells, points(sampled), points(known.observed & ~sampled), offset, scale)

    def scores(self, loss: Tensor, field: Tensor) -> dict[str, float]:
        """The errors so far, in the field's units."""
        detached = field.detach()
        errors = {
            "train_l1": loss.detach(),
            "test_l1": self.test.error(detached),
            "test_area_l1": self.test.area_error(detached),
        }
        return {name: self.scale * float(error) for name, error in errors.items()}

    def learned(self, field: Tensor) -> NDArray[np.float32]:
        """The learned field (H, W, N) on the points of the true one, NaN where that is missing."""
        values = self.offset + self.scale * to_array(field)[self.cells.cpu().numpy()]
        return np.where(self.known.observed[..., None], values, np.nan).astype(np.float32)

    def snapshot(self, field: Tensor) -> dict[str, NDArray[Any]]:
        """What a snapshot holds of the field, by name."""
        components = np.moveaxis(self.learned(field), -1, 0)
        return {"lat": self.known.lat, "lon": self.known.lon, **dict(zip(self.known.names, components, strict=True))}


def _scaling(known: Target, sampled: NDArray[np.bool_]) -> tuple[float, float]:
    """Offset and scale of the learned values: mean and deviation of the sample (1 if alike); no units: as is."""
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


def _weights(model: SpatialConv) -> dict[str, Array]:
    return {name: to_array(parameter) for name, parameter in model.named_parameters()}


def _restore(run: RunContext, model: SpatialConv, optimizer: torch.optim.Adam) -> int:
    """Put back the last checkpoint: parameters by name, Adam's moments as ``name:exp_avg``; returns the step."""
    kept = run.restore()
    if kept is None:
        return 0
    moments = {name: array for name, array in kept.arrays.items() if ":" in name}
    weights = {name: torch.tensor(array) for name, array in kept.arrays.items() if name not in moments}
    load_weights(model, weights, "checkpoints/last.safetensors")
    load_optimizer_state(model, optimizer, nested_state(moments, {}))
    return kept.metadata["iteration"]


def _save(
    settings: TableSettings, run: RunContext, model: SpatialConv, data: _TableData, scores: dict[str, float]
) -> None:
    with torch.no_grad():
        learned = data.learned(model.field().flatten(0, 1))
    arrays = _weights(model) | {
        "lat": data.known.lat,
        "lon": data.known.lon,
        "learned": learned,
        "sampled": data.sampled,
    }
    metadata = {
        "settings": settings.model_dump(),
        "seed": run.seed,
        "title": data.known.title,
        "units": data.known.units,
        "components": list(data.known.names),
        "num_train": data.train.cells.numel(),
        "num_test": data.test.cells.numel(),
        "offset": data.offset,
        "scale": data.scale,
        **scores,
    }
    write_checkpoint(run.files.table, arrays, metadata)
