"""Images stream through: workers prepare, the model explains batches, results are kept at once."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from PIL import Image

from interpviz.errors import InputError, InterpvizError
from interpviz.report.explain import Explainer
from interpviz.report.prepare import Prepared, Preparer
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


class Pipeline:
    """One run over all images.

    Args:
        store: Where results are kept.
        prepare: What workers do.
        explain: What the model does.
        batch_size: How many images the model sees at once.
        workers: How many threads prepare.
        watch: Is told how far the run is, after each batch.

    Attributes:
        counts: How far the run is.
    """

    def __init__(
        self,
        store: Store,
        prepare: Preparer,
        explain: Explainer,
        *,
        batch_size: int,
        workers: int,
        watch: Watch,
    ) -> None:
        self._store = store
        self._prepare = prepare
        self._explain = explain
        self._batch_size = batch_size
        self._workers = workers
        self._watch = watch
        self.counts = Counts(0)
        self._outcome = Outcome([], [])

    def run(self, total: int) -> Outcome:
        """Bring all images through.

        Args:
            total: How many there are.

        Raises:
            InterpvizError: The model cannot explain any image of the first batch.
        """
        self.counts = Counts(total)
        self._outcome = Outcome([None] * total, [None] * total)
        # By shape, the one that was opened first in front.
        batches: dict[tuple[int, ...], list[Prepared]] = {}
        with warnings.catch_warnings():
            # Large pictures are told from too large ones while they are decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", module="PIL")
            for done in self._prepared(total):
                if self._settled(done, batches.values()):
                    continue
                shape = _shape(done)
                batches.setdefault(shape, []).append(done)
                if len(batches[shape]) >= self._batch_size:
                    self._flush(batches.pop(shape))
                elif sum(map(len, batches.values())) >= 2 * self._batch_size:
                    self._flush(batches.pop(next(iter(batches))))
            for batch in batches.values():
                self._flush(batch)
        self._watch(self.counts)
        return self._outcome

    def _prepared(self, total: int) -> Iterator[Prepared]:
        # The window bounds what is in memory, whatever the number of images.
        window = 2 * self._batch_size + self._workers
        waiting: deque[Future[Prepared]] = deque()
        with ThreadPoolExecutor(self._workers, "interpviz") as pool:
            try:
                for index in range(total):
                    if len(waiting) >= window:
                        yield waiting.popleft().result()
                    waiting.append(pool.submit(self._prepare, index))
                    self.counts.held = max(self.counts.held, len(waiting))
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _settled(self, done: Prepared, batches: Iterable[list[Prepared]]) -> bool:
        """Note what needs no model; True where nothing is left to do."""
        for line in done.lines:
            self._store.put(line)
        self._outcome.keys[done.index] = done.key
        self._outcome.labels[done.index] = done.label
        if done.reason is not None:
            self._fail(done, done.reason, lasting=True)
        elif done.tensor is not None and not self._is_known(done.key, batches):
            return False
        elif done.key is not None and self._store.is_failure(done.key):
            self.counts.failed += 1
        else:
            self.counts.reused += 1
        if self.counts.done % self._batch_size == 0:
            self._store.flush()
            self._watch(self.counts)
        return True

    def _is_known(self, key: str | None, batches: Iterable[list[Prepared]]) -> bool:
        # Another image of the same content may have come through since this one was prepared.
        held = any(one.key == key for batch in batches for one in batch)
        return key is not None and (held or self._store.has(key))

    def _fail(self, done: Prepared, reason: str, *, lasting: bool) -> None:
        self.counts.failed += 1
        if lasting and done.key is not None:
            self._store.put({"key": done.key, "failed": reason})
        else:
            self._outcome.keys[done.index] = None
            self._outcome.reasons[done.index] = reason

    def _flush(self, batch: list[Prepared]) -> None:
        self._explain_all(batch)
        self._store.flush()
        self._watch(self.counts)

    def _explain_all(self, batch: list[Prepared]) -> None:
        try:
            labels = [self._prepare.class_of(done.label) for done in batch]
            inputs = [done.tensor for done in batch if done.tensor is not None]
            numbers = self._explain(inputs, labels, [done.mask for done in batch])
        except OSError:
            raise
        except Exception as error:  # a user's network may fail in any way
            self._retry(batch, error)
            return
        for done, record in zip(batch, numbers, strict=True):
            self._store.put({"key": done.key, **done.facts, **record})
            self.counts.explained += 1

    def _retry(self, batch: list[Prepared], error: Exception) -> None:
        if len(batch) == 1:
            self._fail(batch[0], f"not explained: {error}", lasting=False)
            return
        if isinstance(error, torch.OutOfMemoryError):
            self._batch_size = max(1, len(batch) // 2)
            parts = [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
        else:
            parts = [[done] for done in batch]
        before = self.counts.failed
        for part in parts:
            self._explain_all(part)
        # A model that can explain nothing is no matter of the images.
        if self.counts.explained == 0 and self.counts.failed - before == len(batch):
            if isinstance(error, InterpvizError):
                raise error
            reason = " ".join(str(error).split())[:160] or "no reason given"
            raise InputError(
                f"The model can explain none of the first {len(batch)} images "
                f"({type(error).__name__}: {reason}): check it with one of them."
            ) from error


def _shape(done: Prepared) -> tuple[int, ...]:
    return () if done.tensor is None else tuple(done.tensor.shape)
