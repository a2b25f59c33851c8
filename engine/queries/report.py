"""What a report on a training holds: verdict, scores, last maps, configuration and provenance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.config.months import span_text
from engine.config.sst import DemoSource, SSTSettings
from engine.config.sweep import SweepSettings
from engine.data.kinds import VariableKind
from engine.errors import ChoiceError, StoreError
from engine.evaluation import Verdict
from engine.evaluation.place import PlaceWorth
from engine.evaluation.reliability import Reliability
from engine.evaluation.scores import Table, over_seeds
from engine.files import read_file
from engine.queries.folds import FoldsVerdict, folds_verdict
from engine.queries.leaderboard import Leaderboard, leaderboards, source_title
from engine.queries.text import duration
from engine.queries.train.run_files import final_scores, latest_metrics, snapshot_fields, variable_of
from engine.queries.verdicts import run_place, run_reliability, run_verdict, scored_folders, validation_verdict
from engine.runs import Run, RunConfig, RunRecord, RunStore

if TYPE_CHECKING:
    import xarray as xr

_MAX_MODEL_BYTES = 4 * 2**30


_STRATA = ("surface", "class", "observations", "latitude", "coast", "month")


@dataclass(frozen=True, eq=False)
class RunReport:
    """The results of a training, or of several seeds of one, and where they come from.

    Attributes:
        record: the run as it is now, a training or a sweep.
        config: with which ``harmonia train`` makes it anew.
        num_seeds: trainings that are reported on together, which differ in their seed only.
        verdict: on the test months, or before they are scored on the validation months; None before the first
            validation. ``is_tested`` tells which.
        scores: mean absolute errors by estimate, stratum, label and metric, the mean of the seeds; empty before the
            test months are scored.
        scope: what the errors are measured against, and what they cannot tell; sentences.
        board: all models and baselines that were scored on the same months; None where there is none.
        place, reliability: what the true places are worth to the model, and whether its uncertainty is right, on the
            test months; None where that is not known.
        fields: the snapshot of the last epoch (lat, lon), the first validation month, of the best seed; None before
            the first.
        provenance: labels and values, of the best seed.
        is_synthetic: whether the source is the demo ocean.
        variable: what is reconstructed.
        folds: the verdict on all folds of a rolling origin that the run belongs to; None where it belongs to none.
    """

    record: RunRecord
    config: RunConfig
    num_seeds: int
    verdict: Verdict | None
    is_tested: bool
    scores: Table
    scope: tuple[str, ...]
    board: Leaderboard | None
    place: PlaceWorth | None
    reliability: Reliability | None
    fields: xr.Dataset | None
    provenance: list[tuple[str, str]]
    is_synthetic: bool
    variable: VariableKind
    folds: FoldsVerdict | None = None


def run_report(run: Run, store: RunStore) -> RunReport:
    """The report on a run of the task ``sst``, or on the best trial of a ``sweep`` and all its seeds.

    Raises:
        ChoiceError: the run has another task, or no trial of it has scores.
        StoreError: its files are damaged.
    """
    config, record = run.config, run.record
    if not isinstance(config.settings, SSTSettings | SweepSettings):
        remedy = "choose a run of the task 'sst' or 'sweep'"
        raise ChoiceError(f"there is no report on runs of the task {config.task!r}", run.id, remedy)
    scored = scored_folders(run.folder, config.task)
    if not scored and config.task == "sweep":
        raise ChoiceError("no trial has scores yet", run.id, "wait until the first is done, or resume the sweep")
    first = store.get(scored[0].name) if scored else run
    settings = first.config.settings
    assert isinstance(settings, SSTSettings)
    on_test, variable = run_verdict(run.folder, config.task), variable_of(first.folder)
    epochs = first.files.snapshot_epochs()
    tables = [final_scores(folder) for folder in scored]
    return RunReport(
        record,
        config,
        max(1, len(scored)),
        on_test or validation_verdict(latest_metrics(first.folder), variable),
        on_test is not None,
        over_seeds([_strata(table) for table in tables]) if tables else {},
        scope_of(tables[0], variable) if tables else (),
        _board(store, first.id),
        run_place(run.folder, config.task),
        run_reliability(run.folder, config.task),
        snapshot_fields(first.folder, epochs[-1]) if epochs else None,
        _provenance(first, [folder.name for folder in scored], settings, variable),
        isinstance(settings.source, DemoSource),
        variable,
        folds_verdict(run),
    )


def scope_of(scores: Mapping[str, Any], variable: VariableKind) -> tuple[str, ...]:
    """What the errors in ``scores.json`` are measured against, and what they cannot tell; a sentence each."""
    if "observed" in scores["model"].get("class", {}):
        return ("Errors are measured against the true monthly means, which this source knows.",)
    return (
        "This source does not know the true monthly means. Errors are measured in cells whose observations of the month"
        " were withheld, under clouds of other days, against the mean of what was withheld.",
        "They compare model and baselines on the same cells fairly. They are larger than errors against the truth: the"
        " withheld observations have errors of their own and see few days of the month.",
        f"They cannot tell the error of the {variable.place} where observations remain, nor where it was never observed"
        " (under persistent cloud, say), nor a bias that all observations share.",
    )


def _strata(scores: Mapping[str, Any]) -> Table:
    return {name: {key: table[key] for key in _STRATA if key in table} for name, table in scores.items()}


def _board(store: RunStore, run: str) -> Leaderboard | None:
    boards = leaderboards(store)
    return next((board for board in boards if any(run in entry.runs for entry in board.entries)), None)


def _provenance(run: Run, runs: Sequence[str], settings: SSTSettings, variable: VariableKind) -> list[tuple[str, str]]:
    from engine.runs.checkpoints import read_checkpoint
    from engine.training.sst.model_bundle import load_model

    record = run.record
    kept = read_checkpoint(run.files.model)
    metadata: dict[str, Any] = {} if kept is None else kept.metadata
    trained: dict[str, Any] = metadata.get("scores", {})
    named = source_title(settings.source)
    values = {
        "Run": record.id,
        "Seeds together": ", ".join(runs) if len(runs) > 1 else "",
        "State": record.state,
        "Created": _moment(record.created),
        "Ended": "" if record.ended is None else _moment(record.ended),
        "Run time": duration(record.seconds),
        "Source": f"{trained['data_name']} ({named})" if "data_name" in trained else named,
        "Variable": f"{variable.title}, {variable.unit}",
        "Key of the source": str(trained.get("data_key", "")),
        "Understood as": str(trained.get("data_understood", "")),
        "Decided by hand": str(trained.get("data_decided", "")),
        "Trained on": span_text(settings.train),
        "Validated on": span_text(settings.validation),
        "Tested on": span_text(settings.test),
        "Withheld share of the observed cell-months": f"{100 * settings.withheld_fraction:g} %",
        "Seed": str(run.config.seed),
        "Hash of model, climatology and baselines": "" if kept is None else load_model(run.folder).key,
        "Model file, SHA-256": _digest(run.files.model),
        "Baselines file, SHA-256": _digest(run.files.baselines),
        "Scores, SHA-256": _digest(run.files.scores),
        "Trained with Harmonia": str(metadata.get("code_version", "")),
        "Report by Harmonia": version("harmonia-explorer"),
    }
    return [(label, value) for label, value in values.items() if value]


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _digest(path: Path) -> str:
    """SHA-256 of a file; empty where there is none."""
    try:
        return hashlib.sha256(read_file(path, _MAX_MODEL_BYTES)).hexdigest()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StoreError("the file cannot be read", str(path), "restore it from a copy") from error
