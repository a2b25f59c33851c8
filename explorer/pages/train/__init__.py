"""The Train page: configure a training, launch it, watch it learn, compare it with others, sweep over choices."""

from explorer.pages.train.view import build
from explorer.session import Page

PAGE = Page("train", "Train", "Does the model beat the plain mean?", "train", build)
