"""An embedding to take away: NetCDF, npz, its choices as JSON, and the Python text that makes it again."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr

from engine.data import Domain
from engine.embedding import SCALE_FEATURES
from engine.errors import EngineError, StoreError
from engine.queries.basis import BasisConfig
from engine.queries.cache import Progress
from engine.queries.embeddings.embedding import EmbeddingConfig, PatchEmbedding, embedding, scale
from engine.queries.export import netcdf_file

FORMAT = "harmonia.patch_embedding"
VERSION = 1


def config_json(config: EmbeddingConfig) -> bytes:
    """The choices as JSON text; :func:`config_from_json` reads it."""
    return json.dumps({"format": FORMAT, "version": VERSION, **asdict(config)}, indent=2).encode()


def config_from_json(content: bytes | str) -> EmbeddingConfig:
    """The choices in the text; :class:`StoreError` where it is not ours, damaged, or of a newer version."""
    try:
        fields: dict[str, Any] = json.loads(content)
        ours = fields.pop("format") == FORMAT
        newer = ours and int(fields.pop("version")) > VERSION
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _foreign() from error
    if not ours:
        raise _foreign()
    if newer:
        raise StoreError("the file was written by a newer version", "embedding file", "update Harmonia")
    try:
        basis = fields.pop("basis")
        domain = Domain(**basis.pop("domain"))
        return EmbeddingConfig(BasisConfig(domain=domain, **basis), patch=tuple(fields.pop("patch")), **fields)
    except (KeyError, TypeError, ValueError, AttributeError, EngineError) as error:
        raise _damaged(str(error)) from error


def embedding_npz(config: EmbeddingConfig, progress: Progress | None = None) -> bytes:
    """The embedding as an ``.npz`` without pickles: ``embedding`` (Hp, Wp, K), ``lat``, ``lon``, ``area_m2``,
    ``scale_features`` (Hp, 10) with ``scale_names``, and ``config``, the text of :func:`config_json`.
    """
    made, sizes = embedding(config, progress), scale(config)
    with io.BytesIO() as content:
        np.savez(
            content,
            embedding=made.values,
            lat=made.lat,
            lon=made.lon,
            area_m2=made.area_m2,
            scale_features=sizes.logs,
            scale_names=np.array(sizes.names),
            config=np.array(config_json(config).decode()),
        )
        return content.getvalue()


def read_npz(content: bytes) -> tuple[EmbeddingConfig, PatchEmbedding]:
    """What :func:`embedding_npz` wrote; :class:`StoreError` where the bytes are not ours or damaged. No pickles."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            if "config" not in arrays:
                raise _foreign()
            config = config_from_json(str(arrays["config"]))
            made = PatchEmbedding(*(arrays[name] for name in ("embedding", "lat", "lon", "area_m2")))
    except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise _damaged(str(error)) from error
    patches = config.patches()
    if made.values.shape != (*patches.shape, config.basis.num_components) or made.lon.size != patches.shape[1]:
        raise _damaged(f"an embedding of shape {made.values.shape} does not go with its choices")
    return config, made


def embedding_netcdf(config: EmbeddingConfig, progress: Progress | None = None) -> bytes:
    """The embedding (lat, lon, dimension) and the patches' scale features (lat, feature) as a CF NetCDF file."""
    made, sizes, patches = embedding(config, progress), scale(config), config.patches()
    dataset = xr.Dataset(
        {
            "embedding": (
                ("lat", "lon", "dimension"),
                made.values,
                {"long_name": f"{config.encoder} embedding of the patch", "units": "1", "cell_measures": "area: area"},
            ),
            "scale": (
                ("lat", "feature"),
                sizes.logs,
                {"long_name": "natural logarithm of the patch's sizes", "units": "1"},
            ),
            "area": (
                ("lat", "lon"),
                np.repeat(made.area_m2[:, None], made.lon.size, axis=1),
                {"standard_name": "cell_area", "units": "m2"},
            ),
            "lat_bounds": (("lat", "bound"), np.stack((patches.lat_bounds[:-1], patches.lat_bounds[1:]), axis=1)),
            "lon_bounds": (("lon", "bound"), np.stack((patches.lon_bounds[:-1], patches.lon_bounds[1:]), axis=1)),
        },
        {
            "lat": ("lat", made.lat, _axis("latitude", "degrees_north", "lat_bounds")),
            "lon": ("lon", made.lon, _axis("longitude", "degrees_east", "lon_bounds")),
            "feature": ("feature", [f"ln({name} / {unit})" for name, unit in SCALE_FEATURES]),
        },
        {"config": config_json(config).decode()},
    )
    return netcdf_file(dataset)


def snippet(config: EmbeddingConfig) -> str:
    """Python text that makes exactly this embedding: ``embedding`` (Hp, Wp, K), ``lat`` (Hp,), ``lon`` (Wp,)."""
    return _HARMONIC.format(**_names(config)) if config.encoder == "harmonic" else _SINUSOIDAL.format(**_names(config))


def _names(config: EmbeddingConfig) -> dict[str, object]:
    """What the texts below leave open, as Python writes it."""
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


def _axis(name: str, units: str, bounds: str) -> dict[str, str]:
    return {"standard_name": name, "units": units, "bounds": bounds}


def _foreign() -> StoreError:
    return StoreError("the file holds something other than an embedding", "embedding file", "choose one saved here")


def _damaged(why: str) -> StoreError:
    return StoreError(f"the embedding file is damaged: {why}", "embedding file", "export it again")
