"""What tokens have in common, and what they depend on: cosines, spread, pooling, search, receptive fields, context."""

# pyright: reportUnusedImport=false

from engine.similarity.context import context_drop
from engine.similarity.cosine import cosine_matrix, similarity_map
from engine.similarity.pairs import PairSample, pair_histogram, sample_pairs
from engine.similarity.pooling import pooled
from engine.similarity.receptive_field import influence_radius_km, receptive_field
from engine.similarity.search import TokenSearch
from engine.similarity.spread import Spread, effective_rank, spread_of
from engine.similarity.whitening import ledoit_wolf_shrinkage, whiten
