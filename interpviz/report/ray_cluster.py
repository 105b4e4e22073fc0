"""A Ray cluster: joined or started, sized, and kept quiet."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpviz.errors import InputError
from interpviz.report.pipeline import cores


@dataclass(frozen=True)
class Pool:
    """How many actors hold the model, and what each one takes of the cluster.

    Attributes:
        size: How many there are.
        gpus: GPUs of each one.
    """

    size: int
    gpus: int


@contextmanager
def connected() -> Iterator[None]:
    """The cluster that this process is connected to; else one that runs; else one of its own.

    A cluster that was started here is stopped at the end.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    with _silent_descriptor():
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        try:
            ray.init(os.environ.get("RAY_ADDRESS", "auto"), **options)
        except ConnectionError:
            # One processor for the model and one for reading, whatever the machine has.
            ray.init("local", num_cpus=max(2, cores()), include_dashboard=False, **options)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _silent_descriptor() -> Iterator[None]:
    # Ray's core, which is no Python, says on standard error that it was told to be silent.
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def pool_of(workers: int | None, device: str | None) -> Pool:
    """The actors that fit into the cluster beside at least one task that reads.

    Args:
        workers: How many the user wants; None means one a GPU, or, where there are none or the
            CPU is asked for, one for every two processors.
        device: Where the model is to run; None means GPUs where the cluster has them.

    Raises:
        InputError: The cluster is too small.
    """
    import ray

    has = ray.cluster_resources()  # type: ignore[no-untyped-call]
    processors, gpus = int(has.get("CPU", 0)), int(has.get("GPU", 0))
    wanted = gpus > 0 if device is None else not device.startswith("cpu")
    if wanted and gpus < (workers or 1):
        raise InputError(
            f"The Ray cluster has {gpus} GPUs, which is too few for {workers or 1} workers: ask "
            "for fewer, or for device='cpu'."
        )
    size = workers or (min(gpus, processors - 1) if wanted else processors // 2)
    # Actors that take every processor leave none for reading, and the run would never end.
    if not 1 <= size < processors:
        raise InputError(
            f"The Ray cluster has {processors} processors, and one must be left for reading, so "
            f"{max(1, size)} workers do not fit: ask for fewer, or add machines."
        )
    return Pool(size, 1 if wanted else 0)


class _Last(logging.Handler):
    """Keeps the last error that Ray Data logged."""

    error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if record.exc_info and record.exc_info[1] is not None:
            self.error = record.exc_info[1]


@contextmanager
def quiet() -> Iterator[_Last]:
    """Ray Data without its bars and lines, and with failed tasks left out and not fatal.

    Yields:
        What keeps the last error of a task.
    """
    import ray.data

    context = ray.data.DataContext.get_current()
    settings = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "max_errored_blocks": -1,
    }
    before = {name: getattr(context, name) for name in settings}
    loggers = [logging.getLogger(name) for name in ("ray.data", "ray")]
    levels = [logger.level for logger in loggers]
    last, silenced = _Last(), _Silence()
    try:
        for name, value in settings.items():
            setattr(context, name, value)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
            for handler in logger.handlers:
                handler.addFilter(silenced)
            logger.addHandler(last)
        with warnings.catch_warnings():
            # Such as that a few images do not keep all actors busy.
            warnings.filterwarnings("ignore", module=r"ray\.data")
            yield last
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
            logger.removeHandler(last)
            for handler in logger.handlers:
                handler.removeFilter(silenced)


class _Silence(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002
        return False
