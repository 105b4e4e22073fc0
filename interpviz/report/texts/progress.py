"""A bar with the rate and the time left, for texts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from interpviz.errors import InputError
from interpviz.report.ledger import Counts, Watch


@contextmanager
def shown_texts(total: int) -> Iterator[Watch]:
    """Show a bar on standard error while texts come through.

    Args:
        total: How many there are.

    Raises:
        InputError: rich is not installed.
    """
    try:
        from rich.console import Console
        from rich.progress import MofNCompleteColumn, Progress, TextColumn
    except ModuleNotFoundError as error:
        raise InputError(
            'The bar needs rich: pip install "interpviz[cli]", or pass progress=False.'
        ) from error
    rate = TextColumn("{task.fields[rate]:.1f} texts/s")
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), rate)
    with Progress(*columns, console=Console(stderr=True)) as bar:
        started = time.monotonic()
        task = bar.add_task("explaining", total=total, rate=0.0)

        def watch(counts: Counts) -> None:
            fresh = counts.explained / max(time.monotonic() - started, 1e-9)
            bar.update(task, completed=counts.done, rate=fresh)

        yield watch
