"""The page Home: what this is, three ways in, what is here, recent views, and what is new."""

from explorer.pages.home.view import build
from explorer.session import Page

PAGE = Page("home", "Harmonia", "", "logo", build, is_plain=True, link="Home")
