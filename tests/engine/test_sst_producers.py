"""Further producers' layouts: each gives the values that were written, or is refused with the choices that open it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.data.kinds import ICE_CONCENTRATION, SEA_LEVEL_ANOMALY
from engine.data.source import Overrules, Regrid, SSTSource
from engine.data.sst import open_sst
from engine.errors import GridError
from tests.support import producers_more as more
from tests.support.producers import land, truth_c


def steps(source: SSTSource) -> np.ndarray:
    field = source.daily if source.daily is not None else source.monthly
    assert field is not None
    return field.values


def test_sea_level_of_aviso(tmp_path: Path) -> None:
    folder = more.aviso(tmp_path)
    source = open_sst(folder)  # the one variable of a known kind, beside the absolute height
    assert (source.variable.name, source.kind) == (SEA_LEVEL_ANOMALY.name, SEA_LEVEL_ANOMALY.name)
    assert source.daily is not None
    assert source.daily.sizes["time"] == 5
    wanted = [more.sea_level_m(source.grid.lat, source.grid.lon, day) for day in range(5)]
    np.testing.assert_allclose(steps(source), wanted, rtol=0, atol=1e-6)


def test_unsigned_words_of_modis(tmp_path: Path) -> None:
    source = open_sst(more.modis_smi(tmp_path))
    lat, lon = source.grid.lat, source.grid.lon
    wanted = [np.where(land(lat, lon), np.nan, truth_c(lat, lon, day)) for day in range(3)]
    half_a_step = 0.5 * 0.000717185 + 1e-5
    np.testing.assert_allclose(steps(source), wanted, rtol=0, atol=half_a_step)
    assert steps(source).max(initial=-9.0, where=np.isfinite(steps(source))) > 25.0  # above 32767 as a word with sign


def test_ice_on_a_polar_plane_is_regridded_after_asking(tmp_path: Path) -> None:
    folder = more.osi_saf(tmp_path)
    with pytest.raises(GridError, match="curvilinear") as error:
        open_sst(folder)
    for regrid in error.value.choices["regrid"]:
        source = open_sst(folder, overrules=Overrules(regrid=regrid))
        assert source.kind == ICE_CONCENTRATION.name
        wanted = more.ice_percent(source.grid.lat)[None, :, None] + np.zeros_like(steps(source))
        inside = np.isfinite(steps(source))
        # means of buckets leave holes where cells are narrower than pixels, near the pole
        least = 0.9 if regrid.method == "bilinear" else 0.5
        assert inside[:, source.grid.lat > 70.0].mean() > least, regrid
        # half a cell and half a pixel of 1° of latitude, by 5 % a degree
        assert np.abs(steps(source) - wanted)[inside].max() <= 5.0 * (regrid.step_deg / 2.0 + 1.0)


def test_ice_codes_of_hadisst(tmp_path: Path) -> None:
    source = open_sst(more.hadisst(tmp_path))
    assert (source.daily, source.monthly is None) == (None, False)
    lat, lon = source.grid.lat, source.grid.lon
    is_missing = land(lat, lon) | more.is_under_ice(lat, lon)
    wanted = [np.where(is_missing, np.nan, truth_c(lat, lon, month)) for month in range(14)]
    np.testing.assert_allclose(steps(source), wanted, rtol=0, atol=1e-5)
    assert any("-1000" in note for note in source.notes)


def test_a_level_of_one_of_ersst(tmp_path: Path) -> None:
    source = open_sst(more.ersst(tmp_path))
    assert source.daily is None
    assert source.monthly is not None
    assert [str(time)[:10] for time in source.monthly["time"].values] == [
        f"2001-{month:02d}-01" for month in range(1, 5)
    ]
    lat, lon = source.grid.lat, source.grid.lon
    wanted = [np.where(land(lat, lon), np.nan, truth_c(lat, lon, month)) for month in range(4)]
    np.testing.assert_allclose(steps(source), wanted, rtol=0, atol=1e-5)


def test_granules_on_a_grid_become_days(tmp_path: Path) -> None:
    source = open_sst(more.l3u(tmp_path))
    assert source.daily is not None
    assert source.daily.sizes["time"] == 2
    lat, lon = source.grid.lat, source.grid.lon
    seen = np.any([more.overpass(lon, granule) for granule in range(3)], axis=0) & (np.arange(lon.size) % 4 != 0)
    wanted = [np.where(seen[None, :] & ~land(lat, lon), truth_c(lat, lon, day), np.nan) for day in range(2)]
    np.testing.assert_allclose(steps(source), wanted, rtol=0, atol=1e-4)


def test_a_plane_can_be_regridded_to_another_step(tmp_path: Path) -> None:
    source = open_sst(more.osi_saf(tmp_path, days=1), overrules=Overrules(regrid=Regrid(5.0, "bucket")))
    assert source.understood is not None
    assert source.understood.overruled == ("regrid",)
