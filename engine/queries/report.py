"""What a report on a training holds: verdict, scores, last maps, configuration and provenance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.config.months import span_text
from engine.config.sst import DemoSource, SSTSettings
from engine.data.kinds import VariableKind
from engine.errors import ChoiceError, StoreError
from engine.evaluation import Verdict
from engine.evaluation.place import PlaceWorth
from engine.evaluation.reliability import Reliability
from engine.files import read_file
from engine.provenance import shared_path
from engine.queries.text import duration
from engine.queries.train.run_files import final_scores, latest_metrics, snapshot_fields, variable_of
from engine.queries.verdicts import run_place, run_reliability, run_verdict, validation_verdict
from engine.runs import Run, RunConfig, RunRecord

if TYPE_CHECKING:
    import xarray as xr

_MAX_MODEL_BYTES = 4 * 2**30


@dataclass(frozen=True, eq=False)
class RunReport:
    """The results of a training, and where they come from.

    Attributes:
        record: the run as it is now.
        config: with which ``harmonia train`` makes it anew.
        verdict: on the test years, or before they are scored on the validation years; None before the first
            validation. ``is_tested`` tells which.
        scores: content of ``scores.json``; empty before the test years are scored.
        fields: the snapshot of the last epoch (lat, lon), the first validation month; None before the first.
        provenance: labels and values.
        is_synthetic: whether the source is the demo ocean.
        variable: what is reconstructed.
        place, reliability: what the true places are worth to the model, and whether its uncertainty is right, on the
            test years; None where that is not known.
    """

    record: RunRecord
    config: RunConfig
    verdict: Verdict | None
    is_tested: bool
    scores: dict[str, Any]
    fields: xr.Dataset | None
    provenance: list[tuple[str, str]]
    is_synthetic: bool
    variable: VariableKind
    place: PlaceWorth | None
    reliability: Reliability | None


def run_report(run: Run) -> RunReport:
    """The report on a run of the task ``sst``.

    Raises:
        ChoiceError: the run has another task.
        StoreError: its files are damaged.
    """
    config, record = run.config, run.record
    if not isinstance(config.settings, SSTSettings):
        remedy = "choose one of its trials" if config.task == "sweep" else "choose a run of the task 'sst'"
        raise ChoiceError(f"there is no report on runs of the task {config.task!r}", run.id, remedy)
    on_test, variable = run_verdict(run.folder, config.task), variable_of(run.folder)
    epochs = run.files.snapshot_epochs()
    return RunReport(
        record,
        config,
        on_test or validation_verdict(latest_metrics(run.folder), variable),
        on_test is not None,
        final_scores(run.folder),
        snapshot_fields(run.folder, epochs[-1]) if epochs else None,
        _provenance(run, record, config, config.settings, variable),
        isinstance(config.settings.source, DemoSource),
        variable,
        run_place(run.folder, config.task),
        run_reliability(run.folder, config.task),
    )


def _provenance(
    run: Run, record: RunRecord, config: RunConfig, settings: SSTSettings, variable: VariableKind
) -> list[tuple[str, str]]:
    from engine.runs.checkpoints import read_checkpoint
    from engine.training.sst.model_bundle import load_model

    kept = read_checkpoint(run.files.model)
    metadata: dict[str, Any] = {} if kept is None else kept.metadata
    trained: dict[str, Any] = metadata.get("scores", {})
    source = settings.source
    named = (
        f"demo ocean, {source.step_deg:g}°, seed {source.seed}"
        if isinstance(source, DemoSource)
        else shared_path(source.path)
    )
    values = {
        "Run": record.id,
        "State": record.state,
        "Created": _moment(record.created),
        "Ended": "" if record.ended is None else _moment(record.ended),
        "Run time": duration(record.seconds),
        "Source": f"{trained.get('data_name', named)} ({named})",
        "Variable": f"{variable.title}, {variable.unit}",
        "Key of the source": str(trained.get("data_key", "")),
        "Understood as": str(trained.get("data_understood", "")),
        "Decided by hand": str(trained.get("data_decided", "")),
        "Trained on": span_text(settings.train),
        "Validated on": span_text(settings.validation),
        "Tested on": span_text(settings.test),
        "Withheld share of the observed cell-months": f"{100 * settings.withheld_fraction:g} %",
        "Seed": str(config.seed),
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
