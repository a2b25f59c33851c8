"""The ``harmonia`` command: the same runs as in the browser, over ssh and in batch scripts.

``harmonia serve | train CONFIG.json | train --source PATH | train --continue ID | runs [--json] | cancel ID |
resume ID | scores SOURCE | report ID OUT.html | evaluate SOURCE OUT.html | reconstruct ID SOURCE OUT.nc |
remake FILE OUT``. torch and the server are imported only by the subcommands that need them.
"""

from __future__ import annotations

import argparse
import getpass
import io
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from engine.config.baselines import BASELINE_KINDS
from engine.config.sst import SSTSettings
from engine.errors import EngineError, StoreError
from engine.evaluation import Verdict
from engine.files import write_atomic
from engine.queries.folds import folds_tag, folds_verdict
from engine.queries.text import duration
from engine.queries.verdicts import run_verdict
from engine.runs import ACTIVE, Run, RunConfig, RunRecord, RunStore
from engine.runs.audit import acting
from engine.runs.listing import STALE_S
from explorer.switches import OPEN, READ_ONLY

_POLL_S = 0.2
_STOP_S = 10.0
_BAR_WIDTH = 30
_FAILED, _REFUSED = 1, 2
_PIPE_CLOSED = 141  # what a shell reports of a program that SIGPIPE ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand. Exit code 0: success; 1: the run was not completed; 2: wrong arguments."""
    arguments, rest = _parser().parse_known_args(argv)
    if rest and arguments.command != "serve":
        _parser().error(f"unknown arguments: {' '.join(rest)}")
    _escape_unprintable()
    try:
        with acting(_user(), "shell"):
            code = arguments.call(arguments, rest) if rest else arguments.call(arguments)
        sys.stdout.flush()
        return code
    except EngineError as error:
        print(error, file=sys.stderr)
        return _REFUSED
    except BrokenPipeError:  # the reader, `head` say, has seen enough; a run continues
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED


def _escape_unprintable() -> None:
    """Print characters that the terminal's encoding lacks as escapes, instead of ending at the first one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _user() -> str:
    """The user's name; empty where the system knows none, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="harmonia", description="Geo-embeddings on the sphere: explorer and runs.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(call: Callable[..., int], text: str) -> Callable[..., argparse.Action]:
        subparser = commands.add_parser(call.__name__, help=text, description=text)
        subparser.set_defaults(call=call)
        return subparser.add_argument

    def add_json(add: Callable[..., argparse.Action]) -> None:
        add("--json", action="store_true", help="JSON instead of text, one object per line")

    add = command(serve, "Open the explorer on this machine; further arguments are passed to `panel serve`.")
    add("--read-only", action="store_true", help="show runs and data, change nothing")
    add("--open", action="store_true", help="allow an --address that other machines reach without a login")
    add = command(train, "Start a run and show its progress until it ends. Ctrl-C cancels it with a checkpoint.")
    add("config", type=Path, nargs="?", metavar="CONFIG.json")
    add("--source", metavar="PATH", help="in place of CONFIG.json: daily fields to plan a training for, or 'demo'")
    add("--size", default="tiny", help="with --source: tiny, small, base or large; default: tiny")
    add("--minutes", type=float, default=20.0, help="with --source: time for the training; default: 20")
    add("--dry-run", action="store_true", help="with --source: print the plan, start nothing")
    add("--continue", dest="earlier", metavar="ID", help="in place of CONFIG.json: a finished run to train further")
    add("--epochs", type=int, default=10, help="with --continue: further epochs; default: 10")
    add("--name", default="", help="name of the run")
    add_json(add)
    add = command(resume, "Resume a stopped run and show its progress until it ends.")
    add("id", metavar="ID")
    add_json(add)
    command(cancel, "Cancel a run; it writes a checkpoint first.")("id", metavar="ID")
    add_json(command(runs, "List all runs, newest first, each with the verdict on it."))
    add = command(scores, "Print the scored runs and baselines of a source, the lowest error first.")
    add("source", metavar="SOURCE", help="'demo', or the path of the source as in the configuration of its runs")
    add_json(add)
    add = command(report, "Write a report on a training as one HTML file: verdict, scores, maps, configuration.")
    add("id", metavar="ID", help="a training, or a sweep, whose best trial is reported on with all its seeds")
    add("out", type=Path, metavar="OUT.html")
    add = command(evaluate, "Train several seeds on a source, compare them with all baselines, and write one report.")
    add("source", metavar="SOURCE", help="daily fields to evaluate on, or 'demo'")
    add("out", type=Path, metavar="OUT.html")
    add("--size", default="tiny", help="tiny, small, base or large; default: tiny")
    add("--minutes", type=float, default=20.0, help="time for the training of each seed; default: 20")
    add("--seeds", type=int, default=3, help="trainings that differ in their seed only; default: 3")
    add("--name", default="", help="name of the evaluation in the list of runs")
    add = command(reconstruct, "Write the monthly means of daily fields with gaps, reconstructed by a trained model.")
    add("model", metavar="ID", help="a run, a model file, or 'pretrained'")
    add("source", metavar="SOURCE", help="file, folder, pattern in quotes, or Zarr store")
    add("out", type=Path, metavar="OUT.nc", help="output file, .nc or .zarr")
    add("--variable", help="variable of SOURCE, where there are several")
    add("--baseline", metavar="NAME", help=f"reconstruct by a baseline beside the model: {', '.join(BASELINE_KINDS)}")
    quality = "observations to use where SOURCE has quality levels; default: as in training"
    add("--quality", metavar="good|all|LEVEL", help=quality)
    for end in ("first", "last"):
        add(f"--{end}", type=_month, metavar="YYYY-MM", help=f"{end} month; default: the {end} of SOURCE")
    add = command(remake, "Make an exported file anew from what it says of itself, and compare all values.")
    add(
        "file",
        type=Path,
        metavar="FILE",
        help="a .nc, .zarr, .csv, .npz, .safetensors, .png or .gif file that was exported",
    )
    add("out", type=Path, metavar="OUT", help="output file, with the ending of FILE")
    add("--source", metavar="PATH", help="where the data behind FILE lie; default: looked for by their name")
    add("--model", metavar="MODEL", help="a run's id, a run's folder or a model file; default: what FILE names")
    return parser


def serve(arguments: argparse.Namespace, rest: Sequence[str] = ()) -> int:
    """Replace this process by ``panel serve explorer``."""
    if arguments.read_only:
        os.environ[READ_ONLY] = "1"
    if arguments.open:
        os.environ[OPEN] = "1"
    command = [sys.executable, "-m", "panel", "serve", str(Path(__file__).resolve().parent), *rest]
    os.execv(sys.executable, command)


def train(arguments: argparse.Namespace) -> int:
    """Create and launch a run, and show its progress."""
    if [arguments.config, arguments.source, arguments.earlier].count(None) != 2:
        _parser().error("train needs CONFIG.json, or --source PATH, or --continue ID")
    with RunStore() as store:
        config = _config(arguments, store)
        if arguments.dry_run:
            return 0
        run = store.create(config, name=arguments.name)
        store.launch(run)
        return _show_progress(run, as_json=arguments.json)


def _config(arguments: argparse.Namespace, store: RunStore) -> RunConfig:
    """The configuration of ``harmonia train``: from a file, proposed for a source, or that of an earlier run."""
    if arguments.config is not None:
        from engine.queries.known_sources import with_known_sources

        read = RunConfig.read(arguments.config).model_dump(mode="json")
        return RunConfig.checked(with_known_sources(read, arguments.config), str(arguments.config))
    from engine.queries.train.command import continued_config, proposed_config

    if arguments.earlier is not None:
        return continued_config(store.get(arguments.earlier), arguments.epochs)
    config, text = proposed_config(arguments.source, arguments.size, arguments.minutes, _print_step)
    print(text, file=sys.stderr if arguments.json else sys.stdout)
    return config


def resume(arguments: argparse.Namespace) -> int:
    """Resume a run and show its progress."""
    with RunStore() as store:
        run = store.get(arguments.id)
        _wait_until_confirmed(run)
        run.resume()
        return _show_progress(run, as_json=arguments.json)


def cancel(arguments: argparse.Namespace) -> int:
    """Cancel a run and wait until its process is gone."""
    with RunStore() as store:
        run = store.get(arguments.id)
        run.cancel()
        return 0 if _wait_for_end(run) else _FAILED


def runs(arguments: argparse.Namespace) -> int:
    """Print all runs."""
    with RunStore() as store:
        for record in store.records().values():
            result = _verdict(store, record)
            if arguments.json:
                verdict = None if result is None else result.as_dict()
                print(json.dumps({**record.as_dict(), "verdict": verdict, "folds": _folds(store, record)}))
            else:
                print(_row(record, result))
        if not arguments.json:
            _print_folds(store, list(store.records().values()))
    return 0


def scores(arguments: argparse.Namespace) -> int:
    """Print the scored runs and baselines of a source."""
    from engine.queries.leaderboard import leaderboards

    with RunStore() as store:
        boards = leaderboards(store, arguments.source)
        records = {run: store.record(run) for board in boards for entry in board.entries for run in entry.runs}
        for board in boards:
            print("" if arguments.json else f"{board.title}; skill against {board.baseline}\n", end="")
            for entry in board.entries:
                own = [records[run] for run in entry.runs if entry.kind == "model"]
                verdicts = [result for record in own if (result := _verdict(store, record)) is not None]
                if arguments.json:
                    folds = _folds(store, own[0]) if own else None
                    row = {"verdicts": [result.as_dict() for result in verdicts], "folds": folds}
                    print(json.dumps({"board": board.title, **entry.row(), **row}))
                else:
                    print("\n    ".join((entry.line(board.variable), *(result.text for result in verdicts))))
        if not arguments.json:
            _print_folds(store, list(records.values()))
    if not boards:
        print(f"no run of {arguments.source} has scores", file=sys.stderr)
    return 0 if boards else _FAILED


def report(arguments: argparse.Namespace) -> int:
    """Write a report on a run."""
    from engine.queries.report import run_report
    from explorer.report import report_html

    with RunStore() as store:
        content = report_html(run_report(store.get(arguments.id), store))
    write_atomic(arguments.out, content.encode())
    print(arguments.out)
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Train several seeds on a source beside all baselines, and write one report on them."""
    from engine.queries.evaluation import evaluation_config, start_evaluation
    from engine.queries.train.command import proposed_config

    proposed, text = proposed_config(arguments.source, arguments.size, arguments.minutes, _print_step)
    assert isinstance(proposed.settings, SSTSettings)
    config = evaluation_config(proposed.settings, arguments.seeds)
    print(text)
    with RunStore() as store:
        run = start_evaluation(store, config, arguments.name or f"Evaluation: {Path(arguments.source).name}")
        code = _show_progress(run, as_json=False)
    arguments.id = run.id
    return code or report(arguments)


def reconstruct(arguments: argparse.Namespace) -> int:
    """Reconstruct the months of a source and write them."""
    from engine.queries.ocean import quality_of
    from engine.queries.reconstruct.command import reconstruct_file

    reconstruct_file(
        arguments.model,
        arguments.source,
        arguments.out,
        variable=arguments.variable,
        quality=None if arguments.quality is None else quality_of(arguments.quality),
        first=arguments.first,
        last=arguments.last,
        progress=_print_step,
        baseline=arguments.baseline,
    )
    print(arguments.out)
    return 0


def remake(arguments: argparse.Namespace) -> int:
    """Make an exported file anew; exit code 1 where a value differs."""
    from engine.queries.remake import remake as make_anew

    remade = make_anew(arguments.file, arguments.out, arguments.source, _print_step, model=arguments.model)
    for difference in remade.differences:
        print(difference, file=sys.stderr)
    equal = "all values are equal" if remade.is_compared else "the data of the picture"
    print(f"{arguments.out}: {'not the same as in the file' if remade.differences else equal}")
    return _FAILED if remade.differences else 0


def _print_step(fraction: float, text: str) -> None:
    print(f"{fraction:4.0%}  {text}", file=sys.stderr, flush=True)


def _month(text: str) -> tuple[int, int]:
    """Year and month of ``YYYY-MM``; ValueError if it is none."""
    year, month = text.split("-")
    if not 1 <= int(month) <= 12:
        raise ValueError(text)
    return int(year), int(month)


def _show_progress(run: Run, *, as_json: bool) -> int:
    """Show the progress of a run until it ends."""
    show = _print_json if as_json else _Bar(sys.stderr).show
    print(run.id, file=sys.stderr if as_json else sys.stdout, flush=True)
    try:
        while (record := run.record).state in ACTIVE:
            show(record)
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        run.cancel()
        _wait_for_end(run)
    record = run.record
    show(record)
    if not as_json:
        print(f"\n{record.state}" + (f": {record.failure}" if record.failure else ""), file=sys.stderr)
    return 0 if record.state == "done" else _FAILED


def _wait_until_confirmed(run: Run) -> None:
    """Wait until it is known whether a run on another machine works: its heartbeat changes, or long enough does not."""
    record = run.record
    if not record.is_confirmed:
        print(f"waiting up to {STALE_S:.0f} s for a sign of the run on {record.host}", file=sys.stderr)
    while not run.record.is_confirmed:
        time.sleep(_POLL_S)


def _wait_for_end(run: Run) -> bool:
    deadline = time.monotonic() + _STOP_S
    while run.state in ACTIVE and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return run.state not in ACTIVE


def _print_json(record: RunRecord) -> None:
    print(json.dumps(record.as_dict()), flush=True)


class _Bar:
    """A line with the state, a bar and the time left: redrawn in a terminal, once every ten percent elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._shown = ""

    def show(self, record: RunRecord) -> None:
        """Draw the record if its text has changed."""
        key = _progress(record) if self._is_terminal else f"{record.state} {int(record.progress * 10)}"
        if key != self._shown:
            self._shown = key
            text = _progress(record)
            self._stream.write(f"\r\x1b[2K{text}" if self._is_terminal else f"{text}\n")
            self._stream.flush()


def _progress(record: RunRecord) -> str:
    filled = round(record.progress * _BAR_WIDTH)
    bar = "█" * filled + "░" * (_BAR_WIDTH - filled)
    left = "" if record.seconds_left is None else f"  {duration(record.seconds_left)} left"
    return f"{record.state:<11} {bar} {record.progress:4.0%}{left}"


def _verdict(store: RunStore, record: RunRecord) -> Verdict | None:
    """The verdict on a run; None where there is none, or its scores are damaged."""
    with suppress(StoreError):
        return run_verdict(store.folder(record.id), record.task)
    return None


def _folds(store: RunStore, record: RunRecord) -> dict[str, Any] | None:
    """The verdict on the rolling origin that a run belongs to, as plain values."""
    with suppress(EngineError):
        result = folds_verdict(store.get(record.id))
        return None if result is None else {"title": result.title, **result.verdict.as_dict()}
    return None


def _print_folds(store: RunStore, records: Sequence[RunRecord]) -> None:
    """A line for each rolling origin among runs."""
    for tag, record in {folds_tag(record): record for record in records}.items():
        if tag and (folds := _folds(store, record)) is not None:
            print(f"{tag}: {folds['title']}. {folds['text']}")


def _row(record: RunRecord, result: Verdict | None) -> str:
    took = duration(record.seconds) if record.started else ""
    state = record.state if record.is_confirmed else f"{record.state}?"
    row = f"{record.id}  {state:<11} {record.progress:4.0%}  {took:>12}  {record.task:<8} {record.name}"
    return row.rstrip() if result is None else f"{row.rstrip()}  {result.text}"


if __name__ == "__main__":
    sys.exit(main())
