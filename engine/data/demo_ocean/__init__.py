"""A synthetic ocean whose true temperature is known."""

# pyright: reportUnusedImport=false

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.data.demo_ocean.expected import EXPECTED_RANGES, ExpectedRange
from engine.data.demo_ocean.expected import described as _expected_ranges
from engine.data.demo_ocean.parameters import PARAMETERS, Parameter
from engine.data.demo_ocean.parameters import described as _parameters

if TYPE_CHECKING:
    from engine.data.demo_ocean.ocean import DemoDay, DemoOcean
    from engine.data.source import SSTSource


def __getattr__(name: str) -> Any:
    """Import modules that need torch on first access only."""
    if name in ("DemoDay", "DemoOcean"):
        return getattr(import_module("engine.data.demo_ocean.ocean"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def demo_ocean(step_deg: float = 1.0, seed: int = 0, start: str = "2001-01-01", years: int = 6) -> SSTSource:
    """A synthetic ocean with known truth; any day is computed on demand, offline and reproducibly from the seed.

    The default six years suit two for the climatology, three for training and one for the test.

    Real are the coastlines (Natural Earth 1:50 million), the mean state (the August 2012 field of HadISST 1.1 minus the
    synthetic August season, filled smoothly over land) and the map of mesoscale activity (from its gradients). The
    satellite has Aqua's orbit. Everything else is synthetic; its numbers are listed below, and the shapes of the
    regional patterns (El Niño, cold tongue, upwind land) are in :mod:`engine.data.demo_ocean.mean_state`:

    * ``truth``: mean and season, basin-scale anomalies (Ornstein–Uhlenbeck in harmonic space), an irregular El Niño
      and the cooling by the clouds of the last month, all advected by an evolving flow that folds fronts into
      filaments, with tropical instability waves; moving vortices that carry water across fronts; fine texture. It is
      the mean of a day below the warm skin, and the freezing point under ice.
    * ``daily``: one pass a day. Clouds drift, persist and depend on the SST anomaly; between them are swaths with a
      bias each, noise, diurnal warming on calm clear days, and a cold error near clouds. Ice hides the water below.
    * ``monthly``: the means of ``truth`` over whole calendar months, also for a month that is partly in the span.

    One block a day (a month for ``monthly``).

    Args:
        step_deg: size of a cell; 180° must be a multiple of it. From 0.25° to 2°.
        seed: ≥ 0. Every step samples the same ocean.
        start: the first day, as year-month-day.
        years: how many, from 1.

    Raises:
        ChoiceError, GridError: an argument outside these ranges.
    """
    from engine.data.demo_ocean.source import make_source

    return make_source(step_deg, seed, start, years)


# the tables are rendered into the docstring, so that no number is written twice
demo_ocean.__doc__ = "\n".join(
    (
        demo_ocean.__doc__ or "",
        "    Ranges that hold for any seed:\n",
        _expected_ranges(),
        "    Every parameter:\n",
        _parameters(),
    )
)
