"""The demo ocean: the same whatever is asked first, the same seen coarser, and every part against a slower way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engine.data.august import august_sst
from engine.data.demo_ocean import EXPECTED_RANGES, PARAMETERS, DemoDay, DemoOcean, demo_ocean
from engine.data.demo_ocean.clouds import CloudProcesses, Clouds, Cooling
from engine.data.demo_ocean.mean_state import Sampler, anchor_grid, at_points, mean_state
from engine.data.demo_ocean.satellite import ORBITS_A_DAY, Satellite
from engine.data.demo_ocean.spectral import Synthesis
from engine.data.demo_ocean.vortices import KM_PER_DEG, VortexState, Vortices, rasterise
from engine.data.land import land_mask
from engine.errors import ChoiceError, GridError
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, great_circle_km, unit_vectors

STEP = 2.0
GRID = LatLonGrid.regular(STEP)


def fields(day: DemoDay) -> list[np.ndarray]:
    return [day.truth, day.observed, day.cloud_missing, day.swath_missing, day.ice]


@pytest.fixture(scope="module")
def ocean() -> DemoOcean:
    return DemoOcean(STEP, seed=4)


# --- any day, in any order ------------------------------------------------------------------------------------------


def test_a_day_is_the_same_to_the_last_bit_whatever_was_asked_before(ocean: DemoOcean) -> None:
    first = np.datetime64("2003-12-20")
    dates = [first + int(k) for k in np.random.default_rng(0).permutation(20)]
    in_order = {day.date: day for day in ocean.days(first, first + 19)}
    with ThreadPoolExecutor(2) as pool:
        at_random = DemoOcean(STEP, seed=4)
        shuffled = dict(zip(dates, pool.map(at_random.day, dates), strict=True))
    for date in dates:
        for expected, actual in zip(fields(in_order[date]), fields(shuffled[date]), strict=True):
            np.testing.assert_array_equal(expected, actual)
    alone = DemoOcean(STEP, seed=4)
    np.testing.assert_array_equal(alone.truth("2003-12-31"), in_order[np.datetime64("2003-12-31")].truth)


def test_another_seed_is_another_ocean(ocean: DemoOcean) -> None:
    other = DemoOcean(STEP, seed=5)
    date = "2002-05-05"
    sea = ~ocean.land
    assert 0.3 < np.abs(ocean.truth(date) - other.truth(date))[sea].mean() < 2.0
    assert (ocean.day(date).cloud_missing != other.day(date).cloud_missing)[sea].mean() > 0.2


def test_days_long_ago_and_far_ahead_are_there(ocean: DemoOcean) -> None:
    for date in ("1701-03-01", "1969-12-31", "1970-01-01", "2199-12-31"):
        assert 17.0 < float(np.nanmean(ocean.truth(date)[20:70])) < 27.0


# --- what a day is --------------------------------------------------------------------------------------------------


def test_masks_say_why_a_value_is_missing(ocean: DemoOcean) -> None:
    for date in ("2002-01-01", "2002-09-01"):
        day = ocean.day(date)
        np.testing.assert_array_equal(np.isnan(day.truth), ocean.land)
        hidden = ocean.land | day.cloud_missing | day.swath_missing | day.ice
        np.testing.assert_array_equal(np.isnan(day.observed), hidden)
        assert not (day.ice & ocean.land).any()
        assert day.ice.any()
        assert day.truth[day.ice].max() < -1.65
        assert np.nanmin(day.truth) >= -1.8001
        assert all(not values.flags.writeable for values in fields(day))
        assert day.date == np.datetime64(date)


def test_a_month_is_the_mean_of_its_days(ocean: DemoOcean) -> None:
    days = [ocean.truth(date) for date in np.arange("2004-02-01", "2004-03-01", dtype="datetime64[D]")]
    assert len(days) == 29
    np.testing.assert_allclose(ocean.month_mean("2004-02"), np.mean(days, axis=0, dtype=np.float64), atol=1e-5)
    np.testing.assert_array_equal(ocean.month_mean("2004-02-17"), ocean.month_mean("2004-02"))


def test_the_same_ocean_is_seen_finer(ocean: DemoOcean) -> None:
    fine = DemoOcean(STEP / 4.0, seed=4)
    date = "2003-06-15"
    blocks = fine.truth(date).reshape(90, 4, 180, 4).mean(axis=(1, 3))
    middle = np.abs(GRID.lat)[:, None] < 60.0
    both = np.isfinite(blocks) & ~ocean.land & middle
    anomaly = ocean.truth(date) - Sampler(GRID)(mean_state().climate(12218)[None])[0]
    difference = (blocks - ocean.truth(date))[both]
    # what cells of 2° cannot hold is less than a third of the variance about the climate
    assert difference.var() < anomaly[both].var() / 3.0
    assert abs(difference.mean()) < 0.1
    coarse_clouds, fine_clouds = ocean.day(date).cloud_missing, fine.day(date).cloud_missing
    agreement = np.corrcoef(fine_clouds.reshape(90, 4, 180, 4).mean(axis=(1, 3)).ravel(), coarse_clouds.ravel())[0, 1]
    assert agreement > 0.75


# --- the parts ------------------------------------------------------------------------------------------------------


def test_the_mean_state_is_the_real_field_in_the_middle_of_august() -> None:
    august = august_sst().values[::-1]
    # 15 August 2012 is day 15567
    difference = (mean_state().climate(15567) - august)[np.isfinite(august) & (august > -1.0)]
    assert np.abs(difference).max() < 1.6
    assert np.abs(difference).mean() < 0.02
    assert np.isfinite(mean_state().mean).all()


def test_anchor_maps_are_read_where_they_are() -> None:
    lat, lon = anchor_grid().lat, anchor_grid().lon
    bumpy = (np.sin(np.deg2rad(2.0 * lat))[:, None] * np.cos(np.deg2rad(3.0 * lon))).astype(np.float32)
    np.testing.assert_allclose(Sampler(anchor_grid())(bumpy[None])[0], bumpy, atol=2e-5)
    points = np.array([10.25, -44.0]), np.array([-179.9, 539.9])  # either side of the date line
    expected = np.sin(np.deg2rad(2.0 * points[0])) * np.cos(np.deg2rad(3.0 * points[1]))
    np.testing.assert_allclose(at_points(bumpy, *points), expected, atol=1e-3)


@pytest.mark.parametrize("step", [0.5, 2.0])
def test_vortices_are_drawn_as_the_slow_way_draws_them(step: float) -> None:
    grid = LatLonGrid.regular(step)
    random = np.random.default_rng(0)
    cores = VortexState(
        np.array([-55.0, 12.3, 40.0]),
        np.array([10.0, 179.9, -180.3]),
        np.array([1.5, 0.7, 1.1]),
        random.standard_normal(3),
        random.standard_normal(3),
    )
    anomaly, east, north = np.zeros((3, *grid.shape))
    for lat, lon, radius, core_K, swirl in zip(*cores, strict=True):
        shrink = np.cos(np.deg2rad(lat))
        tall, wide = np.hypot(radius, step / 12**0.5), np.hypot(radius, step * shrink / 12**0.5)
        reach_y, reach_x = np.pi / 2**0.5 * tall, np.pi / 2**0.5 * wide
        y = (grid.lat - lat)[:, None]
        x = (np.remainder(grid.lon - lon + 180.0, 360.0) - 180.0) * shrink
        inside = (np.abs(y) < reach_y) & (np.abs(x) < reach_x)
        a, b = np.pi * x / (2.0 * reach_x), np.pi * y / (2.0 * reach_y)
        seen = inside * radius**2 / (tall * wide)
        anomaly += seen * core_K * np.cos(a) ** 2 * np.cos(b) ** 2
        east -= seen * swirl * np.sin(2.0 * b) * np.cos(a) ** 2
        north += seen * swirl * np.sin(2.0 * a) * np.cos(b) ** 2
    for drawn, expected in zip(rasterise(cores, grid), (anomaly, east, north), strict=True):
        np.testing.assert_allclose(drawn, expected, atol=1e-5)


def test_vortices_hold_as_much_on_any_grid() -> None:
    # many places, so that it does not matter where in a cell a centre falls
    lat, lon = np.random.default_rng(0).uniform(-40.0, 40.0, (2, 2000))
    same = np.ones(lat.size)
    cores = VortexState(lat, lon, 0.5 * same, 2.0 * same, 0.0 * same)
    amounts = [
        rasterise(cores, LatLonGrid.regular(step))[0].sum(dtype=np.float64) * step**2 for step in (0.25, 0.5, 1, 2)
    ]
    assert amounts == pytest.approx([amounts[0]] * 4, rel=0.03)


def test_vortices_move_slowly_and_die() -> None:
    vortices = Vortices(mean_state(), 1)
    days = [vortices.on(12_000 + day) for day in range(0, 280, 2)]
    tracks = {float(radius): [] for radius in days[10].radius}
    for cores in days:
        for lat, lon, radius in zip(cores.lat, cores.lon, cores.radius, strict=True):
            if float(radius) in tracks:
                tracks[float(radius)].append((lat, lon))
    assert not np.isin(days[10].radius, days[-1].radius).any()
    lengths = np.array([len(track) for track in tracks.values()])
    assert 20 < 2 * lengths.mean() < 120
    for track in list(tracks.values())[::50]:
        lat, lon = np.array(track).T
        steps = great_circle_km(lat[:-1], lon[:-1], lat[1:], lon[1:]).numpy() / 2.0
        assert (steps < 20.0).all()
        assert np.ptp(steps) < 1.0 if len(steps) else True


def test_persistent_clouds_cool_what_they_cover() -> None:
    processes, sampler = CloudProcesses(0), Sampler(GRID)
    clouds, cooling = Clouds(GRID, mean_state(), processes, sampler, Synthesis(GRID, 160)), Cooling(GRID, processes)
    calm = np.zeros(GRID.shape, np.float32)
    covered = np.mean([clouds.clearness(1000 - lag, calm) <= 0.0 for lag in range(1, 13)], axis=0)
    left = cooling.on(1000)
    rows = np.abs(GRID.lat) < 60.0
    assert np.corrcoef(covered[rows].ravel(), left[rows].ravel())[0, 1] < -0.4
    assert 0.05 < left[rows].std() < 0.5


def test_clouds_answer_to_the_sea_drift_and_persist() -> None:
    clouds = Clouds(GRID, mean_state(), CloudProcesses(0), Sampler(GRID), Synthesis(GRID, 160))
    calm = np.zeros(GRID.shape, np.float32)
    today, warmer = clouds.clearness(500, calm), clouds.clearness(500, calm + 1.0)
    tropics, midlatitudes = np.abs(GRID.lat) < 8.0, np.abs(GRID.lat) > 40.0
    assert (warmer < today)[tropics].all()
    assert (warmer > today)[midlatitudes].all()
    tomorrow = clouds.clearness(501, calm)
    for rows, eastward in ((midlatitudes & (np.abs(GRID.lat) < 65.0), True), (np.abs(GRID.lat) < 18.0, False)):
        match = [
            np.corrcoef(np.roll(today[rows], k, axis=1).ravel(), tomorrow[rows].ravel())[0, 1] for k in range(-8, 9)
        ]
        best = STEP * (int(np.argmax(match)) - 8)
        assert (best > 0.0) == eastward
        assert max(match) > 0.4
    later = clouds.clearness(540, calm)
    assert abs(np.corrcoef(today[midlatitudes].ravel(), later[midlatitudes].ravel())[0, 1]) < 0.5


def test_swaths_lie_along_the_path_of_the_satellite() -> None:
    """The slow way: fly the orbit minute by minute and ask which cells lie within half a swath of its path."""
    satellite, day = Satellite(GRID, 0), 12_345
    inclination, half_km = np.deg2rad(98.2), 2330.0 / 2.0
    _, missed = satellite.swaths(day)
    first = -day * ORBITS_A_DAY % 1.0
    lat, lon = (values.ravel() for values in np.meshgrid(GRID.lat, GRID.lon, indexing="ij"))
    along = np.linspace(-np.pi / 2.0, np.pi / 2.0, 90)
    path_lat = np.rad2deg(np.arcsin(np.sin(inclination) * np.sin(along)))
    east = np.rad2deg(np.arctan2(np.cos(inclination) * np.sin(along), np.cos(along)) - along / ORBITS_A_DAY)
    nodes = 180.0 - np.arange(first, ORBITS_A_DAY, 1.0)[:, None] * 360.0 / ORBITS_A_DAY
    path = unit_vectors(np.broadcast_to(path_lat, (len(nodes), 90)), nodes + east).reshape(-1, 3)
    cosine = (unit_vectors(lat, lon) @ path.T).max(dim=1).values.numpy()
    far = (cosine < np.cos(half_km * 1000.0 / EARTH_RADIUS_M)).reshape(GRID.shape)
    # the day's first and last pass meet near the date line, where the fast way knows one of them only
    inner = np.abs(GRID.lon) < 140.0
    assert 0.02 < far[:, inner].mean() < 0.2
    assert (far == missed)[:, inner].mean() > 0.97
    assert not missed[np.abs(GRID.lat) > 50.0][:, inner].any()


def test_errors_are_warm_on_calm_clear_days_and_cold_beside_clouds() -> None:
    satellite = Satellite(GRID, 0)
    swath = np.zeros(GRID.shape, np.intp)
    ones = np.ones(GRID.shape, np.float32)
    tropics = np.abs(GRID.lat) < 20.0
    calm, windy, rim = (
        satellite.errors(100, clear * ones, wind * ones, swath)[tropics]
        for clear, wind in ((2.0, 0.1), (2.0, 3.0), (0.0, 3.0))
    )
    assert calm.mean() - windy.mean() > 0.5
    assert windy.std() == pytest.approx(0.25, rel=0.05)
    assert rim.mean() - windy.mean() == pytest.approx(-0.35, abs=0.03)
    assert ((rim - windy) <= 0.01).all()


# --- as a source ----------------------------------------------------------------------------------------------------


def test_the_source_is_lazy_and_holds_the_ocean(ocean: DemoOcean) -> None:
    source = demo_ocean(STEP, seed=4, start="2003-02-10", years=1)
    assert source.daily is not None
    assert source.truth is not None
    assert source.ice is not None
    assert source.monthly is not None
    assert source.daily.shape == source.truth.shape == source.ice.shape == (365, 90, 180)
    assert source.daily.chunks == ((1,) * 365, (90,), (180,))
    assert source.monthly.shape == (13, 90, 180)
    assert source.monthly.time.values[0] == np.datetime64("2003-02-01")
    assert source.daily.time.values[-1] == np.datetime64("2004-02-09")
    assert source.grid == GRID
    np.testing.assert_array_equal(source.land, land_mask(GRID).numpy())
    day = ocean.day("2003-07-04")
    for lazy, expected in ((source.daily, day.observed), (source.truth, day.truth), (source.ice, day.ice)):
        computed = lazy.sel(time="2003-07-04")
        assert computed.dtype == expected.dtype
        np.testing.assert_array_equal(computed.values, expected)
    np.testing.assert_array_equal(source.monthly.sel(time="2003-07-01").values, ocean.month_mean("2003-07"))


def test_the_key_tells_sources_apart() -> None:
    first = demo_ocean(STEP)
    assert first.key == demo_ocean(STEP).key
    others = [
        demo_ocean(1.0),
        demo_ocean(STEP, seed=1),
        demo_ocean(STEP, start="2001-01-02"),
        demo_ocean(STEP, years=5),
    ]
    assert len({first.key, *(other.key for other in others)}) == 5
    assert first.daily is not None
    assert str(first.daily.time.values[-1])[:10] == "2006-12-31"


def test_the_docstring_names_every_parameter_and_every_claim() -> None:
    text = demo_ocean.__doc__ or ""
    for parameter in PARAMETERS:
        assert parameter.unit
        assert f"{parameter.name}: {parameter.value:g} {parameter.unit}" in text
    for expected in EXPECTED_RANGES.values():
        assert expected.low < expected.high
        assert expected.source
        assert expected.description in text


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"step_deg": 0.1}, "choose 0.25° to 2°"),
        ({"step_deg": 5.0}, "choose 0.25° to 2°"),
        ({"step_deg": float("nan")}, "choose 0.25° to 2°"),
        ({"step_deg": 0.7}, "does not divide 180°"),
        ({"seed": -1}, "choose 0 or more"),
        ({"years": 0}, "choose at least one year"),
        ({"start": "1600-01-01"}, "choose at least one year"),
        ({"start": "2001-02-30"}, "is no date"),
        ({"start": "soon"}, "is no date"),
    ],
)
def test_choices_that_cannot_work_are_refused(choice: dict[str, object], message: str) -> None:
    with pytest.raises((ChoiceError, GridError)) as refusal:
        demo_ocean(**choice)  # type: ignore[arg-type]
    assert message in str(refusal.value)


def test_a_kilometre_is_a_kilometre() -> None:
    assert pytest.approx(float(great_circle_km(0.0, 0.0, 1.0, 0.0))) == KM_PER_DEG
