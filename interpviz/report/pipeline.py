"""Images stream through: workers prepare, the model explains batches, results are kept at once."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch

from interpviz.report.explain import Explainer
from interpviz.report.filling import next_size
from interpviz.report.ledger import Counts, Ledger, Outcome, Watch
from interpviz.report.prepare import Prepared, Preparer, quiet_decoding
from interpviz.report.retrying import Retrying
from interpviz.report.store import Store


class Pipeline:
    """One run over all images.

    Args:
        store: Where results are kept.
        prepare: What workers do.
        explain: What the model does.
        batch_size: How many images the model sees at once.
        fill: The device to fill with larger batches from then on; None where the number is fixed.
        workers: How many threads prepare.
        watch: Is told how far the run is, after each batch.
    """

    def __init__(
        self,
        store: Store,
        prepare: Preparer,
        explain: Explainer,
        *,
        batch_size: int,
        fill: torch.device | None = None,
        workers: int,
        watch: Watch,
    ) -> None:
        self._fill = fill
        self._store = store
        self._prepare = prepare
        self._explain = Retrying(explain)
        self._batch_size = batch_size
        self._workers = workers
        self._watch = watch
        self._ledger = Ledger(store, 0, watch, batch_size)

    def run(self, total: int) -> Outcome:
        """Bring all images through.

        Args:
            total: How many there are.

        Raises:
            InterpvizError: The model cannot explain any image.
        """
        self._ledger = Ledger(self._store, total, self._watch, self._batch_size)
        # By shape, the one that was opened first in front.
        batches: dict[tuple[int, ...], list[Prepared]] = {}
        with quiet_decoding():
            for done in self._prepared(total):
                if self._is_settled(done, batches.values()):
                    continue
                shape = _shape(done)
                batches.setdefault(shape, []).append(done)
                if len(batches[shape]) >= self._batch_size:
                    self._flush(batches.pop(shape))
                elif sum(map(len, batches.values())) >= 2 * self._batch_size:
                    self._flush(batches.pop(next(iter(batches))))
            for batch in batches.values():
                self._flush(batch)
        self._ledger.end()
        return self._ledger.outcome

    @property
    def counts(self) -> Counts:
        """How far the run is."""
        return self._ledger.counts

    def _prepared(self, total: int) -> Iterator[Prepared]:
        waiting: deque[Future[Prepared]] = deque()
        with ThreadPoolExecutor(self._workers, "interpviz") as pool:
            try:
                for index in range(total):
                    # This bounds what is in memory, whatever the number of images.
                    if len(waiting) >= 2 * self._batch_size + self._workers:
                        yield waiting.popleft().result()
                    waiting.append(pool.submit(self._prepare, index))
                    self.counts.held = max(self.counts.held, len(waiting))
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _is_settled(self, done: Prepared, batches: Iterable[list[Prepared]]) -> bool:
        # Another image of the same content may have come through since this one was prepared.
        held = done.key is not None and any(
            one.key == done.key for batch in batches for one in batch
        )
        return self._ledger.settled(done, waiting=done.tensor is not None and not held)

    def _flush(self, batch: list[Prepared]) -> None:
        results = self._explain(
            [done.tensor for done in batch if done.tensor is not None],
            [self._prepare.class_of(done.label) for done in batch],
            [done.mask for done in batch],
        )
        self._ledger.enter(batch, results)
        if self._explain.most:
            self._batch_size = min(self._batch_size, self._explain.most)
        elif self._fill and len(batch) == self._batch_size:
            self._batch_size = next_size(self._batch_size, self._fill)


def cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _shape(done: Prepared) -> tuple[int, ...]:
    return () if done.tensor is None else tuple(done.tensor.shape)
