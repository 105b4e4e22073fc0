"""Run the examples whose pages are missing or old, and say how it went."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import budget
import capacity
import parallel
import timing
from layout import Example, Layout
from mkdocs_gallery.utils import get_md5sum
from parallel import Finished
from progress import Progress

Say = Callable[[str], None]

# A script may be edited while it runs, and then has to run again; who edits on may wait.
_ROUNDS = 3


def pending(layout: Layout) -> list[Example]:
    """The examples that have not run as they stand now."""
    return [example for example in layout.examples() if _runs(example) and not _up_to_date(example)]


def checksum(example: Example) -> str:
    """What the gallery plugin compares, to know whether a script has changed since it ran."""
    return get_md5sum(example.source, mode="t")


def _runs(example: Example) -> bool:
    return example.stem.startswith("plot")  # others are shown, as the plugin has it


def _up_to_date(example: Example) -> bool:
    return example.done.is_file() and example.done.read_text() == checksum(example)


def run(layout: Layout, setup: dict[str, Any], say: Say, warn: Say) -> list[Finished]:
    """Run what is pending, in worker processes.

    Args:
        layout: The folders of the checkout.
        setup: What a worker needs to know.
        say: Takes a line for the log.
        warn: Takes what the gallery plugin warned of.

    Returns:
        The examples that failed. The others' pages are made and stay.
    """
    failed: dict[str, Finished] = {}
    for _ in range(_ROUNDS):
        left = [example for example in pending(layout) if example.key not in failed]
        if not left:
            break
        for event in _once(left, setup, say):
            for text in event.warnings:
                warn(f"{event.example.key}: {text}")
            if event.run is None:
                failed[event.example.key] = event
    return list(failed.values())


def _once(examples: list[Example], setup: dict[str, Any], say: Say) -> list[Finished]:
    workers = capacity.workers(len(examples))
    began, done = time.monotonic(), []
    with Progress(len(examples), say) as progress:
        for event in parallel.run(parallel.in_order(examples), setup, workers):
            progress.tell(event)
            if isinstance(event, Finished):
                done.append(event)
    worked = sum(event.run.cpu_seconds for event in done if event.run)
    say(
        f"Ran {len(done)} example{'s' * (len(done) > 1)} in {time.monotonic() - began:.1f} s "
        f"with {workers} worker{'s' * (workers > 1)} ({worked:.1f} s of processor time)."
    )
    return sorted(done, key=lambda event: event.example.key)


def over_budget(layout: Layout) -> list[str]:
    """Say which examples were over their budget when they last ran."""
    runs = ((example, timing.load(example)) for example in layout.examples())
    found = (budget.excess(example, run) for example, run in runs if run)
    return [text for text in found if text]


def stood_in(layout: Layout) -> list[str]:
    """Name the examples that took packaged weights when they last ran, as no hub was in reach."""
    runs = {example.key: timing.load(example) for example in layout.examples()}
    return [key for key, run in runs.items() if run and run.stand_ins]
