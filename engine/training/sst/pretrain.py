"""Make the model that comes with Harmonia: ``python -m engine.training.sst.pretrain [RUN_DIR]``.

It trains :data:`CONFIG` on the demo ocean, fits the baselines to the same years, evaluates all of them on demo oceans
of other seeds, and writes the model, the baselines and the card to ``assets/pretrained``. Called again with the same
folder, it goes on where it was stopped; without a folder the shipped model stays, and the rest is made anew.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from engine.assets import FOLDERS
from engine.compute import describe_device
from engine.config.baselines import BASELINE_CHOICES, BASELINE_KINDS, BESIDE, LINEAR_BOUND, MEAN_OF_BOTH, baseline_title
from engine.config.model import SpatioTemporalConfig
from engine.config.months import span_text
from engine.config.run_config import RunConfig
from engine.config.sst import DemoSource, Split, SSTSettings
from engine.data.prepare import prepare
from engine.data.source import MonthlyData
from engine.evaluation.scores import Table, score, score_table
from engine.evaluation.uncertainty import calibration, fit_std_factors
from engine.files import write_atomic
from engine.models.baselines import Climatology, observed_months
from engine.provenance import code_version
from engine.runs.heartbeat import log
from engine.runs.run_folder import RunFolder, write_arrays
from engine.training.fit import fit
from engine.training.sst.data_module import open_source, true_months
from engine.training.sst.fitted_baselines import fitted_baselines
from engine.training.sst.holdout import VALIDATION_SEED, HoldOutSet
from engine.training.sst.model_bundle import PRETRAINED, PRETRAINED_BASELINES, ModelBundle
from engine.training.sst.tiled_prediction import estimate_all
from engine.typed import Floats

CARD_NUMBERS = "pretrained/sst-tiny.json"
"""The numbers of the card, below ``assets``."""

CONFIG = RunConfig(
    seed=0,
    settings=SSTSettings(
        source=DemoSource(step_deg=1.0, seed=0, years=10),
        climatology=("2001-01", "2003-12"),
        train=("2004-01", "2008-12"),
        validation=("2009-02", "2009-11"),
        test=("2010-02", "2010-12"),
        model=SpatioTemporalConfig.preset("tiny", uncertainty=True),
        window=(60, 120),
        overlap=16,
        epochs=60,
        samples=240,
        batch=2,
        learning_rate=2e-3,
        ema_decay=0.998,
    ),
)
"""How the model is trained: within half an hour of two cores."""

UNSEEN = tuple(
    SSTSettings(source=DemoSource(step_deg=1.0, seed=seed), withheld_fraction=0.0, baselines="bound")
    for seed in (1, 2, 11)
)
"""What it is evaluated on: the last year of demo oceans that it was not trained on, no observation withheld."""

SHIPPED_BASELINES = BASELINE_CHOICES["interpolation"]
"""Its own baselines; DINEOF has a higher error than the interpolation and would be the largest of the shipped files."""

_CLASSES = ("0", "1–3", "4–8", ">8")


def main(argv: Sequence[str] | None = None) -> int:
    """Train, evaluate, and write the model, its baselines and its card."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.training.sst.pretrain", description="Make the shipped model, its baselines and its card."
    )
    parser.add_argument(
        "run_dir",
        type=Path,
        nargs="?",
        metavar="RUN_DIR",
        help="folder of the training, which goes on with what is there; without it the shipped model stays",
    )
    folder: Path | None = parser.parse_args(argv).run_dir
    target, record = FOLDERS[0] / PRETRAINED, FOLDERS[0] / CARD_NUMBERS
    if folder is None:
        training = json.loads(record.read_text(encoding="utf-8"))["training"]
    else:
        training = _train(folder.resolve(), target)
    bundle = ModelBundle.load(target)
    read = _Reader(bundle.settings)
    validation = read("validation")
    log("fitting its baselines")
    baselines = fitted_baselines(SHIPPED_BASELINES, read("climatology", "train"), validation)
    write_arrays(FOLDERS[0] / PRETRAINED_BASELINES, baselines.state_dict())
    log("fitting the factors of its standard deviation")
    plain = replace(bundle, fallback=baselines.climatology, std_factors={})
    bundle = _with_std_factors(plain, validation)
    with TemporaryDirectory() as aside:  # a manifest is saved beside it, by the name of the card's numbers
        bundle.save(Path(aside) / target.name)
        shutil.copyfile(Path(aside) / target.name, target)
    with ProcessPoolExecutor(len(UNSEEN), get_context("spawn")) as pool:
        oceans = list(pool.map(_numbers_on, UNSEEN))
    numbers = {"training": training, "oceans": oceans}
    write_atomic(record, json.dumps(numbers, indent=1).encode() + b"\n")
    write_atomic(target.with_suffix(".md"), card(bundle, numbers).encode())
    log(f"wrote {target.parent}")
    return 0


def _numbers_on(settings: SSTSettings) -> dict[str, Any]:
    """:func:`numbers_of` the shipped model on one ocean; in a process of its own."""
    assert isinstance(settings.source, DemoSource)
    log(f"evaluating on the demo ocean of seed {settings.source.seed}")
    numbers = numbers_of(evaluate(ModelBundle.load(FOLDERS[0] / PRETRAINED), settings), settings.source.seed)
    log(f"evaluated on the demo ocean of seed {settings.source.seed}")
    return numbers


def _train(folder: Path, target: Path) -> dict[str, Any]:
    """Train :data:`CONFIG` in ``folder`` and copy the model; what the card says of the training."""
    fit(CONFIG, folder)
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(RunFolder(folder).model, target)
    minutes = json.loads(RunFolder(folder).status.read_text())["seconds"] / 60.0
    return {"version": code_version(), "minutes": round(minutes), "device": describe_device()}


def _with_std_factors(bundle: ModelBundle, validation: MonthlyData) -> ModelBundle:
    """``bundle`` with factors of its standard deviation, fitted as those of a run are."""
    holdout = HoldOutSet.of(validation, bundle.settings.withheld_fraction, VALIDATION_SEED)
    mean, std, _ = estimate_all(bundle, holdout.data)
    return bundle if std is None else replace(bundle, std_factors=fit_std_factors(holdout.data, mean, std))


class _Reader:
    """Reads the months of splits, from the first to the last, of a source that is opened once."""

    def __init__(self, settings: SSTSettings) -> None:
        self.settings, self.source = settings, open_source(settings.source)

    def __call__(self, *splits: Split) -> MonthlyData:
        months = sorted({month for split in splits for month in self.settings.months_of(split)})
        return prepare(self.source, months[0], months[-1])


class Evaluation(NamedTuple):
    """``table`` of :func:`score_table`; ``calibration`` of :mod:`engine.evaluation.uncertainty`, or None."""

    table: Table
    calibration: dict[str, Any] | None


def evaluate(bundle: ModelBundle, settings: SSTSettings, seed: int = 0) -> Evaluation:
    """Model and baselines on the test months of ``settings.source``; with the interpolation the mean of both, too.

    The baselines are fitted to the source's years of climatology and training and tuned on its validation; the model
    is used as it is, but subtracts the climatology of the source's own years, as the baselines do. Observations are
    withheld as ``settings.withheld_fraction`` says; with 0 none are.

    Raises:
        DataError: the source cannot be read, or knows no true monthly means.
    """
    read = _Reader(settings)
    source, months = read.source, list(observed_months(read("climatology")))
    climatology = Climatology.fit(months, source.land, source.grid, source.variable.has_season)
    names = BASELINE_CHOICES[settings.baselines]
    truth = true_months(settings.source)
    baselines = fitted_baselines(names, read("climatology", "train"), read("validation"), truth=truth)
    holdout = HoldOutSet.of(read("test"), settings.withheld_fraction, seed)
    mean, std, _ = estimate_all(replace(bundle, climatology=climatology, fallback=baselines.climatology), holdout.data)
    estimates = {"model": mean, **baselines.predict(holdout.data)}
    if (interpolated := estimates.get("optimal_interpolation")) is not None:
        estimates[MEAN_OF_BOTH] = 0.5 * (mean + interpolated)
    by_month = {month: climatology.at(month) for month in range(1, 13)}
    sums = score(holdout.data, estimates, num_withheld=holdout.num_withheld, climatology=by_month)
    table = score_table(sums, tuple(baselines.fitted), seed)
    return Evaluation(table, None if std is None else calibration(holdout.data, mean, std))


def numbers_of(evaluation: Evaluation, seed: int) -> dict[str, Any]:
    """What the card holds of an evaluation: errors over all sea and by number of days, K, and coverage, as JSON."""
    errors = {
        name: [round(score["mae"], 5) for score in (strata["surface"]["sea"], *_by_days(strata))]
        for name, strata in evaluation.table.items()
    }
    known = evaluation.calibration
    if known is None:
        return {"seed": seed, "mae": errors, "coverage": None, "coverage_by_days": {}}
    by_days = {label: each["coverage"] for label, each in known["by"]["observations"].items()}
    return {"seed": seed, "mae": errors, "coverage": known["coverage"], "coverage_by_days": by_days}


def _by_days(strata: Mapping[str, Any]) -> list[dict[str, float]]:
    return [strata["observations"][label] for label in _CLASSES]


_CARD = """# The model that comes with Harmonia

`{file}`: `SpatioTemporalModel` after the preset `tiny`, {size:,} parameters, with the position basis and the
climatology that belong to it; `{baselines}`: the baselines fitted to the same years; `{numbers}`:
the numbers of this card. Nothing is unpickled.

Made by `python -m engine.training.sst.pretrain RUN_DIR`, Harmonia {version}, in {minutes} minutes on {device},
beside other work; without `RUN_DIR` the command makes the baselines and this card anew. Licence: that of Harmonia.

**Training data**: the demo ocean, {step:g}°, seed {seed}, which is synthetic. The model demonstrates the method; it is
not a product for operational use. Trained on {train}, validated on {validation}, climatology of
{climatology}; best after epoch {epoch} of {epochs}.

**Test data**: the last year of demo oceans of other seeds ({seeds}), ice excluded. Mean ± standard deviation
over the oceans of the area-weighted error of the month's true mean, by number of observed days in the month. The
baselines were fitted to the earlier years of the same ocean.

| MAE, K | all sea | {classes} |
|{rule}|
{rows}

{summary}

**Standard deviation.** On the open sea of those oceans the central intervals of {levels} % contain the truth in
{coverage} % of the area. Shares of the area within those of 50 and 90 %:

| | {by_days} |
|{by_days_rule}|
| 50 % | {within_50} |
| 90 % | {within_90} |

**Limits.** It has learned the errors of the demo's satellite, not those of a real one, and only the {step:g}° grid.
"""


def card(bundle: ModelBundle, numbers: Mapping[str, Any]) -> str:
    """What people should know before they use the model, as Markdown; ``numbers`` as the file beside it holds them."""
    settings, oceans = bundle.settings, numbers["oceans"]
    errors = {name: np.array([ocean["mae"][name] for ocean in oceans]) for name in oceans[0]["mae"]}
    coverages = [ocean["coverage"] for ocean in oceans if ocean["coverage"]]
    by_days = [ocean["coverage_by_days"] for ocean in oceans if ocean["coverage"]]
    labels = list(by_days[0])

    def within(level: str) -> str:
        return " | ".join(f"{100 * np.mean([each[label][level] for each in by_days]):.0f} %" for label in labels)

    assert isinstance(settings.source, DemoSource)
    return _CARD.format(
        file=Path(PRETRAINED).name,
        baselines=Path(PRETRAINED_BASELINES).name,
        numbers=Path(CARD_NUMBERS).name,
        size=sum(value.numel() for value in bundle.model.parameters()),
        **numbers["training"],
        step=settings.source.step_deg,
        seed=settings.source.seed,
        train=span_text(settings.train),
        validation=span_text(settings.validation),
        climatology=span_text(settings.climatology),
        epoch=bundle.scores["epoch"],
        epochs=settings.epochs,
        seeds=", ".join(str(ocean["seed"]) for ocean in oceans),
        classes=" | ".join(f"{name} days" for name in _CLASSES),
        rule="---|" * (len(_CLASSES) + 1) + "---",
        rows="\n".join(_row(name, errors[name]) for name in sorted(errors, key=lambda name: errors[name][:, 0].mean())),
        summary=_summary({name: float(values[:, 0].mean()) for name, values in errors.items()}),
        by_days=" | ".join(f"{label} days" if label in _CLASSES else label for label in labels),
        by_days_rule="---|" * len(labels) + "---",
        within_50=within("50"),
        within_90=within("90"),
        levels=", ".join(coverages[0]),
        coverage=", ".join(
            f"{100 * sum(coverage[level] for coverage in coverages) / len(coverages):.1f}" for level in coverages[0]
        ),
    )


def _row(name: str, errors: Floats) -> str:
    """A line of the table; ``errors`` (oceans, 5)."""
    title = "Model" if name == "model" else baseline_title(name)
    cells = [f"{mean:.3f}" for mean in errors.mean(axis=0)]
    if len(errors) > 1:
        cells = [f"{cell} ± {std:.3f}" for cell, std in zip(cells, errors.std(axis=0, ddof=1), strict=True)]
    return f"| {title} | " + " | ".join(cells) + " |"


def _summary(errors: Mapping[str, float]) -> str:
    """How the model compares over all sea: with the best baseline, the plain mean, and the mean of both."""
    baselines = {name: error for name, error in errors.items() if name in BASELINE_KINDS and name not in BESIDE}
    best = min(baselines, key=lambda name: baselines[name])
    title = baseline_title(best)
    text = (
        f"The model's error is {errors['model'] / errors[best]:.1%} of that of the best baseline "
        f"({title[0].lower()}{title[1:]}), and {errors['model'] / errors['mean']:.0%} of that of the mean of observed "
        "days."
    )
    if errors.get(MEAN_OF_BOTH, np.inf) < min(errors["model"], errors[best]):
        text += (
            f" The mean of model and interpolation has a lower error than either: {errors[MEAN_OF_BOTH]:.3f} K, "
            f"{errors[MEAN_OF_BOTH] / errors['model']:.1%} of the model's."
        )
    if LINEAR_BOUND in errors:
        text += (
            " The linear bound is the interpolation with the covariance of the true days of other demo oceans, which "
            "no observer knows; the model is not compared with it."
        )
    return text


if __name__ == "__main__":
    sys.exit(main())
