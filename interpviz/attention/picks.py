"""Single attention weights, picked out of a block in one step."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    Pairs = tuple[Tensor, Tensor, Tensor]


class Picks:
    """The weights of a block that are wanted by themselves.

    Args:
        shape: How many sequences, queries and keys the block has.
        beside: The same number of keys for each query, shape `(query, key)`.
        repeats: Sequence, query and key of pairs that are summed by query; once for each sum.
    """

    def __init__(self, shape: tuple[int, int, int], beside: Tensor, repeats: list[Pairs]) -> None:
        self.shape, self.count = shape, beside.shape[1]
        batch, queries, _ = shape
        row = torch.arange(batch * queries, device=beside.device)
        rows = [row.repeat_interleave(self.count)]
        keys = [beside.flatten().repeat(batch)]
        self._none = []
        for sequence, query, key in repeats:
            rows.append(sequence * queries + query)
            keys.append(key)
            none = torch.ones(batch * queries, dtype=torch.bool, device=key.device)
            none[rows[-1]] = False
            self._none.append(none.view(batch, 1, queries))
        self._rows, self._keys = rows, torch.cat(keys)
        self._index: dict[tuple[int, int | None], Tensor] = {}

    def of(self, weights: Tensor, beside: int | None = None) -> Tensor:
        """All of them, or those beside each query at one place, shape `(1, heads, pick)`.

        Args:
            weights: Shape `(batch, heads, query, key)`.
            beside: Which of the keys beside each query.
        """
        heads = weights.shape[1]
        if (heads, beside) not in self._index:
            self._index[heads, beside] = self._find(heads, beside)
        picked = weights.reshape(-1).index_select(0, self._index[heads, beside])
        return picked.view(1, heads, -1)

    def _find(self, heads: int, beside: int | None) -> Tensor:
        """Where they lie in the memory of a block of some heads."""
        _, queries, width = self.shape
        row, key = torch.cat(self._rows), self._keys
        if beside is not None:
            some = slice(beside, len(self._rows[0]), self.count)
            row, key = row[some], key[some]
        sequence, query = row // queries, row % queries
        head = torch.arange(heads, device=key.device)[:, None]
        return (((sequence * heads + head) * queries + query) * width + key).flatten()

    def beside(self, picked: Tensor) -> Tensor:
        """Those beside each query, shape `(batch, heads, query, key)`.

        Args:
            picked: What `of` returned.
        """
        batch, queries, _ = self.shape
        heads, own = picked.shape[1], picked[..., : len(self._rows[0])]
        return own.view(heads, batch, queries, self.count).transpose(0, 1)

    def repeats(self, picked: Tensor) -> list[Tensor]:
        """The sums over pairs, shape `(batch, heads, query)` each; NaN for a query without a pair.

        Args:
            picked: What `of` returned.
        """
        batch, queries, _ = self.shape
        heads, found = picked.shape[1], []
        ends = itertools.accumulate(len(rows) for rows in self._rows)
        for (begin, end), rows, none in zip(
            itertools.pairwise(ends), self._rows[1:], self._none, strict=True
        ):
            sums = picked.new_zeros(heads, batch * queries)
            sums.index_add_(1, rows, picked[0, :, begin:end])
            sums = sums.view(heads, batch, queries).transpose(0, 1)
            found.append(sums.masked_fill(none, torch.nan))
        return found


def for_all(pairs: Pairs, count: int) -> Pairs:
    """Pairs of one sequence, again for every sequence.

    Args:
        pairs: Sequence, query and key.
        count: How many sequences.
    """
    _, query, key = pairs
    sequence = torch.arange(count, device=query.device).repeat_interleave(len(query))
    return sequence, query.repeat(count), key.repeat(count)
