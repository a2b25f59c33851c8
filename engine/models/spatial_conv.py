"""A learned table followed by a convolution: a small model of a field from scattered points."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from engine.embedding.table import GLOBE, Embedding2d, Topology


class SpatialConv(nn.Module):
    """:class:`Embedding2d` followed by one convolution over the neighbourhood, with N outputs.

    f_o(λ, φ) = b_o + Σ_n Σ_ij K[o, n, i, j] · E(λ, φ)[i, j, n], where E(λ, φ) (2px+1, 2py+1, N) is the neighbourhood
    of the cell that holds the point. All points of a cell share one value.

    ``embedding`` is the table, zero at first; ``kernel`` (N, N, 2px+1, 2py+1) and ``bias`` (N,) begin uniform in
    ±1/√(N (2px+1)(2py+1)), drawn from ``seed``. The sizes and the topology are those of :class:`Embedding2d`.

    After SpatialConv in the guide "Spatial Embedding" of torch-geopooling (Y. Bubnov, 2024).
    """

    def __init__(
        self,
        manifold: tuple[int, int, int],
        exterior: tuple[float, float, float, float] = GLOBE,
        padding: tuple[int, int] = (0, 0),
        topology: Topology = "sphere",
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.embedding = Embedding2d(manifold, exterior, padding, topology, dtype=dtype, device=device)
        num_outputs = manifold[2]
        shape = (num_outputs, num_outputs, 2 * padding[0] + 1, 2 * padding[1] + 1)
        bound = 1.0 / math.sqrt(math.prod(shape[1:]))
        # drawn in float64 on the CPU, so that initial weights are the same for every dtype and device
        drawn = torch.Generator().manual_seed(seed)
        kernel = torch.empty(shape, dtype=torch.float64).uniform_(-bound, bound, generator=drawn)
        bias = torch.empty(num_outputs, dtype=torch.float64).uniform_(-bound, bound, generator=drawn)
        self.kernel = nn.Parameter(kernel.to(device, dtype))
        self.bias = nn.Parameter(bias.to(device, dtype))

    def forward(self, points: Tensor) -> Tensor:
        """Outputs (*, N) at ``points`` (*, 2), each (longitude, latitude) in degrees.

        Raises :class:`DataError` for points that are not finite or lie outside the exterior.
        """
        return self.at_cells(self.embedding.cells(points))

    def at_cells(self, cells: Tensor) -> Tensor:
        """Outputs (*, N) in cells (*,) given by ``embedding.cells``, for training loops."""
        return self.field().flatten(0, 1)[cells]

    def field(self) -> Tensor:
        """Outputs (W, H, N) in every cell.

        Each strip of the table is multiplied by all columns of the kernel at once, and the products of a neighbourhood
        are added up: f[c, r, o] = b_o + Σ_i (strip[c+i, r] · K[:, i])_o. For a few features this is several times
        faster than ``conv2d``, forward and backward.
        """
        width, height, num_outputs = self.embedding.manifold
        kernel = self.kernel.permute(3, 1, 2, 0)
        across = kernel.shape[2]
        products = self.embedding.strips() @ kernel.flatten(2).flatten(0, 1)
        # entry (c, r, i) of this view is the product of column i of the kernel and the strip at (c + i, r)
        column, strip = height * products.shape[1], products.shape[1]
        strides = (column, strip, column + num_outputs, 1)
        return products.as_strided((width, height, across, num_outputs), strides).sum(2) + self.bias
