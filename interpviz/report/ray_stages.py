"""What Ray's workers do: tasks prepare images, actors hold the model. Nothing here needs Ray."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from interpviz.device import best_device
from interpviz.report.explain import Explainer
from interpviz.report.options import Options
from interpviz.report.prepare import MakePreparer, Prepared, quiet_decoding
from interpviz.report.retrying import Refusal, Retrying
from interpviz.report.sources import Source
from interpviz.report.store import Seen
from interpviz.zoo.any_model import Loaded, place


class Known:
    """What a worker has of the store: which contents have a result.

    Args:
        keys: Their keys, sorted, as bytes.
    """

    def __init__(self, keys: NDArray[np.bytes_]) -> None:
        self._keys = keys
        self.pictures: dict[str, bytes] = {}

    def seen(self, identity: str) -> Seen | None:  # noqa: ARG002
        """None: what has not changed was not sent."""
        return None

    def has(self, key: str) -> bool:
        """Whether the result of a content is there."""
        place = int(np.searchsorted(self._keys, key.encode()))
        return place < len(self._keys) and bool(self._keys[place] == key.encode())

    def put_picture(self, key: str, data: bytes) -> None:
        """Keep a picture until it is sent to the writer."""
        self.pictures[key] = data


@dataclass(frozen=True)
class Preparing:
    """What a task needs to prepare images.

    Attributes:
        make: Makes the preparer of a chunk.
        keys: The keys of all results that are there, sorted.
        source: The images; None where each chunk brings its own.
    """

    make: MakePreparer
    keys: NDArray[np.bytes_]
    source: Source | None


@dataclass(frozen=True)
class Explaining:
    """What an actor needs to explain images.

    Attributes:
        loaded: The model, on the CPU.
        options: What is drawn.
        device: Where it runs; None means the fastest device that Ray gives the actor.
    """

    loaded: Loaded
    options: Options
    device: str | None


class Sent(NamedTuple):
    """An image on its way between processes.

    Attributes:
        done: The image, without its input.
        label: The class index of its label, or -1.
        array: The model's input; None where the model is not asked, or was.
        picture: Its encoded picture, or None.
        result: What the model gave, or None.
    """

    done: Prepared
    label: int
    array: NDArray[Any] | None
    picture: bytes | None
    result: dict[str, Any] | Refusal | None

    def packed(self) -> bytes:
        """As bytes."""
        return pickle.dumps(self, protocol=pickle.HIGHEST_PROTOCOL)


def unpacked(data: bytes) -> Sent:
    """What `packed` gave.

    Args:
        data: The bytes.
    """
    return pickle.loads(data)  # type: ignore[no-any-return]


def chunk(source: Source, indices: Sequence[int]) -> bytes:
    """Some images, as what a task is sent.

    Args:
        source: All images.
        indices: Their places.
    """
    part = getattr(source, "part", None)
    return pickle.dumps((list(indices), None if part is None else part(indices)))


def prepared(data: bytes, preparing: Preparing) -> Iterator[Sent]:
    """Prepare the images of a chunk.

    Args:
        data: The chunk.
        preparing: What all chunks need.
    """
    indices, part = pickle.loads(data)
    source: Any = preparing.source if part is None else part
    known = Known(preparing.keys)
    prepare = preparing.make(source, known)
    with quiet_decoding():
        for place_in_part, index in enumerate(indices):
            done = prepare(index if part is None else place_in_part)
            array = None if done.tensor is None else done.tensor.numpy()
            picture = known.pictures.pop(str(done.key), None)
            sent = replace(done, index=index, tensor=None)
            yield Sent(sent, prepare.class_of(done.label), array, picture, None)


class Explained:
    """The model in an actor.

    Args:
        explaining: What it needs.
    """

    def __init__(self, explaining: Explaining) -> None:
        loaded = explaining.loaded
        place(loaded.model, explaining.device or best_device())
        self._explain = Retrying(Explainer(loaded, explaining.options))

    def __call__(self, images: Sequence[Sent]) -> list[Sent]:
        """Explain what is to be explained.

        Args:
            images: What tasks prepared.

        Returns:
            The same images with what the model gave, and without its inputs.
        """
        found = [image for image in images if image.array is None]
        shapes: dict[tuple[int, ...], list[Sent]] = {}
        for image in images:
            if image.array is not None:
                shapes.setdefault(image.array.shape, []).append(image)
        for alike in shapes.values():
            most = self._explain.most or len(alike)
            for first in range(0, len(alike), most):
                found += self._explained(alike[first : first + most])
        return found

    def _explained(self, images: Sequence[Sent]) -> list[Sent]:
        tensors = [torch.from_numpy(np.array(image.array)) for image in images]
        labels = [image.label for image in images]
        masks = [image.done.mask for image in images]
        results = self._explain(tensors, labels, masks)
        return [
            image._replace(done=replace(image.done, mask=None), array=None, result=_portable(one))
            for image, one in zip(images, results, strict=True)
        ]


def _portable(result: dict[str, Any] | Refusal) -> dict[str, Any] | Refusal:
    if isinstance(result, Refusal):
        try:
            pickle.loads(pickle.dumps(result))
        except Exception:  # an exception of a user's own may refuse to be pickled in any way
            return Refusal(RuntimeError(str(result.error)))
    return result
