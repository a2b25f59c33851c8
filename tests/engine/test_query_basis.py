"""The door to the explorer's numbers: what comes out is what the engine computes, kept within a budget."""

import io
import threading

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from engine.embedding import HarmonicBasis
from engine.errors import ChoiceError, StoreError
from engine.queries import basis, basis_files
from engine.queries.basis import BasisConfig, Domain
from engine.queries.cache import Cache
from engine.sphere import LatLonGrid, great_circle_km, harmonics_at

OCEAN = BasisConfig(6, 10, Domain("ocean"), 2.0)


def test_a_harmonic_is_the_engines_at_every_kind_of_place() -> None:
    shown = basis.harmonic(7, -4)
    rows, columns = [0, 100, 360, 500, 720], [0, 17, 720, 1439, 300]
    exact = harmonics_at(shown.lat[rows], shown.lon[columns], 7, dtype=torch.float64)[:, 49 + 7 - 4]
    np.testing.assert_allclose(shown.field()[rows, columns], exact, atol=1e-6)
    assert np.abs(shown.field()).max() == pytest.approx(shown.limit, rel=1e-6)


def test_a_component_is_standardised_over_its_domain() -> None:
    shown = basis.component(OCEAN, 3)
    grid = LatLonGrid(shown.lat, shown.lon)
    weight = grid.cell_area_m2[:, None] * OCEAN.domain.mask(grid)
    field = shown.field()
    mean = np.average(field, weights=weight)
    # fitted at 2°, looked at on 0.25°: the two coasts differ a little
    assert abs(mean) < 0.03
    assert np.average((field - mean) ** 2, weights=weight) == pytest.approx(1.0, abs=0.05)
    assert shown.limit == pytest.approx(np.abs(field).max(), rel=0.01)


def test_a_box_over_the_date_line_holds_what_lies_in_it() -> None:
    grid = LatLonGrid.regular(10.0)
    mask = Domain("box", -20, 30, 160, -150).mask(grid)
    assert mask is not None
    assert set(grid.lon[mask.any(axis=0)]) == {165.0, 175.0, -175.0, -165.0, -155.0}
    assert set(grid.lat[mask.any(axis=1)]) == {-15.0, -5.0, 5.0, 15.0, 25.0}


def test_an_impossible_box_or_domain_is_refused_in_words() -> None:
    with pytest.raises(ChoiceError, match="south below north"):
        Domain("box", 30, -30)
    with pytest.raises(ChoiceError, match="choose one of sphere, ocean, land, box"):
        Domain("moon")
    with pytest.raises(ChoiceError, match="contains no cell"):
        basis.fitted(BasisConfig(3, 3, Domain("box", 0.1, 0.2, 10.1, 10.2), 2.0))
    with pytest.raises(ChoiceError, match=r"choose 1 ≤ K ≤ \(L\+1\)² − 1 = 48"):
        basis.fitted(BasisConfig(6, 49, Domain("ocean"), 2.0))


def test_the_profile_is_the_field_and_its_rms() -> None:
    shown = basis.component(OCEAN, 2)
    lat, along, rms = basis.profile(shown, -30.1)
    field = shown.field().astype(np.float64)
    column = int(np.argmin(np.abs(shown.lon + 30.1)))
    assert shown.lon[column] == -30.0
    np.testing.assert_allclose(along, field[:, column], atol=1e-5)
    np.testing.assert_allclose(rms, np.sqrt((field**2).mean(axis=1)), atol=1e-5)
    assert lat.shape == along.shape == rms.shape


def test_pyramid_tiles_look_at_the_globe_from_25_north_20_east() -> None:
    tiles = basis.harmonic_tiles(2, size=41)
    zonal = tiles[2]  # l = 1, m = 0: grows with latitude, so northwards in the picture
    assert np.isnan(zonal[0, 0])
    assert zonal[1, 20] > zonal[20, 20] > zonal[39, 20]
    assert zonal[20, 20] * np.sin(np.radians(90)) == pytest.approx(np.sin(np.radians(25)), abs=1e-3)


def test_makeup_tiles_hold_the_loadings() -> None:
    tiles = basis.loading_tiles(OCEAN, 0)[:, 0, 0]
    loading = basis.fitted(OCEAN).components[:, 0].numpy()
    np.testing.assert_allclose(tiles * np.abs(loading).max(), loading, atol=1e-6)


def test_spectrum_and_its_table_agree() -> None:
    spectrum = basis.spectrum(OCEAN)
    rows = pd.read_csv(io.BytesIO(basis_files.spectrum_csv(OCEAN)), comment="#").to_dict("records")
    assert len(rows) == 48
    assert float(rows[4]["eigenvalue"]) == pytest.approx(spectrum.eigenvalues[4])
    assert sum(float(row["explained"]) for row in rows) == pytest.approx(1.0, abs=1e-6)
    assert np.all(np.diff(spectrum.eigenvalues) <= 1e-15)


def test_passport_compares_with_the_other_domains() -> None:
    accuracy = basis.accuracy(OCEAN, lambda share, text: None)
    assert accuracy["num_components"] == 10
    assert 0 < accuracy["agreement"]["land"] < 1
    assert accuracy["agreement"]["chance"] == pytest.approx(10 / 48)


def test_files_reopen_as_what_was_shown(tmp_path) -> None:
    shown = basis.component(OCEAN, 1)
    (tmp_path / "field.nc").write_bytes(basis_files.component_netcdf(OCEAN, 2))
    with xr.open_dataset(tmp_path / "field.nc") as reopened:
        np.testing.assert_array_equal(reopened["field"], shown.field())
        assert reopened.attrs["Conventions"] == "CF-1.11"
    (tmp_path / "basis.safetensors").write_bytes(basis_files.basis_file(OCEAN))
    saved = HarmonicBasis.load(tmp_path / "basis.safetensors")
    assert saved.num_components == 10
    torch.testing.assert_close(saved.components, basis.fitted(OCEAN).components[:, :10])


def test_the_domain_mask_covers_its_share() -> None:
    mask, share = basis.domain_mask(Domain("ocean"))
    assert mask is not None
    assert share == pytest.approx(0.71, abs=0.01)
    assert basis.domain_mask(Domain("sphere")) == (None, 1.0)
    # a place at sea, a place on land
    assert bool(mask.sel(lat=0, lon=-30))
    assert not bool(mask.sel(lat=50, lon=100))


def test_the_cache_stays_within_its_budget_and_drops_the_oldest() -> None:
    cache = Cache(max_bytes=100)
    for key in "abc":
        cache.get(key, lambda key=key: key, lambda _: 40)
    assert cache.used_bytes == 80
    assert "a" not in cache
    assert cache.get("b", lambda: "again", lambda _: 40) == "b"
    cache.get("d", lambda: "d", lambda _: 40)
    assert "c" not in cache
    assert cache.get("huge", lambda: "huge", lambda _: 1000) == "huge"
    assert "huge" not in cache
    assert "b" in cache


def test_the_cache_computes_once_when_asked_at_once_and_forgets_failures() -> None:
    cache, calls, gate = Cache(100), [], threading.Barrier(8)

    def ask() -> None:
        gate.wait()
        cache.get("key", lambda: calls.append(1) or "answer", lambda _: 1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    with pytest.raises(ZeroDivisionError):
        cache.get("bad", lambda: 1 // 0, lambda _: 1)
    assert cache.get("bad", lambda: "good", lambda _: 1) == "good"


def test_neighbouring_places_are_near() -> None:
    # the date line is no edge: 0.25° of longitude at the equator is 27.8 km there too
    assert float(great_circle_km(0.0, 179.875, 0.0, -179.875)) == pytest.approx(27.8, abs=0.05)


def test_a_fit_for_a_run_is_not_made_while_somebody_waits(tmp_path) -> None:
    large = BasisConfig(41, 10, Domain("ocean"), 2.0)
    assert basis.needs_run(large)
    assert not basis.needs_run(BasisConfig(41, 10, Domain("sphere"), 2.0))
    with pytest.raises(ChoiceError, match="start it as a background run, or choose L ≤ 40"):
        basis.fitted(large)
    small = HarmonicBasis.fit(large.grid(), 3, 3, large.domain.mask(large.grid()))
    small.save(tmp_path / "basis.safetensors")
    with pytest.raises(StoreError, match="this is another basis"):
        basis.load_fit(large, tmp_path / "basis.safetensors")
    assert not basis.is_fitted(large)


def test_a_small_box_shows_as_many_components_as_it_determines() -> None:
    config = BasisConfig(10, 64, Domain("box", 20.0, 40.0, 0.0, 20.0), 2.0)
    rank = basis.fitted(config).num_components
    assert 10 < rank < 40
    shown = basis.spectrum(config)
    assert f"determines {rank} of the 120 components" in str(shown.rank_text)
    assert (shown.explained.size, shown.mean_degree.size) == (120, rank)
    assert len(pd.read_csv(io.BytesIO(basis_files.spectrum_csv(config)), comment="#")) == rank
    with xr.open_dataset(io.BytesIO(basis_files.basis_netcdf(config))) as kept:
        assert kept.sizes["component"] == kept.attrs["harmonia_num_components"] == rank
    assert basis.component(config, rank - 1).limit > 0.0
    with pytest.raises(
        ChoiceError, match=rf"component {rank + 1} is no more than rounding .* choose component 1 to {rank}"
    ):
        basis.component(config, rank)
    assert basis.accuracy(config, lambda *_: None)["num_components"] == rank
