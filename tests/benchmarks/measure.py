"""Time contenders in turn in one process, and how far each one's memory rises above its start."""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

Run = Callable[[], object]


def medians(runs: Mapping[str, Run], repeats: int) -> dict[str, float]:
    """The median seconds of each contender, all of them taking turns."""
    times: dict[str, list[float]] = {label: [] for label in runs}
    for _ in range(repeats):
        for label, run in runs.items():
            settle()
            start = time.perf_counter()
            run()
            settle()
            times[label].append(time.perf_counter() - start)
    return {label: statistics.median(seconds) for label, seconds in times.items()}


def settle() -> None:
    """Wait for a GPU, which works on behind the caller's back."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_growth(run: Run, device: str) -> float | None:
    """How far memory rises above its start, in MiB: the GPU's, or the process's (Linux only)."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        start = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - start) / 2**20
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    try:
        # Freed memory goes back first, so that no contender lives on what another one left.
        ctypes.CDLL(None).malloc_trim(0)
        reset.write_text("5")
    except OSError:
        return None

    def kib(field: str) -> int:
        line = next(row for row in status.read_text().splitlines() if row.startswith(field))
        return int(line.split()[1])

    start = kib("VmRSS")
    run()
    return (kib("VmHWM") - start) / 1024
