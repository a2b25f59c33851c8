"""The Reconstruct page: the observations of a month, a model's reconstruction, and its error."""

from explorer.pages.reconstruct.view import build
from explorer.session import Page

PAGE = Page(
    "reconstruct", "Reconstruct", "Monthly means from days with gaps, and their error", "whole", build, has_source=True
)
