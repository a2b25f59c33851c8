"""Results of probes on the Embeddings page: the runs to choose from, and one that sweeps L, K and encoders."""

from __future__ import annotations

from engine.queries import embeddings
from engine.queries.embeddings import ProbeResult
from engine.runs import RunRecord
from explorer.pages.embeddings.model import SHIPPED, EmbeddingsModel
from explorer.registry import REGISTRY
from explorer.run_card import Offer

_INVITATION = (
    "Read this from every encoder at K from 8 to 128, and L of 6, 10 and 14. It runs in the background, some minutes, "
    "and continues after you close the browser."
)


def options(model: EmbeddingsModel) -> dict[str, str]:
    """Whose scores can be shown, ``{label: value}``; the latest run first."""
    runs = {f"{record.name or 'Probe'}, {record.id[:13]}": record.id for record in _probes()}
    unknown = model.result not in ("", SHIPPED, *runs.values())
    return {
        "This choice, at once": "",
        "Sweep that comes along": SHIPPED,
        **runs,
        **({"Unknown run": model.result} if unknown else {}),
    }


def offer(model: EmbeddingsModel) -> Offer:
    """The sweep of the task and split on screen."""
    config = embeddings.sweep_config(model.encoder, model.task, model.split, model.step_deg)
    return Offer(config, f"Probe sweep, {model.task}, {model.split}", _INVITATION)


def read(result: str) -> ProbeResult:
    """The scores of the sweep that comes along, or of a run. Raises an :class:`EngineError` where there are none."""
    return embeddings.shipped_probe() if result == SHIPPED else embeddings.read_run(result)


def _probes() -> list[RunRecord]:
    """Finished probes, latest first."""
    probes = [record for record in REGISTRY.records.values() if record.task == "probe" and record.state == "done"]
    return sorted(probes, key=lambda record: record.created, reverse=True)
