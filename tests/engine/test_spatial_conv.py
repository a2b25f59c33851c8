"""The table read through a convolution: against the sum it stands for, and on the guide's example."""

import statistics

import pytest
import torch

from engine.data.vectors import force_field
from engine.embedding.table import TOPOLOGIES
from engine.errors import DataError
from engine.models import SpatialConv
from tests.support.tolerances import TOLERANCES


def by_the_sum(model: SpatialConv, points: torch.Tensor) -> torch.Tensor:
    """The equation of the docstring, on neighbourhoods looked up one by one."""
    return model.bias + torch.einsum("onij,...ijn->...o", model.kernel, model.embedding(points))


@pytest.mark.parametrize("dtype", list(TOLERANCES))
@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("manifold", [(9, 6, 2), (5, 11, 1), (8, 8, 3)])
def test_the_fused_path_is_the_sum_and_so_is_its_gradient(manifold, topology, dtype):
    model = SpatialConv(manifold, padding=(2, 4), topology=topology, dtype=dtype)
    numbers = torch.Generator().manual_seed(1)
    model.embedding.weight.data.normal_(generator=numbers)
    points = (torch.rand((40, 2), generator=numbers, dtype=torch.float64) - 0.5) * torch.tensor([360.0, 180.0])
    pull = torch.randn((40, manifold[2]), generator=numbers, dtype=torch.float64).to(dtype)
    outputs, gradients = [], []
    for path in (model, lambda at: by_the_sum(model, at)):
        model.zero_grad()
        outputs.append(path(points))
        outputs[-1].backward(pull)
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    limit = TOLERANCES[dtype].field
    assert outputs[0].dtype == dtype
    torch.testing.assert_close(*outputs, atol=limit, rtol=0)
    for fused, slow in zip(*gradients, strict=True):
        torch.testing.assert_close(fused, slow, atol=10 * limit, rtol=0)


def test_the_seed_decides_the_start():
    first, same, other = (SpatialConv((8, 4, 2), padding=(1, 1), seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.kernel, same.kernel)
    assert not torch.equal(first.kernel, other.kernel)
    assert not first.embedding.weight.any()
    assert float(first.kernel.detach().abs().max()) <= 1.0 / (2 * 3 * 3) ** 0.5
    assert torch.equal(first(torch.zeros(2)), first.bias)


def test_shapes_and_refusals():
    model = SpatialConv((8, 4, 2), padding=(1, 1))
    assert model(torch.zeros(3, 5, 2)).shape == (3, 5, 2)
    assert model.field().shape == (8, 4, 2)
    with pytest.raises(DataError, match="not finite"):
        model(torch.full((2, 2), float("nan")))


def errors_of_the_guide(seed: int) -> tuple[float, float]:
    """Mean absolute error over all 2,016 points after 30 and after 300 steps, learned from half of them."""
    field = force_field()
    points, values = torch.tensor(field.points()), torch.tensor(field.values, dtype=torch.float32)
    sampled = torch.tensor(field.sampled(0.5, seed))
    model = SpatialConv((63, 32, 2), padding=(7, 7), topology="sphere", seed=seed)
    cells = model.embedding.cells(points)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.005)
    after = {}
    for step in range(301):
        error = (model.at_cells(cells) - values).abs()
        after[step] = float(error.detach().mean())
        optimiser.zero_grad()
        error[sampled].mean().backward()
        optimiser.step()
    return after[30], after[300]


def test_the_guides_example():
    """The limits of the issue; measured when written: 0.069-0.096 after 30 steps, 0.013-0.018 after 300."""
    after_30, after_300 = zip(*(errors_of_the_guide(seed) for seed in range(5)), strict=True)
    print(f"after 30 steps {after_30}, after 300 {after_300}")
    assert statistics.median(after_30) <= 0.11
    assert statistics.median(after_300) <= 0.03
