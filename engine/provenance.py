"""What an exported file says of itself: what made it, of what data and model, when, and how to make it anew.

The keys are the same in every format: global attributes of NetCDF and Zarr, lines ``# key: value`` above the header of
a CSV (``pandas.read_csv(comment="#")`` reads it), the JSON text ``provenance`` in an npz, metadata of safetensors, text
chunks of a PNG, the comment of a GIF. :mod:`engine.queries.remake` makes the file anew from them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import PurePath
from typing import Any, cast

from engine.errors import DataError

PREFIX = "harmonia_"
COMMAND = "harmonia remake FILE OUT"
SYNTHETIC = "synthetic: computed from a simulation, not observed"
NOT_SYNTHETIC = "no"

Detail = str | int | float | Mapping[str, Any]
"""A value of one line; an object, such as a configuration, is written as JSON."""

_UPLOAD_HASH = re.compile(r"[0-9a-f]{32}")


def shared_path(path: str) -> str:
    """A path without the folders of this machine: the name of the file or folder, for a pattern all from the first part
    with a ``*`` on, for an upload ``<hash>/<name>``; "" for "".
    """
    if not path:
        return ""
    parts = PurePath(path).parts
    is_pattern = [any(mark in part for mark in "*?[") for part in parts]
    if any(is_pattern):
        return str(PurePath(*parts[is_pattern.index(True) :]))
    num_kept = 2 if len(parts) > 1 and _UPLOAD_HASH.fullmatch(parts[-2]) else 1
    return str(PurePath(*parts[-num_kept:]))


def without_folders(value: Any) -> Any:
    """JSON values for everybody: where sources and models lie on this machine is reduced to :func:`shared_path`."""
    if isinstance(value, Mapping):
        items = cast(Mapping[str, Any], value).items()
        is_place = {"path", "model"}
        return {
            name: shared_path(inner) if name in is_place and isinstance(inner, str) else without_folders(inner)
            for name, inner in items
        }
    if isinstance(value, list | tuple):
        return [without_folders(item) for item in cast("list[Any]", value)]
    return value


def code_version() -> str:
    """The version of this code."""
    return version("harmonia-explorer")


def now() -> datetime:
    """The time that is written into files."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The origin of a file.

    Attributes:
        recipe: what makes the file: a key of :data:`engine.queries.remake.RECIPES`; empty where only Python code can.
        choices: its arguments, as JSON holds them.
        title: what the file holds, in one sentence.
        source: the method of production, as CF means it: "observations of …", "… by model …".
        is_synthetic: whether the data behind it are simulated.
        details: further values by name (``model``, ``model_hash``, ``data``, ``data_hash``, ``withheld_percent``,
            ``month``, …).
    """

    recipe: str
    choices: Mapping[str, Any]
    title: str
    source: str
    is_synthetic: bool = False
    details: Mapping[str, Detail] = field(default_factory=dict[str, Detail])

    def attributes(self) -> dict[str, str | int | float]:
        """All keys and values, in the order in which a reader wants them; none names a folder of this machine."""
        created = now().strftime("%Y-%m-%dT%H:%M:%SZ")
        line = f"{created} Harmonia {code_version()}: made"
        can_remake = {"history": f"{line}; {COMMAND} makes it anew", f"{PREFIX}remake": COMMAND}
        own = {
            "recipe": self.recipe,
            "choices": json.dumps(without_folders(self.choices), sort_keys=True),
            "synthetic": SYNTHETIC if self.is_synthetic else NOT_SYNTHETIC,
            "version": code_version(),
            **{name: _line(value) for name, value in self.details.items()},
        }
        return {
            "title": self.title,
            "source": f"Harmonia {code_version()}: {self.source}",
            **(can_remake if self.recipe else {"history": line}),
            "date_created": created,
            **({"comment": SYNTHETIC} if self.is_synthetic else {}),
            **{f"{PREFIX}{name}": value for name, value in own.items()},
        }

    def caption(self) -> str:
        """The origin in a line to be read under a picture."""
        known = self.details
        parts = [f"Harmonia {code_version()}: {self.source}"]
        parts += [str(known[name]) for name in ("month", "day", "days") if name in known]
        if "epoch" in known:
            parts.append(f"model of epoch {known['epoch']}")
        if known.get("withheld_percent"):
            parts.append(f"{known['withheld_percent']} % of the observations withheld")
        if known.get("painted_clouds"):
            parts.append(f"painted clouds: {known['painted_clouds']}")
        if known.get("data_decided", "nothing") != "nothing":
            parts.append(f"decided by hand about the data: {known['data_decided']}")
        if self.is_synthetic:
            parts.append(SYNTHETIC)
        return " · ".join(parts)

    def text(self) -> str:
        """The attributes as JSON in one line."""
        return json.dumps(self.attributes(), ensure_ascii=False)


def _line(value: Detail) -> str | int | float:
    """A value of one line."""
    if isinstance(value, Mapping):
        return json.dumps(without_folders(value), separators=(",", ":"), ensure_ascii=False)
    return value


def recipe_of(attributes: Mapping[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    """The recipe and its choices from what :meth:`Provenance.attributes` wrote into the file ``where``.

    Raises :class:`DataError` for a file without provenance, or with a damaged one.
    """
    recipe = str(attributes.get(f"{PREFIX}recipe", ""))
    if not recipe:
        raise DataError("the file does not say how it was made", where, "choose one that Harmonia has exported")
    try:
        choices: Any = json.loads(str(attributes[f"{PREFIX}choices"]))
        if not isinstance(choices, dict):
            raise TypeError("the choices are no object")
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"its provenance is damaged: {error}", where, "export it again") from error
    return recipe, cast(dict[str, Any], choices)
