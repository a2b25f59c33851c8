"""The run core: a click, a list of two thousand runs, a million lines of metrics."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from engine.runs import LandSettings, MetricsReader, Run, RunConfig, RunStore
from tests.benchmarks import Row, seconds

NUM_RUNS = 2000
NUM_LINES = 1_000_000
IDLE_CORE_PERCENT = 2.0  # at one refresh a second
LONG = RunConfig(settings=LandSettings(step_deg=0.02, rows_per_band=1))


def rows() -> Iterator[Row]:
    """Times of what a person waits for, each against its limit."""
    with TemporaryDirectory(prefix="harmonia-") as home:
        yield from clicks(Path(home))
    with TemporaryDirectory(prefix="harmonia-") as home:
        yield from listing(Path(home))
    with TemporaryDirectory(prefix="harmonia-") as folder:
        yield from reading(Path(folder) / "metrics.jsonl")


def clicks(home: Path) -> Iterator[Row]:
    """Launch and cancel of a torch-free task."""
    with RunStore(home) as store:
        run = store.create(LONG)
        yield Row(
            "launch click → first output", elapsed(lambda: store.launch(run), run.log_tail), "s", target_figure=1.0
        )
        yield Row(
            "launch click → first metrics", elapsed(lambda: None, lambda: run.metrics().poll()), "s", note="later"
        )
        pid = run.record.pid
        assert pid is not None
        gone: Callable[[], bool] = lambda: not psutil.pid_exists(pid)  # noqa: E731
        yield Row("cancel click → process gone", elapsed(run.cancel, gone), "s", target_figure=5.0)
        again = seconds_to_first_band(store, run)
        yield Row("resume click → first new metrics", again, "s")


def seconds_to_first_band(store: RunStore, run: Run) -> float:
    reader = run.metrics()
    reader.poll()
    took = elapsed(run.resume, reader.poll)
    run.cancel()
    elapsed(lambda: None, lambda: run.state == "cancelled")
    return took


def elapsed(act: Callable[[], object], done: Callable[[], object]) -> float:
    """Seconds from ``act()`` until ``done()`` is true."""
    start = time.perf_counter()
    act()
    while not done():
        time.sleep(0.002)
    return time.perf_counter() - start


def listing(home: Path) -> Iterator[Row]:
    """A home folder of two thousand runs: seen first, and again when nothing has changed."""
    with RunStore(home) as store:
        first = store.create(LONG)
        for number in range(NUM_RUNS - 1):
            shutil.copytree(first.folder, first.folder.with_name(f"20260101-000000-{number:010x}"))
        cold = seconds(lambda: RunStore(home).records())
        yield Row(f"{NUM_RUNS} runs listed at first", cold, "s", target_figure=1.0)
        store.records()
        time.sleep(0.2)
        store.records()
        idle = seconds(store.records)
        yield Row("refreshed, nothing changed", 1e3 * idle, "ms", naive=1e3 * cold, note="naive: read all again")
        start = time.process_time()
        for _ in range(10):
            store.records()
        used = (time.process_time() - start) / 10
        yield Row("core used at a refresh a second", 100.0 * used, "%", target_figure=IDLE_CORE_PERCENT)


def reading(path: Path) -> Iterator[Row]:
    """A run of a million lines opened, thinned to what a plot can show; then one line more."""
    with open(path, "wb") as file:
        for step in range(NUM_LINES):
            file.write(b'{"step":%d,"time":%.3f,"loss":%.6g,"rate":%.4g}\n' % (step, step / 100, 1 / (1 + step), 1e-3))
    yield Row(
        f"{NUM_LINES:,} lines opened and thinned",
        seconds(lambda: opened(path).series()),
        "s",
        naive=seconds(lambda: naive(path)),
        target_figure=1.0,
        note="naive: json.loads line by line",
    )
    reader = opened(path)
    with open(path, "ab") as file:
        file.write(b'{"step":1,"time":1.0,"loss":1.0,"rate":1.0}\n')
    yield Row("one line more", 1e3 * elapsed(lambda: None, reader.poll), "ms", target_figure=1000.0)
    yield Row("thinned again", 1e3 * seconds(reader.series), "ms")


def opened(path: Path) -> MetricsReader:
    reader = MetricsReader(path)
    reader.poll()
    return reader


def naive(path: Path) -> list[float]:
    with open(path, "rb") as file:
        return [json.loads(line)["loss"] for line in file]
