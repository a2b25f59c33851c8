"""The spatial table: neighbourhoods against a slow walk over the globe, edges, poles, gradients, refusals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.embedding import Embedding2d
from engine.embedding.table import GLOBE, TOPOLOGIES
from engine.errors import ChoiceError, DataError
from tests.support.reference import table_gradient, table_windows
from tests.support.tolerances import TOLERANCES

SHAPES = {"tall": (5, 12, 2), "wide": (14, 4, 1), "square": (8, 8, 3), "odd": (7, 6, 2)}


def filled(shape, padding=(0, 0), topology="sphere", exterior=GLOBE, dtype=torch.float64) -> Embedding2d:
    """A table of random numbers."""
    table = Embedding2d(shape, exterior, padding, topology, dtype=dtype)
    numbers = np.random.default_rng(1).normal(size=shape)
    table.weight.data.copy_(torch.tensor(numbers))
    return table


def centres(table: Embedding2d) -> torch.Tensor:
    """The middle of every cell, (W, H, 2)."""
    W, H, _ = table.manifold
    x, y, wide, high = table.exterior
    lon, lat = x + wide * (torch.arange(W) + 0.5) / W, y + high * (torch.arange(H) + 0.5) / H
    return torch.stack(torch.meshgrid(lon.double(), lat.double(), indexing="ij"), dim=-1)


def scattered(table: Embedding2d, count: int = 60) -> np.ndarray:
    x, y, wide, high = table.exterior
    return np.array([x, y]) + np.random.default_rng(2).random((count, 2)) * np.array([wide, high])


@pytest.mark.parametrize("dtype", list(TOLERANCES))
@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_neighbourhoods_and_their_gradient_agree_with_the_slow_reference(shape, topology, dtype):
    table = filled(shape, (min(4, shape[0]), min(4, shape[1])), topology, dtype=dtype)
    points = scattered(table)
    values = table(torch.tensor(points))
    assert values.dtype == dtype
    weight = table.weight.detach().numpy()
    expected = table_windows(weight, points, GLOBE, table.padding, topology)
    np.testing.assert_array_equal(values.detach().numpy(), expected)

    gradient = np.random.default_rng(3).normal(size=expected.shape)
    values.backward(torch.tensor(gradient, dtype=dtype))
    assert table.weight.grad is not None
    np.testing.assert_allclose(
        table.weight.grad.numpy(),
        table_gradient(shape, points, GLOBE, topology, gradient),
        atol=TOLERANCES[dtype].field,
        rtol=0,
    )


@pytest.mark.parametrize("topology", ["torus", "clamp"])
def test_a_part_of_the_plane_has_its_own_edges(topology):
    exterior = (10.0, -5.0, 20.0, 8.0)
    table = filled((6, 5, 2), (2, 5), topology, exterior)
    points = scattered(table)
    expected = table_windows(table.weight.detach().numpy(), points, exterior, (2, 5), topology)
    np.testing.assert_array_equal(table(torch.tensor(points)).detach().numpy(), expected)


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("padding", [(0, 0), (1, 2), (4, 4)])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_cell_receives_gradient(shape, padding, topology):
    """With a point in every cell and a gradient of one, a cell gets one from each neighbourhood it stands in."""
    table = Embedding2d(shape, padding=padding, topology=topology, dtype=torch.float64)
    table(centres(table)).sum().backward()
    assert table.weight.grad is not None
    if topology == "clamp":
        assert float(table.weight.grad.min()) >= 1.0
    else:  # no cell of a closed surface stands out
        expected = torch.full(shape, float((2 * padding[0] + 1) * (2 * padding[1] + 1)), dtype=torch.float64)
        torch.testing.assert_close(table.weight.grad, expected)


def test_it_begins_at_zero():
    table = Embedding2d((6, 4, 3), padding=(1, 1))
    assert table.weight.shape == (6, 4, 3)
    assert table.weight.requires_grad
    assert not table.weight.any()
    assert table.weight.dtype == torch.float32
    assert "topology='sphere'" in repr(table)


@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (0,)])
def test_any_batch_of_points(shape):
    points = torch.zeros((*shape, 2))
    assert filled((6, 4, 3), (2, 1))(points).shape == (*shape, 5, 3, 3)
    assert filled((6, 4, 3), (2, 1)).cells(points).shape == shape


# --- what lies beyond an edge ---------------------------------------------------------------------------------------


def columns_of(W: int, H: int, topology: str, py: int = 1) -> Embedding2d:
    """A table that holds its own column and row in every cell."""
    table = Embedding2d((W, H, 2), padding=(0, py), topology=topology, dtype=torch.float64)
    column, row = torch.meshgrid(torch.arange(W), torch.arange(H), indexing="ij")
    table.weight.data.copy_(torch.stack((column, row), dim=-1))
    return table


def test_north_of_the_top_row_is_the_same_row_180_degrees_away():
    """Eight columns of 45°: beyond the pole of column 1 (112.5° W) lies column 5 (67.5° E), its lower row next."""
    seen = columns_of(8, 4, "sphere", py=2)(torch.tensor([-112.5, 80.0]))[0]
    assert seen.tolist() == [[1, 1], [1, 2], [1, 3], [5, 3], [5, 2]]
    seen = columns_of(8, 4, "sphere", py=2)(torch.tensor([67.5, -80.0]))[0]
    assert seen.tolist() == [[1, 1], [1, 0], [5, 0], [5, 1], [5, 2]]


def test_with_an_odd_number_of_columns_it_is_the_mean_of_the_two_there():
    """Five columns of 72°: the middle of column 0 (144° W) is opposite 36° E, the border of columns 2 and 3."""
    seen = columns_of(5, 4, "sphere")(torch.tensor([-144.0, 80.0]))[0]
    assert seen.tolist() == [[0, 2], [0, 3], [2.5, 3]]
    seen = columns_of(5, 4, "sphere")(torch.tensor([144.0, -80.0]))[0]  # column 4, opposite 36° W: columns 1 and 2
    assert seen.tolist() == [[1.5, 0], [4, 0], [4, 1]]


def test_a_torus_and_a_clamp_know_no_pole():
    assert columns_of(8, 4, "torus")(torch.tensor([-112.5, 80.0]))[0].tolist() == [[1, 2], [1, 3], [1, 0]]
    assert columns_of(8, 4, "clamp")(torch.tensor([-112.5, 80.0]))[0].tolist() == [[1, 2], [1, 3], [1, 3]]


@pytest.mark.parametrize(("topology", "expected"), [("sphere", [7, 0, 1]), ("torus", [7, 0, 1]), ("clamp", [0, 0, 1])])
def test_west_of_the_first_column(topology, expected):
    table = Embedding2d((8, 4, 1), padding=(1, 0), topology=topology)
    table.weight.data.copy_(torch.arange(8.0)[:, None, None].expand(8, 4, 1))
    assert table(torch.tensor([-179.0, 10.0])).flatten().tolist() == expected


@pytest.mark.parametrize(
    ("topology", "lon", "lat", "cell"),
    [
        ("sphere", 0.0, 90.0, (4, 3)),
        ("sphere", 0.0, -90.0, (4, 0)),
        ("sphere", 180.0, 0.0, (0, 2)),
        ("sphere", -180.0, 0.0, (0, 2)),
        ("sphere", np.nextafter(-180.0, -181.0), 0.0, (7, 2)),
        ("sphere", 359.0, 0.0, (3, 2)),
        ("sphere", 1e300, 0.0, None),
        ("torus", 180.0, 90.0, (0, 0)),
        ("clamp", 180.0, 90.0, (7, 3)),
        ("clamp", -180.0, -90.0, (0, 0)),
    ],
)
def test_points_on_an_edge(topology, lon, lat, cell):
    row_and_column = divmod(
        int(Embedding2d((8, 4, 1), topology=topology).cells(torch.tensor([lon, lat], dtype=torch.float64))), 4
    )
    assert 0 <= row_and_column[0] < 8
    assert cell is None or row_and_column == cell


@given(st.floats(-180.0, 179.999), st.floats(-90.0, 90.0), st.integers(-3, 3))
def test_a_turn_around_the_sphere_changes_nothing(lon, lat, turns):
    table = filled((7, 6, 2), (3, 4))
    column = (lon + 180.0) / 360.0 * 7
    if abs(column - round(column)) < 1e-9:  # on a border rounding decides
        return
    points = torch.tensor([[lon, lat], [lon + 360.0 * turns, lat]], dtype=torch.float64)
    assert torch.equal(*table(points))


@given(st.integers(0, 12), st.sampled_from([(8, 5, 1), (9, 5, 1)]))
def test_the_sphere_looks_alike_from_every_meridian(shift, shape):
    """Turning the table by whole columns turns what is seen, over the poles as well."""
    table, turned = filled(shape, (3, 5)), filled(shape, (3, 5))
    turned.weight.data.copy_(table.weight.data.roll(shift, 0))
    assert torch.equal(table.padded()[3:-3].roll(shift, 0), turned.padded()[3:-3])


@pytest.mark.parametrize("shape", [(8, 5, 1), (9, 5, 1)])
def test_the_sphere_looks_alike_from_both_poles(shape):
    table, mirrored = filled(shape, (3, 5)), filled(shape, (3, 5))
    mirrored.weight.data.copy_(table.weight.data.flip(1))
    assert torch.equal(table.padded().flip(1), mirrored.padded())


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[0.0, math.nan], [0.0, 0.0]], "1 of 2 points are not finite"),
        ([[math.inf, 0.0]], "1 of 1 points are not finite"),
        ([[0.0, 0.0], [5.0, 90.5]], "1 of 2 points lie outside the table, the first at longitude 5, latitude 90.5"),
        ([0.0, 0.0, 0.0], "points of shape (3,)"),
        (0.0, "points of shape ()"),
    ],
)
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_points_that_lie_nowhere_are_refused(points, message, topology):
    table = Embedding2d((6, 4, 1), padding=(1, 1), topology=topology)
    for look_up in (table, table.cells):
        with pytest.raises(DataError) as refusal:
            look_up(torch.tensor(points))
        assert message in str(refusal.value)


def test_longitude_is_an_angle_on_the_sphere_only():
    points = torch.tensor([[200.0, 0.0]])
    assert torch.equal(filled((6, 4, 1))(points), filled((6, 4, 1))(points - torch.tensor([360.0, 0.0])))
    for topology in ("torus", "clamp"):
        with pytest.raises(DataError, match="longitude -180 to 180"):
            filled((6, 4, 1), topology=topology)(points)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            {"padding": (7, 1)},
            "a padding of 7 columns is wider than the table (manifold (6, 4, 1)). Remedy: choose 0 to 6",
        ),
        (
            {"padding": (1, 5)},
            "a padding of 5 rows is wider than the table (manifold (6, 4, 1)). Remedy: choose 0 to 4",
        ),
        ({"padding": (-1, 0)}, "choose 0 to 6"),
        ({"manifold": (6, 0, 1)}, "holds nothing"),
        ({"topology": "cube"}, "choose one of sphere, torus, clamp"),
        ({"exterior": (0.0, 0.0, 10.0, 10.0)}, "the topology 'sphere' needs the whole sphere"),
        ({"exterior": (0.0, 0.0, 0.0, 10.0), "topology": "clamp"}, "give w, h > 0"),
        ({"exterior": (0.0, 0.0, math.nan, 10.0), "topology": "clamp"}, "give w, h > 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(choice, message):
    with pytest.raises(ChoiceError) as refusal:
        Embedding2d(**{"manifold": (6, 4, 1), **choice})
    assert message in str(refusal.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_same_on_a_gpu(topology):
    table = filled((7, 6, 2), (3, 4), topology)
    points = torch.tensor(scattered(table))
    expected = table(points)
    assert torch.equal(table.to("cuda")(points.cuda()).cpu(), expected)
