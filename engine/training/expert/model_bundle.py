"""A trained geographic expert: built from its settings, read from its file, applied to pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engine.config.expert import ExpertSettings
from engine.data.climate import NUM_CLASSES
from engine.data.tiles import Pixels
from engine.errors import DataError, StoreError
from engine.evaluation.expert_scores import Beliefs, beliefs_of
from engine.models.geographic_expert import GeographicExpert
from engine.mvmf import MixtureVMF
from engine.runs.checkpoints import read_checkpoint
from engine.runs.run_folder import RunFolder

_MAX_SIDE, _MAX_BANDS = 1024, 512


class Expert(NamedTuple):
    """A trained expert: the network, its settings and training data, and its ``scores`` as in ``scores.json``."""

    model: GeographicExpert
    settings: ExpertSettings
    tiles: str
    bands: tuple[str, ...]
    size: int
    seed: int
    scores: dict[str, Any]

    @property
    def mixture(self) -> MixtureVMF:
        """The components of its beliefs."""
        return self.model.mixture

    def believe(self, pixels: Pixels) -> Beliefs:
        """Its beliefs about pictures (N, C, h, w), NaN = missing.

        Raises :class:`DataError` for pictures of another shape than it was trained on.
        """
        expected = (len(self.bands), self.size, self.size)
        if pixels.shape[1:] != expected:
            raise DataError(
                f"the pictures are {' × '.join(map(str, pixels.shape[1:]))}",
                f"this expert reads {' × '.join(map(str, expected))}: {', '.join(self.bands)}",
                "cut them to that, or train an expert on them",
            )
        return predict_beliefs(self.model, pixels)


def load_expert(path: str | Path) -> Expert:
    """Read ``expert.safetensors``, or that of a run's folder; the network is on the CPU.

    Raises :class:`StoreError` for a file that is missing, damaged, newer, or something else.
    """
    path = Path(path)
    path = RunFolder(path).expert if path.is_dir() else path
    kept = read_checkpoint(path)
    if kept is None:
        raise StoreError("there is no such file", str(path), "name the folder of a finished run of the task 'expert'")
    try:
        metadata = kept.metadata
        settings = ExpertSettings.model_validate_json(metadata["settings"])
        size, seed, bands = int(metadata["size"]), int(metadata["seed"]), tuple(map(str, metadata["bands"]))
        if not (1 <= size <= _MAX_SIDE and 1 <= len(bands) <= _MAX_BANDS):
            raise ValueError(f"it declares {len(bands)} bands of {size} × {size} pixels")
        arrays = {name: torch.tensor(value) for name, value in kept.arrays.items()}
        mixture = MixtureVMF(*(arrays[f"mixture.{name}"] for name in ("centres_raw", "log_kappa", "logits")))
        model = build(settings, len(bands), size, mixture, torch.zeros(NUM_CLASSES), seed)
        model.load_state_dict(arrays)
        return Expert(model.eval(), settings, str(metadata["tiles"]), bands, size, seed, dict(metadata["scores"]))
    except Exception as error:  # entries that are missing, or of another type or shape
        problem = f"this is no expert of ours: {' '.join(str(error).split())[:200]}"
        raise StoreError(problem, str(path), "name another file") from error


def build(
    settings: ExpertSettings, bands: int, size: int, mixture: MixtureVMF, climate_prior: Tensor, seed: int
) -> GeographicExpert:
    """A network as the settings have it."""
    return GeographicExpert(
        bands,
        size,
        mixture,
        climate_prior,
        encoder=settings.encoder,
        width=settings.width,
        head_degree=settings.head_degree,
        seed=seed,
    )


def predict_beliefs(model: GeographicExpert, pixels: Pixels) -> Beliefs:
    """The network's beliefs about pictures (N, C, h, w), on the CPU."""
    return beliefs_of(*model.predict(torch.tensor(pixels)))
