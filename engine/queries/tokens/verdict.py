"""What averaging tokens keeps, how far a token reaches, and both in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from engine.errors import DataError
from engine.evaluation.token_probe import held_out_r2
from engine.queries.cache import CACHE, Progress, no_progress, sub_progress
from engine.queries.reconstruct.models import model_of
from engine.queries.reconstruct.months import months_of
from engine.queries.tokens.fields import MeanField, mean_field
from engine.queries.tokens.maps import TokenMap, TokenRequest, model_inputs, patch_grid, token_map
from engine.queries.tokens.pooled import map_spread, pooled_tokens
from engine.similarity import Spread
from engine.sphere import unit_vectors
from engine.typed import Floats

TARGETS = {"season": "the season", "sst": "the patch's monthly mean", "anomaly": "its anomaly", "place": "its place"}
"""What is read from a token, and how a sentence names it."""

_STEP_MONTHS = 3
_FEWEST_MONTHS = 4
_LAST_MONTHS = 24
_LEAST_R2 = 0.05  # below, a patch's token does not hold what could be lost
_LEAST_SEA = 0.5


@dataclass(frozen=True)
class Kept:
    """R² of one target on held-out months: read from the patch's token, the mean of its scene, and the summary token
    (None without one)."""

    target: str
    patch: float
    mean: float
    summary: float | None

    @property
    def share(self) -> float | None:
        """R² from the mean over that from the patch, from 0 to 1; None where the patch's token does not hold it."""
        return None if not self.patch >= _LEAST_R2 else float(np.clip(self.mean / self.patch, 0.0, 1.0))


@dataclass(frozen=True)
class TokenVerdict:
    """The figures behind the sentences: what the mean keeps, the reach of a token, and how alike tokens are.

    ``months`` are those that the probes read, each held out in turn, ``num_patches`` the patches in all of them;
    ``width`` the number of components of a token.
    """

    request: TokenRequest
    layer: str
    kept: tuple[Kept, ...]
    field: MeanField
    spread: Spread
    months: tuple[str, ...]
    num_patches: int
    width: int


def token_verdict(request: TokenRequest, layer: str, progress: Progress | None = None) -> TokenVerdict:
    """Probe the tokens of several months, and average the receptive field of tokens of the requested one.

    Raises:
        DataError: fewer than four months, or none with an observation. Else as :func:`token_map`.
    """
    compute = partial(_token_verdict, request, layer, progress or no_progress)
    key = ("token verdict", request, model_of(request.model).bundle.key, layer)
    return CACHE.get(key, compute, lambda _: 4096)


def _token_verdict(request: TokenRequest, layer: str, progress: Progress) -> TokenVerdict:
    months = probed_months(request)
    rows: list[_Rows] = []
    for number, name in enumerate(months):
        step = sub_progress(progress, 0.7 * number / len(months), 0.7 * (number + 1) / len(months))
        other = replace(request, year=int(name[:4]), month=int(name[5:7]))
        tokens = token_map(other, step)
        rows.append(_Rows.of(tokens, other, layer, step))
    field = mean_field(request, layer, progress=sub_progress(progress, 0.7, 1.0))
    tokens = token_map(request)
    width = int(tokens.tokens(layer).shape[-1])
    num_patches = sum(len(part.patch) for part in rows)
    return TokenVerdict(request, layer, _kept(rows), field, map_spread(tokens, layer), months, num_patches, width)


def has_verdict(request: TokenRequest, layer: str) -> bool:
    """Whether the verdict is in the cache."""
    return ("token verdict", request, model_of(request.model).bundle.key, layer) in CACHE


def probed_months(request: TokenRequest) -> tuple[str, ...]:
    """Every third of the last 24 months of the source: four seasons, and each of them in two years, so that a month
    that is held out differs from those learned from in its weather, not in its season."""
    names = months_of(request.source)[-_LAST_MONTHS:]
    if len(names) < _FEWEST_MONTHS:
        raise DataError(
            f"the source has {len(names)} months, too few to hold some out", "the probes", "choose a longer source"
        )
    return tuple(reversed(names[::-1][:: 1 if len(names) < _FEWEST_MONTHS * _STEP_MONTHS else _STEP_MONTHS]))


@dataclass(frozen=True, eq=False)
class _Rows:
    """The patches of a month: vectors (N, C) to read from, targets (N, 7), areas (N,)."""

    patch: Floats
    mean: Floats
    summary: Floats | None
    targets: Floats
    area: Floats

    @classmethod
    def of(cls, tokens: TokenMap, request: TokenRequest, layer: str, progress: Progress) -> _Rows:
        sst, anomaly = _own_temperature(request, progress)
        chosen = (tokens.sea >= _LEAST_SEA) & np.isfinite(sst) & np.isfinite(anomaly)
        lat, lon = np.broadcast_arrays(tokens.lat[:, None], tokens.lon[None])
        towards = unit_vectors(lat[chosen], lon[chosen]).numpy()
        angle = 2.0 * np.pi * (request.month - 1) / 12.0
        season = np.broadcast_to([np.cos(angle), np.sin(angle)], (len(towards), 2))
        targets = np.concatenate((season, sst[chosen][:, None], anomaly[chosen][:, None], towards), axis=1)
        summary = None if tokens.summaries is None else pooled_tokens(tokens, layer, "summary")[chosen]
        return cls(
            tokens.tokens(layer)[chosen].astype(np.float64),
            pooled_tokens(tokens, layer, "area_mean")[chosen].astype(np.float64),
            None if summary is None else summary.astype(np.float64),
            targets,
            tokens.weights()[chosen],
        )


def _own_temperature(request: TokenRequest, progress: Progress) -> tuple[Floats, Floats]:
    """The month's mean (Hp, Wp) over the sea of each patch, and less the climatology; NaN where unknown.

    The truth where the source knows it, else the mean of the observed days.
    """
    inputs, index, bundle = model_inputs(request, progress)
    data = inputs.data
    if data.target is not None:
        month = np.asarray(data.target[index], np.float64)
    else:
        with np.errstate(invalid="ignore"):
            days = np.isfinite(data.daily[index])
            month = np.where(days, data.daily[index], 0.0).sum(axis=0) / days.sum(axis=0)
    month = np.where(data.land, np.nan, month)
    climatology = inputs.climatology[int(data.months[index]) - 1]
    shape = patch_grid(inputs, bundle)[0].shape
    return _patch_mean(month, shape, bundle.settings.model.patch[1:]), _patch_mean(
        month - climatology, shape, bundle.settings.model.patch[1:]
    )


def _patch_mean(field: Floats, shape: tuple[int, ...], patch: tuple[int, ...]) -> Floats:
    cells = field[: shape[0] * patch[0], : shape[1] * patch[1]]
    blocks = cells.reshape(shape[0], patch[0], shape[1], patch[1])
    known = np.isfinite(blocks)
    total, count = np.where(known, blocks, 0.0).sum(axis=(1, 3)), known.sum(axis=(1, 3))
    return np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)


_COLUMNS = {"season": slice(0, 2), "sst": slice(2, 3), "anomaly": slice(3, 4), "place": slice(4, 7)}


def _kept(rows: list[_Rows]) -> tuple[Kept, ...]:
    folds = torch.as_tensor(np.repeat(np.arange(len(rows)), [len(part.patch) for part in rows]))
    targets = torch.as_tensor(np.concatenate([part.targets for part in rows]))
    area = torch.as_tensor(np.concatenate([part.area for part in rows]))

    def read(parts: list[Floats]) -> Floats:
        return held_out_r2(torch.as_tensor(np.concatenate(parts)), targets, area / area.sum(), folds).numpy()

    patch, mean = read([part.patch for part in rows]), read([part.mean for part in rows])
    summaries = [part.summary for part in rows if part.summary is not None]
    summary = read(summaries) if summaries else None
    return tuple(
        Kept(
            name,
            float(patch[columns].mean()),
            float(mean[columns].mean()),
            None if summary is None else float(summary[columns].mean()),
        )
        for name, columns in _COLUMNS.items()
    )


def sentences(verdict: TokenVerdict) -> list[str]:
    """The verdict in words, from measured figures only."""
    return [*_kept_sentences(verdict.kept), _reach_sentence(verdict.field), _spread_sentence(verdict)]


def _kept_sentences(kept: tuple[Kept, ...]) -> list[str]:
    known = [(TARGETS[part.target], part.share) for part in kept]
    shares = [f"{_percent(share)} about {name}" for name, share in known if share is not None]
    absent = [name for name, share in known if share is None]
    text = (
        [f"Averaging a scene keeps, of what a linear probe reads from one patch, {_listed(shares)}."] if shares else []
    )
    if absent:
        text.append(f"The token of a single patch does not hold {_listed(absent)} either.")
    return text


def _percent(share: float) -> str:
    """A mean may be read better than one patch: it has less noise."""
    return "all" if share >= 1.0 else f"{100 * share:.0f} %"


def _reach_sentence(field: MeanField) -> str:
    where = f"lies within {field.radius_90_km:.0f} km" if field.radius_90_km else "is that of its own patch"
    return (
        f"90 % of a token's influence {where}; {100 * field.own:.0f} % comes from its own patch "
        f"(mean of {field.num_tokens} tokens)."
    )


def _spread_sentence(verdict: TokenVerdict) -> str:
    spread = verdict.spread
    return (
        f"The least similar of {spread.num_tokens} tokens have a cosine of {spread.minimum:.3f}; together they fill "
        f"{spread.effective_rank:.1f} of {verdict.width} directions."
    )


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
