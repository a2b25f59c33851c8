"""The probe: what can be read from an embedding of places, on data that come along."""

# pyright: reportUnusedImport=false

from engine.evaluation.probe.measures import EmbeddingMeasures, Resolution, effective_resolution, embedding_measures
from engine.evaluation.probe.probe import READERS, ProbeScore, Reader, probe
from engine.evaluation.probe.splits import SPLITS, Split, folds_of
from engine.evaluation.probe.tasks import TASKS, ProbeTask, TaskValues, task_values
