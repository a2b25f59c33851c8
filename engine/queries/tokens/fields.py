"""What a token depends on: its receptive field, the parts of its input, and its surroundings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from engine.errors import DataError, check_choice
from engine.queries.cache import CACHE, Progress, no_progress, sub_progress
from engine.queries.reconstruct.models import model_of
from engine.queries.reconstruct.months import months_of
from engine.queries.text import place
from engine.queries.tokens.maps import PatchScene, TokenMap, TokenRequest, model_inputs, patch_scene, token_map
from engine.similarity import context_drop, influence_radius_km, receptive_field
from engine.similarity.receptive_field import HOWS, How
from engine.sphere import great_circle_km
from engine.typed import Floats

DIRECTIONS = 16
"""Random directions of a token that a gradient is estimated from on the page: a quarter of the passes of the exact one
for 64 components."""

_OCCLUDED_AT_ONCE = 8
_CLOUDS_AND_PLACES = 15
_OTHER_MONTHS = 5
_KEPT_BYTES = 2**20


@dataclass(frozen=True, eq=False)
class ReceptiveField:
    """Shares (Hp, Wp) of the patches in a token, NaN outside the window that the model reads; they sum to 1.

    ``own``: the share of the patch itself; ``radius_50_km`` and ``radius_90_km``: of the smallest circles that hold so
    much, 0 where the patch itself does; ``window_km``: to the farthest patch of the window, which attention can reach.
    """

    shares: Floats
    row: int
    col: int
    own: float
    radius_50_km: float
    radius_90_km: float
    window_km: float


def field_of(
    request: TokenRequest, layer: str, lat_deg: float, lon_deg: float, how: How, progress: Progress | None = None
) -> ReceptiveField:
    """The receptive field of the token of the patch at a place, in what was observed in the month and its neighbours.

    By gradient from :data:`DIRECTIONS` random directions; by occlusion exactly, hiding the observations of one patch
    after the other. ``progress`` may raise to cancel the work.

    Raises:
        ChoiceError: no such layer or place. DataError: a patch of land, or a token that no observation reaches.
    """
    check_choice("way to measure a receptive field", how, HOWS)
    compute = partial(_field_of, request, layer, lat_deg, lon_deg, how, progress or no_progress)
    tokens = token_map(request, progress)
    key = ("token field", request, _model_key(request), layer, tokens.sea_patch_at(lat_deg, lon_deg), how)
    return CACHE.get(key, compute, lambda field: field.shares.nbytes)


def _model_key(request: TokenRequest) -> str:
    return model_of(request.model).bundle.key


def _field_of(
    request: TokenRequest, layer: str, lat_deg: float, lon_deg: float, how: How, progress: Progress
) -> ReceptiveField:
    tokens = token_map(request, sub_progress(progress, 0.0, 0.3))
    row, col = tokens.sea_patch_at(lat_deg, lon_deg)
    known = patch_scene(request, layer, row, col, sub_progress(progress, 0.3, 0.4))
    shares = _shares(known, how, sub_progress(progress, 0.4, 1.0))
    whole = np.full(tokens.sea.shape, np.nan)
    whole[known.rows[:, None], known.columns] = shares.numpy(force=True)
    lat, lon = torch.as_tensor(known.lat), torch.as_tensor(known.lon)
    cpu = shares.cpu()
    distance = great_circle_km(lat[known.row], lon[known.col], lat[:, None], lon[None])
    return ReceptiveField(
        shares=whole,
        row=row,
        col=col,
        own=float(shares[known.row, known.col]),
        radius_50_km=influence_radius_km(cpu, lat, lon, known.row, known.col, 0.5),
        radius_90_km=influence_radius_km(cpu, lat, lon, known.row, known.col, 0.9),
        window_km=float(distance.max()),
    )


def influence_curve(tokens: TokenMap, field: ReceptiveField) -> tuple[Floats, Floats]:
    """Distances from the patch (N,), km, ascending, and the share of the influence (N,) that lies within each."""
    known = np.isfinite(field.shares)
    lat, lon = np.broadcast_arrays(tokens.lat[:, None], tokens.lon[None])
    here = tokens.lat[field.row], tokens.lon[field.col]
    distance = great_circle_km(*here, torch.as_tensor(lat[known]), torch.as_tensor(lon[known])).numpy()
    order = np.argsort(distance)
    return distance[order], np.cumsum(field.shares[known][order])


def _shares(known: PatchScene, how: How, progress: Progress, num_directions: int = DIRECTIONS) -> Tensor:
    scene = known.scene
    try:
        return receptive_field(
            scene.observed,
            scene.finite,
            known.row,
            known.col,
            how,
            fill=float("nan"),
            batch=_OCCLUDED_AT_ONCE,
            num_directions=num_directions if how == "gradient" else None,
            on_step=lambda done, total: progress(done / total, "Measuring the receptive field"),
        )
    except DataError as error:
        where = place(float(known.lat[known.row]), float(known.lon[known.col]))
        raise DataError("the token depends on no observation of the month", where, error.remedy) from error


@dataclass(frozen=True)
class MeanField:
    """The mean receptive field of ``num_tokens`` tokens of the sea, by area: the mean share of the patch itself, and
    the radii within which 50 % and 90 % of all influence lies."""

    num_tokens: int
    own: float
    radius_50_km: float
    radius_90_km: float


def mean_field(request: TokenRequest, layer: str, num_tokens: int = 8, progress: Progress | None = None) -> MeanField:
    """The mean receptive field by gradient of a random sample of tokens, the same at every call.

    Raises:
        DataError: no token depends on an observation.
    """
    compute = partial(_mean_field, request, layer, num_tokens, progress or no_progress)
    key = ("mean token field", request, _model_key(request), layer, num_tokens)
    return CACHE.get(key, compute, lambda _: 1024)


def _mean_field(request: TokenRequest, layer: str, num_tokens: int, progress: Progress) -> MeanField:
    tokens = token_map(request, sub_progress(progress, 0.0, 0.3))
    weights = tokens.weights() * (tokens.observed > 0.0)
    if not weights.any():
        raise DataError("nothing was observed in this month", f"{request.year}-{request.month:02d}", "choose another")
    drawn = np.random.default_rng(0).choice(weights.size, num_tokens, p=(weights / weights.sum()).ravel())
    distances: list[Floats] = []
    shares: list[Floats] = []
    own = 0.0
    for number, flat in enumerate(drawn):
        step = sub_progress(progress, 0.3 + 0.7 * number / num_tokens, 0.3 + 0.7 * (number + 1) / num_tokens)
        known = patch_scene(request, layer, *divmod(int(flat), tokens.lon.size), step)
        field = _shares(known, "gradient", step, DIRECTIONS // 2).numpy(force=True)
        lat, lon = known.lat, known.lon
        distances.append(great_circle_km(lat[known.row], lon[known.col], lat[:, None], lon[None]).numpy().ravel())
        shares.append(field.ravel() / num_tokens)
        own += float(field[known.row, known.col]) / num_tokens
    distance, share = np.concatenate(distances), np.concatenate(shares)
    order = np.argsort(distance)
    held = np.cumsum(share[order])
    radii = [float(distance[order][int(np.searchsorted(held, part - 1e-9))]) for part in (0.5, 0.9)]
    return MeanField(num_tokens, own, radii[0], radii[1])


@dataclass(frozen=True)
class InfluenceParts:
    """1 − cos of a token with itself when one part of the input is changed.

    ``own``: its own observations are hidden; ``neighbours``: those of all other patches; ``place``: coordinates and
    scale features are those of another window; ``calendar``: it is half a year later.
    """

    own: float
    neighbours: float
    place: float
    calendar: float

    def shares(self) -> dict[str, float]:
        """Each part over the sum of all; zeros where nothing changes the token."""
        parts = {name: getattr(self, name) for name in ("own", "neighbours", "place", "calendar")}
        total = sum(parts.values())
        return {name: value / total if total else 0.0 for name, value in parts.items()}


def parts_of(request: TokenRequest, layer: str, lat_deg: float, lon_deg: float) -> InfluenceParts:
    """What of a token comes from its patch, its neighbours, its coordinates and the calendar, each changed alone."""
    tokens = token_map(request)
    known = patch_scene(request, layer, *tokens.sea_patch_at(lat_deg, lon_deg))
    scene, sample = known.scene, known.scene.sample
    high, wide = (int(side) for side in request_patch(request))
    own = (..., slice(known.row * high, (known.row + 1) * high), slice(known.col * wide, (known.col + 1) * wide))
    alone, without = torch.full_like(sample, float("nan")), sample.clone()
    alone[own] = sample[own]
    without[own] = float("nan")
    other = _other_windows(request, layer, known, no_progress)
    with torch.inference_mode():
        first, hidden, lone = scene(torch.stack((sample, without, alone)))[:, known.row, known.col]
        moved = scene.at_place_of(other[0].scene)(sample[None])[0, known.row, known.col] if other else first
        later = scene.half_a_year_later()(sample[None])[0, known.row, known.col]

    def change(token: Tensor) -> float:
        return max(0.0, 1.0 - float(torch.nn.functional.cosine_similarity(first, token, dim=0)))

    return InfluenceParts(change(hidden), change(lone), change(moved), change(later))


def request_patch(request: TokenRequest) -> tuple[int, int]:
    """Height and width of a patch in cells."""
    size = model_of(request.model).bundle.settings.model.patch[1:]
    return size[0], size[1]


def _other_windows(request: TokenRequest, layer: str, known: PatchScene, progress: Progress) -> list[PatchScene]:
    """The other windows of the month that hold sea, the nearest in latitude last."""
    tokens = token_map(request)
    mine = tokens.window[known.rows[known.row], known.columns[known.col]]
    others: list[PatchScene] = []
    for number in np.unique(tokens.window[tokens.is_sea]):
        if number != mine:
            row, col = np.argwhere((tokens.window == number) & tokens.is_sea)[0]
            others.append(patch_scene(request, layer, int(row), int(col), progress))
    middle = float(known.lat.mean())
    return sorted(others, key=lambda other: -abs(float(other.lat.mean()) - middle))


def context_drops(
    request: TokenRequest, layer: str, lat_deg: float, lon_deg: float, progress: Progress | None = None
) -> dict[str, Floats]:
    """The drops 1 − cos of a patch's token when its own observations stand in other surroundings, by kind.

    ``time``: the differences from the climatology that other months of the same year have in this window; ``place``:
    those of other windows of this month; ``cloud``: the same surroundings, seen only where another window was.
    NaN where a token has no length. ``progress`` may raise to cancel the work.
    """
    compute = partial(_context_drops, request, layer, lat_deg, lon_deg, progress or no_progress)
    row, col = token_map(request, progress).sea_patch_at(lat_deg, lon_deg)
    return CACHE.get(("context", request, _model_key(request), layer, row, col), compute, lambda _: _KEPT_BYTES)


def _context_drops(
    request: TokenRequest, layer: str, lat_deg: float, lon_deg: float, progress: Progress
) -> dict[str, Floats]:
    tokens = token_map(request, sub_progress(progress, 0.0, 0.2))
    known = patch_scene(request, layer, *tokens.sea_patch_at(lat_deg, lon_deg))
    sample = known.scene.sample
    others = _other_windows(request, layer, known, sub_progress(progress, 0.2, 0.4))[-_CLOUDS_AND_PLACES:]
    elsewhere = [other.scene.sample for other in others]
    surroundings = {
        "time": _other_times(request, known, sub_progress(progress, 0.4, 0.7)),
        "place": elsewhere,
        "cloud": [sample.masked_fill(torch.isnan(other), float("nan")) for other in elsewhere],
    }
    drops: dict[str, Floats] = {}
    for number, (kind, samples) in enumerate(surroundings.items()):
        if not samples:
            drops[kind] = np.zeros(0)
            continue
        step = sub_progress(progress, 0.7 + 0.1 * number, 0.8 + 0.1 * number)
        drop = context_drop(
            known.scene, sample, known.row, known.col, torch.stack(samples), batch=4, on_step=_reported(step)
        )
        drops[kind] = drop.to(torch.float64).numpy(force=True)
    return drops


def is_exchanged(request: TokenRequest, layer: str, row: int, col: int) -> bool:
    """Whether the drops of the patch at ``row``, ``col`` are in the cache."""
    return ("context", request, _model_key(request), layer, row, col) in CACHE


def _reported(progress: Progress) -> Callable[[int, int], None]:
    return lambda done, total: progress(done / total, "Exchanging the surroundings")


def _other_times(request: TokenRequest, known: PatchScene, progress: Progress) -> list[Tensor]:
    """The window's observations in other months of the year, evenly spaced."""
    names = [name for name in months_of(request.source) if name[:4] == f"{request.year:04d}"]
    names = [name for name in names if int(name[5:7]) != request.month]
    chosen = names[:: max(1, -(-len(names) // _OTHER_MONTHS))]
    samples: list[Tensor] = []
    for number, name in enumerate(chosen):
        step = sub_progress(progress, number / len(chosen), (number + 1) / len(chosen))
        other = TokenRequest(request.model, request.source, request.year, int(name[5:7]), request.weights)
        inputs, _, _ = model_inputs(other, step)
        samples.append(known.of_months(inputs).sample)
    return [sample for sample in samples if sample.shape == known.scene.sample.shape]
