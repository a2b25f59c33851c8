"""Headers are read in a child process first: ``python -m engine.formats.child`` answers for one file after another.

A damaged file can crash the libraries of NetCDF and HDF5, keep them busy for ever, or make them take all memory
through sizes that no header reveals: references to one text thousands of times, chunks that unpack to more than they
declare. The child has a limit of memory and of processor time; its end is an answer too. It reads all headers and
coordinates, and of each field one value, and with it a chunk. It ends with the process that started it.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from engine.environment import whole_number
from engine.errors import DataError, EngineError
from engine.formats.limits import FILE_MEMORY, check_field, memory_limit

CPU_LIMIT = "HARMONIA_FILE_SECONDS"
"""Environment variable: seconds of processor time that the header of one file may take."""

_DEFAULT_CPU_S = 30
_PATIENCE_S = 600.0  # of a disk that does not answer
_IDLE_S = 300.0
_ROOT = Path(__file__).resolve().parents[2]


class _EndedError(Exception):
    """The process ended with this code instead of an answer."""


class _Child:
    """A process that checks files; used by one thread at a time."""

    def __init__(self) -> None:
        # one thread of each library and few arenas: their stacks count as memory
        quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        self.pid = os.getpid()
        self.has_answered = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(_ROOT)} | quiet,
        )  # fmt: skip

    def check(self, path: str, kind: str) -> None:
        """Raise :class:`DataError` where the file is refused, :class:`_EndedError` where the process ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = json.dumps([path, kind, memory_limit(), _cpu_seconds()]).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # its end is seen below
            self._process.stdin.write(request)
            self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], _PATIENCE_S)
        answer = self._process.stdout.readline() if ready else b""
        if not answer:
            self.close()
            raise _EndedError(self._process.returncode)
        self.has_answered = True
        problem = json.loads(answer)
        if problem is not None:
            raise DataError(*problem)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    @property
    def is_usable(self) -> bool:
        """Whether it runs and was started by this process, not by one that this is a copy of."""
        return self.pid == os.getpid() and self._process.poll() is None


_IDLE: list[_Child] = []
_LOCK = threading.Lock()


def check_in_child(files: Sequence[tuple[Path, str]]) -> None:
    """Check files of kind ``"netcdf"`` or ``"zarr"``.

    Raises :class:`DataError` for a file that takes too much memory or time, crashes the libraries, or cannot be read.
    """
    with _LOCK:
        child = _IDLE.pop() if _IDLE else _Child()
    if not child.is_usable:
        _keep(child)
        child = _Child()
    try:
        for path, kind in files:
            try:
                child.check(str(path), kind)
            except _EndedError as end:
                # one that answered before may have ended while it was idle
                if not child.has_answered:
                    raise _refusal(str(path), end) from end
                child = _Child()
                try:
                    child.check(str(path), kind)
                except _EndedError as again:
                    raise _refusal(str(path), again) from again
    finally:
        _keep(child)


def _keep(child: _Child) -> None:
    """Let one process wait for the next files, because a start takes a second."""
    with _LOCK:
        is_kept = child.is_usable and not _IDLE
        if is_kept:
            _IDLE.append(child)
    if not is_kept and child.pid == os.getpid():
        child.close()


@atexit.register
def _close() -> None:
    while _IDLE:
        child = _IDLE.pop()
        if child.pid == os.getpid():
            child.close()


def _cpu_seconds() -> int:
    return whole_number(CPU_LIMIT, _DEFAULT_CPU_S, 1)


def _refusal(path: str, end: _EndedError) -> DataError:
    code = end.args[0]
    if code == -signal.SIGXCPU:
        problem = f"reading its header takes more than {_cpu_seconds()} s of processor time"
    elif code == -signal.SIGKILL:
        problem = "reading its header took too long, or too much memory"
    else:
        problem = "reading its header crashes the library that reads such files"
    return DataError(f"the file is damaged: {problem}", path, "download or copy it again, and try: ncdump -h FILE")


# --- the child ------------------------------------------------------------------------------------------------------


def main() -> None:
    """Answer one line of JSON for each line: null, or problem, where and remedy."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while select.select([sys.stdin], [], [], _IDLE_S)[0]:
        line = sys.stdin.readline()
        if not line:
            return
        path, kind, memory, seconds = json.loads(line)
        os.environ[FILE_MEMORY] = f"{memory / 1e6}"  # of the process that asks, now
        _limit(memory, seconds)
        print(json.dumps(_problem(Path(path), kind)), flush=True)  # noqa: T201


def _limit(memory: int, seconds: int) -> None:
    """Allow ``memory`` bytes and ``seconds`` of processor time beyond what is used now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limits = {resource.RLIMIT_CPU: int(used.ru_utime + used.ru_stime) + 1 + seconds}
    with contextlib.suppress(OSError):  # Linux
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + memory
    for kind, limit in limits.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def _problem(path: Path, kind: str) -> list[str] | None:
    try:
        (_try_netcdf if kind == "netcdf" else _try_zarr)(path)
    except EngineError as error:
        return [error.problem, error.where, error.remedy]
    except MemoryError:
        problem = f"reading its header takes more than the {memory_limit() / 1e9:.1f} GB of memory allowed"
        return [problem, str(path), "download or copy it again, or raise HARMONIA_FILE_MB"]
    except Exception as error:  # of many types; some stand for memory that was refused
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        problem = f"the file cannot be read, it is damaged or cut off: {reason}"
        return [problem, str(path), "download or copy it again, and try: ncdump -h FILE"]
    return None


def _try_netcdf(path: Path) -> None:
    import netCDF4

    from engine.formats.headers import check_netcdf, netcdf_groups, netcdf_variables

    check_netcdf(path)
    with netCDF4.Dataset(path, "r") as file:
        for group in netcdf_groups(file, str(path)).values():
            group.set_auto_maskandscale(False)
            holders: list[Any] = [group, *group.variables.values()]
            for holder in holders:
                for name in holder.ncattrs():
                    holder.getncattr(name)
            for variable in netcdf_variables(group, str(path)):
                _try_values(variable, group.variables[variable.name], str(path))


def _try_zarr(path: Path) -> None:
    import zarr

    from engine.formats.headers import check_zarr, opened_zarr, zarr_groups, zarr_variables

    check_zarr(path)
    with opened_zarr(path) as (store, folder):
        root = cast("Any", zarr).open_group(store, path=folder, mode="r")
        for group in zarr_groups(root, str(path)).values():
            for variable in zarr_variables(group.arrays(), str(path)):
                _try_values(variable, group[variable.name], str(path))


def _try_values(variable: Any, array: Any, where: str) -> None:
    """Read a coordinate, or one value of a field that may be read at all."""
    if variable.is_coordinate:
        array[...]
        return
    with contextlib.suppress(DataError):  # too large, which matters only for the field that is chosen
        check_field(variable.name, variable.dtype, 0, variable.chunks, where)
        try:
            if all(variable.shape):
                array[(0,) * len(variable.shape)]
        except RuntimeError as error:
            if "filter" not in str(error).lower():  # a compression that is not installed here
                raise


if __name__ == "__main__":
    main()
