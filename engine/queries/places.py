"""Places by name or coordinates, for the search of a page."""

from __future__ import annotations

from engine.data.gazetteer import coordinates_of, find_cities
from engine.errors import DataError
from engine.queries.text import place


def find_place(text: str) -> tuple[str, float, float]:
    """Name, latitude and longitude of the place that a text means: coordinates in degrees, or the largest city of the
    name (:func:`engine.data.gazetteer.find_cities`).

    Raises :class:`DataError` for a text that means none.
    """
    if (degrees := coordinates_of(text)) is not None:
        return place(*degrees), *degrees
    for city in find_cities(text, most=1):
        return city.label, city.lat, city.lon
    raise DataError(
        f"no city of 100 000 people is called {text.strip()[:40]!r}",
        "search",
        "write a city, with its country after a comma, or coordinates such as 52.5, 13.4",
    )
