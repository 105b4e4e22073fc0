"""While `mkdocs serve` runs, an example that fails shows why, and the rest of the site stands."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pages
import stale
from layout import Example, Layout
from mkdocs.utils import CountHandler
from parallel import Finished
from running import checksum


@dataclass(frozen=True)
class Standing(Layout):
    """A checkout without the examples that failed, whose scripts may not even be Python.

    Attributes:
        fallen: The keys of those examples.
    """

    fallen: frozenset[str] = frozenset()

    def examples(self, section: Path | None = None) -> list[Example]:
        """The examples that did not fail."""
        return [each for each in super().examples(section) if each.key not in self.fallen]


def show(layout: Layout, failures: Iterable[Finished]) -> Standing:
    """Put what went wrong on the pages of the examples that failed.

    Args:
        layout: The folders of the checkout.
        failures: What failed.

    Returns:
        The checkout without them, for the index and all that refers to examples.
    """
    fallen = []
    for failure in failures:
        example = failure.example
        stale.forget(example)
        trace = "\n".join(f"    {line}" for line in failure.failure.splitlines())
        pages.replace(
            example.page,
            f"# {example.stem}\n\nThis script failed. Its page comes back when it is repaired.\n\n"
            f"{trace}\n",
        )
        # The plugin would run it again, in this process.
        example.done.write_text(checksum(example), encoding="utf-8")
        fallen.append(example.key)
    # Pages that show a figure of it have something to warn of, which must not end the server.
    log = logging.getLogger("mkdocs")
    for handler in [each for each in log.handlers if isinstance(each, CountHandler)]:
        log.removeHandler(handler)
    return Standing(layout.root, layout.docs, layout.scripts, frozenset(fallen))


def let_run_again(layout: Layout) -> None:
    """See to it that the next build runs what failed in this one."""
    if isinstance(layout, Standing):
        for example in Layout(layout.root, layout.docs, layout.scripts).examples():
            if example.key in layout.fallen:
                example.done.unlink(missing_ok=True)
