"""What the tasks of runs are called on screen."""

TASK_NAMES = {
    "sst": "Reconstruction",
    "sweep": "Sweep of reconstructions",
    "table": "Learned table",
    "expert": "Geographic expert",
    "basis": "Harmonic basis",
    "probe": "Probe of location encoders",
    "land": "Land mask",
    "reconstruct": "Reconstruction of an archive",
}
"""By the names of configurations; "sst" learns any gappy daily variable."""


def task_name(task: str | None) -> str:
    """The name of a task; that of a run whose record cannot be read is "Run"."""
    return TASK_NAMES.get(task or "", task or "Run")
