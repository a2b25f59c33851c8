"""Where the data behind an exported file lie: the file tells their name, and no folder of the machine that wrote it."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from engine.errors import DataError, EngineError
from engine.provenance import shared_path
from engine.queries.server_files import folders_of_data, upload_path
from engine.runs.run_folder import RunFolder, runs_folder


def known_source(source: Mapping[str, Any], original: Path, key: str) -> str:
    """The path of a source that an exported file names.

    It is looked for beside the file, in the current folder, in the folders of ``HARMONIA_DATA`` and below them, among
    the uploads, and among the sources of the runs in the home folder. Of several of its name it is the one with the
    hash ``key``.

    Args:
        source: its ``kind``, ``path`` and how it is read.
        original: the exported file.
        key: hash of the data that the file states; "" where it states none.

    Raises:
        DataError: none has this name, or several and none the hash.
    """
    name: str = source["path"]
    if os.path.isabs(name):
        return name
    places = list(
        dict.fromkeys(
            os.path.realpath(place) if not glob.has_magic(place) else place
            for place in _places(name, original.absolute().parent)
        )
    )
    if len(places) == 1:
        return places[0]
    remedy = "give its place with --source PATH"
    if not places:
        raise DataError(f"its data, {name!r}, are in no folder that is searched", str(original), remedy)
    matching = next((place for place in places if key and _key_of(source, place) == key), None)
    if matching is None:
        shown = ", ".join(places[:3])
        raise DataError(f"{len(places)} sources are named {name!r}: {shown}", str(original), remedy)
    return matching


def with_known_sources(value: Any, original: Path, key: str = "") -> Any:
    """JSON values of ``original`` with the place of every source that they give by its name. Raises as above."""
    if isinstance(value, list):
        return [with_known_sources(item, original, key) for item in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    inside = cast(dict[str, Any], value)
    if isinstance(inside.get("path"), str) and inside.get("kind") in ("path", "file", "folder"):
        return inside | {"path": known_source(inside, original, key)}
    return {name: with_known_sources(item, original, key) for name, item in inside.items()}


def _places(name: str, near: Path) -> Iterator[str]:
    """Where a source of that name lies."""
    upload = upload_path(name)
    if upload is not None:
        yield str(upload)
    for folder in (str(near), os.getcwd(), *folders_of_data()):
        place = os.path.join(folder, name)
        if os.path.exists(place) or (glob.has_magic(name) and glob.glob(os.path.join(glob.escape(folder), name))):
            yield place
    yield from _sources_of_runs(name)


def _sources_of_runs(name: str) -> Iterator[str]:
    """The sources of that name that runs in the home folder were trained on, or reconstructed."""
    if not runs_folder().is_dir():
        return
    for folder in sorted(runs_folder().iterdir()):
        with suppress(EngineError, OSError):
            for path in _paths_in(RunFolder(folder).read_config().model_dump(mode="json")):
                if shared_path(path) == name and (os.path.exists(path) or glob.glob(path)):
                    yield path


def _paths_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in cast(dict[str, Any], value).items():
            if name == "path" and isinstance(inner, str):
                yield inner
            else:
                yield from _paths_in(inner)


def _key_of(source: Mapping[str, Any], place: str) -> str:
    """The hash of the data in a place, read as the source is; "" where it cannot be opened."""
    from engine.config.sst import FileSource
    from engine.data.sst import open_sst
    from engine.queries.ocean import SourceChoice
    from engine.training.sst.data_module import open_source

    here = {**source, "path": place}
    with suppress(EngineError, ValueError):
        if source["kind"] == "file":
            return open_source(FileSource.model_validate(here)).key
        choice = TypeAdapter(SourceChoice).validate_python(here)
        return open_sst(place, choice.variable or None, choice.quality, choice.overrules).key
    return ""
