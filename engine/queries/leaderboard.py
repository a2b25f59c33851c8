"""All runs and baselines that were scored on the same months of one source, the lowest error first."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engine.config.baselines import BESIDE, baseline_title
from engine.config.months import span_text
from engine.config.run_config import RunConfig
from engine.config.sst import DemoSource, FileSource, SSTSettings
from engine.data.kinds import VariableKind
from engine.errors import EngineError, StoreError
from engine.evaluation.comparison import (
    SEA,
    BlockErrors,
    Comparison,
    Interval,
    Level,
    Scores,
    compare,
    errors_of,
    interval_text,
)
from engine.provenance import shared_path
from engine.queries.cache import CACHE
from engine.queries.text import duration
from engine.queries.train.run_files import final_scores, latest_metrics, scores_key, variable_of
from engine.runs import RunRecord, RunStore

_BOARD_BYTES = 65_536

COLUMNS = (
    "kind", "name", "runs", "error", "error_std_of_seeds", "skill", "skill_low", "skill_high", "num_parameters",
    "seconds", "memory_mb",
)  # fmt: skip
"""Of the leaderboard as a table, see :meth:`Entry.row`."""


@dataclass(frozen=True)
class Entry:
    """A model, or a baseline, and its error on the test months.

    Attributes:
        kind, name: what it is and what it is called.
        runs: ids of the runs, which differ in their seed only; of a baseline those that were compared with it.
        error: mean absolute error over all open sea, model space (K), the mean of the runs.
        seed_std: standard deviation of the errors of a model's seeds; None for a single one, and for baselines.
        skill: 1 − error/error of the best baseline; ``interval``, 95 %, from blocks of space, months and seeds, None
            where it is not known; ``level`` says whether the error is lower or higher.
        num_parameters, seconds, memory_mb: of a training, the mean of the runs; None where not known.
    """

    kind: Literal["model", "baseline"]
    name: str
    runs: tuple[str, ...]
    error: float
    seed_std: float | None
    skill: float
    interval: Interval | None
    level: Level
    num_parameters: int | None = None
    seconds: float | None = None
    memory_mb: float | None = None

    @property
    def skill_text(self) -> str:
        """The interval in words; empty where none is known."""
        return "" if self.interval is None else interval_text(self.interval)

    def line(self, variable: VariableKind) -> str:
        """All of it as a line of text."""
        spread = "" if self.seed_std is None else f" ± {self.seed_std:.3f}"
        skill = f"{100.0 * self.skill:+.1f} %" + (f" ({self.skill_text})" if self.skill_text else "")
        parts = (
            variable.error_text(self.error) + spread,
            skill,
            self.name,
            f"{len(self.runs)} seeds" if self.kind == "model" and len(self.runs) > 1 else "",
            "" if self.num_parameters is None else f"{self.num_parameters:,} parameters",
            "" if self.seconds is None else duration(self.seconds),
            "" if self.memory_mb is None else f"{self.memory_mb:.0f} MB",
        )
        return "  ".join(part for part in parts if part)

    def row(self) -> dict[str, Any]:
        """Plain values by the names of :data:`COLUMNS`."""
        low, high = self.interval or (None, None)
        values = (
            self.kind, self.name, list(self.runs), self.error, self.seed_std, self.skill, low, high,
            self.num_parameters, self.seconds, self.memory_mb,
        )  # fmt: skip
        return dict(zip(COLUMNS, values, strict=True))


@dataclass(frozen=True)
class Leaderboard:
    """What was scored on the same cells and months of one source.

    Attributes:
        title: the source, the test months and what was withheld there.
        source: as the configurations of its runs name it.
        entries: models and baselines, the lowest error first.
        baseline: what the best baseline is called, against which skill is measured.
        variable: the kind of variable, in whose model space errors are.
    """

    title: str
    source: DemoSource | FileSource
    entries: tuple[Entry, ...]
    baseline: str
    variable: VariableKind


@dataclass(frozen=True, eq=False)
class _Scored:
    record: RunRecord
    config: RunConfig
    settings: SSTSettings
    scores: Scores
    variable: VariableKind
    memory_mb: float | None
    files_key: object
    sweep: str
    """What the sweep is called whose trial it is; else empty."""

    @property
    def split(self) -> str:
        """Source and split as text: runs with the same are comparable."""
        of = self.settings
        return json.dumps([of.source.model_dump(mode="json"), of.test, of.withheld_fraction])

    @property
    def source_key(self) -> str:
        """The hash of the data it was scored on; empty in older runs."""
        return str(self.scores["model"].get("source_key", ""))


def leaderboards(store: RunStore, source: str | None = None) -> list[Leaderboard]:
    """One for each source and split that runs were scored on, that of the newest run first.

    ``source``: only of ``"demo"``, or of the path of a source as in the configuration of its runs. Runs whose files are
    damaged are left out: their own page says so.
    """
    groups: dict[tuple[str, str], list[_Scored]] = {}
    latest_key: dict[str, str] = {}
    for scored in _scored_runs(store, source):  # newest first
        if scored.source_key:
            latest_key.setdefault(scored.split, scored.source_key)
        key = scored.source_key or latest_key.get(scored.split, "")  # older runs do not hold the hash
        groups.setdefault((scored.split, key), []).append(scored)
    return [board for group in groups.values() if (board := _board(group)) is not None]


def is_source(chosen: DemoSource | FileSource, source: str) -> bool:
    """Whether ``source``, ``"demo"`` or a path, names the source of a configuration."""
    if isinstance(chosen, FileSource):
        return chosen.path in (source, os.path.abspath(source))
    return source == chosen.kind


def source_title(source: DemoSource | FileSource) -> str:
    """A source in a few words, without its folder."""
    if isinstance(source, DemoSource):
        return f"Demo ocean, {source.step_deg:g}°, seed {source.seed}"
    return shared_path(source.path)


def _scored_runs(store: RunStore, source: str | None) -> Iterator[_Scored]:
    records = store.records()
    for record in records.values():
        if record.task != "sst":
            continue
        with suppress(EngineError):
            run = store.get(record.id)
            config = run.config
            settings = config.settings
            if not isinstance(settings, SSTSettings) or (source and not is_source(settings.source, source)):
                continue
            scores = final_scores(run.folder)
            if errors_of([scores], SEA).get("model") is not None:
                memory = latest_metrics(run.folder).get("memory_mb")
                yield _Scored(
                    record,
                    config,
                    settings,
                    scores,
                    variable_of(run.folder),
                    memory,
                    scores_key(run.folder),
                    _sweep(record, records),
                )


def _sweep(record: RunRecord, records: Mapping[str, RunRecord]) -> str:
    tag = record.tags[0] if record.tags else ""
    sweep = records.get(tag.removeprefix("sweep ")) if tag.startswith("sweep ") else None
    return "" if sweep is None else sweep.name or sweep.id


def _board(group: Sequence[_Scored]) -> Leaderboard | None:
    first = group[0]
    baselines = _baselines(group)
    if not baselines:
        return None
    errors = {name: errors_of([{name: scores}], SEA)[name] for name, scores in baselines.items()}
    best = min(errors.keys() - BESIDE, key=lambda name: errors[name])
    key = tuple((each.record.id, each.record.name, each.sweep, each.files_key) for each in group)
    entries = CACHE.get(("leaderboard", key), lambda: _entries(group, baselines, best), lambda _: _BOARD_BYTES)
    title = (
        f"{source_title(first.settings.source)}; tested on {span_text(first.settings.test)}, "
        f"{100.0 * first.settings.withheld_fraction:g} % of the observed cell-months withheld"
    )
    return Leaderboard(title, first.settings.source, entries, baseline_title(best), first.variable)


def _baselines(group: Sequence[_Scored]) -> dict[str, Any]:
    """The scores of every baseline that any run of the group was compared with, of the newest run that has it."""
    known: dict[str, Any] = {}
    for scored in group:
        for name in errors_of([scored.scores], SEA):
            if name != "model":
                known.setdefault(name, scored.scores[name])
    return known


def _entries(group: Sequence[_Scored], baselines: Mapping[str, Any], best: str) -> tuple[Entry, ...]:
    by_config: dict[bytes, list[_Scored]] = {}
    for scored in group:
        by_config.setdefault(scored.config.model_copy(update={"seed": 0}).to_json(), []).append(scored)
    entries = [_model_entry(runs, baselines, best) for runs in by_config.values()]
    for name, scores in baselines.items():
        compared = _compared([{"model": scores, best: baselines[best]}], group[0].variable)
        runs = tuple(each.record.id for each in group if name in each.scores)
        interval = None if name == best else compared.interval
        entries.append(
            Entry("baseline", baseline_title(name), runs, compared.model_error, None, compared.margin, interval,
                  compared.level)
        )  # fmt: skip
    return tuple(sorted(entries, key=lambda entry: entry.error))


def _model_entry(runs: Sequence[_Scored], baselines: Mapping[str, Any], best: str) -> Entry:
    """The runs of one configuration; the newest, or the sweep whose seeds they are, gives the name."""
    first = runs[0]
    sweep = first.sweep if len(runs) > 1 else ""
    pairs = [{"model": each.scores["model"], best: each.scores.get(best, baselines[best])} for each in runs]
    compared = _compared(pairs, first.variable)
    errors = [errors_of([pair], SEA)["model"] for pair in pairs]
    memory = [each.memory_mb for each in runs if each.memory_mb is not None]
    return Entry(
        "model",
        sweep or first.record.name or first.record.id,
        tuple(each.record.id for each in runs),
        compared.model_error,
        float(np.std(errors, ddof=1)) if len(errors) > 1 else None,
        compared.margin,
        compared.interval,
        compared.level,
        first.scores["model"].get("num_parameters"),
        float(np.mean([each.record.seconds for each in runs])),
        float(np.mean(memory)) if memory else None,
    )


def _compared(pairs: Sequence[Scores], variable: VariableKind) -> Comparison:
    """The error of ``model`` beside that of the one baseline in ``pairs``, as a verdict compares them."""
    blocks = None
    with suppress(StoreError):  # sums of other months or cells, of an older version: no interval
        blocks = BlockErrors.of(pairs)
    compared = compare(pairs, SEA, blocks, 0, variable)
    assert compared is not None
    return compared
