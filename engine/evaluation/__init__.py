"""How good estimates are: scores by stratum, calibration, spectra, the report that holds them all, and the verdict."""

# pyright: reportUnusedImport=false

from typing import TYPE_CHECKING, Any

from engine.evaluation.comparison import Comparison
from engine.evaluation.verdict import Verdict, verdict

if TYPE_CHECKING:
    from engine.evaluation.probing import ProbeScore, probe

__all__ = ["Comparison", "ProbeScore", "Verdict", "probe", "verdict"]


def __getattr__(name: str) -> Any:
    """The probe, imported when it is asked for: it needs torch."""
    if name in ("ProbeScore", "probe"):
        from engine.evaluation import probing

        return getattr(probing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
