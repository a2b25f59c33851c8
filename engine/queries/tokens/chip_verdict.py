"""The answer to the chip's question in words, from what was measured of an autoencoder, and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

import numpy as np

from engine.assets import asset
from engine.evaluation.chip_tokens import Accuracy, standard_error
from engine.files import read_file
from engine.queries.tokens.chip import CONDITIONS, DISCUSSED, READERS, Autoencoder

CHANCE = 0.5
"""Half of the chips have a house."""

_CARD = "pretrained/mae-seeds.json"
_MAX_BYTES = 2**20
_PLACE = {"with": True, "without": False}
_WITH = {
    "all": "With all windows seen",
    "house-hidden": "With the house's window hidden",
    "most-hidden": "With 75 % of the windows hidden, the house's among them",
}


def is_known(accuracy: Accuracy) -> bool:
    """Whether a probe does better than guessing, by two standard errors."""
    return accuracy["accuracy"] - CHANCE > 2.0 * standard_error(accuracy)


def chip_sentences(known: Autoencoder, condition: str) -> list[str]:
    """Is the house still known, what did training add, and how alike are the tokens."""
    trained, untrained, pixels = (known.scores[name] for name in ("trained", "untrained", "pixels"))
    house = {name: trained["house"][condition][name] for name in READERS if name in trained["house"][condition]}
    yes = [f"{READERS[name]} ({_percent(a)})" for name, a in house.items() if is_known(a)]
    no = [f"{READERS[name]} ({_percent(a)})" for name, a in house.items() if not is_known(a)]
    text: list[str] = []
    if yes:
        text.append(f"{_WITH[condition]}, a linear probe tells whether there is a house from {_listed(yes)}.")
    if no:
        start = f"{_WITH[condition]}, it" if not yes else "It"
        text.append(f"{start} cannot from {_listed(no, 'or')}: guessing is right in 50 %.")
    text += _mean_sentences(trained, untrained, pixels, condition)
    learned = "did learn" if trained["surroundings"] > untrained["surroundings"] else "did not learn"
    text.append(
        f"A window's token {learned} its surroundings: of the ground in a hidden window beside it a probe reads "
        f"R² {trained['surroundings']:.2f}; untrained {untrained['surroundings']:.2f}, from the window's pixels "
        f"{pixels['surroundings']:.2f}."
    )
    text.append(
        f"The smallest cosine of a chip's 64 tokens is {trained['smallest_cosine']:.3f} (median of the test chips; "
        f"{untrained['smallest_cosine']:.3f} untrained). The discussion had above {DISCUSSED}."
    )
    return text


def _mean_sentences(trained: Any, untrained: Any, pixels: Any, condition: str) -> list[str]:
    if condition != "all" or not trained["house"]["all"]:  # too few test chips to read a house from
        return []
    mean, before, raw = (scores["house"]["all"]["mean"] for scores in (trained, untrained, pixels))
    own = trained["house"]["all"]["house"]
    if not is_known(own):  # nothing that the mean could lose
        return []
    kept = (mean["accuracy"] - CHANCE) / (own["accuracy"] - CHANCE)
    if not is_known(mean):
        return [
            f"So averaging the 64 tokens loses the house, which its own window's token still knows. The mean of the "
            f"pixels would tell it in {_percent(raw)}, and the mean of untrained tokens in {_percent(before)}."
        ]
    return [f"Averaging keeps {100 * kept:.0f} % of what the house's own token tells above guessing."]


def chip_rows(known: Autoencoder) -> list[tuple[str, ...]]:
    """Percent told rightly by trained, untrained and pixels, a row for each condition and reader."""
    rows: list[tuple[str, ...]] = []
    for condition, label in CONDITIONS.items():
        for name, reader in READERS.items():
            values = [known.scores[kind]["house"][condition].get(name) for kind in ("trained", "untrained", "pixels")]
            if values[0] is not None:
                rows.append((f"{label}: {reader}", *("–" if value is None else _percent(value) for value in values)))
    return rows


@cache
def seeds_card() -> tuple[dict[str, Any], ...]:
    """What was measured of each training that comes along: seeds with and without place and time."""
    return tuple(cast("list[dict[str, Any]]", json.loads(read_file(asset(_CARD), _MAX_BYTES))["runs"]))


def seed_sentences() -> list[str]:
    """By how much training beats the same networks untrained over the seeds, and what place and time change."""
    runs = seeds_card()
    of = {label: [run for run in runs if run["place_and_time"] is wanted] for label, wanted in _PLACE.items()}
    known = {label: members for label, members in of.items() if members}
    seeds = " and ".join(f"{len(members)} {label}" for label, members in known.items())
    text = [
        f"Trainings that come along, one a seed: {seeds} place and time. Over all of them, training adds "
        f"{_range(runs, 'surroundings')} to the R² of the ground in hidden windows beside a token, and "
        f"{_range(runs, 'reconstructed')} to the share of the hidden windows' variance that the decoder explains."
    ]
    cosines = [
        f"{np.mean([run['trained']['smallest_cosine'] for run in members]):.3f} {label}"
        for label, members in known.items()
    ]
    means = [100.0 * run["trained"]["house"]["all"]["mean"]["accuracy"] for run in runs]
    text.append(
        f"Whether the mean of 64 tokens keeps the house depends on the seed: it is told rightly in {min(means):.0f} to "
        f"{max(means):.0f} %, all windows seen."
    )
    return [*text, f"Mean of the smallest cosine: {' and '.join(cosines)} place and time."]


def _range(runs: Sequence[Mapping[str, Any]], measure: str) -> str:
    margins = [run["trained"][measure] - run["untrained"][measure] for run in runs]
    low, high = f"{min(margins):.2f}", f"{max(margins):.2f}"
    return low if low == high else f"{low} to {high}"


def chip_markdown(known: Autoencoder, condition: str) -> bytes:
    """The answer, the figures behind it, and the settings."""
    lines = [
        "# Is the house still known?",
        "",
        *(f"- {sentence}" for sentence in [*chip_sentences(known, condition), *seed_sentences()]),
        "",
        "House told rightly by a linear probe, percent of the chips held out; half of them have a house.",
        "",
        "| Read from | trained | untrained | pixels |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in chip_rows(known)),
        "",
        f"Settings: `{known.settings.model_dump_json()}`",
        "",
    ]
    return "\n".join(lines).encode()


def _percent(accuracy: Accuracy) -> str:
    return f"{100.0 * accuracy['accuracy']:.0f} %"


def _listed(parts: list[str], last: str = "and") -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"
