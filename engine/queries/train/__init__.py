"""Numbers of the Train page: forms of settings, costs, curves of runs, and what sweeps found."""
