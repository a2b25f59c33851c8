"""Centres: their makers, and files with the usual mix-ups."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import ChoiceError, DataError
from engine.mvmf import (
    DEEPEST_LEVEL,
    MOST_CENTRES,
    adaptive_partition,
    centres_near,
    centres_of_bytes,
    centres_within,
    even_centres,
    farthest_centres,
    hierarchy_centres,
    kmeans_centres,
    minibatch_kmeans_centres,
    partition_centres,
    read_centres,
)
from engine.sphere import LatLonGrid, great_circle_km, lat_lon, unit_vectors
from tests.support.mixtures import directions

GRID = LatLonGrid.regular(5.0)


def nearest_km(centres: torch.Tensor) -> torch.Tensor:
    lat, lon = lat_lon(centres)
    distance = great_circle_km(lat[:, None], lon[:, None], lat, lon)
    return distance.fill_diagonal_(math.inf).amin(1)


def test_even_centres_are_even() -> None:
    centres = even_centres(500)
    assert torch.allclose((centres**2).sum(1), torch.ones(500, dtype=torch.float64))
    # a circle of the same area has radius 2R/√500 = 570 km
    assert float(nearest_km(centres).min()) > 570.0
    assert float(nearest_km(centres).max()) < 2.0 * 570.0


@pytest.mark.parametrize("descending", [False, True])
def test_centres_on_a_mask_lie_on_it_evenly_in_area(descending: bool) -> None:
    grid = LatLonGrid(GRID.lat[::-1], GRID.lon) if descending else GRID
    where = np.broadcast_to((grid.lat > 30.0)[:, None], grid.shape)
    lat, lon = lat_lon(centres_within(where, grid, 4000, seed=0))
    assert float(lat.min()) > 30.0
    # area north of 30° and of 48.59° is as 1 − sin φ: half lies north of the second
    assert float((torch.sin(torch.deg2rad(lat)) > 0.75).double().mean()) == pytest.approx(0.5, abs=0.04)
    assert float((lon > 90.0).double().mean()) == pytest.approx(0.25, abs=0.04)
    assert torch.equal(centres_within(where, grid, 9, 1), centres_within(where, grid, 9, 1))
    assert not torch.equal(centres_within(where, grid, 9, 1), centres_within(where, grid, 9, 2))


def test_centres_near_data_keep_their_distance() -> None:
    points = directions(3000)
    centres = centres_near(points, 200, 700.0, seed=0)
    assert len(centres) == 200
    assert float(nearest_km(centres).min()) >= 700.0
    assert (torch.cdist(centres, points).amin(1) < 1e-7).all()
    # no more room: every point is closer than the separation to one of those kept
    full = centres_near(points, 3000, 2000.0, seed=0)
    assert 30 < len(full) < 120
    assert float(torch.acos((points @ full.T).amax(1).clamp(max=1.0)).max()) * 6371.0 <= 2000.0
    assert len(centres_near(points, 3000, 0.0, seed=0)) == 3000


def test_kmeans_finds_groups_and_improves_on_where_it_began() -> None:
    hubs = unit_vectors(torch.tensor([80.0, 0.0, -60.0]), torch.tensor([0.0, 179.0, 20.0]))
    noise = 0.05 * torch.randn(600, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points = torch.nn.functional.normalize(hubs.repeat(200, 1) + noise, dim=1)
    group_centres = kmeans_centres(points, 3, seed=2)
    assert float((group_centres @ hubs.T).amax(0).min()) > 0.999
    cloud = directions(2000)
    centres = kmeans_centres(cloud, 50, seed=0)
    groups = torch.argmax(cloud @ centres.T, 1)
    for group in range(50):
        mean = torch.nn.functional.normalize(cloud[groups == group].sum(0), dim=0)
        assert float(mean @ centres[group]) > 0.99
    # doubled points are no harm
    assert torch.isfinite(kmeans_centres(hubs.repeat(5, 1), 6, seed=0)).all()


def test_the_hierarchy_halves_its_cells() -> None:
    for level in range(4):
        count = 6 * 4**level
        centres = hierarchy_centres(count)
        assert len(centres) == count
        assert len(torch.unique(torch.round(centres, decimals=9), dim=0)) == count
        assert len(hierarchy_centres(4 * count - 1)) == count
        # as many on each side of every axis
        assert torch.allclose(centres.sum(0), torch.zeros(3, dtype=torch.float64), atol=1e-12)
    # what is nearest to each centre of level 3 takes between 0.7 and 1.4 of an even share
    cloud = even_centres(100_000)
    shares = torch.bincount(torch.argmax(cloud @ hierarchy_centres(384).T, 1), minlength=384) * (384 / 100_000)
    assert 0.65 < float(shares.min()) < float(shares.max()) < 1.4


HUBS = unit_vectors(
    torch.tensor([90.0, -90.0, 0.0, 0.0, 45.0, -30.0, 10.0, -60.0]),
    torch.tensor([0.0, 0.0, 180.0, 0.0, -100.0, 75.0, 100.0, -60.0]),
)


def toy(num: int, spread: float = 0.01) -> torch.Tensor:
    """``num`` points around each of eight hubs: both poles, the date line, and five more."""
    noise = torch.randn(8 * num, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.nn.functional.normalize(HUBS.repeat(num, 1) + spread * noise, dim=1)


@pytest.mark.parametrize("make", [kmeans_centres, minibatch_kmeans_centres, farthest_centres])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clustered_points_have_a_centre_in_every_cluster(make, seed: int) -> None:
    points = toy(300)
    centres = make(points, 8, seed)
    assert torch.equal(centres, make(points, 8, seed))
    nearest = (centres @ HUBS.T).amax(0)
    # a farthest point lies at a cluster's edge, a mean on its hub: 0.01 / √300 from it
    assert float(torch.acos(nearest.clamp(max=1.0)).max()) < (0.06 if make is farthest_centres else 0.003)


def test_mini_batches_reach_what_all_points_at_once_reach() -> None:
    cloud = directions(20_000)

    def spread(centres: torch.Tensor) -> float:
        return float((1.0 - (cloud @ centres.T).amax(1)).mean())

    assert spread(minibatch_kmeans_centres(cloud, 60, 0)) < 1.05 * spread(kmeans_centres(cloud, 60, 0))
    # more centres than are drawn one by one
    assert len(torch.unique(minibatch_kmeans_centres(cloud, 2000, 0), dim=0)) == 2000


def test_farthest_points_are_a_two_approximation() -> None:
    cloud = directions(2000)
    centres = farthest_centres(cloud, 50, seed=0)
    radius = float(torch.acos((cloud @ centres.T).amax(1).clamp(max=1.0)).max())
    # they and the next one are 51 points no two closer than the radius: no 50 centres reach all within half of it
    assert float(nearest_km(centres).min()) / 6371.0 >= radius - 1e-6
    # four places, each ten times
    assert len(farthest_centres(HUBS[:4].repeat(10, 1), 9, seed=0)) == 4


@pytest.mark.parametrize("most", [1, 7, 100, 10_000])
def test_a_partition_counts_every_point_once_and_no_cell_holds_more(most: int) -> None:
    points = torch.cat((toy(100), directions(500)))
    cells = adaptive_partition(points, most)
    assert int(cells.num_points.sum()) == len(points)
    assert int(cells.num_points.max()) <= most
    assert torch.equal(torch.bincount(cells.cell_of), cells.num_points)
    # a cell that was split held more: its parent's points, those with its ancestor, are more than `most`
    coarser = adaptive_partition(points, most + 1)
    assert len(coarser.num_points) <= len(cells.num_points)
    # the centre is the mean of its points
    first = torch.nn.functional.normalize(points[cells.cell_of == 0].sum(0), dim=0)
    assert torch.allclose(cells.centres[0], first, atol=1e-12)


def test_a_partition_is_fine_where_points_are_dense() -> None:
    dense = unit_vectors(torch.full((64,), 20.0), torch.full((64,), 30.0)) + 1e-3 * directions(64)
    cells = adaptive_partition(torch.cat((dense, -HUBS[:1], unit_vectors([0.0], [180.0]))), 4)
    levels = cells.levels[cells.cell_of]
    assert int(levels[:64].min()) > 5
    # alone on their faces, a pole and the date line need no split
    assert levels[64:].tolist() == [0, 0]
    # the cells of one level are those of the hierarchy, each with its own centre in it
    even = adaptive_partition(hierarchy_centres(96), 1)
    assert len(even.num_points) == 96
    assert even.levels.tolist() == [2] * 96


def test_points_that_stand_twice_share_a_cell_of_the_deepest_level() -> None:
    cells = adaptive_partition(HUBS[3:4].repeat(50, 1), 10)
    assert cells.num_points.tolist() == [50]
    assert cells.levels.tolist() == [DEEPEST_LEVEL]


@pytest.mark.parametrize("num", [6, 40, 400])
def test_a_partition_of_a_number_is_the_finest_with_at_most_as_many(num: int) -> None:
    points = torch.cat((toy(100), directions(500)))
    centres = partition_centres(points, num)
    sizes = [len(adaptive_partition(points, most).num_points) for most in range(1, 1301)]
    assert len(centres) == max(size for size in sizes if size <= num)


def test_makers_refuse_what_cannot_be() -> None:
    nowhere = np.zeros(GRID.shape, dtype=bool)
    for wrong in (
        lambda: even_centres(0),
        lambda: even_centres(MOST_CENTRES + 1),
        lambda: hierarchy_centres(5),
        lambda: centres_within(nowhere, GRID, 5, 0),
        lambda: centres_within(~nowhere[:3], GRID, 5, 0),
        lambda: centres_near(directions(5), 5, -1.0, 0),
        lambda: centres_near(directions(5), 5, math.nan, 0),
        lambda: kmeans_centres(directions(5), 6, 0),
        lambda: minibatch_kmeans_centres(directions(5), 6, 0),
        lambda: farthest_centres(directions(5), 6, 0),
        lambda: partition_centres(directions(50), 5),
        lambda: adaptive_partition(directions(50), 0),
    ):
        with pytest.raises(ChoiceError) as refusal:
            wrong()
        assert refusal.value.remedy
    for points in (torch.zeros(0, 3), torch.zeros(4, 2), directions(4) * math.nan):
        for refused in (
            lambda points=points: kmeans_centres(points, 1, 0),
            lambda points=points: minibatch_kmeans_centres(points, 1, 0),
            lambda points=points: farthest_centres(points, 1, 0),
            lambda points=points: centres_near(points, 1, 0.0, 0),
            lambda points=points: adaptive_partition(points, 5),
            lambda points=points: partition_centres(points, 6),
        ):
            with pytest.raises(DataError):
                refused()


# --- files ----------------------------------------------------------------------------------------------------------

PLACES = np.array([[52.5, 13.4], [-33.9, 151.2], [40.7, -74.0], [-1.3, 36.8]])


def written(folder: Path, text: str, name: str = "centres.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def table(values: np.ndarray, header: str = "", mark: str = ",") -> str:
    return header + "\n".join(mark.join(f"{v:.9g}" for v in row) for row in values) + "\n"


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (table(PLACES), "read as latitude, longitude"),
        (table(PLACES, mark=" "), "read as latitude, longitude"),
        (table(PLACES, "# places\nlat,lon\n"), "columns 'lat' and 'lon'"),
        (table(PLACES[:, ::-1], "Longitude;Latitude\n", ";"), "columns 'latitude' and 'longitude'"),
        ("name\tlat\tlon\n" + "".join(f"x\t{a}\t{b}\n" for a, b in PLACES), "columns 'lat' and 'lon'"),
        ("\ufeff" + table(PLACES, "lat,lon\n"), "columns 'lat' and 'lon'"),
        (table(np.c_[PLACES[:, 0], PLACES[:, 1] % 360.0], "lat,lon\n"), "columns 'lat' and 'lon'"),
        (table(PLACES[:, ::-1]), "goes beyond ±90"),
        (table(PLACES[:, ::-1], "lat,lon\n"), "goes beyond ±90"),
        (table(np.deg2rad(PLACES)), "read as radians"),
        (table(np.deg2rad(PLACES), "lat,lon\n"), "read as radians"),
        (table(np.deg2rad(PLACES[:, ::-1])), "read as radians"),
        (table(np.deg2rad(PLACES[:, ::-1])), "goes beyond ±90"),
        (table(np.deg2rad(np.c_[PLACES[:, 0], PLACES[:, 1] % 360.0])), "read as radians"),
        (table(np.deg2rad(PLACES), "lat_rad,lon_rad\n"), "in radians converted"),
        (table(np.r_[PLACES, PLACES[:1]]), "1 of 5 points are duplicates"),
    ],
)
def test_a_file_is_understood_and_says_how(tmp_path: Path, text: str, note: str) -> None:
    loaded = read_centres(written(tmp_path, text))
    expected = unit_vectors(PLACES[:, 0], PLACES[:, 1])
    assert torch.allclose(loaded.centres[:4], expected, rtol=0, atol=1e-7)
    assert any(note in remark for remark in loaded.notes)


def test_small_numbers_in_degrees_stay_degrees(tmp_path: Path) -> None:
    gulf_of_guinea = np.array([[0.2, 0.1], [-1.2, 2.9], [1.3, -2.0]])
    loaded = read_centres(written(tmp_path, table(gulf_of_guinea, "lat_deg,lon_deg\n")))
    assert torch.allclose(loaded.centres, unit_vectors(gulf_of_guinea[:, 0], gulf_of_guinea[:, 1]), atol=1e-9)
    assert not any("radians" in remark for remark in loaded.notes)


@pytest.mark.parametrize(
    ("text", "lat", "lon"),
    [
        ("0.85,0.04\n0.71,0.2\n0.83,0.15\n", 0.85, 0.04),  # France and Corsica
        ("0.85,0.04\n0.71,0.2\n", 0.85, 0.04),
        ("2.5,0.8\n-2.9,-.5\n0.3,0.1\n", 0.8, 2.5),  # exchanged
        ("0.4,6.2\n0.5,3.3\n", 0.4, 6.2),  # longitudes from 0 to 2π
    ],
)
def test_what_would_all_be_sea_beside_africa_is_radians(text: str, lat: float, lon: float) -> None:
    loaded = centres_of_bytes(text.encode(), "pasted text")
    assert torch.allclose(loaded.centres[0], unit_vectors(math.degrees(lat), math.degrees(lon)), rtol=0, atol=1e-12)
    (remark,) = (note for note in loaded.notes if "radians" in note)
    assert "Gulf of Guinea" in remark
    # the remedy that is named is one
    as_degrees = centres_of_bytes(b"lat_deg,lon_deg\n" + text.encode(), "pasted text")
    expected = unit_vectors(*(np.loadtxt(text.splitlines()[:1], delimiter=",")))
    assert torch.allclose(as_degrees.centres[0], expected, rtol=0, atol=1e-12)
    assert not any("radians" in note for note in as_degrees.notes)


@pytest.mark.parametrize(
    ("text", "is_noted"),
    [
        ("0.85,0.04\n", True),  # a single point
        ("2.5,0.8\n", True),  # a single one, exchanged
        ("0.5,1.5\n1,-1\n0,0\n", True),  # as a hand types degrees
        ("0.02,0.03\n-0.05,0.06\n", True),  # near 0, 0 in radians too
        ("5.60,-0.19\n6.13,1.22\n5.64,-0.1\n", True),  # Ghana and Togo
        ("0,0\n", False),
        ("2.5,2.4\n-1.2,3.1\n", False),
        ("0.85,7.1\n0.2,0.1\n", False),
    ],
)
def test_what_is_not_surely_radians_stays_degrees_and_it_is_noted(text: str, is_noted: bool) -> None:
    loaded = centres_of_bytes(text.encode(), "pasted text")
    expected = unit_vectors(*(float(number) for number in text.splitlines()[0].split(",")))
    assert torch.allclose(loaded.centres[0], expected, rtol=0, atol=1e-12)
    assert any("may be radians" in remark for remark in loaded.notes) == is_noted
    assert not any("read as radians" in remark for remark in loaded.notes)


def test_an_array_file_is_read_and_nothing_is_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "good.npy", PLACES.astype(np.float32))
    assert len(read_centres(tmp_path / "good.npy").centres) == 4
    np.save(tmp_path / "flat.npy", PLACES.ravel())
    np.save(tmp_path / "pickle.npy", np.array([{"lat": 1}], dtype=object), allow_pickle=True)
    written(tmp_path, "no array at all", "text.npy")
    for name in ("flat.npy", "pickle.npy", "text.npy"):
        with pytest.raises(DataError, match=name):
            read_centres(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 points"),
        ("lat,lon\n", "0 points"),
        ("1,2\n3\n", "not two numbers"),
        ("1,2\n3,north\n", "not two numbers"),
        ("1,2\nnan,4\n", "point 2 is not a number"),
        ("1,2\ninf,4\n", "point 2 is not a number"),
        ("100,200\n", "neither column can be the latitude"),
        ("10,20\n10,900\n", "the longitude of point 2 is 900"),
        ("48,8\n47,400\n", "the longitude of point 2 is 400"),
        ("400,8\n100,7\n", "the longitude of point 1 is 400"),
        ("10,20\n95,20\n10,100\n", "the first is 95 at point 2, the second 100 at point 3"),
        ("easting,northing\n1,2\n", "no latitude and longitude among its columns easting, northing"),
        ("1\n2\n", "not two numbers"),
    ],
)
def test_a_file_that_gives_no_centres_says_why(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as refusal:
        read_centres(written(tmp_path, text, "My sites.txt"))
    assert refusal.value.remedy
    assert "My sites.txt" in str(refusal.value)


def test_a_file_that_is_not_there_or_not_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "noise.csv").write_bytes(bytes(range(256)))
    for path in (tmp_path / "none.csv", tmp_path, tmp_path / "noise.csv"):
        with pytest.raises(DataError, match="gives no centres"):
            read_centres(path)
