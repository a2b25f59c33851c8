"""What a person can do where a model and a source do not go together, or one of them cannot be opened."""

from __future__ import annotations

from typing import Literal

from engine.errors import EngineError
from engine.queries.ocean.sources import SourceChoice, source
from engine.queries.reconstruct.models import PRETRAINED, is_trained_from, model_of, source_of

Remedy = Literal["own source", "shipped model", "train", "open on Data", "demo"]


def remedies(run: str, choice: SourceChoice) -> tuple[Remedy, ...]:
    """What would give a reconstruction in place of this model on this source, the most fitting first.

    ``own source``: the source of the model's training data. ``shipped model``: the model that comes with Harmonia,
    where it has learned the variable of the source. ``train``: a training on the source, which has days.
    ``open on Data``: a file that cannot be opened as it is, whose points can be decided there. ``demo``: the demo
    ocean with the shipped model, which always goes. Opens files: call it off the event loop.
    """
    offered: list[Remedy] = []
    if run != PRETRAINED and _has_other_source(run, choice):
        offered.append("own source")
    try:
        opened = source(choice)
    except EngineError:
        if choice.kind != "demo":
            offered.append("open on Data")
    else:
        if run != PRETRAINED and _knows_shipped_model(opened.variable.key):
            offered.append("shipped model")
        if opened.daily is not None:
            offered.append("train")
    return (*offered, "demo")


def _has_other_source(run: str, choice: SourceChoice) -> bool:
    """Whether the model has learned from another source, or variable, than this one, and that can be opened."""
    try:
        own = source_of(run)
        source(own)
    except EngineError:
        return False
    return own.variable != choice.variable or not is_trained_from(run, choice)


def _knows_shipped_model(kind: str) -> bool:
    return model_of(PRETRAINED).bundle.variable.key == kind
