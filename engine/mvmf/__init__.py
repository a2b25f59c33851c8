"""Mixtures of von Mises–Fisher distributions: probability densities on the sphere."""

# pyright: reportUnusedImport=false

from engine.mvmf.centre_file import CentreFile, centres_of_bytes, read_centres
from engine.mvmf.centres import (
    FOLLOWING,
    centres_near,
    centres_of_kind,
    centres_within,
    even_centres,
    hierarchy_centres,
)
from engine.mvmf.clusters import MOST_CENTRES, farthest_centres, kmeans_centres, minibatch_kmeans_centres
from engine.mvmf.fitting import MAX_LOG_KAPPA, MIN_LOG_KAPPA, Fit, concentration, fit_em, fit_gradient, fit_weights
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
from engine.mvmf.partition import DEEPEST_LEVEL, Partition, adaptive_partition, partition_centres
from engine.mvmf.regions import credible_region
from engine.mvmf.running import RunningMap
