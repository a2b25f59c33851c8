"""The Basis page: every basis function on a globe, and what a fitted basis is made of."""

from explorer.pages.basis.view import build
from explorer.session import Page

PAGE = Page("basis", "Basis", "Functions on the sphere that tell a model where it is", "globe", build)
