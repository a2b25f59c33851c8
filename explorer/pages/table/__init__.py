"""The Table page: a spatial table learns a field from a sample of its points, in the background, before one's eyes."""

from explorer.pages.table.view import build
from explorer.session import Page

PAGE = Page("table", "Table", "A spatial table learns a field from a sample of its points", "table", build)
