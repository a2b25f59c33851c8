"""How good estimates are: scores by stratum, calibration, spectra, the report that holds them all, and the verdict."""

# pyright: reportUnusedImport=false

from engine.evaluation.comparison import Comparison
from engine.evaluation.probing import ProbeScore, probe
from engine.evaluation.verdict import Verdict, verdict
