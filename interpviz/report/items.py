"""One image on its way through a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from PIL import Image

_UNREAD = (".heic", ".heif", ".svg", ".psd", ".eps", ".cr2", ".nef", ".dng", ".arw", ".jxl")


@dataclass(frozen=True)
class Item:
    """What is known of an image before it is read.

    Attributes:
        id: Its path below the folder, or its index in the dataset.
        label: The name of its class, or None.
    """

    id: str
    label: str | None


@dataclass(frozen=True)
class Content:
    """An image that was read.

    Attributes:
        digest: A digest of its content.
        decode: Gives the picture, RGB and upright, and what was done to get it.
        label: The name of its class where only reading tells.
    """

    digest: str
    decode: Callable[[], tuple[Image.Image, list[str]]]
    label: str | None = None


def is_image_name(name: str) -> bool:
    """Whether a file is an image by its name, and not hidden.

    Args:
        name: The file's name, without its folder.
    """
    suffix = PurePosixPath(name).suffix.lower()
    known = suffix in Image.registered_extensions() or suffix in _UNREAD
    return known and not name.startswith(".")


def labels_of(parents: Iterable[PurePosixPath]) -> list[str]:
    """The names of the classes, sorted: the folders that directly hold images, if at least two.

    Args:
        parents: The folders that directly hold images, below the one that was passed.
    """
    named = {parent.name for parent in parents if parent != PurePosixPath()}
    return sorted(named) if len(named) > 1 else []


def label_of(path: str, labels: list[str]) -> str | None:
    """The class that the folder of an image names, or None.

    Args:
        path: The image's path below the folder that was passed.
        labels: The names of all classes.
    """
    name = PurePosixPath(path).parent.name
    return name if name in labels else None
