"""A progress bar for what takes long, where tqdm is installed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def progress_bar(steps: Iterable[T], label: str, *, shown: bool) -> Iterable[T]:
    """The same steps, with a bar that follows them.

    Args:
        steps: What will be done, with a length.
        label: What stands before the bar.
        shown: Whether there is a bar at all; without tqdm there is none either.
    """
    if not shown:
        return steps
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped]
    except ImportError:
        return steps
    bar: Iterable[T] = tqdm(steps, desc=label)
    return bar
