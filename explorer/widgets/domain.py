"""Controls of the domain: the region over which a basis is fitted."""

from __future__ import annotations

from typing import Any

from engine.queries.basis import DOMAINS
from explorer.page_model import DomainModel
from explorer.widgets import controls


def domain_controls(model: DomainModel) -> list[Any]:
    """A choice of domain and, for a box, its edges."""
    return [
        controls.select(model.param.domain, "Domain", {label: kind for kind, label in DOMAINS.items()}),
        controls.only_if(model.param.domain, "box", lambda: _box(model)),
    ]


def _box(model: DomainModel) -> list[Any]:
    return [
        controls.range_slider(model.param.lat_range, "Latitudes, °", step=1.0),
        controls.slider(model.param.west, "Western edge, °", step=1.0),
        controls.slider(model.param.width, "Width eastwards, °", step=1.0),
    ]
