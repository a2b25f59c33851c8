"""The preset ``base`` after the same samples, learned our way and the published way: how far each came.

Each learns in a process of its own, since the allocator's thresholds are read when a process starts:
``python -m tests.benchmarks.equal_samples fast|published RUN_DIR`` prints one result as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine.compute import use_thread_policy
from engine.config.model import SpatioTemporalConfig
from engine.config.run_config import RunConfig
from engine.config.sst import DemoSource, SSTSettings
from engine.training import fit
from tests.benchmarks import Row
from tests.benchmarks.spatiotemporal import FAST_ALLOCATOR, MONTHS, SIDE

EPOCHS = 4
SAMPLES = 24


def rows() -> Iterator[Row]:
    """Validation error and time after the same samples in the same order."""
    with tempfile.TemporaryDirectory(prefix="harmonia-bench-") as folder:
        naive, fast = (in_its_own_process(way, Path(folder)) for way in ("published", "fast"))
    note = f"naive: float32 with checkpointing; {EPOCHS * SAMPLES} samples of {SIDE} × {SIDE}, {MONTHS} months"
    yield Row("'base', validation error", fast["mae"], "K", naive=naive["mae"], target_ratio=1.0, note=note)
    yield Row("the same, time", fast["seconds"], "s", naive=naive["seconds"], note="with validation and preparation")


def in_its_own_process(way: str, folder: Path) -> dict[str, float]:
    """``mae`` in K and ``seconds`` of a fresh process."""
    plain = {key: value for key, value in os.environ.items() if key not in FAST_ALLOCATOR}
    home = {"HARMONIA_HOME": os.environ.get("HARMONIA_HOME", str(folder))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.equal_samples", way, str(folder / way)],
        env=plain | home | (FAST_ALLOCATOR if way == "fast" else {}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def learned(way: str, folder: Path) -> dict[str, float]:
    """Train ``base`` from the same first weights on the same samples."""
    use_thread_policy()
    settings = SSTSettings(
        source=DemoSource(step_deg=1.0, seed=0),
        model=SpatioTemporalConfig.preset("base", checkpointing=way == "published"),
        precision="bfloat16" if way == "fast" else "float32",
        window=(SIDE, SIDE),
        months=MONTHS,
        batch=1,
        epochs=EPOCHS,
        samples=SAMPLES,
    )
    fit(RunConfig(seed=0, settings=settings), folder)
    status = json.loads((folder / "status.json").read_text())
    return {"mae": status["best"], "seconds": status["seconds"]}


if __name__ == "__main__":
    print(json.dumps(learned(sys.argv[1], Path(sys.argv[2]))))
