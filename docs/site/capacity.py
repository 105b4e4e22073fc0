"""How many examples may run at a time on this machine."""

from __future__ import annotations

import math
import os
from pathlib import Path

from layout import GalleryError

VARIABLE = "INTERPVIZ_WORKERS"
BYTES_PER_WORKER = 1.5e9

_GROUP = Path("/sys/fs/cgroup")
_MEMORY = Path("/proc/meminfo")


def workers(examples: int) -> int:
    """How many worker processes to use.

    As many as the environment variable INTERPVIZ_WORKERS says, else one a core as far as memory
    goes; never more than there are examples to run.

    Args:
        examples: How many are to run.

    Raises:
        GalleryError: If the variable is not a whole number from 1.
    """
    said = os.environ.get(VARIABLE)
    if not said:
        allowed = min(_cores(), int(_free_bytes() // BYTES_PER_WORKER))
    elif said.isdecimal() and int(said) > 0:
        allowed = int(said)
    else:
        raise GalleryError(f"{VARIABLE} is {said!r}: set it to a whole number from 1, or not.")
    return max(1, min(allowed, examples))


def _cores() -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = usable or 1
    try:
        quota, period = (_GROUP / "cpu.max").read_text(encoding="ascii").split()
        return min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no such limit
        return cores


def _free_bytes() -> float:
    free = [math.inf]
    try:
        lines = _MEMORY.read_text(encoding="ascii").splitlines()
        free += [1024 * int(row.split()[1]) for row in lines if row.startswith("MemAvailable:")]
        limit, used = (
            int((_GROUP / name).read_text(encoding="ascii"))
            for name in ("memory.max", "memory.current")
        )
        free.append(limit - used)
    except (OSError, ValueError):  # no such limit
        pass
    return min(*free, 1e15)
