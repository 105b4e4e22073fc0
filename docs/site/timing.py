"""How long an example took and how much memory it needed, measured and kept beside its page."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pages
from layout import Example

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_WEIGHTS = re.compile(r"^(Weights: .+)\n(sha256 \w+)", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """The last run of an example.

    Attributes:
        seconds: How long it took.
        cpu_seconds: Processor time of all its threads and of the processes that it started.
        peak_mb: The largest size of the process that ran it, in MB; it may have run others before.
        weights: The weights that the example says it used, one entry a model.
        stand_ins: The models whose packaged weights it used because no hub was in reach.
        finished: Whether everything that is made from the script was written.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: int
    weights: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    finished: bool = False


def path(example: Example) -> Path:
    """The file that holds the last run of an example.

    It outlives the pages, so that the next build of all knows which examples take long.
    """
    return example.images / f"{example.stem}.run.json"


def load(example: Example) -> Run | None:
    """Read the last run of an example; None where it never ran."""
    try:
        run = Run(**json.loads(path(example).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return replace(run, weights=tuple(run.weights), stand_ins=tuple(run.stand_ins))


def save(example: Example, run: Run) -> None:
    """Write the last run of an example."""
    path(example).parent.mkdir(parents=True, exist_ok=True)
    pages.replace(path(example), json.dumps(asdict(run), indent=1, ensure_ascii=False) + "\n")


def begin(example: Example) -> None:
    """Say that an example is running, so that what is left of a run cut off is not believed."""
    before = load(example)
    if before is not None and before.finished:
        save(example, replace(before, finished=False))


def weights(page: str) -> tuple[str, ...]:
    """The weights that an example printed, in the lines of `Provenance`."""
    return tuple(dict.fromkeys(f"{what}; {digest}" for what, digest in _WEIGHTS.findall(page)))


class Meter:
    """Seconds, processor seconds and peak memory from here on."""

    def __init__(self) -> None:
        _give_back()
        with suppress(OSError):
            _RESET.write_text("5", encoding="ascii")
        self._began, self._worked = time.monotonic(), _processor_seconds()

    def read(self) -> Run:
        """What was used since the meter was made."""
        seconds, worked = time.monotonic() - self._began, _processor_seconds() - self._worked
        return Run(round(seconds, 2), round(worked, 2), _memory("VmHWM"))


def resident_mb() -> int:
    """The memory that this process holds, after what it can give back was given back, in MB."""
    gc.collect()
    _give_back()
    return _memory("VmRSS")


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _give_back() -> None:
    # Else an example's peak holds what the one before it has freed. Only glibc keeps so much.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _memory(field: str) -> int:
    if _STATUS.is_file():
        found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"), re.M)
        if found:
            return round(int(found[1]) * 1024 / 1e6)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6)
