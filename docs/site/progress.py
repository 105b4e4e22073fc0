"""What a maintainer sees while examples run: a bar on a terminal, one line an example elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType

from parallel import Finished, Started


class Progress:
    """Shows what runs and what is done.

    Args:
        examples: How many will run.
        say: Takes a line for the build's log.
    """

    def __init__(self, examples: int, say: Callable[[str], None]) -> None:
        self._examples, self._say = examples, say
        self._done, self._running = 0, list[str]()
        self._bar = _Bar(examples) if sys.stderr.isatty() else None

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.display.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.display.stop()

    def tell(self, event: Started | Finished) -> None:
        """Show that an example has begun or is done."""
        if isinstance(event, Started):
            self._running.append(event.example.key)
        else:
            self._done += 1
            self._running.remove(event.example.key)
            if self._bar:
                self._bar.display.console.print(self._line(event), highlight=False, markup=False)
            else:
                self._say(self._line(event))
        if self._bar:
            self._bar.show(self._done, self._running)

    def _line(self, event: Finished) -> str:
        number = str(self._done).rjust(len(str(self._examples)))
        what = f"{event.run.seconds:.1f} s, {event.run.peak_mb} MB" if event.run else "failed"
        return f"[{number}/{self._examples}] {event.example.key}: {what}"


class _Bar:
    def __init__(self, examples: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Display

        self.display = Display(
            *(MofNCompleteColumn(), BarColumn(), TimeElapsedColumn()),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self.display.add_task("", total=examples)

    def show(self, done: int, running: list[str]) -> None:
        self.display.update(self._task, completed=done, description=", ".join(running))
