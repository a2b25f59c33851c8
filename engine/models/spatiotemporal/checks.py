"""Checks of a window at the entry of the model."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from engine.config.model import SpatioTemporalConfig, divisors_near
from engine.errors import ChoiceError, DataError
from engine.models.spatiotemporal.spatial import Place


class PlaceEncoder(Protocol):
    """What a location encoder says of its inputs."""

    needs_place: bool
    num_features: int


def check_window(
    config: SpatioTemporalConfig,
    daily: Tensor,
    missing: Tensor,
    land: Tensor,
    padded: Tensor,
    phases: Tensor,
    baseline: Tensor | None,
) -> None:
    """Check shapes, dtypes and divisibility. Raises :class:`DataError`, or :class:`ChoiceError` for a patch that does
    not fit.

    Values are checked by :func:`check_values`.
    """
    if daily.ndim != 6 or daily.shape[1] != 1 or 0 in daily.shape:
        raise DataError(
            f"daily values of shape {tuple(daily.shape)}", "the model's window", "give (sample, 1, month, slot, H, W)"
        )
    B, _, M, T, H, W = daily.shape
    _check_shape("missing", missing, daily.shape)
    _check_shape("land", land, (B, H, W))
    _check_shape("padded", padded, (B, M, T))
    _check_shape("phases", phases, (B, M, T, 3))
    if baseline is not None:
        _check_shape("baseline", baseline, (B, M, H, W))
    for name, mask in (("missing", missing), ("land", land), ("padded", padded)):
        if mask.dtype != torch.bool:
            raise DataError(f"'{name}' holds {mask.dtype}", "the model's window", "give a mask of bool")
    for name, size, side in (("rows", H, config.patch[1]), ("columns", W, config.patch[2])):
        if size % side:
            message = f"a patch of {side} {name} does not divide the window's {size}; {divisors_near(size, side)}"
            raise ChoiceError(message, f"patch {config.patch}", "choose another patch, or another window")


def check_place(encoder: PlaceEncoder, kind: str, place: Place | None, B: int, N: int) -> None:
    """Check the inputs of the location encoder for N patches of B samples."""
    if place is None:
        if encoder.needs_place:
            raise DataError(
                f"the encoder '{kind}' needs a place", "the model's window", "give (lonlat, features), see 'place'"
            )
        return
    lonlat, features = place
    _check_shape("place lonlat", lonlat, (B, N, 2))
    if encoder.num_features:
        if features is None:
            raise DataError(f"the encoder '{kind}' needs features", "place", "give the position and the scale")
        _check_shape("place features", features, (B, N, encoder.num_features))


def check_values(observed: Tensor, centre: Tensor, place: Place | None) -> None:
    """:class:`DataError` where a value that is used is NaN or infinite, or a patch lies beyond a pole.

    All is asked of the device at once, which waits for it a single time.
    """
    named = {
        "values that are not missing are NaN or infinite": observed.isfinite(),
        "values of the baseline are NaN or infinite": centre.isfinite(),
    }
    if place is not None:
        lonlat, features = place
        named["patch coordinates are NaN or beyond a pole"] = lonlat.isfinite() & (lonlat[..., 1:].abs() <= 90.0)
        if features is not None:
            named["features of the place are NaN or infinite"] = features.isfinite()
    if bool(torch.stack([right.all() for right in named.values()]).all()):
        return
    for name, right in named.items():
        if wrong := int((~right).sum()):
            raise DataError(
                f"{wrong} of {right.numel()} {name}",
                "the model's window",
                "mark missing values as missing, and give finite places within ±90°",
            )


def _check_shape(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != tuple(shape):
        raise DataError(
            f"'{name}' has shape {tuple(tensor.shape)}", "the model's window", f"it must have {tuple(shape)}"
        )
