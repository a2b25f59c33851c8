"""How good a trained model is on an ocean that it may never have seen, beside rivals fitted to that very ocean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from engine.config.sst import Part, SSTSettings
from engine.data.months import MonthlyData
from engine.data.prepare import prepare
from engine.evaluation.scores import Table, calibration, score, score_table
from engine.models.baselines import Climatology, Rivals, observed_months
from engine.training.sst.data_module import open_source
from engine.training.sst.holdout import Exam
from engine.training.sst.inference import estimate_months
from engine.training.sst.model_bundle import Trained


class Judgement(NamedTuple):
    """``table`` of :func:`score_table`; ``calibration`` (:func:`engine.evaluation.scores.calibration`), or None."""

    table: Table
    calibration: dict[str, Any] | None


def judge(trained: Trained, settings: SSTSettings, seed: int = 0) -> Judgement:
    """Model and rivals on the test years of ``settings.source``.

    The rivals learn from the source's years of climatology and training and are tuned on its validation; the model is
    used as it is, but takes off the climatology of the source's own years, as the rivals do. Observations are withheld
    as ``settings.withheld_share`` says; with 0 all are seen.

    Raises:
        DataError: the source cannot be read, or knows no true monthly means.
    """
    source = open_source(settings.source)

    def read(*parts: Part) -> MonthlyData:
        months = sorted({month for part in parts for month in settings.months_of(part)})
        return prepare(source, months[0], months[-1])

    usual = Climatology.fit(list(observed_months(read("climatology"))), source.land, source.grid)
    rivals = Rivals.fit(read("climatology", "train"), read("validation"))
    exam = Exam.of(read("test"), settings.withheld_share, seed)
    view = replace(trained, climatology=usual).view(exam.data)
    found = [estimate for _, estimate in estimate_months(trained.model, view, trained.settings)]
    mean = np.concatenate([estimate.mean for estimate in found])
    stds = [estimate.std for estimate in found if estimate.std is not None]
    estimates = {"model": mean, **rivals.predict(exam.data)}
    by_month = {month: usual.at(month) for month in range(1, 13)}
    sums = score(exam.data, estimates, num_withheld=exam.num_withheld, usual=by_month)
    spread = calibration(exam.data, mean, np.concatenate(stds)) if stds else None
    return Judgement(score_table(sums, tuple(rivals.fitted), seed), spread)
