"""The verdicts on runs in a few words, for lists of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from engine.errors import StoreError
from engine.evaluation import Verdict
from engine.queries.cache import Progress
from engine.queries.ocean import SST, VariableKind
from engine.queries.train.run_files import latest_metrics
from engine.queries.verdicts import run_variable, run_verdict, validation_verdict
from engine.runs import RunRecord
from explorer.registry import REGISTRY

#: Headline of the verdict and its level, empty while there is none, and the unit of the run's errors.
Badge = tuple[str, str, str]


def badge(
    record: RunRecord, last: Mapping[str, float], on_test: Verdict | None, variable: VariableKind = SST
) -> tuple[str, str]:
    """The headline of the verdict on a run and its level; empty while there is none."""
    if on_test is not None:
        return on_test.headline, on_test.level
    so_far = validation_verdict(last, variable) if record.task == "sst" else None
    return ("", "") if so_far is None else (f"{so_far.headline}, validation", so_far.level)


def badges(records: Sequence[RunRecord], progress: Progress) -> dict[str, Badge]:
    """The badges of the runs that have one, by id. It reads their files, so it is called off the event loop."""
    known: dict[str, Badge] = {}
    for record in records:
        progress(len(known) / len(records), "Reading the verdicts")
        folder = REGISTRY.store.folder(record.id)
        with suppress(StoreError):  # the run's own page shows the error
            variable, on_test = run_variable(folder, record.task), run_verdict(folder, record.task)
            label, level = badge(record, latest_metrics(folder), on_test, variable)
            known[record.id] = label, level, variable.error_symbol
    return known
