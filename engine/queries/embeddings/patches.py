"""Embeddings of patches: values, similarity, scale features, and cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine import embedding as engine_embedding
from engine.compute import device
from engine.embedding import (
    ENCODERS,
    SCALE_FEATURES,
    TOKEN_ENCODERS,
    Patches,
    encode,
    sinusoidal_embedding,
    sized_parameters,
)
from engine.embedding.patches import divisors as _divisors
from engine.errors import ChoiceError
from engine.queries.basis import BasisConfig, fit_estimate, fitted, is_fitted
from engine.queries.cache import CACHE, Progress, Result, no_progress, sub_progress
from engine.queries.colours import principal_channels, principal_colours
from engine.queries.embeddings.vectors import FILE, gridded, stamp, vectors
from engine.similarity import similarity_map
from engine.sphere import LatLonGrid, great_circle_km
from engine.typed import Floats, Singles

#: The encoders without learned parameters, and their titles.
SHOWN_ENCODERS = {name: ENCODERS[name].title for name in ("harmonic", "sinusoidal", *ENCODERS) if name != "table"}

# Measured on one core with AVX-512: ns for a cell and component, and for each order of its sum.
_NS_PER_VALUE = 0.9
_NS_PER_ORDER = 0.03
_WORK_BYTES = 64 * 2**20

_CURVES_BYTES = 16_384


@dataclass(frozen=True)
class EmbeddingConfig:
    """Patches of (ph, pw) cells of a regular grid of ``step_deg``, and an encoder.

    ``clip_sigma`` is the soft clip in standard deviations, None for no clip. K is that of ``basis``, for others the
    most numbers that they may have; only ``harmonic`` uses the rest of it. The encoder ``file`` takes the vectors of
    ``file`` (:mod:`engine.queries.embeddings.vectors`), with all their numbers.
    Raises :class:`ChoiceError` or :class:`GridError` for an invalid grid, patch, clip or encoder.
    """

    basis: BasisConfig = field(default_factory=BasisConfig)
    step_deg: float = 1.0
    patch: tuple[int, int] = (4, 4)
    clip_sigma: float | None = 3.0
    encoder: str = "harmonic"
    file: str = ""

    def __post_init__(self) -> None:
        if (self.encoder == FILE) != bool(self.file):
            problem = "no file is chosen" if self.encoder == FILE else f"the encoder {self.encoder!r} reads no file"
            raise ChoiceError(problem, "file", f"give a file with the encoder {FILE!r}, and with no other")
        if self.encoder not in (*SHOWN_ENCODERS, FILE):
            is_known, name = self.encoder in TOKEN_ENCODERS, f"encoder {self.encoder!r}"
            problem = f"the {name} has no values before it is trained" if is_known else f"there is no {name}"
            raise ChoiceError(problem, "encoder", f"choose one of {', '.join(SHOWN_ENCODERS)}")
        if self.clip_sigma is not None and not 0.0 < self.clip_sigma < math.inf:
            raise ChoiceError(
                f"the clip is at {self.clip_sigma:g} σ", "clip_sigma", "choose more than 0, for example 3"
            )
        self.patches()

    def grid(self) -> LatLonGrid:
        """The grid of the cells."""
        return LatLonGrid.regular(self.step_deg)

    def patches(self) -> Patches:
        """The patches of the grid."""
        return Patches(self.grid(), self.patch)


@dataclass(frozen=True)
class PatchEmbedding:
    """Values (Hp, Wp, K) at the patches' centres ``lat`` (Hp,), ``lon`` (Wp,) in degrees; ``area_m2`` (Hp,) of each.

    Patches without a point of a file are NaN; all others are finite.
    """

    values: Singles
    lat: Floats
    lon: Floats
    area_m2: Floats

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """(Hp, Wp) where a patch has numbers."""
        return np.isfinite(self.values[:, :, 0])


def divisors(step_deg: float) -> tuple[list[int], list[int]]:
    """Heights and widths, in cells, of the patches that divide the regular grid of ``step_deg``."""
    rows, columns = LatLonGrid.regular(step_deg).shape
    return _divisors(rows), _divisors(columns)


def is_embedded(config: EmbeddingConfig) -> bool:
    """Whether the embedding is in the cache."""
    return key_of(config) in CACHE


def key_of(config: EmbeddingConfig, *name: str) -> tuple[Any, ...]:
    """The key of a result of ``config`` in the cache: a file that was written anew has others."""
    return ("embedding", *name, config, *(stamp(config.file) if config.file else ()))


def embedding(config: EmbeddingConfig, progress: Progress | None = None) -> PatchEmbedding:
    """The embedding of ``config``. ``progress`` may raise to cancel the work.

    Raises :class:`ChoiceError` when K is not possible or the domain contains no cell, :class:`DataError` for a file
    that cannot be read.
    """

    def embed() -> PatchEmbedding:
        patches = config.patches()
        if config.encoder == FILE:
            values = gridded(vectors(config.file), patches).values
        else:
            values = _harmonic(config, progress or no_progress) if config.encoder == "harmonic" else _coded(config)
        return PatchEmbedding(values, patches.lat, patches.lon, patches.area_m2)

    return CACHE.get(key_of(config), embed, lambda result: result.values.nbytes)


def _harmonic(config: EmbeddingConfig, progress: Progress) -> Singles:
    fit_fraction = 0.0 if is_fitted(config.basis) else 0.7
    basis = fitted(config.basis, sub_progress(progress, 0.0, fit_fraction))
    return engine_embedding.position_embedding(
        basis,
        config.grid(),
        config.patch,
        config.clip_sigma,
        num_components=config.basis.num_components,
        device=device(),
        progress=sub_progress(progress, fit_fraction, 1.0),
    ).numpy(force=True)


def _coded(config: EmbeddingConfig) -> Singles:
    """The encoder's numbers at the patches' centres."""
    patches = config.patches()
    lat, lon = np.meshgrid(patches.lat, patches.lon, indexing="ij")
    num_numbers = config.basis.num_components
    if config.encoder == "sinusoidal":  # refuses a number that would cut a sine from its cosine
        return sinusoidal_embedding(torch.tensor(np.stack((lon, lat), axis=-1)), num_numbers).to(torch.float32).numpy()
    parameters: dict[str, Any] = {**sized_parameters(config.encoder, num_numbers)}
    return encode(config.encoder, lat.ravel(), lon.ravel(), **parameters).numpy().reshape(*patches.shape, -1)


def dimension(config: EmbeddingConfig, index: int) -> Singles:
    """One dimension of the embedding, from 0: (Hp, Wp)."""
    values = embedding(config).values
    if not 0 <= index < values.shape[2]:
        raise ChoiceError(
            f"there is no dimension {index}", f"K = {values.shape[2]}", f"choose one from 0 to {values.shape[2] - 1}"
        )
    return values[:, :, index]


def rgb(config: EmbeddingConfig) -> NDArray[np.uint8]:
    """The embedding as colours (Hp, Wp, 3): its first three area-weighted principal components, 2nd to 98th percentile.

    Similar colours mean similar embeddings.
    """

    def compute() -> NDArray[np.uint8]:
        patches = embedding(config)
        return principal_colours(patches.values, patches.area_m2)

    return cached("rgb", config, compute)


@dataclass(frozen=True)
class ColourAxis:
    """A channel of the colours: a principal component's share of the variance, and where (lat, lon) it is largest and
    least."""

    share: float
    largest: tuple[float, float]
    least: tuple[float, float]


def components(config: EmbeddingConfig) -> tuple[Floats, Floats]:
    """The first three principal components (Hp, Wp, 3) of the embedding by area, and their fractions (3,) of the
    variance; with fewer than three numbers as many as there are."""

    def compute() -> tuple[Floats, Floats]:
        patches = embedding(config)
        channels, _, shares = principal_channels(patches.values, patches.area_m2)
        return channels, shares

    return CACHE.get(key_of(config, "components"), compute, lambda of: of[0].nbytes)


def first_known(config: EmbeddingConfig, lat_deg: float, lon_deg: float) -> tuple[float, float]:
    """The centre of the patch with numbers that is nearest to a point, in degrees."""
    patches = embedding(config)
    row, col = np.nonzero(patches.is_known)
    nearest = int(great_circle_km(lat_deg, lon_deg, patches.lat[row], patches.lon[col]).argmin())
    return float(patches.lat[row[nearest]]), float(patches.lon[col[nearest]])


def colour_axes(config: EmbeddingConfig) -> list[ColourAxis]:
    """What red, green and blue of :func:`rgb` mean."""
    (channels, shares), patches = components(config), embedding(config)

    def place(index: np.intp) -> tuple[float, float]:
        row, col = np.unravel_index(index, channels.shape[:2])
        return float(patches.lat[row]), float(patches.lon[col])

    return [
        ColourAxis(float(share), place(np.nanargmax(channel)), place(np.nanargmin(channel)))
        for share, channel in zip(shares, np.moveaxis(channels, 2, 0), strict=True)
    ]


def cell_of(config: EmbeddingConfig, lat_deg: float, lon_deg: float) -> tuple[int, int]:
    """Row and column of the patch that contains a point; the poles belong to the outermost rows."""
    rows, columns = config.patches().shape
    row = int((lat_deg + 90.0) / 180.0 * rows)
    return min(row, rows - 1), int((lon_deg + 180.0) % 360.0 / 360.0 * columns) % columns


def similarity(config: EmbeddingConfig, row: int, col: int) -> Singles:
    """Cosine similarity (Hp, Wp) of every patch with the one at ``row``, ``col``."""
    return similarity_map(torch.as_tensor(embedding(config).values), row, col).numpy()


@dataclass(frozen=True)
class Neighbour:
    """A patch with its cosine similarity and great-circle distance to the selected one."""

    row: int
    col: int
    lat: float
    lon: float
    similarity: float
    km: float


def extremes(config: EmbeddingConfig, row: int, col: int, n: int = 5) -> tuple[list[Neighbour], list[Neighbour]]:
    """The ``n`` patches most and least similar to the selected one (without itself), the extreme first."""
    patches, cosine = embedding(config), similarity(config, row, col)
    lat, lon = patches.lat.tolist(), patches.lon.tolist()
    columns = len(lon)
    order = np.argsort(cosine, axis=None, kind="stable")
    order = order[(order != row * columns + col) & np.isfinite(cosine.ravel()[order])]

    def neighbour(flat: int) -> Neighbour:
        i, j = divmod(flat, columns)
        km = great_circle_km(lat[row], lon[col], lat[i], lon[j])
        return Neighbour(i, j, lat[i], lon[j], float(cosine[i, j]), float(km))

    return [neighbour(int(flat)) for flat in order[::-1][:n]], [neighbour(int(flat)) for flat in order[:n]]


def clipped_fraction(config: EmbeddingConfig, progress: Progress | None = None) -> Floats:
    """The fraction (K,) of the Earth's area where each dimension lies beyond the clip; zeros without a clip."""
    clip = config.clip_sigma
    if clip is None or config.encoder != "harmonic":
        return np.zeros(config.basis.num_components)
    basis = fitted(config.basis, progress)

    def compute() -> Floats:
        fraction = engine_embedding.clipped_fraction(
            basis,
            config.grid(),
            clip,
            num_components=config.basis.num_components,
            device=device(),
            progress=progress,
        )
        return fraction.numpy(force=True)

    return cached("clipped", config, compute)


@dataclass(frozen=True)
class ScaleTable:
    """Ten scale features of the patches by row: ``names``, ``units``, and ``logs`` (Hp, 10), the natural logarithms.

    They depend on latitude ``lat`` (Hp,) only.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    lat: Floats
    logs: Floats

    def of(self, row: int) -> list[tuple[str, float, str, float]]:
        """Name, size, unit and logarithm of the ten features for the patches of a row."""
        return [
            (name, math.exp(value), unit, float(value))
            for name, unit, value in zip(self.names, self.units, self.logs[row], strict=True)
        ]


def scale(config: EmbeddingConfig) -> ScaleTable:
    """The ten scale features of the patches, from their edges."""
    names, units = zip(*SCALE_FEATURES, strict=True)
    logs = engine_embedding.scale_features(config.grid(), config.patch)[:, 0].numpy()
    return ScaleTable(names, units, config.patches().lat, logs)


def domain_fraction(config: EmbeddingConfig) -> Floats:
    """The fraction (Hp, Wp) of the area of each patch inside the fit domain of the basis, by cells of the grid."""

    def compute() -> Floats:
        patches = config.patches()
        mask = config.basis.domain.mask(config.grid())
        if mask is None:
            return np.ones(patches.shape)
        columns = mask.reshape(mask.shape[0], patches.shape[1], config.patch[1]).mean(axis=2)
        return patches.row_weights @ columns

    return cached("domain", config, compute)


def domain_note(config: EmbeddingConfig, row: int, col: int) -> str | None:
    """A sentence where the patch lies outside the fit domain, else None.

    The values of such a patch follow from the same formula, but are not standardised by the fit.
    """
    if config.encoder != "harmonic" or domain_fraction(config)[row, col] > 0.0:
        return None
    return (
        f"This patch lies wholly outside the {config.basis.domain.kind}, the fit domain of the basis: its values are "
        "extrapolated, and only the clip limits them."
    )


@dataclass(frozen=True)
class EmbeddingCost:
    """Cost of an embedding: bytes of the result and at the peak, seconds on one core (0: in the cache)."""

    result_bytes: int
    peak_bytes: int
    seconds: float


def embedding_cost(config: EmbeddingConfig) -> EmbeddingCost:
    """Estimated cost of :func:`embedding` for ``config``."""
    (rows, columns), (height, width) = config.patches().shape, config.patch
    components = config.basis.num_components
    result = 4 * rows * columns * components
    if is_embedded(config) or config.encoder != "harmonic":
        return EmbeddingCost(result, result, 0.0 if is_embedded(config) else 1e-8 * result)
    orders = 2 * config.basis.max_degree + 1
    values = rows * height * columns * width * components
    seconds = 1e-9 * values * (_NS_PER_VALUE + _NS_PER_ORDER * orders)
    needs_fit = config.basis.domain.kind != "sphere" and not is_fitted(config.basis)
    fit_seconds, fit_bytes = fit_estimate(config.basis) if needs_fit else (0.0, 0)
    return EmbeddingCost(result, max(fit_bytes, result + _WORK_BYTES), seconds + fit_seconds)


def cached(name: str, config: EmbeddingConfig, compute: Callable[[], Result]) -> Result:
    """The result ``name`` for the embedding of ``config``, computed once."""
    return CACHE.get(key_of(config, name), compute, _num_bytes)


def _num_bytes(result: object) -> int:
    return result.nbytes if isinstance(result, np.ndarray) else _CURVES_BYTES
