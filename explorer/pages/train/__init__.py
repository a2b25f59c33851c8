"""The Train page: configure, launch and watch trainings, compare runs, search hyperparameters."""

from explorer.pages.train.view import build
from explorer.session import Page

PAGE = Page("train", "Train", "Is the model better than the best baseline?", "train", build, has_source=True)
