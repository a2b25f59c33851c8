"""The parameters of the demo ocean, each with unit and source.

The code reads the constants; :data:`PARAMETERS` lists the same numbers for the docstring and for the key of a source,
so that a changed name or text changes that key. The source "chosen" marks a number without a reference, set so that the
ranges of :data:`engine.data.demo_ocean.expected.EXPECTED_RANGES` hold.
"""

from __future__ import annotations

from typing import NamedTuple

VERSION = 1
"""Incremented whenever the same seed gives another ocean."""

_CHELTON = "Chelton, Schlax & Samelson 2011, doi:10.1016/j.pocean.2011.01.002"
_FRANKIGNOUL = "red noise as in Frankignoul & Hasselmann 1977, doi:10.1111/j.2153-3490.1977.tb00740.x; number chosen"
_AQUA = "Aqua/MODIS, NASA Goddard"
_MCPHADEN = "2 to 7 years, McPhaden et al. 2006, doi:10.1126/science.1132588"
_LEGECKIS = "around the 1000 km of Legeckis 1977; chosen"
_GENTEMANN = "order of Gentemann et al. 2003, doi:10.1029/2002GL016291; number chosen"
_KING = "MODIS, King et al. 2013, doi:10.1109/TGRS.2012.2227333: 72 % of the sea is cloudy"


class Parameter(NamedTuple):
    """One parameter: description, value, unit and source."""

    name: str
    value: float
    unit: str
    source: str


PARAMETERS: list[Parameter] = []
"""Every parameter, in the order of the computation."""


def _parameter(name: str, value: float, unit: str, source: str = "chosen") -> float:
    PARAMETERS.append(Parameter(name, value, unit, source))
    return value


FREEZING_C = _parameter("freezing point of sea water", -1.8, "°C", "HadISST 1.1, doi:10.1029/2002JD002670")
FREEZING_WIDTH_K = _parameter("width of the soft stop at the freezing point", 0.15, "K")
UNDER_ICE_K = _parameter("how much below freezing the mean would be where the real August has ice", 1.5, "K")
YEAR_DAYS = _parameter("length of the year", 365.2425, "days", "Gregorian calendar")

# --- the season -----------------------------------------------------------------------------------------------------
SUMMER_DAY = _parameter("warmest day of the northern year", 237.0, "day of year")
ANCHOR_DAY = _parameter("day that the real August field stands for", 227.0, "day of year", "middle of August")
SECOND_HARMONIC = _parameter("half-yearly wave as a share of the yearly one", 0.12, "1")
SEASON_OPEN_SEA = _parameter("seasonal amplitude far from an upwind coast, share of its row's", 0.75, "1")
SEASON_UPWIND_LAND = _parameter("what a coast just upwind adds to that share", 1.1, "1")
UPWIND_DEG = _parameter("reach of upwind land", 20.0, "° of longitude")
COLD_TONGUE_K = _parameter("yearly amplitude of the Pacific cold tongue", 0.9, "K")
COLD_TONGUE_DAY = _parameter("warmest day of the Pacific cold tongue", 85.0, "day of year")

# --- slow anomalies -------------------------------------------------------------------------------------------------
BASIN_K = _parameter("rms of basin-scale anomalies where activity is 0", 0.40, "K")
BASIN_ACTIVE_K = _parameter("what activity 1 adds to it", 0.30, "K")
BASIN_DEGREE = _parameter("degree where their spectrum bends", 6.0, "1")
BASIN_POWER = _parameter("power of l in their variance above the bend", 2.4, "1")
BASIN_MAX_DEGREE = _parameter("their highest degree", 60.0, "1")
BASIN_MEMORY_DAYS = _parameter("their memory at degree 5", 110.0, "days", _FRANKIGNOUL)
BASIN_MEMORY_POWER = _parameter("power of 5/l in their memory", 0.75, "1")
BASIN_LONGEST_DAYS = _parameter("their longest memory", 120.0, "days", _FRANKIGNOUL)
ENSO_K = _parameter("rms of the El Niño mode in the eastern equatorial Pacific", 1.1, "K")
ENSO_PERIOD_DAYS = _parameter("its mean period", 3.6 * 365.0, "days", _MCPHADEN)
ENSO_MEMORY_DAYS = _parameter("its memory", 400.0, "days")
ENSO_SKEWNESS = _parameter("share of its square, which makes warm events the stronger", 0.15, "1")
ENSO_SEASONALITY = _parameter("how much stronger it is at the end of a year than in the mean", 0.3, "1")
COOLING_K_PER_DAY = _parameter("cooling by a cloud one standard deviation thicker", 0.03, "K/day")
COOLING_MEMORY_DAYS = _parameter("how long the mixed layer remembers it", 8.0, "days")
COOLING_WINDOW_DAYS = _parameter("days of clouds that are remembered", 32.0, "days", "e⁻⁴ of the first is left out")
COOLING_MAX_DEGREE = _parameter("highest degree of clouds that cool", 24.0, "1")

# --- the mesoscale --------------------------------------------------------------------------------------------------
ACTIVITY_MEAN_K = _parameter("temperature step over 1° that makes an activity of ½", 0.9, "K")
STIR_DEG = _parameter("rms displacement of water where activity is 0", 1.0, "° of arc")
STIR_ACTIVE_DEG = _parameter("what activity 1 adds to it", 2.0, "° of arc")
STIR_DEGREE = _parameter("degree where the stream function's spectrum bends", 26.0, "1")
STIR_POWER = _parameter("power of l in its variance above the bend", 4.3, "1")
STIR_MIN_DEGREE = _parameter("its lowest degree", 6.0, "1")
STIR_MAX_DEGREE = _parameter("its highest degree", 120.0, "1")
STIR_MEMORY_DAYS = _parameter("its memory at degree 22", 60.0, "days")
STIR_MEMORY_POWER = _parameter("power of 22/l in its memory", 0.6, "1")
STIR_DRIFT = _parameter("its drift", -0.05, "°/day east", f"Rossby waves, {_CHELTON}; one number chosen")
FINE_K = _parameter("rms of the finest texture where activity is 0", 0.08, "K")
FINE_ACTIVE_K = _parameter("what activity 1 adds to it", 0.30, "K")
FINE_MIN_DEGREE = _parameter("its lowest degree", 40.0, "1")
FINE_MAX_DEGREE = _parameter("its highest degree", 170.0, "1")
FINE_POWER = _parameter("power of l in its variance", 3.0, "1")
FINE_MEMORY_DAYS = _parameter("its memory at degree 100", 8.0, "days")
WAVE_DEG = _parameter("rms displacement by tropical instability waves", 1.3, "° of arc")
WAVE_LENGTHS_DEG = tuple(
    _parameter(f"length of the {which} of them", length, "° of longitude", _LEGECKIS)
    for which, length in (("shortest", 9.0), ("middle", 11.0), ("longest", 14.0))
)
WAVE_SPEED = _parameter("their speed", -0.42, "°/day east", "Legeckis 1977, doi:10.1126/science.197.4309.1179")
WAVE_MEMORY_DAYS = _parameter("their memory", 40.0, "days")

VORTEX_BIRTHS = _parameter("vortices tried in a cohort, thinned by activity and by land", 1500.0, "1")
VORTEX_COHORT_DAYS = _parameter("days of one cohort", 8.0, "days")
VORTEX_LIFE_DAYS = _parameter("mean life of a vortex beyond the shortest", 55.0, "days", _CHELTON)
VORTEX_SHORTEST_DAYS = _parameter("shortest life of a vortex", 20.0, "days")
VORTEX_LONGEST_DAYS = _parameter("longest life of a vortex", 240.0, "days")
VORTEX_GROWING_DAYS = _parameter("days in which it grows", 10.0, "days")
VORTEX_FADING_DAYS = _parameter("days in which it fades", 15.0, "days")
VORTEX_RADIUS_KM = _parameter("median radius of a vortex (σ of its core)", 50.0, "km", _CHELTON)
VORTEX_RADIUS_SPREAD = _parameter("standard deviation of the radius's logarithm", 0.45, "1")
VORTEX_ORIGIN_DEG = _parameter("how far across the front its water comes from", 2.0, "° of latitude")
VORTEX_TRAPPED = _parameter("share of its origin's temperature that its surface keeps", 0.8, "1")
VORTEX_TRAPPED_DAYS = _parameter("how long it keeps it under the air", 80.0, "days")
VORTEX_OWN_K = _parameter("rms of what its core has beside that", 0.12, "K")
VORTEX_SWIRL = _parameter("largest displacement of water around it, in radii", 2.5, "1")
VORTEX_SLOW_KM = _parameter("westward speed poleward of 40°", 2.5, "km/day", _CHELTON)
VORTEX_FAST_KM = _parameter("what the deep tropics add to it", 12.0, "km/day", _CHELTON)
VORTEX_DEFLECTION = _parameter("poleward speed of cold cores, equatorward of warm ones", 0.15, "of speed", _CHELTON)
VORTEX_MAX_LAT = _parameter("highest latitude of a vortex's birth", 66.0, "°")
VORTEX_MIN_LAT = _parameter("lowest", 6.0, "°")

# --- clouds, orbit, sensor ------------------------------------------------------------------------------------------
CLOUD_DEGREE = _parameter("degree where the clouds' spectrum bends", 9.0, "1")
CLOUD_POWER = _parameter("power of l in their variance above the bend", 2.2, "1")
CLOUD_MAX_DEGREE = _parameter("their highest degree", 160.0, "1")
CLOUD_LONGEST_DAYS = _parameter("their longest memory", 4.0, "days")
CLOUD_MEMORY_POWER = _parameter("power of 1/l in their memory between the two", 0.75, "1")
CLOUD_SHORTEST_DAYS = _parameter("their shortest memory", 0.4, "days")
CLOUD_TROPICS_LAT = _parameter("latitude where tropical clouds begin to give way", 20.0, "°")
CLOUD_MIDLATITUDES_LAT = _parameter("latitude where midlatitude clouds are alone", 32.0, "°")
CLOUD_DRIFT_MIDLATITUDES = _parameter("drift of midlatitude clouds", 9.0, "°/day east")
CLOUD_DRIFT_TROPICS = _parameter("drift of tropical clouds", -5.0, "°/day east")
CLOUD_SLOW_SHARE = _parameter("share of the variance that stays where it is", 0.25, "1")
CLOUD_SLOW_DAYS = _parameter("memory of that share", 15.0, "days")
CLOUD_SLOW_MAX_DEGREE = _parameter("its highest degree", 40.0, "1")
CLOUD_CONVECTION_LAT = _parameter("latitude up to which warm water feeds clouds", 9.0, "°")
CLOUD_STRATUS_LAT = _parameter("latitude from which cold water does", 15.0, "°")
CLOUD_RAIN_SHIFT = _parameter("how far the tropical rains follow the sun", 4.0, "° of latitude")
CLOUD_CONVECTION = _parameter("thicker clouds over a warm anomaly there", 0.25, "1/K")
CLOUD_STRATUS = _parameter("thicker clouds over a cold anomaly here", 0.20, "1/K")
CLOUD_EAST = _parameter("thicker clouds over water colder than its parallel", 0.08, "1/K")
ORBIT_PERIOD_MIN = _parameter("orbital period", 98.8, "minutes", _AQUA)
ORBIT_INCLINATION = _parameter("inclination", 98.2, "°", _AQUA)
SWATH_KM = _parameter("width of a swath", 2330.0, "km", _AQUA)
NOISE_K = _parameter("sensor noise of a cell, whatever its size", 0.25, "K", "order of infrared retrievals; chosen")
SWATH_BIAS_K = _parameter("rms of a swath's bias", 0.10, "K")
EDGE_K = _parameter("mean cold error at the very edge of a cloud", 0.35, "K")
EDGE_WIDTH = _parameter("how far it reaches, in standard deviations of cloud thickness", 0.15, "1")
DIURNAL_K = _parameter("warming of a calm clear noon under an overhead sun", 1.6, "K", _GENTEMANN)
DIURNAL_POWER = _parameter("power of the noon's insolation in it", 1.5, "1")
DIURNAL_CALM = _parameter("wind, in units of its median, that leaves 1/e of it", 0.45, "1")
WIND_SPREAD = _parameter("standard deviation of the wind's logarithm", 0.5, "1")
WIND_MEMORY_DAYS = _parameter("memory of the wind", 1.5, "days")
WIND_MAX_DEGREE = _parameter("its highest degree", 40.0, "1")

# --- tables by latitude ---------------------------------------------------------------------------------------------
SEASON_BY_LAT: dict[float, float] = {
    -90: 0.5, -70: 0.9, -60: 1.3, -50: 1.7, -40: 2.5, -30: 2.9, -20: 2.0, -10: 1.1, 0: 0.6,
    10: 1.1, 20: 2.1, 30: 3.2, 40: 4.3, 46: 4.4, 55: 3.7, 65: 2.9, 75: 1.6, 90: 0.5,
}  # fmt: skip
"""Seasonal half-range in K by latitude in degrees; chosen, after the zonal means of NOAA OISST."""

CLOUDS_BY_LAT: dict[float, float] = {
    -90: 0.75, -70: 0.82, -58: 0.84, -45: 0.78, -30: 0.62, -18: 0.56, -8: 0.57, 0: 0.58, 6: 0.68,
    12: 0.60, 20: 0.55, 30: 0.62, 42: 0.74, 55: 0.80, 70: 0.80, 90: 0.75,
}  # fmt: skip
"""Share of the time under cloud by latitude in degrees; chosen, after the zonal means of MODIS (King et al. 2013)."""
PARAMETERS.extend(Parameter(f"seasonal half-range at {lat:g}°", v, "K", "chosen") for lat, v in SEASON_BY_LAT.items())
PARAMETERS.extend(Parameter(f"share under cloud at {lat:g}°", v, "1", _KING) for lat, v in CLOUDS_BY_LAT.items())


def described() -> str:
    """All parameters, one a line, indented for a docstring."""
    return "".join(f"    * {p.name}: {p.value:g} {p.unit} ({p.source})\n" for p in PARAMETERS)
