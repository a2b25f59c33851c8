"""The Basis page: spherical harmonics and the components of a fitted basis on a globe."""

from explorer.pages.basis.view import build
from explorer.session import Page

PAGE = Page("basis", "Basis", "Basis functions on the sphere, for position embeddings", "globe", build)
