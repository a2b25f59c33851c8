"""Plans of trainings: months, windows and cost for any file, refusals with remedies that work, and the script."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.expert import ExpertSettings, OceanTiles
from engine.config.months import Month, days_between, months_in
from engine.config.run_config import RunConfig, TableSettings
from engine.config.sst import SPLITS, DemoSource, FileSource, RegridSettings, SSTSettings
from engine.data.sst import open_sst
from engine.errors import CancelledError, ChoiceError, EngineError
from engine.queries.train import observed, plans, problems, script
from engine.queries.train.cost import training_cost
from engine.queries.train.observed import MonthShare, SourceOverview, source_overview
from engine.queries.train.plans import explain, propose
from engine.queries.train.splits import LEAST_TRAIN, allocate, rolling
from engine.sphere import LatLonGrid
from explorer.cli import main
from tests.support.people_files import sea, write
from tests.support.producers_native import model
from tests.support.trainings import learn

FIRST = Month(2019, 3)


def months_from(first: Month, count: int) -> list[Month]:
    return [first.plus(step) for step in range(count)]


def overview_of(months, grid=None, *, knows_mean=False, land=None, name="my sea") -> SourceOverview:
    """Overview of a file in which the ``months`` (text → share) are observed."""
    grid = grid or LatLonGrid(35.0 + 0.25 * np.arange(40), 0.25 * np.arange(60))
    land = np.zeros(grid.shape, bool) if land is None else land
    shares = tuple(MonthShare(month, share) for month, share in months.items())
    return SourceOverview(name, "key", grid, land, shares, knows_mean, 1e-4, ())


def all_observed(count: int, **keywords) -> SourceOverview:
    return overview_of({str(month): 0.3 for month in months_from(FIRST, count)}, **keywords)


@pytest.fixture
def opened(monkeypatch):
    """Sources of these overview: only files are opened slowly, and tests of files do that."""

    def use(overview: SourceOverview) -> FileSource:
        monkeypatch.setattr(plans, "source_overview", lambda *_: overview)
        return FileSource(path="sea.nc")

    return use


def spans(settings: SSTSettings) -> dict[str, tuple[str, str]]:
    return {name: getattr(settings, name) for name in SPLITS}


# --- splits ---------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 150), st.integers(0, 11), st.integers(0, 90), st.sets(st.integers(0, 149)))
def test_splits_are_apart_in_order_and_inside_the_file(count, start, gap, lost):
    months = [month for step, month in enumerate(months_from(FIRST.plus(start), count)) if step not in lost]
    for splits in filter(None, (allocate(months, gap), *rolling(months, gap))):
        learned, validation, test = (months_in(span) for span in (splits.train, splits.validation, splits.test))
        assert splits.climatology[0] <= splits.train[0]
        assert days_between(splits.climatology, splits.train) <= 0
        for earlier, later in itertools.pairwise((splits.train, splits.validation, splits.test)):
            assert earlier[1] < later[0]
            assert days_between(earlier, later) >= gap
        # every span begins and ends with an observed month
        assert {Month.parse(end) for span in splits.changes().values() for end in span} - set(months) <= {
            Month.parse(splits.climatology[1])
        }
        assert len(set(learned) & set(months)) >= LEAST_TRAIN
        assert 1 <= len(set(validation) & set(months)) <= 12
        assert 1 <= len(set(test) & set(months)) <= 12
        demo = DemoSource(first_year=2000, years=50)
        assert SSTSettings(source=demo, gap_days=gap, **splits.changes()).train == splits.train


@pytest.mark.parametrize("count", range(14, 31))
def test_folds_test_different_months_and_end_with_the_last_one(count):
    months = months_from(FIRST, count)
    folds = rolling(months, 31)
    assert len(folds) >= 2
    tested = [month for fold in folds for month in months_in(fold.test)]
    assert tested == months[-len(tested) :]
    assert all(fold.train[0] == str(months[0]) for fold in folds)
    alone = allocate(months, 31)
    assert alone is not None
    assert len(tested) >= len(months_in(alone.test))


def test_a_february_is_no_gap_of_31_days():
    for start in range(12):
        splits = allocate(months_from(FIRST.plus(start), 24), 31)
        assert splits is not None
        assert days_between(splits.train, splits.validation) >= 31
        assert days_between(splits.validation, splits.test) >= 31


def test_ten_years_have_a_climatology_of_their_own():
    splits = allocate(months_from(FIRST, 120), 31)
    assert splits is not None
    assert days_between(splits.climatology, splits.train) == 0
    assert len(months_in(splits.climatology)) == 36
    assert len(months_in(splits.test)) == len(months_in(splits.validation)) == 12


# --- proposals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [12, 14, 24, 36, 60, 120])
@pytest.mark.parametrize("shape", [(40, 60), (16, 42), (3, 5), (720, 1440)])
def test_a_proposal_runs_on_any_length_and_grid(opened, count, shape):
    step = 0.25
    grid = LatLonGrid(-90.0 + step * (0.5 + np.arange(shape[0])), -180.0 + step * (0.5 + np.arange(shape[1])))
    proposal = propose(opened(all_observed(count, grid=grid)), "tiny", 5.0, measure=False)
    assert proposal.refusal is None
    assert proposal.settings is not None
    assert proposal.plan is not None
    assert not explain(proposal.settings, measure=False).problems
    assert SSTSettings.model_validate_json(proposal.settings.model_dump_json()) == proposal.settings
    assert all(side <= length for side, length in zip(proposal.settings.window, shape, strict=True))
    assert proposal.plan.windows
    assert all(-90.0 <= south < north <= 90.0 and west < east for south, north, west, east in proposal.plan.windows)
    assert bool(proposal.folds) == (14 <= count <= 30)
    if proposal.folds:
        assert proposal.folds[-1] == proposal.settings


def test_the_plan_shows_splits_gaps_and_shares(opened):
    plan = propose(opened(all_observed(24)), "tiny", 5.0, measure=False).plan
    assert plan is not None
    assert [split.name for split in plan.splits] == list(SPLITS)
    assert {split.num_months for split in plan.splits} == {split.num_observed for split in plan.splits}
    assert len(plan.gaps) == 2
    for gap, (earlier, later) in zip(plan.gaps, itertools.pairwise(plan.splits[1:]), strict=True):
        assert earlier.last < gap.first <= gap.last < later.first
        assert gap.days >= 31
    assert [share.month for share in plan.observed] == [str(month) for month in months_from(FIRST, 24)]
    assert plan.windows == ((34.875, 44.875, -0.125, 14.875),)
    assert plan.cost is not None
    assert any("Only 24 months" in note for note in propose(opened(all_observed(24)), measure=False).notes)


def test_more_minutes_are_more_epochs_and_the_time_is_kept_to(opened):
    source = opened(all_observed(60))
    costs = {}
    for minutes in (2.0, 10.0, 30.0):
        proposal = propose(source, "tiny", minutes, measure=False)
        assert proposal.settings is not None
        assert proposal.plan is not None
        assert proposal.plan.cost is not None
        costs[minutes] = proposal.settings.epochs * proposal.settings.samples
        assert proposal.plan.cost.seconds_total <= 60.0 * minutes
        is_at_most = proposal.settings.epochs == plans._EPOCHS.stop - 1  # a fast machine has done all that help
        assert is_at_most or costs[minutes] > max([0, *(costs[fewer] for fewer in costs if fewer < minutes)])
    assert costs[2.0] <= costs[10.0] <= costs[30.0]


def test_the_baselines_are_counted_and_a_smaller_model_does_not_make_them_cheaper():
    settings = SSTSettings(source=FileSource(path="sea.nc"), baselines="cheap", withheld_fraction=0.1)
    overview = all_observed(60)
    cheap, costly = (
        training_cost(settings.model_copy(update={"baselines": choice}), overview, False) for choice in ("cheap", "all")
    )
    assert cheap.seconds_baselines == 0.0
    assert costly.seconds_baselines > 0.0
    assert costly.seconds_total == pytest.approx(cheap.seconds_total + costly.seconds_baselines)
    half = costly.scaled(0.5)
    assert half.seconds_baselines == costly.seconds_baselines
    unchanged = costly.seconds_prepare + costly.seconds_baselines
    assert half.seconds_total - unchanged == pytest.approx(0.5 * (costly.seconds_total - unchanged))


def test_a_single_epoch_that_exceeds_the_minutes_says_so(opened):
    source = opened(all_observed(60))
    for minutes, is_said in ((0.01, True), (20.0, False)):
        proposal = propose(source, "tiny", minutes, measure=False)
        assert proposal.settings is not None
        assert (proposal.settings.epochs == 1) == is_said
        assert any("A single epoch" in note and "asked for" in note for note in proposal.notes) == is_said


def test_sizes_grow_and_those_that_do_not_fit_say_why(opened, monkeypatch):
    source = opened(all_observed(36))
    sizes = propose(source, "tiny", 20.0, measure=False).sizes
    assert [size.name for size in sizes] == list(plans.SIZES)
    assert sizes[0].num_parameters < sizes[1].num_parameters
    assert not sizes[0].reason
    hurried = propose(source, "tiny", 0.01, measure=False).sizes
    assert all("choose a longer time" in size.reason for size in hurried)
    free = type("Free", (), {"available": int(1.6 * sizes[0].memory_bytes)})
    monkeypatch.setattr(problems.psutil, "virtual_memory", lambda: free)
    short = propose(source, "tiny", 20.0, measure=False).sizes
    assert "of memory" in short[-1].reason
    with pytest.raises(ChoiceError, match="no size 'huge'"):
        propose(source, "huge")


def test_months_without_observations_are_left_out(opened):
    shares = {str(month): 0.3 for month in months_from(FIRST, 36)}
    for lost in (*range(14, 18), 33, 34, 35):  # in the middle, and the last ones
        shares[str(FIRST.plus(lost))] = 0.0
    proposal = propose(opened(overview_of(shares)), "tiny", 5.0, measure=False)
    assert proposal.settings is not None
    assert proposal.settings.test[1] == str(FIRST.plus(32))
    assert any("7 of 36 months hold no observation" in note for note in proposal.notes)
    assert not explain(proposal.settings, measure=False).problems


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 5, 9])
def test_too_few_months_are_refused_with_remedies_that_work(opened, count):
    overview = all_observed(count) if count else overview_of({str(FIRST): 0.0})
    source = opened(overview)
    proposal = propose(source, "tiny", 5.0, measure=False)
    assert proposal.settings is None
    assert proposal.refusal is not None
    assert "observ" in proposal.refusal.text
    applied = [remedy.settings for remedy in proposal.refusal.remedies if remedy.settings is not None]
    assert any(remedy.page == "reconstruct" for remedy in proposal.refusal.remedies)
    own = [settings for settings in applied if isinstance(settings.source, FileSource)]
    assert len(own) == (count >= 3)
    for settings_ in own:
        assert not explain(settings_, measure=False).problems
    opened(demo_overview())
    for settings_ in applied:
        if isinstance(settings_.source, DemoSource):
            assert not explain(settings_, measure=False).problems


def demo_overview() -> SourceOverview:
    months = {str(month): 0.3 for month in months_from(Month(2001, 1), 72)}
    return overview_of(months, LatLonGrid.regular(2.0), knows_mean=True, name="demo ocean")


def start(**changes) -> SSTSettings:
    """A training that runs on 36 months of the sea of :func:`all_observed`, before the changes."""
    splits = allocate(months_from(FIRST, 36), 31)
    assert splits is not None
    base = SSTSettings(
        source=DemoSource(first_year=2019), window=(40, 60), overlap=8, samples=16, **splits.changes()
    ).model_copy(update={"source": FileSource(path="sea.nc")})
    return problems.changed(base, **changes)


BASE = start()
WRONG = {
    "test beyond the file": ({"test": ("2030-01", "2030-12")}, "beyond the file's months"),
    "training before the file": ({"climatology": ("2018-01", "2020-06"), "train": ("2018-01", "2020-06")}, "beyond"),
    "long samples": (
        {"months": 24, "train": ("2019-03", "2020-02"), "climatology": ("2019-03", "2020-02")},
        "fit into",
    ),
    "no hidden days": ({"extra_clouds": 0.0}, "nothing to learn from"),
    "nothing withheld": ({"withheld_fraction": 0.0}, "nothing to score on"),
    "large patches": (
        {"model": BASE.model.model_copy(update={"patch": (1, 64, 64)}), "window": (64, 128), "overlap": 8},
        "larger than the grid",
    ),
    "too many components": ({"model": BASE.model.model_copy(update={"num_components": 500})}, "components"),
    "a low degree": ({"basis_degree": 4}, "components"),
    "all held out": ({"held_out_box": (-90.0, 90.0, -180.0, 180.0)}, "covers the whole sea"),
    "a GPU": ({"accelerator": "gpu", "devices": 8}, "GPU"),
    "much memory": ({"batch": 1024}, "of memory"),
}


@pytest.mark.parametrize("name", WRONG)
def test_every_problem_has_a_remedy_that_ends_it(opened, name):
    changes, text = WRONG[name]
    opened(all_observed(36))
    wrong = start(**changes)
    plan = explain(wrong, measure=False)
    assert plan.problems
    assert plan.cost is None
    for problem in plan.problems:
        assert text in problem.text
        remedies = [remedy.settings for remedy in problem.remedies if remedy.settings is not None]
        own = [mended for mended in remedies if isinstance(mended.source, FileSource)]
        assert own
        for mended in own:
            assert not explain(mended, measure=False).problems


def test_a_test_without_observations_moves_to_months_that_have_some(opened):
    shares = {str(month): 0.3 for month in months_from(FIRST, 36)}
    splits = spans(BASE)
    for month in months_in(splits["test"]):
        shares[str(month)] = 0.0
    opened(overview_of(shares))
    [problem] = explain(BASE, measure=False).problems
    assert "Test" in problem.text
    assert "no observation" in problem.text
    mended = problem.remedies[0].settings
    assert mended is not None
    assert mended.test[1] < splits["test"][0]
    assert not explain(mended, measure=False).problems


def test_prepared_months_that_do_not_fit_on_the_disk_become_fewer(opened, monkeypatch):
    opened(all_observed(120))
    whole = propose(FileSource(path="sea.nc"), "tiny", 5.0, measure=False).settings
    assert whole is not None
    free = type("Usage", (), {"free": 50 * 4 * 40 * 60 * 33})
    monkeypatch.setattr(problems.shutil, "disk_usage", lambda _: free)
    [problem] = explain(whole, measure=False).problems
    assert "of the disk" in problem.text
    mended = problem.remedies[0].settings
    assert mended is not None
    assert mended.test[1] == whole.test[1]
    assert len(mended.months_of("train")) < len(whole.months_of("climatology")) + len(whole.months_of("train"))
    assert not explain(mended, measure=False).problems


def test_no_sea_and_no_days(opened):
    for overview in (
        all_observed(36, land=np.ones((40, 60), bool)),
        replace(all_observed(36), months=()),
    ):
        proposal = propose(opened(overview), "tiny", 5.0, measure=False)
        assert proposal.settings is None
        assert proposal.refusal is not None
        assert [remedy.settings.source for remedy in proposal.refusal.remedies if remedy.settings] == [DemoSource()]


# --- what is read of a file -----------------------------------------------------------------------------------------


def sea_file(folder: Path, days: np.ndarray, *, shape=(40, 60), lost=(), chunk: int | None = None) -> Path:
    """A region of 0.25° with clouds; the months of ``lost`` (text) hold nothing. ``chunk``: days of a stored chunk."""
    rng = np.random.default_rng(0)
    lat, lon = 35.0 + 0.25 * np.arange(shape[0]), -30.0 + 0.25 * np.arange(shape[1])
    season = 3.0 * np.sin(2.0 * np.pi * (days.astype("datetime64[D]").astype(int) % 365.25) / 365.25)
    values = (15.0 + season)[:, None, None] + 0.05 * lat[:, None] + rng.normal(0, 0.3, (len(days), *shape))
    values[rng.random(values.shape) < 0.6] = np.nan
    values[np.isin(days.astype("datetime64[M]").astype(str), lost)] = np.nan
    field = xr.DataArray(
        values.astype(np.float32),
        {"time": days.astype("datetime64[ns]"), "lat": lat, "lon": lon},
        ("time", "lat", "lon"),
        attrs={"units": "degree_Celsius", "standard_name": "sea_surface_temperature"},
    )
    field["lat"].attrs.update(units="degrees_north", standard_name="latitude")
    field["lon"].attrs.update(units="degrees_east", standard_name="longitude")
    path = folder / "data" / "sea.nc"
    path.parent.mkdir(parents=True)
    packing = {} if chunk is None else {"sst": {"zlib": True, "chunksizes": (min(chunk, len(days)), *shape)}}
    field.to_dataset(name="sst").to_netcdf(path, encoding=packing)
    return path


def days_of(first: str, last: str) -> np.ndarray:
    return np.arange(np.datetime64(first), np.datetime64(last))


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("chunk", [None, 1, 45, 1000])
def test_the_share_observed_is_counted_by_month(home, chunk):
    days = days_of("2020-01-15", "2020-06-16")
    path = sea_file(home, days, lost=("2020-03",), chunk=chunk)
    overview = source_overview(FileSource(path=str(path)))
    shares = {share.month: share.fraction for share in overview.months}
    assert list(shares) == [f"2020-0{month}" for month in range(1, 7)]
    with xr.open_dataset(path) as kept:
        area = overview.grid.cell_area_m2[:, None] * np.ones(overview.grid.shape)
        by_day = (np.isfinite(kept["sst"].values) * area).sum(axis=(1, 2)) / area.sum()
    for month, length in zip(shares, (31, 29, 31, 30, 31, 30), strict=True):
        in_month = days.astype("datetime64[M]").astype(str) == month
        assert shares[month] == pytest.approx(by_day[in_month].sum() / length, abs=1e-9), month
    assert not any(share.is_estimated for share in overview.months)
    assert [str(month) for month in overview.observed] == ["2020-01", "2020-02", "2020-04", "2020-05", "2020-06"]


@pytest.mark.parametrize(
    ("chunk", "budget_days", "num_reads"), [(1, 1000, 366), (40, 1000, 10), (366, 1000, 1), (366, 120, 4)]
)
def test_a_stored_chunk_is_unpacked_once_where_memory_allows(home, monkeypatch, chunk, budget_days, num_reads):
    """A file of one compressed chunk was unpacked once for every day."""
    path = sea_file(home, days_of("2020-01-01", "2021-01-01"), shape=(8, 8), chunk=chunk)
    monkeypatch.setattr(observed, "_BUDGET_BYTES", budget_days * 8 * 8 * 4)
    read, reads = observed.compute, []

    def counting(lazy, **options):
        reads.append(lazy.shape[0])
        return read(lazy, **options)

    monkeypatch.setattr(observed, "compute", counting)
    assert len(source_overview(FileSource(path=str(path))).months) == 12
    assert len(reads) == num_reads
    assert max(reads) <= budget_days


def test_large_archives_are_sampled_and_a_sparse_month_is_still_seen(home, monkeypatch):
    path = sea_file(home, days_of("2020-01-01", "2021-01-01"), shape=(8, 8))
    monkeypatch.setattr(observed, "_BUDGET_BYTES", 4 * 8 * 8 * 4)  # four days
    overview = source_overview(FileSource(path=str(path)))
    assert sum(share.is_estimated for share in overview.months) == 12 - 5
    assert all(share.fraction > 0.0 for share in overview.months)
    with pytest.raises(CancelledError):
        source_overview(FileSource(path=str(path), quality="all"), should_stop=lambda: True)


def test_the_demo_ocean_is_not_computed_whole(home):
    overview = source_overview(DemoSource(step_deg=2.0, years=3))
    assert len(overview.months) == 36
    assert sum(share.is_estimated for share in overview.months) == 24
    assert overview.months[5].fraction == overview.months[17].fraction == overview.months[29].fraction


def test_a_source_that_cannot_be_opened_is_refused_in_words(home):
    proposal = propose(FileSource(path="/nowhere/sea.nc"), measure=False)
    assert proposal.refusal is not None
    assert "there is no such file" in proposal.refusal.text
    plan = explain(start(), measure=False)
    assert [problem.text for problem in plan.problems]
    assert plan.overview is None


def test_a_proposal_for_two_years_of_a_small_sea_is_trained_and_scored(home):
    """16 × 42 cells, no true means, a month lost: what is proposed runs, through all that a training does."""
    path = sea_file(home, days_of("2020-01-01", "2022-01-01"), shape=(16, 42), lost=("2020-08",))
    proposal = propose(FileSource(path=str(path)), "tiny", 1.0, measure=False)
    assert proposal.settings is not None
    brief = proposal.settings.model_copy(update={"epochs": 1, "samples": 4})
    folder = learn(home / "run", brief)
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["model"]["surface"]["sea"]["mae"] > 0.0
    scored = {label for label, score in scores["model"]["month"].items() if score["mae"] is not None}
    assert scored == {str(month.month) for month in brief.months_of("test")}


def test_the_command_prints_the_plan_and_refuses_in_a_sentence(home, capsys):
    few = sea_file(home, days_of("2020-01-01", "2020-06-01"), shape=(8, 8))
    assert main(["train", "--source", str(few), "--dry-run"]) == 2
    refusal = capsys.readouterr().err
    assert "5 observed months" in refusal
    assert "Remedy: Reconstruct with the model" in refusal
    with pytest.raises(SystemExit):
        main(["train"])
    with pytest.raises(SystemExit):
        main(["train", "config.json", "--source", "demo"])


def test_every_decision_that_would_open_a_file_is_a_remedy_and_no_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep" / "a.nc", sea(3) + 273.15, [0.0, 1.0, 2.0], "degC")
    model(tmp_path / "deep" / "b.nc")
    with pytest.raises(EngineError) as error:
        open_sst(tmp_path / "deep" / "b.nc")
    regrid = error.value.choices["regrid"][0]
    settings = RegridSettings(step_deg=regrid.step_deg, method=regrid.method)
    for name, label, change in (
        ("a.nc", "The unit is kelvin", {"unit": "kelvin"}),
        ("b.nc", f"Regrid to {regrid.step_deg:g}° ({regrid.method})", {"regrid": settings}),
    ):
        source = FileSource(path=str(tmp_path / "deep" / name))
        refusal = propose(source).refusal
        assert refusal is not None
        assert str(tmp_path) not in refusal.text
        assert f"deep/{name}" in refusal.text
        mended = {remedy.label: remedy.settings for remedy in refusal.remedies}
        assert mended[label].source == source.model_copy(update=change)
        assert source_overview(mended[label].source).months
        assert list(mended)[-1] == "Train on the demo ocean"


# --- the script -----------------------------------------------------------------------------------------------------


REGRIDDED = FileSource(path="*.nc", variable="sst", regrid=RegridSettings(step_deg=0.5, method="bucket"))


@pytest.mark.parametrize(
    "chosen",
    [
        SSTSettings(),
        start(held_out_box=(-10.0, 10.0, -20.0, 20.0), loss="l2", epochs=7),
        start(model=BASE.model.model_copy(update={"width": 32, "patch": (1, 2, 3)}), window=(40, 60)),
        problems.changed(
            BASE, source=FileSource(path='a "quoted" name.nc', variable="sst", quality=4, fill_value=-1.0)
        ),
        problems.changed(BASE, source=REGRIDDED),
        RunConfig.demo("sweep").settings,
        ExpertSettings(tiles=OceanTiles(source=REGRIDDED, size=8)),
        TableSettings(),
    ],
)
def test_the_script_trains_the_same_configuration(chosen, monkeypatch):
    config, seen = RunConfig(seed=3, settings=chosen), []
    monkeypatch.setattr("engine.training.fit", lambda config, folder: seen.append((config, folder)))
    exec(compile(script.as_python(config), "script", "exec"), {"__name__": "__main__"})
    assert seen == [(config, Path("my-run"))]
