"""Work that takes long: what a run can do, by name."""

# pyright: reportUnusedImport=false

from engine.training.fit import fit
