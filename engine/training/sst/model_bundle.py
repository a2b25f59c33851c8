"""A trained model with all that is needed to use it, as one file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.assets import asset
from engine.compute import device
from engine.config.legacy import existing_file
from engine.config.run_config import RunConfig
from engine.config.sst import SSTSettings
from engine.data.kinds import SST, VariableKind, kind_from
from engine.data.source import MonthlyData
from engine.embedding import HarmonicBasis
from engine.errors import ChoiceError, ConfigError, DataError, EngineError, StoreError
from engine.evaluation.strata import OBSERVATION_CLASSES
from engine.formats.npz import read_npz
from engine.models import ReconstructionModel, build_model
from engine.models.baselines import Baselines, Climatology
from engine.models.spatiotemporal.estimate import count_parameters
from engine.provenance import code_version
from engine.runs.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from engine.runs.run_folder import RunFolder, runs_folder
from engine.sphere import LatLonGrid
from engine.training.sst.positions import PatchPositions
from engine.training.sst.samples import ModelInputs
from engine.training.sst.windows import Windows
from engine.training.trainer import load_weights

FORMAT = "harmonia.sst_model"
VERSION = 1
"""Of models of the sea-surface temperature."""

VERSION_OF_KINDS = 2
"""Of models of other variables: programs that know version 1 alone would take their values for °C."""

PRETRAINED = "pretrained/sst-tiny.safetensors"
"""The shipped model, below ``assets``; ``python -m engine.training.sst.pretrain`` makes it."""

PRETRAINED_BASELINES = "pretrained/sst-tiny-baselines.npz"
"""Its baselines."""

_STEP_K = 0.002  # the climatology is kept in steps of 2 mK, or of this share of the scale: 16 bits reach ±65 °C
_NO_VALUE = -(2**15)
_FEW_WEIGHTS = 2**24  # a model of so many is built before it is compared with its file
_BASIS = ("mean", "components", "eigenvalues", "std")


@dataclass(frozen=True, eq=False)
class ModelBundle:
    """A trained model, and all that it needs beside the days.

    Attributes:
        model: the weights, in ``eval`` mode.
        settings: how it was trained.
        seed: of that run.
        basis: what its position embedding is made of; None for other encoders.
        climatology: subtracted from the days; on the grid it was trained on.
        scores: of its validation: ``epoch``, ``val_mae`` and so on; and the training data: ``data_name``, ``data_key``,
            and for files ``data_understood``, ``data_decided``.
        fallback: the climatology that the baselines know, of more years, for what no window has an observation of; it
            lies beside the model's file (:func:`load_model`). None: ``climatology``.
        variable: the kind of variable that it reconstructs.
        baselines: all fitted numbers of the baselines beside the model's file; empty where there are none.
        std_factors: by class of cells what the predicted standard deviation is multiplied by, as fitted on the
            validation months (:func:`engine.evaluation.uncertainty.fit_std_factors`); empty: left as it is.
    """

    model: ReconstructionModel
    settings: SSTSettings
    seed: int
    basis: HarmonicBasis | None
    climatology: Climatology
    scores: dict[str, Any]
    fallback: Climatology | None = None
    variable: VariableKind = SST
    baselines: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, NDArray[Any]])
    std_factors: Mapping[str, float] = field(default_factory=dict[str, float])

    @cached_property
    def key(self) -> str:
        """A hash (32 hexadecimal digits) of all numbers that its results, and what they are compared with, depend on:
        weights, basis, climatology, fallback, baselines, factors of the deviation, and the kind of variable.
        """
        arrays = {f"weights:{name}": value.cpu().numpy() for name, value in self.model.state_dict().items()}
        if self.basis is not None:
            arrays |= {f"basis:{name}": cast(Tensor, getattr(self.basis, name)).numpy() for name in _BASIS}
        for part, known in (("climatology", self.climatology), ("fallback", self.fallback)):
            if known is not None:
                arrays |= {f"{part}:{name}": value for name, value in _packed(known, self.variable).items()}
        arrays |= {f"baselines:{name}": value for name, value in self.baselines.items()}
        digest = hashlib.sha256()
        for name, value in sorted(arrays.items()):
            digest.update(f"|{name}|{value.dtype.str}|{value.shape}|".encode() + np.ascontiguousarray(value).tobytes())
        if self.variable != SST:
            digest.update(json.dumps(self.variable.as_dict()).encode())
        if self.std_factors:
            digest.update(json.dumps(self.std_factors, sort_keys=True).encode())
        return digest.hexdigest()[:32]

    def model_inputs(self, data: MonthlyData) -> ModelInputs:
        """``data`` as the model reads it, on whatever grid it lies.

        Raises:
            ChoiceError: data of another kind of variable. DataError: a sea that the model has no climatology of.
        """
        self.check_variable(data.variable)
        data, settings = replace(data, variable=self.variable), self.settings
        windows = Windows.of(data.grid, settings.window, settings.overlap, settings.model.patch[1:])
        climatology, fallback = (
            None if known is None else on_grid(known, data.grid, data.land)
            for known in (self.climatology, self.fallback)
        )
        assert climatology is not None
        positions = PatchPositions(settings.model, windows, self.basis)
        return ModelInputs.of(data, climatology, windows, positions, fallback, self.std_factors)

    def check_variable(self, variable: VariableKind) -> None:
        """Raise :class:`ChoiceError` unless the model reconstructs this kind of variable."""
        if (variable.key, variable.unit) == (self.variable.key, self.variable.unit):
            return
        learned, offered = (f"{kind.phrase} ({kind.unit})" for kind in (self.variable, variable))
        raise ChoiceError(
            f"the model has learned {learned}; this is {offered}",
            "the model and its source",
            f"choose a model that was trained on {variable.phrase}, train one on this source, or choose another kind "
            "for the source where it was mistaken",
        )

    def save(self, path: Path) -> None:
        """Write everything as safetensors, whole or not at all."""
        arrays = {f"weights:{name}": value.cpu().numpy() for name, value in self.model.state_dict().items()}
        arrays |= {f"climatology:{name}": value for name, value in _packed(self.climatology, self.variable).items()}
        metadata: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "code_version": code_version(),
            "config": RunConfig(seed=self.seed, settings=self.settings).model_dump(mode="json"),
            "scores": self.scores,
        }
        if self.std_factors:
            metadata["std_factors"] = dict(self.std_factors)
        if self.variable != SST:
            metadata |= {"version": VERSION_OF_KINDS, "variable": self.variable.as_dict()}
        if self.basis is not None:
            arrays |= {f"basis:{name}": cast(Tensor, getattr(self.basis, name)).numpy() for name in _BASIS}
            arrays |= {"basis:lat": self.basis.grid.lat, "basis:lon": self.basis.grid.lon}
            if self.basis.where is not None:
                arrays["basis:where"] = np.packbits(self.basis.where.numpy())
            metadata["basis"] = {"max_degree": self.basis.max_degree, "domain": self.basis.domain}
        write_checkpoint(path, arrays, metadata)

    @classmethod
    def load(cls, path: Path) -> ModelBundle:
        """Read what :meth:`save` wrote.

        Raises:
            StoreError: there is no such file; it is damaged, of another kind, version or architecture.
        """
        kept = read_checkpoint(path)
        if kept is None:
            raise StoreError("there is no trained model", str(path), "train one, or check the path")
        if kept.metadata.get("format") != FORMAT:
            raise StoreError(
                "the file holds something other than a trained model", str(path), f"choose a {FORMAT} file"
            )
        try:
            return cls._built(kept, path)
        except StoreError:
            raise
        except Exception as error:  # entries that are missing, or of another type or shape
            problem = f"the model file is damaged: {' '.join(str(error).split())[:200] or type(error).__name__}"
            raise StoreError(problem, str(path), "restore it from a copy, or train again") from error

    @classmethod
    def _built(cls, kept: Checkpoint, path: Path) -> ModelBundle:
        if kept.metadata["version"] > VERSION_OF_KINDS:
            raise StoreError("the model was written by a newer Harmonia", str(path), "update Harmonia")
        try:
            config = RunConfig.checked(kept.metadata["config"], str(path))
        except ConfigError as error:
            raise StoreError(
                f"the model's settings are not understood: {error.problem}", str(path), "use the Harmonia that wrote it"
            ) from error
        if not isinstance(config.settings, SSTSettings):
            raise ValueError(f"its task is {config.task!r}")
        weights = {name: torch.tensor(array) for name, array in _below("weights:", kept).items()}
        declared, held = count_parameters(config.settings.model), sum(value.numel() for value in weights.values())
        if declared > max(held, _FEW_WEIGHTS):  # else the first that differs is named below
            raise ValueError(f"its settings declare {declared:,} weights, it holds {held:,}")
        variable = kind_from(kept.metadata.get("variable"))
        model = build_model(config.settings.model.scaled(variable.measured_scale))
        load_weights(model, weights, str(path))
        return cls(
            model.to(device()).eval(),
            config.settings,
            config.seed,
            _basis(kept),
            _unpacked(_below("climatology:", kept)),
            dict(kept.metadata["scores"]),
            variable=variable,
            std_factors=_factors(kept.metadata.get("std_factors", {})),
        )


def _factors(values: Mapping[str, Any]) -> dict[str, float]:
    factors = {label: float(value) for label, value in values.items()}
    if not factors.keys() <= set(OBSERVATION_CLASSES) or not all(0.0 < value < np.inf for value in factors.values()):
        raise ValueError("the factors of its standard deviation are not those of known classes, or not positive")
    return factors


def load_model(path_or_run: str | Path) -> ModelBundle:
    """A trained model: a run's id, a run's folder, or a model file; ``"pretrained"`` is the one that comes with us,
    trained on the demo ocean; its card lies beside it in ``assets``.

    Raises:
        StoreError: there is none, or the file is damaged, of another version or architecture.
    """
    if str(path_or_run) == "pretrained":
        path, baselines = asset(PRETRAINED), asset(PRETRAINED_BASELINES)
    else:
        path = Path(path_or_run)
        if not path.exists() and len(path.parts) == 1:
            path = runs_folder() / path
        path = RunFolder(path).model if path.is_dir() else path
        baselines = RunFolder(path.parent).baselines
    arrays = _read_baselines(existing_file(baselines))
    if arrays is None:
        return ModelBundle.load(path)
    fallback = Baselines.from_state_dict(arrays).climatology
    return replace(ModelBundle.load(path), fallback=fallback, baselines=arrays)


def _read_baselines(path: Path) -> dict[str, NDArray[Any]] | None:
    """The fitted numbers of baselines in a file; None where there is none, or it is damaged or lacks an array."""
    if not path.is_file():
        return None
    with suppress(EngineError, LookupError, ValueError, TypeError):
        arrays = read_npz(path)
        Baselines.from_state_dict(arrays)
        return arrays
    return None


def stored_precision(climatology: Climatology, variable: VariableKind = SST) -> Climatology:
    """The same climatology as a model file keeps it, so that a model is used with what it was trained with."""
    return _unpacked(_packed(climatology, variable))


def _packed(climatology: Climatology, variable: VariableKind) -> dict[str, NDArray[Any]]:
    coeffs = np.nan_to_num(climatology.coeffs)
    step = _STEP_K * variable.measured_scale
    if variable != SST:  # values may be larger than 16 bits of such steps reach
        step = max(step, float(np.abs(coeffs).max(initial=0.0)) / (-_NO_VALUE - 2))
    steps = np.round(coeffs / step).clip(_NO_VALUE + 1, -_NO_VALUE - 1)
    packed = {
        "coeffs": np.where(np.isfinite(climatology.coeffs), steps, _NO_VALUE).astype(np.int16),
        "lat": climatology.grid.lat,
        "lon": climatology.grid.lon,
    }
    return packed if variable == SST else packed | {"step": np.array([step])}


def _unpacked(arrays: Mapping[str, NDArray[Any]]) -> Climatology:
    steps, step = arrays["coeffs"], float(arrays["step"][0]) if "step" in arrays else _STEP_K
    coeffs = np.where(steps == _NO_VALUE, np.nan, steps * step).astype(np.float32)
    return Climatology(coeffs, LatLonGrid(arrays["lat"], arrays["lon"]))


def _basis(kept: Checkpoint) -> HarmonicBasis | None:
    arrays = _below("basis:", kept)
    if not arrays:
        return None
    grid = LatLonGrid(arrays["lat"], arrays["lon"])
    where = None
    if "where" in arrays:
        if 8 * arrays["where"].size < grid.shape[0] * grid.shape[1]:
            raise ValueError("the mask of its basis is too small")
        cells = np.unpackbits(arrays["where"], count=grid.shape[0] * grid.shape[1])
        where = torch.tensor(cells.astype(bool).reshape(grid.shape))
    tensors = {name: torch.tensor(arrays[name]) for name in _BASIS}
    return HarmonicBasis(grid=grid, where=where, **tensors, **kept.metadata["basis"])


def _below(prefix: str, kept: Checkpoint) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): value for name, value in kept.arrays.items() if name.startswith(prefix)}


def on_grid(climatology: Climatology, grid: LatLonGrid, land: NDArray[np.bool_]) -> Climatology:
    """A climatology on another grid, or for another coast: bilinear among the sea cells around, else along the row.

    Raises:
        DataError: cells of the sea lie beyond the rows or columns it knows.
    """
    own, coeffs = climatology.grid, climatology.coeffs
    known = np.isfinite(coeffs[0])
    if own == grid and (known | land).all():
        return climatology
    ascending = slice(None, None, 1 if own.lat[0] < own.lat[-1] else -1)
    rows = np.interp(grid.lat, own.lat[ascending], np.arange(own.lat.size)[ascending])
    spacing = float(np.abs(np.diff(own.lat)).max())
    beyond = (np.abs(grid.lat - np.clip(grid.lat, *sorted((own.lat[0], own.lat[-1])))) > 1.5 * spacing)[:, None]
    columns = _columns(own, grid.lon)
    if not own.is_periodic:
        inside = columns.clip(0, own.lon.size - 1)
        beyond = beyond | (np.abs(columns - inside) > 1.5)
        columns = inside
    if (beyond & ~land).any():
        raise DataError(
            "the model knows no climatology for a part of this sea", f"{grid!r}, the model's {own!r}", "train one here"
        )
    total, weight = np.zeros((len(coeffs), *grid.shape)), np.zeros(grid.shape)
    south, west = np.floor(rows).astype(int), np.floor(columns).astype(int)
    for north in (0, 1):
        row = np.minimum(south + north, own.lat.size - 1)
        row_weight = np.abs(1.0 - north - (rows - south))[:, None]
        for east in (0, 1):
            column = (west + east) % own.lon.size
            near = row_weight * np.abs(1.0 - east - (columns - west)) * known[row][:, column]
            total += near * np.nan_to_num(coeffs[:, row][:, :, column])
            weight += near
    around = np.ix_(np.rint(rows).astype(int), np.rint(columns).astype(int) % own.lon.size)
    coeffs_there = np.where(
        weight > 0, total / np.where(weight > 0, weight, 1.0), _filled(coeffs, known, own.is_periodic)[:, *around]
    )
    return Climatology(np.where(land, np.nan, coeffs_there).astype(np.float32), grid)


def baselines_on_grid(baselines: Baselines, grid: LatLonGrid, land: NDArray[np.bool_]) -> Baselines:
    """The baselines on another grid, or for another coast, as :func:`on_grid`."""
    own = baselines.climatology
    known = np.isfinite(own.coeffs[0])

    def regrid(fields: NDArray[np.float32]) -> NDArray[np.float32]:
        shaped = np.where(known, fields, np.float32(np.nan)).reshape(-1, *known.shape)
        moved = on_grid(Climatology(shaped, own.grid), grid, land).coeffs
        return moved.reshape(*fields.shape[:-2], *grid.shape)

    climatology = on_grid(own, grid, land)
    return baselines if climatology is own else baselines.on_grid(climatology, regrid)


def _columns(own: LatLonGrid, lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns of ``own``, not whole ones, where ``lon`` lies: [0, W) on a circle, else nearest to the middle."""
    if own.is_periodic:
        return (lon - own.lon[0]) % 360.0 / own.lon_step
    middle = (own.lon[0] + own.lon[-1]) / 2.0
    return ((lon - middle + 180.0) % 360.0 - 180.0 + middle - own.lon[0]) / own.lon_step


def _filled(coeffs: NDArray[np.float32], known: NDArray[np.bool_], is_periodic: bool) -> NDArray[np.float32]:
    """``coeffs`` (5, H, W) with unknown cells between the known ones of their row, linearly; else the mean of all."""
    filled = np.empty_like(coeffs)
    filled[:] = coeffs[:, known].mean(axis=1)[:, None, None]
    width = known.shape[1]
    columns = np.arange(width, dtype=np.float64)
    for row in np.flatnonzero(known.any(axis=1)):
        known_columns: NDArray[np.float64] = columns[known[row]]
        for kept, values in zip(filled[:, row], coeffs[:, row, known[row]], strict=True):
            kept[:] = np.interp(columns, known_columns, values, period=width if is_periodic else None)
    return filled
