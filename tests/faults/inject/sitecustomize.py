"""Loaded by Python at its start when this folder is on PYTHONPATH: disturbs a run's worker from within.

``HARMONIA_FAULT=CALL:N:WHEN`` kills it at its N-th ``os.CALL`` (``fsync``, ``replace`` or ``write``): WHEN is
``before`` the call, ``after`` it, or ``torn``, with only half of the temporary file, or of the bytes, written. With
``full``, this call and all later ones find the disk full instead; with ``slow`` they take a tenth of a second each.
``HARMONIA_LIMIT=NAME:N`` sets a resource limit. With ``HARMONIA_CLOCK`` its clock jumps by a day, to and fro.
``HARMONIA_HOST=NAME`` gives every process the name and the boot of another machine.
"""

import errno
import itertools
import os
import pathlib
import resource
import signal
import socket
import sys
import time


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _tear(call, arguments) -> None:
    if call == "fsync" and os.readlink(f"/proc/self/fd/{arguments[0]}").endswith(".tmp"):
        os.ftruncate(arguments[0], os.fstat(arguments[0]).st_size // 2)
    elif call == "write":
        _real["write"](arguments[0], arguments[1][: len(arguments[1]) // 2])


def _watched(call, number, when):
    count = 0

    def watched(*arguments, **keywords):
        nonlocal count
        count += 1
        if when == "full" and count >= number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if when == "slow" and count >= number:
            time.sleep(0.1)
        if count == number and when in ("before", "torn"):
            if when == "torn":
                _tear(call, arguments)
            _die()
        result = _real[call](*arguments, **keywords)
        if count == number and when == "after":
            _die()
        return result

    return watched


_real = {name: getattr(os, name) for name in ("fsync", "replace", "write")}
if "HARMONIA_FAULT" in os.environ and "engine.runs.worker" in sys.orig_argv:
    _call, _number, _when = os.environ["HARMONIA_FAULT"].split(":")
    setattr(os, _call, _watched(_call, int(_number), _when))
if "HARMONIA_LIMIT" in os.environ and "engine.runs.worker" in sys.orig_argv:
    _name, _most = os.environ["HARMONIA_LIMIT"].split(":")
    resource.setrlimit(getattr(resource, f"RLIMIT_{_name}"), (int(_most), int(_most)))
if "HARMONIA_CLOCK" in os.environ and "engine.runs.worker" in sys.orig_argv:
    _jumps = itertools.cycle([0.0, 86_400.0, -86_400.0])
    _clock = time.time
    time.time = lambda: _clock() + next(_jumps)
if "HARMONIA_HOST" in os.environ:
    _host, _read_text = os.environ["HARMONIA_HOST"], pathlib.Path.read_text
    socket.gethostname = lambda: _host
    pathlib.Path.read_text = lambda path, *arguments, **keywords: (
        f"boot of {_host}\n" if path.name == "boot_id" else _read_text(path, *arguments, **keywords)
    )
