"""Location encoders against transcriptions of their papers, in plain numpy, one point and one number at a time."""

from __future__ import annotations

import math
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Proj
from scipy.special import eval_legendre, sph_harm_y

from engine.embedding import ENCODERS, Encoder, HarmonicBasis, encode, encoder_width, position_field, sized_parameters
from engine.embedding.encoders import kernels, registry
from engine.embedding.encoders.formulas import equal_earth
from engine.errors import ChoiceError, DataError
from engine.sphere import LatLonGrid, harmonics_at

rng = np.random.default_rng(0)
LAT = np.concatenate(([-90.0, 90.0, 0.0, 0.0, 41.5], np.degrees(np.arcsin(rng.uniform(-1, 1, 40)))))
LON = np.concatenate(([0.0, 77.0, -180.0, 0.0, 13.25], rng.uniform(-180, 180, 40)))
RADII = [0.01, 0.1, 1.0]
"""Three scales from 0.01 to 1."""
THREE = {"num_scales": 3, "min_radius": 0.01}
FIXED = [name for name in ENCODERS if name != "table"]


def grid_code(lat: float, lon: float) -> list[float]:
    return [wave(angle / r) for r in RADII for angle in (lon, lat) for wave in (math.cos, math.sin)]


def theory_code(lat: float, lon: float) -> list[float]:
    directions = [(1.0, 0.0), (-0.5, math.sqrt(3) / 2), (-0.5, -math.sqrt(3) / 2)]
    return [wave((a * lon + b * lat) / r) for r in RADII for a, b in directions for wave in (math.cos, math.sin)]


def spherec_code(lat: float, lon: float) -> list[float]:
    code: list[float] = []
    for r in RADII:
        p, q = lat / r, lon / r
        code += [math.sin(p), math.cos(p) * math.cos(q), math.cos(p) * math.sin(q)]
    return code


def spherem_code(lat: float, lon: float) -> list[float]:
    code: list[float] = []
    for r in RADII:
        p, q = lat / r, lon / r
        code += [math.sin(p), math.cos(p) * math.cos(lon), math.cos(lat) * math.cos(q)]
        code += [math.cos(p) * math.sin(lon), math.cos(lat) * math.sin(q)]
    return code


def dfs_code(lat: float, lon: float) -> list[float]:
    p, q = [lat / r for r in RADII], [lon / r for r in RADII]
    alone = [wave(x) for x in (p,) for wave in (math.sin, math.cos) for x in p]
    alone += [math.sin(x) for x in q] + [math.cos(x) for x in q]
    pairs = [f(x) * g(y) for f in (math.cos, math.sin) for g in (math.cos, math.sin) for x in p for y in q]
    return alone + pairs


def needlet_code(lat: float, lon: float) -> list[float]:
    point = unit(lat, lon)
    code = [1.0 / math.sqrt(4.0 * math.pi)]
    for level in range(2):
        centres, weights = kernels.needlet_points(level)
        window = kernels.needlet_window(level).tolist()
        for centre, weight in zip(centres.tolist(), weights.tolist(), strict=True):
            cosine = float(np.dot(point, centre))
            zonal = [b * (2 * n + 1) / (4 * math.pi) * eval_legendre(n, cosine) for n, b in enumerate(window)]
            code.append(math.sqrt(weight) * sum(zonal))
    return code


def harmonics_code(lat: float, lon: float) -> list[float]:
    code: list[float] = []
    for degree in range(4):
        for order in range(-degree, degree + 1):
            value = sph_harm_y(degree, abs(order), math.pi / 2 - lat, lon) * (-1) ** order  # no Condon–Shortley phase
            part = value.imag if order < 0 else value.real
            code.append(part * (math.sqrt(2) if order else 1.0))
    return code


def rbf_code(lat: float, lon: float) -> list[float]:
    golden = math.pi * (3 - math.sqrt(5))
    code: list[float] = []
    for i in range(12):
        sine = (2 * i + 1) / 12 - 1
        centre = [math.sqrt(1 - sine**2) * f(golden * i) for f in (math.cos, math.sin)] + [sine]
        code.append(math.exp(7.0 * (np.dot(unit(lat, lon), centre) - 1.0)))
    return code


def unit(lat: float, lon: float) -> list[float]:
    return [math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)]


TRANSCRIPTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "direct": (lambda lat, lon: [lon, lat], {}),
    "cartesian3d": (unit, {}),
    "wrap": (lambda lat, lon: [math.sin(lon), math.cos(lon), math.sin(2 * lat), math.cos(2 * lat)], {}),
    "grid": (grid_code, THREE),
    "theory": (theory_code, THREE),
    "spherec": (spherec_code, THREE),
    "spherecplus": (lambda lat, lon: spherec_code(lat, lon) + grid_code(lat, lon), THREE),
    "spherem": (spherem_code, THREE),
    "spheremplus": (lambda lat, lon: spherem_code(lat, lon) + grid_code(lat, lon), THREE),
    "dfs": (dfs_code, THREE),
    "harmonics": (harmonics_code, {"max_degree": 3}),
    "needlets": (needlet_code, {"max_level": 1}),
    "rbf": (rbf_code, {"num_components": 12, "kappa": 7.0}),
}


@pytest.mark.parametrize("name", TRANSCRIPTIONS)
def test_a_code_is_the_formula_of_its_paper(name: str) -> None:
    transcription, parameters = TRANSCRIPTIONS[name]
    expected = [transcription(math.radians(lat), math.radians(lon)) for lat, lon in zip(LAT, LON, strict=True)]
    codes = encode(name, LAT, LON, dtype=torch.float64, **parameters)
    np.testing.assert_allclose(codes.numpy(), np.array(expected), atol=1e-9)


def test_every_formula_of_the_catalogue_is_transcribed_or_tested_by_its_law() -> None:
    by_law = {"harmonic", "sinusoidal", "rff", "equal_earth_rff", "table"}
    assert {*TRANSCRIPTIONS} | by_law == {*ENCODERS}


def test_the_harmonic_code_is_the_position_field_of_the_grid() -> None:
    grid = LatLonGrid.regular(10.0)
    where = torch.zeros(grid.shape, dtype=torch.bool)
    where[4:12, 3:20] = True
    basis = HarmonicBasis.fit(grid, 5, 12, where)
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    codes = encode("harmonic", lat.ravel(), lon.ravel(), dtype=torch.float64, basis=basis)
    expected = position_field(basis, grid, dtype=torch.float64).reshape(-1, 12)
    torch.testing.assert_close(codes, expected, atol=1e-10, rtol=0.0)
    assert encoder_width("harmonic", basis=basis) == 12


def test_sinusoidal_rates_fall_from_one_per_degree() -> None:
    codes = encode("sinusoidal", [30.0], [50.0], dtype=torch.float64, width=8)[0].tolist()
    rates = [1.0, 0.01]
    expected = [f(rate * angle) for angle in (50.0, 30.0) for f in (math.sin, math.cos) for rate in rates]
    np.testing.assert_allclose(codes, expected, atol=1e-12)


# --- random features, by what they tend to ---------------------------------------------------------------------------


def test_random_features_tend_to_the_gaussian_kernel() -> None:
    codes = encode("rff", LAT, LON, dtype=torch.float64, num_components=4096, scale=1.5)
    points = np.array([unit(math.radians(a), math.radians(b)) for a, b in zip(LAT, LON, strict=True)])
    squared = ((points[:, None] - points[None]) ** 2).sum(-1)
    # a mean of 4,096 products between -2 and 2, of variance at most 1: six standard errors
    np.testing.assert_allclose((codes @ codes.T).numpy(), np.exp(-(1.5**2) * squared / 2), atol=6.0 / math.sqrt(4096))


def test_equal_earth_is_the_projection() -> None:
    x, y = Proj("+proj=eqearth +R=1")(LON, LAT)
    ours = equal_earth(torch.from_numpy(LAT), torch.from_numpy(LON)).numpy() / (66.50336 / 180.0)
    is_inside = LON > -180.0  # the projection puts the date line on either side
    np.testing.assert_allclose(ours[is_inside], np.stack((x, y), 1)[is_inside], atol=1e-9)


def test_equal_earth_features_tend_to_a_gaussian_kernel_at_each_scale() -> None:
    sigmas, each = (0.5, 2.0), 1024
    codes = encode(
        "equal_earth_rff",
        LAT,
        LON,
        dtype=torch.float64,
        num_components=4 * each,
        min_scale=0.5,
        max_scale=2.0,
        num_scales=2,
    )
    points = equal_earth(torch.from_numpy(LAT), torch.from_numpy(LON)).numpy()
    squared = ((points[:, None] - points[None]) ** 2).sum(-1)
    for n, sigma in enumerate(sigmas):
        part = codes[:, 2 * each * n : 2 * each * (n + 1)].numpy()
        expected = np.exp(-2.0 * (math.pi * sigma) ** 2 * squared)
        np.testing.assert_allclose(part @ part.T / each, expected, atol=6.0 / math.sqrt(each))


def test_a_seed_names_its_numbers() -> None:
    for name in ("rff", "equal_earth_rff"):
        assert torch.equal(encode(name, LAT, LON, seed=3), encode(name, LAT, LON, seed=3))
        assert not torch.equal(encode(name, LAT, LON, seed=3), encode(name, LAT, LON, seed=4))


# --- wavelets --------------------------------------------------------------------------------------------------------


def test_wavelets_are_a_tight_frame() -> None:
    """The squared coefficients of a function of degree ≤ 2^J sum to its energy, and the wavelets give it back."""
    grid = LatLonGrid.regular(5.0)
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    frame = encode("needlets", lat.ravel(), lon.ravel(), dtype=torch.float64, max_level=2)
    harmonics = harmonics_at(lat.ravel(), lon.ravel(), 4, dtype=torch.float64)
    # coefficients of each harmonic: exact, because wavelets are sums of harmonics at their centres
    in_harmonics = torch.linalg.lstsq(harmonics_at(lat.ravel(), lon.ravel(), 8, dtype=torch.float64), frame).solution
    coefficients = in_harmonics[:25]
    torch.testing.assert_close(coefficients @ coefficients.T, torch.eye(25, dtype=torch.float64), atol=1e-8, rtol=0.0)
    torch.testing.assert_close(frame @ coefficients.T, harmonics, atol=1e-8, rtol=0.0)


@pytest.mark.parametrize("level", [0, 1, 3])
def test_a_level_of_wavelets_holds_its_degrees(level: int) -> None:
    window = kernels.needlet_window(level)
    inside = torch.arange(window.numel()) > 2 ** (level - 1)
    inside &= torch.arange(window.numel()) < 2 ** (level + 1)
    assert bool((window[inside] > 0).all())
    assert float(window[~inside].abs().max()) < 1e-12
    _, areas = kernels.needlet_points(level)
    assert float(areas.sum()) == pytest.approx(4 * math.pi)


# --- the sphere ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIXED)
def test_it_is_smooth_over_the_date_line_exactly_where_its_formula_is(name: str) -> None:
    lat = np.linspace(-80.0, 80.0, 9)
    east, west = (encode(name, lat, np.full(9, lon), dtype=torch.float64) for lon in (180.0 - 1e-7, -180.0 + 1e-7))
    step = float((east - west).abs().max())
    assert (step < 1e-4) == ENCODERS[name].is_periodic


@pytest.mark.parametrize("name", FIXED)
@given(turns=st.integers(-3, 3), lat=st.floats(-90, 90), lon=st.integers(-180, 179))
def test_a_place_has_one_code_however_its_longitude_is_written(name: str, turns: int, lat: float, lon: int) -> None:
    here, there = (encode(name, [lat], [float(x)], dtype=torch.float64) for x in (lon, lon + 360 * turns))
    torch.testing.assert_close(here, there, atol=1e-7, rtol=0.0)


@pytest.mark.parametrize("name", ["harmonic", "harmonics", "cartesian3d", "rff", "rbf", "needlets"])
def test_what_sees_the_sphere_sees_a_pole_as_one_point(name: str) -> None:
    codes = encode(name, np.full(5, 90.0), np.linspace(-180, 170, 5), dtype=torch.float64)
    torch.testing.assert_close(codes, codes[:1].expand_as(codes), atol=1e-9, rtol=0.0)


@pytest.mark.parametrize("name", FIXED)
def test_equal_points_get_equal_rows_and_the_width_is_known_before(name: str) -> None:
    codes = encode(name, [12.0, 12.0, -90.0], [5.0, 5.0, 5.0])
    assert codes.dtype == torch.float32
    assert torch.equal(codes[0], codes[1])
    assert codes.shape == (3, encoder_width(name))
    assert encode(name, [], []).shape == (0, encoder_width(name))


@pytest.mark.parametrize("name", FIXED)
def test_an_encoder_gets_the_most_numbers_that_are_wanted(name: str) -> None:
    for wanted in (8, 64):
        width = encoder_width(name, **sized_parameters(name, wanted))
        assert width <= wanted or name in ("spheremplus", "needlets", "dfs") or not sized_parameters(name, wanted)
    assert encoder_width("harmonics", **sized_parameters("harmonics", 64)) == 64
    assert encoder_width("equal_earth_rff", **sized_parameters("equal_earth_rff", 64)) == 60
    assert sized_parameters("direct", 64) == {}


# --- the table, scales -----------------------------------------------------------------------------------------------


def test_a_table_gives_the_row_of_the_cell() -> None:
    weights = torch.arange(24.0).reshape(4, 3, 2)
    codes = encode("table", [-89.0, 0.0, 89.0], [-180.0, 100.0, 539.0], weights=weights)
    assert torch.equal(codes, torch.stack((weights[0, 0], weights[3, 1], weights[3, 2])))
    with pytest.raises(ChoiceError, match="holds nothing before it is trained"):
        encode("table", [0.0], [0.0])
    with pytest.raises(ChoiceError, match="not finite"):
        encode("table", [0.0], [0.0], weights=torch.full((2, 2, 2), math.nan))


def test_scale_features_are_appended_as_they_are() -> None:
    scale = torch.from_numpy(rng.normal(size=(LAT.size, 10)))
    codes = encode("wrap", LAT, LON, scale_features=scale, dtype=torch.float64)
    assert torch.equal(codes[:, 4:], scale)
    with pytest.raises(DataError, match="10 numbers for each point"):
        encode("wrap", LAT, LON, scale_features=scale[:, :9])


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "problem"),
    [
        ("sphere2", {}, "there is no encoder 'sphere2'"),
        ("grid", {"num_scale": 3}, "it takes num_scales, min_radius"),
        ("direct", {"num_scales": 3}, "it takes none"),
        ("grid", {"num_scales": 0}, "from 1 to 64"),
        ("grid", {"num_scales": 2.5}, "a whole number"),
        ("grid", {"num_scales": True}, "a whole number"),
        ("grid", {"min_radius": math.nan}, "a number from"),
        ("rff", {"scale": "wide"}, "a number from"),
        ("harmonics", {"max_degree": 81}, "from 1 to 80"),
        ("harmonic", {"max_degree": 3, "num_components": 16}, "which has 15"),
        ("sinusoidal", {"width": 10}, "no multiple of 4"),
        ("equal_earth_rff", {"num_components": 64}, "not a multiple of 6"),
        ("equal_earth_rff", {"min_scale": 8.0, "max_scale": 2.0}, "smaller than min_scale"),
    ],
)
def test_parameters_that_cannot_be_are_refused_in_words(name: str, parameters: dict[str, Any], problem: str) -> None:
    with pytest.raises(ChoiceError) as refusal:
        encode(name, [0.0], [0.0], **parameters)
    assert problem in str(refusal.value)


@pytest.mark.parametrize("points", [([91.0], [0.0]), ([math.nan], [0.0]), ([0.0], [math.inf]), ([0.0, 1.0], [0.0])])
def test_points_off_the_sphere_are_refused(points: tuple[list[float], list[float]]) -> None:
    for name in FIXED:
        with pytest.raises(DataError, match=r"not on the sphere|longitudes"):
            encode(name, *points)


# --- encoders of other packages --------------------------------------------------------------------------------------


def _of_other(function: Any) -> Encoder:
    return Encoder(
        title="Theirs", formula="x", source="theirs", function=function, width=lambda _: 1, is_periodic=False
    )


good = _of_other(lambda lat, lon: lat[:, None] + lon[:, None])
raising = _of_other(lambda lat, lon: 1 / 0)
short = _of_other(lambda lat, lon: lat[:1, None])
endless = _of_other(lambda lat, lon: lat[:, None] * math.inf)
no_encoder = 3


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        EntryPoint(name, f"{__name__}:{name}", registry.ENTRY_POINTS)
        for name in ("good", "raising", "short", "endless")
    ]
    entries += [EntryPoint(name, f"{__name__}:{name}", registry.ENTRY_POINTS) for name in ("no_encoder", "absent")]
    monkeypatch.setattr(registry, "entry_points", lambda **of: EntryPoints(entries).select(**of))


@pytest.mark.usefixtures("others")
def test_an_encoder_of_another_package_is_one_of_ours() -> None:
    assert "good" in ENCODERS
    assert list(ENCODERS)[-1] == "short"
    assert encode("good", [1.0, 2.0], [3.0, 4.0]).tolist() == [[4.0], [6.0]]
    assert encoder_width("good") == 1


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("raising", "it failed: division by zero"),
        ("short", r"it gave \(1, 1\) for 2 points"),
        ("endless", "not finite"),
        ("no_encoder", "it is int"),
        ("absent", "it cannot be loaded"),
    ],
)
def test_one_that_goes_wrong_is_named(name: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        encode(name, [1.0, 2.0], [3.0, 4.0])
