"""How good estimates are: scores by stratum, calibration, spectra, and the report that holds them all."""
