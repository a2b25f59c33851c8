"""The Tokens page: what the tokens of a trained model have in common, what they depend on, what averaging keeps."""

from explorer.pages.tokens.view import build
from explorer.session import Page

PAGE = Page("tokens", "Tokens", "What does a token of a trained model know?", "tokens", build)
