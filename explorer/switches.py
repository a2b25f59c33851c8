"""The environment variables with which an administrator changes what the server allows."""

from __future__ import annotations

import os

HOSTS = "HARMONIA_HOSTS"
"""Further host names that the server answers to, separated by commas."""

OPEN = "HARMONIA_OPEN"
"""Listen on an address that other machines reach although nobody has to log in."""

EMBED = "HARMONIA_EMBED"
"""Answer ``autoload.js``, with which a page of another server embeds the app."""

HEALTH = "HARMONIA_HEALTH"
"""Answer ``/health`` to other machines."""

READ_ONLY = "HARMONIA_READ_ONLY"
"""Show runs and data, change nothing."""


def is_on(name: str) -> bool:
    """Whether the environment variable ``name`` is set to anything but 0."""
    return os.environ.get(name, "").strip() not in ("", "0")


def listed_hosts() -> frozenset[str]:
    """The host names of ``HARMONIA_HOSTS``, in lower case."""
    return frozenset(name.strip().lower() for name in os.environ.get(HOSTS, "").split(",")) - {""}
