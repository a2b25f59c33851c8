"""Which observations count where a file grades them: the choice itself, apart from what carries it out."""

from __future__ import annotations

from typing import Literal

from engine.errors import ChoiceError

Quality = Literal["good", "all"] | int
"""The observations that count: those of good quality, all, or those of a level or a better one."""


def check_quality(quality: object) -> None:
    """Refuse what is no :data:`Quality` at all."""
    is_level = isinstance(quality, int) and not isinstance(quality, bool) and quality >= 0
    if quality not in ("good", "all") and not is_level:
        raise ChoiceError(f"{quality!r} is no choice of quality", "quality", "choose 'good', 'all', or a level")


def quality_of(text: str) -> Quality:
    """The choice that an address or a command line spells: ``good``, ``all``, or a whole number.

    Raises :class:`ChoiceError` for anything else.
    """
    # digits of other scripts are no numbers to everybody
    quality = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else text
    check_quality(quality)
    return quality  # pyright: ignore[reportReturnType] (checked)
