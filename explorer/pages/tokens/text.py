"""The texts of the Tokens page, from plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.queries.text import place
from engine.queries.tokens import (
    ImportedCase,
    InfluenceParts,
    Kept,
    Match,
    PatchExample,
    ReceptiveField,
    SceneCosines,
    TokenMap,
    TokenRequest,
    TokenVerdict,
    sentences,
)
from engine.queries.tokens.chip import READERS, ChipCase
from explorer.widgets.text import LabelledValue, Sentence, number

POOLINGS = {
    "Patch": "patch",
    "Mean of the scene": "mean",
    "Mean by area": "area_mean",
    "Scene summary": "summary",
}
TRANSFORMS = {"Raw": "raw", "Centred": "centred", "Whitened": "whitened"}
SPANS = {"This month": "month", "Its year": "year"}
CLICKS = {"Pick": "pick", "Like this": "like", "Unlike": "unlike"}
HOUSES = {"With its house": "with", "Without": "without"}
PLACES = {"With place and time": "with", "Without": "without"}
KINDS = {"time": "Other months", "place": "Other places", "cloud": "Other clouds"}
_PARTS = {
    "own": "Observations of the patch",
    "neighbours": "Observations of all others",
    "place": "Coordinates",
    "calendar": "Calendar",
}
_READER_NAMES = {
    "house": "its window",
    "drive": "drive",
    "road": "road",
    "grass": "grass",
    "mean": "mean of 64",
    "class": "class token",
}
_TARGETS = {"season": "Season", "sst": "Monthly mean", "anomaly": "Anomaly", "place": "Place"}

CONTEXT = (
    "The observations of this patch are put into other surroundings: those of other months, of other windows, and its "
    "own as other clouds show them. The drop of the cosine says how much of the token is not the patch's own."
)
SEARCH = (
    "Choose “Like this” or “Unlike” among the controls, then click patches, in any month: the tokens most like the "
    "first and least like the second are ranked."
)
VERDICT = (
    "Reads season, monthly mean, anomaly and place from the tokens of eight months with linear probes, from one patch "
    "and from the mean of its scene, and averages the receptive field of eight tokens. This takes about a minute."
)

TRAIN_CHIPS = (
    "Train a masked autoencoder on 4096 painted chips, and read the house from its tokens. It runs in the background, "
    "about three minutes, and continues after you close the browser."
)

FILE = (
    "Tokens of any model, measured as ours are: an npz with an array “tokens” of (rows, columns, components) or "
    "(samples, rows, columns, components), a NetCDF of the same, or a Parquet with row, col and embedding; "
    "“class_token” beside them, and other numbers of each patch as targets of a probe."
)
NO_TARGETS = "The file holds nothing else of its patches that a probe could read."


def layer_name(name: str) -> str:
    """A layer on screen."""
    fixed = {"encoder": "After the encoder", "time": "After time", "output": "Output: what the decoder reads"}
    return fixed.get(name) or f"After spatial block {name.removeprefix('block')}"


def about(source_name: str) -> str:
    """The source of the tokens."""
    return f"Reads the source that it was trained on: {source_name}."


def patch_sentence(tokens: TokenMap, row: int, col: int) -> str:
    """Where the picked patch lies and how much of it was observed."""
    where = place(float(tokens.lat[row]), float(tokens.lon[col]))
    seen = 100 * float(tokens.observed[row, col])
    return f"The patch around {where}: {number(seen)} % of its cell-days were observed this month."


def readout(tokens: TokenMap, layer: str) -> list[LabelledValue]:
    """The read-out of the tokens of a month."""
    rows, cols = tokens.sea.shape
    return [
        ("Tokens", number(int(tokens.is_sea.sum())), f"of {rows} × {cols}"),
        ("Components", str(tokens.tokens(layer).shape[-1]), ""),
        ("Scenes", str(len(np.unique(tokens.window[tokens.is_sea]))), ""),
    ]


def cosine_sentences(known: SceneCosines) -> list[str | Sentence]:
    """What the matrix shows."""
    size = len(known.rows)
    text: list[str | Sentence] = [
        f"The {size} sea patches of the scene around the picked one, which the red lines mark. "
        f"The smallest cosine is {known.spread.minimum:.3f}."
    ]
    if known.shrinkage:
        text.append(f"Whitened with a shrinkage of {known.shrinkage:.3f} (Ledoit and Wolf).")
    if known.spread.num_constant:
        text.append((f"{known.spread.num_constant} tokens have no length, so no cosine.", True))
    return text


def spread_rows(known: SceneCosines) -> list[tuple[str, str]]:
    """Quantiles, anisotropy and effective rank of the scene's tokens."""
    spread = known.spread
    return [
        ("Minimum", f"{spread.minimum:.4f}"),
        ("5 %, median, 95 %", "  ".join(f"{spread.quantiles[index]:.3f}" for index in (1, 3, 5))),
        ("Anisotropy, 0 to 1", f"{spread.anisotropy:.3f}"),
        ("Effective rank", f"{spread.effective_rank:.1f}"),
    ]


def field_sentences(tokens: TokenMap, field: ReceptiveField, how: str) -> list[str | Sentence]:
    """The receptive field in words."""
    means = {
        "gradient": "By gradient: the part of the token's variance that small changes of each patch would cause.",
        "occlusion": "By occlusion: the change of the token when each patch's observations are hidden.",
    }
    reach = (
        "90 % of the influence is that of the patch itself."
        if not field.radius_90_km
        else f"90 % of the influence lies within {number(field.radius_90_km)} km."
    )
    text: list[str | Sentence] = [patch_sentence(tokens, field.row, field.col), f"{reach} {means[how]}"]
    if not field.own:
        text.append(("The patch itself was not observed this month.", True))
    return text


def field_rows(field: ReceptiveField) -> list[tuple[str, str]]:
    """Figures of a receptive field."""
    return [
        ("Its own patch", f"{100 * field.own:.1f} %"),
        ("50 % within", _radius(field.radius_50_km)),
        ("90 % within", _radius(field.radius_90_km)),
        ("Farthest patch of the window", f"{number(field.window_km)} km"),
    ]


def _radius(km: float) -> str:
    return f"{number(km)} km" if km else "the patch itself"


def part_rows(parts: InfluenceParts) -> list[tuple[str, str, str]]:
    """Each part of the input: the drop of the cosine when it is changed, and its share in all drops."""
    shares = parts.shares()
    return [(label, f"{getattr(parts, name):.4f}", f"{100 * shares[name]:.0f} %") for name, label in _PARTS.items()]


def drop_rows(drops: Mapping[str, np.ndarray]) -> list[tuple[str, ...]]:
    """Number, median and largest of the drops of each kind."""
    rows: list[tuple[str, ...]] = []
    for kind, values in drops.items():
        known = values[np.isfinite(values)]
        figures = (f"{np.median(known):.4f}", f"{known.max():.4f}") if len(known) else ("–", "–")
        rows.append((KINDS[kind], str(len(values)), *figures))
    return rows


def kept_rows(verdict: TokenVerdict) -> list[tuple[str, ...]]:
    """R² from the patch, the mean and the summary token, and the share that the mean keeps."""
    rows: list[tuple[str, ...]] = []
    for kept in verdict.kept:
        summary = "–" if kept.summary is None else f"{kept.summary:.2f}"
        share = "–" if kept.share is None else f"{100 * kept.share:.0f} %"
        rows.append((_TARGETS[kept.target], f"{kept.patch:.2f}", f"{kept.mean:.2f}", summary, share))
    return rows


def kept_names(verdict: TokenVerdict) -> list[str]:
    """The targets of the probes, on an axis."""
    return [_TARGETS[kept.target] for kept in verdict.kept]


def verdict_sentences(verdict: TokenVerdict) -> list[str]:
    """The verdict, and what its probes read."""
    months = ", ".join(name[:7] for name in verdict.months)
    probes = f"Probes on {number(verdict.num_patches)} patches of {months}, each month held out in turn."
    return [*sentences(verdict), probes]


def match_words(match: Match) -> tuple[str, str]:
    """A match in a list: month and place, and its score."""
    return f"{match.year}-{match.month:02d} · {place(match.lat, match.lon)}", f"{match.score:.3f}"


def example_sentence(examples: Sequence[PatchExample]) -> str:
    """How many examples there are."""
    likes = sum(example.is_positive for example in examples)
    return f"{likes} like this, {len(examples) - likes} unlike."


def file_stem(request: TokenRequest, layer: str) -> str:
    """The file name without its ending."""
    return f"tokens-{request.model}-{layer}-{request.year}-{request.month:02d}"


def place_words(wanted: bool) -> str:
    """Whether an autoencoder reads place and time, in a run's name."""
    return "with place and time" if wanted else "without place and time"


def chip_map_title(case: ChipCase, row: int, col: int) -> str:
    """The heading of the map of cosines."""
    whose = "the window with the house, H" if (row, col) == case.house else "the window ×"
    return f"Cosine with {whose}; click another"


def signed(cosine: float) -> str:
    """Three digits, with a true minus."""
    return f"{cosine:.3f}".replace("-", "−")


def change_sentence(case: ChipCase) -> str:
    """How much the token of every window, their mean and the class token change with the house."""
    return (
        f"The token that changes most: {np.nanmax(case.changes):.3f}; the mean of all: {case.mean_change:.4f}; "
        f"the class token: {case.class_change:.4f}."
    )


def accuracy_points(scores: Mapping[str, Any], condition: str) -> tuple[list[str], dict[str, list[float]]]:
    """Readers, and what is told rightly from each by weights; NaN where that was not read."""
    names = [name for name in READERS if name in scores["trained"]["house"][condition]]
    values = {
        kind: [known["house"][condition].get(name, {"accuracy": np.nan})["accuracy"] for name in names]
        for kind, known in scores.items()
    }
    return [_READER_NAMES[name] for name in names], values


def distance_points(scores: Mapping[str, Any], condition: str) -> dict[str, tuple[list[int], list[float]]]:
    """Distances and what is told rightly there, by weights."""
    return {
        kind: (
            [int(distance) for distance in known["house_by_distance"][condition]],
            [value["accuracy"] for value in known["house_by_distance"][condition].values()],
        )
        for kind, known in scores.items()
    }


def imported_sentences(notes: Sequence[str], case: ImportedCase, sample: int) -> list[str | Sentence]:
    """How the file was understood, and what stands out."""
    text: list[str | Sentence] = [
        f"{', '.join(notes)}. Sample {sample}: the smallest cosine is {signed(case.known.spread.minimum)}; the picked "
        f"token has {signed(case.mean_cosine)} with the mean of all."
    ]
    if case.class_cosine is not None and case.mean_class_cosine is not None:
        text.append(
            f"The class token has a cosine of {signed(case.class_cosine)} with the picked one and of "
            f"{signed(case.mean_class_cosine)} with the mean."
        )
    if case.known.shrinkage:
        text.append(f"Whitened with a shrinkage of {case.known.shrinkage:.3f} (Ledoit and Wolf).")
    if case.known.spread.num_constant:
        text.append((f"{case.known.spread.num_constant} tokens have no length, so no cosine.", True))
    return text


def imported_match_rows(case: ImportedCase) -> list[tuple[str, ...]]:
    """Rank, sample, row, column and cosine of the best patches."""
    return [
        (str(rank), str(match.sample), str(match.row), str(match.col), signed(match.score))
        for rank, match in enumerate(case.matches, 1)
    ]


def imported_kept_rows(kept: Sequence[Kept]) -> list[tuple[str, ...]]:
    """R² of each target from the patch, the mean and the class token, and the share that the mean keeps."""
    rows: list[tuple[str, ...]] = []
    for part in kept:
        summary = "–" if part.summary is None else f"{part.summary:.2f}"
        share = "–" if part.share is None else f"{100 * part.share:.0f} %"
        rows.append((part.target, f"{part.patch:.2f}", f"{part.mean:.2f}", summary, share))
    return rows
