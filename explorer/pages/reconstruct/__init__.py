"""The Reconstruct page: what was seen of a month, what a model makes of it, and how right it is."""

from explorer.pages.reconstruct.view import build
from explorer.session import Page

PAGE = Page("reconstruct", "Reconstruct", "Whole months from days with gaps, and how right they are", "whole", build)
