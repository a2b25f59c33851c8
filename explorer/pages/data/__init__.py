"""The Data page: a source of SST, its days, gaps and values."""

from explorer.pages.data.view import build
from explorer.session import Page

PAGE = Page("data", "Data", "Day by day: observations and gaps", "ocean", build, has_source=True)
