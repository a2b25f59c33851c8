"""Help: what each control does and what each term means, from one file of texts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_TEXTS = Path(__file__).with_name("help.json")


class Entry(BaseModel):
    """What is said of a control or a term: what it is, and where they apply formula, unit and source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    formula: str = ""
    unit: str = ""
    source: str = ""


class ControlHelp(Entry):
    """Of a control, with the keys of the terms that it is about."""

    terms: tuple[str, ...] = ()


class Term(Entry):
    """An entry of the glossary; ``synonyms`` are what it is called in the texts of the pages, which lead to it."""

    name: str
    synonyms: tuple[str, ...]


class Help(BaseModel):
    """All texts. A control is named by its label, or by ``page/label`` where pages mean different things by it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    terms: dict[str, Term]
    controls: dict[str, ControlHelp]


@cache
def help_texts() -> Help:
    """The texts of ``help.json``."""
    return Help.model_validate_json(_TEXTS.read_bytes())
