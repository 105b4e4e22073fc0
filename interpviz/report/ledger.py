"""Notes what became of each image, in the store and in the counts of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from interpviz.report.patience import Patience
from interpviz.report.prepare import Prepared
from interpviz.report.retrying import Refusal
from interpviz.report.store import Store


@dataclass
class Counts:
    """How far a run is.

    Attributes:
        total: How many images there are.
        explained: How many were explained in this run.
        reused: How many were known from an earlier run.
        failed: How many are listed with a reason.
        held: How many images are in memory.
    """

    total: int
    explained: int = 0
    reused: int = 0
    failed: int = 0
    held: int = 0

    @property
    def done(self) -> int:
        """How many images need nothing more."""
        return self.explained + self.reused + self.failed


@dataclass
class Outcome:
    """What became of each image, by its place in the source.

    Attributes:
        keys: The key of each image's result, or None.
        labels: The name of each image's class, or None.
        reasons: Why an image without a result has none.
    """

    keys: list[str | None]
    labels: list[str | None]
    reasons: dict[int, str] = field(default_factory=dict)


Watch = Callable[[Counts], None]


class Ledger:
    """The one writer of a run.

    Args:
        store: Where results are kept.
        total: How many images there are.
        watch: Is told how far the run is.
        batch_size: How many images the model sees at once. After as many that need no model,
            `watch` is told as well.

    Attributes:
        counts: How far the run is.
        outcome: What became of each image.
    """

    def __init__(self, store: Store, total: int, watch: Watch, batch_size: int) -> None:
        self._store = store
        self._watch = watch
        self._every = batch_size
        self._patience = Patience("images", batch_size)
        self.counts = Counts(total)
        self.outcome = Outcome([None] * total, [None] * total)

    def settled(self, done: Prepared, *, waiting: bool) -> bool:
        """Note what needs no model.

        Args:
            done: An image.
            waiting: Whether it is ready for the model, and no other of the same content is.

        Returns:
            True where nothing is left to do for the image.
        """
        for line in done.lines:
            self._store.put(line)
        self.outcome.keys[done.index] = done.key
        self.outcome.labels[done.index] = done.label
        if done.reason is not None:
            self.fail(done, done.reason, lasting=True)
        elif waiting and not self.has(done.key):
            return False
        elif done.key is not None and self._store.is_failure(done.key):
            self.counts.failed += 1
        else:
            self.counts.reused += 1
            # Another image of the same content may be refused yet.
            self._patience.worked = self._patience.worked or self.has(done.key)
        if self.counts.done % self._every == 0:
            self.tell()
        return True

    def has(self, key: str | None) -> bool:
        """Whether the result of a content is there.

        Args:
            key: The content's key.
        """
        return key is not None and self._store.has(key)

    def fail(self, done: Prepared, reason: str, *, lasting: bool) -> None:
        """List an image with its reason.

        Args:
            done: The image.
            reason: Why it has no result.
            lasting: Whether the next run may take it as known.
        """
        self.counts.failed += 1
        if lasting and done.key is not None:
            self._store.put({"key": done.key, "failed": reason})
        else:
            self.outcome.keys[done.index] = None
            self.outcome.reasons[done.index] = reason

    def lose(self, index: int, reason: str) -> None:
        """List an image of which nothing is known.

        Args:
            index: Its place in the source.
            reason: Why it has no result.
        """
        self.counts.failed += 1
        self.outcome.reasons[index] = reason

    def enter(self, batch: Sequence[Prepared], results: Sequence[dict[str, Any] | Refusal]) -> None:
        """Note what the model gave for a batch.

        Args:
            batch: The images.
            results: For each one the numbers of its record, or why there are none.

        Raises:
            InterpvizError: It can explain none of several batches.
        """
        for done, result in zip(batch, results, strict=True):
            if isinstance(result, Refusal):
                self._patience.bear(result.error)
                self.fail(done, f"not explained: {result.error}", lasting=False)
            else:
                self._store.put({"key": done.key, **done.facts, **result})
                self.counts.explained += 1
                self._patience.worked = True
        self._patience.check()
        self.tell()

    def end(self) -> None:
        """Say that all images were brought through.

        Raises:
            InterpvizError: The model can explain none of them.
        """
        self._patience.check(ended=True)
        self._watch(self.counts)

    def tell(self) -> None:
        """Hand what was noted to the system, and say how far the run is."""
        self._store.flush()
        self._watch(self.counts)
