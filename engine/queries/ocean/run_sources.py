"""A source as a page chooses it, and as the configuration of a run names it."""

from __future__ import annotations

from typing import Any

from engine.config.sst import DemoSource, FileSource, RegridSettings
from engine.data.source import Regrid
from engine.errors import ChoiceError
from engine.queries.ocean.sources import SourceChoice
from engine.queries.ocean.uploads import uploaded
from engine.queries.server_files import checked_path, is_upload, uploads_folder

_FIELDS = {
    "variable": "variable",
    "quality": "quality",
    "kind": "variable_kind",
    "unit": "unit",
    "calendar": "calendar",
    "fill": "fill_value",
    "step": "time_step",
    "mask": "land_mask",
    "zeros": "zeros",
    "regrid": "regrid",
}
"""The fields of a run's source by the points that are decided of a file."""


def with_decision(source: FileSource, name: str, value: Any) -> FileSource:
    """``source`` with one point decided: a name of :class:`engine.data.source.Overrules`, "variable" or "quality"."""
    if isinstance(value, Regrid):
        value = RegridSettings(step_deg=value.step_deg, method=value.method)
    return source.model_copy(update={_FIELDS[name]: value})


def run_source(choice: SourceChoice) -> DemoSource | FileSource:
    """The source in the configuration of a run: an upload by its path."""
    if choice.kind == "demo":
        return DemoSource(step_deg=choice.step_deg, seed=choice.seed, years=choice.years)
    path = str(uploaded(choice.path)) if choice.kind == "upload" else checked_path(choice.path)
    source = FileSource(path=path, variable=choice.variable or None, quality=choice.quality)
    for name in choice.overrules.names:
        source = with_decision(source, name, getattr(choice.overrules, name))
    return source


def source_choice(source: DemoSource | FileSource) -> SourceChoice:
    """The source of a run's configuration as a page chooses it: the inverse of :func:`run_source`.

    Raises :class:`ChoiceError` where no page can choose it: the demo ocean is another than pages offer.
    """
    if isinstance(source, DemoSource):
        if source.first_year != DemoSource().first_year:
            raise ChoiceError(f"its first year is {source.first_year}", "demo ocean", "train with the command line")
        return SourceChoice(step_deg=source.step_deg, seed=source.seed, years=source.years)
    from engine.training.sst.data_module import overrules_of

    kind, path = "path", source.path
    if is_upload(path):
        kind, path = "upload", path.removeprefix(f"{uploads_folder()}/")
    return SourceChoice(
        kind, path=path, variable=source.variable or "", quality=source.quality, overrules=overrules_of(source)
    )
