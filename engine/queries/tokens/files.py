"""Files of the Tokens page: tokens as NetCDF and Parquet, the verdict as Markdown, with their provenance."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.provenance import Detail, Provenance
from engine.queries.export import netcdf_file, parquet_file
from engine.queries.ocean.sources import source
from engine.queries.reconstruct.models import PRETRAINED, model_of
from engine.queries.tokens.maps import TokenRequest, token_map
from engine.queries.tokens.verdict import TokenVerdict, sentences
from engine.sphere.cf import cf_cells


def origin_of(request: TokenRequest, layer: str, recipe: str = "tokens.netcdf") -> Provenance:
    """The provenance of the tokens of a layer."""
    bundle, ocean = model_of(request.model).bundle, source(request.source)
    name = "the shipped model" if request.model == PRETRAINED else f"run {request.model}"
    details: dict[str, Detail] = {
        "model": request.model,
        "model_hash": bundle.key,
        "weights": request.weights,
        "layer": layer,
        "data": ocean.name,
        "data_hash": ocean.key,
        "month": f"{request.year}-{request.month:02d}",
    }
    return Provenance(
        recipe=recipe,
        choices={**asdict(request), "layer": layer},
        title=f"Tokens of the layer {layer} of {name}, {request.year}-{request.month:02d}",
        source=f"tokens of {name} ({request.weights}) from {ocean.name}",
        is_synthetic=ocean.is_synthetic,
        details=details,
    )


def tokens_netcdf(request: TokenRequest, layer: str) -> bytes:
    """``embedding`` (dimension, lat, lon), NaN on land, with ``sea`` and ``observed``, fractions, ``area``, ``scene``,
    the number of the window that a patch is taken from, and ``summary`` (scene, dimension) where the model has one."""
    tokens = token_map(request)
    values = np.where(tokens.is_sea[..., None], tokens.tokens(layer), np.float32(np.nan))
    area = np.repeat(tokens.area_m2[:, None], tokens.lon.size, axis=1)
    fields: dict[str, Any] = {
        "embedding": (
            ("dimension", "lat", "lon"),
            np.moveaxis(values, -1, 0),
            {"long_name": f"token of the layer {layer}", "units": "1", "cell_measures": "area: area"},
        ),
        "sea": (("lat", "lon"), tokens.sea, {"long_name": "fraction of the patch that is sea", "units": "1"}),
        "observed": (
            ("lat", "lon"),
            tokens.observed,
            {"long_name": "fraction of the sea's cell-days that were observed", "units": "1"},
        ),
        "area": (
            ("lat", "lon"),
            area,
            {"standard_name": "cell_area", "long_name": "area of the patch", "units": "m2"},
        ),
        "scene": (("lat", "lon"), tokens.window, {"long_name": "window that the token is taken from", "units": "1"}),
        **cf_cells(tokens.lat, tokens.lon, tokens.lat_bounds, tokens.lon_bounds),
    }
    if tokens.summaries is not None:
        summary = {"long_name": "scene summary token of each window", "units": "1"}
        fields["summary"] = (("window", "dimension"), tokens.summaries, summary)
    return netcdf_file(xr.Dataset(fields), origin_of(request, layer))


def tokens_parquet(request: TokenRequest, layer: str) -> bytes:
    """A row for each patch with sea: ``lat``, ``lon``, ``sea``, ``observed``, ``scene``, and ``embedding``, a list of
    C floats, as embedding viewers read it; the provenance is the file's metadata."""
    tokens = token_map(request)
    rows, cols = np.nonzero(tokens.is_sea)
    columns: dict[str, NDArray[Any]] = {
        "lat": tokens.lat[rows],
        "lon": tokens.lon[cols],
        "sea": tokens.sea[rows, cols],
        "observed": tokens.observed[rows, cols],
        "scene": tokens.window[rows, cols],
        "embedding": tokens.tokens(layer)[rows, cols],
    }
    return parquet_file(columns, origin_of(request, layer, ""))


def verdict_markdown(verdict: TokenVerdict) -> bytes:
    """The verdict's sentences, and the figures behind them as tables."""
    request, field, spread = verdict.request, verdict.field, verdict.spread
    origin = origin_of(request, verdict.layer, "")
    lines = [
        "# What does a token know?",
        "",
        f"{origin.title}.",
        "",
        *(f"- {sentence}" for sentence in sentences(verdict)),
        "",
        f"Linear probes on {verdict.num_patches} patches of {len(verdict.months)} months "
        f"({', '.join(name[:7] for name in verdict.months)}), each month held out in turn; R².",
        "",
        "| Read | from a patch | from the mean | from the summary | kept by the mean |",
        "|---|---|---|---|---|",
    ]
    for kept in verdict.kept:
        summary = "–" if kept.summary is None else f"{kept.summary:.3f}"
        share = "–" if kept.share is None else f"{100 * kept.share:.0f} %"
        lines.append(f"| {kept.target} | {kept.patch:.3f} | {kept.mean:.3f} | {summary} | {share} |")
    lines += [
        "",
        "| Measure | Value |",
        "|---|---|",
        f"| influence of a token's own patch, mean of {field.num_tokens} tokens | {100 * field.own:.1f} % |",
        f"| 50 % of the influence within | {field.radius_50_km:.0f} km |",
        f"| 90 % of the influence within | {field.radius_90_km:.0f} km |",
        f"| smallest cosine of {spread.num_tokens} tokens | {spread.minimum:.4f} |",
        f"| anisotropy | {spread.anisotropy:.4f} |",
        f"| effective rank | {spread.effective_rank:.2f} |",
        "",
        *(f"<!-- {key}: {' '.join(str(value).split())} -->" for key, value in origin.attributes().items()),
        "",
    ]
    return "\n".join(lines).encode()
