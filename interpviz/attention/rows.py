"""What single rows of attention weights say, a block of queries at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from interpviz.attention.query_block import QueryBlock, visible_keys

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.scene import Scene

COLUMNS = (
    "entropy",
    "distance",
    "local_mass",
    "sink_mass",
    "self_mass",
    "previous_token",
    "next_token",
    "special_mass",
    "duplicate_token",
    "induction",
    "row_sum",
)
"""The statistics of a head, in the order of the table."""


class RowStatistics:
    """The statistics of every row of a layer, gathered block by block.

    Args:
        scene: What the layer looks over.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._rows: dict[str, Tensor] = {}

    def take(self, block: QueryBlock, numbers: dict[str, Tensor]) -> None:
        """Keep the numbers of a block.

        Args:
            block: Which sequences and queries.
            numbers: What `QueryBlock.numbers` returned.
        """
        for name, values in numbers.items():
            if name not in self._rows:
                nothing = torch.full(self.scene.shape[:3], torch.nan, device=self.scene.device)
                self._rows[name] = nothing
            self._rows[name][block.batch, :, block.rows] = values.float()

    def by_head(self) -> dict[str, Tensor]:
        """The statistics of each head, `(heads,)`: means over all rows that count."""
        found = {
            name: self._rows[name].double().nanmean((0, 2)).float()
            for name in COLUMNS
            if name in self._rows and name != "distance"
        }
        if "distance" in self._rows:
            distance, weight = self._rows["distance"].double(), self._rows["row_sum"].double()
            found["distance"] = (distance.nansum((0, 2)) / weight.nansum((0, 2))).float()
        return found


def take_weights(
    statistics: RowStatistics,
    batch: slice,
    rows: slice,
    weights: Tensor,
    visible: Tensor | None,
) -> None:
    """Gather the statistics of weights as they are.

    Args:
        statistics: Where to.
        batch: Which sequences.
        rows: Which queries.
        weights: Their weights for all keys, `(batch, heads, query, key)`.
        visible: What the layer's mask says of them, `(batch or 1, 1 or heads, query, key)`; None
            for all.
    """
    scene, keys = statistics.scene, slice(0, weights.shape[-1])
    visible = visible_keys(scene, batch, rows, keys, visible)
    block = QueryBlock(scene, batch, rows, keys, visible)
    weights = weights.float() * visible
    mass = weights.sum(-1)
    # A logarithm of 0 times 0 would be NaN.
    spread = (weights * weights.clamp(min=1e-38).log()).sum(-1)
    entropy = mass.clamp(min=1e-38).log() - spread / mass.where(mass > 0, 1.0)
    sums = block.sums(weights @ block.features[:, None], *block.read(weights))
    statistics.take(block, block.numbers(sums, mass, mass, entropy))
