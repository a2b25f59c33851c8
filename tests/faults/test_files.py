"""Damaged files of every format end in a sentence or open; none is another error, takes much memory, or hangs."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.damaged_files import KINDS
from tests.support.workers import PATIENCE_S

ALLOWED_MB = 300
"""Memory that one file may take here."""

SLACK_MB = 150
"""What a process grows by beside the file: libraries that are imported when they are first needed."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from Linux's /proc")
@pytest.mark.parametrize(
    ("first", "stop"),
    [(0, 2 * len(KINDS)), *(pytest.param(n, n + 50, marks=pytest.mark.long) for n in range(1000, 1300, 50))],
)
def test_damaged_files_end_in_a_sentence_or_open(tmp_path, first, stop):
    environment = os.environ | {
        "HARMONIA_HOME": str(tmp_path / "home"), "HARMONIA_DATA": str(tmp_path), "HARMONIA_FILE_MB": str(ALLOWED_MB),
        "HARMONIA_CACHE_MB": "8",
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.faults.damaged_files", str(tmp_path), str(first), str(stop)]
    outcomes = []
    with (
        open(tmp_path / "stderr.txt", "wb") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=Path(__file__).parents[2]
        ) as process,
    ):
        try:
            for _ in range(first, stop):
                file, end = next_line(process), next_line(process)
                assert end, f"{file} ended the process: {(tmp_path / 'stderr.txt').read_text()[-2000:]}"
                assert end["outcome"] != "error", f"{file}\n{end['text']}"
                assert end["outcome"] == "opened" or "Remedy: " in end["text"], f"{file}\n{end['text']}"
                assert end["grown"] < (ALLOWED_MB + SLACK_MB) * 2**20, f"{file} took {end['grown'] / 2**20:.0f} MB"
                outcomes.append(end["outcome"])
        finally:
            process.kill()
    assert outcomes.count("refused") > len(outcomes) / 3  # the damage is real


def next_line(process: subprocess.Popen[bytes]) -> dict:
    """The next line, {} where the process has ended; fails where neither comes."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
    assert ready, "a file neither opens nor is refused"
    line = process.stdout.readline()
    return json.loads(line) if line else {}
