"""Trained models as files, and months reconstructed by them: in memory, as NetCDF, as Zarr, and from the shell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from engine.data.kinds import SST
from engine.data.prepare import prepare
from engine.data.sst import open_sst
from engine.errors import CancelledError, ChoiceError, DataError, StoreError
from engine.models.baselines import Baselines, Climatology
from engine.runs import RunConfig
from engine.runs.checkpoints import read_checkpoint, write_checkpoint
from engine.runs.run_folder import write_arrays
from engine.sphere import LatLonGrid
from engine.training.sst.model_bundle import ModelBundle, load_model, on_grid
from engine.training.sst.reconstruct import reconstruct
from engine.training.sst.tiled_prediction import estimate_months
from explorer.cli import main
from tests.support.cf import cf_faults
from tests.support.ocean import GRID, LAND, small_ocean
from tests.support.trainings import MODEL, SMALL, untrained


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


# --- the model's file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder", ["harmonic", "table", "none"])
def test_a_model_survives_its_file(tmp_path, home, encoder):
    model = untrained(model=MODEL.model_copy(update={"encoder": encoder}))
    model.save(tmp_path / "model.safetensors")
    again = ModelBundle.load(tmp_path / "model.safetensors")
    assert (again.settings, again.seed, again.scores, again.key) == (model.settings, 3, model.scores, model.key)
    np.testing.assert_allclose(again.climatology.coeffs, model.climatology.coeffs, atol=0.001)
    assert again.climatology.grid == GRID
    if model.basis is None:
        assert again.basis is None
    else:
        assert again.basis.key == model.basis.key
    data = prepare(small_ocean(1), (2001, 2), (2001, 2))
    estimates = [
        next(estimate_months(bundle.model, bundle.model_inputs(data), SMALL))[1].mean for bundle in (model, again)
    ]
    np.testing.assert_allclose(*estimates, atol=0.01)


def test_the_hash_of_a_model_covers_all_numbers_that_its_results_depend_on(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    model = untrained(model=MODEL.model_copy(update={"encoder": "harmonic"}))
    model.save(run / "best.safetensors")
    fitted = Baselines.fit(*(prepare(small_ocean(2), (year, 1), (year, 3)) for year in (2001, 2002))).state_dict()
    np.savez(run / "baselines.npz", **fitted)
    first = load_model(run)
    basis = first.basis
    assert basis is not None
    assert load_model(run).key == first.key
    coeffs = first.climatology.coeffs
    keys = [first.key, replace(first, climatology=replace(first.climatology, coeffs=coeffs + 0.1)).key]
    keys.append(replace(first, basis=replace(basis, std=basis.std * 2.0)).key)
    keys.append(replace(first, fallback=first.climatology).key)
    for name in ("coeffs", next(name for name in fitted if name.startswith("climatology_anomaly"))):
        np.savez(run / "baselines.npz", allow_pickle=False, **fitted | {name: fitted[name] * 1.5})
        keys.append(load_model(run).key)
    (run / "baselines.npz").unlink()
    keys.append(load_model(run).key)
    next(first.model.parameters()).data.add_(1.0)
    keys.append(replace(first).key)
    assert len(set(keys)) == len(keys)


def test_a_model_is_found_by_file_folder_and_id(home):
    run = home / "runs" / "20250101-000000-0123456789"
    run.mkdir(parents=True)
    model = untrained()
    model.save(run / "best.safetensors")
    for name in (run, run / "best.safetensors", run.name):
        assert load_model(name).key == model.key
    with pytest.raises(StoreError, match="there is no trained model"):
        load_model("20250101-000000-9999999999")


def test_what_is_no_model_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    untrained().save(path)
    content, kept = path.read_bytes(), read_checkpoint(path)
    flipped = content[:-100] + bytes(byte ^ 1 for byte in content[-100:])
    for damaged in (content[: len(content) // 2], flipped, b"", b"not a model"):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match="damaged"):
            ModelBundle.load(path)
    for metadata, message in {
        "other kind": ({**kept.metadata, "format": "harmonia.table"}, "something other than a trained model"),
        "newer": ({**kept.metadata, "version": 99}, "newer Harmonia"),
    }.values():
        write_checkpoint(path, kept.arrays, metadata)
        with pytest.raises(StoreError, match=message):
            ModelBundle.load(path)
    config = json.loads(json.dumps(kept.metadata["config"]))
    config["settings"]["model"]["decoder_width"] = 32
    write_checkpoint(path, kept.arrays, {**kept.metadata, "config": config})
    with pytest.raises(StoreError, match=r"weights are of another model: decoder\.proj\.weight .* and \d+ more"):
        ModelBundle.load(path)
    config["settings"]["model"]["decoder_width"] = 31
    write_checkpoint(path, kept.arrays, {**kept.metadata, "config": config})
    with pytest.raises(StoreError, match=r"settings are not understood: settings\.model\.decoder_width: must be even"):
        ModelBundle.load(path)


# --- climatology on other grids -------------------------------------------------------------------------------------


def test_a_climatology_is_interpolated_among_sea_cells():
    """A field that is linear in latitude and constant in longitude stays so; the date line is no edge."""
    lat = np.broadcast_to(GRID.lat[:, None], GRID.shape)
    coeffs = np.broadcast_to(lat, (5, *GRID.shape)).astype(np.float32).copy()
    own = Climatology(coeffs, GRID)
    fine = LatLonGrid.regular(2.5)
    interpolated = on_grid(own, fine, np.zeros(fine.shape, bool)).coeffs[0]
    inner = np.abs(fine.lat) <= 85.0
    np.testing.assert_allclose(interpolated[inner], np.broadcast_to(fine.lat[:, None], fine.shape)[inner], atol=1e-4)
    np.testing.assert_allclose(np.ptp(interpolated, axis=1), 0.0, atol=1e-4)
    west_to_east = Climatology(np.broadcast_to(np.cos(np.deg2rad(GRID.lon)), coeffs.shape).astype(np.float32), GRID)
    seam = on_grid(west_to_east, fine, np.zeros(fine.shape, bool)).coeffs[0]
    np.testing.assert_allclose(seam, np.broadcast_to(np.cos(np.deg2rad(fine.lon)), fine.shape), atol=0.02)


def test_land_does_not_leak_into_an_interpolated_climatology():
    coeffs = np.full((5, *GRID.shape), 7.0, np.float32)
    coeffs[:, LAND] = np.nan
    fine = LatLonGrid.regular(5.0)
    interpolated = on_grid(Climatology(coeffs, GRID), fine, np.zeros(fine.shape, bool)).coeffs
    np.testing.assert_allclose(interpolated, 7.0, atol=1e-5)


def test_a_sea_beyond_the_climatology_is_refused():
    region = LatLonGrid(np.arange(0.0, 20.0), np.arange(100.0, 140.0))
    own = Climatology(np.ones((5, *region.shape), np.float32), region)
    with pytest.raises(DataError, match="no climatology for a part of this sea"):
        on_grid(own, GRID, LAND)
    inside = LatLonGrid(np.arange(5.0, 10.0, 0.5), np.arange(110.0, 120.0, 0.5))
    np.testing.assert_allclose(on_grid(own, inside, np.zeros(inside.shape, bool)).coeffs, 1.0)


def test_a_coast_further_out_takes_the_climatology_of_the_sea_beside_it():
    """Cells that are sea to the data and land to the model must never become 0 °C."""
    coeffs = np.broadcast_to(20.0 + GRID.lon.astype(np.float32) / 100.0, (5, *GRID.shape)).copy()
    coeffs[:, LAND] = np.nan
    interpolated = on_grid(Climatology(coeffs, GRID), GRID, np.zeros(GRID.shape, bool)).coeffs
    np.testing.assert_array_equal(interpolated[:, ~LAND], coeffs[:, ~LAND])
    inside = interpolated[:, 2:7, 5:12]
    np.testing.assert_allclose(inside, np.broadcast_to(20.0 + GRID.lon[5:12] / 100.0, inside.shape), atol=1e-4)
    np.testing.assert_allclose(interpolated[:, 0], coeffs[:, ~LAND].mean(), atol=1e-3)


@pytest.mark.parametrize("west", [100.0, 170.0, -10.0])
def test_a_region_s_edges_are_not_neighbours(west):
    """East of the last column lies nothing that the region's first column could tell."""
    region = LatLonGrid(np.arange(0.0, 20.0), west + np.arange(40.0))
    own = Climatology(np.broadcast_to(np.arange(40.0, dtype=np.float32), (5, *region.shape)), region)
    fine = LatLonGrid(np.arange(0.0, 20.0), west - 0.25 + np.arange(80) / 2.0)
    interpolated = on_grid(own, fine, np.zeros(fine.shape, bool)).coeffs[0]
    expected = np.clip(np.arange(80) / 2.0 - 0.25, 0.0, 39.0)
    np.testing.assert_allclose(interpolated, np.broadcast_to(expected, fine.shape), atol=1e-4)


# --- months ---------------------------------------------------------------------------------------------------------


def test_every_month_is_estimated_once_whatever_a_sample_holds(home):
    data = prepare(small_ocean(1), (2001, 1), (2001, 7))
    for months in (1, 3, 7, 24):
        model = untrained(months=months)
        estimates = list(estimate_months(model.model, model.model_inputs(data), model.settings))
        assert [n for part, _ in estimates for n in part] == list(range(7))
        for part, estimate in estimates:
            assert estimate.mean.shape == (len(part), *GRID.shape)
            assert (np.isnan(estimate.mean) == LAND).all()
            assert estimate.std is None


def test_the_last_sample_of_a_file_reaches_back_as_in_scoring(home):
    source, model = small_ocean(1), untrained(months=3)
    data = prepare(source, (2001, 1), (2001, 5))
    expected = np.concatenate(
        [part.mean for _, part in estimate_months(model.model, model.model_inputs(data), model.settings)]
    )
    dataset = reconstruct(model, source, (2001, 1), (2001, 5))
    assert dataset["time"].dt.month.values.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(dataset["sst"].values, expected)
    short = prepare(source, (2001, 4), (2001, 5))
    alone = next(estimate_months(model.model, model.model_inputs(short), model.settings))[1].mean
    assert (alone[:, ~LAND] != expected[3:, ~LAND]).any()


def test_turns_share_the_months(home):
    data = prepare(small_ocean(1), (2001, 1), (2001, 5))
    model = untrained()
    parts = [
        [
            n
            for part, _ in estimate_months(model.model, model.model_inputs(data), SMALL, rank=rank, world_size=2)
            for n in part
        ]
        for rank in range(2)
    ]
    assert parts == [[0, 2, 4], [1, 3]]


def test_the_model_says_the_same_through_windows_as_at_once(home):
    """With no reach beyond a patch, a window says what the whole field says: no seam anywhere."""
    local = MODEL.model_copy(
        update={
            "spatial_layers": 0,
            "cross_month": False,
            "overlap": 0,
            "refinement": (),
            "encoder": "sinusoidal",
            "local_mixing": False,
            "summaries": False,
        }
    )
    data = prepare(small_ocean(1), (2001, 2), (2001, 2))
    small = untrained(model=local, window=(6, 6), overlap=0)
    whole = replace(small, settings=small.settings.model_copy(update={"window": (18, 36)}))
    windowed, at_once = (
        next(estimate_months(m.model, m.model_inputs(data), m.settings))[1].mean for m in (small, whole)
    )
    np.testing.assert_allclose(windowed, at_once, atol=1e-4)


def test_a_month_without_any_observation_has_an_answer(home):
    data = prepare(small_ocean(1), (2001, 2), (2001, 2))
    model = untrained()
    for days in (np.full_like(data.daily, np.nan), np.where(np.arange(31)[:, None, None] == 3, data.daily, np.nan)):
        blind = replace(data, daily=days.astype(np.float32))
        mean = next(estimate_months(model.model, model.model_inputs(blind), SMALL))[1].mean
        assert np.isfinite(mean[:, ~LAND]).all()


def test_without_any_observation_a_month_is_the_climatology_and_says_so(home):
    """Of two months one is blind; of the other a part is, wider than a window."""
    data, model = prepare(small_ocean(1), (2001, 2), (2001, 3)), untrained(months=2)
    days = np.array(data.daily)
    days[0] = np.nan
    days[1, :, :, :24] = np.nan
    ((_, estimate),) = estimate_months(model.model, model.model_inputs(replace(data, daily=days)), model.settings)
    expected = np.maximum(model.climatology.at(np.array([2, 3])), SST.least)
    np.testing.assert_array_equal(estimate.is_climatology[0], ~LAND)
    assert not estimate.is_climatology[1].all()
    assert estimate.is_climatology[1][~LAND].any()
    assert not (estimate.is_climatology[1] & np.isfinite(days[1]).any(axis=0)).any()
    np.testing.assert_allclose(estimate.mean[estimate.is_climatology], expected[estimate.is_climatology], atol=1e-5)
    dataset = reconstruct(model, small_ocean(1, cloudy=1.0), (2001, 2), (2001, 3))
    np.testing.assert_array_equal(dataset["from_climatology"].values[0], ~LAND)


def test_no_sea_is_colder_than_its_freezing_point_and_ice_is_marked(tmp_path, home):
    model = untrained()
    cold = replace(model, climatology=Climatology(model.climatology.coeffs - 12.0, GRID))
    with reconstruct(cold, small_ocean(1), (2001, 1), (2001, 2), out=tmp_path / "out.nc") as written:
        sst, ice = written["sst"].values, written["ice"].values.astype(bool)
        assert written["ice"].attrs["flag_meanings"] == "open_water ice"
    assert np.nanmin(sst) == np.float32(SST.least)
    np.testing.assert_array_equal(ice[:, :-1], sst[:, :-1] == np.float32(SST.least))
    assert ice[:, -1].all()  # where the source says so


@pytest.mark.parametrize("name", ["out.nc", "out.zarr"])
def test_a_file_holds_what_memory_does_and_opens_as_a_source(tmp_path, home, name):
    source, model = small_ocean(1), untrained(months=2)
    held = reconstruct(model, source, (2001, 3), (2001, 7))
    shares: list[float] = []
    with reconstruct(
        model, source, (2001, 3), (2001, 7), out=tmp_path / name, progress=lambda share, _: shares.append(share)
    ) as written:
        assert shares == [0.0, 0.4, 0.8]
        xr.testing.assert_equal(written.drop_attrs(), held.drop_attrs())
        assert written.sizes["time"] == 5
        assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == [name]
        assert written.attrs["Conventions"] == "CF-1.11"
        assert RunConfig.from_json(written.attrs["harmonia_model_config"].encode()).settings == model.settings
        assert written.attrs["harmonia_data"] == source.name
        assert written.attrs["harmonia_data_hash"] == source.key
        assert written.attrs["harmonia_model_hash"] == model.key
        assert written.attrs["harmonia_version"]
        np.testing.assert_array_equal(
            written["num_observations"][1], np.isfinite(source.daily.sel(time="2001-04").values).sum(axis=0)
        )
        bounds = written["time_bounds"].values.astype("datetime64[D]")
        assert bounds[0].tolist() == [np.datetime64("2001-03-01").item(), np.datetime64("2001-04-01").item()]
        again = open_sst(tmp_path / name, "sst")
        assert again.grid == GRID
        field = again.monthly if again.monthly is not None else again.daily
        np.testing.assert_allclose(field.values, held["sst"].values, atol=1e-5)


def test_a_predicted_standard_deviation_is_written(tmp_path, home):
    model = untrained(model=MODEL.model_copy(update={"uncertainty": True}), loss="gaussian")
    with reconstruct(model, small_ocean(1), (2001, 3), (2001, 3), out=tmp_path / "out.nc") as written:
        assert (written["sst_std"].values[:, ~LAND] > 0.0).all()
        assert written["sst_std"].attrs["units"] == "kelvin"


def test_an_abandoned_file_leaves_the_one_before(tmp_path, home):
    out = tmp_path / "out.nc"
    out.write_bytes(b"before")

    def leave(share: float, _: str) -> None:
        if share > 0.3:
            raise CancelledError("stop", "here", "go on")

    with pytest.raises(CancelledError):
        reconstruct(untrained(), small_ocean(1), (2001, 1), (2001, 3), out=out, progress=leave)
    assert out.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["out.nc"]


def test_files_that_cannot_be_written(tmp_path, home):
    with pytest.raises(ChoiceError, match=r"'\.csv' are not written"):
        reconstruct(untrained(), small_ocean(1), (2001, 1), (2001, 1), out=tmp_path / "out.csv")
    with pytest.raises(StoreError):
        reconstruct(untrained(), small_ocean(1), (2001, 1), (2001, 1), out=tmp_path / "nowhere" / "out.nc")


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def days(tmp_path) -> Path:
    source = small_ocean(1)
    daily = source.daily.assign_attrs(units="degree_Celsius", standard_name="sea_surface_temperature")
    daily["lat"].attrs["units"], daily["lon"].attrs["units"] = "degrees_north", "degrees_east"
    daily.isel(time=slice(0, 90)).to_netcdf(tmp_path / "days.nc")
    return tmp_path / "days.nc"


def test_the_command_reconstructs_a_file(tmp_path, home, days, capsys):
    untrained().save(tmp_path / "model.safetensors")
    out = tmp_path / "months.nc"
    arguments = ["reconstruct", str(tmp_path / "model.safetensors"), str(days), str(out), "--first", "2001-02"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(out)
    with xr.open_dataset(out) as written:
        assert written["time"].dt.month.values.tolist() == [2, 3]
        assert np.isfinite(written["sst"].values[0, ~LAND]).all()
        assert written.attrs["harmonia_month"] == "2001-02 to 2001-03"
    assert cf_faults(out) == []


def test_the_command_reconstructs_by_a_baseline_beside_the_model(tmp_path, home, days, capsys):
    untrained().save(tmp_path / "model.safetensors")
    data = prepare(small_ocean(1), (2001, 1), (2001, 12))
    fitted = Baselines.fit(data, data, ["mean_debiased"])
    write_arrays(tmp_path / "baselines.npz", fitted.state_dict())
    command = ["reconstruct", str(tmp_path / "model.safetensors"), str(days)]
    for name in ("months.nc", "again.nc"):
        assert main([*command, str(tmp_path / name), "--baseline", "mean_debiased"]) == 0
    with xr.open_dataset(tmp_path / "months.nc") as written:
        wanted = fitted.predict_with_std(data)["mean_debiased"]
        np.testing.assert_allclose(written["sst"].values, wanted.mean[:3], atol=1e-4)
        unseen = written["num_observations"].values == 0
        np.testing.assert_array_equal(written["from_climatology"].values[:, ~LAND], unseen[:, ~LAND])
        assert written.attrs["harmonia_baseline"] == "Mean of observed days, debiased"
    assert main(["remake", str(tmp_path / "months.nc"), str(tmp_path / "third.nc")]) == 0
    capsys.readouterr()
    assert main([*command, str(tmp_path / "none.nc"), "--baseline", "dineof"]) == 2
    assert "choose of those it has: mean" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_what_the_command_wrote_is_made_anew_also_where_the_source_has_moved(
    tmp_path, home, days, capsys, monkeypatch, ending
):
    monkeypatch.chdir(tmp_path)
    untrained().save(tmp_path / "model.safetensors")
    assert main(["reconstruct", "model.safetensors", days.name, f"months{ending}"]) == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["remake", f"../months{ending}", f"again{ending}"]) == 0
    days.rename(elsewhere / "moved.nc")
    capsys.readouterr()
    assert main(["remake", f"../months{ending}", f"third{ending}"]) == 2
    assert "days.nc" in capsys.readouterr().err
    # the values are the same; that the file is the same cannot be known without reading all of it
    assert main(["remake", f"../months{ending}", f"third{ending}", "--source", "moved.nc"]) == 1
    printed = capsys.readouterr().err.splitlines()
    assert [line for line in printed if "%" not in line] == [
        line for line in printed if line.startswith("the source is")
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-run", "days.nc", "out.nc"], "there is no trained model"),
        (["model.safetensors", "no-such.nc", "out.nc"], "no-such.nc"),
        (["model.safetensors", "days.nc", "out.tiff"], "'.tiff' are not written"),
        (["model.safetensors", "days.nc", "out.nc", "--last", "2009-01"], "choose months from 2001-01 to 2001-03"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, home, days, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    untrained().save(tmp_path / "model.safetensors")
    assert main(["reconstruct", *arguments]) == 2
    assert message in capsys.readouterr().err
