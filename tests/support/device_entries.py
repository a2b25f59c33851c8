"""Every public name of the engine that computes with tensors, called on a device: what the device contract runs over.

A new public name goes into :data:`ENTRIES`, or into :data:`EXEMPT` with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine import embedding, models, mvmf, similarity, sphere
from engine.models import baselines
from engine.models.geographic_expert import GeographicExpert
from engine.sphere import LatLonGrid
from tests.support.gaussian_ocean import COVARIANCE
from tests.support.windows import model_of, window_of

PACKAGES = (sphere, embedding, mvmf, similarity, models)
"""Packages of DESIGN §3 whose names take and return tensors; :mod:`engine.training` is run task by task."""

On = Callable[[Tensor], Tensor]
"""Puts a tensor on the device."""

GRID = LatLonGrid.regular(10.0)
REGION = LatLonGrid([30.0, 33.0, 36.0], [-20.0, -17.0, -14.0, -11.0])
_LAT, _LON = torch.linspace(-80.0, 80.0, 9), torch.linspace(-170.0, 190.0, 9)
_BOX = torch.zeros(GRID.shape, dtype=torch.bool)
_BOX[3:14, 4:20] = True


def _drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _points(count: int = 12) -> Tensor:
    return torch.nn.functional.normalize(_drawn(count, 3, seed=1) - 0.5, dim=1)


def _basis(on: On) -> embedding.HarmonicBasis:
    return embedding.HarmonicBasis.fit(GRID, 4, 6, on(_BOX))


def _mixture(on: On, batch: int | None = None, **learn: bool) -> mvmf.MixtureVMF:
    logits = _drawn(*(() if batch is None else (batch,)), 5, seed=3)
    log_kappa = torch.tensor([0.1, 2.0, 4.0, 6.0, 9.5], dtype=torch.float64)
    return mvmf.MixtureVMF(on(_points(5)), on(log_kappa), on(logits), **learn)


def _with_gradient(module: torch.nn.Module, output: Any) -> list[Tensor]:
    """The outputs, and the gradients of the parameters."""
    outputs = [output] if isinstance(output, Tensor) else [value for value in output if isinstance(value, Tensor)]
    total = torch.stack([value.float().square().mean() for value in outputs]).sum()
    total.backward()
    return [*outputs, *(value.grad for value in module.parameters() if value.grad is not None)]


def _basis_fit(on: On) -> Any:
    basis = _basis(on)
    return basis.mean, basis.components, basis.std, basis.explained, *basis.component_factors(GRID, 2)


def _harmonic_grid(on: On) -> Any:
    harmonics = sphere.HarmonicGrid(GRID, 5, device=on(torch.zeros(1)).device)
    coeffs = harmonics.analyse(on(_drawn(*GRID.shape)))
    fields = [field.clone() for _, _, field in harmonics.fields()]
    return coeffs, harmonics.synthesise(coeffs), harmonics.legendre(2), harmonics.trig, harmonics.field(3, -1), fields


def _table(on: On) -> Any:
    table = embedding.Embedding2d((8, 4, 2), padding=(1, 1)).to(on(torch.zeros(1)).device)
    points = on(torch.stack((_LON, _LAT), 1))
    return *_with_gradient(table, table(points)), table.cells(points)


def _spatial_conv(on: On) -> Any:
    model = models.SpatialConv((8, 4, 2), padding=(1, 1), device=on(torch.zeros(1)).device)
    return _with_gradient(model, model(on(torch.stack((_LON, _LAT), 1))))


def _encoders(on: On) -> Any:
    lonlat, outputs = on(torch.stack((_LON, _LAT), 1)), []
    for kind in embedding.TOKEN_ENCODERS:
        torch.manual_seed(0)
        config = embedding.EncoderConfig(kind=kind, width=8, num_components=3, manifold=(8, 4))
        encoder = embedding.build_encoder(config).to(lonlat.device)
        outputs.append(encoder(lonlat, on(_drawn(9, config.num_features).float()) if config.num_features else None))
    return outputs


def _encode(on: On) -> Any:
    lat, lon, options = on(_LAT.double()), on(_LON.double()), {"table": {"weights": on(_drawn(8, 4, 2))}}
    return [embedding.encode(name, lat, lon, **options.get(name, {})) for name in embedding.ENCODERS]


def _geo_position_scale(on: On) -> Any:
    torch.manual_seed(0)
    module = embedding.GeoPositionScale(3, 10, 8).to(on(torch.zeros(1)).device)
    return _with_gradient(module, module(on(_drawn(4, 3).float()), on(_drawn(4, 10).float())))


def _mixture_maps(on: On) -> Any:
    single, several, points = _mixture(on), _mixture(on, 3), on(_points())
    maps = [single.log_prob_map(GRID), single.cell_mass(GRID), several.log_prob_map(GRID, 1e-3)]
    return (
        single.log_prob(points),
        several.log_prob(points),
        *maps,
        single.sample(4, 0),
        single.entropy(),
        several.average().logits,
    )


def _mixture_gradient(on: On) -> Any:
    mixture = _mixture(on, learn_centres=True, learn_kappa=True, learn_logits=True)
    points, logits = on(_points()), on(_drawn(12, 5, seed=4)).requires_grad_()
    return *_with_gradient(mixture, mixture.paired_log_prob(points, logits)), logits.grad


def _running_map(on: On) -> Any:
    running = mvmf.RunningMap(_mixture(on), GRID)
    running.replace(1, on(_points(1))[0], 3.0, 0.5)
    return running.values


def _loss(on: On) -> Any:
    coarse_of_fine = torch.tensor([0, 0, 1, 2])
    lat, lon = on(_LAT), on(_LON)
    fractions = torch.softmax(4.0 * _drawn(9, 4, seed=5), 1)
    fractions[0] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    terms: list[Tensor] = []
    for mixture in (None, _mixture(on)):
        loss = mvmf.GeographicLoss(coarse_of_fine, mixture, sea_class=0).to(lat.device)
        place = on(_drawn(9, 3 if mixture is None else 5, seed=6)).requires_grad_()
        outputs = loss(
            place,
            on(_drawn(9, 4, seed=7)),
            on(_drawn(9, 2, seed=8)),
            lat_deg=lat,
            lon_deg=lon,
            climate_fractions=on(fractions),
            day_of_year=on(36.0 * (1.0 + torch.arange(9.0))),
        )
        outputs.total.backward()
        assert place.grad is not None
        terms += [*outputs, place.grad]
    return terms


def _centres(on: On) -> Any:
    points = on(_points(40))
    return (
        mvmf.kmeans_centres(points, 4, seed=0),
        mvmf.minibatch_kmeans_centres(points, 4, seed=0),
        mvmf.farthest_centres(points, 4, seed=0),
        mvmf.centres_near(points, 6, 500.0, seed=0),
        mvmf.adaptive_partition(points, 5).centres,
        mvmf.partition_centres(points, 8),
    )


def _fits(on: On) -> Any:
    points, start = on(_points(40)), _mixture(on)
    fits = mvmf.fit_em(points, start, max_steps=5), mvmf.fit_gradient(points, start, steps=3)
    weights = mvmf.fit_weights(start.centres, points[:30], points[30:], max_rounds=3)
    return [*weights] + [
        value for fit in fits for value in (fit.mixture.centres, fit.mixture.kappa, fit.mixture.log_weights)
    ]


def _credible_region(on: On) -> Any:
    mixture = _mixture(on)
    return mvmf.credible_region(mixture.cell_mass(GRID), GRID, 0.5)[0]


def _pairs(on: On) -> Any:
    bounds = torch.linspace(-90.0, 90.0, 5), torch.linspace(-180.0, 180.0, 9)
    sample = similarity.sample_pairs(on(_drawn(4, 8, 3) - 0.5), on(bounds[0]), on(bounds[1]), 50, seed=0)
    return sample.distance_km, sample.similarity, sample.lat_deg


def _histogram(on: On) -> Any:
    tokens, areas = on(_drawn(40, 3) - 0.5), on(0.1 + _drawn(40, seed=2))
    return [similarity.pair_histogram(tokens, areas, 16, most=most) for most in (3000, 20)]


def _token_model(samples: Tensor) -> Tensor:
    """Tokens (B, 2, 3, 2) of patches of 2 × 2 values, each with a part of all."""
    means = torch.nn.functional.avg_pool2d(samples, 2).permute(0, 2, 3, 1)
    return means + means.mean(dim=(1, 2), keepdim=True).square()


def _fields(on: On) -> Any:
    sample = on(_drawn(2, 4, 6))
    fields = [similarity.receptive_field(_token_model, sample, 1, 2, how) for how in ("gradient", "occlusion")]
    centres = on(torch.tensor([-10.0, 10.0])), on(torch.tensor([0.0, 20.0, 40.0]))
    radius = on(torch.tensor(similarity.influence_radius_km(fields[0], *centres, 1, 2)))
    return *fields, radius, similarity.context_drop(_token_model, sample, 1, 2, on(_drawn(3, 2, 4, 6, seed=1)))


def _spread(on: On) -> Any:
    tokens = on(_drawn(12, 5) - 0.4)
    spread = similarity.spread_of(tokens)
    numbers = [*spread.quantiles, spread.effective_rank, similarity.effective_rank(tokens)]
    searched = similarity.TokenSearch(tokens).best(3, on(torch.tensor([1])), on(torch.tensor([4])))
    return (
        similarity.whiten(tokens, similarity.ledoit_wolf_shrinkage(tokens)),
        on(torch.tensor(numbers)),
        similarity.pooled(tokens.reshape(3, 4, 5), weights=on(_drawn(3, 4))),
        *searched,
    )


def _reconstruction(on: On, preset: str, *, dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    model = model_of(preset, **changes).to(dtype).to(on(torch.zeros(1)).device)
    window = window_of(model.config)
    place = window.pop("place")
    inputs = {name: on(value) for name, value in window.items()}
    inputs = {name: value.to(dtype) if value.is_floating_point() else value for name, value in inputs.items()}
    place = None if place is None else tuple(None if value is None else value.to(dtype) for value in place)
    inputs["place"] = None if place is None else tuple(None if value is None else on(value) for value in place)
    output = model.forward_details(**inputs)
    values = [value for value in vars(output).values() if value is not None]
    return *_with_gradient(model.train(), model(**inputs)), *values


def _expert(on: On) -> Any:
    mixture, outputs = _mixture(on), []
    for encoder in ("conv", "mixer"):
        prior = mvmf.MixtureVMF(mixture.centres.float(), mixture.log_kappa.float(), mixture.logits.float())
        expert = GeographicExpert(2, 8, prior, on(torch.ones(3) / 3), encoder=encoder, width=8, head_degree=3)
        expert = expert.to(mixture.centres.device)
        pixels = on(_drawn(4, 2, 8, 8, seed=9).float())
        expert.standardise_by(pixels)
        outputs += [*_with_gradient(expert, expert(pixels)), *expert.predict(pixels)]
    return outputs


def _scores(on: On) -> Any:
    lat, lon = sphere.lat_lon(on(_points()))
    code = mvmf.encode_coordinates(lat, lon)
    date = mvmf.encode_date(on(30.0 * torch.arange(1.0, 5.0)))
    logits, coarse = on(_drawn(3, 4)), on(torch.tensor([0, 0, 1, 2]))
    probabilities = mvmf.coarse_log_probabilities(logits, coarse, 3)
    return code, *mvmf.decode_coordinates(code), date, mvmf.decode_date(date), probabilities


def _interpolation(on: On) -> Any:
    points = on(torch.stack((_LAT, _LON, 3.0 * torch.arange(9.0)), 1).double())
    estimate = baselines.optimal_interpolation(
        points, on(_drawn(9)), on(0.1 + _drawn(9, seed=1)), points[:4] + 1.0, COVARIANCE
    )
    where, values = np.ones(REGION.shape, bool), np.random.default_rng(0).normal(size=(6, *REGION.shape))
    device = points.device
    neighbourhood = baselines.Neighbourhood(REGION, COVARIANCE, reach=2, device=device, dtype=torch.float64)
    month = neighbourhood.estimate(values, np.ones_like(values), where)
    return *estimate, on(torch.as_tensor(month[0]))


def _dineof(on: On) -> Any:
    values = _drawn(8, 3) @ _drawn(3, 20, seed=1)
    return baselines.dineof(on(torch.where(_drawn(8, 20, seed=2) < 0.2, torch.nan, values)))[0]


ENTRIES: dict[str, tuple[Callable[[On], Any], tuple[str, ...]]] = {
    "points": (
        lambda on: (sphere.unit_vectors(on(_LAT), on(_LON)), sphere.great_circle_km(on(_LAT), on(_LON), 10.0, 20.0)),
        ("unit_vectors", "great_circle_km"),
    ),
    "harmonics": (lambda on: sphere.harmonics_at(on(_LAT), on(_LON), 5), ("harmonics_at",)),
    "harmonic grid": (_harmonic_grid, ("HarmonicGrid",)),
    "basis": (_basis_fit, ("HarmonicBasis", "Moments")),
    "agreement": (lambda on: torch.tensor(embedding.agreement(_basis(on), _basis(on))), ("agreement",)),
    "passport": (lambda on: torch.tensor(_basis(on).passport(GRID)["precision"]["correlations"]), ()),
    "position field": (lambda on: embedding.position_field(_basis(on), GRID), ("position_field",)),
    "position of pixels": (lambda on: embedding.position_field(_basis(on), GRID, standardise="pixels"), ()),
    "position embedding": (
        lambda on: (
            embedding.position_embedding(_basis(on), GRID, (3, 4)),
            embedding.clipped_fraction(_basis(on), GRID, 2.0),
        ),
        ("position_embedding", "clipped_fraction"),
    ),
    "table": (_table, ("Embedding2d",)),
    "convolution on a table": (_spatial_conv, ("SpatialConv",)),
    "encoders": (_encoders, ("build_encoder", "EncoderConfig", "sinusoidal_embedding")),
    "location encoders": (_encode, ("encode",)),
    "position and scale": (_geo_position_scale, ("GeoPositionScale",)),
    "mixture": (_mixture_maps, ("MixtureVMF", "log_normaliser")),
    "mixture's gradient": (_mixture_gradient, ()),
    "running map": (_running_map, ("RunningMap",)),
    "loss": (_loss, ("GeographicLoss", "LossTerms")),
    "codes": (
        _scores,
        (
            "encode_coordinates",
            "decode_coordinates",
            "encode_date",
            "decode_date",
            "coarse_log_probabilities",
            "lat_lon",
        ),
    ),
    "centres": (
        _centres,
        (
            "kmeans_centres",
            "minibatch_kmeans_centres",
            "farthest_centres",
            "adaptive_partition",
            "partition_centres",
            "centres_near",
            "centres_of_kind",
        ),
    ),
    "optimal interpolation": (_interpolation, ()),
    "dineof": (_dineof, ()),
    "fits": (_fits, ("fit_em", "fit_gradient", "fit_weights", "Fit", "concentration")),
    "credible region": (_credible_region, ("credible_region",)),
    "cosines": (
        lambda on: (
            similarity.cosine_matrix(on(_drawn(6, 3)), centre=True),
            similarity.cosine_matrix(on(_drawn(6, 3)), whiten=True),
            similarity.similarity_map(on(_drawn(3, 4, 5)), 1, 2),
        ),
        ("cosine_matrix", "similarity_map"),
    ),
    "fields of tokens": (_fields, ("receptive_field", "influence_radius_km", "context_drop")),
    "spread of tokens": (
        _spread,
        ("whiten", "ledoit_wolf_shrinkage", "spread_of", "Spread", "effective_rank", "pooled", "TokenSearch"),
    ),
    "pairs": (_pairs, ("sample_pairs", "PairSample")),
    "histogram of pairs": (_histogram, ("pair_histogram",)),
    "reconstruction, tiny": (
        lambda on: _reconstruction(on, "tiny"),
        (
            "SpatioTemporalModel",
            "Reconstruction",
            "MonthlyConvDecoder",
            "SpatialPositionalEncoding2D",
            "SpatialTransformer",
            "TemporalAttentionAggregator",
            "TemporalPositionalEncoding",
            "VideoEncoder",
        ),
    ),
    "reconstruction, base": (lambda on: _reconstruction(on, "base"), ()),
    # float64: the gradients of biases before a BatchNorm or a softmax are rounding noise
    "reconstruction, documented": (lambda on: _reconstruction(on, "documented", dtype=torch.float64), ()),
    "reconstruction, repository": (lambda on: _reconstruction(on, "repository", dtype=torch.float64), ()),
    "reconstruction, unet": (
        lambda on: _reconstruction(on, "unet", dtype=torch.float64, patch=(1, 1, 1)),
        ("UNetModel", "build_model"),
    ),
    "reconstruction, table": (lambda on: _reconstruction(on, "tiny", encoder="table"), ()),
    "geographic expert": (_expert, ()),
}
"""What is computed, and the public names that it covers. Each is called on the CPU and on the emulated device."""

EXEMPT: dict[str, str] = {
    "EARTH_RADIUS_M": "a number",
    "LatLonGrid": "numpy coordinates",
    "grid_from_dataset": "numpy coordinates",
    "degree_and_order": "whole numbers",
    "flat_index": "whole numbers",
    "nodal_lines": "whole numbers",
    "resolution_note": "text",
    "wavelength_km": "a number",
    "fibonacci_sphere": "made of a number, on the CPU",
    "ENCODERS": "text and functions, which encode calls",
    "Encoder": "text and functions, which encode calls",
    "Parameter": "numbers",
    "TOKEN_ENCODERS": "text",
    "encoder_width": "a number",
    "sized_parameters": "numbers",
    "MAX_MASKED_DEGREE": "a number",
    "SCALE_FEATURES": "text",
    "Patches": "numpy sizes",
    "scale_features": "made of a grid, on the CPU",
    "CentreFile": "read from a file, on the CPU",
    "centres_of_bytes": "read from a file, on the CPU",
    "read_centres": "read from a file, on the CPU",
    "MAX_KAPPA": "a number",
    "MAX_LOG_KAPPA": "a number",
    "MIN_LOG_KAPPA": "a number",
    "MIN_KAPPA": "a number",
    "MOST_CENTRES": "a number",
    "DEEPEST_LEVEL": "a number",
    "FOLLOWING": "names",
    "Partition": "a type",
    "centres_within": "made of a grid, on the CPU",
    "even_centres": "made of a number, on the CPU",
    "hierarchy_centres": "made of a number, on the CPU",
    "PRESETS": "settings",
    "ReconstructionModel": "a type",
    "ResourceEstimate": "numbers",
    "SpatioTemporalConfig": "settings",
    "count_parameters": "a number",
    "encoder_config": "settings",
    "estimate": "numbers",
}
"""Public names that have no tensor of a device to take, and why."""
