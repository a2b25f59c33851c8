"""What runs are called on screen: by their task, and by when they were created."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.runs import RunRecord

TASK_NAMES = {
    "sst": "Reconstruction",
    "sweep": "Sweep of reconstructions",
    "table": "Learned table",
    "expert": "Geographic expert",
    "basis": "Harmonic basis",
    "probe": "Probe of location encoders",
    "mae": "Masked autoencoder of chips",
    "centres": "Comparison of centres",
    "land": "Land mask",
    "reconstruct": "Reconstruction of an archive",
}
"""By the names of configurations; "sst" learns any gappy daily variable."""


def task_name(task: str | None) -> str:
    """The name of a task; that of a run whose record cannot be read is "Run"."""
    return TASK_NAMES.get(task or "", task or "Run")


def created_text(record: RunRecord, seconds: bool = False) -> str:
    """When a run was created, ``30 Nov 2026, 21:10 UTC``; empty where that is not known.

    ``seconds`` tell runs apart that have the same name.
    """
    if not record.created:
        return ""
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%-d %b %Y, %H:%M}{f'{moment::%S}' if seconds else ''} UTC"
