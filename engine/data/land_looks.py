"""How the invented land of :mod:`engine.data.demo_land` looks: climate classes through the year, and materials.

Temperatures and their seasons are typical of each class's definition; all else is chosen by eye.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.data.climate import CLASSES

Array = NDArray[np.float32]

BANDS = ("blue", "green", "red", "near infrared", "shortwave infrared")
"""Names of the bands; values are reflectances, 0 to about 1."""


class Look(NamedTuple):
    """How a class looks."""

    mean_celsius: float
    half_range_celsius: float
    least_green: float
    most_green: float
    months_to_peak: float  # from the warmest month to the greenest one
    brightness: float  # of bare ground: 0 dark, 1 bright
    roughness: float  # weight of the texture


LOOKS = {
    "Sea": Look(0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.1),  # its mean follows the latitude
    "Af": Look(26.0, 1.0, 0.85, 0.93, 1.0, 0.2, 0.4),
    "Am": Look(26.0, 1.5, 0.75, 0.92, 1.5, 0.25, 0.5),
    "Aw": Look(25.0, 3.0, 0.30, 0.85, 2.0, 0.35, 0.7),
    "BWh": Look(24.0, 8.0, 0.01, 0.05, 1.0, 0.95, 0.8),
    "BWk": Look(8.0, 15.0, 0.02, 0.10, 0.5, 0.75, 1.0),
    "BSh": Look(23.0, 7.0, 0.08, 0.45, 2.0, 0.65, 0.9),
    "BSk": Look(8.0, 14.0, 0.06, 0.45, 0.0, 0.5, 0.9),
    "Csa": Look(16.0, 8.0, 0.30, 0.62, -3.0, 0.5, 1.0),
    "Csb": Look(13.0, 6.0, 0.42, 0.70, -2.5, 0.4, 1.0),
    "Csc": Look(7.0, 6.0, 0.40, 0.60, -1.5, 0.3, 1.2),
    "Cwa": Look(20.0, 7.0, 0.25, 0.80, 2.0, 0.4, 0.7),
    "Cwb": Look(16.0, 4.0, 0.35, 0.80, 2.0, 0.35, 1.1),
    "Cwc": Look(9.0, 4.0, 0.20, 0.50, 1.5, 0.35, 1.3),
    "Cfa": Look(17.0, 10.0, 0.35, 0.85, 1.0, 0.3, 0.6),
    "Cfb": Look(11.0, 6.5, 0.50, 0.85, 0.5, 0.2, 0.7),
    "Cfc": Look(5.0, 5.0, 0.40, 0.65, 1.0, 0.15, 1.0),
    "Dsa": Look(11.0, 14.0, 0.15, 0.50, -1.5, 0.5, 1.3),
    "Dsb": Look(6.0, 13.0, 0.20, 0.60, -1.0, 0.4, 1.3),
    "Dsc": Look(0.0, 13.0, 0.25, 0.60, 0.0, 0.3, 1.3),
    "Dsd": Look(-8.0, 22.0, 0.25, 0.55, 0.0, 0.3, 1.2),
    "Dwa": Look(8.0, 16.0, 0.12, 0.80, 1.0, 0.4, 0.7),
    "Dwb": Look(4.0, 17.0, 0.20, 0.80, 0.5, 0.35, 0.8),
    "Dwc": Look(-3.0, 18.0, 0.25, 0.70, 0.5, 0.25, 1.0),
    "Dwd": Look(-10.0, 24.0, 0.20, 0.60, 0.3, 0.25, 1.0),
    "Dfa": Look(9.0, 14.0, 0.15, 0.82, 0.5, 0.2, 0.5),
    "Dfb": Look(5.0, 14.0, 0.30, 0.80, 0.5, 0.15, 0.6),
    "Dfc": Look(-3.0, 16.0, 0.40, 0.70, 0.5, 0.1, 0.6),
    "Dfd": Look(-11.0, 25.0, 0.30, 0.60, 0.3, 0.15, 0.8),
    "ET": Look(-8.0, 11.0, 0.02, 0.35, 0.5, 0.3, 1.3),
    "EF": Look(-25.0, 12.0, 0.0, 0.0, 0.0, 0.3, 1.0),
}
LOOK_TABLE: Array = np.array([LOOKS[c.code] for c in CLASSES], np.float32).T.copy()
"""(7, 31): the fields of :class:`Look` of every class, in the order of the classes."""

# Reflectances (C,) of what the ground is made of: shapes of measured spectra, rounded.
PLANTS = np.array([0.03, 0.07, 0.04, 0.42, 0.18], np.float32)
DARK_SOIL = np.array([0.05, 0.07, 0.09, 0.14, 0.20], np.float32)
BRIGHT_SOIL = np.array([0.20, 0.28, 0.36, 0.44, 0.50], np.float32)
RED_SOIL = np.array([-0.04, -0.03, 0.05, 0.05, 0.03], np.float32)  # what iron adds
SNOW = np.array([0.90, 0.90, 0.88, 0.75, 0.12], np.float32)
WATER = np.array([0.07, 0.05, 0.025, 0.010, 0.005], np.float32)
HAZE = np.array([0.05, 0.035, 0.022, 0.010, 0.004], np.float32)  # the most that haze adds
