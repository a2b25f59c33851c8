"""The whole protocol on one source: a model with several seeds beside all baselines, as one sweep of ordinary runs."""

from __future__ import annotations

from contextlib import suppress

from engine.config.run_config import RunConfig
from engine.config.sst import SSTSettings
from engine.config.sweep import SEED, Choices, SweepSettings
from engine.errors import ChoiceError, EngineError
from engine.runs import ACTIVE, Run, RunStore

SEEDS = 3
"""Trainings of an evaluation: fewer tell nothing of what chance adds."""

_MOST_SEEDS = 20


def evaluation_config(settings: SSTSettings, num_seeds: int = SEEDS) -> RunConfig:
    """The evaluation of a training: its seeds 0, 1, … as trials of a sweep, each compared with all baselines.

    Every trial is scored on the months of its test, from which the clouds of other months withheld observations; the
    scores of the seeds are compared together (:func:`engine.queries.verdicts.run_verdict`).

    Raises:
        ChoiceError: no seed, or more than twenty.
    """
    if not 1 <= num_seeds <= _MOST_SEEDS:
        raise ChoiceError(f"{num_seeds} seeds", "the evaluation", f"choose 1 to {_MOST_SEEDS}")
    trial = settings.model_copy(update={"baselines": "all", "continues": None})
    seeds = Choices(values=tuple(range(num_seeds)))
    return RunConfig(
        settings=SweepSettings(trial=trial, space={SEED: seeds}, trials=num_seeds, sampler="grid", pruner="none")
    )


def start_evaluation(store: RunStore, config: RunConfig, name: str) -> Run:
    """Launch an evaluation, or go on with the one that the store has already.

    That is one of this configuration, or one that has not ended and differs only in its epochs and samples: they follow
    from the speed that was measured, which is never quite the same. One that is done or under way is left as it is.

    Raises:
        StoreError: the run cannot be created.
    """
    run = _earlier(store, config) or store.create(config, name=name)
    record = run.record
    if record.can_resume:
        run.resume()
    elif record.state == "created":
        store.launch(run)
    return run


def _earlier(store: RunStore, config: RunConfig) -> Run | None:
    for record in store.records().values():
        if record.task == config.task:
            with suppress(EngineError):  # a damaged run is none to go on with
                run = store.get(record.id)
                goes_on = record.can_resume or record.state in ACTIVE
                if run.config == config or (goes_on and _without_schedule(run.config) == _without_schedule(config)):
                    return run
    return None


def _without_schedule(config: RunConfig) -> RunConfig:
    assert isinstance(config.settings, SweepSettings)
    trial = config.settings.trial.model_copy(update={"epochs": 1, "samples": 1})
    return config.model_copy(update={"settings": config.settings.model_copy(update={"trial": trial})})
