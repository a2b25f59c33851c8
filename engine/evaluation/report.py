"""The report of a finished training: scores by stratum, spectra by degree, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.data.source import MonthlyData
from engine.evaluation.scores import score, score_table
from engine.evaluation.spectra import spectra
from engine.evaluation.strata import Numbers
from engine.evaluation.uncertainty import calibration
from engine.models.baselines import ICE_FRACTION
from engine.typed import Singles


def report(
    data: MonthlyData,
    estimates: Mapping[str, Singles],
    std: Singles | None,
    *,
    baselines: Sequence[str],
    num_withheld: Numbers,
    climatology: Mapping[int, Singles],
    seed: int,
    with_spectra: bool = True,
) -> dict[str, dict[str, Any]]:
    """Everything about estimates (N, H, W) of the months of ``data``, as plain values by the estimate's name.

    - the strata of :func:`engine.evaluation.scores.score_table`
    - ``blocks``: sums by block of space and month, :meth:`engine.evaluation.blocks.Blocks.table`, from which
    :func:`engine.evaluation.verdict` draws its interval
    - ``spectrum``: :meth:`engine.evaluation.spectra.Spectrum.table`, beside the truth's and with the effective
    resolution
    - ``calibration``, of the ``model`` alone, where there is a ``std``:
    :func:`engine.evaluation.uncertainty.calibration`

    Spectrum and calibration are absent where no cell of the open sea has a known truth.

    Args:
        data: the months; their days are the input of the estimates.
        estimates: ``model`` and the ``baselines``, °C.
        std: (N, H, W) standard deviation of the model, K, > 0; None where it predicts none.
        baselines: names among the estimates.
        num_withheld: (N, H, W) days that were hidden.
        climatology: (H, W) by month 1 to 12, °C.
        seed: of the error bars.
        with_spectra: False where the truth is known in scattered cells only, which have no spectrum.

    Raises:
        DataError: the months' truth is not known.
    """
    sums = score(data, estimates, num_withheld=num_withheld, climatology=climatology)
    table = score_table(sums, baselines, seed)
    tables: dict[str, dict[str, Any]] = {
        name: {**table[name], "blocks": blocks} for name, blocks in sums.by_block().items()
    }
    assert data.target is not None
    has_climatology = np.isfinite([climatology[int(month)] for month in data.months])
    is_known = np.isfinite(data.target) & ~data.land & (data.ice <= ICE_FRACTION) & has_climatology
    if with_spectra and is_known.any():
        for name, spectrum in spectra(data, estimates, climatology).items():
            tables[name]["spectrum"] = spectrum.table()
    if std is not None and (calibrated := calibration(data, estimates["model"], std)) is not None:
        tables["model"]["calibration"] = calibrated
    return tables
