"""Data of the Train page: forms of settings, cost, curves, snapshots and scores of runs, and sweeps."""
