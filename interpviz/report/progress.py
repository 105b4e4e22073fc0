"""A bar with rate and time left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from interpviz.errors import InputError
from interpviz.report.ledger import Counts, Watch


def watching(progress: bool | Watch, total: int, what: str) -> AbstractContextManager[Watch]:
    """What is told how far a run is.

    Args:
        progress: Whether to show a bar; or what else is told.
        total: How many there are.
        what: What they are, in the plural.

    Raises:
        InputError: A bar is asked for, and rich is not installed.
    """
    if progress is True:
        return shown(total, what)
    return nullcontext(progress or _silent)


def _silent(_counts: Counts) -> None:
    pass


@contextmanager
def shown(total: int | None = None, what: str = "images") -> Iterator[Watch]:
    """Show a bar on standard error while images or texts come through.

    Args:
        total: How many there are; None where only the run knows.
        what: What they are, in the plural.

    Raises:
        InputError: rich is not installed.
    """
    try:
        from rich import progress as bars
        from rich.console import Console
    except ModuleNotFoundError as error:
        raise InputError(
            'The bar needs rich: pip install "interpviz[cli]", or pass progress=False.'
        ) from error
    bar = bars.Progress(
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[rate]}"),
        bars.TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        started = time.monotonic()
        task = bar.add_task("explaining", total=total, rate="")

        def watch(counts: Counts) -> None:
            failed = f", {counts.failed} failed" if counts.failed else ""
            fresh = counts.explained / max(time.monotonic() - started, 1e-9)
            rate = f"{fresh:.1f} {what}/s{failed}"
            bar.update(task, total=counts.total, completed=counts.done, rate=rate)

        yield watch
