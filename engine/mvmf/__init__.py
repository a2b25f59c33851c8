"""Mixtures of von Mises–Fisher distributions: probability densities on the sphere."""

# pyright: reportUnusedImport=false

from engine.mvmf.centre_file import CentreFile, centres_of_bytes, read_centres
from engine.mvmf.centres import (
    MOST_CENTRES,
    centres_near,
    centres_of_kind,
    centres_within,
    even_centres,
    hierarchy_centres,
    kmeans_centres,
)
from engine.mvmf.fitting import Fit, concentration, fit_em, fit_gradient
from engine.mvmf.loss import (
    GeographicLoss,
    LossTerms,
    coarse_log_probabilities,
    decode_coordinates,
    decode_date,
    encode_coordinates,
    encode_date,
)
from engine.mvmf.mixture import MAX_KAPPA, MIN_KAPPA, MixtureVMF, log_normaliser
from engine.mvmf.regions import credible_region
from engine.mvmf.running import RunningMap
