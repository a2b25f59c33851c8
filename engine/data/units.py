"""Units of the kinds of variables, in the spellings of files, and their conversions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

CELSIUS = "degC"


@dataclass(frozen=True)
class Conversion:
    """value in the kind's unit = ``factor`` · value + ``offset``; ``name`` of the unit that is converted."""

    name: str
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Units:
    """Units that are understood: ``by_name`` of a spelling as :func:`folded` gives it, the preferred one first.

    ``guessed`` are tried in this order where a file states no unit. ``quantity`` completes "is no …".
    """

    quantity: str
    folded: Callable[[str], str]
    by_name: Mapping[str, Conversion]
    guessed: tuple[str, ...]

    def conversion(self, unit: str) -> Conversion | None:
        """The conversion from ``unit``, None where it is not understood."""
        return self.by_name.get(self.folded(unit))


_DEGREE_SIGNS = re.compile("[\u00b0\u00ba\u02da\ufffd]")  # the last one: the sign in Latin-1, read as UTF-8
_TEMPERATURES = {
    "c": "celsius", "celsius": "celsius", "celcius": "celsius", "celsuis": "celsius", "centigrade": "celsius",
    "k": "kelvin", "kelvin": "kelvin", "kelvins": "kelvin",
    "f": "fahrenheit", "fahrenheit": "fahrenheit", "farenheit": "fahrenheit", "fahrenheits": "fahrenheit",
}  # fmt: skip


def _temperature(unit: str) -> str:
    """The name of the scale, or "" for any other unit: ``degrees_C``, ``Deg. K``, ``Celsius degree (°C)``."""
    text = unit.replace("\u2103", "\u00b0C").replace("\u2109", "\u00b0F").replace("\u212a", "K")
    text = _DEGREE_SIGNS.sub(" deg ", text).lower()
    if re.search(r"[^a-z\s_.,()\-]", text):
        return ""
    names = (re.sub(r"^deg(?:rees?|s)?", "", word) for word in re.findall(r"[a-z]+", text))
    scales = {_TEMPERATURES.get(name, "") for name in names if name}
    return scales.pop() if len(scales) == 1 else ""


def _compact(unit: str) -> str:
    """Lower case without spaces, dots, asterisks and carets: ``mg m^-3`` is ``mgm-3``."""
    return re.sub(r"[\s.*^_]|\\", "", unit.lower().replace("µ", "u").replace("μ", "u").replace("³", "3"))


def _table(names: Mapping[str, tuple[float, str]]) -> dict[str, Conversion]:
    """Conversions by spelling, from the name of a unit to its factor and its spellings, separated by spaces."""
    return {
        spelling: Conversion(name, factor)
        for name, (factor, spellings) in names.items()
        for spelling in spellings.split()
    }


TEMPERATURE = Units(
    "temperature",
    _temperature,
    {
        "celsius": Conversion("°C"),
        "kelvin": Conversion("kelvin", 1.0, -273.15),
        "fahrenheit": Conversion("fahrenheit", 5.0 / 9.0, -160.0 / 9.0),
    },
    ("celsius", "kelvin"),
)
TEMPERATURE_DIFFERENCE = Units(
    "difference of temperatures",
    _temperature,
    {
        "celsius": Conversion("°C"),
        "kelvin": Conversion("kelvin"),
        "fahrenheit": Conversion("fahrenheit", 5.0 / 9.0),
    },
    ("celsius",),
)
MASS_CONCENTRATION = Units(
    "mass concentration",
    _compact,
    _table(
        {
            "mg m-3": (1.0, "mgm-3 mg/m3 mgm3 mg/m**3 milligramm-3 milligrams/m3 ug/l ugl-1 microgram/l mgchlm-3"),
            "g m-3": (1e3, "gm-3 g/m3 mg/l mgl-1"),
            "kg m-3": (1e6, "kgm-3 kg/m3"),
        }
    ),
    ("mgm-3",),
)
METRES = Units(
    "length",
    _compact,
    _table({"m": (1.0, "m meter meters metre metres"), "cm": (0.01, "cm centimeters"), "mm": (1e-3, "mm")}),
    ("m",),
)
SALINITY = Units(
    "salinity", _compact, _table({"1e-3": (1.0, "1e-3 0001 psu pss pss-78 pss78 practicalsalinityunit g/kg gkg-1 1")}),
    ("1e-3",),
)  # fmt: skip
FRACTION = Units(
    "fraction", _compact, _table({"1": (100.0, "1 fraction (0-1) none"), "%": (1.0, "% percent")}), ("1", "%")
)


def own_units(unit: str) -> Units:
    """The units of a variable of no known kind: its own alone."""
    return Units(repr(unit), str, {unit: Conversion(unit)}, (unit,))
