"""The MvMF page: where was this seen? A belief on the sphere, built by hand or held by a trained expert."""

from explorer.pages.mvmf.view import build
from explorer.session import Page

PAGE = Page("mvmf", "MvMF", "Where was this seen? A belief on the globe, and how sure it is", "belief", build)
