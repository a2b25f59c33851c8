"""What a page exports is what it has drawn, with its name, also while another choice is being computed."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import xarray as xr

from engine.queries import basis, embeddings
from engine.queries.basis import BasisConfig, Domain
from explorer import stage, tabs
from explorer.pages.basis import view as basis_view
from explorer.pages.basis.model import BasisModel
from explorer.pages.data import view as data_view
from explorer.pages.data.model import DataModel
from explorer.pages.embeddings import view as embeddings_view
from explorer.pages.embeddings.model import EmbeddingsModel
from explorer.pages.table import view as table_view
from explorer.pages.table.model import TableModel
from explorer.session import Session
from tests.support.held_tasks import held_tasks


def saved(page: Any) -> tuple[str, dict[str, Any]]:
    """The name and the choices of the file that was offered last."""
    offered = page.stage.download._file
    with xr.open_dataset(io.BytesIO(offered["content"]), engine="h5netcdf") as dataset:
        return offered["name"], json.loads(dataset.attrs["harmonia_choices"])


@pytest.fixture(autouse=True)
def _tasks_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    held = held_tasks()
    for view in (stage, basis_view, data_view, embeddings_view, table_view, tabs):
        monkeypatch.setattr(view, "LatestTask", held)


def test_a_basis_function_is_exported_as_drawn_while_the_next_basis_is_fitted() -> None:
    basis.fitted(BasisConfig(3, 5, Domain("ocean"), 2.0))
    address = {"show": "component", "L": "3", "K": "5", "k": "2", "domain": "ocean", "step": "2"}
    page = basis_view.BasisView(Session(), BasisModel(address))
    page.model.param.update(domain="land", component=4)
    assert page._fit.running  # the basis of the land
    page._offer_field()
    page.stage.filing.finish()
    name, choices = saved(page)
    assert name == "basis-ocean-L3-k2-step2.nc"
    assert (choices["config"]["domain"]["kind"], choices["component"]) == ("ocean", 2)
    page._offer("basis", "nc", basis_view.basis_files.basis_netcdf)
    page.stage.filing.finish()
    name, choices = saved(page)
    assert name == "basis-ocean-L3-K5.nc"
    assert choices["config"]["domain"]["kind"] == "ocean"
    assert page._fit.running  # an export does not end the fit


def test_a_single_harmonic_has_no_basis_to_export() -> None:
    page = basis_view.BasisView(Session(), BasisModel({"l": "4", "m": "1"}))
    page._offer("basis", "nc", basis_view.basis_files.basis_netcdf)
    assert not page.stage.filing.running
    page._offer_field()
    page.stage.filing.finish()
    assert saved(page) == ("harmonic-l4-m1.nc", {"degree": 4, "order": 1})


def test_an_embedding_is_exported_as_drawn_while_the_next_is_computed() -> None:
    page = embeddings_view.EmbeddingsView(Session(), EmbeddingsModel({"step": "5", "L": "3", "K": "5"}))
    page._offer_values("nc", embeddings.embedding_netcdf)
    assert not page.stage.filing.running  # nothing is drawn yet
    page._work.finish()
    drawn = page.model.config
    page.model.num_components = 3
    page._compute()
    page._offer_values("nc", embeddings.embedding_netcdf)
    page.stage.filing.finish()
    name, choices = saved(page)
    assert name == f"{embeddings_view.text.file_stem(drawn)}.nc"
    assert choices["basis"]["num_components"] == 5


def test_a_map_is_exported_off_the_event_loop_as_it_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while the next day is read; its picture, which is taken in the browser, only while it stands there."""
    page = data_view.DataView(Session(), DataModel({"step": "2", "years": "2", "day": "2001-03-05"}))
    page._opening.finish()
    page._reading.finish()
    page._offer_map()
    assert not page.stage.download._file
    page.model.day += 1
    assert page._reading.running
    page.stage.filing.finish()
    name, _ = saved(page)
    assert "2001-03-05" in name
    assert page._reading.running  # an export does not end the reading

    taken: list[str] = []
    messages: list[str] = []
    monkeypatch.setattr(page.stage, "save_picture", lambda stem, origin, title, key: taken.append(stem))
    page.session.say = lambda severity, sentence: messages.append(sentence)
    page._offer_picture()
    page._reading.finish()
    page.stage.filing.finish()
    assert (taken, messages) == ([], [stage.CHANGED])
    page._offer_picture()
    page.stage.filing.finish()
    assert len(taken) == 1
    assert "2001-03-06" in taken[0]


def test_the_choices_of_a_table_are_written_off_the_event_loop() -> None:
    page = table_view.TableView(Session(), TableModel({}))
    page._offer_choices()
    assert not page.stage.download._file
    page.stage.filing.finish()
    assert json.loads(page.stage.download._file["content"])["settings"]


def test_a_file_is_cancelled_by_the_button_only_where_no_result_is_computed() -> None:
    page = table_view.TableView(Session(), TableModel({}))
    cancelled: list[bool] = []
    page.stage._cancel = lambda: cancelled.append(True)
    page._offer_choices()
    page.stage.show_progress(0.5, "Reading")
    page.stage._abandon()
    assert (cancelled, page.stage.filing.running) == ([True], True)
    page.stage.show_progress(None, "")
    page.stage._abandon()
    assert (cancelled, page.stage.filing.running) == ([True], False)
