"""Array types, and functions of torch, xarray and dask whose own annotations are incomplete.

Each library is imported when one of its functions is called, so that this module needs numpy only.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from torch import Tensor


Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def backward(loss: Tensor) -> None:
    """Accumulate the gradients of a scalar loss."""
    loss.backward()  # pyright: ignore[reportUnknownMemberType]


def gradient(scalar: Tensor, inputs: Tensor) -> Tensor:
    """∂ scalar / ∂ inputs, zeros where they are not connected; the graph is kept."""
    (slope,) = _torch().autograd.grad(scalar, inputs, retain_graph=True, materialize_grads=True)
    return slope


def step(optimiser: torch.optim.Optimizer) -> None:
    """Update the parameters of an optimiser by their gradients."""
    optimiser.step()  # pyright: ignore[reportUnknownMemberType]


def manual_seed(seed: int) -> None:
    """Seed torch's own generators."""
    _torch().manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Generator[None]:
    """Torch's own generators seeded inside the block, and as they were after it."""
    with _torch().random.fork_rng():
        manual_seed(seed)
        yield


def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues ascending and eigenvectors in columns of a symmetric matrix, in its own dtype."""
    return _torch().linalg.eigh(matrix)


def numbers(values: Tensor) -> list[Any]:
    """The values as Python numbers, in one transfer from the device."""
    return cast(Any, values).tolist()


def cholesky(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Lower Cholesky factors of (..., n, n), and where each failed, 0 where it did not."""
    factor, failed_at = _torch().linalg.cholesky_ex(matrices)
    return factor, failed_at


def svd(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U, S and Vᵀ of a matrix, without the singular vectors of the null space."""
    return _torch().linalg.svd(matrix, full_matrices=False)


def orthonormal(matrices: Tensor) -> Tensor:
    """Orthonormal columns (..., m, n) with the span of those of matrices (..., m, n), m ≥ n."""
    return _torch().linalg.qr(matrices).Q


def vector_norm(vectors: Tensor) -> Tensor:
    """Euclidean lengths (...) of vectors (..., D)."""
    return _torch().linalg.vector_norm(vectors, dim=-1)


def rfft(values: Tensor, dim: int) -> Tensor:
    """Fourier coefficients of real values along an axis, unscaled."""
    return _torch().fft.rfft(values, dim=dim)


def irfft(coefficients: Tensor, n: int) -> Tensor:
    """``n`` real values along the last axis from Fourier coefficients, unscaled: the sum of the waves."""
    return _torch().fft.irfft(coefficients, n=n, norm="forward")


def i0e(values: Tensor) -> Tensor:
    """e^−|x| I₀(x), the exponentially scaled modified Bessel function of order 0."""
    return _torch().special.i0e(values)


def apply(function: type[torch.autograd.Function], *inputs: Tensor) -> Tensor:
    """The result of a custom differentiable function."""
    return cast(Any, function).apply(*inputs)


def checkpoint(module: Any, *inputs: object) -> Any:
    """``module(*inputs)``; its activations are computed again in the backward pass instead of being kept."""
    from torch.utils import checkpoint

    return cast(Any, checkpoint).checkpoint(module, *inputs, use_reentrant=False)


def open_dataset(path: Path, **options: Any) -> xr.Dataset:
    """:func:`xarray.open_dataset`; also a context manager that closes the file."""
    return _xarray().open_dataset(path, **options)


def open_zarr(store: Any, **options: Any) -> xr.Dataset:
    """:func:`xarray.open_zarr`; also a context manager."""
    return _xarray().open_zarr(store, **options)


def concat(datasets: Sequence[xr.Dataset], dim: str, **options: Any) -> xr.Dataset:
    """:func:`xarray.concat` of datasets along ``dim``."""
    return _xarray().concat(list(datasets), dim, **options)


def dot(a: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    """The sum of products over the dimensions that both arrays have."""
    return _xarray().dot(a, b)


def resample_mean(array: xr.DataArray, freq: str) -> xr.DataArray:
    """Means over the periods ``freq`` of the time axis as float32, missing values skipped."""
    return cast(Any, array).resample(time=freq).mean().astype(np.float32)


def coords_of(array: xr.Dataset | xr.DataArray) -> Mapping[str, xr.DataArray]:
    """The coordinates of an xarray object by name."""
    return {str(name): values for name, values in cast(Any, array).coords.items()}


def nearest(points: Floats, places: Floats) -> Ints:
    """The index of the row of ``points`` (M, 3) nearest to each of ``places`` (N, 3)."""
    from scipy.spatial import KDTree  # pyright: ignore[reportMissingTypeStubs]

    return cast(Any, KDTree)(points).query(places)[1].astype(np.int64)


def read_parquet(path: Path) -> dict[str, NDArray[Any]]:
    """The columns of a Parquet file by name."""
    import pyarrow.parquet as parquet  # pyright: ignore[reportMissingTypeStubs]

    table: Any = cast(Any, parquet).read_table(path)
    return {str(name): table[name].to_pandas().to_numpy() for name in table.column_names}


def write_parquet(columns: Mapping[str, NDArray[Any]], attributes: Mapping[str, str]) -> bytes:
    """Columns by name as a Parquet file, (N,) as numbers and (N, D) as lists of D, with ``attributes`` as metadata."""
    import pyarrow  # pyright: ignore[reportMissingTypeStubs]
    import pyarrow.parquet as parquet  # pyright: ignore[reportMissingTypeStubs]

    library: Any = pyarrow

    def column(values: NDArray[Any]) -> Any:
        if values.ndim == 1:
            return library.array(values)
        return library.FixedSizeListArray.from_arrays(library.array(values.ravel()), values.shape[1])

    table = library.table({name: column(values) for name, values in columns.items()})
    with io.BytesIO() as content:
        cast(Any, parquet).write_table(table.replace_schema_metadata(dict(attributes)), content)
        return content.getvalue()


def dask_array() -> Any:
    """The module :mod:`dask.array`, which declares no types."""
    import dask.array

    return dask.array


def compute(*arrays: Any, **options: Any) -> tuple[Any, ...]:
    """:func:`dask.compute`: the values of lazy arrays, shared parts computed once."""
    import dask.base

    return cast(Any, dask.base).compute(*arrays, **options)


def cftime() -> Any:
    """The module :mod:`cftime`, which declares no types."""
    import cftime  # pyright: ignore[reportMissingTypeStubs]

    return cftime


def _torch() -> Any:
    import torch

    return torch


def _xarray() -> Any:
    import xarray

    return xarray
