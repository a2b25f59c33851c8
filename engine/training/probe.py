"""The task ``probe``: location encoders side by side, by what can be read from them on data that come along."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.compute import device, use_thread_policy
from engine.config.probe import ProbeSettings
from engine.data import Domain
from engine.embedding import HarmonicBasis, encode, sized_parameters
from engine.evaluation.probing import effective_resolution, embedding_measures, probe
from engine.files import write_atomic
from engine.runs.context import RunContext
from engine.sphere import LatLonGrid
from engine.typed import Floats

FORMAT = "harmonia.probe"
VERSION = 1
_FIT_STEP_DEG = 2.0


@dataclass(frozen=True)
class ProbedEncoder:
    """One embedding of a probe: ``max_degree`` of the harmonic basis, else 0; ``size``, the numbers asked for."""

    encoder: str
    max_degree: int
    size: int
    step_deg: float


def run_probe(settings: ProbeSettings, run: RunContext) -> None:
    """Probe every encoder at every size for every task, split and seed; the result is ``probe.json``.

    Its ``rows`` hold a score each, :class:`engine.evaluation.ProbeScore` without the points; its ``embeddings`` what is
    measured of each embedding whatever the task. Metrics: ``score`` of the last task read. Checkpoint: the rows
    so far, after every embedding.
    """
    use_thread_policy()
    results: dict[str, Any] = {"rows": [], "embeddings": []}
    if kept := run.restore():
        results = kept.metadata["results"]
    probed = list(probed_encoders(settings))
    for number, chosen in enumerate(probed):
        if number < len(results["embeddings"]):
            continue
        with run.repeating():
            measured, rows = probe_encoder(chosen, settings, run.seed, run)
        results["embeddings"].append(measured)
        results["rows"] += rows
        run.report({"score": rows[-1]["score"]}, (number + 1) / len(probed))
        run.checkpoint({"embeddings": np.array([number + 1])}, {"results": results})
    content = {"format": FORMAT, "version": VERSION, "settings": settings.model_dump(mode="json"), **results}
    write_atomic(run.files.probe, json.dumps(content, indent=1).encode())


def probed_encoders(settings: ProbeSettings) -> Iterator[ProbedEncoder]:
    """The embeddings of a probe; an encoder that has the same numbers at two sizes is probed once."""
    for step in settings.steps_deg:
        for name in settings.encoders:
            seen: list[Any] = []
            for size in sorted(settings.sizes):
                for degree in settings.degrees if name == "harmonic" else (0,):
                    numbers = min(size, (degree + 1) ** 2 - 1) if degree else 0
                    key = (degree, numbers) if degree else sized_parameters(name, size)
                    if key not in seen:
                        seen.append(key)
                        yield ProbedEncoder(name, degree, size, step)


def probe_encoder(
    chosen: ProbedEncoder, settings: ProbeSettings, seed: int = 0, run: RunContext | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is measured of one embedding, and a row for each task, split and seed."""
    grid = LatLonGrid.regular(chosen.step_deg)
    lat, lon = (axis.ravel() for axis in np.meshgrid(grid.lat, grid.lon, indexing="ij"))
    area = np.cos(np.deg2rad(lat))
    began = time.perf_counter()
    codes = embedding_of(chosen, lat, lon).to(device())
    seconds = time.perf_counter() - began
    resolution = effective_resolution(codes, lat, lon, area, seed)
    named = asdict(chosen) | {"num_numbers": codes.shape[1]}
    measured = named | {
        "encode_seconds": round(seconds, 4),
        "resolution_km": _finite(resolution.km),
        **{name: _finite(value) for name, value in asdict(embedding_measures(codes, lat, lon, area, seed)).items()},
    }
    rows: list[dict[str, Any]] = []
    for task in settings.tasks:
        for split in settings.splits:
            # the folds of basins and continents are the same for every seed
            for number in range(1 if split == "basin" else settings.seeds):
                if run is not None:
                    run.stop_if_asked()
                score = probe(codes, lat, lon, task, split, settings.reader, seed + number)
                rows.append(
                    named
                    | {"task": task, "split": split, "seed": seed + number, "reader": settings.reader}
                    | {"metric": score.metric, "score": round(score.score, 5), "baseline": round(score.baseline, 5)}
                    | {"latitude": round(score.latitude, 5), "nearest": round(score.nearest, 5)}
                    | {"fold_spread": round(float(np.nanstd(score.by_fold)), 5)}
                    | {"accuracy": _finite(score.accuracy), "log_loss": _finite(score.log_loss)}
                    | {"num_points": score.num_points, "read_seconds": round(score.seconds, 4)}
                )
    return measured, rows


def embedding_of(chosen: ProbedEncoder, lat: Floats, lon: Floats) -> Tensor:
    """(N, D) float64: the first components of the ocean's basis for ``harmonic``, else the encoder's numbers."""
    if chosen.encoder != "harmonic":
        parameters: dict[str, Any] = {**sized_parameters(chosen.encoder, chosen.size)}
        return encode(chosen.encoder, lat, lon, dtype=torch.float64, **parameters)
    basis = _ocean_basis(chosen.max_degree)
    codes = encode("harmonic", lat, lon, dtype=torch.float64, basis=basis, clip_sigma=3.0)
    return codes[:, : chosen.size]


@lru_cache(maxsize=4)
def _ocean_basis(max_degree: int) -> HarmonicBasis:
    """All components that the ocean determines."""
    grid, ocean = LatLonGrid.regular(_FIT_STEP_DEG), Domain("ocean")
    return HarmonicBasis.fit(grid, max_degree, (max_degree + 1) ** 2 - 1, where=ocean.mask(grid))


def _finite(value: float) -> float | None:
    """Five digits; JSON has neither NaN nor infinity."""
    return float(f"{value:.5g}") if np.isfinite(value) else None
