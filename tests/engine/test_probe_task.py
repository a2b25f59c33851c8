"""The task ``probe``: its rows are the probe's scores, and it goes on where it stopped."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.config import RunConfig
from engine.config.probe import ProbeSettings
from engine.errors import CancelledError, ConfigError
from engine.evaluation.probing import probe
from engine.sphere import LatLonGrid
from engine.training.probe import ProbedEncoder, embedding_of, probed_encoders, run_probe
from tests.support.trainings import context

SMALL = ProbeSettings(
    encoders=("harmonic", "direct", "rff"), sizes=(4, 9), degrees=(2, 3), tasks=("sst", "land"), splits=("blocks",),
    steps_deg=(10.0,), seeds=2,
)  # fmt: skip


def test_the_rows_are_the_scores_of_the_probe_and_a_stopped_run_ends_alike(tmp_path) -> None:
    folders = [tmp_path / name for name in ("whole", "stopped")]
    for folder in folders:
        folder.mkdir()
    run = context(folders[0], SMALL)
    run_probe(SMALL, run)
    result = json.loads(run.files.probe.read_text())
    probed = list(probed_encoders(SMALL))
    # two degrees of two sizes, of which degree 2 has 8 components; one size of 'direct'; two of 'rff'
    assert [(known.encoder, known.max_degree, known.size) for known in probed] == [
        ("harmonic", 2, 4), ("harmonic", 3, 4), ("harmonic", 2, 9), ("harmonic", 3, 9),
        ("direct", 0, 4), ("rff", 0, 4), ("rff", 0, 9),
    ]  # fmt: skip
    assert len(result["embeddings"]) == 7
    assert len(result["rows"]) == 7 * 2 * 2
    grid = LatLonGrid.regular(10.0)
    lat, lon = (axis.ravel() for axis in np.meshgrid(grid.lat, grid.lon, indexing="ij"))
    row = next(row for row in result["rows"] if (row["encoder"], row["size"], row["task"]) == ("rff", 9, "sst"))
    score = probe(embedding_of(ProbedEncoder("rff", 0, 9, 10.0), lat, lon), lat, lon, "sst", "blocks", seed=row["seed"])
    assert row["score"] == pytest.approx(score.score, abs=1e-4)
    assert (row["baseline"], row["num_numbers"]) == (pytest.approx(score.baseline, abs=1e-4), 9)

    run = context(folders[1], SMALL)
    checkpoint = run.checkpoint

    def stopped(arrays, metadata):
        checkpoint(arrays, metadata)
        if len(metadata["results"]["embeddings"]) == 3:
            raise CancelledError("stop", "test", "go on")

    run.checkpoint = stopped
    with pytest.raises(CancelledError):
        run_probe(SMALL, run)
    again = context(folders[1], SMALL)
    run_probe(SMALL, again)
    keys = ("encoder", "size", "task", "seed", "score", "baseline")
    scores = [[tuple(row[key] for key in keys) for row in rows["rows"]] for rows in (
        result, json.loads(again.files.probe.read_text()))]  # fmt: skip
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoders": ["table"]}, "'table' has no numbers before it is trained"),
        ({"encoders": []}, "encoders"),
        ({"tasks": ["ice"]}, "tasks.0"),
        ({"steps_deg": [0.7]}, "180° must be a whole number of steps"),
    ],
)
def test_probes_that_cannot_be_are_refused_with_their_field(changes, message) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.checked({"settings": {"task": "probe"} | changes})
    assert message in str(caught.value)
