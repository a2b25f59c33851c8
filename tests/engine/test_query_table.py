"""Numbers of the Spatial table page: fields and curves of a run's folder, and what lies beyond the edges."""

import numpy as np
import pytest

from engine.config.run_config import LandSettings, RunConfig, TableSettings
from engine.data.vectors import force, force_field
from engine.embedding.table import TOPOLOGIES
from engine.errors import ChoiceError, DataError, StoreError
from engine.queries import table as query
from engine.runs.metrics import MetricsReader
from engine.training.table import fit_table
from tests.support.run_context import context

SMALL = TableSettings(width=20, height=10, padding=3, iterations=40)
OCEAN = TableSettings(target="august", width=36, height=18, padding=2, iterations=5, sample_fraction=0.1)


def folder_of(folder, settings, seed=0):
    folder.mkdir()
    (folder / "config.json").write_bytes(RunConfig(settings=settings, seed=seed).to_json())
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = folder_of(tmp_path_factory.mktemp("runs") / "force", SMALL)
    fit_table(SMALL, context(folder, SMALL))
    return folder


@pytest.fixture(scope="module")
def ocean(tmp_path_factory):
    folder = folder_of(tmp_path_factory.mktemp("runs") / "august", OCEAN)
    fit_table(OCEAN, context(folder, OCEAN))
    return folder


def test_true_sampled_and_learned_fields(finished):
    fields = query.table_fields(finished)
    field = force_field()
    drawn = field.sampled(0.5, seed=0)
    for index, name in enumerate(("u", "v")):
        np.testing.assert_array_equal(fields.true[name], field.values[..., index])
        np.testing.assert_array_equal(fields.sampled[name], np.where(drawn, field.values[..., index], np.nan))
        assert fields.learned is not None
        assert fields.learned[name].dims == ("lat", "lon")
    assert fields.iteration == 40
    assert fields.table is not None
    assert fields.table.shape == (20, 10, 2)
    last = query.loss_curves(reader_of(finished)).train[-1]
    errors = np.abs((fields.learned - fields.sampled).to_array())
    assert float(errors.mean()) == pytest.approx(last, rel=1e-4)


def test_the_ocean_has_units_and_is_not_drawn_on_land(ocean):
    fields = query.table_fields(ocean)
    assert set(fields.true) == {"value"}
    assert fields.true["value"].attrs["units"] == "°C"
    assert fields.learned is not None
    np.testing.assert_array_equal(np.isnan(fields.learned["value"]), np.isnan(fields.true["value"]))
    assert fields.sampled["value"].count() == round(0.1 * int(fields.true["value"].count()))


def test_before_the_first_snapshot_there_is_nothing_learned(tmp_path):
    folder = folder_of(tmp_path / "run", SMALL, seed=3)
    fields = query.table_fields(folder)
    assert (fields.learned, fields.table, fields.iteration) == (None, None, None)
    drawn = force_field().sampled(0.5, seed=3)
    np.testing.assert_array_equal(fields.sampled["u"].notnull(), drawn)
    assert query.loss_curves(MetricsReader(folder / "metrics.jsonl")).train.size == 0


def test_the_newest_snapshot_is_the_one_of_the_highest_iteration(tmp_path):
    (tmp_path / "snapshots").mkdir()
    for name in ("epoch-0002.npz", "epoch-9999.npz", "epoch-10000.npz", ".epoch-20000.npz.tmp", "epoch-x.npz"):
        (tmp_path / "snapshots" / name).touch()
    assert query.latest_snapshot(tmp_path) == 10000


def test_what_is_not_a_table_run_or_is_damaged_is_told(tmp_path, finished):
    land = folder_of(tmp_path / "land", LandSettings())
    with pytest.raises(ChoiceError, match="task 'land'"):
        query.table_fields(land)
    content = (finished / "snapshots/epoch-0040.npz").read_bytes()
    broken = folder_of(tmp_path / "broken", SMALL)
    (broken / "snapshots").mkdir()
    for damaged in (b"", b"not ours", content[: len(content) // 2]):
        (broken / "snapshots/epoch-0040.npz").write_bytes(damaged)
        with pytest.raises(StoreError, match="snapshot of epoch 40 cannot be read"):
            query.table_fields(broken)


def reader_of(folder) -> MetricsReader:
    reader = MetricsReader(folder / "metrics.jsonl")
    reader.poll()
    return reader


def test_loss_curves_keep_their_extremes_when_thinned(finished):
    whole, thin = (query.loss_curves(reader_of(finished), count) for count in (1000, 8))
    assert whole.iteration.tolist() == list(range(41))
    assert thin.iteration.size < 20
    for curve in ("train", "test"):
        assert (getattr(thin, curve).min(), getattr(thin, curve).max()) == (
            getattr(whole, curve).min(),
            getattr(whole, curve).max(),
        )
    assert len(whole.test_area) == len(whole.train) == 41


@pytest.mark.parametrize("run", ["finished", "ocean"])
def test_the_baseline_is_scored_where_the_run_is(run, request):
    folder = request.getfixturevalue(run)
    baseline, fields = query.nearest_baseline(folder), query.table_fields(folder)
    assert query.nearest_baseline(folder) is baseline
    known = query._target("force" if run == "finished" else "august")
    drawn = fields.sampled[known.names[0]].notnull().values
    error = np.abs(known.nearest(drawn) - known.values).mean(-1)
    rest = known.observed & ~drawn
    lat = np.broadcast_to(known.lat[:, None], rest.shape)[rest]
    assert baseline.test_l1 == pytest.approx(error[rest].mean())
    assert baseline.test_area_l1 == pytest.approx(error[rest] @ np.cos(np.deg2rad(lat)) / np.cos(np.deg2rad(lat)).sum())
    assert 0.0 < baseline.test_area_l1 < 2.0


# --- beyond the edges -----------------------------------------------------------------------------------------------


def test_the_true_table_holds_the_field_in_the_middle_of_its_cells():
    table = query.true_table("force", 12, 6)
    np.testing.assert_allclose(table[0, 5], force(np.array(75.0), np.array(-165.0)))
    ocean = query.true_table("august", 360, 180)
    sst = query._target("august")
    np.testing.assert_array_equal(ocean[:, :, 0], sst.values[::-1, :, 0].T)


def test_close_ups_of_the_north_pole():
    """Twelve columns, six rows of 30°: at 0° E the cell of 15° E, 75° N; beyond the pole 165° W on the sphere."""
    views = query.close_ups(query.true_table("force", 12, 6), query.PLACES["North Pole"], (1, 1))
    assert list(views) == list(TOPOLOGIES)
    np.testing.assert_allclose(views["sphere"].lat, [[45] * 3, [75] * 3, [75] * 3])
    np.testing.assert_allclose(views["sphere"].lon, [[-15, 15, 45], [-15, 15, 45], [165, -165, -135]])
    np.testing.assert_allclose(views["clamp"].lat[2], 75)
    np.testing.assert_allclose(views["clamp"].lon[2], [-15, 15, 45])
    # a torus takes the North Pole for the South Pole
    np.testing.assert_allclose(views["torus"].lat, [[75] * 3, [-75] * 3, [-45] * 3])
    for seen in views.values():
        np.testing.assert_allclose(seen.values, force(seen.lat, seen.lon), atol=1e-12)


def test_close_ups_of_the_date_line():
    views = query.close_ups(query.true_table("force", 12, 6), query.PLACES["Date line"], (1, 0))
    assert views["sphere"].lon.round(6).tolist() == views["torus"].lon.round(6).tolist() == [[165, -165, -135]]
    assert views["clamp"].lon.round(6).tolist() == [[135, 165, 165]]


def test_a_place_between_two_columns_is_their_middle_also_over_the_date_line():
    """Five columns: opposite the middle one (0° E) lies 180°, the border of the last and the first (144° E and W)."""
    view = query.close_ups(query.true_table("force", 5, 4), (0.0, 80.0), (0, 1))["sphere"]
    assert abs(view.lon[2, 0]) == pytest.approx(180.0)
    assert view.values[2, 0].tolist() == pytest.approx(force(np.array(67.5), np.array(144.0)).tolist())


def test_places_and_paddings_that_cannot_be_are_refused():
    table = query.true_table("force", 6, 4)
    with pytest.raises(DataError, match="latitude 95"):
        query.close_ups(table, (0.0, 95.0), (1, 1))
    with pytest.raises(ChoiceError, match="wider than the table"):
        query.close_ups(table, (0.0, 0.0), (1, 5))
    with pytest.raises(ChoiceError, match="choose one of force, smooth, august"):
        query.true_table("wind", 6, 4)
