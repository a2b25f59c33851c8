"""Work that takes long: what a run can do, by name."""

from engine.training.fit import fit
