"""The same pipeline as stages of Ray Data: tasks prepare, actors explain, one process writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from interpviz.device import placement
from interpviz.errors import InputError
from interpviz.report.ledger import Counts, Ledger, Outcome, Watch
from interpviz.report.options import Options
from interpviz.report.prepare import MakePreparer, Preparer
from interpviz.report.ray_cluster import Pool, connected, pool_of, quiet
from interpviz.report.ray_stages import (
    Explained,
    Explaining,
    Preparing,
    Sent,
    chunk,
    prepared,
    unpacked,
)
from interpviz.report.sources import Source
from interpviz.report.store import Store
from interpviz.zoo.any_model import Loaded

_CALLS = 1000  # chunks that a process decodes before a fresh one takes its place
# Ray keeps each chunk in its store from the start, at a millisecond and 5 KiB of this process each.
_MOST_CHUNKS = 4000
_LOST = "no worker came back with it, in several attempts"


def on_ray(
    store: Store,
    source: Source,
    make: MakePreparer,
    loaded: Loaded,
    options: Options,
    *,
    batch_size: int | None,
    workers: int | None,
    device: str | None,
    watch: Watch,
) -> tuple[Outcome, int]:
    """Bring all images through a Ray cluster.

    Args:
        store: Where results are kept, by this process alone.
        source: The images.
        make: Makes what prepares them.
        loaded: The model.
        options: What is drawn.
        batch_size: How many images the model sees at once; None means 16, or 64 on a GPU.
        workers: How many actors hold the model; None means what fits.
        device: Where it runs; None means GPUs where the cluster has them.
        watch: Is told how far the run is.

    Returns:
        What became of each image, and how many were explained.

    Raises:
        InputError: Ray failed, or its cluster is too small.
        InterpvizError: The model cannot explain any image.
    """
    keys = np.sort(np.array(store.keys(), dtype="S20"))
    own = None if hasattr(source, "part") else source
    if placement(loaded.model)[0].type != "cpu":
        loaded = deepcopy(loaded)
        loaded.model.cpu()
    with connected():
        pool = pool_of(workers, device)
        # An actor sees the GPU that it was given, and no other: a number would name a wrong one.
        where = None if pool.gpus else "cpu"
        pipeline = RayPipeline(
            store,
            source,
            make(source, store),
            Preparing(make, keys, own),
            Explaining(loaded, options, where),
            batch_size=batch_size or (64 if pool.gpus else 16),
            pool=pool,
            watch=watch,
        )
        return pipeline.run(len(source)), pipeline.counts.explained


class RayPipeline:
    """One run over all images on a Ray cluster.

    Args:
        store: Where results are kept, by this process alone.
        source: The images.
        prepare: Tells what is known already.
        preparing: What tasks need.
        explaining: What actors need.
        batch_size: How many images the model sees at once.
        pool: The actors.
        watch: Is told how far the run is.
    """

    def __init__(
        self,
        store: Store,
        source: Source,
        prepare: Preparer,
        preparing: Preparing,
        explaining: Explaining,
        *,
        batch_size: int,
        pool: Pool,
        watch: Watch,
    ) -> None:
        self._store = store
        self._source = source
        self._prepare = prepare
        self._preparing = preparing
        self._explaining = explaining
        self._batch_size = batch_size
        self._pool = pool
        self._watch = watch
        self._ledger = Ledger(store, 0, watch, batch_size)
        self._came = False

    @property
    def counts(self) -> Counts:
        """How far the run is."""
        return self._ledger.counts

    def run(self, total: int) -> Outcome:
        """Bring all images through.

        Args:
            total: How many there are.

        Raises:
            InputError: Ray failed.
            InterpvizError: The model cannot explain any image.
        """
        from ray.exceptions import RayError

        self._ledger = Ledger(self._store, total, self._watch, self._batch_size)
        waiting = [index for index in range(total) if not self._is_known(index)]
        try:
            most = _MOST_CHUNKS * self._batch_size
            for first in range(0, len(waiting), most):
                self._bring(waiting[first : first + most])
        except RayError as error:
            raise _failed(error) from error
        self._ledger.end()
        return self._ledger.outcome

    def _is_known(self, index: int) -> bool:
        done = self._prepare.known(index)
        return done is not None and self._ledger.settled(done, waiting=False)

    def _bring(self, waiting: Sequence[int]) -> None:
        with quiet() as last:
            left = self._attempt(waiting, self._batch_size)
            if not self._came and last.error is not None:
                raise _failed(last.error) from last.error
            # A picture on which a process dies takes others with it, so what is left goes alone.
            left = self._attempt(left, 1) if left else left
        for index in left:
            self._ledger.outcome.labels[index] = self._source.item(index).label
            self._ledger.lose(index, _LOST)

    def _attempt(self, indices: Sequence[int], size: int) -> list[int]:
        """Bring images through, once; gives those that did not come back."""
        left = set(indices)
        for images in self._streamed(indices, size):
            # What came twice, because a worker died when it had sent it, is dropped.
            fresh = [image for image in images if image.done.index in left]
            left.difference_update(image.done.index for image in fresh)
            self._came = self._came or bool(fresh)
            self._take(fresh)
        return sorted(left)

    def _take(self, images: Sequence[Sent]) -> None:
        asked = []
        for image in images:
            key = image.done.key
            if image.picture is not None and key is not None and not self._ledger.has(key):
                self._store.put_picture(key, image.picture)
            if not self._ledger.settled(image.done, waiting=image.result is not None):
                asked.append(image)
        # Two of one content may have come together.
        once = {str(image.done.key): image for image in reversed(asked)}
        for image in asked:
            if once[str(image.done.key)] is not image:
                self._ledger.counts.reused += 1
        results = [image.result for image in once.values() if image.result is not None]
        self._ledger.enter([image.done for image in once.values()], results)

    @cached_property
    def _shared(self) -> tuple[Any, Any]:
        import ray

        return ray.put(self._preparing), ray.put(self._explaining)

    def _streamed(self, indices: Sequence[int], size: int) -> Iterator[list[Sent]]:
        import ray.data
        from ray.data import ActorPoolStrategy

        preparing, explaining = self._shared
        starts = range(0, len(indices), size)
        chunks = [{"chunk": chunk(self._source, indices[first : first + size])} for first in starts]
        stages = (
            ray.data.from_items(chunks, override_num_blocks=len(chunks))
            # Stages of the same demands would be joined, and the model would wait for decoding.
            .map_batches(_preparing_task(preparing), batch_size=1, num_cpus=1, max_calls=_CALLS)
            .map_batches(
                _Actor,
                fn_constructor_args=(explaining,),
                batch_size=self._batch_size,
                compute=ActorPoolStrategy(size=self._pool.size),
                num_cpus=1,
                num_gpus=self._pool.gpus,
            )
        )
        for batch in stages.iter_batches(batch_size=None, prefetch_batches=1):
            yield [unpacked(data) for data in batch["image"]]


def _preparing_task(reference: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def task(batch: dict[str, Any]) -> dict[str, Any]:
        needed = _fetched(reference)
        return _column(image for data in batch["chunk"] for image in prepared(data, needed))

    return task


class _Actor:
    def __init__(self, reference: Any) -> None:
        self._explained = Explained(_fetched(reference))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return _column(self._explained([unpacked(data) for data in batch["image"]]))


@lru_cache(maxsize=2)
def _fetched(reference: Any) -> Any:
    # Once a process, not once a task.
    import ray

    return ray.get(reference)


def _column(images: Any) -> dict[str, Any]:
    packed = [image.packed() for image in images]
    column = np.empty(len(packed), dtype=object)
    column[:] = packed
    return {"image": column}


def _failed(error: BaseException) -> InputError:
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    reason = (lines[-1] if lines else type(cause).__name__)[:200].rstrip(".")
    return InputError(
        f"Ray could not bring the images through ({reason}): mend that and run it again, and it "
        "goes on where it was."
    )
