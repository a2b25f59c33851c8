"""The Embeddings page: every state is an embedding that can be computed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.queries import embeddings
from explorer import tabs
from explorer.pages.embeddings import view
from explorer.pages.embeddings.model import MAX_COMPONENTS, EmbeddingsModel
from explorer.plots.embeddings import pair_density
from explorer.session import Session
from tests.support.held_tasks import held_tasks

KEYS = [*EmbeddingsModel.KEYS, "box", "place", "b", "scores", "at", "unknown"]
TEXTS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.sampled_from(["harmonic", "sinusoidal", "ocean", "box", "None", "0.25", "nan", "46,2", "{}", '{"encoder": 1}']),
    st.text(max_size=12),
)


def assert_valid(model: EmbeddingsModel) -> None:
    config = model.config  # raises where it could not be made
    heights, widths = embeddings.divisors(model.step_deg)
    assert model.patch_height in heights
    assert model.patch_width in widths
    most = (model.max_degree + 1) ** 2 - 1 if model.encoder == "harmonic" else MAX_COMPONENTS
    assert 1 <= model.num_components <= min(most, MAX_COMPONENTS)
    assert 1 <= model.dimension <= model.num_components
    row, col = embeddings.cell_of(config, *model.picked)
    rows, columns = config.patches().shape
    assert 0 <= row < rows
    assert 0 <= col < columns


@given(st.dictionaries(st.sampled_from(KEYS), TEXTS))
def test_any_address_gives_a_valid_embedding(query: dict[str, str]) -> None:
    assert_valid(EmbeddingsModel(query))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("encoder"), st.sampled_from(["harmonic", "sinusoidal"])),
            st.tuples(st.just("step_deg"), st.sampled_from([5.0, 4.0, 2.0, 1.0, 0.5])),
            st.tuples(st.just("max_degree"), st.integers(1, 40)),
            st.tuples(st.just("num_components"), st.integers(1, 512)),
            st.tuples(st.just("domain"), st.sampled_from(["sphere", "ocean", "land", "box"])),
        ),
        max_size=10,
    )
)
def test_any_sequence_of_choices_stays_valid(choices: list[tuple[str, object]]) -> None:
    model = EmbeddingsModel({})
    for name, value in choices:
        bounds = getattr(model.param[name], "bounds", None)
        if bounds is None or bounds[0] <= value <= bounds[1]:
            setattr(model, name, value)
        assert_valid(model)


def test_the_address_holds_both_choices() -> None:
    first = EmbeddingsModel({"step": "2", "ph": "3", "pw": "5", "L": "12", "K": "20", "clip": "None", "domain": "land"})
    first.keep_as_other()
    first.step_deg = 4.0
    again = EmbeddingsModel(first.address)
    assert again.config == first.config
    assert again.other == first.other
    assert again.other is not None
    assert again.other.patch == (3, 5)
    assert not again.notes


def test_a_patch_size_becomes_the_nearest_divisor() -> None:
    model = EmbeddingsModel({"step": "1", "ph": "45", "pw": "8"})
    model.step_deg = 4.0
    assert 45 % model.patch_height == 0
    assert 90 % model.patch_width == 0


def test_poles_and_date_line_lie_in_a_patch() -> None:
    config = EmbeddingsModel({"step": "5", "ph": "6", "pw": "6"}).config
    assert embeddings.cell_of(config, 90.0, 180.0) == (5, 0)
    assert embeddings.cell_of(config, -90.0, -180.0) == (0, 0)
    assert embeddings.cell_of(config, 0.0, 179.999) == (3, 11)


def test_the_density_of_pairs_is_opaque_where_pairs_are() -> None:
    km, similarity = np.array([10_000.0] * 100 + [5_000.0]), np.array([0.5] * 100 + [-0.5])
    density = pair_density(km, similarity)
    alpha = density[..., 3]
    assert (density.shape, density.dtype) == ((200, 320, 4), np.uint8)
    # the top row is the highest similarity
    (high, low), (right, left) = np.nonzero(alpha)
    assert (high, low) == (int(0.55 / 2.1 * 200), int(1.55 / 2.1 * 200))
    assert (right, left) == (int(10_000 / 20_040 * 320), int(5_000 / 20_040 * 320))
    assert alpha[high, right] // 2 > alpha[low, left] > 0


def test_datashader_is_imported_when_a_density_is_drawn_and_not_before() -> None:
    code = "import sys, explorer.plots.embeddings; print('datashader' in sys.modules, 'numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_an_embedding_of_an_earlier_choice_is_veiled_until_the_next_is_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = held_tasks()
    monkeypatch.setattr(tabs, "LatestTask", held_tasks())
    monkeypatch.setattr(view, "LatestTask", held)
    page = view.EmbeddingsView(Session(), EmbeddingsModel({"step": "2", "ph": "9", "pw": "9", "L": "3", "K": "4"}))

    def finish() -> None:
        next(task for task in held.created if task.running).finish()

    finish()
    assert not page.stage.is_veiled
    before = page.stage.globe.field
    page.model.num_components = 5
    assert page.stage.is_veiled
    page.model.picked = (10.0, 20.0)  # what is drawn while it is veiled would be of another choice than its controls
    assert page.stage.globe.field == before
    finish()
    assert not page.stage.is_veiled
    assert page.stage.globe.field != before
    page.model.keep_as_other()
    page.model.num_components = 6
    assert page.stage.is_veiled
    finish()
    assert page.stage.globe.field_b


def test_the_tab_probe_shows_a_run_and_offers_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    held = held_tasks()
    monkeypatch.setattr(tabs, "LatestTask", held)
    monkeypatch.setattr(view, "LatestTask", held)
    page = view.EmbeddingsView(Session(), EmbeddingsModel({"panel": "probe", "scores": "shipped", "task": "koppen"}))
    panel = page.panel
    panel._show_result()
    panel.task.finish()  # type: ignore[attr-defined]
    of = embeddings.probe_curves(embeddings.shipped_probe(), "land", "blocks")
    assert "did not read the chosen task" in panel.text.object
    assert embeddings.result_sentences(of)[0].split(":")[0] in panel.text.object
    best = of.curves[0]
    assert f"{best.num_numbers[best.scores.argmax()]:.0f} numbers" in panel._table.object
    assert page.run.card.styles.get("display") != "none"
    assert page.model.address["scores"] == "shipped"
    page.model.result = "no-such-run"
    panel._show_result()
    panel.task.finish()  # type: ignore[attr-defined]
    assert "is not the id of a run" in panel.text.object
    page.model.panel = "distance"
    assert page.run.card.styles.get("display") == "none"


def test_a_search_picks_the_patch_and_turns_the_globe(monkeypatch: pytest.MonkeyPatch) -> None:
    held = held_tasks()
    monkeypatch.setattr(tabs, "LatestTask", held)
    monkeypatch.setattr(view, "LatestTask", held)
    session = Session()
    messages: list[tuple[str, str]] = []
    monkeypatch.setattr(session, "say", lambda kind, text: messages.append((kind, text)))
    page = view.EmbeddingsView(session, EmbeddingsModel({}))
    page.model.search = "sao paulo"
    assert page.model.picked == pytest.approx((-23.5, -46.6), abs=0.1)
    assert page.model.camera[:2] == page.model.picked
    assert messages[-1] == ("info", "São Paulo, Brazil")
    page.model.search = "nowhere at all"
    assert messages[-1][0] == "warning"
    page.panel._pick(0.0, 0.0)
    assert page.model.picked == embeddings.patch_at(page.model.config, 0.0, 0.0)
