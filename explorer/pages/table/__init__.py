"""The Learned table page: a spatial table learns a field from a sample of its points, in the background."""

from explorer.pages.table.view import build
from explorer.session import Page

PAGE = Page("table", "Learned table", "A table of vectors learns a field from a sample of its points", "table", build)
