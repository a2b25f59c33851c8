"""A source as a page chooses it, and as the configuration of a run names it."""

from __future__ import annotations

from engine.config.sst import DemoSource, FileSource
from engine.errors import ChoiceError
from engine.queries.ocean.sources import SourceChoice
from engine.queries.ocean.uploads import uploaded
from engine.queries.server_files import checked_path, is_upload, uploads_folder

_CHOSEN = ("kind", "path", "variable", "quality")
"""The settings of a file that a page chooses."""


def run_source(choice: SourceChoice) -> DemoSource | FileSource:
    """The source in the configuration of a run: an upload by its path."""
    if choice.kind == "demo":
        return DemoSource(step_deg=choice.step_deg, seed=choice.seed, years=choice.years)
    path = str(uploaded(choice.path)) if choice.kind == "upload" else checked_path(choice.path)
    return FileSource(path=path, variable=choice.variable or None, quality=choice.quality)


def source_choice(source: DemoSource | FileSource) -> SourceChoice:
    """The source of a run's configuration as a page chooses it: the inverse of :func:`run_source`.

    Raises :class:`ChoiceError` where no page can choose it: its settings decide how the files are read, or the demo
    ocean is another than pages offer.
    """
    if isinstance(source, DemoSource):
        if source.first_year != DemoSource().first_year:
            raise ChoiceError(f"its first year is {source.first_year}", "demo ocean", "train with the command line")
        return SourceChoice(step_deg=source.step_deg, seed=source.seed, years=source.years)
    decided = [name for name, value in source if name not in _CHOSEN and value is not None]
    if decided:
        raise ChoiceError(
            f"its settings decide how its files are read ({', '.join(decided)})",
            source.path,
            "reconstruct with `harmonia reconstruct`, which does the same",
        )
    kind, path = "path", source.path
    if is_upload(path):
        kind, path = "upload", path.removeprefix(f"{uploads_folder()}/")
    return SourceChoice(kind, path=path, variable=source.variable or "", quality=source.quality)
