"""Run examples in worker processes, several at a time."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timing
from layout import Example
from timing import Run

WORKER = Path(__file__).with_name("worker.py")
_LAST_WORDS = 2000


@dataclass(frozen=True)
class Started:
    """A worker has begun an example."""

    example: Example


@dataclass(frozen=True)
class Finished:
    """A worker is done with an example.

    Attributes:
        example: The example.
        run: What the run took; None if it failed.
        failure: Why it failed: a traceback, or a sentence about the worker.
        warnings: What the gallery plugin warned of.
    """

    example: Example
    run: Run | None = None
    failure: str = ""
    warnings: tuple[str, ...] = ()


def in_order(examples: Sequence[Example]) -> list[Example]:
    """The longest first, by their last run, so that none of them is left to run alone at the end.

    One that never ran may be the longest.
    """

    def length(example: Example) -> float:
        run = timing.load(example)
        return run.cpu_seconds if run else float("inf")

    return sorted(examples, key=length, reverse=True)


def run(
    examples: Sequence[Example], setup: dict[str, Any], workers: int
) -> Iterator[Started | Finished]:
    """Run examples, and tell of each when it starts and when it is done.

    Args:
        examples: What to run, in that order.
        setup: What a worker needs to know before the first one: the gallery plugin's options
            and the folders of the site.
        workers: How many processes to use.
    """
    waiting: queue.SimpleQueue[Example] = queue.SimpleQueue()
    for example in examples:
        waiting.put(example)
        # The plugin does not expect somebody else to make a folder at the same time.
        (example.images / "thumb").mkdir(parents=True, exist_ok=True)
    events: queue.SimpleQueue[Started | Finished] = queue.SimpleQueue()
    crew = [_Worker(setup) for _ in range(workers)]
    try:
        for worker in crew:
            threading.Thread(target=worker.work, args=(waiting, events), daemon=True).start()
        left = len(examples)
        while left:
            event = events.get()
            left -= isinstance(event, Finished)
            yield event
    finally:
        for worker in crew:
            worker.kill()


class _Worker:
    """One process at a time, which is replaced when it has grown too large or was killed."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self._setup = setup
        self._process: subprocess.Popen[str] | None = None
        self._errors: Any = None
        self._wanted = True

    def work(self, waiting: queue.SimpleQueue[Example], events: queue.SimpleQueue[Any]) -> None:
        """Run examples until none is left."""
        while self._wanted:
            try:
                example = waiting.get_nowait()
            except queue.Empty:
                break
            events.put(Started(example))
            try:
                events.put(self._ask(example))
            except Exception as error:  # whatever it is, somebody waits for this example
                events.put(Finished(example, failure=f"No worker could run it: {error!r}"))
                self._leave()
        self._leave()

    def kill(self) -> None:
        """End the process at once."""
        self._wanted = False
        if self._process is not None:
            self._process.kill()

    def _ask(self, example: Example) -> Finished:
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            self._send(process, str(example.source))
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            return Finished(example, failure=self._obituary(process, example))
        answer = json.loads(line)
        if answer["retire"]:
            self._leave()
        if "failed" in answer:
            return Finished(example, failure=answer["failed"])
        run = timing.load(example) or Run(**answer["run"])
        return Finished(example, run, warnings=tuple(answer["warnings"]))

    def _start(self) -> subprocess.Popen[str]:
        # A file, as nobody reads what a process says between two answers.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=Path(self._setup["site"]["config_file_path"]).parent,
            text=True,
            encoding="utf-8",
        )
        self._send(self._process, self._setup)
        return self._process

    @staticmethod
    def _send(process: subprocess.Popen[str], what: Any) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(what, default=str) + "\n")
        process.stdin.flush()

    def _obituary(self, process: subprocess.Popen[str], example: Example) -> str:
        self._leave()
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _LAST_WORDS))
        last_words = self._errors.read().decode(errors="replace").strip()
        return "\n".join(filter(None, (epitaph(process.returncode, example.key), last_words)))

    def _leave(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # it died with something unread
                    continue
        process.wait()


def epitaph(status: int, key: str) -> str:
    """Say how the worker died that ran an example.

    Args:
        status: Its exit status; less than 0 for a signal.
        key: The example.
    """
    if status == -signal.SIGKILL:
        return (
            f"The worker that ran {key} was killed, as the system does when memory runs out: "
            "set INTERPVIZ_WORKERS to a lower number, or let the example need less."
        )
    if status < 0:
        return f"The worker that ran {key} was ended by {signal.Signals(-status).name}."
    return f"The worker that ran {key} ended with status {status} before the example was done."
