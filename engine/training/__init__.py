"""Work that takes long: what a run can do, by name."""
