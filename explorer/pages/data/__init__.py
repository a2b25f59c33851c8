"""The Data page: which ocean is looked at, what of it was understood, what was seen and what was not."""

from explorer.pages.data.view import build
from explorer.session import Page

PAGE = Page("data", "Data", "The ocean day by day: what was seen, and what was not", "ocean", build)
