"""SIGKILL of small runs of all tasks: ``python -m tests.faults.storm --kills 1000 --tally FILE``.

A trial is one run that is killed once to six times: at a random moment after its first checkpoint, or inside a write
(before it, torn, or after it). It is resumed until it is done, and its results are compared with those of a run that
nothing disturbed. Every trial follows from its number, the seed. ``FILE`` is written after each trial; a storm that was
stopped goes on with the next number. ``lost`` lists every trial whose results differ or that did not end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

from engine.config.expert import ExpertSettings, LandTiles
from engine.config.reconstruct import ReconstructSettings
from engine.config.sst import FileSource, SSTSettings
from engine.config.sweep import Choices, SweepSettings
from engine.embedding import HarmonicBasis
from engine.files import write_atomic
from engine.runs import BasisSettings, LandSettings, Run, RunConfig, RunStore, TableSettings, supervise
from tests.faults.preloaded import PreloadedWorkers
from tests.support import workers
from tests.support.ocean import write_days
from tests.support.trainings import SMALL, untrained
from tests.support.workers import (
    INJECT,
    content_of,
    describe,
    new_home,
    processes_of,
    wait_for,
    wait_until_ended,
)

MODEL_ID = "20260101-000000-0123456789"
TASKS = ("land", "basis", "table", "sst", "expert", "reconstruct", "sweep")
RESULTS = {
    "land": ("land.npz",),
    "table": ("table.safetensors",),
    "sst": ("best.safetensors", "scores.json"),
    "expert": ("expert.safetensors", "scores.json"),
}
MOST_KILLS = 6
_PATIENCE_S = 1800.0  # a storm of hours may have to leave the machine to other work
_POLL_S = 0.05  # looking two hundred times a second costs more than the runs
_EXTRA_S = 1.0  # random moments lie within this time after the first checkpoint


def config_of(task: str, days: Path) -> RunConfig:
    """A miniature of a task: a second or two of one core, its first checkpoint within three seconds."""
    source = FileSource(path=str(days))
    training = SSTSettings(**{**SMALL.model_dump(), "source": source, "epochs": 2, "overlap": 0, "model": SMALL.model})
    settings = {
        "land": LandSettings(step_deg=0.5, rows_per_band=1, resolution="110m"),
        "basis": BasisSettings(step_deg=2.0, max_degree=36, num_components=64),
        "table": TableSettings(width=20, height=10, padding=3, iterations=300),
        "sst": training,
        "expert": ExpertSettings(
            tiles=LandTiles(size=8),
            num_centres=12,
            width=8,
            head_degree=3,
            epochs=4,
            samples=64,
            batch=16,
            num_validation=16,
            num_test=16,
            num_shown=8,
        ),
        "reconstruct": ReconstructSettings(model=MODEL_ID, source=source, last="2001-12"),
        "sweep": SweepSettings(
            trial=training, space={"model.width": Choices(values=(16, 32))}, trials=2, pruner="none"
        ),
    }
    return RunConfig(settings=settings[task])


def results_of(run: Run) -> dict[str, str]:
    """SHA-256 of each result of a finished run; of a sweep how each of its trials ended, and how many runs it made.

    A resumed sweep may propose other choices than one that runs through, but loses and doubles no trial.

    Of a basis its own key, which is a hash of every bit: the header of its file may list its entries in any order.
    """
    if run.config.task == "basis":
        return {"basis": HarmonicBasis.load(run.files.basis).key}
    if run.config.task == "sweep":
        trials = json.loads(run.files.trials.read_text())["trials"]
        num_runs = len({trial["run"] for trial in trials})
        return {"trials": f"{[(trial['number'], trial['state']) for trial in trials]}, {num_runs} runs"}
    if run.config.task == "reconstruct":
        return {"reconstruction": content_of(run.files.reconstruction)}
    return {name: hashlib.sha256((run.folder / name).read_bytes()).hexdigest() for name in RESULTS[run.config.task]}


@dataclass
class Tally:
    """What a storm has tried so far; ``lost`` says of each lost trial its number, task and reason."""

    path: Path
    trials: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    lost: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path) -> Tally:
        """Read a tally that an earlier storm has left, or begin one."""
        if not path.exists():
            return cls(path)
        content = json.loads(path.read_text())
        return cls(path, content["trials"], Counter(content["kills"]), content["lost"])

    @property
    def num_kills(self) -> int:
        """How many kills have hit a working process."""
        return sum(self.kills.values())

    def write(self) -> None:
        """Write the tally."""
        content = {"num_kills": self.num_kills, "kills": self.kills, "trials": self.trials, "lost": self.lost}
        write_atomic(self.path, json.dumps(content, indent=1).encode() + b"\n")


class Storm:
    """Trials in a home folder of their own."""

    def __init__(
        self,
        home: Path,
        tally: Tally,
        tasks: tuple[str, ...],
        expected: dict[str, dict[str, str]],
        workers: PreloadedWorkers,
    ) -> None:
        self._tally = tally
        self._results = dict(expected)  # of undisturbed runs in this home folder: results name the path of their data
        self._tasks = tasks
        self._days = home / "days.nc"
        write_days(self._days)
        (home / "runs" / MODEL_ID).mkdir(parents=True)
        untrained().save(home / "runs" / MODEL_ID / "best.safetensors")
        self._store = RunStore(home)
        self._workers = workers

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def until(self, num_kills: int) -> None:
        """Trials until that many kills have hit."""
        while self._tally.num_kills < num_kills:
            number = self._tally.trials
            task = self._tasks[number % len(self._tasks)]
            try:
                self._trial(task, random.Random(number))
            except (
                Exception
            ) as error:  # a trial that fails is what the storm looks for: it is counted, and others follow
                traceback.print_exc()
                self._tally.lost.append({"trial": str(number), "task": task, "why": str(error)[-2000:]})
            self._tally.trials += 1
            self._tally.write()
            self._clear()

    def _expected(self, task: str) -> dict[str, str]:
        if task not in self._results:
            run = self._store.create(config_of(task, self._days))
            self._store.launch(run)
            assert wait_until_ended(run) == "done", describe(run)
            self._results[task] = results_of(run)
        return self._results[task]

    def _trial(self, task: str, rng: random.Random) -> None:
        expected = self._expected(task)
        run = self._store.create(config_of(task, self._days))
        for _ in range(rng.randint(1, MOST_KILLS)):
            kind = rng.choice(["moment", "write"])
            is_hit = (self._kill_at_a_moment if kind == "moment" else self._kill_inside_a_write)(run, rng)
            wait_for(lambda: not self._workers.is_alive(run.folder), "the process to be gone", run)
            if not is_hit:
                break
            self._tally.kills[f"{task} {kind}"] += 1
            assert wait_until_ended(run) in ("interrupted", "done"), describe(run)
            if run.state == "done":  # the kill came after its last status
                break
        if run.state != "done":
            self._store.launch(run)
            assert wait_until_ended(run) == "done", describe(run)
        wait_for(lambda: not self._workers.is_alive(run.folder), "the process to be gone", run)
        results = results_of(run)
        assert results == expected, f"{results} instead of {expected}"
        assert not list(run.folder.rglob(".*.tmp*"))

    def _kill_at_a_moment(self, run: Run, rng: random.Random) -> bool:
        self._store.launch(run)
        wait_for(lambda: run.state != "queued", "the run to work", run)
        wait_for(lambda: run.files.checkpoint().exists() or run.state == "done", "the first checkpoint", run)
        time.sleep(rng.uniform(0.0, _EXTRA_S))  # the moment of the kill is what is being tried
        return run.state == "running" and self._workers.kill(run.folder)

    def _kill_inside_a_write(self, run: Run, rng: random.Random) -> bool:
        call = rng.choice(["fsync", "replace"])
        when = rng.choice(["before", "after"] if call == "replace" else ["before", "after", "torn"])
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("PYTHONPATH", INJECT)
            patched.setenv("HARMONIA_FAULT", f"{call}:{rng.randint(3, 20)}:{when}")
            self._store.launch(run)
            wait_for(lambda: run.state != "queued", "the run to work", run)
            return wait_until_ended(run) == "interrupted"

    def _clear(self) -> None:
        """Delete the runs of the trial; the model that others reconstruct with stays."""
        for folder in (self._store.home / "runs").iterdir():
            if folder.name != MODEL_ID:
                for process in processes_of(folder):
                    process.kill()
                shutil.rmtree(folder, ignore_errors=True)


def storm(
    tally: Tally,
    num_kills: int,
    tasks: tuple[str, ...] = TASKS,
    expected: Mapping[str, dict[str, str]] = MappingProxyType({}),
) -> Tally:
    """Go on with a tally until ``num_kills`` kills have hit; results that are not ``expected`` are made first."""
    with pytest.MonkeyPatch.context() as patched, new_home(tally.path.parent) as home:
        patched.setenv("HARMONIA_HOME", str(home))
        patched.delenv("HARMONIA_SCHEDULER", raising=False)
        preloaded = PreloadedWorkers(supervise._environment)
        patched.setattr(supervise, "_spawn", preloaded.spawn)
        trials = Storm(home, tally, tasks, dict(expected), preloaded)
        try:
            trials.until(num_kills)
        finally:
            trials.close()
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.storm", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="kills in all, those in the tally included")
    parser.add_argument(
        "--tally", type=Path, required=True, metavar="FILE", help="written after each trial, read first"
    )
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    arguments = parser.parse_args()
    workers.PATIENCE_S, workers.POLL_S = _PATIENCE_S, _POLL_S
    tally = storm(Tally.open(arguments.tally.absolute()), arguments.kills, tuple(arguments.tasks))
    print(f"{tally.num_kills} kills in {tally.trials} trials, {len(tally.lost)} lost: {dict(tally.kills)}")
    return 1 if tally.lost else 0


if __name__ == "__main__":
    sys.exit(main())
