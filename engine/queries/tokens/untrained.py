"""The model of a run with the weights that its training starts from."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from engine.compute import device
from engine.models import build_model
from engine.queries.cache import CACHE
from engine.training.sst.model_bundle import ModelBundle
from engine.typed import seeded

_BYTES = 8 * 2**20


def untrained(bundle: ModelBundle) -> ModelBundle:
    """``bundle`` with random weights, drawn from the run's seed."""
    return CACHE.get(("untrained", bundle.key), partial(_untrained, bundle), lambda _: _BYTES)


def _untrained(bundle: ModelBundle) -> ModelBundle:
    with seeded(bundle.seed):
        model = build_model(bundle.settings.model.scaled(bundle.variable.measured_scale))
    return replace(bundle, model=model.to(device()).eval())
