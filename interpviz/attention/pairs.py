"""Sums of attention weights over chosen pairs of a query and a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


class Pairs:
    """Weights of a block that are summed by query.

    Args:
        sequence: The sequence of each pair, shape `(pair,)`.
        query: Its query.
        key: Its key.
        batch: How many sequences the block has.
        queries: How many queries.
    """

    def __init__(
        self, sequence: Tensor, query: Tensor, key: Tensor, batch: int, queries: int
    ) -> None:
        self._place = sequence, query, key
        self._row = sequence * queries + query
        none = torch.ones(batch * queries, dtype=torch.bool, device=key.device)
        none[self._row] = False
        self._none = none.view(batch, 1, queries)

    def sums(self, weights: Tensor) -> Tensor:
        """Sums for each query, `(batch, heads, query)`; NaN for a query without a pair.

        Args:
            weights: Shape `(batch, heads, query, key)`.
        """
        batch, heads, queries, _ = weights.shape
        sequence, query, key = self._place
        found = weights[sequence, :, query, key]
        sums = found.new_zeros(batch * queries, heads).index_add_(0, self._row, found)
        return sums.view(batch, queries, heads).transpose(1, 2).masked_fill(self._none, torch.nan)


def for_all(pairs: tuple[Tensor, ...], count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of one sequence, again for every sequence.

    Args:
        pairs: Sequence, query and key.
        count: How many sequences.
    """
    _, query, key = pairs
    sequence = torch.arange(count, device=query.device).repeat_interleave(len(query))
    return sequence, query.repeat(count), key.repeat(count)
