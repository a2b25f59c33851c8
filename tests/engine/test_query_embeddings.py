"""The numbers of the Embeddings page: the engine's own, cached, comparable, and to be taken away and made again."""

import io
import json
import math

import numpy as np
import pytest
import torch
import xarray as xr

from engine.config.probe import DEFAULT_ENCODERS
from engine.data import Domain
from engine.embedding import HarmonicBasis, position_embedding, scale_features
from engine.errors import ChoiceError, DataError, GridError, StoreError
from engine.evaluation import probe
from engine.queries import embeddings as queries
from engine.queries.basis import BasisConfig
from engine.queries.cache import CACHE
from engine.queries.embeddings import curves, files
from engine.queries.embeddings.patches import EmbeddingConfig, domain_fraction
from engine.queries.places import find_place
from engine.similarity import cosine_matrix
from engine.sphere import LatLonGrid, great_circle_km
from engine.typed import read_parquet
from tests.support.reference import position_pixels

SPHERE = EmbeddingConfig(BasisConfig(6, 20, step_deg=3.0), step_deg=3.0, patch=(4, 6))
OCEAN = EmbeddingConfig(BasisConfig(6, 20, Domain("ocean"), 3.0), step_deg=3.0, patch=(4, 6), clip_sigma=1.5)
BOX = EmbeddingConfig(BasisConfig(4, 9, Domain("box", -20, 30, 160, -150), 3.0), 6.0, (3, 4), None)
SINES = EmbeddingConfig(BasisConfig(6, 20), step_deg=3.0, patch=(4, 6), encoder="sinusoidal")
ALL = [SPHERE, OCEAN, BOX, SINES]
NAMES = ["sphere", "ocean", "box", "sinusoidal"]


def flat_areas(config: EmbeddingConfig) -> np.ndarray:
    embedding = queries.embedding(config)
    return np.repeat(embedding.area_m2, embedding.lon.size)


# --- the embedding --------------------------------------------------------------------------------------------------


def test_the_embedding_is_the_engines_and_is_kept() -> None:
    grid = LatLonGrid.regular(3.0)
    basis = HarmonicBasis.fit(grid, 6, 20, Domain("ocean").mask(grid))
    expected = position_embedding(basis, grid, (4, 6), 1.5).numpy()
    embedding = queries.embedding(OCEAN)
    assert embedding.values.dtype == np.float32
    np.testing.assert_allclose(embedding.values, expected, atol=1e-5)
    assert queries.is_embedded(OCEAN)
    assert queries.embedding(OCEAN) is embedding
    np.testing.assert_array_equal(queries.dimension(OCEAN, 7), embedding.values[:, :, 7])
    np.testing.assert_allclose(embedding.lat, np.arange(-84.0, 90.0, 12.0))
    np.testing.assert_allclose(embedding.lon, np.arange(-171.0, 180.0, 18.0))
    assert embedding.area_m2.sum() * 20 == pytest.approx(4 * math.pi * 6_371_000.0**2, rel=1e-12)


def test_progress_rises_over_fit_and_embedding_and_may_abandon() -> None:
    config = EmbeddingConfig(BasisConfig(5, 8, Domain("land"), 4.0), 4.0, (3, 3))

    class Abandoned(Exception):  # noqa: N818
        pass

    def give_up(share: float, text: str) -> None:
        raise Abandoned

    with pytest.raises(Abandoned):
        queries.embedding(config, give_up)
    assert not queries.is_embedded(config)
    seen: list[float] = []
    queries.embedding(config, lambda share, _text: seen.append(share))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize("step", [0.25, 1.0, 10.0])
def test_only_patches_that_divide_are_offered(step: float) -> None:
    heights, widths = queries.divisors(step)
    rows = round(180 / step)
    assert heights == [n for n in range(1, rows + 1) if rows % n == 0]
    assert widths == [n for n in range(1, 2 * rows + 1) if 2 * rows % n == 0]


@pytest.mark.parametrize(
    ("choices", "error", "message"),
    [
        ({"patch": (7, 4)}, ChoiceError, "patch height 7 does not divide 180 latitudes .* 6 and 9 do"),
        ({"patch": (4, 11)}, ChoiceError, "patch width 11 does not divide 360 longitudes .* 10 and 12 do"),
        ({"clip_sigma": 0.0}, ChoiceError, "choose more than 0"),
        ({"clip_sigma": math.nan}, ChoiceError, "choose more than 0"),
        ({"encoder": "table"}, ChoiceError, "has no values before it is trained"),
        ({"encoder": "fourier"}, ChoiceError, "choose one of harmonic, sinusoidal"),
        ({"step_deg": 0.7}, GridError, "does not divide 180°"),
    ],
)
def test_choices_that_cannot_work_are_refused(choices: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        EmbeddingConfig(**choices)


def test_too_many_components_are_refused_and_nothing_is_kept() -> None:
    config = EmbeddingConfig(BasisConfig(6, 49), 3.0, (4, 6))
    with pytest.raises(ChoiceError, match=r"choose 1 ≤ K ≤ \(L\+1\)² − 1 = 48"):
        queries.embedding(config)
    assert not queries.is_embedded(config)
    with pytest.raises(ChoiceError, match="a multiple of 4: 48 or 52"):
        queries.embedding(EmbeddingConfig(BasisConfig(6, 49), encoder="sinusoidal"))
    with pytest.raises(ChoiceError, match="choose one from 0 to 19"):
        queries.dimension(SPHERE, 20)


# --- what is seen of it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", ALL, ids=NAMES)
def test_colours_are_the_leading_axes_stretched(config: EmbeddingConfig) -> None:
    colours = queries.rgb(config)
    values, weights = queries.embedding(config).values.astype(float), flat_areas(config)
    tokens = values.reshape(-1, values.shape[2])
    centred = tokens - np.average(tokens, axis=0, weights=weights)
    shares = weights / weights.sum()
    _, axes = np.linalg.eigh(centred.T @ (shares[:, None] * centred))
    assert colours.shape == (*values.shape[:2], 3)
    assert colours.dtype == np.uint8
    space = np.c_[centred @ axes[:, ::-1][:, :6], np.ones(len(tokens))]
    for channel in colours.reshape(-1, 3).T.astype(float):
        assert {channel.min(), channel.max()} == {0.0, 255.0}
        inside = (channel > 0) & (channel < 255)
        # a channel is linear in the leading axes wherever it is not cut off, and 2 % are cut off on either side
        fit, *_ = np.linalg.lstsq(space[inside], channel[inside], rcond=None)
        linear = space @ fit
        assert np.abs(linear - channel)[inside].max() < 1.0
        for beyond, reached in ((linear < -1, linear < 1), (linear > 256, linear > 254)):
            assert shares[beyond].sum() < 0.02 + shares.max()
            assert shares[reached].sum() > 0.02 - shares.max()


def test_two_dimensions_leave_one_channel_grey() -> None:
    colours = queries.rgb(EmbeddingConfig(BasisConfig(1, 2, step_deg=3.0), 3.0, (4, 6)))
    assert (colours[:, :, 2] == 128).all()
    assert np.ptp(colours[:, :, 1]) > 0


@pytest.mark.parametrize("config", ALL, ids=NAMES)
def test_similarity_and_its_extremes(config: EmbeddingConfig) -> None:
    embedding = queries.embedding(config)
    rows, columns, width = embedding.values.shape
    matrix = cosine_matrix(torch.tensor(embedding.values).view(-1, width).double()).numpy()
    row, col = rows // 3, columns // 2
    shown = queries.similarity(config, row, col)
    np.testing.assert_allclose(shown.ravel(), matrix[row * columns + col], atol=1e-6)
    nearest, farthest = queries.extremes(config, row, col, 4)
    others = np.delete(shown.ravel(), row * columns + col)
    np.testing.assert_array_equal([patch.similarity for patch in nearest], np.sort(others)[::-1][:4])
    np.testing.assert_array_equal([patch.similarity for patch in farthest], np.sort(others)[:4])
    for patch in nearest + farthest:
        assert patch.similarity == shown[patch.row, patch.col]
        assert (patch.lat, patch.lon) == (embedding.lat[patch.row], embedding.lon[patch.col])
        km = great_circle_km(embedding.lat[row], embedding.lon[col], patch.lat, patch.lon)
        assert patch.km == pytest.approx(float(km))


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    running = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(running, running[-1] / 2.0)])


@pytest.mark.parametrize("encoder", ["harmonic", "sinusoidal"])
def test_similarity_against_distance_is_that_of_all_pairs(encoder: str) -> None:
    config = EmbeddingConfig(BasisConfig(4, 12), step_deg=3.0, patch=(2, 2), encoder=encoder)
    similarity = curves.similarity_by_distance(config)
    assert similarity.overall.count.sum() == sum(band.count.sum() for band in similarity.bands)
    assert [band.name for band in similarity.bands][::5] == ["60–90° S", "60–90° N"]
    embedding = queries.embedding(config)
    lat, lon = (torch.tensor(axis).reshape(-1) for axis in np.meshgrid(embedding.lat, embedding.lon, indexing="ij"))
    first, second = np.triu_indices(lat.numel(), k=1)
    km = great_circle_km(lat[first], lon[first], lat[second], lon[second]).numpy()
    cosines = cosine_matrix(torch.tensor(embedding.values).flatten(0, 1)).numpy()[first, second]
    weights = flat_areas(config)[first] * flat_areas(config)[second]
    edges = np.linspace(0.0, math.pi * 6371.0, similarity.km.size + 1)
    bins = np.searchsorted(edges, km) - 1
    spread = similarity.overall
    assert (spread.count[2:] > 300).all()
    for index in range(2, similarity.km.size):
        inside = bins == index
        assert spread.low[index] <= spread.median[index] <= spread.high[index]
        assert spread.median[index] == pytest.approx(weighted_median(cosines[inside], weights[inside]), abs=0.06)
    assert curves.similarity_by_distance(config) is similarity


def test_a_basis_of_the_sphere_is_even_and_falls_and_sines_are_not() -> None:
    sphere, sines = EmbeddingConfig(), EmbeddingConfig(encoder="sinusoidal")
    even = curves.similarity_by_distance(sphere).overall
    assert even.median[0] > 0.9
    assert (np.diff(even.median[:8]) < 0.0).all()
    measures = {row.name: row for row in curves.compare(sphere, sines)}
    assert measures["spread between latitudes"].a < 0.5 * measures["spread between latitudes"].b


def test_the_histogram_is_of_all_pairs() -> None:
    edges, shares = curves.similarity_histogram(SPHERE)
    weights = flat_areas(SPHERE)
    upper = np.triu_indices(len(weights), k=1)
    matrix = cosine_matrix(torch.tensor(queries.embedding(SPHERE).values).flatten(0, 1)).numpy()
    expected, _ = np.histogram(matrix[upper], bins=edges, weights=np.outer(weights, weights)[upper])
    assert shares.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=1e-4)


def test_the_clipped_share_is_counted_on_the_cells() -> None:
    grid = OCEAN.grid()
    basis = HarmonicBasis.fit(grid, 6, 20, Domain("ocean").mask(grid))
    beyond = np.abs(position_pixels(basis, grid, None)) > 1.5
    expected = np.average(beyond.mean(axis=1), axis=0, weights=grid.cell_area_m2)
    np.testing.assert_allclose(queries.clipped_fraction(OCEAN), expected, atol=2e-3)
    assert (queries.clipped_fraction(BOX) == 0.0).all()
    assert (queries.clipped_fraction(SINES) == 0.0).all()


def test_the_scale_table_is_the_engines_with_names_and_units() -> None:
    table = queries.scale(OCEAN)
    assert table.logs.shape == (15, 10)
    np.testing.assert_array_equal(table.logs, scale_features(OCEAN.grid(), (4, 6))[:, 3].numpy())
    name, size, unit, feature = table.of(7)[2]
    assert (name, unit) == ("area", "m²")
    assert size == pytest.approx(queries.embedding(OCEAN).area_m2[7], rel=1e-12)
    assert feature == pytest.approx(math.log(size))


def test_a_patch_outside_the_domain_says_so() -> None:
    share = domain_fraction(OCEAN)
    mask = Domain("ocean").mask(OCEAN.grid())
    area = np.repeat(OCEAN.grid().cell_area_m2, 120).reshape(60, 120)
    assert share[3, 9] == pytest.approx(np.average(mask[12:16, 54:60], weights=area[12:16, 54:60]))
    antarctica = tuple(int(index) for index in np.argwhere(share == 0.0)[0])
    assert "wholly outside the ocean" in (queries.domain_note(OCEAN, *antarctica) or "")
    assert np.isfinite(queries.embedding(OCEAN).values[antarctica]).all()
    wet = np.unravel_index(share.argmax(), share.shape)
    assert queries.domain_note(OCEAN, *wet) is None
    assert queries.domain_note(SPHERE, *antarctica) is None
    assert queries.domain_note(SINES, *antarctica) is None


def test_the_cost_knows_the_size_and_what_is_at_hand() -> None:
    config = EmbeddingConfig(BasisConfig(8, 30, Domain("ocean"), 5.0), 5.0, (2, 2))
    before = queries.embedding_cost(config)
    assert before.seconds > 0.0
    assert before.peak_bytes > before.result_bytes == queries.embedding(config).values.nbytes
    assert queries.embedding_cost(config).seconds == 0.0
    fine, coarse = (queries.embedding_cost(EmbeddingConfig(step_deg=step)) for step in (0.05, 0.1))
    assert fine.seconds == pytest.approx(4.0 * coarse.seconds)
    masked = queries.embedding_cost(EmbeddingConfig(BasisConfig(40, 64, Domain("land")), 0.1))
    assert masked.seconds > coarse.seconds
    assert masked.peak_bytes > 5 * 8 * 41**4


def test_only_numbers_that_differ_are_compared() -> None:
    assert curves.compare(SPHERE, SPHERE) == []
    other = EmbeddingConfig(SPHERE.basis, 3.0, (6, 6))
    numbers = {row.name: (row.a, row.b) for row in curves.compare(SPHERE, other)}
    assert numbers["patches"] == (300.0, 200.0)
    assert numbers["largest patch"][0] < numbers["largest patch"][1]
    assert "dimensions" not in numbers
    assert "values clipped" not in numbers


# --- to take away ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", ALL, ids=NAMES)
def test_the_snippet_makes_exactly_this_embedding(config: EmbeddingConfig) -> None:
    embedding = queries.embedding(config)
    names: dict = {}
    exec(compile(files.snippet(config), "snippet", "exec"), names)
    assert names["embedding"].dtype == np.float32
    assert np.array_equal(names["embedding"], embedding.values)
    assert np.array_equal(names["lat"], embedding.lat)
    assert np.array_equal(names["lon"], embedding.lon)


@pytest.mark.parametrize("config", ALL, ids=NAMES)
def test_files_come_back_as_they_were(config: EmbeddingConfig) -> None:
    embedding = queries.embedding(config)
    assert files.config_from_json(files.config_json(config)) == config
    with np.load(io.BytesIO(files.embedding_npz(config)), allow_pickle=False) as arrays:
        assert json.loads(str(arrays["provenance"]))["harmonia_recipe"] == "embedding.npz"
        for name, field in {"embedding": "values", "lat": "lat", "lon": "lon", "area_m2": "area_m2"}.items():
            assert np.array_equal(arrays[name], getattr(embedding, field))
    with xr.open_dataset(io.BytesIO(files.embedding_netcdf(config)), engine="h5netcdf") as dataset:
        assert np.array_equal(dataset["embedding"].transpose("lat", "lon", ...).values, embedding.values)
        feature = dataset["feature_name"].values.tolist().index("ln(area / m²)")
        assert dataset["scale"][feature].values == pytest.approx(np.log(embedding.area_m2))
        assert LatLonGrid.from_dataset(dataset).shape == embedding.values.shape[:2]
        assert float(dataset["area"].sum()) == pytest.approx(4 * math.pi * 6_371_000.0**2, rel=1e-9)
        np.testing.assert_allclose(dataset["lat_bounds"].mean("bounds"), embedding.lat)


def test_files_that_are_not_ours_or_damaged_are_refused() -> None:
    text = json.loads(files.config_json(SPHERE))
    for changes, message in (
        ({"patch": [7, 4]}, "damaged: patch height 7"),
        ({"patch": 7}, "damaged"),
        ({"basis": {}}, "damaged"),
        ({"version": 2}, "newer version"),
        ({"format": "other"}, "not a configuration of an embedding"),
    ):
        with pytest.raises(StoreError, match=message):
            files.config_from_json(json.dumps(text | changes))
    for content in (b"", b"\x89PNG and so on", b"{}", b"[]", b"{", b'"text"', b'{"format": "other", "version": 1}'):
        with pytest.raises(StoreError, match="not a configuration of an embedding"):
            files.config_from_json(content)


def test_answers_stay_within_the_cache() -> None:
    for config in ALL:
        queries.embedding(config)
    assert 0 < CACHE.used_bytes <= CACHE.max_bytes


# --- the probe --------------------------------------------------------------------------------------------------------


def test_the_page_s_probe_is_the_engine_s() -> None:
    config = EmbeddingConfig(BasisConfig(6, 20), step_deg=3.0, patch=(2, 2))
    patches = queries.embedding(config)
    lat, lon = (axis.ravel() for axis in np.meshgrid(patches.lat, patches.lon, indexing="ij"))
    area = np.repeat(patches.area_m2, patches.lon.size)
    expected = probe(patches.values.reshape(-1, 20), lat, lon, "sst", "blocks", weights=area)
    score = queries.probed(config, "sst", "blocks")
    assert (score.score, score.baseline) == (expected.score, expected.baseline)
    errors = queries.probe_error(config, "sst", "blocks")
    np.testing.assert_allclose(errors.ravel(), np.abs(expected.predicted - expected.values), rtol=1e-6)
    classes = queries.probe_error(config, "koppen", "random")
    assert set(np.unique(classes[np.isfinite(classes)])) == {0.0, 1.0}
    curve = queries.probe_curve(config, "sst", "blocks")
    assert list(curve.num_numbers) == [2, 4, 8, 16, 20]
    assert curve.scores[-1] == score.score
    first = queries.probe_sentences(config, "sst", "blocks", curve)[0]
    assert f"R² {score.score:.2f} from 20 numbers, read linearly on held-out blocks of 10°" in first


def test_encoders_are_compared_at_as_many_numbers_and_no_other_reads_more_with_fewer_than_those_of_the_front() -> None:
    config = EmbeddingConfig(BasisConfig(6, 20), step_deg=6.0, patch=(2, 2))
    encoders = queries.compare_encoders(config, "land", "random")
    assert {row.name for row in encoders} >= {"harmonic", "direct", "grid", "rff"}
    for row in encoders:
        others = [other for other in encoders if other.num_numbers <= row.num_numbers and other is not row]
        assert row.is_best == all(other.score <= row.score for other in others)


@pytest.mark.parametrize("encoder", ["direct", "grid", "rff", "needlets"])
def test_any_encoder_can_be_shown_and_its_code_makes_it_anew(encoder: str) -> None:
    config = EmbeddingConfig(BasisConfig(6, 40), step_deg=6.0, patch=(2, 3), encoder=encoder)
    values = queries.embedding(config).values
    names: dict[str, object] = {}
    exec(queries.snippet(config), names)
    np.testing.assert_array_equal(names["embedding"], values)
    assert values.shape[2] <= 40


# --- what a run of the probe measured -------------------------------------------------------------------------------


def row(encoder: str, degree: int, size: int, score: float, seed: int = 0, task: str = "sst") -> dict[str, object]:
    return {
        "encoder": encoder, "max_degree": degree, "size": size, "num_numbers": size, "step_deg": 1.0, "task": task,
        "split": "blocks", "seed": seed, "reader": "linear", "metric": "R²", "score": score, "latitude": 0.5,
        "nearest": 0.9, "fold_spread": 0.02,
    }  # fmt: skip


ROWS = [
    row("harmonic", 6, 16, 0.5), row("harmonic", 6, 48, 0.795), row("harmonic", 10, 16, 0.4),
    row("harmonic", 10, 64, 0.8), row("rff", 0, 16, 0.6), row("rff", 0, 64, 0.85, 0), row("rff", 0, 64, 0.95, 1),
    row("direct", 0, 2, 0.1), row("rbf", 0, 64, 0.595),
]  # fmt: skip
MEASURED = [{"encoder": "rff", "max_degree": 0, "size": 64, "step_deg": 1.0, "resolution_km": 2600.0}]
RESULT = queries.ProbeResult(tuple(ROWS), tuple(MEASURED))


def test_the_curves_of_a_run_are_its_scores_and_their_front() -> None:
    of = queries.probe_curves(RESULT, "sst", "blocks")
    assert [curve.name for curve in of.curves] == ["rff", "harmonic, L = 10", "harmonic, L = 6", "rbf", "direct"]
    rff = of.curves[0]
    assert rff.num_numbers.tolist() == [16.0, 64.0]
    np.testing.assert_allclose(rff.scores, [0.6, 0.9])  # the mean over two seeds
    assert rff.is_best == (True, True)
    assert of.curves[2].is_best == (False, True)  # nothing with 48 numbers or fewer reads more than 0.795
    assert of.curves[1].is_best == (False, False)
    assert of.curves[3].is_best == (False,)
    with pytest.raises(DataError, match="did not read 'land'"):
        queries.probe_curves(RESULT, "land", "blocks")


def test_a_run_is_answered_in_words() -> None:
    of = queries.probe_curves(RESULT, "sst", "blocks")
    first, degrees = queries.result_sentences(of)
    assert "rff reads most, R² 0.90 from 64 numbers" in first
    # 0.795 of L = 6 is within 0.01 of the 0.80 of L = 10
    assert degrees == "With at most 64 components of the ocean's basis, L = 6 serves as well as any higher: R² 0.80."
    more = queries.ProbeResult((*ROWS[:6], row("rff", 0, 32, 0.8), row("rff", 0, 128, 0.95), *ROWS[7:]), ())
    second = queries.result_sentences(queries.probe_curves(more, "sst", "blocks"))[1]
    assert second == "32 numbers of rff read as much as 64 of harmonic, L = 10."


def test_advice_is_of_the_nearest_choice_that_was_probed() -> None:
    sentence = queries.advice(RESULT, "harmonic", 11, 60)
    assert sentence == (
        "Probe: harmonic, L = 10 with 64 numbers reads R² 0.80 ± 0.02 of August SST in held-out blocks; "
        "rff with 64 reads 0.90, latitude alone 0.50."
    )
    assert "none with as few reads more" in queries.advice(RESULT, "rff", 0, 64)
    assert queries.advice(RESULT, "wrap", 0, 4) == ""


def test_the_result_that_comes_along_advises_on_every_encoder_it_probed() -> None:
    shipped = queries.shipped_probe()
    for name in DEFAULT_ENCODERS:
        assert queries.advice(shipped, name, 10, 64).startswith(f"Probe: {name}")
    assert len(shipped.rows) == len(shipped.embeddings) * len(shipped.tasks) * 2


def test_a_run_is_exported_as_csv_and_parquet(tmp_path) -> None:
    csv = queries.result_csv(RESULT, "run x").decode()
    lines = [line for line in csv.splitlines() if not line.startswith("#")]
    assert len(lines) == len(ROWS) + 1
    path = tmp_path / "probe.parquet"
    path.write_bytes(queries.result_parquet(RESULT, "run x"))
    columns = read_parquet(path)
    np.testing.assert_allclose(columns["score"].astype(float), [known["score"] for known in ROWS])
    assert columns["resolution_km"][5] == 2600.0
    assert np.isnan(columns["resolution_km"][0])


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"format": "harmonia.probe", "version": 1, "rows": [{}]}'])
def test_another_file_is_no_result_of_a_probe(tmp_path, content) -> None:
    path = tmp_path / "probe.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"probe\.json"):
        queries.read_probe(path)


def test_a_sweep_is_a_legal_run_for_every_choice() -> None:
    for encoder in queries.SHOWN_ENCODERS:
        settings = queries.sweep_config(encoder, "land", "basin", 4.0).settings
        assert settings.steps_deg == (1.0, 4.0)
        assert (settings.tasks, settings.splits) == (("land",), ("basin",))
    assert queries.sweep_config("rff", "sst", "blocks", 0.25).settings.steps_deg == (1.0,)


def test_the_axes_of_the_colours_are_the_principal_components() -> None:
    patches = queries.embedding(SPHERE)
    channels, shares = queries.components(SPHERE)
    area = np.repeat(patches.area_m2, patches.lon.size)
    tokens = patches.values.reshape(-1, 20).astype(np.float64)
    covariance = np.cov(tokens.T, aweights=area, ddof=0)
    largest = np.linalg.eigvalsh(covariance)[::-1][:3]
    np.testing.assert_allclose(shares, largest / np.trace(covariance), rtol=1e-6)
    variance = [np.cov(channels[:, :, at].ravel(), aweights=area, ddof=0) for at in range(3)]
    np.testing.assert_allclose(variance, largest, rtol=1e-6)
    red = queries.colour_axes(SPHERE)[0]
    row, col = queries.cell_of(SPHERE, *red.largest)
    assert channels[row, col, 0] == channels[:, :, 0].max()
    assert queries.rgb(SPHERE)[row, col, 0] == 255


def test_a_point_among_the_components_is_the_patch_it_stands_for() -> None:
    channels, _ = queries.components(SPHERE)
    patches = queries.embedding(SPHERE)
    at = queries.patch_at(SPHERE, float(channels[3, 5, 0]), float(channels[3, 5, 1]))
    assert at == (patches.lat[3], patches.lon[5])


def test_a_place_is_a_city_or_coordinates() -> None:
    assert find_place("hamburg") == ("Hamburg, Germany", pytest.approx(53.55, abs=0.02), pytest.approx(10.0, abs=0.02))
    assert find_place("-33.9, 151.2")[1:] == (-33.9, 151.2)
    with pytest.raises(DataError, match="no city"):
        find_place("Qqq")
