"""How many runs may wait, and how many a home folder may hold: limits that nobody reaches by accident.

A page, a script or a broken button can ask for thousands of runs within seconds; each would take a folder, a place in
the queue and, in its turn, the machine.
"""

from __future__ import annotations

from collections.abc import Collection

from engine.environment import whole_number
from engine.errors import RunError
from engine.runs.record import RunRecord

RUNS, WAITING_RUNS, WAITING_RUNS_EACH = "HARMONIA_RUNS", "HARMONIA_WAITING_RUNS", "HARMONIA_WAITING_RUNS_EACH"

_DEFAULTS = {RUNS: 10_000, WAITING_RUNS: 200, WAITING_RUNS_EACH: 50}
_WAITING = frozenset({"created", "queued"})


def limit(variable: str) -> int:
    """The value of a limit: the environment variable, else its default.

    Raises:
        RunError: it is no whole number from 1.
    """
    return whole_number(variable, _DEFAULTS[variable], 1)


def require_place(records: Collection[RunRecord], owner: str) -> None:
    """Refuse one more waiting run of ``owner`` (empty: a program) among the home folder's ``records``.

    Those that are created or queued wait.

    Raises:
        RunError: which limit is reached, and what to do.
    """
    waiting = [record for record in records if record.state in _WAITING]
    _refuse_from(len(waiting), WAITING_RUNS, "{} runs are waiting, which is the limit", "wait for some to end")
    if owner:
        num_own = sum(record.owner == owner for record in waiting)
        problem = "{} of your runs are waiting, which is the limit for each person"
        _refuse_from(num_own, WAITING_RUNS_EACH, problem, "wait for some to end, or cancel or delete some")


def require_space_in_list(num_runs: int) -> None:
    """Refuse a further run where a home folder holds ``num_runs``.

    Raises:
        RunError: the limit is reached.
    """
    _refuse_from(num_runs, RUNS, "there are {} runs, which is the limit", "delete runs that are no longer needed")


def _refuse_from(count: int, variable: str, problem: str, remedy: str) -> None:
    if count >= limit(variable):
        raise RunError(problem.format(count), "the list of runs", f"{remedy}; {variable} is the limit")
