"""Search by example: the places and months whose tokens are most like some patches and least like others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from engine.errors import ChoiceError
from engine.queries.cache import Progress, no_progress, sub_progress
from engine.queries.reconstruct.months import months_of
from engine.queries.tokens.maps import TokenMap, TokenRequest, token_map
from engine.queries.tokens.pooled import pooled_tokens
from engine.similarity import TokenSearch
from engine.typed import Singles
from engine.typed import numbers as numbers_of

MOST_EXAMPLES = 40


@dataclass(frozen=True)
class PatchExample:
    """A patch at a place in a month, as a positive or a negative example."""

    year: int
    month: int
    lat: float
    lon: float
    is_positive: bool = True


@dataclass(frozen=True)
class Match:
    """A patch that was found: its month, the place of its centre, and its score: the mean cosine with the positive
    examples less that with the negative ones."""

    year: int
    month: int
    lat: float
    lon: float
    score: float


def months_to_search(request: TokenRequest, span: str) -> tuple[tuple[int, int], ...]:
    """The months of a span: "month", that of the request, or "year", all of its year that the source has."""
    if span == "month":
        return ((request.year, request.month),)
    names = [name for name in months_of(request.source) if name[:4] == f"{request.year:04d}"]
    return tuple((int(name[:4]), int(name[5:7])) for name in names)


def search(
    request: TokenRequest,
    layer: str,
    examples: Sequence[PatchExample],
    span: str = "month",
    number: int = 12,
    pooling: str = "patch",
    progress: Progress | None = None,
) -> list[Match]:
    """The ``number`` best patches of the sea in the months of ``span``, best first, without the examples.

    Examples may lie in any month. Of a pooled vector a scene stands once, at its patch with the most sea.

    Raises:
        ChoiceError: no positive example, or the same as positive and negative. DataError: an example on land.
    """
    report = progress or no_progress
    if not examples:
        raise ChoiceError("no positive example is chosen", "the search", "choose at least one")
    months = months_to_search(request, span)
    extra = sorted({(example.year, example.month) for example in examples} - set(months))
    maps: dict[tuple[int, int], TokenMap] = {}
    for done, (year, month) in enumerate([*months, *extra]):
        step = sub_progress(report, done / (len(months) + len(extra)), (done + 1) / (len(months) + len(extra)))
        maps[year, month] = token_map(replace(request, year=year, month=month), step)
    parts = [_candidates(maps[name], layer, pooling) for name in months]
    names = np.repeat(np.arange(len(months)), [len(rows) for rows, _, _ in parts])
    rows, cols = (np.concatenate([part[axis] for part in parts]) for axis in (0, 1))
    values = np.concatenate([part[2] for part in parts])
    chosen = [_vector(maps[example.year, example.month], layer, pooling, example) for example in examples]
    known = TokenSearch(torch.as_tensor(np.concatenate((values, np.stack(chosen)))))
    numbers = torch.arange(len(values), len(values) + len(examples))
    signs = torch.tensor([example.is_positive for example in examples])
    # one more for each example: a match may be the example itself
    indices, scores = known.best(number + len(examples), numbers[signs], numbers[~signs] if (~signs).any() else None)
    places = {(e.year, e.month, *maps[e.year, e.month].patch_at(e.lat, e.lon)) for e in examples}
    matches: list[Match] = []
    for index, score in zip(numbers_of(indices), numbers_of(scores), strict=True):
        year, month = months[names[index]]
        row, col = int(rows[index]), int(cols[index])
        if (year, month, row, col) not in places and len(matches) < number:
            searched = maps[year, month]
            matches.append(Match(year, month, float(searched.lat[row]), float(searched.lon[col]), float(score)))
    return matches


def _candidates(tokens: TokenMap, layer: str, pooling: str) -> tuple[np.ndarray, np.ndarray, Singles]:
    """Rows, columns and vectors of the sea patches, or of one patch of each scene."""
    values = pooled_tokens(tokens, layer, pooling)
    if pooling == "patch":
        rows, cols = np.nonzero(tokens.is_sea)
    else:
        places = [
            np.unravel_index(np.argmax(np.where(tokens.window == number, tokens.sea, -1.0)), tokens.sea.shape)
            for number in np.unique(tokens.window[tokens.is_sea])
        ]
        rows, cols = np.array(places).T
    return rows, cols, values[rows, cols]


def _vector(tokens: TokenMap, layer: str, pooling: str, example: PatchExample) -> Singles:
    return pooled_tokens(tokens, layer, pooling)[tokens.sea_patch_at(example.lat, example.lon)]
