"""``harmonia remake``: an exported file made anew from its provenance, and compared with the original."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from engine.compute import use_thread_policy
from engine.config.run_config import RunConfig
from engine.errors import ChoiceError, DataError
from engine.files import write_atomic
from engine.provenance import PREFIX, recipe_of
from engine.queries.cache import Progress, no_progress
from engine.queries.exported import PICTURE, attributes_of, differences
from engine.queries.known_sources import with_known_sources
from engine.queries.server_files import any_path

Choices = dict[str, Any]


@dataclass(frozen=True)
class Remade:
    """A file that was made anew: sentences on how it differs from the original; none where all values are equal."""

    recipe: str
    differences: tuple[str, ...]
    is_compared: bool


def remake(
    original: Path,
    out: Path,
    source: str | None = None,
    progress: Progress = no_progress,
    *,
    model: str | None = None,
) -> Remade:
    """Make the exported file ``original`` anew as ``out``, and compare all values; of a picture the data, as NetCDF.

    ``source``: where its data lie; by default they are looked for by name (:mod:`engine.queries.known_sources`).
    ``model``: file, or run, of its model; by default what the file names, also beside it. Paths may lie anywhere.

    Raises:
        DataError: the file has no provenance, or a damaged one; its data are not known.
        ChoiceError: ``out`` is the file itself, or has another ending. Else what the recipe raises, for example
        :class:`StoreError` for a model that is no longer there.
    """
    ending = ".nc" if original.suffix == PICTURE else original.suffix
    if out.suffix != ending or out.absolute() == original.absolute():
        raise ChoiceError(f"{out.name!r} cannot be its copy", str(original), f"choose a new name that ends in {ending}")
    attributes = attributes_of(original)
    recipe, choices = recipe_of(attributes, str(original))
    if recipe not in RECIPES:
        raise DataError(f"there is no recipe {recipe!r}", str(original), "update Harmonia")
    use_thread_policy()
    if source is not None:
        choices = _with_source(choices, str(Path(source).absolute()))
    else:
        choices = with_known_sources(choices, original, str(attributes.get(f"{PREFIX}data_hash", "")))
    choices = _with_model(choices, model, original.absolute().parent)
    with any_path():
        try:
            RECIPES[recipe](choices, out, progress)
        except (ValidationError, KeyError, TypeError) as error:
            raise DataError(f"its choices are damaged: {error}", str(original), "export it again") from error
    return Remade(recipe, tuple(differences(original, out)), original.suffix != PICTURE)


def _with_source(value: Any, path: str) -> Any:
    """Choices with ``path`` in place of that of every source."""
    if isinstance(value, list):
        return [_with_source(item, path) for item in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    changed = {name: _with_source(item, path) for name, item in cast(Choices, value).items()}
    if isinstance(changed.get("path"), str) and "kind" in changed:
        changed["path"] = path
        if changed["kind"] == "upload":
            changed["kind"] = "path"
    return changed


def _with_model(choices: Choices, model: str | None, near: Path) -> Choices:
    """Choices with another model, or with a model's file by its place beside the exported one."""
    named = choices.get("model")
    if not isinstance(named, str):
        return choices
    beside = near / named
    place = str(beside) if beside.is_file() else named
    return choices | {"model": model or place}


# --- recipes --------------------------------------------------------------------------------------------------------


def _basis(name: str, *arguments: str) -> Callable[[Choices, Progress], bytes]:
    def make(choices: Choices, progress: Progress) -> bytes:
        from engine.queries import basis, basis_files

        if "config" in choices:
            config = _checked(basis.BasisConfig, choices["config"])
            basis.fitted(config, progress, in_session=False)  # now in the cache, however long it takes
            return getattr(basis_files, name)(config, *(choices[argument] for argument in arguments))
        return getattr(basis_files, name)(*(choices[argument] for argument in arguments))

    return make


def _embedding(name: str) -> Callable[[Choices, Progress], bytes]:
    def make(choices: Choices, progress: Progress) -> bytes:
        from engine.queries import basis, embeddings

        config = _checked(embeddings.EmbeddingConfig, choices)
        if config.encoder == "harmonic":
            basis.fitted(config.basis, progress, in_session=False)
        return getattr(embeddings, name)(config, progress)

    return make


def _ocean_map(choices: Choices, progress: Progress) -> bytes:
    from engine.queries import ocean

    choice = _checked(ocean.MapChoice, choices)
    return ocean.map_netcdf(choice, ocean.chosen_map(choice, progress))


def _ocean_series(choices: Choices, progress: Progress) -> bytes:
    from engine.queries import ocean

    choice = _checked(ocean.SeriesChoice, choices)
    return ocean.series_csv(choice, ocean.chosen_series(choice, progress))


def _mixture(kind: str, name: str) -> Callable[[Choices, Progress], bytes]:
    def make(choices: Choices, _: Progress) -> bytes:
        from engine.queries.mvmf import files

        return getattr(files, name)(_checked(getattr(files, kind), choices))

    return make


def _month(choices: Choices, progress: Progress) -> bytes:
    from engine.queries import reconstruct

    request = _checked(reconstruct.MonthRequest, choices)
    return reconstruct.month_netcdf(reconstruct.reconstruct_month(request, progress))


def _scores(choices: Choices, progress: Progress) -> bytes:
    from engine.queries import reconstruct

    parts = [_checked(reconstruct.ScoredMonths, part) for part in choices["parts"]]
    scored = [
        (
            part.months,
            reconstruct.score_months([reconstruct.reconstruct_month(r, progress) for r in part.requests], part.region),
        )
        for part in parts
    ]
    return reconstruct.scores_csv(scored)


def _archive(choices: Choices, out: Path, progress: Progress) -> None:
    from engine.training.sst.reconstruct import reconstruct_chosen

    reconstruct_chosen(choices, out, progress=progress).close()


def _metrics(choices: Choices, progress: Progress) -> bytes:
    from engine.queries.run_exports import metrics_csv
    from engine.runs.metrics import MetricsReader
    from engine.runs.run_folder import RunFolder

    with _trained(choices, progress) as (config, folder):
        reader = MetricsReader(RunFolder(folder).metrics)
        reader.poll()
        return metrics_csv(config, reader.columns)


def _run_scores(choices: Choices, progress: Progress) -> bytes:
    from engine.queries.run_exports import scores_csv
    from engine.queries.train.run_files import final_scores
    from engine.queries.verdicts import run_verdict

    with _trained(choices, progress) as (config, folder):
        return scores_csv(config, final_scores(folder), run_verdict(folder, config.task))


def _snapshot(choices: Choices, progress: Progress) -> bytes:
    from engine.queries.run_exports import snapshot_netcdf
    from engine.queries.train.run_files import snapshot_fields, variable_of

    with _trained(choices, progress) as (config, folder):
        fields = snapshot_fields(folder, choices["epoch"])
        return snapshot_netcdf(config, choices["run"], fields, variable_of(folder))


def _film(choices: Choices, progress: Progress) -> bytes:
    from engine.queries.reconstruct.film import Film, film_of
    from engine.runs.run_folder import RunFolder

    film = _checked(Film, choices["film"])
    with _trained(choices, progress) as (_, folder):
        return film_of(RunFolder(folder), film)


def _learned(choices: Choices, progress: Progress) -> bytes:
    from engine.queries.run_exports import learned_netcdf
    from engine.queries.table import learned_field

    with _trained(choices, progress) as (config, folder):
        return learned_netcdf(config, learned_field(folder, choices["iteration"]), choices["iteration"])


def _tokens(choices: Choices, progress: Progress) -> bytes:
    from engine.queries.tokens import TokenRequest, token_map, tokens_netcdf

    layer = choices["layer"]
    request = _checked(TokenRequest, {name: value for name, value in choices.items() if name != "layer"})
    token_map(request, progress)
    return tokens_netcdf(request, layer)


@contextmanager
def _trained(choices: Choices, progress: Progress) -> Generator[tuple[RunConfig, Path]]:
    """The configuration of a run, and a folder in which it is trained anew."""
    from engine.training.fit import fit

    config = RunConfig.checked(choices["config"], "its configuration")
    progress(0.0, f"Training anew: task {config.task}")
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "run"
        fit(config, folder)
        yield config, folder


def _checked(kind: type[Any], choices: object) -> Any:
    """The choices as the dataclass ``kind``, every value checked."""
    return TypeAdapter(kind).validate_python(choices)


def _write(content: Callable[[Choices, Progress], bytes], choices: Choices, out: Path, progress: Progress) -> None:
    write_atomic(out, content(choices, progress))


RECIPES: dict[str, Callable[[Choices, Path, Progress], None]] = {
    "basis.harmonic": partial(_write, _basis("harmonic_netcdf", "degree", "order")),
    "basis.component": partial(_write, _basis("component_netcdf", "component")),
    "basis.netcdf": partial(_write, _basis("basis_netcdf")),
    "basis.safetensors": partial(_write, _basis("basis_file")),
    "basis.spectrum": partial(_write, _basis("spectrum_csv")),
    "embedding.netcdf": partial(_write, _embedding("embedding_netcdf")),
    "embedding.npz": partial(_write, _embedding("embedding_npz")),
    "run.metrics": partial(_write, _metrics),
    "run.scores": partial(_write, _run_scores),
    "run.learned": partial(_write, _learned),
    "run.snapshot": partial(_write, _snapshot),
    "run.film": partial(_write, _film),
    "data.map": partial(_write, _ocean_map),
    "data.series": partial(_write, _ocean_series),
    "sandbox.centres": partial(_write, _mixture("SandboxChoice", "centres_csv")),
    "sandbox.density": partial(_write, _mixture("SandboxChoice", "density_netcdf")),
    "expert.centres": partial(_write, _mixture("ExpertChoice", "centres_csv")),
    "expert.density": partial(_write, _mixture("ExpertChoice", "density_netcdf")),
    "reconstruct.month": partial(_write, _month),
    "reconstruct.scores": partial(_write, _scores),
    "reconstruct.archive": _archive,
    "tokens.netcdf": partial(_write, _tokens),
}
"""What makes an exported file, by the name in its provenance."""
