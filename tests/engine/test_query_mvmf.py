"""Numbers of the MvMF page: the sandbox against SciPy and against itself, and what a trained expert is asked."""

from __future__ import annotations

import json
import math
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import vonmises_fisher

from engine.config.expert import ExpertSettings, LandTiles
from engine.config.run_config import RunConfig, TableSettings
from engine.errors import CancelledError, ChoiceError, ConfigError, DataError, StoreError
from engine.evaluation.centre_scores import score_centres, split_points
from engine.mvmf import kmeans_centres
from engine.queries.exported import attributes_of
from engine.queries.mvmf import centres as mvmf_centres
from engine.queries.mvmf import comparison, expert, files
from engine.queries.mvmf import sandbox as mvmf
from engine.queries.mvmf.centres import CentreChoice, Component, Components, PlacedComponent
from engine.queries.mvmf.sandbox import Mixture
from engine.queries.remake import remake
from engine.sphere import great_circle_km, lat_lon, unit_vectors
from engine.training.centres import ComparedCentres, compare_centres, compare_kind, dealt_points
from engine.training.densities import density_points
from engine.training.expert.data_module import land_cells
from engine.training.expert.task import train_expert
from tests.support.cf import cf_faults
from tests.support.run_context import context

EARTH_KM = 6371.0
EARTH_KM2 = 4.0 * math.pi * EARTH_KM**2
NOTHING = CentreChoice("none", 1, 0, 1.0)
THREE = [
    PlacedComponent(-1, Component(48.0, 8.0, 400.0, 2.0)),
    PlacedComponent(-1, Component(-36.0, 175.0, 60.0, 1.0)),
    PlacedComponent(-1, Component(10.0, -60.0, 20.0, 0.5)),
]
TINY = ExpertSettings(
    tiles=LandTiles(size=8), num_centres=12, width=8, head_degree=3, epochs=1, samples=32, batch=16,
    num_validation=16, num_test=16, num_shown=10,
)  # fmt: skip


def belief(*placed: PlacedComponent) -> Mixture:
    return Mixture(mvmf_centres.components(NOTHING, placed or THREE))


# --- the sandbox ----------------------------------------------------------------------------------------------------


def test_the_density_per_km2_is_scipys():
    of = belief()
    point = unit_vectors(46.0, 9.0).numpy()
    weights = np.array([placed.component.weight for placed in THREE])
    peaks = [
        vonmises_fisher(unit_vectors(placed.component.lat, placed.component.lon).numpy(), placed.component.kappa).pdf(
            point
        )
        for placed in THREE
    ]
    expected = float(weights / weights.sum() @ np.array(peaks).ravel()) / EARTH_KM**2
    assert of.per_km2(46.0, 9.0) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("kappa", [1e-6, 1e-2, 1.0, 50.0, 1e4, 1e6])
def test_half_of_a_peak_lies_within_its_half_radius(kappa):
    """P(1 − cos ≤ d) = (1 − e^−κd)/(1 − e^−2κ) of one component."""
    drop = 2.0 * math.sin(mvmf.half_radius_km(kappa) / EARTH_KM / 2.0) ** 2
    assert math.expm1(-kappa * drop) / math.expm1(-2.0 * kappa) == pytest.approx(0.5, rel=1e-9)


def test_an_even_belief_needs_half_the_earth_for_half_of_it():
    summary = belief(PlacedComponent(-1, Component(0.0, 0.0, 1e-6, 1.0))).summary()
    half, most = summary.regions
    assert half.area_km2 == pytest.approx(0.5 * EARTH_KM2, rel=1e-3)
    assert most.area_km2 == pytest.approx(0.9 * EARTH_KM2, rel=1e-3)
    assert summary.entropy_km2 == pytest.approx(EARTH_KM2, rel=1e-3)
    assert summary.mass.values.sum() == pytest.approx(1.0, abs=1e-4)


def test_a_peaks_regions_are_caps_and_lie_in_each_other():
    """A cap of radius ρ has the area 2πR²(1 − cos ρ)."""
    kappa = 100.0
    half, most = belief(PlacedComponent(-1, Component(40.0, 20.0, kappa, 1.0))).summary().regions
    for region in (half, most):
        cap = 2.0 * math.pi * EARTH_KM**2 * -math.log1p(-region.level) / kappa
        assert region.area_km2 == pytest.approx(cap, rel=0.02)
    assert not (half.mask & ~most.mask).any()
    bands = mvmf.region_bands(belief(PlacedComponent(-1, Component(40.0, 20.0, kappa, 1.0))).summary())
    assert set(np.unique(bands.values[np.isfinite(bands.values)])) == {50.0, 90.0}


def test_the_searched_area_is_the_cap_up_to_the_place():
    summary = belief(PlacedComponent(-1, Component(0.25, 0.25, 50.0, 1.0))).summary()
    cap = 2.0 * math.pi * EARTH_KM**2 * (1.0 - math.cos(math.radians(20.0)))
    assert mvmf.searched_km2(summary, (0.25, 20.25)) == pytest.approx(cap, rel=0.05)


def test_a_dragged_map_is_the_map_made_afresh():
    of = mvmf_centres.components(CentreChoice("fibonacci", 300, 0, 500.0))
    live = Mixture(of).live_map()
    to = Component(12.0, 34.0, 900.0, 3.0)
    moved = live.move(17, to).values
    fresh = (
        Mixture(mvmf_centres.components(CentreChoice("fibonacci", 300, 0, 500.0), [PlacedComponent(17, to)]))
        .map()
        .values
    )
    assert np.abs(moved - fresh).max() < 2e-5 * fresh.max()


def test_the_draft_and_one_component_belong_to_the_map():
    of = belief()
    whole = of.map().values
    parts = sum(of.component_map(index).values for index in range(3))
    assert np.abs(parts - whole).max() < 3e-5 * whole.max()
    assert of.coarse_map().values.max() == pytest.approx(whole.max(), rel=0.05)


def test_the_pull_is_how_the_loss_falls():
    """A centre one kilometre nearer to the truth, a weight and a κ a thousandth larger: differences of the loss."""
    truth = 45.0, 12.0
    gradient = belief().loss_gradient(*truth)
    assert gradient.responsibility.sum() == pytest.approx(1.0)
    assert gradient.times_uniform == pytest.approx(belief().per_km2(*truth) * EARTH_KM2, rel=1e-9)
    for index, placed in enumerate(THREE):
        centre = placed.component
        lat, lon = nearer(centre, truth, 1.0)
        fallen = gradient.loss - changed(index, centre._replace(lat=lat, lon=lon)).loss_gradient(*truth).loss
        assert 100.0 * fallen == pytest.approx(gradient.centre_gradient[index], rel=0.01, abs=1e-9)
        heavier = changed(index, centre._replace(weight=centre.weight * math.exp(1e-4))).loss_gradient(*truth).loss
        assert (gradient.loss - heavier) / 1e-4 == pytest.approx(gradient.weight_gradient[index], rel=0.01, abs=1e-6)
        sharper = changed(index, centre._replace(kappa=centre.kappa * math.exp(1e-4))).loss_gradient(*truth).loss
        assert (gradient.loss - sharper) / 1e-4 == pytest.approx(gradient.kappa_gradient[index], rel=0.01, abs=1e-6)


def nearer(centre: Component, truth: tuple[float, float], km: float) -> tuple[float, float]:
    start, end = unit_vectors(centre.lat, centre.lon).numpy(), unit_vectors(*truth).numpy()
    ahead = end - (start @ end) * start
    point = start + ahead / np.linalg.norm(ahead) * (km / EARTH_KM)
    point /= np.linalg.norm(point)
    return math.degrees(math.asin(point[2])), math.degrees(math.atan2(point[1], point[0]))


def changed(index: int, component: Component) -> Mixture:
    return belief(*(placed if at != index else PlacedComponent(-1, component) for at, placed in enumerate(THREE)))


def lines_km(placed: list[PlacedComponent], gradient: mvmf.LossGradient) -> np.ndarray:
    lat, lon = np.array([expert.component[:2] for expert in placed]).T
    return great_circle_km(lat, lon, gradient.end_lat, gradient.end_lon).numpy()


@pytest.mark.parametrize(
    ("components", "truth"),
    [
        ([placed.component for placed in THREE], (45.0, 12.0)),
        ([Component(0.0, 1.0, 400.0, 1.0), Component(0.0, -30.0, 20.0, 20.0)], (0.0, 0.0)),  # the near one pulls more
        ([Component(0.0, 0.1, 1e6, 1.0), Component(0.0, -30.0, 20.0, 20.0)], (0.0, 0.0)),
        ([Component(0.0, 120.0, 1.0, 1.0), Component(0.0, -150.0, 1.0, 2.0)], (0.0, 0.0)),  # all far away
    ],
)
def test_lines_are_as_long_as_the_pulls_are_strong(components, truth):
    placed = [PlacedComponent(-1, component) for component in components]
    gradient = belief(*placed).loss_gradient(*truth)
    length, strongest = lines_km(placed, gradient), gradient.centre_gradient.argmax()
    np.testing.assert_allclose(
        length, gradient.centre_gradient / gradient.centre_gradient[strongest] * length[strongest], rtol=1e-6, atol=1e-3
    )
    assert 300.0 - 1e-3 <= length[strongest] <= 3000.0 + 1e-3
    # along the way to the truth, and beyond it by little
    left = great_circle_km(gradient.end_lat, gradient.end_lon, *truth).numpy()
    np.testing.assert_allclose(left, np.abs(gradient.distance_km - length), atol=0.1)
    assert (length <= np.maximum(gradient.distance_km, 300.0) + 1e-3).all()


def test_what_does_not_pull_has_no_line():
    placed = [PlacedComponent(-1, Component(20.0, 30.0, 100.0, 1.0))]
    assert lines_km(placed, belief(*placed).loss_gradient(20.0, 30.0)).max() < 1.0
    assert lines_km(placed, belief(*placed).loss_gradient(-20.0, -150.0)).max() < 1.0
    even = [PlacedComponent(-1, Component(20.0, 30.0, 1e-6, 1.0))]
    assert lines_km(even, belief(*even).loss_gradient(20.0, 120.0)).max() < 100.0


def test_a_peak_between_the_points_of_the_map_is_drawn_at_its_height():
    """κ = 1e6 in the corner of four cells, a smooth one, and one more that is sharp but weighs less."""
    placed = [
        PlacedComponent(-1, Component(10.0, 20.0, 1e6, 1.0)),
        PlacedComponent(-1, Component(-40.0, 180.0, 1e5, 0.1)),
        PlacedComponent(-1, Component(90.0, 0.0, 50.0, 5.0)),
    ]
    of = belief(*placed)
    field = of.map()
    for peak, row, column in zip(placed[:2], (200, 100), (400, 0), strict=True):
        exact = of.per_km2(*peak.component[:2])
        assert field.values[row, column] == pytest.approx(exact, rel=1e-6)
    assert field.values.max() == pytest.approx(of.per_km2(10.0, 20.0), rel=1e-6)
    assert of.coarse_map().values.max() == pytest.approx(field.values.max(), rel=1e-6)
    assert of.component_map(1).values.max() == pytest.approx(of.per_km2(-40.0, 180.0), rel=1e-6)
    # elsewhere it is the density at the cells' middles
    assert field.values[359, 7] == pytest.approx(of.per_km2(field.lat[359], field.lon[7]), rel=1e-4)
    moved = of.live_map().move(0, Component(15.0, 25.0, 9e5, 1.0)).values
    fresh = belief(PlacedComponent(-1, Component(15.0, 25.0, 9e5, 1.0)), *placed[1:])
    assert moved.max() == pytest.approx(fresh.per_km2(15.0, 25.0), rel=1e-6)
    np.testing.assert_allclose(moved, fresh.map().values, atol=2e-5 * moved.max())


@pytest.mark.parametrize("kind", sorted(set(mvmf_centres.CENTRE_KINDS) - {"none", "file"}))
def test_every_start_gives_places_and_the_same_ones_again(kind):
    start = CentreChoice(kind, 40, 3, 100.0, 250.0)
    of, again = mvmf_centres.components(start), mvmf_centres.components(start)
    assert 20 <= len(of) <= 40
    np.testing.assert_array_equal(of.lat, again.lat)
    assert (np.abs(of.lat) <= 90).all()
    assert (of.kappa == 100.0).all()
    if kind == "near-data":
        apart = great_circle_km(of.lat[:, None], of.lon[:, None], of.lat, of.lon).numpy() + 1e9 * np.eye(len(of))
        assert apart.min() >= 249.9


def test_what_is_set_by_hand_stands_in_its_place():
    of = mvmf_centres.components(
        CentreChoice("fibonacci", 5, 0, 10.0), [PlacedComponent(2, Component(1, 2, 3, 4)), *THREE]
    )
    assert len(of) == 8
    assert of.component(2) == Component(1, 2, 3, 4)
    assert of.component(5) == THREE[0].component
    assert mvmf_centres.nearest(of, 48.5, 8.5) == 5


@pytest.mark.parametrize(
    ("component", "kind", "says"),
    [
        (Component(0.0, 0.0, 0.0, 1.0), ChoiceError, "κ = 0"),
        (Component(0.0, 0.0, 1e300, 1.0), ChoiceError, "out of range"),
        (Component(math.nan, 0.0, 1.0, 1.0), DataError, "no position"),
        (Component(95.0, 0.0, 1.0, 1.0), DataError, r"a latitude of 95 \(centre 1\)"),
        (Component(-90.01, 0.0, 1.0, 1.0), DataError, "a latitude of -90.01"),
        (Component(0.0, 0.0, 1.0, -1.0), DataError, "no weight"),
        (Component(0.0, 0.0, 1.0, 0.0), DataError, "all weights are zero"),
    ],
)
def test_what_is_no_component_is_refused(component, kind, says):
    with pytest.raises(kind, match=says):
        belief(PlacedComponent(-1, component))


def test_no_centre_is_refused():
    with pytest.raises(ChoiceError, match="there is no centre"):
        Mixture(mvmf_centres.components(NOTHING))


def test_poles_doubles_and_antipodes_are_as_good_as_any():
    odd = [Component(90.0, 0.0, 1e6, 1.0), Component(-90.0, 77.0, 5.0, 1.0), Component(-90.0, 0.0, 5.0, 0.0)]
    of = belief(*(PlacedComponent(-1, component) for component in odd))
    assert np.isfinite(of.map().values).all()
    assert of.summary().mass.values.sum() == pytest.approx(1.0, abs=1e-4)
    assert np.isfinite(of.loss_gradient(-90.0, 0.0).centre_gradient).all()
    assert of.per_km2(0.0, 0.0) > 0.0


def test_logarithms_span_five_decades():
    field, low, high = mvmf.decades(belief().map())
    assert (field.values.min(), field.values.max()) == (low, high)
    assert high - low == pytest.approx(5.0)


def test_a_file_of_centres_comes_back_as_it_was_and_mix_ups_are_said():
    points, _ = mvmf_centres.points_of_text(files.centres_csv(files.SandboxChoice(NOTHING, tuple(THREE))))
    assert np.allclose(points, [placed.component[:2] for placed in THREE])
    swapped, notes = mvmf_centres.points_of_text(b"8,48\n175,-36\n")
    assert swapped[1] == pytest.approx((-36.0, 175.0))
    assert "taken as the longitude" in " ".join(notes)
    radians, notes = mvmf_centres.points_of_text(b"0.8,0.1\n-0.6,3.0\n")
    assert radians[0] == pytest.approx((math.degrees(0.8), math.degrees(0.1)))
    assert "read as radians" in " ".join(notes)


@pytest.mark.parametrize("content", [b"", b"hello", b"lat,lon\n1,x\n", b"91,95\n"])
@pytest.mark.parametrize("name", ["sites of July.csv", "../a/b.txt", "sites.NPY"])
def test_a_file_without_centres_is_refused_by_its_own_name(content, name):
    with pytest.raises(DataError, match="gives no centres") as refusal:
        mvmf_centres.points_of_text(content, name)
    assert name in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"1,2\n" * 40_000])
def test_a_file_of_none_or_too_many_is_told_the_pages_own_limit(content):
    with pytest.raises(DataError, match="give 1 to 32,768 of them"):
        mvmf_centres.points_of_text(content)


def test_a_file_of_too_much_is_refused():
    with pytest.raises(DataError, match=r"MB \(pasted.csv\)"):
        mvmf_centres.points_of_text(b"1" * (mvmf_centres.MAX_FILE_BYTES + 1))


# --- the expert -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("expert")
    (folder / "config.json").write_bytes(RunConfig(settings=TINY).to_json())
    train_expert(TINY, context(folder, TINY))
    return folder


def test_a_picture_of_the_test_is_shown_with_its_belief_and_its_truth(run):
    known = expert.test_predictions(run)
    assert len(known) == 10
    case = expert.tile_prediction(run, 3)
    assert case.truth == (known.tiles.lat[3], known.tiles.lon[3])
    assert case.error_km == pytest.approx(known.error_km[3], abs=1e-3)
    assert case.error_km == pytest.approx(float(great_circle_km(*case.truth, *case.guess)))
    assert isinstance(case.components, Components)
    assert case.components.weight.sum() == pytest.approx(1.0)
    assert Mixture(case.components).summary().mass.values.sum() == pytest.approx(1.0, abs=1e-3)
    assert max(bar.true for bar in case.climate) == pytest.approx(known.tiles.climate[3].max())
    with Image.open(BytesIO(case.pictures[0])) as image:
        assert image.size == (8, 8)
    assert expert.tile_prediction(run, 10_000).truth == (known.tiles.lat[-1], known.tiles.lon[-1])
    assert expert.nearest_tile(run, *case.truth) == 3


def test_a_scene_is_the_mean_of_the_beliefs_of_its_pictures(run):
    scene = expert.new_prediction(run, 48.0, 8.0, 200, True)
    assert len(scene.pictures) == 9
    lats, lons = expert._around(48.0, 8.0, TINY.tiles.size * TINY.tiles.pixel_km)
    alone = [
        expert.new_prediction(run, lat, lon, 200, False).components.weight for lat, lon in zip(lats, lons, strict=True)
    ]
    np.testing.assert_allclose(scene.components.weight, np.mean(alone, axis=0), rtol=1e-4)
    assert scene.truth == (48.0, 8.0)
    assert scene.true_day == 200


def test_the_expert_that_comes_along_is_read_as_a_run_s_and_knows_more_than_nothing():
    folder = expert.expert_folder(expert.SHIPPED)
    scores, card = expert.scores(folder), (folder / "card.md").read_text()
    case = expert.tile_prediction(folder, 0)
    assert case.error_km == pytest.approx(expert.test_predictions(folder).error_km[0])
    assert f"| median error, km | {scores.expert['error_km']['median']:,.0f} |" in card
    assert all(path.stat().st_size < 3e6 for path in folder.iterdir())
    new = expert.new_prediction(folder, 48.0, 8.0, 200, False)
    attributes = files.density_origin(files.ExpertChoice(expert.SHIPPED, 0)).attributes()
    assert "geographic expert that comes along" in str(attributes)
    assert len(new.components) == len(case.components) == expert.settings_of(folder).num_centres
    with pytest.raises(StoreError):
        expert.expert_folder("../x")


def test_the_scores_of_the_expert_that_comes_along_are_those_of_its_pictures():
    """What the page says of a typical guess is measured: on the pictures that it keeps the median is alike."""
    folder = expert.expert_folder(expert.SHIPPED)
    known, scores = expert.test_predictions(folder), expert.scores(folder)
    assert scores.expert["error_km"]["median"] < scores.prior["error_km"]["median"] - 300.0
    assert scores.expert["nll"] < scores.prior["nll"] - 0.1
    unseen = json.loads((folder / "card.json").read_text())["unseen"]
    assert unseen["expert"]["nll"] < unseen["prior"]["nll"]
    low, high = (scores.expert["error_km"][name] for name in ("q25", "q75"))
    assert low < np.median(known.error_km[known.is_scored]) < high


@pytest.mark.parametrize("place", [None, (48.0, 8.0)])
def test_an_exported_prediction_is_made_anew_to_the_same_values(run, tmp_path, monkeypatch, place):
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    name = "20260101-000000-0123456789"
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / name).symlink_to(run)
    choice = files.ExpertChoice(name, 3, place, 200, place is not None)
    for path, content in (("a.csv", files.centres_csv(choice)), ("a.nc", files.density_netcdf(choice))):
        (tmp_path / path).write_bytes(content)
        attributes = attributes_of(tmp_path / path)
        assert attributes["harmonia_model"] == name
        assert attributes["harmonia_synthetic"].startswith("synthetic")
        assert remake(tmp_path / path, tmp_path / f"again-{path}").differences == ()
    assert cf_faults(tmp_path / "a.nc") == []


def test_where_no_picture_can_be_taken_it_is_said(run, tmp_path):
    with pytest.raises(ChoiceError, match="is sea"):
        expert.new_prediction(run, 0.0, -150.0, 100, False)
    with pytest.raises(StoreError, match="not trained yet"):
        expert.test_predictions(tmp_path)
    (tmp_path / "config.json").write_bytes(RunConfig(settings=TableSettings()).to_json())
    with pytest.raises(ChoiceError, match="task 'table'"):
        expert.can_draw_tiles(tmp_path)


def test_the_errors_of_the_test_lie_where_its_pictures_were_taken(run):
    known, field = expert.test_predictions(run), expert.error_map(run)
    assert expert.can_draw_tiles(run)
    assert 1 <= np.isfinite(field.values).sum() <= len(known)
    row, column = (
        int(np.abs(axis - at).argmin())
        for axis, at in zip(field[:2], (known.tiles.lat[0], known.tiles.lon[0]), strict=True)
    )
    assert math.isfinite(field.values[row, column])
    assert expert.scores(run).expert["num_placed"] > 0


def test_what_is_missing_is_transparent():
    pixels = np.linspace(0.0, 1.0, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    pixels[0, 0, 0, 0] = np.nan
    with Image.open(BytesIO(expert.pictures(pixels, ("sst",))[0])) as image:
        rgba = np.asarray(image)
    assert rgba[0, 0, 3] == 0
    assert (rgba[0, 1:, 3] == 255).all()
    assert rgba[-1, -1, 0] > rgba[1, 0, 0]


RUN = "20260101-000000-0123456789"

# --- which centres --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    hubs = [(48.0, 8.0), (-33.0, 151.0), (40.0, -100.0), (0.0, 180.0)]
    noise = np.random.default_rng(0).normal(0.0, 2.0, (60, 4, 2))
    points = tuple((lat + a, lon + b) for row in noise for (lat, lon), (a, b) in zip(hubs, row, strict=True))
    config = comparison.comparison_config("file", points)
    folder = tmp_path_factory.mktemp("home") / "runs" / RUN
    folder.mkdir(parents=True)
    compare_centres(config.settings, context(folder, config.settings))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_HOME", str(folder.parent.parent))
        yield points, comparison.compared_centres(RUN), config


def test_the_comparison_is_what_the_engine_scores(compared):
    points, rows, _ = compared
    # 168 points to train on: no kind that follows data has 512 of them
    sizes = {kind: sorted(r.score.num_centres for r in rows if r.kind == kind) for kind in comparison.COMPARED}
    assert sizes["kmeans"] == [8, 32, 128]
    assert sizes["fibonacci"] == [8, 32, 128, 512]
    places = unit_vectors(*np.array(points).T)
    chosen = torch.randperm(len(places), generator=torch.Generator().manual_seed(0))
    split = split_points(places[chosen], 0)
    row = next(r for r in rows if r.kind == "kmeans" and r.score.num_centres == 8)
    assert row.score == score_centres(kmeans_centres(split.train, 8, 0), split)
    even = next(r for r in rows if r.kind == "fibonacci" and r.score.num_centres == 8)
    assert row.score.log_likelihood > even.score.log_likelihood + 2.0
    assert row.score.median_km < 400.0 < even.score.median_km


def test_the_comparison_is_answered_in_words_and_exported(compared, tmp_path):
    _, rows, _ = compared
    likeliest, nearest, fewer, _ = comparison.comparison_sentences(rows, "file")
    assert likeliest.startswith("Points of a file, about 512 centres")
    assert "km of the nearest centre" in nearest
    assert fewer.startswith("8 centres")
    path = tmp_path / "centres.csv"
    path.write_bytes(comparison.comparison_csv(RUN, "file"))
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == len(rows) + 1
    assert lines[0].startswith("kind,num_centres,log_likelihood_nats,median_km,recall_1_km")
    assert attributes_of(path)["harmonia_density"] == "file"


def test_a_comparison_goes_on_where_it_was_stopped(compared, tmp_path):
    _, rows, config = compared
    with pytest.raises(CancelledError):
        compare_centres(config.settings, context(tmp_path, config.settings, stop_after=20))
    assert not (tmp_path / "centres.json").exists()
    run = context(tmp_path, config.settings)
    assert 0.4 < run._progress < 0.7
    compare_centres(config.settings, run)
    again = tuple(map(ComparedCentres.of, json.loads((tmp_path / "centres.json").read_text())["rows"]))
    assert [(row.kind, row.score) for row in again] == [(row.kind, row.score) for row in rows]


@pytest.mark.parametrize("density", ["land", "ocean", "cities"])
def test_a_comparison_comes_along(density):
    rows = comparison.compared_centres(comparison.SHIPPED, density)
    assert {row.kind for row in rows} == set(comparison.COMPARED)
    assert max(row.score.num_centres for row in rows if row.kind == "kmeans") == 512
    if density == "cities":  # one row measured anew
        split = dealt_points(comparison.comparison_config(density).settings, 0)
        row = compare_kind("partition", 32, split)
        known = next(r for r in rows if r.kind == "partition" and r.score.num_centres == row.score.num_centres)
        assert known.score.log_likelihood == pytest.approx(row.score.log_likelihood, abs=1e-3)


def test_own_points_are_at_most_six_thousand_and_belong_to_a_file():
    many = tuple((90.0 - index / 100.0, 0.0) for index in range(13_000))
    assert len(comparison.comparison_config("file", many).settings.points) == 4334
    assert comparison.comparison_config("land", many).settings.points == ()
    for changes in ({"density": "file"}, {"density": "land", "points": [[0.0, 0.0]]}, {"sizes": [2]}):
        with pytest.raises(ConfigError):
            RunConfig.checked({"settings": {"task": "centres"} | changes})


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"format": "harmonia.centres", "version": 1, "rows": []}'])
def test_what_is_no_comparison_is_refused(content, tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    with pytest.raises(StoreError, match="there is no comparison"):
        comparison.compared_centres(RUN)
    folder = tmp_path / "runs" / RUN
    folder.mkdir(parents=True)
    (folder / "centres.json").write_text(content)
    with pytest.raises(StoreError, match="no comparison of centres"):
        comparison.compared_centres(RUN)


@pytest.mark.parametrize("density", ["land", "cities"])
def test_a_density_is_made_of_points_on_land(density):
    points = density_points(density)
    grid, land = land_cells()
    lat, lon = (axis.numpy() for axis in lat_lon(points))
    rows = np.clip(np.searchsorted(grid.lat_bounds, lat) - 1, 0, grid.shape[0] - 1)
    columns = np.clip(np.searchsorted(grid.lon_bounds, lon) - 1, 0, grid.shape[1] - 1)
    assert np.asarray(land)[rows, columns].mean() > 0.8
    assert len(points) > 4000


def test_centres_follow_the_data_that_are_chosen():
    on_land, in_cities = (
        mvmf_centres.components(CentreChoice("partition", 40, 0, 100.0, data=data)) for data in ("land", "cities")
    )
    # Antarctica has land and no city
    assert (on_land.lat < -75.0).any()
    assert not (in_cities.lat < -75.0).any()
    with pytest.raises(DataError, match="there are no points"):
        mvmf_centres.components(CentreChoice("partition", 40, 0, 100.0, data="file"))
