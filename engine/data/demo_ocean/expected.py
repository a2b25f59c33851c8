"""Ranges of the demo ocean's properties that hold for any seed, with units and sources; the tests measure them."""

from __future__ import annotations

from typing import NamedTuple

_KING = "72 % of the sea is cloudy in MODIS: King et al. 2013, doi:10.1109/TGRS.2012.2227333"
_LAMB = (
    "ranges of a year below 5 K over most of the sea, largest in northern midlatitudes: "
    "Lamb, Climate: Present, Past and Future, 1972; bounds chosen"
)
_AUGUST = "HadISST 1.1, August 2012: 18.7 °C over the sea it knows; bounds chosen"
_CHOSEN = "chosen"


class ExpectedRange(NamedTuple):
    """The range of a property, at 2° unless ``description`` says otherwise."""

    low: float
    high: float
    unit: str
    description: str
    source: str


EXPECTED_RANGES = {
    "global mean": ExpectedRange(17.5, 18.9, "°C", "area-weighted mean of the truth on a day", _AUGUST),
    "distance from the real August": ExpectedRange(
        0.0, 0.5, "K", "rms difference between the mean of six Augusts and the real one", _AUGUST
    ),
    "season 60° to 70°": ExpectedRange(2.6, 3.8, "K", "half-range of the seasonal cycle, mean over 60–70° N", _LAMB),
    "season 40° to 50°": ExpectedRange(3.9, 5.0, "K", "the same over 40–50° N", _LAMB),
    "season 20° to 30°": ExpectedRange(2.0, 3.0, "K", "the same over 20–30° N", _LAMB),
    "season -5° to 5°": ExpectedRange(0.2, 0.8, "K", "the same over 5° S – 5° N", _LAMB),
    "season -40° to -30°": ExpectedRange(1.9, 2.9, "K", "the same over 30–40° S", _LAMB),
    "season -65° to -55°": ExpectedRange(0.6, 1.5, "K", "the same over 55–65° S", _LAMB),
    "anomaly": ExpectedRange(0.65, 0.95, "K", "rms of a day against the seasonal cycle of six years", _CHOSEN),
    "memory over 40 days": ExpectedRange(
        0.15,
        0.55,
        "1",
        "correlation of anomalies 40 days apart",
        "weeks to months: Frankignoul & Hasselmann 1977, doi:10.1111/j.2153-3490.1977.tb00740.x; bounds chosen",
    ),
    "change in a day": ExpectedRange(0.12, 0.28, "K", "rms change of the truth from one day to the next", _CHOSEN),
    "El Niño": ExpectedRange(0.7, 1.6, "K", "standard deviation of the El Niño mode's index over a century", _CHOSEN),
    "vortices": ExpectedRange(
        2500.0,
        4500.0,
        "1",
        "vortices alive on a day",
        "about 3000: Chelton, Schlax & Samelson 2011, doi:10.1016/j.pocean.2011.01.002; bounds chosen",
    ),
    "zonal spectrum": ExpectedRange(
        -3.0,
        -1.8,
        "1",
        "slope of the truth's zonal spectrum between 15° and 3° in the Pacific, at 1°",
        "geostrophic turbulence: −3, at a surface −5/3; bounds chosen",
    ),
    "fine scales": ExpectedRange(
        2.0, 40.0, "1", "excess kurtosis of the truth's finest scales at 1°, 0 for a Gaussian field", _CHOSEN
    ),
    "ice": ExpectedRange(0.01, 0.09, "1", "share of the sea under ice", _CHOSEN),
    "missing": ExpectedRange(0.50, 0.85, "1", "share of the sea without an observation on a day", _KING),
    "never seen in a month": ExpectedRange(
        0.01, 0.15, "1", "share of the sea without an observation in a month", _CHOSEN
    ),
    "seen 1 to 3 times": ExpectedRange(
        0.08, 0.22, "1", "share of the sea with 1 to 3 days observed in a month", _CHOSEN
    ),
    "seen 4 to 8 times": ExpectedRange(
        0.22, 0.40, "1", "share of the sea with 4 to 8 days observed in a month", _CHOSEN
    ),
    "seen more often": ExpectedRange(0.35, 0.65, "1", "share of the sea with more days observed in a month", _CHOSEN),
    "mean error": ExpectedRange(-0.05, 0.15, "K", "mean of what is observed minus the truth", _CHOSEN),
    "error": ExpectedRange(0.27, 0.42, "K", "standard deviation of what is observed minus the truth", _CHOSEN),
}
"""By name; the tests measure each on two seeds."""


def described() -> str:
    """All ranges, one a line, indented for a docstring."""
    return "".join(
        f"    * {c.description}: {c.low:g} to {c.high:g} {c.unit} ({c.source})\n" for c in EXPECTED_RANGES.values()
    )
