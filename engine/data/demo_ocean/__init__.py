"""A made-up ocean whose truth is known."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.data.demo_ocean.claims import CLAIMS, Claim
from engine.data.demo_ocean.claims import described as _claims
from engine.data.demo_ocean.recipe import PARAMETERS, RECIPE_VERSION, Parameter
from engine.data.demo_ocean.recipe import described as _parameters

if TYPE_CHECKING:
    from engine.data.demo_ocean.ocean import DemoDay, DemoOcean
    from engine.data.source import SSTSource

__all__ = [
    "CLAIMS",
    "PARAMETERS",
    "RECIPE_VERSION",
    "Claim",
    "DemoDay",
    "DemoOcean",
    "Parameter",
    "demo_ocean",
]


def __getattr__(name: str) -> Any:
    """What needs torch is imported when it is first asked for."""
    if name in ("DemoDay", "DemoOcean"):
        return getattr(import_module("engine.data.demo_ocean.ocean"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def demo_ocean(step_deg: float = 1.0, seed: int = 0, start: str = "2001-01-01", years: int = 6) -> SSTSource:
    """An ocean whose truth is known, any day of it on demand: offline, the same for the same seed.

    The default six years are meant as two for a climatology, three to train on and one to test on.

    Real are the coastlines (Natural Earth 1:50 million), the mean state (the August 2012 field of HadISST 1.1, less
    the made-up season of August; over land it is filled smoothly) and, by its gradients, where the sea is lively.
    The satellite flies Aqua's orbit. Everything else is invented; its numbers are listed below, the shapes of its
    regional patterns (El Niño, cold tongue, upwind land) stand in :mod:`engine.data.demo_ocean.mean_state`:

    * ``truth``: mean and season, basin-scale anomalies (Ornstein–Uhlenbeck in harmonic space), an irregular El Niño
      and the cooling under the clouds of the last month, all of it stirred by an evolving flow that folds fronts into
      filaments, with tropical instability waves; moving vortices that carry water from across a front; fine texture.
      The mean of a day below the warm skin, at the freezing point under ice.
    * ``daily``: one pass a day. Clouds drift, persist and answer to the water's anomaly; between them are swaths with
      a bias each, noise, the warming of calm clear days, and a cold error near clouds. Nothing is seen under ice.
    * ``monthly``: the means of ``truth`` over whole calendar months, also of a month the span holds in part.

    One block a day (a month for ``monthly``).

    Args:
        step_deg: size of a cell; 180° must be a multiple of it. From 0.25° to 2°.
        seed: ≥ 0. The same ocean on every step, seen finer or coarser.
        start: the first day, as year-month-day.
        years: how many, from 1.

    Raises:
        ChoiceError, GridError: a choice outside these.
    """
    from engine.data.demo_ocean.source import make_source

    return make_source(step_deg, seed, start, years)


# one table, two readers: the numbers are not written down twice
demo_ocean.__doc__ = "\n".join(
    (
        demo_ocean.__doc__ or "",
        "    What holds of it on any seed:\n",
        _claims(),
        "    Every number of the recipe:\n",
        _parameters(),
    )
)
