"""What a page exports is what it has drawn, with its name, also while another choice is being computed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import xarray as xr

from engine.queries import basis, embeddings
from engine.queries.basis import BasisConfig, Domain
from explorer import tabs
from explorer.pages.basis import view as basis_view
from explorer.pages.basis.model import BasisModel
from explorer.pages.embeddings import view as embeddings_view
from explorer.pages.embeddings.model import EmbeddingsModel
from explorer.session import Session


class OnRequest:
    """In place of a task: does its work when the test asks for it."""

    def __init__(self, *_: object) -> None:
        self.waiting: Callable[[], object] | None = None

    def start(self, work: Callable[..., Any], then: Callable[[Any], object]) -> None:
        self.waiting = lambda: then(work(lambda *_: None))

    def cancel(self) -> None:
        self.waiting = None

    def finish(self) -> None:
        """Do the work that waits."""
        assert self.waiting is not None
        work, self.waiting = self.waiting, None
        work()


def saved(page: Any) -> tuple[str, dict[str, Any]]:
    """The name and the choices of the file that was offered last."""
    offered = page.stage.download._file
    with xr.open_dataset(io.BytesIO(offered["content"]), engine="h5netcdf") as dataset:
        return offered["name"], json.loads(dataset.attrs["harmonia_choices"])


@pytest.fixture(autouse=True)
def _tasks_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for view in (basis_view, embeddings_view, tabs):
        monkeypatch.setattr(view, "LatestTask", OnRequest)


def test_a_basis_function_is_exported_as_drawn_while_the_next_basis_is_fitted() -> None:
    basis.fitted(BasisConfig(3, 5, Domain("ocean"), 2.0))
    address = {"show": "component", "L": "3", "K": "5", "k": "2", "domain": "ocean", "step": "2"}
    page = basis_view.BasisView(Session(), BasisModel(address))
    page.model.param.update(domain="land", component=4)
    assert page._fit.waiting is not None  # the basis of the land
    page._offer_field()
    name, choices = saved(page)
    assert name == "basis-ocean-L3-k2.nc"
    assert (choices["config"]["domain"]["kind"], choices["component"]) == ("ocean", 2)
    page._offer("basis", "nc", basis_view.basis_files.basis_netcdf)
    page._filing.finish()
    name, choices = saved(page)
    assert name == "basis-ocean-L3-K5.nc"
    assert choices["config"]["domain"]["kind"] == "ocean"
    assert page._fit.waiting is not None  # an export does not end the fit


def test_a_single_harmonic_has_no_basis_to_export() -> None:
    page = basis_view.BasisView(Session(), BasisModel({"l": "4", "m": "1"}))
    page._offer("basis", "nc", basis_view.basis_files.basis_netcdf)
    assert page._filing.waiting is None
    page._offer_field()
    assert saved(page) == ("harmonic-l4-m1.nc", {"degree": 4, "order": 1})


def test_an_embedding_is_exported_as_drawn_while_the_next_is_computed() -> None:
    page = embeddings_view.EmbeddingsView(Session(), EmbeddingsModel({"step": "5", "L": "3", "K": "5"}))
    page._offer_values("nc", embeddings.embedding_netcdf)
    assert page._filing.waiting is None  # nothing is drawn yet
    page._work.finish()
    drawn = page.model.config
    page.model.num_components = 3
    page._compute()
    page._offer_values("nc", embeddings.embedding_netcdf)
    page._filing.finish()
    name, choices = saved(page)
    assert name == f"{embeddings_view.text.file_stem(drawn)}.nc"
    assert choices["basis"]["num_components"] == 5
