"""What a report of texts is made with, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from interpviz.errors import InputError

FORMAT = 1
"""The version of the records: with another one all texts are explained anew."""

MOST_TOKENS = 4096


class TextOptionNames(TypedDict, total=False):
    """The fields of `TextOptions`, as keyword arguments."""

    layers: Sequence[str | int] | None
    max_tokens: int


@dataclass(frozen=True)
class TextOptions:
    """What is kept of each text.

    Attributes:
        layers: The layers whose weights a page shows, by name or index; None means the first, the
            middle and the last one. Numbers of heads are kept of all layers in any case.
        max_tokens: Longer texts are cut to this many tokens, or to what the model takes where that
            is less. The weights of one text take at most about 150 kB: of longer texts fewer heads
            are kept, and at least one.

    Raises:
        InputError: `max_tokens` is out of range, or there is no layer.
    """

    layers: Sequence[str | int] | None = None
    max_tokens: int = 128

    def __post_init__(self) -> None:
        if self.layers is not None:
            if isinstance(self.layers, str) or not self.layers:
                raise InputError(f"layers is {self.layers!r}: pass a list with at least one layer.")
            object.__setattr__(self, "layers", tuple(self.layers))
        if type(self.max_tokens) is not int or not 2 <= self.max_tokens <= MOST_TOKENS:
            raise InputError(
                f"max_tokens is {self.max_tokens!r}, but must be from 2 to {MOST_TOKENS}."
            )

    def as_dict(self) -> dict[str, Any]:
        """The options by name, as they stand in `run.js`."""
        layers = None if self.layers is None else list(self.layers)
        return {"layers": layers, "max_tokens": self.max_tokens, "format": FORMAT}
