"""Make ``pretrained/mae-seeds.json``: what was measured of masked autoencoders of painted chips, seeds 0 to 2, with and
without place and time; and ``pretrained/mae-chips.safetensors``: the one of seed 0 with both, in float16.

    python assets/make_mae.py [FOLDER]     # of the six runs; some twenty minutes of one core; goes on where it stopped
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import RunConfig
from engine.config.mae import MAESettings
from engine.files import write_atomic
from engine.runs.checkpoints import read_checkpoint, write_checkpoint
from engine.runs.run_folder import RunFolder
from engine.training.fit import fit

TARGET = Path(__file__).parent / "pretrained"
SEEDS = (0, 1, 2)


def main(folder: Path) -> None:
    runs: list[dict[str, Any]] = []
    for place_and_time in (True, False):
        for seed in SEEDS:
            files = RunFolder(folder / f"{'with' if place_and_time else 'without'}-{seed}")
            if not files.autoencoder_scores.is_file():
                fit(RunConfig(settings=MAESettings(place_and_time=place_and_time), seed=seed), files.path)
            kept = read_checkpoint(files.autoencoder)
            assert kept is not None
            runs.append({"seed": seed, "place_and_time": place_and_time, **kept.metadata["scores"]})
            if place_and_time and seed == SEEDS[0]:
                halves = {name: array.astype(np.float16) for name, array in kept.arrays.items()}
                write_checkpoint(TARGET / "mae-chips.safetensors", halves, kept.metadata)
    (TARGET / "mae-chips.json").unlink()  # the metadata stand in the file itself
    write_atomic(TARGET / "mae-seeds.json", json.dumps({"runs": runs}, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("mae-runs"))
