"""Cities of the world by name: the gazetteer that comes along, from GeoNames."""

from __future__ import annotations

import csv
import re
import unicodedata
from functools import cache
from typing import NamedTuple

from engine.assets import asset

_COORDINATES = re.compile(
    r"\s*([+-]?\d+(?:\.\d+)?)\s*°?\s*([NSns]?)\s*[,;\s]\s*([+-]?\d+(?:\.\d+)?)\s*°?\s*([EWew]?)\s*"
)


class City(NamedTuple):
    """A city of at least 100 000 people, in degrees."""

    name: str
    country: str
    lat: float
    lon: float
    population: int

    @property
    def label(self) -> str:
        """Name and country."""
        return f"{self.name}, {self.country}"


@cache
def cities() -> tuple[City, ...]:
    """All cities, the largest first."""
    with asset("cities.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            City(row["name"], row["country"], float(row["lat"]), float(row["lon"]), int(row["population"]))
            for row in csv.DictReader(file)
        )


def find_cities(text: str, most: int = 8) -> list[City]:
    """Cities whose name begins with ``text``, then those that contain it, each the largest first.

    Case and accents count for nothing; a country may follow after a comma. None for an empty text.
    """
    name, _, country = (_plain(part) for part in text.partition(","))
    if not name:
        return []
    matching = [(plain, city) for plain, city in _plain_cities() if name in plain and country in _plain(city.country)]
    return [city for _, city in sorted(matching, key=lambda pair: not pair[0].startswith(name))[:most]]


def coordinates_of(text: str) -> tuple[float, float] | None:
    """Degrees north and east of a text such as "52.5, 13.4" or "52.5 N 13.4 W"; None for any other text."""
    matched = _COORDINATES.fullmatch(text)
    if matched is None:
        return None
    lat, south, lon, west = matched.groups()
    north = -float(lat) if south.upper() == "S" else float(lat)
    east = -float(lon) if west.upper() == "W" else float(lon)
    return (north, round((east + 180.0) % 360.0 - 180.0, 6)) if abs(north) <= 90.0 and abs(east) <= 360.0 else None


@cache
def _plain_cities() -> tuple[tuple[str, City], ...]:
    return tuple((_plain(city.name), city) for city in cities())


def _plain(text: str) -> str:
    """Lower case without accents."""
    letters = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
