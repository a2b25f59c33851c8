"""Work in the background that survives anything: configurations, run folders, the store and the process of a run."""

from engine.config import BasisSettings, LandSettings, RunConfig, TableSettings
from engine.runs.metrics import MetricSeries, MetricsReader
from engine.runs.record import ACTIVE, ENDED, RESUMABLE, Change, RunRecord, changes
from engine.runs.store import Run, RunStore

__all__ = [
    "ACTIVE",
    "ENDED",
    "RESUMABLE",
    "BasisSettings",
    "Change",
    "LandSettings",
    "MetricSeries",
    "MetricsReader",
    "Run",
    "RunConfig",
    "RunRecord",
    "RunStore",
    "TableSettings",
    "changes",
]
