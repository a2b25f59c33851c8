"""A trained geographic expert: built from its settings, read from its file, asked about pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from engine.config.expert import ExpertSettings
from engine.data.climate import NUM_CLASSES
from engine.data.tiles import Pixels
from engine.errors import DataError, StoreError
from engine.models.geographic_expert import GeographicExpert
from engine.mvmf import MixtureVMF
from engine.runs.checkpoints import read_checkpoint
from engine.runs.run_folder import RunFolder
from engine.training.expert.scores import Beliefs, beliefs_of


class Expert(NamedTuple):
    """A trained expert: the network, what it was trained on and with, and its ``scores`` as in ``scores.json``."""

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
        """What it believes of pictures (N, C, h, w), NaN = missing.

        Raises :class:`DataError` for pictures of another shape than it was trained on.
        """
        wanted = (len(self.bands), self.size, self.size)
        if pixels.shape[1:] != wanted:
            raise DataError(
                f"the pictures are {' × '.join(map(str, pixels.shape[1:]))}",
                f"this expert reads {' × '.join(map(str, wanted))}: {', '.join(self.bands)}",
                "cut them to that, or train an expert on them",
            )
        return believe(self.model, pixels)


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
        facts = kept.metadata
        settings = ExpertSettings.model_validate_json(facts["settings"])
        size, seed, bands = facts["size"], facts["seed"], tuple(facts["bands"])
        arrays = {name: torch.tensor(value) for name, value in kept.arrays.items()}
        mixture = MixtureVMF(*(arrays[f"mixture.{name}"] for name in ("centres_raw", "log_kappa", "logits")))
        model = build(settings, len(bands), size, mixture, torch.zeros(NUM_CLASSES), seed)
        model.load_state_dict(arrays)
    except (KeyError, RuntimeError, ValidationError) as error:
        raise StoreError(f"this is no expert of ours: {error}", str(path), "name another file") from error
    return Expert(model.eval(), settings, facts["tiles"], bands, size, seed, facts["scores"])


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


def believe(model: GeographicExpert, pixels: Pixels) -> Beliefs:
    """What the network believes of pictures (N, C, h, w), on the CPU."""
    return beliefs_of(*model.predict(torch.tensor(pixels)))


def load_weights(model: GeographicExpert, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put back the parameters and buffers that a checkpoint kept; what else it holds is left alone."""
    model.load_state_dict({name: torch.tensor(arrays[name]) for name in model.state_dict()})
