"""Identity of processes, independent of clocks and reused process numbers; and the machine's devices."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import psutil
from pydantic import BaseModel, ConfigDict, Field

from engine.compute import cores

_PROC = Path("/proc")


class ProcessId(BaseModel):
    """Identity of one process; its number alone is reused by another process later, or after a restart.

    ``start`` is its start time in clock ticks since the machine booted, which setting the clock does not change
    (seconds since 1970 where the system gives no ticks); ``boot`` identifies the boot of the machine.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    host: Annotated[str, Field(max_length=255)]
    boot: Annotated[str, Field(max_length=255)]
    pid: Annotated[int, Field(ge=1, lt=2**31)]
    start: float

    @classmethod
    def own(cls) -> ProcessId:
        """The current process."""
        return cls(host=socket.gethostname(), boot=_boot(), pid=os.getpid(), start=_start(os.getpid()) or 0.0)

    @property
    def is_here(self) -> bool:
        """Whether it is of this machine, which may have been rebooted or renamed since."""
        return self.boot == _boot() or self.host == socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether it runs on this machine now; a zombie does not."""
        return self.boot == _boot() and _start(self.pid) == self.start

    def terminate(self) -> None:
        """Ask it to stop (SIGTERM); does nothing unless it is alive here."""
        if self.is_alive:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGTERM)


def _boot() -> str:
    with suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{psutil.boot_time():.0f}"


def _start(pid: int) -> float | None:
    """When the process started, or None when it is gone (zombies count as gone)."""
    if not (_PROC / "self/stat").exists():
        return _start_by_psutil(pid)
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # the second field is the command in parentheses and may hold anything, so count from the last one
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in b"ZXx" else float(fields[19])


def _start_by_psutil(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def oom_kills() -> int:
    """Number of processes that the kernel has killed for lack of memory (0 where it is unknown)."""
    with suppress(OSError):
        for line in (_PROC / "vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _gpu_names() -> list[str]:
    """The model of each GPU that the driver lists; a container may see fewer."""
    names: list[str] = []
    for information in sorted((_PROC / "driver/nvidia/gpus").glob("*/information")):
        with suppress(OSError):
            lines = dict(line.split(":", 1) for line in information.read_text().splitlines() if ":" in line)
            names.append(lines.get("Model", "NVIDIA GPU").strip())
    return names


def gpus() -> list[tuple[str, str]]:
    """(number for CUDA_VISIBLE_DEVICES, name) of each NVIDIA GPU this process may use; without torch."""
    devices = sorted(path for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdigit())
    names = _gpu_names()
    names = [names[number] if len(names) == len(devices) else "NVIDIA GPU" for number in range(len(devices))]
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return [(str(number), name) for number, name in enumerate(names)]
    numbers = [part.strip() for part in wanted.split(",") if part.strip() not in ("", "-1")]
    return [
        (number, names[int(number)] if number.isdigit() and int(number) < len(names) else "NVIDIA GPU")
        for number in numbers
    ]


def describe_processor() -> str:
    """The device of runs as a short text: the GPUs' name, or the number of CPU cores."""
    names = [name for _, name in gpus()]
    if not names:
        return f"CPU, {cores()} cores"
    return names[0] if len(names) == 1 else f"{len(names)} × {names[0]}"
