"""Make the model that comes with Harmonia: ``python -m engine.training.sst.pretrain RUN_DIR``.

It trains :data:`CONFIG` on the demo ocean, evaluates it on demo oceans of other seeds, and writes the model and its
card to ``assets/pretrained``. Called again with the same folder, it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from engine.assets import FOLDERS
from engine.compute import describe_device
from engine.config.model import SpatioTemporalConfig
from engine.config.months import span_text
from engine.config.run_config import RunConfig
from engine.config.sst import DemoSource, Split, SSTSettings
from engine.data.prepare import prepare
from engine.data.source import MonthlyData
from engine.evaluation.scores import Table, over_seeds, score, score_table
from engine.evaluation.uncertainty import calibration
from engine.models.baselines import Baselines, Climatology, observed_months
from engine.provenance import code_version
from engine.runs.heartbeat import log
from engine.runs.run_folder import RunFolder
from engine.training.fit import fit
from engine.training.sst.data_module import open_source
from engine.training.sst.holdout import HoldOutSet
from engine.training.sst.model_bundle import PRETRAINED, PRETRAINED_BASELINES, ModelBundle
from engine.training.sst.tiled_prediction import estimate_all

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

UNSEEN = tuple(SSTSettings(source=DemoSource(step_deg=1.0, seed=seed), withheld_fraction=0.0) for seed in (1, 2, 3))
"""What it is evaluated on: the last year of demo oceans that it was not trained on, no observation withheld."""

_CLASSES = ("0", "1–3", "4–8", ">8")


def main(argv: Sequence[str] | None = None) -> int:
    """Train, evaluate, and write the model and its card."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.training.sst.pretrain", description="Make the shipped model."
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="folder of the run; goes on with what is there")
    folder: Path = parser.parse_args(argv).run_dir.resolve()
    fit(CONFIG, folder)
    bundle = ModelBundle.load(RunFolder(folder).model)
    log("evaluating")
    evaluations = [evaluate(bundle, settings) for settings in UNSEEN]
    target = FOLDERS[0] / PRETRAINED
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(RunFolder(folder).model, target)
    shutil.copyfile(RunFolder(folder).baselines, FOLDERS[0] / PRETRAINED_BASELINES)
    minutes = json.loads(RunFolder(folder).status.read_text())["seconds"] / 60.0
    target.with_suffix(".md").write_text(card(bundle, evaluations, minutes), encoding="utf-8")
    log(f"wrote {target}")
    return 0


class Evaluation(NamedTuple):
    """``table`` of :func:`score_table`; ``calibration`` (:func:`engine.evaluation.scores.calibration`), or None."""

    table: Table
    calibration: dict[str, Any] | None


def evaluate(bundle: ModelBundle, settings: SSTSettings, seed: int = 0) -> Evaluation:
    """Model and baselines on the test months of ``settings.source``.

    The baselines are fitted to the source's years of climatology and training and tuned on its validation; the model
    is used as it is, but subtracts the climatology of the source's own years, as the baselines do. Observations are
    withheld as ``settings.withheld_fraction`` says; with 0 none are.

    Raises:
        DataError: the source cannot be read, or knows no true monthly means.
    """
    source = open_source(settings.source)

    def read(*splits: Split) -> MonthlyData:
        months = sorted({month for split in splits for month in settings.months_of(split)})
        return prepare(source, months[0], months[-1])

    climatology = Climatology.fit(list(observed_months(read("climatology"))), source.land, source.grid)
    baselines = Baselines.fit(read("climatology", "train"), read("validation"))
    holdout = HoldOutSet.of(read("test"), settings.withheld_fraction, seed)
    mean, std, _ = estimate_all(replace(bundle, climatology=climatology, fallback=baselines.climatology), holdout.data)
    estimates = {"model": mean, **baselines.predict(holdout.data)}
    by_month = {month: climatology.at(month) for month in range(1, 13)}
    sums = score(holdout.data, estimates, num_withheld=holdout.num_withheld, climatology=by_month)
    table = score_table(sums, tuple(baselines.fitted), seed)
    return Evaluation(table, None if std is None else calibration(holdout.data, mean, std))


_CARD = """# The model that comes with Harmonia

`{file}`: `SpatioTemporalModel` after the preset `tiny`, {size:,} parameters, with the position basis and the
climatology that belong to it; `{baselines}`: the baselines fitted to the same years. Nothing is unpickled.

Made by `python -m engine.training.sst.pretrain`, Harmonia {version}, in {minutes:.0f} minutes on {device}, beside other
work. Licence: that of Harmonia.

**Training data**: the demo ocean, {step:g}°, seed {seed}, which is synthetic. The model demonstrates the method; it is
not a product for operational use. Trained on {train}, validated on {validation}, climatology of
{climatology}; best after epoch {epoch} of {epochs}.

**Test data**: the last year of {count} other demo oceans (seeds 1 to {count}), ice excluded. Mean ± standard deviation
over the oceans of the area-weighted error of the month's true mean, by number of observed days in the month. The
baselines were fitted to the earlier years of the same ocean.

| MAE, K | all sea | {classes} |
|{rule}|
{rows}

The model's error is {mean:.0%} of that of the mean of observed days, and {debiased:.0%} of the debiased mean's.

**Standard deviation.** On the open sea of those oceans the central intervals of {levels} % contain the truth in
{coverage} % of the area.

**Limits.** It has learned the errors of the demo's satellite, not those of a real one, and only the {step:g}° grid.
"""


def card(bundle: ModelBundle, evaluations: Sequence[Evaluation], minutes: float) -> str:
    """What people should know before they use the model, as Markdown."""
    settings = bundle.settings
    table = over_seeds([evaluation.table for evaluation in evaluations])
    coverages = [each.calibration["coverage"] for each in evaluations if each.calibration is not None]
    assert isinstance(settings.source, DemoSource)
    return _CARD.format(
        file=Path(PRETRAINED).name,
        baselines=Path(PRETRAINED_BASELINES).name,
        size=sum(value.numel() for value in bundle.model.parameters()),
        version=code_version(),
        minutes=minutes,
        device=describe_device(),
        step=settings.source.step_deg,
        seed=settings.source.seed,
        train=span_text(settings.train),
        validation=span_text(settings.validation),
        climatology=span_text(settings.climatology),
        epoch=bundle.scores["epoch"],
        epochs=settings.epochs,
        count=len(UNSEEN),
        classes=" | ".join(f"{name} days" for name in _CLASSES),
        rule="---|" * (len(_CLASSES) + 1) + "---",
        rows="\n".join(_row(name, table) for name in table),
        mean=_ratio(table, "mean"),
        debiased=_ratio(table, "mean_debiased"),
        levels=", ".join(coverages[0]),
        coverage=", ".join(
            f"{100 * sum(coverage[level] for coverage in coverages) / len(coverages):.1f}" for level in coverages[0]
        ),
    )


def _row(name: str, table: Table) -> str:
    classes = table[name]["observations"]
    scores = [table[name]["surface"]["sea"], *(classes[label] for label in _CLASSES)]
    return f"| {name} | " + " | ".join(f"{score['mae']:.3f} ± {score['mae_std']:.3f}" for score in scores) + " |"


def _ratio(table: Table, baseline: str) -> float:
    return table["model"]["surface"]["sea"]["mae"] / table[baseline]["surface"]["sea"]["mae"]


if __name__ == "__main__":
    sys.exit(main())
