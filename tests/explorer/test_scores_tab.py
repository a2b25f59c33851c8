"""The tab "Scores", and what the pages and the report say of place and uncertainty."""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.config.sst import DemoSource
from engine.evaluation.place import place_worth
from engine.evaluation.reliability import reliability
from engine.queries.leaderboard import Entry, Leaderboard
from engine.queries.ocean import SST
from engine.queries.run_exports import leaderboard_csv
from explorer.pages.train.model import RUNS, SCORES, TrainModel
from explorer.pages.train.scores_tab import NONE_YET, ScoresTab, columns, entry_row
from explorer.widgets.reliability import place_html, reliability_html

MODEL = Entry("model", "My <b>run</b>", ("a", "b"), 0.2, 0.01, 0.2, (0.1, 0.3), "lower", 17336, 61.0, 500.0)
BASELINE = Entry("baseline", "Climatology", ("a",), 0.25, None, 0.0, None, "level")


def board(*entries: Entry, title: str = "Demo ocean, 2°") -> Leaderboard:
    return Leaderboard(title, DemoSource(), entries, "Climatology", SST)


def test_a_row_has_the_numbers_of_its_entry_and_opens_its_run() -> None:
    heads = columns(SST)
    row, baseline = entry_row(MODEL), entry_row(BASELINE)
    assert len(heads) == len(row["cells"]) == len(baseline["cells"])
    assert [cell[1] for cell in row["cells"]] == [MODEL.name, 0.2, 0.2, 17336, 61.0, 500.0]
    assert row["cells"][1][0] == "0.200 ± 0.010"
    assert row["cells"][2][0] == "20.0 %\n10 to 30 % lower"
    assert (row["id"], row["level"]) == ("a", "lower")
    assert baseline["id"] == ""
    assert baseline["cells"][3] == ["–", None]


def test_a_choice_opens_the_run_and_boards_can_be_chosen() -> None:
    model = TrainModel({"face": SCORES})
    tab = ScoresTab(model)
    tab.show([])
    assert NONE_YET in tab._caption.object
    tab.show([board(MODEL, BASELINE), board(BASELINE, MODEL, title="Another sea")])
    assert tab.board is not None
    assert tab.board.title == "Demo ocean, 2°"
    tab._select.value = 1
    assert tab.table.rows[0]["id"] == ""
    tab.show([board(BASELINE, title="A newer one"), board(MODEL, title="Another sea")])
    assert tab.board.title == "Another sea"
    tab.table.requests = [{"action": "open", "id": "a", "serial": 1}]
    assert (model.run, model.tab) == ("a", RUNS)


def test_a_file_holds_the_table(tmp_path) -> None:
    path = tmp_path / "board.csv"
    path.write_bytes(leaderboard_csv(board(MODEL, BASELINE)))
    table = pd.read_csv(path, comment="#")
    assert table["error"].tolist() == [0.2, 0.25]
    assert table["runs"].tolist() == ["a b", "a"]
    assert np.isnan(table["skill_low"][1])
    assert "Demo ocean, 2°" in path.read_text()


def made_up() -> dict:
    part = {"coverage": {"50": 0.51, "68": 0.68, "90": 0.9, "95": 0.95}, "crps": 0.1}
    wide = {"coverage": {"50": 0.68, "68": 0.8, "90": 0.97, "95": 0.99}, "crps": 0.2, "area": 0.1}
    calibration = {
        **part,
        "pit": [0.05] * 20,
        "spread_skill": [{"spread": 0.1, "error": 0.12, "area": 1.0}],
        "by": {
            "observations": {"0": {**part, "area": 0.9}, "ice": wide},
            "season": {"March–May": {**part, "area": 1.0}},
        },
    }
    errors = {
        name: {"mae": value, "abs_error": [[value] * 8] * 8}
        for name, value in {"true": 0.1, "zero": 0.11, "shifted": 0.1, "other": 0.12}.items()
    }
    return {"model": {"calibration": calibration, "std_factors": {"0": 1.25}, "place": errors}}


def test_place_and_uncertainty_are_words_and_figures() -> None:
    known = reliability([made_up()])
    assert known is not None
    assert known.text.startswith("The uncertainty is right: the 50 % intervals hold 51 % of the truths")
    assert "Too wide under ice: 68 and 97 %." in known.text
    shown = reliability_html(known, SST)
    assert known.text in shown
    assert shown.count("<rect") == 20
    assert shown.count("<circle") == 1
    assert "0 days × 1.25" in shown
    worth = place_worth([made_up()])
    assert worth is not None
    assert worth.text in place_html(worth, SST)


def test_what_is_not_known_is_left_out() -> None:
    assert reliability([{"model": {}}]) is None
    old = made_up()
    del old["model"]["calibration"]["pit"], old["model"]["calibration"]["by"], old["model"]["std_factors"]
    known = reliability([old])
    assert known is not None
    assert (known.pit, known.parts, known.factors) == ((), (), {})
    assert "<rect" not in reliability_html(known, SST)
    seeds = reliability([made_up(), {"model": {"calibration": {**made_up()["model"]["calibration"], "crps": 0.2}}}])
    assert seeds is not None
    assert seeds.sea.crps == 0.15000000000000002
