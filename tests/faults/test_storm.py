"""The storm of kills in short, over every task; the long one behind ``-m long``. Its tally can be resumed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.storm import Tally, storm


def test_a_storm_goes_on_where_it_was_stopped(tmp_path):
    path = tmp_path / "tally.json"
    first = storm(Tally.open(path), 2, ("land",))
    assert (first.lost, first.num_kills >= 2) == ([], True)
    resumed = Tally.open(path)
    assert (resumed.trials, resumed.kills) == (first.trials, first.kills)
    last = storm(resumed, first.num_kills + 2, ("land",))
    assert last.lost == []
    assert last.trials > first.trials
    assert last.num_kills >= first.num_kills + 2


def test_a_trial_with_other_results_is_lost(tmp_path):
    lost = storm(Tally(tmp_path / "tally.json"), 1, ("land",), {"land": {"land.npz": "another"}}).lost
    assert [entry["task"] for entry in lost] == ["land"] * len(lost)
    assert lost


@pytest.mark.long
def test_a_thousand_kills_over_all_tasks(tmp_path):
    """``HARMONIA_STORM_TALLY`` names a tally that is kept, so that the storm may be stopped and resumed."""
    path = Path(os.environ.get("HARMONIA_STORM_TALLY", str(tmp_path / "tally.json")))
    tally = storm(Tally.open(path), 1000)
    assert tally.lost == []
    assert tally.num_kills >= 1000
