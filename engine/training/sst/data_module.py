"""The data module of the task ``sst``: samples, hold-out months, climatology and baselines of a run's settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.config.baselines import BASELINE_CHOICES, CHEAP
from engine.config.months import Month
from engine.config.sst import SPLITS, DemoSource, FileSource, SSTSettings
from engine.data.demo_ocean import demo_ocean
from engine.data.kinds import VariableKind
from engine.data.prepare import prepare
from engine.data.source import MonthlyData, Overrules, Regrid, SSTSource, understood_details
from engine.data.sst import open_sst
from engine.embedding import HarmonicBasis
from engine.models import ReconstructionModel
from engine.models.baselines import Baselines, Climatology, ObservedMonth, observed_months
from engine.runs.context import RunContext
from engine.training.sst.fitted_baselines import fitted_baselines
from engine.training.sst.holdout import VALIDATION_SEED, HoldOutSet
from engine.training.sst.model_bundle import ModelBundle, stored_precision
from engine.training.sst.positions import PatchPositions, fit_basis
from engine.training.sst.samples import ModelInputs, Samples
from engine.training.sst.windows import Windows

_REALISATIONS = 3
_READING, _FITTING = 0.5, 0.3
"""Shares of the preparation where costly baselines are fitted; the rest is their estimates on validation."""


@dataclass(frozen=True, eq=False)
class SSTDataModule:
    """The data of a run, by split, with the fitted baselines.

    Attributes:
        samples: training samples.
        validation: months that decide which weights are kept.
        validation_inputs: the same as the model reads them.
        test: months of the final scores.
        baselines: fitted to the months of the climatology and of training, tuned on validation.
        baselines_mae: area-weighted mean absolute error of each baseline on validation, in model space (K).
        variable: the kind of variable, with its scale.
    """

    settings: SSTSettings
    seed: int
    source: SSTSource
    samples: Samples
    validation: HoldOutSet
    validation_inputs: ModelInputs
    test: MonthlyData
    baselines: Baselines
    baselines_mae: dict[str, float]
    basis: HarmonicBasis | None
    climatology: Climatology
    variable: VariableKind

    @classmethod
    def of(cls, settings: SSTSettings, run: RunContext) -> SSTDataModule:
        """Prepare the months that are not yet, fit climatology, basis and baselines.

        Meanwhile the run reports ``preparing``, the fraction that is done.
        """
        source = open_source(settings.source)
        names = BASELINE_CHOICES[settings.baselines]
        reading = 1.0 if names == CHEAP else _READING

        def fitting(fraction: float, _: str) -> None:
            run.stop_if_asked()
            if reading < 1.0:
                run.report({"preparing": reading + _FITTING * fraction}, 0.0)

        def estimating(fraction: float, text: str) -> None:
            fitting(1.0 + (1.0 - _READING - _FITTING) / _FITTING * fraction, text)

        data = _prepared(source, settings, run, reading)
        with run.repeating():
            months = list(observed_months(data["climatology"]))
            fitted = Climatology.fit(months, source.land, source.grid, source.variable.has_season)
            variable = with_scale(source.variable, months, fitted)
            data = {name: replace(part, variable=variable) for name, part in data.items()}
            climatology = stored_precision(fitted, variable)
            basis = fit_basis(settings.model, settings.basis_degree)
            windows = Windows.of(source.grid, settings.window, settings.overlap, settings.model.patch[1:])
            positions = PatchPositions(settings.model, windows, basis)
            validation = HoldOutSet.of(data["validation"], settings.withheld_fraction, VALIDATION_SEED)
            baselines = fitted_baselines(
                names, data["learning"], data["validation"], fitting, true_months(settings.source)
            )
            estimates = baselines.predict(validation.data, estimating)
            errors = {name: validation.mae(values) for name, values in estimates.items()}
            samples = Samples(ModelInputs.of(data["train"], climatology, windows, positions), settings, run.seed)
        return cls(
            settings,
            run.seed,
            source,
            samples,
            validation,
            ModelInputs.of(validation.data, climatology, windows, positions, baselines.climatology),
            data["test"],
            baselines,
            errors,
            basis,
            climatology,
            variable,
        )

    def bundle(self, model: ReconstructionModel, scores: dict[str, Any]) -> ModelBundle:
        """``model`` with basis and climatology; ``scores`` are those of its validation."""
        origin = {"data_name": self.source.name, "data_key": self.source.key, "baselines_val_mae": self.baselines_mae}
        known = origin | understood_details(self.source) | scores
        return ModelBundle(model, self.settings, self.seed, self.basis, self.climatology, known, variable=self.variable)


def with_scale(variable: VariableKind, months: Sequence[ObservedMonth], climatology: Climatology) -> VariableKind:
    """``variable`` with the size of ordinary differences from ``climatology``, where its kind does not state one: their
    standard deviation over the cells of the ``months``, 1 where all are equal.
    """
    if variable.scale is not None:
        return variable
    count, total = 0, 0.0
    for month in months:
        difference = np.where(np.isfinite(month.target), month.target, month.mean) - climatology.at(month.month)
        known = np.isfinite(difference)
        count, total = count + int(known.sum()), total + float(np.square(difference[known], dtype=np.float64).sum())
    return replace(variable, scale=(total / max(1, count)) ** 0.5 or 1.0)


def open_source(choice: DemoSource | FileSource) -> SSTSource:
    """The source that the settings name."""
    if isinstance(choice, DemoSource):
        return demo_ocean(choice.step_deg, choice.seed, f"{choice.first_year:04d}-01-01", choice.years)
    return open_sst(choice.path, choice.variable, choice.quality, overrules_of(choice))


def true_months(choice: DemoSource | FileSource) -> Callable[[], list[ObservedMonth]] | None:
    """What gives the months of true days of other demo oceans, a year of each of three seeds; None for files."""
    if not isinstance(choice, DemoSource):
        return None

    def months() -> list[ObservedMonth]:
        read: list[ObservedMonth] = []
        for seed in range(choice.seed + 101, choice.seed + 101 + _REALISATIONS):
            ocean = demo_ocean(choice.step_deg, seed, f"{choice.first_year:04d}-01-01", 1)
            true = replace(ocean, key=f"{ocean.key} truth", daily=ocean.truth, monthly=None, ice=None)
            read += observed_months(prepare(true, (choice.first_year, 1), (choice.first_year, 12)))
        return read

    return months


def overrules_of(choice: FileSource) -> Overrules:
    """What the settings decide in place of the files."""
    return Overrules(
        choice.variable_kind,
        choice.unit,
        choice.calendar,
        choice.fill_value,
        choice.time_step,
        choice.land_mask,
        choice.zeros,
        None if choice.regrid is None else Regrid(choice.regrid.step_deg, choice.regrid.method),
    )


def _prepared(source: SSTSource, settings: SSTSettings, run: RunContext, share: float) -> dict[str, MonthlyData]:
    """The months of every split; ``learning`` are those of climatology and training together."""
    months: dict[str, list[Month]] = {name: settings.months_of(name) for name in SPLITS}
    months["learning"] = sorted({*months["climatology"], *months["train"]})
    num_months = sum(len(months[name]) for name in SPLITS)
    done = 0
    data: dict[str, MonthlyData] = {}
    for name, span in months.items():

        def progress(fraction: float, _: str, base: int = done, size: int = len(span)) -> None:
            run.stop_if_asked()
            run.report({"preparing": share * (base + fraction * size) / num_months}, 0.0)

        with run.repeating():
            data[name] = prepare(source, span[0], span[-1], progress=progress)
        done = min(num_months, done + len(span))
    run.report({"preparing": share}, 0.0)
    return data
