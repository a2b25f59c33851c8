"""Places by name and by coordinates."""

from __future__ import annotations

import pytest

from engine.data.gazetteer import cities, coordinates_of, find_cities


def test_cities_stand_where_they_do() -> None:
    assert len(cities()) > 4000
    assert all(abs(city.lat) <= 90.0 and abs(city.lon) <= 180.0 and city.population >= 100_000 for city in cities())
    berlin = find_cities("berlin")[0]
    assert berlin.label == "Berlin, Germany"
    assert (berlin.lat, berlin.lon) == pytest.approx((52.52, 13.41), abs=0.02)


def test_names_are_found_without_case_accents_or_the_whole_word() -> None:
    assert find_cities("sao paulo")[0].name == "São Paulo"
    assert find_cities("SÃO PAU")[0].name == "São Paulo"
    assert find_cities("san jose, costa")[0].country == "Costa Rica"
    assert {city.name for city in find_cities("york", most=30)} >= {"York", "New York City"}
    assert find_cities("york")[0].name == "York"
    assert len(find_cities("a", most=3)) == 3
    assert find_cities("  ") == find_cities("qqqq") == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("52.5, 13.4", (52.5, 13.4)),
        ("52.5 13.4", (52.5, 13.4)),
        ("-33.9;151.2", (-33.9, 151.2)),
        ("33.9° S, 18.4° E", (-33.9, 18.4)),
        ("10N 20W", (10.0, -20.0)),
        ("0, 190", (0.0, -170.0)),
        ("90, 0", (90.0, 0.0)),
        ("91, 0", None),
        ("0, 400", None),
        ("Paris", None),
        ("12", None),
        ("nan, 1", None),
    ],
)
def test_coordinates_are_read_as_people_write_them(text: str, place: tuple[float, float] | None) -> None:
    assert coordinates_of(text) == place
