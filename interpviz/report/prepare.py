"""What a worker does to one image before it reaches the model."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from interpviz.errors import InputError
from interpviz.report.decode import UndecodableError, decode
from interpviz.report.files import file_stamp, read_file
from interpviz.report.items import Content, Item
from interpviz.report.sources import Source
from interpviz.report.store import Seen
from interpviz.zoo.transform_kinds import Transform

_LOSSLESS = (".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jpg", ".jpeg")


@contextmanager
def quiet_decoding() -> Iterator[None]:
    """Without Pillow's warnings: large pictures are told from too large ones by `decode`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", module="PIL")
        yield


class _PassingError(UndecodableError):
    """A reason that may be gone in another run, so it is not remembered."""


class Memory(Protocol):
    """What was done before, and where pictures go: the store, or what a worker has of it."""

    def seen(self, identity: str) -> Seen | None:
        """What an image was when it was last read."""

    def has(self, key: str) -> bool:
        """Whether the result of a content is there, with its picture."""

    def put_picture(self, key: str, data: bytes) -> None:
        """Keep a picture."""


@dataclass
class Prepared:
    """An image that is ready for the model, known already, or failed.

    Attributes:
        index: Its place in the source.
        id: Its id.
        label: The name of its class, or None.
        key: The key of its result; None where it could not be read.
        lines: What the journal is to be told of it first.
        tensor: The model's input; None where nothing is left to do.
        facts: What the record says besides the model's numbers.
        mask: Where its object is, as the network sees it.
        reason: Why it failed, or None.
    """

    index: int
    id: str
    label: str | None
    key: str | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)
    tensor: Tensor | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    mask: NDArray[np.bool_] | None = None
    reason: str | None = None


class Preparer:
    """Reads, decodes, preprocesses and encodes; several threads may call it at once.

    Args:
        source: The images.
        memory: What was done before, and where pictures go.
        transform: How a picture is brought into the model.
        digest: A digest of the model and the options.
        classes: The class that each label means, or -1.
        quality: WebP quality of the pictures.
        masks: A folder with a mask of the same path for some of the images; any other suffix may
            stand there. What is brighter than half is the object.
    """

    def __init__(
        self,
        source: Source,
        memory: Memory,
        *,
        transform: Transform,
        digest: str,
        classes: dict[str, int],
        quality: int,
        masks: Path | None = None,
    ) -> None:
        self._source = source
        self._memory = memory
        self._transform = transform
        self._digest = digest
        self._classes = classes
        self._quality = quality
        self._masks = masks

    def class_of(self, label: str | None) -> int:
        """The class index that a label means, or -1.

        Args:
            label: The name of a class.
        """
        if label is None or label in self._classes:
            return self._classes.get(label or "", -1)
        return int(label) if label.isdecimal() and not self._source.labels else -1

    def __call__(self, index: int) -> Prepared:
        """Prepare one image. Nothing is raised because of it.

        Args:
            index: Its place in the source.

        Raises:
            OSError: Its picture cannot be written.
        """
        item = self._source.item(index)
        done = Prepared(index, item.id, item.label)
        try:
            self._prepare(item, done)
        except _PassingError as error:
            done.key, done.reason = None, str(error)
        except InputError as error:
            done.reason = str(error)
        except MemoryError:
            # Another run may have more memory, so this is not remembered.
            done.key, done.reason = None, "too large for the memory"
        return done

    def known(self, index: int) -> Prepared | None:
        """An image whose result is there, as far as can be told without reading it.

        Args:
            index: Its place in the source.
        """
        item = self._source.item(index)
        done = Prepared(index, item.id, item.label)
        stamp = self._stamp(index, self._mask_path(item))
        return done if self._is_known(item, stamp, done) else None

    def _is_known(self, item: Item, stamp: str | None, done: Prepared) -> bool:
        seen = self._memory.seen(item.id)
        if seen is None or seen.stamp != stamp:
            return False
        done.label = item.label or seen.label
        key = self._key(seen.digest, done.label)
        if not self._memory.has(key):
            # Only who reads it knows whether this is still its content.
            return False
        done.key = key
        return True

    def _prepare(self, item: Item, done: Prepared) -> None:
        mask = self._mask_path(item)
        stamp = self._stamp(done.index, mask)
        if self._is_known(item, stamp, done):
            return
        content = self._source.read(done.index)
        drawn = None if mask is None else read_file(mask)
        done.label = item.label or content.label
        digest = content.digest if drawn is None else content.digest + _sha256(drawn)
        done.key = self._key(digest, done.label)
        if stamp is not None and self._memory.seen(item.id) != Seen(stamp, digest, done.label):
            line = {"id": item.id, "stamp": stamp, "digest": digest, "label": done.label}
            done.lines.append(line)
        if not self._memory.has(done.key):
            self._decode(content, drawn, done)

    def _decode(self, content: Content, drawn: bytes | None, done: Prepared) -> None:
        picture, notes = _decoded(content)
        size = list(picture.size)
        view, tensor = self._transformed(picture)
        if drawn is not None:
            done.mask = self._mask(drawn, picture.size)
        encoded = self._encoded(view)
        self._memory.put_picture(str(done.key), encoded)
        done.tensor = tensor
        done.facts = {"size": size, "view": list(view.size), "picture": len(encoded)}
        if notes:
            done.facts["notes"] = notes

    def _encoded(self, view: Image.Image) -> bytes:
        encoded = io.BytesIO()
        try:
            view.save(encoded, "WEBP", quality=self._quality, method=2)
        except MemoryError:
            raise
        except Exception as error:  # encoders refuse what they cannot hold with errors of any kind
            raise UndecodableError(f"cannot be shown: {_reason(error)}") from None
        return encoded.getvalue()

    def _transformed(self, picture: Image.Image) -> tuple[Image.Image, Tensor]:
        try:
            return self._transform(picture)
        except MemoryError:
            raise
        except InputError as error:
            raise _PassingError(str(error)) from None
        except Exception as error:  # a user's preprocessing may fail in any way
            raise _PassingError(f"the preprocessing raised {_reason(error)}") from None

    def _mask(self, drawn: bytes, size: tuple[int, int]) -> NDArray[np.bool_]:
        try:
            mask = decode(drawn)[0]
        except UndecodableError as error:
            raise UndecodableError(f"its mask is {error}") from None
        if mask.size != size:
            mask = mask.resize(size, Image.Resampling.NEAREST)
        return np.asarray(self._transformed(mask)[0].convert("L")) > 127

    def _key(self, digest: str, label: str | None) -> str:
        return _sha256(f"{digest} {self._digest} {self.class_of(label)}".encode())[:20]

    def _stamp(self, index: int, mask: Path | None) -> str | None:
        stamp = self._source.stamp(index)
        return stamp if stamp is None or mask is None else f"{stamp} {file_stamp(mask)}"

    def _mask_path(self, item: Item) -> Path | None:
        if self._masks is None:
            return None
        path = self._masks / PurePosixPath(item.id)
        return next((p for p in _candidates(path) if p.is_file()), None)


MakePreparer = Callable[[Source, Memory], Preparer]
"""Makes a preparer of some images, for a process that knows of some results."""


def _decoded(content: Content) -> tuple[Image.Image, list[str]]:
    try:
        return content.decode()
    except (InputError, MemoryError):
        raise
    except Exception as error:  # pictures of a dataset may be damaged in any way
        raise UndecodableError(f"damaged: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"


def _candidates(path: Path) -> Sequence[Path]:
    return [path, *(path.with_suffix(suffix) for suffix in _LOSSLESS)]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
