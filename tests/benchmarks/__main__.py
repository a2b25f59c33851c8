"""``python -m tests.benchmarks [module …]`` prints figure, naive figure, ratio, target, and whether it was met."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import tests.benchmarks
from engine.compute import describe_device, use_thread_policy
from tests.benchmarks import Row

HEADINGS = ("", "here", "naive", "ratio", "target", "", "")


def cells(row: Row) -> tuple[str, ...]:
    naive = "" if row.naive is None else f"{row.naive:.3g} {row.unit}"
    ratio = "" if row.ratio is None else f"{row.ratio:.3g} ×"
    return row.label, f"{row.figure:.3g} {row.unit}", naive, ratio, row.target, row.verdict, row.note


def print_table(name: str, rows: list[Row]) -> None:
    lines = [(name, *HEADINGS[1:]), *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(flush=True)


def main(names: list[str]) -> None:
    known = [module.name for module in pkgutil.iter_modules(tests.benchmarks.__path__) if module.name[0] != "_"]
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}. Choose from: {', '.join(known)}.")
    # as the server runs: one core stays with the event loop, and other programs disturb the figures less
    use_thread_policy()
    print(f"{describe_device()}\n")
    for name in names or known:
        print_table(name, list(importlib.import_module(f"tests.benchmarks.{name}").rows()))


if __name__ == "__main__":
    main(sys.argv[1:])
