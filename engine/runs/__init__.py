"""Runs in the background: their folders, the store, and the process of a run."""

# pyright: reportUnusedImport=false

from engine.config import BasisSettings, LandSettings, RunConfig, TableSettings
from engine.runs.metrics import MetricsReader
from engine.runs.record import ACTIVE, ENDED, RESUMABLE, Change, RunRecord, changes
from engine.runs.run import Run
from engine.runs.store import RunStore
