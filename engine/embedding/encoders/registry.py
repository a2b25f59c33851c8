"""Every location encoder by its name: formula, parameters with their legal ranges, source; and the ones of others.

A package registers its own by an entry point of the group ``harmonia.encoders`` that leads to an :class:`Encoder`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

import torch
from torch import Tensor

from engine.config.encoders import ENTRY_POINTS
from engine.embedding.encoders.catalogue import BUILT_IN
from engine.embedding.encoders.encoder import Encoder
from engine.embedding.scale import SCALE_FEATURES
from engine.errors import DataError, check_choice
from engine.sphere.geometry import Degrees, checked_points

_SIZES = ("num_components", "num_scales", "max_degree", "max_level", "width")
"""The parameters that determine how many numbers an encoder gives; an encoder with several has the first."""


class _Encoders(Mapping[str, Encoder]):
    """Our encoders and those of installed packages, which are loaded when they are first asked for."""

    def __init__(self, built_in: Mapping[str, Encoder]) -> None:
        self._built_in = built_in

    def __getitem__(self, name: str) -> Encoder:
        if name in self._built_in:
            return self._built_in[name]
        for entry in entry_points(group=ENTRY_POINTS, name=name):
            return _loaded(name, entry)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        others = (name for name in entry_points(group=ENTRY_POINTS).names if name not in self._built_in)
        return iter((*self._built_in, *sorted(others)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


ENCODERS: Mapping[str, Encoder] = _Encoders(BUILT_IN)
"""Every location encoder by its name."""


def encode(
    name: str,
    lat_deg: Degrees,
    lon_deg: Degrees,
    *,
    dtype: torch.dtype = torch.float32,
    scale_features: Tensor | None = None,
    **parameters: Any,
) -> Tensor:
    """The fixed part of an encoder at N points: (N, D) of ``dtype``, computed in float64 on the points' device.

    ``lat_deg`` (N,) in [-90, 90] and ``lon_deg`` (N,) in degrees, any turn. ``scale_features``
    (N, 10) of the points' patches are appended as they are. ``parameters`` are those of :data:`ENCODERS`.

    Raises:
        ChoiceError: no such encoder, or a parameter that it does not take, outside its range, or of another type.
        DataError: points that are not on the sphere, unequal numbers of coordinates, or an encoder of another package
            that fails or does not give a finite row for each point.
    """
    check_choice("encoder", name, ENCODERS)
    encoder = ENCODERS[name]
    complete = encoder.completed(name, parameters)
    lat, lon = checked_points(lat_deg, lon_deg)
    codes = encoder.function(lat, lon, **complete) if name in BUILT_IN else _codes_of_others(name, lat, lon, complete)
    if scale_features is not None:
        if scale_features.shape != (lat.numel(), len(SCALE_FEATURES)):
            raise DataError(
                f"scale features of shape {tuple(scale_features.shape)} for {lat.numel()} points",
                f"encoder '{name}'",
                f"give {len(SCALE_FEATURES)} numbers for each point",
            )
        codes = torch.cat((codes, scale_features.to(codes)), dim=1)
    return codes.to(dtype)


def encoder_width(name: str, **parameters: Any) -> int:
    """D, how many numbers :func:`encode` gives for these parameters. Raises :class:`ChoiceError` as it does."""
    check_choice("encoder", name, ENCODERS)
    encoder = ENCODERS[name]
    complete = encoder.completed(name, parameters)
    if encoder.width is not None:
        return encoder.width(complete)
    return int(encode(name, [0.0], [0.0], **parameters).shape[1])  # pyright: ignore[reportArgumentType]


def sized_parameters(name: str, num_numbers: int) -> dict[str, int]:
    """The parameters with which an encoder gives the most numbers up to ``num_numbers``, the others at their defaults.

    Where even the least is more, that; {} for an encoder of fixed width. ``harmonic`` gets the lowest degree that has
    as many components. Raises :class:`ChoiceError` for an unknown encoder.
    """
    check_choice("encoder", name, ENCODERS)
    encoder = ENCODERS[name]
    if name == "harmonic":
        return {"max_degree": math.isqrt(num_numbers) or 1, "num_components": num_numbers}
    size = next((key for key in _SIZES if key in encoder.parameters), None)
    if size is None or encoder.width is None:
        return {}
    parameter = encoder.parameters[size]
    defaults = {key: parameter.default for key, parameter in encoder.parameters.items()}
    for value in range(int(min(parameter.high, num_numbers)), int(parameter.low) - 1, -1):
        values = defaults | {size: value}
        if not encoder.problem(values) and encoder.width(values) <= num_numbers:
            return {size: value}
    least = next(value for value in range(int(parameter.low), 4097) if not encoder.problem(defaults | {size: value}))
    return {size: least}


def _loaded(name: str, entry: Any) -> Encoder:
    try:
        encoder = entry.load()
    except Exception as error:  # whatever another package does wrong when it is imported
        raise DataError(
            f"it cannot be loaded: {error}", f"encoder '{name}' of {entry.value}", "mend that package"
        ) from error
    if not isinstance(encoder, Encoder):
        raise DataError(
            f"it is {type(encoder).__name__}",
            f"encoder '{name}' of {entry.value}",
            "let the entry point lead to an Encoder",
        )
    return encoder


def _codes_of_others(name: str, lat: Tensor, lon: Tensor, parameters: Mapping[str, Any]) -> Tensor:
    where, remedy = f"encoder '{name}' of another package", "mend that encoder, or choose another"
    try:
        codes: Any = ENCODERS[name].function(lat, lon, **parameters)
    except Exception as error:  # whatever another package does wrong with the points
        raise DataError(f"it failed: {error}", where, remedy) from error
    if not isinstance(codes, Tensor) or codes.ndim != 2 or codes.shape[0] != lat.numel():
        shape = tuple(codes.shape) if isinstance(codes, Tensor) else type(codes).__name__
        raise DataError(f"it gave {shape} for {lat.numel()} points", where, remedy)
    if not bool(codes.isfinite().all()):
        raise DataError("it gave numbers that are not finite", where, remedy)
    return codes.to(torch.float64)
