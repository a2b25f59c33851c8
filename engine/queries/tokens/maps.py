"""Tokens of a month over the whole extent of its source, for every layer of a model, and figures of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ChoiceError, DataError, check_choice
from engine.queries.cache import CACHE, Progress, no_progress, sub_progress
from engine.queries.ocean.sources import SourceChoice, source
from engine.queries.reconstruct.models import PRETRAINED, model_of
from engine.queries.reconstruct.months import MonthRequest, holdout_set
from engine.queries.text import place
from engine.typed import Floats, Ints, Mask, Singles

if TYPE_CHECKING:
    from engine.training.sst.model_bundle import ModelBundle
    from engine.training.sst.samples import ModelInputs
    from engine.training.sst.scenes import Scene
    from engine.training.sst.windows import Corner

WEIGHTS = ("trained", "untrained")
_WINDOWS_AT_ONCE = 2
_POSITION_BYTES = 8 * 2**20


@dataclass(frozen=True)
class TokenRequest:
    """The tokens of a model in one month of a source.

    ``weights`` "untrained": the same model with the random weights that a training starts from.
    """

    model: str = PRETRAINED
    source: SourceChoice = field(default_factory=SourceChoice)
    year: int = 2001
    month: int = 1
    weights: str = "trained"

    def __post_init__(self) -> None:
        check_choice("kind of weights", self.weights, WEIGHTS)

    @property
    def months(self) -> MonthRequest:
        """The month with its neighbours in a sample of the model."""
        return MonthRequest(self.model, self.source, self.year, self.month)


@dataclass(frozen=True, eq=False)
class TokenMap:
    """Tokens of Hp × Wp patches; those of a patch are taken from the window in which it is farthest from the edge.

    Attributes:
        request: what they are of.
        layers: (Hp, Wp, C) by layer; 0 where no window holds sea.
        summaries: (S, C), the scene summary token of each window; None where the model has none.
        window: (Hp, Wp), the number of the window that a patch is taken from.
        sea: (Hp, Wp), the fraction of a patch's cells that are sea.
        observed: (Hp, Wp), the fraction of the sea's cell-days that were observed.
        lat, lon, lat_bounds, lon_bounds: of the patches, degrees. area_m2: (Hp,) of a patch of each row.
    """

    request: TokenRequest
    layers: dict[str, Singles]
    summaries: Singles | None
    window: Ints
    sea: Floats
    observed: Floats
    lat: Floats
    lon: Floats
    lat_bounds: Floats
    lon_bounds: Floats
    area_m2: Floats

    @property
    def is_sea(self) -> Mask:
        """(Hp, Wp), True = some of the patch is sea."""
        return self.sea > 0.0

    def tokens(self, layer: str) -> Singles:
        """(Hp, Wp, C). Raises :class:`ChoiceError` for a layer that does not exist."""
        check_choice("layer", layer, self.layers)
        return self.layers[layer]

    def patch_at(self, lat_deg: float, lon_deg: float) -> tuple[int, int]:
        """Row and column of the patch that holds a place. Raises :class:`ChoiceError` where there is none."""
        row = int(np.searchsorted(self.lat_bounds[1:-1], lat_deg, side="right"))
        west = float(self.lon_bounds[0])
        east = (lon_deg - west) % 360.0 + west
        col = int(np.searchsorted(self.lon_bounds, east, side="right")) - 1
        if col >= self.lon.size or not self.lat_bounds[0] <= lat_deg <= self.lat_bounds[-1]:
            raise ChoiceError("no patch of the source lies here", place(lat_deg, lon_deg), "click inside its extent")
        return row, col

    def sea_patch_at(self, lat_deg: float, lon_deg: float) -> tuple[int, int]:
        """The same. Raises :class:`DataError` for a patch that is all land, whose token knows no observation."""
        row, col = self.patch_at(lat_deg, lon_deg)
        if not self.is_sea[row, col]:
            raise DataError(
                "the patch is all land, so its token has seen no temperature",
                place(float(self.lat[row]), float(self.lon[col])),
                "click a patch with sea",
            )
        return row, col

    def weights(self) -> Floats:
        """(Hp, Wp), the area of sea in each patch, m²."""
        return self.area_m2[:, None] * self.sea


# --- a month --------------------------------------------------------------------------------------------------------


def layers_of(model: str) -> tuple[str, ...]:
    """The layers of a model. Raises :class:`StoreError` where there is none, :class:`ChoiceError` for a U-Net."""
    from engine.models.spatiotemporal.layers import layer_names

    return layer_names(model_of(model).bundle.model)


def token_map(request: TokenRequest, progress: Progress | None = None) -> TokenMap:
    """The tokens of all layers. ``progress`` may raise to cancel the work.

    Raises:
        StoreError: no such model, or a run without a checkpoint. ChoiceError: a U-Net; a month that the source has not.
        DataError: a source that the model cannot read.
    """
    layers_of(request.model)
    compute = partial(_token_map, request, progress or no_progress)
    return CACHE.get(("tokens", *_key(request)), compute, _num_bytes)


def _key(request: TokenRequest) -> tuple[object, ...]:
    return request, model_of(request.model).bundle.key, source(request.source).key


def _num_bytes(tokens: TokenMap) -> int:
    return sum(layer.nbytes for layer in tokens.layers.values()) + 6 * tokens.sea.nbytes


def _token_map(request: TokenRequest, progress: Progress) -> TokenMap:
    import torch

    from engine.training.sst.samples import Batch

    inputs, index, bundle = model_inputs(request, sub_progress(progress, 0.0, 0.5))
    patches, corners, owner = patch_grid(inputs, bundle)
    height, width = (
        size // side for size, side in zip(inputs.windows.size, bundle.settings.model.patch[1:], strict=True)
    )
    layers: dict[str, Singles] = {}
    summaries: Singles | None = None
    with_sea = [number for number, at in enumerate(corners) if not inputs.windows.cut(inputs.data.land, at).all()]
    device = next(bundle.model.parameters()).device
    for first in range(0, len(with_sea), _WINDOWS_AT_ONCE):
        progress(0.5 + 0.5 * first / len(with_sea), "Running the model window by window")
        numbers = with_sea[first : first + _WINDOWS_AT_ONCE]
        batch = Batch.of([inputs.window(range(len(inputs.data.months)), corners[n]) for n in numbers], device)
        with torch.inference_mode():
            result = _layers(bundle, batch)
        for name, tokens in result.tokens.items():
            values = tokens[:, index].float().cpu().numpy()
            whole = layers.setdefault(name, np.zeros((*owner.shape, values.shape[-1]), np.float32))
            for number, window in zip(numbers, values, strict=True):
                rows, columns = _place_of(corners[number], bundle, owner.shape, (height, width))
                mine = owner[rows[:, None], columns] == number
                there = whole[rows[:, None], columns]
                there[mine] = window[mine]
                whole[rows[:, None], columns] = there
        if result.summary is not None:
            if summaries is None:
                summaries = np.zeros((len(corners), result.summary.shape[-1]), np.float32)
            summaries[numbers] = result.summary.float().cpu().numpy()
    sea, observed = _shares(inputs, index, bundle, owner.shape)
    return TokenMap(
        request, layers, summaries, owner, sea, observed,
        patches.lat, patches.lon, patches.lat_bounds, patches.lon_bounds, patches.area_m2,
    )  # fmt: skip


def model_inputs(request: TokenRequest, progress: Progress) -> tuple[ModelInputs, int, ModelBundle]:
    """The months of a sample as the model reads them, the index of the requested one, and the model."""
    from engine.queries.tokens.untrained import untrained

    bundle, known = model_of(request.model).bundle, source(request.source).key

    def read() -> tuple[ModelInputs, int]:
        holdout, index = holdout_set(request.months, progress)
        first = CACHE.get(
            ("token inputs", bundle.key, known),
            partial(bundle.model_inputs, holdout.data),
            lambda inputs: inputs.climatology.nbytes + inputs.fallback.nbytes + _POSITION_BYTES,
        )
        # the climatology and the places of the windows are the same in all months
        return replace(first, data=replace(holdout.data, variable=bundle.variable)), index

    key = ("token month", request.months, bundle.key, known)
    inputs, index = CACHE.get(key, read, lambda _: _POSITION_BYTES)
    return inputs, index, untrained(bundle) if request.weights == "untrained" else bundle


def patch_grid(inputs: ModelInputs, bundle: ModelBundle) -> tuple[Any, tuple[Corner, ...], Ints]:
    """The patches, the corners of the windows that cover them, and the number of the window (Hp, Wp) of each patch."""
    from engine.embedding import Patches
    from engine.sphere import LatLonGrid

    grid, size = inputs.data.grid, bundle.settings.model.patch[1:]
    if grid.shape[0] < size[0] or grid.shape[1] < size[1]:
        raise DataError(
            f"the source of {grid.shape[0]} × {grid.shape[1]} cells is smaller than a patch",
            f"patches of {size[0]} × {size[1]} cells",
            "choose another model or source",
        )
    whole = LatLonGrid(grid.lat[: grid.shape[0] // size[0] * size[0]], grid.lon[: grid.shape[1] // size[1] * size[1]])
    patches = Patches(whole, size)
    corners = inputs.windows.patch_corners(size)
    window = (inputs.windows.size[0] // size[0], inputs.windows.size[1] // size[1])
    depth, owner = np.full(patches.shape, -1), np.zeros(patches.shape, np.int64)
    inside = [np.minimum(np.arange(n), n - 1 - np.arange(n)) for n in window]
    own = np.minimum(inside[0][:, None], inside[1])
    for number, corner in enumerate(corners):
        rows, columns = _place_of(corner, bundle, patches.shape, window)
        deeper = own > depth[rows[:, None], columns]
        depth[rows[:, None], columns] = np.where(deeper, own, depth[rows[:, None], columns])
        owner[rows[:, None], columns] = np.where(deeper, number, owner[rows[:, None], columns])
    return patches, corners, owner


def _place_of(
    corner: Corner, bundle: ModelBundle, shape: tuple[int, ...], window: tuple[int, int]
) -> tuple[Ints, Ints]:
    """Rows and columns of the patches of a window in the whole grid."""
    high, wide = bundle.settings.model.patch[1:]
    rows = corner.row // high + np.arange(window[0])
    return rows, (corner.column // wide + np.arange(window[1])) % shape[1]


def _layers(bundle: ModelBundle, batch: Any) -> Any:
    from engine.models import SpatioTemporalModel
    from engine.models.spatiotemporal.layers import layer_tokens

    assert isinstance(bundle.model, SpatioTemporalModel)
    return layer_tokens(bundle.model, batch.inputs())


def _shares(inputs: ModelInputs, index: int, bundle: ModelBundle, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Of each patch the fraction of sea, and the fraction of its cell-days that were observed."""
    high, wide = bundle.settings.model.patch[1:]

    def mean(field: NDArray[Any]) -> Floats:
        cells = field[: shape[0] * high, : shape[1] * wide].astype(np.float64)
        return cells.reshape(shape[0], high, shape[1], wide).mean(axis=(1, 3))

    data = inputs.data
    sea = mean(~data.land)
    days = np.isfinite(data.daily[index]).sum(axis=0) / max(1, int((~data.padded[index]).sum()))
    return sea, np.divide(mean(np.where(data.land, 0.0, days)), sea, out=np.zeros_like(sea), where=sea > 0.0)


# --- the scene of a patch -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PatchScene:
    """The window that a patch is taken from, and the patch's row and column in it; ``lat`` (h,) and ``lon`` (w,) of
    the window's patches, ``corner`` of the window and its ``rows`` and ``columns`` in the whole grid of patches."""

    scene: Scene
    row: int
    col: int
    rows: Ints
    columns: Ints
    lat: Floats
    lon: Floats
    corner: Corner

    def of_months(self, inputs: ModelInputs) -> Scene:
        """The same window in the months of other ``inputs``."""
        from engine.training.sst.samples import Batch

        device = self.scene.batch.daily.device
        batch = Batch.of([inputs.window(range(len(inputs.data.months)), self.corner)], device)
        return replace(self.scene, batch=batch)


def patch_scene(request: TokenRequest, layer: str, row: int, col: int, progress: Progress | None = None) -> PatchScene:
    """The scene of the patch at ``row``, ``col``; ``layer`` is what its tokens are of."""
    from engine.models import SpatioTemporalModel
    from engine.models.spatiotemporal.layers import check_layer
    from engine.training.sst.samples import Batch
    from engine.training.sst.scenes import Scene

    inputs, index, bundle = model_inputs(request, progress or no_progress)
    check_layer(bundle.model, layer)
    assert isinstance(bundle.model, SpatioTemporalModel)
    patches, corners, owner = patch_grid(inputs, bundle)
    corner = corners[int(owner[row, col])]
    size = bundle.settings.model.patch[1:]
    window = (inputs.windows.size[0] // size[0], inputs.windows.size[1] // size[1])
    rows, columns = _place_of(corner, bundle, patches.shape, window)
    device = next(bundle.model.parameters()).device
    batch = Batch.of([inputs.window(range(len(inputs.data.months)), corner)], device)
    scene = Scene(bundle.model, batch, layer, index)
    own_row, own_col = int(np.flatnonzero(rows == row)[0]), int(np.flatnonzero(columns == col)[0])
    return PatchScene(scene, own_row, own_col, rows, columns, patches.lat[rows], patches.lon[columns], corner)
