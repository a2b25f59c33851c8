"""The task ``sweep``: proposes trials, launches each as a run of its own, and uses their scores for the next proposals.

The study is Optuna's, in ``study.journal`` in the run's folder. Tags of the runs say which run belongs to which
trial, so that nothing is lost if a process is killed between the two writes.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from engine.config.legacy import current_keys, current_study
from engine.config.run_config import RunConfig
from engine.config.sweep import SEED, Choices, Range, SweepSettings, Value, combinations
from engine.errors import CancelledError, ConfigError, EngineError, RunError
from engine.files import write_atomic
from engine.runs.context import RunContext
from engine.runs.metrics import MetricsReader
from engine.runs.record import ACTIVE, RunRecord
from engine.runs.store import RunStore

if TYPE_CHECKING:
    import optuna

SCORE = "val_mae"
"""The metric that is minimised; a trial is compared by it at the end of every epoch."""

_POLL_S = 0.4
_MAX_LAUNCHES = 2  # a trial whose process was killed is resumed once, and again after the sweep itself was resumed
_PATIENCE = 50  # clashing proposals in a row after which the space counts as impossible
_MAX_FIRST_FAILURES = 5  # trials that fail before any succeeds


@dataclass
class Trial:
    """One trial, as ``trials.json`` holds it.

    ``state`` is that of its run, except ``illegal`` (its choices clash, so it never became a run) and ``killed`` (its
    process was killed twice while the sweep worked; a machine that dies takes the sweep along). ``value`` is its best
    score in K, ``scores`` those of its epochs.
    """

    number: int
    state: str
    chosen: dict[str, Any]
    run: str | None = None
    value: float | None = None
    scores: list[float] = field(default_factory=list[float])
    why: str = ""


def sweep(settings: SweepSettings, run: RunContext, wait: Callable[[float], None] = time.sleep) -> None:
    """Find good choices; see :class:`engine.config.sweep.SweepSettings` for what can be chosen.

    Metrics: ``finished`` and ``working`` trials, ``best`` score in K, and ``value`` of the trial that ended last. The
    result is ``trials.json``: ``trials`` (see :class:`Trial`), ``importance`` of each choice (0..1, sums to 1) and
    ``fields``, the dimensions in order. A resumed sweep continues the trials that it had begun.

    Raises:
        RunError: every trial fails, or all proposed choices of the space clash.
    """
    with RunStore(run.folder.parent.parent, limited=False) as store:  # its own limit is ``settings.parallel``
        scheduler = _Scheduler(settings, run, store)
        try:
            while not scheduler.is_done:
                run.stop_if_asked()
                scheduler.update()
                wait(_POLL_S)
        except CancelledError:
            scheduler.stop_trials()
            raise
        scheduler.end()


class _Scheduler:
    """Keeps as many trials running as allowed, reports their scores to the study, and writes ``trials.json``."""

    def __init__(self, settings: SweepSettings, run: RunContext, store: RunStore) -> None:
        self._settings = settings
        self._run = run
        self._store = store
        self._study = _study(settings, run)
        self._trials: dict[int, Trial] = {}
        self._readers: dict[int, MetricsReader] = {}
        self._working: dict[int, optuna.Trial] = {}
        self._launches_before: dict[int, int] = {}
        """by trial: the launches of its run before this process watched it"""
        self._importance: dict[str, float] = {}
        self._written: dict[str, Any] = {}
        self._restore_trials()

    @property
    def is_done(self) -> bool:
        """Whether every requested trial has ended."""
        return not self._working and len(self._ended()) >= self._settings.trials

    def _ended(self) -> list[Trial]:
        # another proposal takes the place of choices that clash; a grid has no other
        counts_illegal = self._settings.sampler == "grid"
        ended = (trial for trial in self._trials.values() if trial.state not in (*ACTIVE, "created"))
        return [trial for trial in ended if counts_illegal or trial.state != "illegal"]

    def _restore_trials(self) -> None:
        """Restore the trials of an earlier launch from the study and the list of runs."""
        from optuna.trial import Trial as StudyTrial
        from optuna.trial import TrialState

        runs = {record.tags[1]: record for record in self._store.records().values() if record.tags[:1] == (self._tag,)}
        for frozen in self._study.get_trials(deepcopy=False):
            if frozen.state == TrialState.WAITING:  # a combination of the grid whose turn has not come
                continue
            record = runs.get(_trial_tag(frozen.number))
            kept = frozen.user_attrs.get("trial")
            if kept is not None:  # it has ended
                self._trials[frozen.number] = Trial(**current_keys(kept))
                continue
            trial = StudyTrial(self._study, frozen._trial_id)  # pyright: ignore[reportPrivateUsage]
            if record is None:  # killed between proposing and creating: proposed, but never a run
                self._propose(trial)
            else:
                self._watch(trial, record)
                if record.can_resume or record.state == "created":
                    self._store.launch(self._store.get(record.id))

    @property
    def _tag(self) -> str:
        return f"sweep {self._run.folder.name}"

    def update(self) -> None:
        """Update the states of all trials, propose new ones, and write ``trials.json``."""
        self._store.adopt()
        for number in list(self._working):
            self._update_trial(number)
        while self._wants_another():
            self._propose(self._study.ask())
        self._write_trials()

    def _wants_another(self) -> bool:
        begun = len(self._working) + len(self._ended())
        return len(self._working) < self._settings.parallel and begun < self._settings.trials

    def _propose(self, trial: optuna.Trial) -> None:
        """Let the study choose, and launch a run of that choice; choices that clash are pruned."""
        chosen = {name: _suggest(trial, name, dimension) for name, dimension in self._settings.space.items()}
        try:
            settings = self._settings.settings_of(chosen)
        except (ValidationError, ConfigError) as error:
            self._close(Trial(trial.number, "illegal", chosen, why=_reason(error)), trial)
            self._refuse_impossible_space()
            return
        seed = chosen.get(SEED, self._run.seed)
        assert isinstance(seed, int)
        config = RunConfig(seed=seed, settings=settings)
        name = f"{self._run.folder.name[-4:]} trial {trial.number}"
        created = self._store.create(config, name, tags=(self._tag, _trial_tag(trial.number)))
        self._watch(trial, created.record, chosen)
        self._store.launch(created)

    def _refuse_impossible_space(self) -> None:
        last = list(self._trials.values())[-_PATIENCE:]
        if len(last) == _PATIENCE and all(trial.state == "illegal" for trial in last):
            raise RunError("the choices clash whatever is proposed", "space", f"change it; {last[-1].why}")

    def _watch(self, trial: optuna.Trial, record: RunRecord, chosen: Mapping[str, Value] | None = None) -> None:
        if chosen is None:
            chosen = {name: _suggest(trial, name, dimension) for name, dimension in self._settings.space.items()}
        self._working[trial.number] = trial
        is_active = record.state in ACTIVE  # it goes on in its present launch
        self._launches_before[trial.number] = record.launch - 1 if is_active else record.launch
        self._trials[trial.number] = Trial(trial.number, record.state, dict(chosen), record.id)
        self._readers[trial.number] = self._store.get(record.id).metrics()

    def _update_trial(self, number: int) -> None:
        """Update one trial: report its scores, prune it, or close it."""
        trial = self._trials[number]
        assert trial.run is not None
        try:
            trial_run = self._store.get(trial.run)
        except EngineError:
            trial.state, trial.why = "cancelled", "its run was deleted"
            self._close(trial, self._working.pop(number))
            return
        record = trial_run.record
        trial.state, trial.why = record.state, record.failure or ""
        self._readers[number].poll()
        self._report(number)
        if record.state in ACTIVE:
            if record.state == "running" and not record.is_stopping and self._working[number].should_prune():
                with suppress(RunError):  # it ended in the meantime
                    self._store.cancel(trial_run, prune=True)
        elif record.state == "interrupted" and record.launch < self._launches_before[number] + _MAX_LAUNCHES:
            self._store.resume(trial_run)
        else:
            trial.state = "killed" if record.state == "interrupted" else record.state
            trial.value = min((score for score in trial.scores if math.isfinite(score)), default=None)
            self._close(trial, self._working.pop(number))

    def _report(self, number: int) -> None:
        """Report the scores of the epochs that have ended since to the study."""
        trial = self._trials[number]
        for score in list(_scores(self._readers[number]))[len(trial.scores) :]:
            trial.scores.append(score)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a resumed trial reports its first epochs once more
                self._working[number].report(score, len(trial.scores))

    def _close(self, trial: Trial, study_trial: optuna.Trial) -> None:
        """Tell the study how a trial ended."""
        from optuna.trial import TrialState

        self._trials[trial.number] = trial
        study_trial.set_user_attr("trial", asdict(trial))
        if trial.state == "done" and trial.value is not None:
            self._study.tell(study_trial, trial.value)
            self._importance = _importance(self._study)
        elif trial.state in ("pruned", "illegal"):
            self._study.tell(study_trial, state=TrialState.PRUNED)
        else:
            self._study.tell(study_trial, state=TrialState.FAIL)
        self._refuse_failing_space()

    def _refuse_failing_space(self) -> None:
        ended = self._ended()
        failed = [trial for trial in ended if trial.state in ("failed", "killed")]
        if len(failed) >= min(_MAX_FIRST_FAILURES, self._settings.trials) and len(failed) == len(ended):
            reasons = "; ".join(dict.fromkeys(trial.why or trial.state for trial in failed))
            self._write_trials()
            raise RunError(f"all {len(failed)} trials failed", "trials", f"change what they have in common: {reasons}")

    def _write_trials(self) -> None:
        ended = self._ended()
        done = [trial.value for trial in ended if trial.value is not None]
        metrics = {
            "finished": len(ended),
            "working": len(self._working),
            "best": min(done, default=None),
            "value": ended[-1].value if ended else None,
        }
        self._run.report(metrics, self._progress(), best=min(done, default=None))
        content = {
            "fields": list(self._settings.space),
            "importance": self._importance,
            "trials": [asdict(self._trials[number]) for number in sorted(self._trials)],
        }
        if content != self._written:
            self._written = content
            write_atomic(self._run.files.trials, json.dumps(content).encode())
            self._run.checkpoint({}, {"finished": len(ended)})

    def _progress(self) -> float:
        fractions = [self._store.record(trial.run).progress for trial in self._under_way() if trial.run]
        return (len(self._ended()) + sum(fractions)) / self._settings.trials

    def _under_way(self) -> Iterator[Trial]:
        return (self._trials[number] for number in self._working)

    def stop_trials(self) -> None:
        """Request the running trials to stop; they resume when the sweep does."""
        for trial in self._under_way():
            with suppress(EngineError):
                assert trial.run is not None
                self._store.cancel(self._store.get(trial.run))

    def end(self) -> None:
        """Write the last state."""
        self._write_trials()
        if not any(trial.state == "done" for trial in self._trials.values()):
            raise RunError("no trial came to its end", "trials", "see in the list of runs why they stopped")


def _trial_tag(number: int) -> str:
    return f"trial {number}"


def _study(settings: SweepSettings, run: RunContext) -> optuna.Study:
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruners = {
        "asha": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(1, settings.trial.epochs, 3),
        "none": optuna.pruners.NopPruner,
    }
    samplers = {
        "tpe": optuna.samplers.TPESampler,
        "random": optuna.samplers.RandomSampler,
        "grid": optuna.samplers.RandomSampler,  # every combination is enqueued below
    }
    if run.files.study.exists():
        write_atomic(run.files.study, current_study(run.files.study.read_text()).encode())
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(run.files.study))),
        sampler=samplers[settings.sampler](seed=run.seed % 2**32),
        pruner=pruners[settings.pruner](),
        study_name="sweep",
        load_if_exists=True,
    )
    if settings.sampler == "grid":
        for chosen in combinations(settings.space)[len(study.get_trials(deepcopy=False)) :]:
            study.enqueue_trial({name: json.dumps(value) for name, value in chosen.items()})
    return study


def _suggest(trial: optuna.Trial, name: str, dimension: Choices | Range) -> Value:
    if isinstance(dimension, Choices):  # as JSON, because a patch is no single number
        value = json.loads(trial.suggest_categorical(name, [json.dumps(value) for value in dimension.values]))
        return tuple(cast("list[int]", value)) if isinstance(value, list) else value
    if dimension.whole:
        return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def _scores(reader: MetricsReader) -> Iterator[float]:
    """The score at the end of each epoch, in order."""
    columns = reader.columns
    if "epoch" not in columns or SCORE not in columns:
        return
    last = 0.0
    for epoch, score in zip(columns["epoch"].tolist(), columns[SCORE].tolist(), strict=True):
        if epoch > last and math.isfinite(score):
            last = epoch
            yield score


def _reason(error: ValidationError | ConfigError) -> str:
    if isinstance(error, ConfigError):
        return "; ".join(error.problems)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors()
    )


def _importance(study: optuna.Study) -> dict[str, float]:
    """How much each choice matters for the score, by PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255)."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    with warnings.catch_warnings(), suppress(ValueError, RuntimeError, ZeroDivisionError):
        warnings.simplefilter("ignore")  # warnings about experimental features of Optuna
        importances = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
        return {name: float(value) for name, value in importances.items() if math.isfinite(value)}
    return {}
