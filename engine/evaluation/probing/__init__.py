"""The probe: what can be read from an embedding of places, on data that come along."""

# pyright: reportUnusedImport=false

from engine.evaluation.probing.measures import EmbeddingMeasures, Resolution, effective_resolution, embedding_measures
from engine.evaluation.probing.probe import READERS, ProbeScore, Reader, probe
from engine.evaluation.probing.splits import SPLITS, Split, folds_of
from engine.evaluation.probing.tasks import TASKS, ProbeTask, TaskValues, task_values
