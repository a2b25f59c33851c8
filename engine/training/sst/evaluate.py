"""How good a trained model is on an ocean that it may never have seen, beside baselines fitted to that very ocean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from engine.config.sst import Split, SSTSettings
from engine.data.prepare import prepare
from engine.data.source import MonthlyData
from engine.evaluation.scores import Table, calibration, score, score_table
from engine.models.baselines import Baselines, Climatology, observed_months
from engine.training.sst.data_module import open_source
from engine.training.sst.holdout import HoldOutSet
from engine.training.sst.inference import estimate_months
from engine.training.sst.model_bundle import ModelBundle


class Evaluation(NamedTuple):
    """``table`` of :func:`score_table`; ``calibration`` (:func:`engine.evaluation.scores.calibration`), or None."""

    table: Table
    calibration: dict[str, Any] | None


def evaluate(trained: ModelBundle, settings: SSTSettings, seed: int = 0) -> Evaluation:
    """Model and baselines on the test years of ``settings.source``.

    The baselines learn from the source's years of climatology and training and are tuned on its validation; the model
    is used as it is, but subtracts the climatology of the source's own years, as the baselines do. Observations are
    withheld as ``settings.withheld_fraction`` says; with 0 all are seen.

    Raises:
        DataError: the source cannot be read, or knows no true monthly means.
    """
    source = open_source(settings.source)

    def read(*parts: Split) -> MonthlyData:
        months = sorted({month for part in parts for month in settings.months_of(part)})
        return prepare(source, months[0], months[-1])

    usual = Climatology.fit(list(observed_months(read("climatology"))), source.land, source.grid)
    baselines = Baselines.fit(read("climatology", "train"), read("validation"))
    exam = HoldOutSet.of(read("test"), settings.withheld_fraction, seed)
    view = replace(trained, climatology=usual).view(exam.data)
    found = [estimate for _, estimate in estimate_months(trained.model, view, trained.settings)]
    mean = np.concatenate([estimate.mean for estimate in found])
    stds = [estimate.std for estimate in found if estimate.std is not None]
    estimates = {"model": mean, **baselines.predict(exam.data)}
    by_month = {month: usual.at(month) for month in range(1, 13)}
    sums = score(exam.data, estimates, num_withheld=exam.num_withheld, usual=by_month)
    spread = calibration(exam.data, mean, np.concatenate(stds)) if stds else None
    return Evaluation(score_table(sums, tuple(baselines.fitted), seed), spread)
