"""A bar with rate and time left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from interpviz.errors import InputError
from interpviz.report.ledger import Counts, Watch


@contextmanager
def shown(total: int | None = None) -> Iterator[Watch]:
    """Show a bar on standard error while images come through.

    Args:
        total: How many there are; None where only the run knows.

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
            rate = f"{fresh:.1f} images/s{failed}"
            bar.update(task, total=counts.total, completed=counts.done, rate=rate)

        yield watch
