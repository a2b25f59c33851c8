"""Embeddings of place: a basis of spherical-harmonic components fitted over a part of the sphere."""

from engine.embedding.basis import MAX_MASKED_DEGREE, HarmonicBasis
from engine.embedding.passport import agreement

__all__ = ["MAX_MASKED_DEGREE", "HarmonicBasis", "agreement"]
