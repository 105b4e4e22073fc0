"""What the queries of a layer look over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from interpviz.attention.shared import Shared

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Scene:
    """What the queries of a layer look over.

    Attributes:
        shape: Batch, heads, queries and keys.
        device: Where the numbers are kept.
        first: The position of the first query among the keys; None where queries and keys belong
            to different sequences.
        real_queries: Shape `(batch, query)`, False for padding; None for no padding.
        real_keys: Shape `(batch, key)`, likewise.
        special: Shape `(batch, key)`, True for special tokens; None where they are not known.
        ids: Shape `(batch, key)`, equal numbers for equal tokens; None where they are not known.
        window: How far a local head looks to each side.
        sinks: How many first keys count as sinks.
        shared: What layers before this one found out about the same tokens.
    """

    shape: tuple[int, int, int, int]
    device: torch.device
    first: int | None
    real_queries: Tensor | None = None
    real_keys: Tensor | None = None
    special: Tensor | None = None
    ids: Tensor | None = None
    window: int = 3
    sinks: int = 1
    shared: Shared = field(default_factory=Shared)

    def key_marks(self) -> list[Tensor]:
        """Which keys are sinks and which are special, each `(batch or 1, key)`, float."""
        if self.real_keys is None:
            sink = torch.arange(self.shape[3], device=self.device)[None] < self.sinks
        else:
            # Where padding comes first, a text begins behind it.
            sink = self.real_keys & (self.real_keys.cumsum(1) <= self.sinks)
        return [sink.float(), *([] if self.special is None else [self.special.float()])]
