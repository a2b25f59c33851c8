"""The memory meter of the benchmarks: a row is that of its own work, whatever ran before it."""

import sys

import numpy as np
import pytest

from tests.benchmarks import clear_peak, peak_mb, peak_mb_above_base

_BLOCK_MB = 60


def hold(megabytes: int = _BLOCK_MB) -> float:
    """Allocate, touch and give back."""
    return float(np.ones(megabytes * 10**6 // 8).sum())


def nothing() -> None:
    """What runs first in the fresh process."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can forget a peak")
def test_a_row_does_not_depend_on_what_ran_before() -> None:
    clear_peak()
    before = peak_mb()
    hold(10 * _BLOCK_MB)
    assert peak_mb() > before + 9 * _BLOCK_MB
    # a fresh process begins with this one's peak in the books of getrusage
    assert peak_mb_above_base(hold, warm=nothing) == pytest.approx(_BLOCK_MB, abs=0.2 * _BLOCK_MB)
    clear_peak()
    assert peak_mb() < before + 2 * _BLOCK_MB
