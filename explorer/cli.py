"""The ``harmonia`` command: the same runs as in the browser, over ssh and in batch scripts.

``harmonia serve | train CONFIG.json | runs [--json] | cancel ID | resume ID | reconstruct ID SOURCE OUT.nc``. Each
subcommand imports only what it needs, so that a list of runs does not wait for torch or the server.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from engine.queries.text import duration

if TYPE_CHECKING:
    from engine.runs import Run, RunRecord

_POLL_S = 0.2
_STOP_S = 10.0
_BAR_WIDTH = 30
_FAILED, _WRONG = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand. Exit code 0: done; 1: the run did not end well; 2: it could not be asked for."""
    from engine.errors import EngineError

    arguments, rest = _parser().parse_known_args(argv)
    if rest and arguments.command != "serve":
        _parser().error(f"unknown: {' '.join(rest)}")
    try:
        return arguments.call(arguments, rest) if rest else arguments.call(arguments)
    except EngineError as error:
        print(error, file=sys.stderr)
        return _WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="harmonia", description="Geo-embeddings on the sphere: explorer and runs.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, call: Callable[..., int], text: str) -> argparse.ArgumentParser:
        subparser = commands.add_parser(name, help=text, description=text)
        subparser.set_defaults(call=call)
        return subparser

    command("serve", serve, "Open the explorer; further arguments go to `panel serve`.")
    parser_of_train = command(
        "train", train, "Start a run and follow it to its end. Ctrl-C cancels it and keeps a checkpoint."
    )
    parser_of_train.add_argument("config", type=Path, metavar="CONFIG.json")
    parser_of_train.add_argument("--name", default="", help="what to call the run")
    parser_of_resume = command("resume", resume, "Go on with a run that was stopped, and follow it to its end.")
    parser_of_cancel = command("cancel", cancel, "Ask a run to stop; a checkpoint is kept.")
    parser_of_runs = command("runs", runs, "List all runs, newest first.")
    parser_of_reconstruct = command(
        "reconstruct",
        reconstruct,
        "Write the monthly means of daily fields with gaps, month by month, by a trained model.",
    )
    parser_of_reconstruct.add_argument("model", metavar="ID", help="a run, a model file, or 'pretrained'")
    parser_of_reconstruct.add_argument(
        "source", metavar="SOURCE", help="file, folder, pattern in quotes, or Zarr store"
    )
    parser_of_reconstruct.add_argument("out", type=Path, metavar="OUT.nc", help="what to write, .nc or .zarr")
    parser_of_reconstruct.add_argument("--variable", help="which variable of SOURCE, where there are several")
    parser_of_reconstruct.add_argument(
        "--quality",
        metavar="good|all|LEVEL",
        help="which observations count where SOURCE grades them; default: as the model learned",
    )
    for end, which in (("first", "begin"), ("last", "end")):
        parser_of_reconstruct.add_argument(
            f"--{end}", type=_month, metavar="YYYY-MM", help=f"month to {which} with; default: all that SOURCE has"
        )
    for subparser in (parser_of_resume, parser_of_cancel):
        subparser.add_argument("id", metavar="ID")
    for subparser in (parser_of_train, parser_of_resume, parser_of_runs):
        subparser.add_argument("--json", action="store_true", help="JSON instead of text, one object a line")
    return parser


def serve(_: argparse.Namespace, rest: Sequence[str] = ()) -> int:
    """Become ``panel serve explorer``."""
    command = [sys.executable, "-m", "panel", "serve", str(Path(__file__).resolve().parent), *rest]
    os.execv(sys.executable, command)


def train(arguments: argparse.Namespace) -> int:
    """Create, launch and follow a run."""
    from engine.runs import RunConfig, RunStore

    config = RunConfig.read(arguments.config)
    with RunStore() as store:
        run = store.create(config, name=arguments.name)
        store.launch(run)
        return _follow(run, as_json=arguments.json)


def resume(arguments: argparse.Namespace) -> int:
    """Resume and follow a run."""
    from engine.runs import RunStore

    with RunStore() as store:
        run = store.get(arguments.id)
        run.resume()
        return _follow(run, as_json=arguments.json)


def cancel(arguments: argparse.Namespace) -> int:
    """Cancel a run and wait until its process is gone."""
    from engine.runs import RunStore

    with RunStore() as store:
        run = store.get(arguments.id)
        run.cancel()
        return 0 if _wait_for_end(run) else _FAILED


def runs(arguments: argparse.Namespace) -> int:
    """Print all runs."""
    from engine.runs import RunStore

    with RunStore() as store:
        for record in store.records().values():
            print(json.dumps(record.as_dict()) if arguments.json else _row(record))
    return 0


def reconstruct(arguments: argparse.Namespace) -> int:
    """Reconstruct the months of a source and write them."""
    from engine.queries.ocean import quality_of
    from engine.queries.reconstruct.command import reconstruct_file

    def show(share: float, text: str) -> None:
        print(f"{share:4.0%}  {text}", file=sys.stderr, flush=True)

    reconstruct_file(
        arguments.model,
        arguments.source,
        arguments.out,
        variable=arguments.variable,
        quality=None if arguments.quality is None else quality_of(arguments.quality),
        first=arguments.first,
        last=arguments.last,
        progress=show,
    )
    print(arguments.out)
    return 0


def _month(text: str) -> tuple[int, int]:
    """Year and month of ``YYYY-MM``; ValueError if it is none."""
    year, month = text.split("-")
    if not 1 <= int(month) <= 12:
        raise ValueError(text)
    return int(year), int(month)


def _follow(run: Run, *, as_json: bool) -> int:
    """Show a run until it ends."""
    from engine.runs import ACTIVE

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


def _wait_for_end(run: Run) -> bool:
    from engine.runs import ACTIVE

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
        """Draw the record, if it looks different from what is drawn."""
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


def _row(record: RunRecord) -> str:
    took = duration(record.seconds) if record.started else ""
    row = f"{record.id}  {record.state:<11} {record.progress:4.0%}  {took:>12}  {record.task:<8} {record.name}"
    return row.rstrip()


if __name__ == "__main__":
    sys.exit(main())
