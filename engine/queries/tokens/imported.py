"""Tokens of other models, from a file on the server or an upload, measured as those of our own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import ChoiceError, DataError
from engine.evaluation.token_probe import held_out_r2
from engine.formats.child import check_in_child
from engine.formats.limits import check_file
from engine.queries.cache import CACHE
from engine.queries.colours import principal_colours
from engine.queries.server_files import below_roots, resolved, upload_path
from engine.queries.tokens.pooled import SceneCosines, cosines_of, transformed
from engine.queries.tokens.verdict import Kept
from engine.similarity import TokenSearch, similarity_map
from engine.similarity.imported import ENDINGS, ImportedTokens, read_tokens
from engine.typed import Floats, Singles
from engine.typed import numbers as numbers_of

_MOST_PAIRED = 1024
_FEWEST_SAMPLES = 3
_FOLDS = 6


def imported_tokens(path: str) -> ImportedTokens:
    """The tokens in a file: an upload's name, or a path below a folder of data.

    Raises:
        DataError: a path that may not be read; as :func:`engine.similarity.imported.read_tokens`.
    """
    upload = upload_path(path)
    files = [upload] if upload is not None else resolved(path)
    if len(files) != 1 or files[0].is_dir():
        raise DataError("this is not one file", path[:200], f"name a file that ends in {', '.join(ENDINGS)}")
    status = check_file(files[0])
    key = ("imported tokens", str(files[0]), status.st_mtime_ns, status.st_size)
    return CACHE.get(key, partial(_read, files[0]), lambda known: 2 * known.tokens.nbytes)


def _read(path: Path) -> ImportedTokens:
    try:
        if path.suffix == ".nc":
            check_in_child([(path, "netcdf")])
        return read_tokens(path)
    except DataError as error:
        raise DataError(error.problem, below_roots(error.where), error.remedy) from error


def nearest_patch(path: str, sample: int, cell: int) -> tuple[int, int, int]:
    """Sample, row and column of the patch nearest to ``cell``, counted row by row, whose token has some length.

    A sample beyond the last is the last.
    """
    tokens = imported_tokens(path).tokens
    sample = min(sample, len(tokens) - 1)
    row, col = divmod(min(cell, tokens.shape[1] * tokens.shape[2] - 1), tokens.shape[2])
    places = np.argwhere(np.nan_to_num(tokens[sample]).any(axis=-1))
    if not len(places):
        raise DataError(
            "no token of the sample has a length, so there is no cosine", f"sample {sample}", "choose another"
        )
    best = places[np.square(places - (row, col)).sum(axis=1).argmin()]
    return sample, int(best[0]), int(best[1])


@dataclass(frozen=True)
class ImportedMatch:
    """A patch that is like the picked one: its sample, row and column, and the cosine."""

    sample: int
    row: int
    col: int
    score: float


@dataclass(frozen=True, eq=False)
class ImportedCase:
    """One sample, and one of its patches.

    Attributes:
        known: cosines of pairs; of more than 1024 patches, of as many evenly spaced ones.
        similarity: (h, w), cosine with the picked patch, NaN = no token. colours: (h, w, 3) uint8.
        mean_cosine: of the picked token with the mean of the sample.
        class_cosine, mean_class_cosine: of the class token with the picked one and with the mean; None without one.
        matches: the best patches of all samples.
    """

    known: SceneCosines
    similarity: Singles
    colours: NDArray[np.uint8]
    mean_cosine: float
    class_cosine: float | None
    mean_class_cosine: float | None
    matches: tuple[ImportedMatch, ...]


def imported_case(path: str, sample: int, row: int, col: int, transform: str = "raw", number: int = 8) -> ImportedCase:
    """The figures of one sample and patch of a file.

    Raises:
        ChoiceError: no such sample, patch or transformation; a patch without a token, or one without length.
    """
    tokens = imported_tokens(path)
    count, high, wide, _ = tokens.tokens.shape
    if not (0 <= sample < count and 0 <= row < high and 0 <= col < wide):
        raise ChoiceError(
            f"there is no patch ({row}, {col}) of sample {sample}", f"{count} samples of {high} × {wide} patches",
            "choose another",
        )  # fmt: skip
    there, field = tokens.is_there[sample], tokens.tokens[sample]
    if not there[row, col]:
        raise ChoiceError("this patch has no token", f"row {row}, column {col}", "choose another")
    if not field[row, col].any():
        raise ChoiceError("this token has no length, so no cosine", f"row {row}, column {col}", "choose another")
    rows, cols = np.nonzero(there)
    changed = np.full_like(field, np.nan)
    changed[there] = transformed(field[there], transform)[0]
    some = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_PAIRED)).astype(np.int64))
    filled = field.copy()
    filled[~there] = field[there].mean(axis=0)
    colours = principal_colours(filled, np.ones(int(high), np.float64))
    colours[~there] = 128
    mean, summary = field[there].mean(axis=0), None if tokens.class_tokens is None else tokens.class_tokens[sample]
    return ImportedCase(
        known=cosines_of(field[rows[some], cols[some]], rows[some], cols[some], transform),
        similarity=similarity_map(torch.as_tensor(changed), row, col).numpy(),
        colours=colours,
        mean_cosine=_cosine(field[row, col], mean),
        class_cosine=None if summary is None else _cosine(field[row, col], summary),
        mean_class_cosine=None if summary is None else _cosine(mean, summary),
        matches=_matches(tokens, sample, row, col, number),
    )


def _cosine(first: Singles, second: Singles) -> float:
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first.astype(np.float64) @ second.astype(np.float64)) / size if size > 0.0 else float("nan")


def _matches(tokens: ImportedTokens, sample: int, row: int, col: int, number: int) -> tuple[ImportedMatch, ...]:
    places = np.argwhere(tokens.is_there)
    mine = int(np.flatnonzero((places == (sample, row, col)).all(axis=1))[0])
    search = TokenSearch(torch.as_tensor(tokens.tokens[tuple(places.T)]))
    indices, scores = search.best(number, torch.tensor([mine]))
    return tuple(
        ImportedMatch(int(places[index][0]), int(places[index][1]), int(places[index][2]), float(score))
        for index, score in zip(numbers_of(indices), numbers_of(scores), strict=True)
    )


def imported_verdict(path: str) -> tuple[Kept, ...]:
    """R² of every target of the file on held-out samples, read from a patch, the sample's mean and the class token.

    Empty for a file without targets.

    Raises:
        DataError: fewer than three samples, of which none could be held out.
    """
    tokens = imported_tokens(path)
    if not tokens.targets:
        return ()
    if len(tokens.tokens) < _FEWEST_SAMPLES:
        raise DataError(
            f"the file has {len(tokens.tokens)} samples, too few to hold some out", "the probes", "give three at least"
        )
    return tuple(_kept(tokens, name, values) for name, values in tokens.targets.items())


def _kept(tokens: ImportedTokens, name: str, values: Floats) -> Kept:
    there = tokens.is_there
    known = there & np.isfinite(values)
    sample = np.nonzero(known)[0]
    means = np.stack([chip[mask].mean(axis=0) for chip, mask in zip(tokens.tokens, there, strict=True)])
    folds = torch.as_tensor(sample % min(_FOLDS, len(tokens.tokens)))
    targets, alike = torch.as_tensor(values[known])[:, None], torch.ones(len(sample), dtype=torch.float64)

    def read(vectors: Singles) -> float:
        return float(held_out_r2(torch.as_tensor(vectors), targets, alike, folds)[0])

    summary = None if tokens.class_tokens is None else read(tokens.class_tokens[sample])
    return Kept(name, read(tokens.tokens[known]), read(means[sample]), summary)
