"""What layers that see the same tokens share while they are measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class Room:
    """Memory that one block after the other is written to.

    To ask the system for the pages of every block again takes longer than the softmax does.
    """

    def __init__(self) -> None:
        self._flat: dict[str, Tensor] = {}

    def of(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor of a shape, holding whatever was there before.

        Args:
            name: What it is for: two names never share memory.
            shape: Its shape.
            like: A tensor of its type and device.
        """
        size, flat = math.prod(shape), self._flat.get(name)
        if (
            flat is None
            or len(flat) < size
            or (flat.dtype, flat.device) != (like.dtype, like.device)
        ):
            flat = self._flat[name] = like.new_empty(size)
        return flat[:size].view(shape)


@dataclass(frozen=True)
class Shared:
    """What one layer found out or made, for the next one.

    Attributes:
        copies: Where tokens occur again, by block.
        blocks: Blocks of queries that see the same keys in every layer.
        room: Memory for what is dropped after each block.
    """

    copies: dict[Any, tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict)
    blocks: dict[Any, Any] = field(default_factory=dict)
    room: Room = field(default_factory=Room)
