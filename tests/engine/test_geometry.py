"""Points on the sphere: distances from millimetres to antipodes, round trips, even spreading."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.sphere import EARTH_RADIUS_M, fibonacci_sphere, great_circle_km, lat_lon, unit_vectors

RADIUS_KM = EARTH_RADIUS_M / 1000.0
latitudes = st.floats(-90.0, 90.0)
longitudes = st.floats(-360.0, 360.0)


@given(latitudes, longitudes)
def test_a_unit_vector_comes_back_as_the_same_place(lat: float, lon: float) -> None:
    vector = unit_vectors(lat, lon)
    assert float(vector.norm()) == pytest.approx(1.0, abs=1e-15)
    back = unit_vectors(*lat_lon(vector))
    assert float((back - vector).abs().max()) < 1e-15


def test_the_axes_point_where_the_docstring_says() -> None:
    axes = unit_vectors(np.array([0.0, 0.0, 90.0]), np.array([0.0, 90.0, 17.0]))
    assert torch.allclose(axes, torch.eye(3, dtype=torch.float64), atol=1e-16)


@given(latitudes, longitudes, latitudes, longitudes)
def test_distance_is_symmetric_and_that_of_the_chord(lat1: float, lon1: float, lat2: float, lon2: float) -> None:
    distance = float(great_circle_km(lat1, lon1, lat2, lon2))
    assert distance == pytest.approx(float(great_circle_km(lat2, lon2, lat1, lon1)), abs=1e-9)
    # angle = 2 atan2(|a − b|, |a + b|), accurate at both ends
    a, b = unit_vectors(lat1, lon1), unit_vectors(lat2, lon2)
    angle = 2.0 * math.atan2(float((a - b).norm()), float((a + b).norm()))
    assert distance == pytest.approx(RADIUS_KM * angle, abs=1e-8)


@pytest.mark.parametrize("lat", [0.0, 37.5, -89.0])
@pytest.mark.parametrize("step_deg", [1e-3, 1e-6, 1e-8])
def test_tiny_distances_keep_their_relative_accuracy(lat: float, step_deg: float) -> None:
    south, north = lat - step_deg / 2.0, lat + step_deg / 2.0
    expected = RADIUS_KM * math.radians(north - south)
    assert float(great_circle_km(south, 11.0, north, 11.0)) == pytest.approx(expected, rel=1e-9)


@given(latitudes, longitudes)
def test_antipodes_are_half_a_circumference_apart(lat: float, lon: float) -> None:
    assert float(great_circle_km(lat, lon, -lat, lon + 180.0)) == pytest.approx(math.pi * RADIUS_KM, abs=1e-8)


def test_the_date_line_is_no_edge() -> None:
    across = float(great_circle_km(10.0, 179.5, 10.0, -179.5))
    assert across == pytest.approx(float(great_circle_km(10.0, 0.0, 10.0, 1.0)), rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 100, 5000])
def test_fibonacci_points_share_the_sphere_evenly(n: int) -> None:
    lat, lon = fibonacci_sphere(n)
    assert lat.shape == lon.shape == (n,)
    # band i holds sin φ from 2i/n − 1 to 2(i+1)/n − 1: equal areas
    assert torch.allclose(torch.sin(torch.deg2rad(lat)), (2.0 * torch.arange(n).double() + 1.0) / n - 1.0, atol=1e-14)
    assert float(lon.min()) >= -180.0
    assert float(lon.max()) < 180.0


def test_fibonacci_neighbours_keep_their_distance() -> None:
    points = unit_vectors(*fibonacci_sphere(1000))
    cosines = points @ points.T - 2.0 * torch.eye(1000)
    nearest = torch.acos(cosines.max(dim=1).values)
    # the densest packing puts neighbours √(8π/(√3 n)) apart; a random set has pairs a hundred times closer
    assert float(nearest.min()) > 0.7 * math.sqrt(8.0 * math.pi / (math.sqrt(3.0) * 1000))
