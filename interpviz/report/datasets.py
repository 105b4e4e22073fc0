"""Datasets of PyTorch and of Hugging Face as a source of images."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from interpviz.errors import InputError
from interpviz.report.decode import UndecodableError, decode, upright
from interpviz.report.files import read_file
from interpviz.report.items import Content, Item

_IMAGE_KEYS = ("image", "img", "pixel_values", "picture")
_LABEL_KEYS = ("label", "labels", "fine_label", "target", "class")


@dataclass(frozen=True)
class DatasetSource:
    """A dataset with a length and an index.

    Attributes:
        dataset: The dataset.
        labels: The names of its classes, in the order of their indices; empty where it has none.
    """

    dataset: Any
    labels: list[str]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @staticmethod
    def of(dataset: Any) -> DatasetSource:
        """The source that a dataset is.

        Args:
            dataset: A PyTorch `Dataset` of images, or of pairs of image and class; or a Hugging
                Face dataset with a column of images.

        Raises:
            InputError: It has no length or index, or is empty.
        """
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
            raise InputError(
                f"A {type(dataset).__name__} is no dataset: pass a folder, or a dataset with a "
                "length and an index."
            )
        if not len(dataset):
            raise InputError("The dataset is empty: pass one with images.")
        if isinstance(dataset, Mapping):
            raise InputError(
                f"This is a dict of datasets: pass one of them, such as that of "
                f"{next(iter(dataset))!r}."
            )
        return DatasetSource(dataset, _class_names(dataset))

    def __reduce__(self) -> tuple[Any, ...]:
        # A lock stays in its process.
        return DatasetSource, (self.dataset, self.labels)

    def __len__(self) -> int:
        return len(self.dataset)

    def item(self, index: int) -> Item:
        """Its index; the label is known when it is read."""
        return Item(f"{index:0{len(str(len(self) - 1))}d}", None)

    def stamp(self, index: int) -> str | None:  # noqa: ARG002
        """None: nothing tells whether a dataset changed without reading it."""
        return None

    def read(self, index: int) -> Content:
        """The image, and the name of its class."""
        try:
            # Few datasets say whether several threads may read them.
            with self._lock:
                row = self.dataset[index]
        except MemoryError:
            raise
        except Exception as error:  # a dataset may fail in any way, and the others go on
            raise UndecodableError(f"the dataset raised {type(error).__name__}: {error}") from None
        try:
            image, label = _parts(row, _features(self.dataset))
            name = self._name_of(label)
            if isinstance(image, bytes):
                return Content(hashlib.sha256(image).hexdigest(), lambda: decode(image), name)
            picture = _as_picture(image)
            digest = hashlib.sha256(f"{picture.mode} {picture.size}".encode() + picture.tobytes())
        except (InputError, MemoryError):
            raise
        except Exception as error:  # a picture that is opened but not loaded may be damaged
            raise UndecodableError(f"damaged: {type(error).__name__}: {error}") from None
        return Content(digest.hexdigest(), lambda: upright(picture), name)

    def _name_of(self, label: Any) -> str | None:
        if label is None or isinstance(label, str):
            return label
        try:
            index = int(label)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            return None
        return self.labels[index] if 0 <= index < len(self.labels) else str(index)


def _class_names(dataset: Any) -> list[str]:
    names = getattr(dataset, "classes", None)
    features = _features(dataset)
    key = _column(features, _LABEL_KEYS, features, "ClassLabel")
    if names is None and key is not None:
        names = getattr(features[key], "names", None)
    return [str(name) for name in names] if isinstance(names, Sequence) else []


def _features(dataset: Any) -> Mapping[str, Any]:
    features = getattr(dataset, "features", None)
    return features if isinstance(features, Mapping) else {}


def _column(
    row: Mapping[str, Any], usual: Sequence[str], features: Mapping[str, Any], kind: str
) -> str | None:
    """The column of a usual name, else one of a kind of feature of Hugging Face."""
    named = (key for key in usual if key in row)
    typed = (key for key in row if type(features.get(key)).__name__ == kind)
    return next(chain(named, typed), None)


def _parts(row: Any, features: Mapping[str, Any]) -> tuple[Any, Any]:
    if isinstance(row, Mapping):
        key = _column(row, _IMAGE_KEYS, features, "Image")
        if key is None:
            raise UndecodableError(f"no image among the columns {', '.join(map(str, row))}")
        if row[key] is None:
            raise UndecodableError("the dataset has no image here")
        label = _column(row, _LABEL_KEYS, features, "ClassLabel")
        return _unpacked(row[key]), None if label is None else row[label]
    if isinstance(row, tuple | list) and row:
        return _unpacked(row[0]), row[1] if len(row) > 1 else None
    return _unpacked(row), None


def _unpacked(image: Any) -> Any:
    # An image column that is not decoded holds the file's bytes, or its path.
    if isinstance(image, Mapping):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, str | Path):
        return read_file(Path(image))
    return image


def _as_picture(image: Any) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    values = image.numpy() if hasattr(image, "numpy") else np.asarray(image)
    if values.ndim == 3 and values.shape[0] in (1, 3) and hasattr(image, "numpy"):
        values = values.transpose(1, 2, 0)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise UndecodableError("a tensor with values outside of [0, 1]: leave normalising out")
        values = np.round(values * 255).astype(np.uint8)
    grey = values.ndim == 2 or (values.ndim == 3 and values.shape[2] == 1)
    if values.dtype != np.uint8 or not (grey or (values.ndim == 3 and values.shape[2] == 3)):
        raise UndecodableError(
            f"an array of shape {values.shape} and type {values.dtype} is no picture"
        )
    return Image.fromarray(
        np.ascontiguousarray(values[..., 0] if values.ndim == 3 and grey else values)
    )
