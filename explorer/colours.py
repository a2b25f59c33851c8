"""How quantities are coloured where a person chose otherwise than the page, and how the address holds it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from engine.errors import ChoiceError

SEQUENTIAL = ("thermal", "haline", "deep", "dense", "amp", "ice", "algae", "matter", "gray")
DIVERGING = ("balance", "diff", "delta")
"""Palettes of cmocean that are told apart without seeing red and green."""

ALL, VIEW, TYPED = "all", "view", "typed"
"""Where the ends of a scale come from: what the page takes for all its maps, the map on screen, or typed."""

_NAME = re.compile(r"\w{1,30}")
_MOST_SCALES = 12


@dataclass(frozen=True)
class ColourChoice:
    """How a quantity is coloured, where a person chose otherwise than the page.

    Raises:
        ChoiceError: The typed ends are no numbers, or the first is not below the last.
    """

    range: str = ALL
    low: float = 0.0
    high: float = 1.0
    palette: str = ""
    """Name of the palette; empty = that of the page."""
    is_reversed: bool = False

    def __post_init__(self) -> None:
        if self.range == TYPED and not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ChoiceError(
                f"no colours lie between {self.low:g} and {self.high:g}",
                "colour scale",
                "give two numbers, the lower one first",
            )

    def as_text(self) -> str:
        """``range:palette:r``, as the address holds it; empty for the page's own choice."""
        ends = {ALL: "", VIEW: VIEW, TYPED: f"{self.low:.6g}..{self.high:.6g}"}[self.range]
        return ":".join([ends, self.palette, "r" if self.is_reversed else ""]).rstrip(":")


def colours_text(colours: dict[str, ColourChoice]) -> str:
    """``quantity:range:palette:r,…`` of all quantities with a choice."""
    texts = {name: choice.as_text() for name, choice in colours.items()}
    return ",".join(f"{name}:{text}" for name, text in texts.items() if text)


def colours_of(text: str) -> dict[str, ColourChoice]:
    """What :func:`colours_text` wrote; raises :class:`ChoiceError` or ValueError for anything else."""
    colours: dict[str, ColourChoice] = {}
    for entry in text.split(",")[:_MOST_SCALES]:
        name, ends, palette, turned, *rest = [*entry.split(":"), "", "", ""]
        low, dots, high = ends.partition("..")
        is_known = _NAME.fullmatch(name) and palette in ("", *SEQUENTIAL, *DIVERGING) and turned in ("", "r")
        if not is_known or any(rest) or (not dots and ends not in ("", VIEW)):
            raise ValueError(f"{entry[:30]} is no colour scale")
        numbers = (float(low), float(high)) if dots else (0.0, 1.0)
        choice = ColourChoice(TYPED if dots else ends or ALL, *numbers, palette, turned == "r")
        if not choice.as_text():
            raise ValueError(f"nothing is chosen for {name}")
        colours[name] = choice
    return colours
