"""The CF test of IOOS' compliance checker, on files."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _suite() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from compliance_checker.runner import CheckSuite

        CheckSuite.load_all_available_checkers()
    return CheckSuite()


def cf_faults(path: Path) -> list[str]:
    """What the checker finds wrong with a NetCDF file, of every weight; empty for a clean one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        suite = _suite()
        dataset = suite.load_dataset(str(path))
        try:
            groups, errors = suite.run_all(dataset, ["cf:1.11"])["cf:1.11"]
        finally:
            dataset.close()
    assert groups, "nothing was checked"
    failed = [f"{name}: {error}" for name, error in errors.items()]
    # a group that has all of its points may still name what it looked at
    return failed + [f"{group.name}: {text}" for group in groups if not _is_full(group) for text in _texts(group)]


def _is_full(group: Any) -> bool:
    points, most = group.value
    return points == most


def _texts(group: Any) -> list[str]:
    return [*group.msgs, *(text for child in group.children for text in _texts(child))]
