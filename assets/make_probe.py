"""Run the default probe of location encoders and print its table for README, which holds that of held-out blocks.

python assets/make_probe.py FOLDER [random|blocks|basin]    # of the run, which goes on with what is there
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from engine.config import RunConfig
from engine.config.probe import ProbeSettings
from engine.queries.embeddings.probe_results import ProbeResult, read_probe
from engine.runs.run_folder import RunFolder
from engine.training.fit import fit

TITLES = {
    "land": "Land or sea",
    "koppen_coarse": "Climate group",
    "sst": "August SST",
    "climatology": "Annual mean SST",
    "variability": "Season",
}


def table(result: ProbeResult, split: str) -> str:
    """Markdown: encoder, numbers, mean score ± spread over the folds of each task, resolution; the highest first."""

    def mean(key: str, task: str, encoder: str = "") -> float:
        chosen = [row[key] for row in result.rows if (row["task"], row["split"]) == (task, split)
                  and encoder in ("", row["encoder"])]  # fmt: skip
        return float(np.mean(chosen))

    measured = {row["encoder"]: row for row in result.embeddings}
    order = sorted(measured, key=lambda encoder: -np.mean([mean("score", task, encoder) for task in TITLES]))
    lines = [("Encoder", "Numbers", *TITLES.values(), "Resolution, km"), ("---",) * (len(TITLES) + 3)]
    for encoder in order:
        row = measured[encoder]
        name = f"harmonic, ocean, L = {row['max_degree']}" if row["max_degree"] else encoder
        scores = (f"{mean('score', task, encoder):.2f} ± {mean('fold_spread', task, encoder):.2f}" for task in TITLES)
        km = "–" if row["resolution_km"] is None else f"{round(row['resolution_km'], -1):,.0f}".replace(",", " ")
        lines.append((name, str(row["num_numbers"]), *scores, km))
    for key, title in (("latitude", "latitude alone"), ("nearest", "nearest training point")):
        lines.append((f"*{title}*", "", *(f"{mean(key, task):.2f}" for task in TITLES), ""))
    return (
        "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)
        .replace("| --- ", "|---")
        .replace("--- |", "---|")
    )


def main(folder: Path, split: str = "blocks") -> None:
    """Run the probe, or finish it, and print its table."""
    fit(RunConfig(settings=ProbeSettings()), folder)
    print(table(read_probe(RunFolder(folder).probe), split))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
