"""The Geolocation page: a mixture of von Mises-Fisher distributions, built by hand or predicted by an expert."""

from explorer.pages.mvmf.view import build
from explorer.session import Page

PAGE = Page("mvmf", "Geolocation", "Probability maps of the place where a picture was taken", "belief", build)
