"""The receptive field of a token, measured: which part of its input a trained model's token depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from engine.errors import ChoiceError, DataError, check_choice
from engine.similarity.cosine import check_place_in_grid
from engine.sphere.geometry import great_circle_km
from engine.typed import gradient

TokenModel = Callable[[Tensor], Tensor]
"""Any model of patches: samples (B, C, H, W) → tokens (B, h, w, D)."""

OnStep = Callable[[int, int], None]
"""Called with the steps done and their number; what it raises ends the computation."""


def no_step(done: int, total: int) -> None:
    """Do nothing at a step."""


How = Literal["gradient", "occlusion"]
HOWS: tuple[str, ...] = ("gradient", "occlusion")


def receptive_field(
    model: TokenModel,
    sample: Tensor,
    row: int,
    col: int,
    how: How = "gradient",
    patch: tuple[int, int] | None = None,
    *,
    fill: Tensor | float = 0.0,
    batch: int = 32,
    num_directions: int | None = None,
    on_step: OnStep = no_step,
) -> Tensor:
    """Shares (Hp, Wp) of the patches of ``sample`` (C, H, W) in the token t (D,) at ``row``, ``col``; their sum is 1.

    - ``gradient``: the share of patch p in Σ (∂t_d/∂x)² over its values x: of small independent changes of all values
      with one variance, the part of the token's variance that stems from p.
    - ``occlusion``: the share of p in |t − t₋ₚ|², where the values of p are replaced by ``fill``, (C,) or one number.

    Both agree for a linear model if the parts x_p − fill have the same energy in the directions that the model reads.

    Args:
        patch: height and width of the patches in values; without it those of a token, H / h and W / w.
        batch: samples of a call of the model by occlusion.
        num_directions: estimates the gradient's shares from so many random directions r of the token, r_d = ±1, as the
            mean of (∂ r·t/∂x)², whose expectation they are, with a pass back through the model for each instead of one
            for each of D components; None: exact.
        on_step: reports progress, and may cancel.

    Raises:
        ChoiceError: an unknown method, a token that does not exist, patches that do not divide the sample.
        DataError: values that are not finite; a token that depends on no value of the sample (all land, say).
    """
    check_choice("way to measure a receptive field", how, HOWS)
    if not bool(torch.isfinite(sample).all()):
        raise DataError("the sample has values that are not finite", "the receptive field", "replace missing values")
    with torch.no_grad():
        tokens = model(sample[None])[0]
    check_place_in_grid(tokens, row, col)
    size = patch or (sample.shape[1] // tokens.shape[0], sample.shape[2] // tokens.shape[1])
    if min(size) < 1 or sample.shape[1] % size[0] or sample.shape[2] % size[1]:
        raise ChoiceError(
            f"patches of {size[0]} × {size[1]} do not divide the sample",
            f"a sample of {sample.shape[1]} × {sample.shape[2]} values",
            "choose divisors of its height and width",
        )
    if how == "gradient":
        influence = _gradient_energy(model, sample, row, col, size, num_directions, on_step)
    else:
        influence = _occlusion_energy(model, sample, tokens[row, col], (row, col), size, fill, batch, on_step)
    total = influence.sum()
    if not bool(total > 0.0):
        raise DataError(
            "the token depends on no value of the sample", f"patch ({row}, {col})", "choose a patch with observations"
        )
    return influence / total


def influence_radius_km(
    field: Tensor, lat_deg: Tensor, lon_deg: Tensor, row: int, col: int, share: float = 0.9
) -> float:
    """Radius in km of the smallest circle around patch ``row``, ``col`` that holds ``share`` of ``field`` (Hp, Wp).

    ``lat_deg`` (Hp,) and ``lon_deg`` (Wp,) are the patches' centres; a patch counts as a whole at its centre.
    """
    check_place_in_grid(field[..., None], row, col)
    distance = great_circle_km(lat_deg[row], lon_deg[col], lat_deg[:, None], lon_deg[None, :]).flatten()
    order = distance.argsort()
    held = field.flatten()[order].cumsum(0) / field.sum()
    index = int((held < share - 1e-9).sum().clamp(max=held.numel() - 1))
    return float(distance[order][index])


def _gradient_energy(
    model: TokenModel,
    sample: Tensor,
    row: int,
    col: int,
    patch: tuple[int, int],
    num_directions: int | None,
    on_step: OnStep,
) -> Tensor:
    """Σ_d (∂t_d/∂x)², or its estimate times ``num_directions``, summed over each patch, float64."""
    values = sample.detach().clone().requires_grad_()
    with torch.enable_grad():
        token = model(values[None])[0, row, col]
    energy = torch.zeros_like(sample)
    if not token.requires_grad:  # a constant has no gradient
        return _by_patch(energy, patch)
    read = token if num_directions is None else _directions(num_directions, token) @ token
    for done, component in enumerate(read):
        on_step(done, len(read))
        energy += gradient(component, values).square()
    return _by_patch(energy, patch)


def _directions(number: int, token: Tensor) -> Tensor:
    """Random signs (number, D), the same at every call."""
    signs = torch.randint(2, (number, token.numel()), generator=torch.Generator().manual_seed(0))
    return (2.0 * signs - 1.0).to(token)


def _occlusion_energy(
    model: TokenModel,
    sample: Tensor,
    token: Tensor,
    place: tuple[int, int],
    patch: tuple[int, int],
    fill: Tensor | float,
    batch: int,
    on_step: OnStep,
) -> Tensor:
    """|t − t₋ₚ|² for each patch p, float64."""
    rows, columns = sample.shape[1] // patch[0], sample.shape[2] // patch[1]
    filling = fill.to(sample).reshape(-1, 1, 1) if isinstance(fill, Tensor) else fill
    energy = torch.zeros(rows * columns, dtype=torch.float64, device=sample.device)
    with torch.no_grad():
        for first in range(0, rows * columns, batch):
            on_step(first, rows * columns)
            patches = range(first, min(first + batch, rows * columns))
            hidden = sample.repeat(len(patches), 1, 1, 1)
            for copy, index in zip(hidden, patches, strict=True):
                copy[:, *slices_of(index // columns, index % columns, patch)] = filling
            change = (model(hidden)[:, place[0], place[1]] - token).to(torch.float64)
            energy[first : first + batch] = change.square().sum(dim=1)
    return energy.reshape(rows, columns)


def _by_patch(values: Tensor, patch: tuple[int, int]) -> Tensor:
    """Sums (Hp, Wp) in float64 of values (C, H, W) over channels and patches."""
    height, width = values.shape[1:]
    parts = values.to(torch.float64).reshape(-1, height // patch[0], patch[0], width // patch[1], patch[1])
    return parts.sum(dim=(0, 2, 4))


def slices_of(row: int, col: int, patch: tuple[int, int]) -> tuple[slice, slice]:
    """Where a patch lies in a map."""
    return slice(row * patch[0], (row + 1) * patch[0]), slice(col * patch[1], (col + 1) * patch[1])
