"""Fields to learn from a sample: the guide's field of force, the ocean of August 2012, and how a sample is drawn."""

import numpy as np
import pytest

from engine.data import land_mask
from engine.data.august import august_sst
from engine.data.vectors import TARGETS, force, force_field, smooth, target
from engine.embedding import Embedding2d
from engine.errors import ChoiceError, DataError
from engine.sphere import LatLonGrid, great_circle_km


def test_the_force_by_hand():
    """U = cos 2λ is −1 at 90° E and 90° W, 1 on the date line; V = sin 2φ is 1 at 45° N, 0 at the poles."""
    vectors = force(np.array([0.0, 45.0, -45.0, 90.0]), np.array([90.0, 180.0, -90.0, 0.0]))
    np.testing.assert_allclose(vectors, [[-1, 0], [1, 1], [-1, -1], [1, 0]], atol=1e-15)


def test_the_guides_grid_puts_one_point_in_every_cell_of_its_table():
    import torch

    field = force_field()
    assert field.values.shape == (32, 63, 2)
    assert field.names == ("u", "v")
    assert (field.lon[0], field.lat[0]) == (-180.0, -90.0)
    cells = Embedding2d((63, 32, 1)).cells(torch.tensor(field.points()))
    assert len(np.unique(cells)) == 2016


def test_points_stand_as_the_values_do():
    field = force_field()
    points = field.points()
    np.testing.assert_array_equal(force(points[..., 1], points[..., 0]), field.values)


@pytest.mark.parametrize("name", TARGETS)
def test_a_sample_is_the_asked_share_of_the_observed_points(name):
    field = target(name)
    drawn = field.sampled(0.3, seed=5)
    assert drawn.sum() == round(0.3 * field.observed.sum())
    assert field.observed[drawn].all()
    np.testing.assert_array_equal(drawn, field.sampled(0.3, seed=5))
    assert (drawn != field.sampled(0.3, seed=6)).any()


def test_a_sample_favours_no_place():
    """Each quarter of the 2,016 points holds 252 of 1,008 drawn ones, give or take four times σ = 9.7."""
    num_drawn = [
        part.sum()
        for seed in range(4)
        for half in np.array_split(force_field().sampled(0.5, seed), 2, axis=0)
        for part in np.array_split(half, 2, axis=1)
    ]
    assert all(abs(count - 252) < 39 + 8 for count in num_drawn), num_drawn  # the halves differ by a column of 16


@pytest.mark.parametrize("share", [0.0, 1.0, 1e-6])
def test_a_share_that_leaves_nothing_to_learn_or_to_score_is_refused(share):
    with pytest.raises(ChoiceError, match="of 2016 points"):
        force_field().sampled(share, seed=0)


def test_the_nearest_baseline_takes_the_nearest_sampled_point_on_the_sphere():
    field = force_field()
    sampled = field.sampled(0.05, seed=1)
    points = field.points().reshape(-1, 2)
    near = points[sampled.ravel()]
    km = great_circle_km(points[:, None, 1], points[:, None, 0], near[None, :, 1], near[None, :, 0]).numpy()
    choices = field.values[sampled][km.argmin(axis=1)].reshape(field.values.shape)
    nearest = field.nearest(sampled)
    np.testing.assert_array_equal(nearest[sampled], field.values[sampled])
    alone = np.sort(km, axis=1)[:, 1] - km.min(axis=1) > 10.0  # km: elsewhere two points tie
    assert alone.mean() > 0.9
    np.testing.assert_array_equal(nearest.reshape(-1, 2)[alone], choices.reshape(-1, 2)[alone])


def test_an_unknown_field_is_refused():
    with pytest.raises(ChoiceError, match="choose one of force, smooth, august"):
        target("wind")


def test_the_august_ocean():
    sst = august_sst()
    assert sst.dims == ("lat", "lon")
    assert sst.shape == (180, 360)
    assert sst.attrs["units"] == "degC"
    assert (float(sst.lat[0]), float(sst.lat[-1]), float(sst.lon[0])) == (89.5, -89.5, -179.5)
    assert sst.lat.dtype == sst.lon.dtype == np.float64
    assert float(sst.isnull().mean()) == pytest.approx(0.339, abs=5e-4)
    assert float(sst.min()) == pytest.approx(-1.8)
    assert float(sst.max()) == pytest.approx(33.1, abs=0.05)
    # August: the tropics are warm, the northern middle latitudes warmer than the southern ones
    assert float(sst.sel(lat=slice(10, -10)).mean()) > 26.0
    assert float(sst.sel(lat=slice(50, 40)).mean()) > float(sst.sel(lat=slice(-40, -50)).mean()) + 5.0
    land = land_mask(LatLonGrid(sst.lat.values, sst.lon.values)).numpy()
    assert (np.isnan(sst.values) == land).mean() > 0.95


def test_the_august_ocean_is_shared_and_cannot_be_written():
    assert august_sst() is august_sst()
    with pytest.raises(ValueError, match="read-only"):
        august_sst().values[0, 0] = 1.0


def test_a_cartopy_without_its_file_is_told(monkeypatch):
    monkeypatch.setattr("engine.data.august._FILE", "data/netcdf/none.nc")
    with pytest.raises(DataError, match="reinstall cartopy"):
        august_sst.__wrapped__()


def test_the_smooth_field_goes_on_over_the_poles_and_the_guide_s_does_not() -> None:
    """Along a meridian over the pole the slope goes on, or turns round: (latitude, longitude) before and behind it."""
    step, lon = 0.01, np.array([20.0])
    before, pole, behind = ((90.0 - step, lon), (90.0, lon), (90.0 - step, lon + 180.0))
    for function, turns in ((smooth, False), (force, True)):
        values = [function(np.array([lat]), at)[0] for lat, at in (before, pole, behind)]
        slopes = (values[1] - values[0]) / np.deg2rad(step), (values[2] - values[1]) / np.deg2rad(step)
        assert bool(np.abs(slopes[1] - slopes[0]).max() > 1.0) is turns
