"""What a report is made with, checked once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from interpviz.errors import InputError

FORMAT = 1
"""The version of the records: with another one all images are explained anew."""


class OptionNames(TypedDict, total=False):
    """The fields of `Options`, as keyword arguments."""

    methods: Sequence[str]
    top: int
    layer: str | None
    map_side: int
    quality: int


@dataclass(frozen=True)
class Options:
    """What is drawn of each image.

    Attributes:
        methods: Names of methods, as [`methods()`][interpviz.cam.methods] lists them.
        top: How many classes of each image are explained: the most probable ones, and where the
            image's own class is not among them, it takes the last place.
        layer: Dotted name of the layer to explain; None means the model's usual one.
        map_side: The longest side at which a map is stored. Maps of coarser layers are stored at
            the layer's own size, which loses nothing: a browser enlarges them as the engine does.
        quality: WebP quality of the pictures, from 1 to 100.

    Raises:
        InputError: A number is out of range, or there is no method.
    """

    methods: Sequence[str] = ("gradcam",)
    top: int = 2
    layer: str | None = None
    map_side: int = 56
    quality: int = 80

    def __post_init__(self) -> None:
        from interpviz.cam.registry import get_method

        if isinstance(self.methods, str) or not self.methods:
            raise InputError(f"methods is {self.methods!r}: pass a list with at least one name.")
        object.__setattr__(self, "methods", tuple(map(str, self.methods)))
        for name in self.methods:
            get_method(name)
        limits = {"top": (1, 100), "map_side": (1, 1024), "quality": (1, 100)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise InputError(f"{name} is {value!r}, but must be from {low} to {high}.")

    def as_dict(self) -> dict[str, Any]:
        """The options by name, as they stand in `run.js`."""
        return {**asdict(self), "methods": list(self.methods), "format": FORMAT}


def digest_of(*parts: Any) -> str:
    """A digest of what results depend on.

    Args:
        *parts: What JSON can hold, such as options and the digest of a model.
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
