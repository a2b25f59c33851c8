"""One training step of the spatio-temporal model against that of the published sizes trained the published way.

Each is measured in a process of its own, since the allocator's thresholds are read when a process starts:
``python -m tests.benchmarks.spatiotemporal PRESET fast|published`` prints one measurement as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import torch

from engine.compute import cores
from engine.models import SpatioTemporalConfig, SpatioTemporalModel, estimate
from tests.benchmarks import Row, clear_peak, peak_mb
from tests.support.windows import window_of

SIDE = 80
MONTHS = 12
STEPS = 2
FAST_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592"}


def rows() -> Iterator[Row]:
    """Step and peak memory of the published sizes and of ours, and the estimated memory."""
    published = in_its_own_process("base", "published")
    for name, least in (("base", 3.0), ("tiny", 3.0), ("small", None)):
        fast = in_its_own_process(name, "fast")
        yield Row(
            f"training step, '{name}', {SIDE} × {SIDE}, {MONTHS} months, batch 1",
            fast["seconds"],
            "s",
            naive=published["seconds"],
            target_ratio=least,
            note=f"naive: 'base' in float32 with checkpointing; {cores()} threads",
        )
        yield Row("the same, memory above base", fast["peak_mb"], "MB", naive=published["peak_mb"], target_ratio=1.0)
        estimated_mb = estimate(SpatioTemporalConfig.preset(name), (SIDE, SIDE), MONTHS).memory_bytes / 1e6
        yield Row(
            "the same, estimate beside it (1 ± 0.25)",
            estimated_mb,
            "MB",
            naive=fast["peak_mb"],
            note="ratio: measured / estimated",
        )


def in_its_own_process(name: str, way: str) -> dict[str, float]:
    """Seconds a step and peak MB of a fresh process."""
    plain = {key: value for key, value in os.environ.items() if key not in FAST_ALLOCATOR}
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.spatiotemporal", name, way],
        env=plain | (FAST_ALLOCATOR if way == "fast" else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def measured(name: str, way: str) -> dict[str, float]:
    """The faster of two steps after one that warms up, and the peak of memory above what libraries hold."""
    torch.set_num_threads(cores())
    config = SpatioTemporalConfig.preset(name, checkpointing=way == "published")
    train(config, 8, 1, way, 1)
    clear_peak()
    before = psutil.Process().memory_info().rss / 1e6
    seconds = train(config, SIDE, MONTHS, way, 1 + STEPS)
    return {"seconds": seconds, "peak_mb": peak_mb() - before}


def train(config: SpatioTemporalConfig, side: int, months: int, way: str, steps: int) -> float:
    """Seconds of the fastest of ``steps`` training steps, the first left out where there are more."""
    torch.manual_seed(0)
    model = SpatioTemporalModel(config).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    window = window_of(config, months=months, rows=side, columns=side)
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=way == "fast"):
            monthly = model(**window)
        (monthly - 15.0).abs().mean().backward()
        optimiser.step()
        times.append(time.perf_counter() - start)
    return min(times[1:] or times)


if __name__ == "__main__":
    print(json.dumps(measured(*sys.argv[1:])))
