"""The Embeddings page: position and scale embeddings of patches, and the similarity of places."""

from explorer.pages.embeddings.view import build
from explorer.session import Page

PAGE = Page("embeddings", "Embeddings", "Position and scale embeddings of patches", "patches", build)
