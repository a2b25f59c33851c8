"""Numbers that an administrator gives as environment variables."""

from __future__ import annotations

import math
import os
import re

from engine.errors import RunError

_PLAIN = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


def number(variable: str, default: float, low: float = 0.0, high: float = math.inf) -> float:
    """The value of ``variable``, from ``low`` to ``high``; ``default`` where it is not set or empty.

    Raises:
        RunError: it is no number written in digits, or lies outside.
    """
    text = os.environ.get(variable, "")
    if not text:
        return default
    if not (_PLAIN.fullmatch(text) and low <= float(text) <= high):
        raise _refusal(variable, "number", low, high)
    return float(text)


def whole_number(variable: str, default: int, low: int = 0, high: float = math.inf) -> int:
    """As :func:`number`, without decimals."""
    value = number(variable, default, low, high)
    if value % 1:
        raise _refusal(variable, "whole number", low, high)
    return int(value)


def _refusal(variable: str, kind: str, low: float, high: float) -> RunError:
    limits = f"from {low:g}" + (f" to {high:g}" if high < math.inf else "")
    return RunError(f"{variable} is {os.environ[variable][:80]!r}", "environment", f"set it to a {kind} {limits}")
