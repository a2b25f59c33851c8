"""A veil over what belongs to an earlier choice, until the result of the present one is shown."""

from __future__ import annotations

from typing import Any

_CLASS = "stale"

VEIL = f"""
:host {{ transition: opacity .15s, filter .15s }}
:host(.{_CLASS}) {{ opacity: .3; filter: grayscale(1); transition-delay: .15s }}
@media (prefers-reduced-motion: reduce) {{ :host {{ transition: none }} }}
"""
"""CSS of a part that can be veiled; a result that comes at once comes without."""


def veil(part: Any, wanted: bool) -> None:
    """Veil a part that has :data:`VEIL` in its CSS, or remove the veil."""
    classes = [name for name in part.css_classes if name != _CLASS]
    part.css_classes = [*classes, _CLASS] if wanted else classes
