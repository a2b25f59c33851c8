"""Cosine similarity of tokens: matrices, maps, and against distance."""

# pyright: reportUnusedImport=false

from engine.similarity.cosine import cosine_matrix, similarity_map
from engine.similarity.pairs import PairSample, pair_histogram, sample_pairs
