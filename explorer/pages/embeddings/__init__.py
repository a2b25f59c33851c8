"""The Embeddings page: what a patch embedding knows of its place and size, and how similar places are."""

from explorer.pages.embeddings.view import build
from explorer.session import Page

PAGE = Page("embeddings", "Embeddings", "What a patch knows of its place and size", "patches", build)
