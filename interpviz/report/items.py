"""One image on its way through a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image


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
