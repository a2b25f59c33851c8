"""The Reconstruct page's numbers: those of the scores, and what a drawn cloud, a foreign grid or a bad file does."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.config.reconstruct import ReconstructSettings
from engine.config.run_config import RunConfig
from engine.config.sst import FileSource
from engine.data.prepare import prepare
from engine.data.resample import resampled
from engine.data.sst import open_sst
from engine.errors import ChoiceError, DataError, StoreError
from engine.evaluation.scores import score, score_table
from engine.models import SpatioTemporalConfig
from engine.queries import reconstruct
from engine.queries.cache import Cache
from engine.queries.exported import attributes_of, differences
from engine.queries.ocean import SourceChoice
from engine.queries.reconstruct import Cloud, MonthRequest
from engine.queries.reconstruct import files as reconstruct_files
from engine.queries.reconstruct import models as reconstruct_models
from engine.queries.reconstruct import months as reconstruct_months
from engine.queries.reconstruct import scores as reconstruct_scores
from engine.queries.remake import remake
from engine.queries.run_exports import metrics_csv, snapshot_origin
from engine.runs.metrics import MetricsReader
from engine.sphere import LatLonGrid
from engine.training.sst import data_module
from engine.training.sst import reconstruct as reconstruct_task
from engine.training.sst.model_bundle import ModelBundle
from engine.training.sst.tiled_prediction import estimate_months, predict
from tests.support.cf import cf_faults
from tests.support.ocean import GRID, LAND, small_ocean
from tests.support.run_context import context
from tests.support.trainings import MODEL, SMALL, learn

RUN = "20260101-000000-0000000000"
SETTINGS = SMALL.model_copy(
    update={
        "model": SpatioTemporalConfig.model_validate({**MODEL.model_dump(), "uncertainty": True}),
        "loss": "gaussian",
        "epochs": 2,
        "samples": 4,
        "months": 2,
    }
)
JULY = MonthRequest(RUN, SourceChoice(step_deg=2.0, years=4), 2004, 7)
CLOUD = Cloud(((35.0, -150.0), (35.0, -140.0)), 900.0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one run that has learned the small ocean."""
    home = tmp_path_factory.mktemp("reconstruct")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_HOME", str(home))
        patched.setattr(data_module, "open_source", lambda _: small_ocean(4))
        (home / "runs").mkdir()
        learn(home / "runs" / RUN, SETTINGS)
        (home / "runs" / RUN / "config.json").write_bytes(RunConfig(settings=SETTINGS).to_json())
    return home


@pytest.fixture(autouse=True)
def _house(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_HOME", str(home))
    monkeypatch.setattr(data_module, "open_source", lambda _: small_ocean(4))
    for module in (reconstruct_months, reconstruct_models, reconstruct_files):
        monkeypatch.setattr(module, "CACHE", Cache(64 * 2**20))
    give(monkeypatch, small_ocean(4))


def give(monkeypatch: pytest.MonkeyPatch, ocean) -> None:
    for module in (reconstruct_months, reconstruct_models):
        monkeypatch.setattr(module, "source", lambda _: ocean)


def trained() -> ModelBundle:
    return reconstruct_models.model_of(RUN).bundle


def test_answers_are_those_of_the_whole_archive() -> None:
    data = prepare(small_ocean(4), (2004, 6), (2004, 7))
    estimate = predict(trained(), data).estimate
    ((_, expected),) = estimate_months(trained().model, trained().model_inputs(data), SETTINGS)
    np.testing.assert_array_equal(estimate.mean, expected.mean)
    np.testing.assert_array_equal(estimate.std, expected.std)


def test_after_a_change_only_what_it_touches_is_asked_again_and_the_answer_is_that_of_asking_all() -> None:
    data = prepare(small_ocean(4), (2004, 6), (2004, 7))
    known = predict(trained(), data)
    days = np.array(data.daily)
    days[1, :, 12:14, 3:6] = np.nan
    changed = np.zeros(GRID.shape, bool)
    changed[12:14, 3:6] = True
    other = replace(data, daily=days)
    again = predict(trained(), other, known=known, changed=changed)
    kept = [corner for corner in known.windows if again.windows[corner] is known.windows[corner]]
    assert kept
    assert len(kept) < len(known.windows)
    whole = predict(trained(), other).estimate
    np.testing.assert_allclose(again.estimate.mean, whole.mean, atol=1e-5)
    assert np.nanmax(np.abs(whole.mean - known.estimate.mean)) > 1e-3


@pytest.mark.parametrize("patch_days", [1, 4])
def test_day_weights_sum_to_one_and_vanish_where_nothing_was_seen(patch_days: int) -> None:
    model = trained()
    if patch_days > 1:
        model = small_model_of(patch_days)
    data = prepare(small_ocean(4), (2004, 2), (2004, 2))
    answers = predict(model, data)
    for row, column in ((12, 3), (8, 20), (14, 35), (17, 0)):
        weights = answers.day_weights(0, row, column)
        seen = np.isfinite(data.daily[0, :, row, column])
        assert weights[seen].min() > 0.0
        assert weights.sum() == pytest.approx(1.0, abs=1e-5)
        assert (weights[data.padded[0]] == 0.0).all()


def small_model_of(patch_days: int) -> ModelBundle:
    from engine.models import SpatioTemporalModel

    config = SpatioTemporalConfig.model_validate({**SETTINGS.model.model_dump(), "patch": (patch_days, 2, 2)})
    settings = SETTINGS.model_copy(update={"model": config})
    return replace(trained(), model=SpatioTemporalModel(config).eval(), settings=settings)


def test_the_verdict_is_what_the_scores_say_of_the_same_arrays() -> None:
    months = [reconstruct.reconstruct_month(replace(JULY, month=month)) for month in (5, 6, 7)]
    scores = reconstruct.score_months(months)
    data = prepare(small_ocean(4), (2004, 5), (2004, 7))
    estimates = {name: np.stack([month.estimates[name] for month in months]) for name in months[0].estimates}
    climatology = {month.request.month: month.climatology for month in months}
    table = score_table(
        score(data, estimates, climatology=climatology), [name for name in estimates if name != "model"]
    )
    assert scores.table == table
    errors = {name: rows["surface"]["sea"]["mae"] for name, rows in table.items() if name != "model"}
    assert scores.best == min(errors, key=lambda name: errors[name])
    result = scores.verdict
    assert result.margin == table["model"]["surface"]["sea"][f"skill_mae_vs_{scores.best}"]
    assert result.interval is not None
    assert result.interval[0] < result.margin < result.interval[1]
    assert scores.num_months == 3
    content = reconstruct.scores_csv([("2004", scores)])
    rows = pd.read_csv(io.BytesIO(content), comment="#").to_dict("records")
    mine = next(
        row
        for row in rows
        if [row[k] for k in ("estimate", "stratum", "label", "metric")] == ["model", "surface", "sea", "mae"]
    )
    assert float(mine["value"]) == table["model"]["surface"]["sea"]["mae"]
    assert [row["value"] for row in rows if row["metric"] == "text"] == [result.text]


def test_a_region_counts_its_own_cells_only() -> None:
    month = reconstruct.reconstruct_month(JULY)
    world, tropics = reconstruct.score_months([month]), reconstruct.score_months([month], "Tropics")
    assert tropics.num_cells == int((~LAND[7:11]).sum())
    assert world.num_cells == int((~LAND).sum())
    with pytest.raises(ChoiceError, match="no region"):
        reconstruct.score_months([month], "Atlantis")


def test_the_worst_places_are_the_largest_errors_apart() -> None:
    month = reconstruct.reconstruct_month(JULY)
    worst = reconstruct.largest_errors(month)
    error = np.abs(month.estimates["model"] - month.truth)
    assert abs(worst[0].error) == pytest.approx(float(np.nanmax(error)))
    assert [abs(place.error) for place in worst] == sorted((abs(place.error) for place in worst), reverse=True)
    assert len({(place.lat, place.lon) for place in worst}) == len(worst) == 10


def test_a_cloud_hides_what_lies_below_it_and_the_error_is_of_those_cells() -> None:
    plain, clouded = reconstruct.reconstruct_month(JULY), reconstruct.reconstruct_month(replace(JULY, clouds=(CLOUD,)))
    hidden = clouded.hidden
    assert hidden.any()
    assert (clouded.count[hidden] == 0).all()
    np.testing.assert_array_equal(clouded.withheld[hidden], plain.count[hidden])
    np.testing.assert_array_equal(clouded.count[~hidden], plain.count[~hidden])
    area = np.broadcast_to(GRID.cell_area_m2[:, None], GRID.shape)[hidden]
    errors = reconstruct.errors_within(clouded, clouded.hidden)
    expected = np.average(np.abs(clouded.estimates["model"] - clouded.truth)[hidden], weights=area)
    assert errors is not None
    assert errors["model"] == pytest.approx(expected, rel=1e-5)
    assert reconstruct.score_months([clouded]).table["model"]["class"]["withheld"]["area"] > 0.0
    one_day = reconstruct.reconstruct_month(replace(JULY, clouds=(replace(CLOUD, day=3),)))
    assert 0 < (plain.count - one_day.count).sum() <= hidden.sum()


def test_a_cloud_over_everything_leaves_an_answer() -> None:
    poles = Cloud(((90.0, 0.0), (-90.0, 0.0)), 20_000.0)
    month = reconstruct.reconstruct_month(replace(JULY, clouds=(poles,)))
    assert not month.count.any()
    assert np.isfinite(month.estimates["model"][~LAND]).all()
    assert not reconstruct.cell_detail(month.request, (30.0, -100.0)).weights.any()


def test_a_cell_tells_its_days_and_what_was_hidden_of_them() -> None:
    cell = reconstruct.cell_detail(replace(JULY, clouds=(CLOUD,)), (35.0, -145.0))
    whole = reconstruct.cell_detail(JULY, (35.0, -145.0))
    assert np.isnan(cell.days).all()
    np.testing.assert_array_equal(cell.hidden, whole.days)
    assert whole.weights.sum() == pytest.approx(1.0, abs=1e-5)
    assert len(whole.days) == 31
    truth = small_ocean(4).monthly.sel(time="2004-07-01", lat=35.0, lon=-145.0)
    assert whole.truth == pytest.approx(float(truth))
    assert whole.std is not None
    assert reconstruct.cell_detail(JULY, (-30.0, -90.0)).is_land


def test_without_truth_only_what_is_withheld_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, small_ocean(4, monthly=False, ice=False))
    blind = reconstruct.reconstruct_month(JULY)
    assert not reconstruct.can_score(blind)
    assert set(reconstruct.layers_of(blind)) == {"day", "observed", "reconstruction", "difference", "std"}
    with pytest.raises(DataError, match="not known"):
        reconstruct.score_months([blind])
    month = reconstruct.reconstruct_month(replace(JULY, hidden_percent=20))
    scores = reconstruct.score_months([month])
    assert scores.withheld_only
    assert scores.num_cells == int(np.isfinite(month.truth).sum()) == int((month.withheld > 0).sum())


@pytest.mark.parametrize("month", ["2004-07", "2004-12"])
def test_a_month_seen_alone_is_hidden_by_the_clouds_of_another(monkeypatch: pytest.MonkeyPatch, month: str) -> None:
    year, number = (int(part) for part in month.split("-"))
    model = reconstruct_models.model_of(RUN)
    alone = replace(model.bundle, settings=SETTINGS.model_copy(update={"months": 1}))
    monkeypatch.setattr(model, "bundle", alone)
    reconstructed = reconstruct.reconstruct_month(replace(JULY, year=year, month=number, hidden_percent=20))
    assert not reconstructed.in_stripes
    seen = prepare(small_ocean(4), (year, number), (year, number))
    expected = reconstructed.withheld[~LAND] > 0
    assert expected.sum() / np.isfinite(seen.daily[0]).any(axis=0).sum() == pytest.approx(0.2, abs=0.02)


def test_a_source_of_one_month_is_hidden_in_stripes_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    ocean = small_ocean(4)
    only = ocean.daily["time"].dt
    july = replace(ocean, key="july", daily=ocean.daily[((only.year == 2004) & (only.month == 7)).values], ice=None)
    give(monkeypatch, july)
    assert reconstruct.reconstruct_month(replace(JULY, hidden_percent=20)).in_stripes
    assert not reconstruct.reconstruct_month(JULY).in_stripes


def test_quantiles_by_number_of_observations_are_of_the_area() -> None:
    """The smallest error that the share of the area does not exceed, by sorting."""
    month = reconstruct.reconstruct_month(JULY)
    errors = reconstruct.errors_by_observations([month], "mean")
    counted = np.isfinite(month.truth) & ~LAND & (month.data.ice[0] <= 0.15)
    size = np.abs(month.estimates["model"].astype(float) - month.truth)
    area = np.broadcast_to(GRID.cell_area_m2[:, None], GRID.shape)
    assert len(errors.count) > 2
    for row, count in zip(errors.model, errors.count, strict=True):
        here = counted & (month.count == count)
        order = np.argsort(size[here])
        reached = np.cumsum(area[here][order]) / area[here].sum()
        expected = [size[here][order][np.searchsorted(reached, share)] for share in reconstruct_scores.QUANTILES]
        np.testing.assert_allclose(row, expected, rtol=1e-12)


def test_a_month_outside_the_source_is_refused() -> None:
    with pytest.raises(ChoiceError, match="the source has no 1900-05"):
        reconstruct.reconstruct_month(replace(JULY, year=1900, month=5))


def test_a_month_without_any_observation_is_reconstructed(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, small_ocean(4, cloudy=1.0, seed=5))
    month = reconstruct.reconstruct_month(JULY)
    assert not month.count.any()
    assert np.isfinite(month.estimates["model"][~LAND]).all()
    assert reconstruct.score_months([month]).error_kelvin["mean"] > 0.0


def test_another_grid_is_reported_and_resampled_by_area(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = LatLonGrid.regular(5.0)
    ocean = small_ocean(4, grid=fine, land=LAND.repeat(2, axis=0).repeat(2, axis=1))
    assert not reconstruct.needs_resampling(RUN, JULY.source)
    give(monkeypatch, ocean)
    assert reconstruct.needs_resampling(RUN, JULY.source)
    assert "18 × 36" in reconstruct.source_differences(RUN, JULY.source)[0]
    month = reconstruct.reconstruct_month(replace(JULY, resample=True))
    assert month.data.grid == GRID
    moved = resampled(ocean, GRID)
    np.testing.assert_array_equal(moved.land, LAND)
    day, old = moved.daily.isel(time=4).values, ocean.daily.isel(time=4).values
    for row, column in ((12, 3), (8, 20), (17, 35), (1, 1)):
        part = old[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].astype(float)
        area = np.where(np.isfinite(part), fine.cell_area_m2[2 * row : 2 * row + 2, None], 0.0)
        share = area.sum() / (2 * fine.cell_area_m2[2 * row : 2 * row + 2].sum())
        expected = np.nansum(part * area) / area.sum() if share >= 0.5 else np.nan
        np.testing.assert_allclose(day[row, column], expected, rtol=1e-6)
    same = resampled(small_ocean(4), GRID)
    np.testing.assert_allclose(same.daily.isel(time=9).values, small_ocean(4).daily.isel(time=9).values, rtol=1e-6)


def test_a_model_is_asked_with_the_observations_that_it_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same file another choice of quality is told; where the file grades nothing there is nothing to tell."""
    learned = FileSource(path="/data/sst.nc", variable="sst", quality="all")
    model = SimpleNamespace(
        bundle=SimpleNamespace(
            settings=SimpleNamespace(source=learned),
            climatology=SimpleNamespace(grid=GRID),
            scores={"data_key": "k"},
            check_variable=lambda variable: None,
        )
    )
    monkeypatch.setattr(reconstruct_models, "model_of", lambda _: model)
    own = reconstruct.source_of(RUN)
    assert own == SourceChoice("path", path="/data/sst.nc", variable="sst", quality="all")
    give(monkeypatch, replace(small_ocean(1), key="k", grading="all observations count"))
    assert reconstruct.source_differences(RUN, own) == ()
    give(monkeypatch, replace(small_ocean(1), key="other", grading="kept quality_level ≥ 4"))
    text = "The model was trained on all observations; here its input is "
    assert reconstruct.source_differences(RUN, replace(own, quality="good")) == (f"{text}good observations only.",)
    assert reconstruct.source_differences(RUN, replace(own, quality=3)) == (
        f"{text}observations of level 3 and better.",
    )
    give(monkeypatch, replace(small_ocean(1), key="other"))
    assert reconstruct.source_differences(RUN, replace(own, quality="good")) == ()


def test_a_model_that_is_gone_or_damaged_is_refused(home: Path) -> None:
    for name in ("20990101-000000-ffffffffff", "../../etc", "..", ""):
        with pytest.raises(StoreError):
            reconstruct.model_card(name)
    broken = home / "runs" / "broken"
    broken.mkdir()
    (broken / "best.safetensors").write_bytes(b"half")
    with pytest.raises(StoreError):
        reconstruct.model_card("broken")


def test_a_model_without_its_baselines_stands_beside_the_plain_ones(home: Path, tmp_path: Path) -> None:
    kept = home / "runs" / RUN / "baselines.npz"
    kept.rename(tmp_path / "baselines.npz")
    try:
        card = reconstruct.model_card(RUN)
        assert not card.has_baselines
        assert set(reconstruct.reconstruct_month(JULY).estimates) == {"model", "mean", "climatology"}
    finally:
        (tmp_path / "baselines.npz").rename(kept)


def test_the_baselines_on_a_grid_are_kept_for_its_other_months() -> None:
    """With them the tables that an interpolation looks covariances up in: each month made all of them anew."""
    first, again = (reconstruct_models.model_of(RUN).baselines_on(GRID, LAND) for _ in range(2))
    assert first is again
    other = np.zeros_like(LAND)
    assert reconstruct_models.model_of(RUN).baselines_on(GRID, other) is not first


def test_the_film_is_all_snapshots_and_a_half_written_one_is_refused(home: Path) -> None:
    assert reconstruct.snapshot_epochs(RUN) == (0, 1, 2)
    assert reconstruct.snapshot_epochs("20990101-000000-ffffffffff") == ()
    shown = reconstruct.snapshot(RUN, 2)
    known = np.isfinite(shown.observed + shown.truth + shown.reconstruction)
    area = np.broadcast_to(GRID.cell_area_m2[:, None], GRID.shape)[known]
    expected = np.average(np.abs(shown.reconstruction - shown.truth)[known], weights=area)
    assert shown.error_kelvin == pytest.approx(expected)
    grey, red = (np.array([[k, k * is_grey, k * is_grey] for k in range(256)], np.uint8) for is_grey in (1, 0))
    film = Image.open(io.BytesIO(reconstruct.animation_gif(RUN, grey.tobytes(), red.tobytes())))
    assert film.n_frames == 3
    origin = json.loads(film.info["comment"])
    assert origin["harmonia_month"] == "2003-02"
    assert origin["harmonia_epoch"] == "0 to 2"
    assert origin["harmonia_synthetic"].startswith("synthetic")
    assert RunConfig.from_json(origin["harmonia_model_config"].encode()).settings == SETTINGS
    film.seek(2)
    pixels = np.asarray(film.convert("RGB")).astype(int)
    # two maps of 20 pixels a cell below two lines of text; the colour of a cell is that of its value
    top, cell, step = 56, 20, 18 * 20 + 10 + 20 + 12
    row, column = (int(axis) for axis in np.argwhere(np.isfinite(shown.reconstruction))[100])
    y, x = top + (17 - row) * cell + 10, 12 + column * cell + 10
    expected = 255.0 * (shown.reconstruction[row, column] + 2.0) / 34.0
    assert np.abs(pixels[y, x] - expected).max() <= 3.0
    assert pixels[y + step, x, 1:].tolist() == [0, 0]
    assert {tuple(colour) for colour in pixels[top : top + 360, 12:732].reshape(-1, 3)} >= {
        (58, 67, 82),
        (157, 167, 184),
    }
    assert (pixels[:52] == (232, 235, 241)).all(axis=-1).any()
    bar = pixels[top + 360 + 8, 12:732, 0]
    assert (bar[0], bar[-1]) == (0, 255)
    assert (np.diff(bar) >= 0).all()
    (home / "runs" / RUN / "snapshots" / "epoch-0009.npz").write_bytes(b"PK\x03\x04 half")
    try:
        with pytest.raises(StoreError, match="cannot be read"):
            reconstruct.snapshot(RUN, 9)
    finally:
        (home / "runs" / RUN / "snapshots" / "epoch-0009.npz").unlink()
    with pytest.raises(DataError, match="no epoch"):
        reconstruct.animation_gif("20990101-000000-ffffffffff", bytes(768), bytes(768))


def test_the_exported_month_is_cf_and_reopens(tmp_path: Path) -> None:
    month = reconstruct.reconstruct_month(JULY)
    path = tmp_path / "month.nc"
    path.write_bytes(reconstruct.month_netcdf(month))
    with xr.open_dataset(path) as saved:
        assert saved.attrs["Conventions"] == "CF-1.11"
        assert saved["sst"].attrs["standard_name"] == "sea_surface_temperature"
        assert saved["time"].attrs["bounds"] in saved
        assert set(saved["sst"].attrs["ancillary_variables"].split()) <= set(saved)
        assert saved.cf["latitude"].attrs["units"] == "degrees_north"
        np.testing.assert_allclose(saved["sst"].values[0], month.estimates["model"], atol=1e-5)
    reopened = open_sst(path, "sst")
    assert reopened.grid == GRID
    field = (reopened.monthly if reopened.monthly is not None else reopened.daily).values[0]
    np.testing.assert_allclose(field, month.estimates["model"], atol=1e-5)


def test_an_exported_month_and_its_scores_are_made_anew_to_the_same_values(tmp_path: Path) -> None:
    painted = replace(JULY, hidden_percent=20, clouds=(CLOUD,))
    months = [reconstruct.reconstruct_month(request) for request in (painted, replace(painted, clouds=()))]
    path = tmp_path / "month.nc"
    path.write_bytes(reconstruct.month_netcdf(months[0]))
    attributes = attributes_of(path)
    expected = {"model": RUN, "month": "2004-07", "withheld_percent": 20, "painted_clouds": 1}
    assert {name: attributes[f"harmonia_{name}"] for name in expected} == expected
    assert attributes["harmonia_data_hash"] == small_ocean(4).key
    assert attributes["harmonia_model_hash"] == reconstruct.model_card(RUN).key
    assert cf_faults(path) == []
    assert remake(path, tmp_path / "again.nc").differences == ()

    scores = [(str(len(part)), reconstruct.score_months(part, "Tropics")) for part in (months[:1], months)]
    table = tmp_path / "scores.csv"
    table.write_bytes(reconstruct.scores_csv(scores))
    assert attributes_of(table)["harmonia_region"] == "Tropics"
    assert remake(table, tmp_path / "again.csv").differences == ()


def test_the_metrics_of_a_training_are_made_anew_apart_from_the_clock(tmp_path: Path, home: Path) -> None:
    reader = MetricsReader(home / "runs" / RUN / "metrics.jsonl")
    reader.poll()
    path = tmp_path / "metrics.csv"
    path.write_bytes(metrics_csv(RunConfig(settings=SETTINGS), reader.columns))
    assert {"val_mae", "samples_per_s"} <= set(pd.read_csv(path, comment="#"))
    assert attributes_of(path)["harmonia_data"] == SETTINGS.source.model_dump_json()
    assert remake(path, tmp_path / "again.csv").differences == ()
    # a value that is a little off is seen
    head = "".join(line for line in path.read_text().splitlines(keepends=True) if line.startswith("#"))
    frame = pd.read_csv(path, comment="#")
    path.write_text(head + frame.assign(val_mae=frame["val_mae"] + 1e-6).to_csv(index=False))
    assert differences(path, tmp_path / "again.csv") == ["'val_mae' differs by up to 1e-06"]


def test_a_film_and_a_picture_of_a_training_are_made_anew_by_training_again(tmp_path: Path, home: Path) -> None:
    palette = np.arange(768, dtype=np.uint8).tobytes()
    film = tmp_path / "film.gif"
    film.write_bytes(reconstruct.animation_gif(RUN, palette, palette[::-1]))
    assert remake(film, tmp_path / "again.gif").differences == ()
    with Image.open(film) as frames:
        frames.seek(1)
        other = frames.convert("P")
        other.save(tmp_path / "other.gif", comment=frames.info["comment"])
    assert differences(film, tmp_path / "other.gif")

    origin = snapshot_origin(RunConfig(settings=SETTINGS), RUN, 2)
    text = PngInfo()
    for name, value in origin.attributes().items():
        text.add_text(name, str(value))
    Image.new("RGB", (4, 4)).save(tmp_path / "view.png", pnginfo=text)
    assert remake(tmp_path / "view.png", tmp_path / "data.nc").differences == ()
    assert cf_faults(tmp_path / "data.nc") == []
    with xr.open_dataset(tmp_path / "data.nc") as saved:
        shown = reconstruct.snapshot(RUN, 2)
        np.testing.assert_array_equal(saved["reconstruction"].values, shown.reconstruction)
        np.testing.assert_array_equal(saved["target"].values, shown.truth)
        assert saved.attrs["harmonia_epoch"] == 2
    assert remake(tmp_path / "data.nc", tmp_path / "again.nc").differences == ()


def test_what_is_made_anew_by_another_model_is_not_called_equal(tmp_path: Path, home: Path) -> None:
    path, weights = tmp_path / "month.nc", home / "runs" / RUN / "best.safetensors"
    path.write_bytes(reconstruct.month_netcdf(reconstruct.reconstruct_month(JULY)))
    before = weights.read_bytes()
    bundle = ModelBundle.load(weights)
    for value in bundle.model.parameters():
        value.data.mul_(1.01)
    try:
        bundle.save(weights)
        texts = remake(path, tmp_path / "again.nc").differences
    finally:
        weights.write_bytes(before)
    assert texts[0].startswith("the model is another one: its hash was")
    assert any(text.startswith("'sst' differs by up to") for text in texts)


def test_a_whole_archive_is_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconstruct_task, "open_source", lambda _: small_ocean(4))
    settings = ReconstructSettings(model=RUN, source=SETTINGS.source, first="2004-05", last="2004-07")
    run = context(tmp_path, settings)
    try:
        reconstruct_task.reconstruct_archive(settings, run)
    finally:
        run.close()
    with xr.open_dataset(tmp_path / "reconstruction.nc") as saved:
        assert [str(time)[:7] for time in saved["time"].values] == ["2004-05", "2004-06", "2004-07"]
        assert np.isfinite(saved["sst"].values[:, ~LAND]).all()
        assert saved.attrs["harmonia_month"] == "2004-05 to 2004-07"
    assert remake(tmp_path / "reconstruction.nc", tmp_path / "again.nc").differences == ()
    assert "percent" in (tmp_path / "metrics.jsonl").read_text()


def test_reliability_counts_the_truths_inside_the_interval() -> None:
    month = reconstruct.reconstruct_month(JULY)
    reliability = reconstruct.reliability([month])
    assert reliability is not None
    inside = np.abs(month.estimates["model"] - month.truth) <= 1.6448536 * month.std
    counted = np.isfinite(month.truth) & (month.data.ice[0] <= 0.15)
    area = np.broadcast_to(GRID.cell_area_m2[:, None], GRID.shape)
    expected = area[counted & inside].sum() / area[counted].sum()
    assert reliability["coverage"]["90"] == pytest.approx(expected, rel=1e-6)
