"""What is drawn in a notebook: any field on the sphere as (time, lat, lon)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from engine.config.sst import SSTSettings
from engine.errors import ChoiceError, GridError, StoreError
from engine.mvmf import MixtureVMF
from engine.queries.fields import MAX_STEPS, as_field
from engine.runs import RunConfig, RunStore
from engine.sphere import LatLonGrid, harmonics_at

LAT, LON = np.arange(60.0, -61.0, -10.0), np.arange(0.0, 360.0, 20.0)
VALUES = np.add.outer(LAT, LON)


def test_a_labelled_array_keeps_its_values_at_their_places() -> None:
    field = xr.DataArray(
        VALUES.T, {"longitude": LON, "latitude": LAT}, ("longitude", "latitude"), "tos", {"units": "K"}
    )
    drawn = as_field(field)
    assert drawn.dims == ("time", "lat", "lon")
    np.testing.assert_array_equal(drawn[0], VALUES.astype(np.float32))
    np.testing.assert_array_equal(drawn["lat"], LAT)
    assert (drawn.attrs["units"], drawn.attrs["long_name"]) == ("K", "tos")


def test_times_come_first_and_are_kept() -> None:
    times = np.array(["2001-01-01", "2001-02-01"], "datetime64[ns]")
    field = xr.DataArray(np.stack([VALUES, 2 * VALUES], -1), {"lat": LAT, "lon": LON, "t": times}, ("lat", "lon", "t"))
    drawn = as_field(field)
    np.testing.assert_array_equal(drawn["time"], times)
    np.testing.assert_array_equal(drawn[1], (2 * VALUES).astype(np.float32))


def test_coefficients_are_the_harmonics_of_the_engine() -> None:
    coefficients = np.zeros(49)
    coefficients[6 * 6 + 6 + 3] = 2.0
    drawn = as_field(coefficients, 10.0)
    lat, lon = float(drawn["lat"][4]), float(drawn["lon"][7])
    assert float(drawn[0, 4, 7]) == pytest.approx(
        2.0 * float(harmonics_at(torch.tensor([lat]), torch.tensor([lon]), 6)[0, 45]), rel=1e-5
    )
    assert drawn.attrs["palette"] == "balance"


def test_a_mixture_is_its_density() -> None:
    mixture = MixtureVMF(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([2.0]), torch.zeros(1))
    drawn = as_field(mixture, 5.0)
    mass = (drawn[0].values * LatLonGrid.regular(5.0).cell_area_m2[:, None]).sum() / 6_371_000.0**2
    assert mass == pytest.approx(1.0, abs=1e-2)
    assert abs(float(drawn["lat"][int(drawn[0].values.max(1).argmax())])) == 2.5


def test_a_run_without_an_epoch_has_no_field(tmp_path: Path) -> None:
    with RunStore(tmp_path) as store, pytest.raises(StoreError, match="no reconstruction"):
        as_field(store.create(RunConfig(settings=SSTSettings())))


@pytest.mark.parametrize(
    ("thing", "error", "sentence"),
    [
        ("sst", ChoiceError, "no field on the sphere"),
        (np.zeros(5), ChoiceError, "no harmonic coefficients"),
        (np.zeros((3, 3)), ChoiceError, "no harmonic coefficients"),
        (xr.DataArray(VALUES, dims=("a", "b")), GridError, "no latitude"),
        (xr.DataArray(VALUES[0], {"lat": 0.0, "lon": LON}, ("lon",)), GridError, "0 dimensions"),
        (
            xr.DataArray(np.zeros((2, 3, *VALUES.shape)), {"lat": LAT, "lon": LON}, ("depth", "time", "lat", "lon")),
            ChoiceError,
            "depth=0",
        ),
        (
            xr.DataArray(np.zeros((MAX_STEPS + 1, *VALUES.shape)), {"lat": LAT, "lon": LON}, ("time", "lat", "lon")),
            ChoiceError,
            "401 steps",
        ),
    ],
)
def test_what_is_no_field_is_refused_with_a_remedy(thing: object, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        as_field(thing)
