"""Downloads of an embedding: NetCDF, npz, its configuration as JSON, and Python code that computes it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr
from pydantic import Field, ValidationError

from engine.config.fields import Checked
from engine.data import Domain
from engine.embedding import SCALE_FEATURES, sized_parameters
from engine.errors import EngineError, StoreError
from engine.provenance import Detail, Provenance
from engine.queries.basis import MAX_RUN_DEGREE, BasisConfig
from engine.queries.cache import Progress
from engine.queries.embeddings.patches import EmbeddingConfig, embedding, scale
from engine.queries.embeddings.vectors import FILE
from engine.queries.export import netcdf_file, npz_file
from engine.sphere.cf import cf_cells

FORMAT = "harmonia.patch_embedding"
VERSION = 1
_FILE = "embedding file"
_DAMAGED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


class _BasisFields(Checked):
    """The basis as the file holds it, within what is computed here: a size is refused before anything has it."""

    max_degree: int = Field(ge=1, le=MAX_RUN_DEGREE)
    num_components: int = Field(ge=1, le=(MAX_RUN_DEGREE + 1) ** 2)
    domain: dict[str, str | float]
    step_deg: float = Field(ge=0.25, le=30.0)


class _Fields(Checked):
    basis: _BasisFields
    step_deg: float = Field(ge=0.1, le=30.0)
    patch: tuple[int, int]
    clip_sigma: float | None
    encoder: str
    file: str = Field("", max_length=1000)


def config_json(config: EmbeddingConfig) -> bytes:
    """The configuration as JSON; :func:`config_from_json` reads it. A file is named only where there is one."""
    return json.dumps({"format": FORMAT, "version": VERSION, **_choices(config)}, indent=2).encode()


def _choices(config: EmbeddingConfig) -> dict[str, Any]:
    choices = asdict(config)
    if not config.file:
        del choices["file"]
    return choices


def config_from_json(content: bytes | str) -> EmbeddingConfig:
    """The configuration of a JSON text; :class:`StoreError` if it is another file, damaged, or of a newer version."""
    try:
        fields: dict[str, Any] = json.loads(content)
        if fields.pop("format") != FORMAT:
            raise ValueError
        version = int(fields.pop("version"))
    except _DAMAGED as error:
        raise StoreError("the file is not a configuration of an embedding", _FILE, "choose one saved here") from error
    if version > VERSION:
        raise StoreError("the file was written by a newer version", _FILE, "update Harmonia")
    try:
        known = _Fields.model_validate({**fields, "patch": tuple(fields["patch"])})
        basis = known.basis.model_dump()
        domain = Domain(**basis.pop("domain"))
        return EmbeddingConfig(
            BasisConfig(domain=domain, **basis),
            known.step_deg,
            known.patch,
            known.clip_sigma,
            known.encoder,
            known.file,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem = f"{'.'.join(map(str, first['loc']))[:60]}: {first['msg'][:100]}"
        raise StoreError(f"the file is damaged: {problem}", _FILE, "save the configuration again") from error
    except (*_DAMAGED, EngineError) as error:
        raise StoreError(f"the file is damaged: {error}", _FILE, "save the configuration again") from error


def embedding_npz(config: EmbeddingConfig, progress: Progress | None = None) -> bytes:
    """The embedding as an ``.npz`` without pickles: ``embedding`` (Hp, Wp, K), ``lat``, ``lon``, ``area_m2``,
    ``scale_features`` (Hp, 10) with ``scale_names``, and ``provenance``, a JSON text.
    """
    patches, features = embedding(config, progress), scale(config)
    arrays = {
        "embedding": patches.values,
        "lat": patches.lat,
        "lon": patches.lon,
        "area_m2": patches.area_m2,
        "scale_features": features.logs,
        "scale_names": np.array(features.names),
    }
    return npz_file(arrays, origin_of(config, "embedding.npz"))


def embedding_netcdf(config: EmbeddingConfig, progress: Progress | None = None) -> bytes:
    """The embedding (dimension, lat, lon) and the patches' scale features (feature, lat) as a CF NetCDF file, which
    wants latitude and longitude last; ``feature_name`` names the features.
    """
    values, features, patches = embedding(config, progress).values, scale(config), config.patches()
    dataset = xr.Dataset(
        {
            "embedding": (
                ("dimension", "lat", "lon"),
                np.moveaxis(values, -1, 0),
                {"long_name": f"{config.encoder} embedding of the patch", "units": "1", "cell_measures": "area: area"},
            ),
            "scale": (
                ("feature", "lat"),
                features.logs.T,
                {"long_name": "natural logarithm of the patch's sizes", "units": "1"},
            ),
            "area": (
                ("lat", "lon"),
                np.repeat(patches.area_m2[:, None], patches.lon.size, axis=1),
                {"standard_name": "cell_area", "long_name": "area of the patch", "units": "m2"},
            ),
            **cf_cells(patches.lat, patches.lon, patches.lat_bounds, patches.lon_bounds),
        },
        {"feature_name": ("feature", [f"ln({name} / {unit})" for name, unit in SCALE_FEATURES])},
    )
    return netcdf_file(dataset, origin_of(config))


def origin_of(config: EmbeddingConfig, recipe: str = "embedding.netcdf") -> Provenance:
    """The provenance of an embedding."""
    height, width = config.patch
    basis = config.basis
    harmonic: dict[str, Detail] = {"max_degree": basis.max_degree, "domain": basis.domain.kind}
    details: dict[str, Detail] = {
        "encoder": config.encoder,
        **({"file": config.file} if config.file else {"num_components": basis.num_components}),
        **(harmonic if config.encoder == "harmonic" else {}),
    }
    known = f"{config.encoder} encoder of places on the sphere, without learned parameters"
    return Provenance(
        recipe=recipe,
        choices=_choices(config),
        title=f"Position embedding of patches of {height} × {width} cells of {config.step_deg:g}°",
        source=f"vectors of the file {config.file}, the mean of each patch" if config.file else known,
        details=details,
    )


def snippet(config: EmbeddingConfig) -> str:
    """Python code that computes this embedding: ``embedding`` (Hp, Wp, K), ``lat`` (Hp,), ``lon`` (Wp,)."""
    template = {"harmonic": _HARMONIC, "sinusoidal": _SINUSOIDAL, FILE: _VECTORS}.get(config.encoder, _CODED)
    return template.format(**_names(config))


def _names(config: EmbeddingConfig) -> dict[str, object]:
    """The values of the templates below."""
    basis = config.basis
    return {
        "fit_step": basis.step_deg,
        "max_degree": basis.max_degree,
        "all": (basis.max_degree + 1) ** 2 - 1,
        "num_components": basis.num_components,
        "domain": repr(basis.domain),
        "step": config.step_deg,
        "patch": config.patch,
        "clip": config.clip_sigma,
        "encoder": config.encoder,
        "file": config.file,
        "parameters": {} if config.file else sized_parameters(config.encoder, basis.num_components),
    }


_HARMONIC = """\
from engine.compute import device
from engine.data import Domain
from engine.embedding import HarmonicBasis, Patches, position_embedding
from engine.sphere import LatLonGrid

fit_grid = LatLonGrid.regular({fit_step!r})
where = {domain}.mask(fit_grid)
basis = HarmonicBasis.fit(fit_grid, {max_degree}, {all}, where)

grid = LatLonGrid.regular({step!r})
patches = Patches(grid, {patch})
lat, lon = patches.lat, patches.lon
embedding = position_embedding(
    basis, grid, {patch}, clip_sigma={clip!r}, num_components={num_components}, device=device()
).numpy(force=True)
"""

_CODED = """\
import numpy as np

from engine.embedding import Patches, encode
from engine.sphere import LatLonGrid

patches = Patches(LatLonGrid.regular({step!r}), {patch})
lat, lon = patches.lat, patches.lon
points = [axis.ravel() for axis in np.meshgrid(lat, lon, indexing="ij")]
embedding = encode({encoder!r}, *points, **{parameters!r}).numpy().reshape(lat.size, lon.size, -1)
"""

_SINUSOIDAL = """\
import numpy as np
import torch

from engine.embedding import Patches, sinusoidal_embedding
from engine.sphere import LatLonGrid

patches = Patches(LatLonGrid.regular({step!r}), {patch})
lat, lon = patches.lat, patches.lon
lonlat = torch.tensor(np.stack(np.meshgrid(lon, lat), axis=-1))
embedding = sinusoidal_embedding(lonlat, {num_components}).to(torch.float32).numpy()
"""

_VECTORS = """\
from pathlib import Path

from engine.embedding import Patches
from engine.embedding.imported import read_embedding
from engine.queries.embeddings import gridded
from engine.sphere import LatLonGrid

patches = Patches(LatLonGrid.regular({step!r}), {patch})
lat, lon = patches.lat, patches.lon
embedding = gridded(read_embedding(Path({file!r})), patches).values
"""
