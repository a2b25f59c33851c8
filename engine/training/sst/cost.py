"""Two steps of a training on made-up numbers; ``python -m engine.training.sst.cost < CONFIG.json`` prints their cost.

A process of its own, so that its memory can be measured and it can be ended at any moment.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.compute import use_thread_policy
from engine.config.run_config import RunConfig
from engine.config.sst import SSTSettings
from engine.models import encoder_config
from engine.training.ddp import single_fabric
from engine.training.sst.module import SSTModule
from engine.training.sst.samples import Batch

_DAYS = 31
_MISSING = 0.6
_SIZES = ("VmHWM", "RssAnon", "RssFile", "RssShmem")


def main() -> None:
    """Measure the configuration on standard input and print one JSON object: see :class:`engine.queries.DryRun`."""
    settings = RunConfig.from_json(sys.stdin.buffer.read(), "standard input").settings
    assert isinstance(settings, SSTSettings)
    print(json.dumps(measure(settings)), flush=True)  # noqa: T201


def measure(settings: SSTSettings) -> dict[str, float]:
    """Seconds of a step (the second of two), parameters, and bytes of memory of its own the process grew by at its
    peak, on one process.

    Pages of files, those of the libraries, do not count: the system drops and reads them again as memory is short or
    not, and what the imports took at their peak would hide a part of the step.
    """
    use_thread_policy()
    alone = settings.model_copy(update={"devices": 1, "nodes": 1})
    before = _own_bytes()
    fabric = single_fabric(alone)
    module = SSTModule(alone, fabric, 0, 2)
    batches = [_batch(alone, fabric.device) for _ in range(settings.accumulate)]
    module.training_step(batches)  # creates the optimiser's moments, so that the second step is the largest
    _forget_peak()
    began = time.perf_counter()
    module.training_step(batches)  # its loss is read, so that a GPU has finished
    seconds = time.perf_counter() - began
    memory = _own_bytes(peak=True) - before
    if fabric.device.type == "cuda":
        memory = torch.cuda.max_memory_allocated(fabric.device)
    parameters = sum(parameter.numel() for parameter in module.model.parameters())
    return {"num_parameters": parameters, "memory_bytes": memory, "seconds_per_step": seconds}


def _batch(settings: SSTSettings, device: torch.device) -> Batch:
    """A batch of the shape that the settings ask for."""
    rng = np.random.default_rng(0)
    (height, width), months = settings.window, settings.months
    num_patches = math.prod(size // side for size, side in zip(settings.window, settings.model.patch[1:], strict=True))
    num_features = encoder_config(settings.model).num_features
    sample: dict[str, Any] = {
        "daily": rng.standard_normal((1, months, _DAYS, height, width), np.float32),
        "missing": rng.random((1, months, _DAYS, height, width)) < _MISSING,
        "land": np.zeros((height, width), bool),
        "padded": np.zeros((months, _DAYS), bool),
        "phases": np.zeros((months, _DAYS, 3), np.float32),
        "lonlat": rng.uniform(-80.0, 80.0, (num_patches, 2)).astype(np.float32),
        "baseline": np.zeros((months, height, width), np.float32),
        "target": rng.standard_normal((months, height, width), np.float32),
        "weight": np.ones((months, height, width), np.float32),
    }
    if num_features:
        sample["features"] = rng.standard_normal((num_patches, num_features), np.float32)
    return Batch.of([sample] * settings.batch, device)


def _forget_peak() -> None:
    """Let the peak of this process start anew, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _own_bytes(*, peak: bool = False) -> int:
    """The memory of this process without pages of files, now or at its peak; not on Linux: all, at its peak."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        kib = {
            name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if name in _SIZES
        }
        return 1024 * (kib["VmHWM"] - kib["RssFile"] - kib["RssShmem"] if peak else kib["RssAnon"])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
