"""The task ``sst``: a spatio-temporal model learns to reconstruct months from days with gaps."""
