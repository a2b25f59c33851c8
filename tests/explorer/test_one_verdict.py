"""One run has one verdict, word for word: on Train, Compare, Reconstruct, in CSV, report and ``harmonia runs``."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine.evaluation import Verdict, verdict
from engine.queries import reconstruct
from engine.queries.report import run_report
from engine.queries.run_exports import scores_csv
from engine.queries.train.run_files import final_scores, latest_metrics
from engine.queries.verdicts import run_verdict
from engine.runs import Run, RunStore
from explorer.badges import badge
from explorer.cli import main
from explorer.pages.reconstruct import text as reconstruct_text
from explorer.pages.train import markup
from explorer.pages.train.comparisons import read_compared
from explorer.pages.train.run_reader import CurveOptions, RunReader
from explorer.report import report_html
from tests.support.scores import plain, with_blocks

LEGACY = Path(__file__).parents[1] / "support" / "legacy_home" / "runs"
OPTIONS = CurveOptions("val_mae", "epoch", 0.0)
ERRORS = {"model": 0.219, "mean": 0.236, "mean_debiased": 0.23, "climatology": 0.4}
SCORES = {
    "lower": with_blocks(**ERRORS),
    "level": with_blocks(**ERRORS, climatology_anomaly=0.2185),
    "higher": with_blocks(**ERRORS, climatology_anomaly=0.19),
    "old": plain(**ERRORS, climatology_anomaly=0.216),
}


def shown_text(html: str) -> str:
    """What a person reads of HTML, in one line."""
    return unescape(" ".join(re.sub("<[^>]*>", "", html).split()))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    """The trained runs of an older version, whose scores the tests replace."""
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    shutil.copytree(LEGACY, tmp_path / "runs")
    with RunStore(tmp_path) as store:
        yield store


def trained(store: RunStore) -> list[Run]:
    """The run with results first, then the others of the same task."""
    runs = [store.get(record.id) for record in store.records().values() if record.task == "sst"]
    return sorted(runs, key=lambda run: not run.files.scores.exists())


@pytest.mark.parametrize("kind", SCORES)
def test_the_same_text_everywhere(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    run, other = trained(store)[:2]
    run.files.scores.write_text(json.dumps(SCORES[kind]))
    expected = verdict(SCORES[kind])
    assert expected.level == {"old": "level"}.get(kind, kind)
    places = dict(screens(store, run, other))
    places["CSV"] = csv_text(run)
    for name, arguments in commands(run, tmp_path).items():
        assert main(arguments) == 0
        output = capsys.readouterr().out
        places[name] = shown_text(Path(arguments[-1]).read_text()) if name == "report" else output
    for name, content in places.items():
        assert expected.text in content, name
    label, level = badge(run.record, latest_metrics(run.folder), run_verdict(run.folder, "sst"))
    assert expected.text.startswith(label)
    assert level == expected.level
    assert not re.search(r"(src|href)\s*=\s*['\"]?(https?:|//)|@import|url\(", (tmp_path / "report.html").read_text())


def screens(store: RunStore, run: Run, other: Run) -> Iterator[tuple[str, str]]:
    """What the pages show of a run."""
    readers = [RunReader(run), RunReader(other)]
    snapshot = readers[0].read(run.record, OPTIONS, -1)
    result = markup.result(run.record, snapshot.last, snapshot.verdict, snapshot.is_tested)
    yield "Train", shown_text(result)
    assert f"--h-{colour(snapshot.verdict)}" in result
    compared = read_compared(readers, store.records(), OPTIONS)
    yield "Compare", shown_text(markup.verdicts(compared.verdicts))
    yield "Reconstruct", shown_text(reconstruct_text.on_test(reconstruct.model_verdict(run.id)))


def colour(result: Verdict | None) -> str:
    assert result is not None
    return {"lower": "success", "level": "secondary", "higher": "error"}[result.level]


def csv_text(run: Run) -> str:
    """The verdict in the scores of a run as CSV."""
    content = scores_csv(run.config, final_scores(run.folder), run_verdict(run.folder, "sst"))
    table = pd.read_csv(io.BytesIO(content), comment="#")
    (value,) = table["value"][table["metric"] == "text"]
    return value


def commands(run: Run, folder: Path) -> dict[str, list[str]]:
    return {"runs": ["runs"], "scores": ["scores", "demo"], "report": ["report", run.id, str(folder / "report.html")]}


def test_seeds_of_one_configuration_are_compared_together(store: RunStore) -> None:
    run = trained(store)[0]
    copies = [store.duplicate(run) for _ in range(2)]
    for seed, each in enumerate(copies):
        each.files.scores.write_text(json.dumps(with_blocks(seed, **ERRORS)))
    compared = read_compared([RunReader(each) for each in copies], with_best(store), OPTIONS)
    titles = [name for name, _ in compared.verdicts]
    assert len(titles) == 3
    assert titles[-1].endswith("and 1 more seeds")
    assert "mean of 2 seeds" in compared.verdicts[-1][1].text


def with_best(store: RunStore) -> dict[str, Any]:
    return {run_id: replace(record, best=0.2) for run_id, record in store.records().items()}


def test_a_report_holds_what_is_needed_to_make_the_run_anew(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(store)[0]
    out = tmp_path / "report.html"
    assert main(["report", run.id, str(out)]) == 0
    page = shown_text(out.read_text())
    for part in (run.id, "Synthetic data", "SHA-256", "Key of the source", '"epochs"', "Reconstruction", "Reference"):
        assert part in page
    assert out.read_text().count("data:image/png;base64") == 4
    basis = next(record.id for record in store.records().values() if record.task == "basis")
    assert main(["report", basis, str(tmp_path / "no.html")]) == 2
    assert "there is no report" in capsys.readouterr().err
    assert main(["scores", "elsewhere.nc"]) == 1


def test_damaged_scores_do_not_end_the_list_of_runs(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(store)[0]
    run.files.scores.write_text('{"model": 3}')
    assert main(["runs", "--json"]) == 0
    rows = {row["id"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows[run.id]["verdict"] is None


def test_a_report_on_a_run_that_has_ended_is_not_so_far(store: RunStore, tmp_path: Path) -> None:
    run = trained(store)[0]
    run.files.scores.unlink()
    assert main(["report", run.id, str(tmp_path / "report.html")]) == 0
    text = shown_text((tmp_path / "report.html").read_text())
    assert "Scored on the validation months" in text
    assert "so far" not in text
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("explorer.report.ACTIVE", (run.record.state,))
        assert "Scored on the validation months so far" in report_html(run_report(run, store))
