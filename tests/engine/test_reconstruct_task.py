"""The reconstruction of an archive goes on from the months it kept, to the same file, and never mixes models."""

from datetime import UTC, datetime

import numpy as np
import pytest

from engine import provenance
from engine.config.reconstruct import ReconstructSettings
from engine.errors import CancelledError
from engine.training.sst import reconstruct as reconstruct_task
from tests.support.ocean import small_ocean
from tests.support.run_context import context
from tests.support.trainings import MODEL, untrained

MODEL_RUN = "20260101-000000-0123456789"
SETTINGS = ReconstructSettings(model=MODEL_RUN, first="2001-02", last="2001-09")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(reconstruct_task, "open_source", lambda _: small_ocean(1))
    monkeypatch.setattr(provenance, "now", lambda: datetime(2026, 11, 30, tzinfo=UTC))
    (tmp_path / "home" / "runs" / MODEL_RUN).mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def first_months(monkeypatch):
    """The first months of the samples that the model was asked for."""
    months: list[int] = []
    sample = reconstruct_task._estimate

    def counted(model, data, count):
        months.append(int(data.months[-count]))
        return sample(model, data, count)

    monkeypatch.setattr(reconstruct_task, "_estimate", counted)
    return months


def save_model(home, **changes) -> None:
    untrained(**changes).save(home / "runs" / MODEL_RUN / "best.safetensors")


def work(folder, stop_after: int | None = None) -> bytes:
    folder.mkdir(exist_ok=True)
    run = context(folder, SETTINGS, stop_after)
    try:
        reconstruct_task.reconstruct_archive(SETTINGS, run)
    finally:
        run.close()
    return (folder / "reconstruction.nc").read_bytes()


@pytest.mark.parametrize("uncertainty", [False, True])
@pytest.mark.parametrize("months", [1, 3])
def test_a_stopped_one_goes_on_to_the_same_file(tmp_path, home, first_months, months, uncertainty):
    model = MODEL.model_copy(update={"uncertainty": uncertainty})
    save_model(home, months=months, model=model, loss="gaussian" if uncertainty else "l1")
    expected = work(tmp_path / "whole")
    assert first_months == list(range(2, 10, months))
    first_months.clear()
    with pytest.raises(CancelledError):
        work(tmp_path / "parts", stop_after=2)  # the first report is before any month
    assert first_months == [2]
    assert not (tmp_path / "parts" / "reconstruction.nc").exists()
    assert work(tmp_path / "parts") == expected
    assert first_months == list(range(2, 10, months))
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == sorted(
        path.name for path in (tmp_path / "whole").iterdir()
    )
    assert not (tmp_path / "parts" / "parts").exists()


def test_months_of_another_model_are_made_anew(tmp_path, home, first_months):
    save_model(home)
    with pytest.raises(CancelledError):
        work(tmp_path / "parts", stop_after=5)
    torn = [path.name for path in (tmp_path / "parts" / "parts").iterdir()]
    assert sorted(torn) == ["2001-02.npz", "2001-03.npz", "2001-04.npz", "2001-05.npz"]
    first_months.clear()
    save_model(home, model=MODEL.model_copy(update={"encoder": "none"}))
    content = work(tmp_path / "parts")
    assert first_months == list(range(2, 10))
    assert content == work(tmp_path / "whole")
    assert np.unique(first_months[8:]).tolist() == list(range(2, 10))
