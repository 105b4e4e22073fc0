"""Attention in blocks of queries, each measured and dropped while its output is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from interpviz.attention.rows import QueryBlock, take_weights
from interpviz.attention.softmax import Hidden

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.calls import AttentionCall
    from interpviz.attention.rows import RowStatistics
    from interpviz.attention.softmax import Softmax

# Weights at once: what stays in a core's cache, or keeps a GPU busy.
_BLOCK_CPU, _BLOCK_GPU = 2**19, 2**25

# More queries at once would make more of a block lie beside the diagonal.
_HEIGHT = 256

# Queries side by side, where only some are measured.
_RUN = 32


def row_blocks(queries: int, size: int, measured: int | None) -> Iterator[slice]:
    """The queries in blocks: all, or runs spread evenly over them up to the last.

    Args:
        queries: How many queries there are.
        size: How many make a block.
        measured: How many to measure; None for all.
    """
    if measured is None or measured >= queries:
        for a in range(0, queries, size):
            yield slice(a, min(a + size, queries))
        return
    length = min(_RUN, measured)
    count = max(measured // length, 1)
    for n in range(1, count + 1):
        end = round(n * queries / count)
        yield slice(max(end - length, 0), end)


def _block_size(device: torch.device) -> int:
    return _BLOCK_CPU if device.type == "cpu" else _BLOCK_GPU


def eager_blocks(
    call: AttentionCall, statistics: RowStatistics, measured: int | None
) -> Tensor | None:
    """Run a layer's own eager function in blocks of queries, and measure its weights.

    Args:
        call: The call.
        statistics: Where the numbers go.
        measured: How many queries to measure; None for all.

    Returns:
        The layer's output, or None where not all queries ran.
    """
    batch, heads, queries, keys = statistics.scene.shape
    size = max(_block_size(call.query.device) // (batch * heads * keys), 8)
    everything = measured is None or measured >= queries
    outputs = []
    for rows in row_blocks(queries, size, measured):
        output, weights = call.eager(rows, values=everything)
        outputs.append(output)
        visible = call.visible(rows)
        if visible is not None:
            visible = visible.expand(-1, -1, rows.stop - rows.start, keys)
        block = QueryBlock(statistics.scene, slice(0, batch), rows, slice(0, keys), visible)
        take_weights(statistics, block, weights)
    return torch.cat(outputs, 1) if everything else None


def softmax_blocks(
    maths: Softmax, statistics: RowStatistics, measured: int | None
) -> Tensor | None:
    """Attend in blocks of queries and heads, and measure each while it is in the cache.

    Args:
        maths: What to compute.
        statistics: Where the numbers go.
        measured: How many queries to measure; None for all.

    Returns:
        The layer's output, or None where not all queries ran.
    """
    batch, heads, queries, keys = statistics.scene.shape
    device, everything = maths.query.device, measured is None or measured >= queries
    budget = _block_size(device)
    height = max(budget // keys, 16)
    height = min(
        height, queries if everything else _RUN, _HEIGHT if device.type == "cpu" else queries
    )
    together = max(budget // (heads * queries * keys), 1)
    value = maths.value if everything else maths.value[..., :0]
    channels = value.shape[-1]
    output = value.new_empty(batch, heads, queries, channels)
    for i in range(0, batch, together):
        part = slice(i, min(i + together, batch))
        beside = _Beside(value[part])
        for rows in row_blocks(queries, height, measured):
            block, hidden = _block(maths, statistics, part, rows)
            width = block.keys.stop - block.keys.start
            step = max(budget // ((part.stop - part.start) * height * width), 1)
            if block.visible.shape[1] > 1:
                step = heads
            joined = beside.with_features(block)
            rows_of_heads = []
            for h in range(0, heads, step):
                some = slice(h, min(h + step, heads))
                attended, *found = _measured(maths, block, some, hidden, joined[:, some], channels)
                output[part, some, rows] = attended[..., :channels]
                rows_of_heads.append(found)
            sums, entropy, kept = (torch.cat(one, 1) for one in zip(*rows_of_heads, strict=True))
            statistics.take(block, block.numbers(sums, torch.ones_like(kept), kept, entropy))
    if not everything:
        return None
    return output.transpose(1, 2).contiguous().to(maths.call.query.dtype)


class _Beside:
    """Values with the features of a block beside them, so that one product sums over both.

    Args:
        value: Shape `(batch, heads, key, channel)`.
    """

    def __init__(self, value: Tensor) -> None:
        self.value = value
        self._joined: Tensor | None = None

    def with_features(self, block: QueryBlock) -> Tensor:
        """Values and features of the keys of a block, `(batch, heads, key, channel + n)`."""
        begin, count = self.value.shape[-1], block.features.shape[-1]
        if self._joined is None:
            # Products are fastest where the width is a multiple of eight.
            width = -(begin + count) % 8 + begin + count
            self._joined = self.value.new_zeros(*self.value.shape[:3], width)
            self._joined[..., :begin] = self.value
        joined = self._joined[:, :, block.keys]
        joined[..., begin : begin + count] = block.features[:, None]
        return joined


def _block(
    maths: Softmax, statistics: RowStatistics, batch: slice, rows: slice
) -> tuple[QueryBlock, Hidden | None]:
    """Some queries with the keys that any of them sees, and what is hidden among these."""
    keys = statistics.scene.shape[3]
    if maths.call.is_causal:
        # What a mask would tell, without making one.
        span, visible = slice(0, min(rows.stop, keys)), maths.call.visible(rows)
        assert visible is not None
        visible = visible[..., span]
        partly = slice(min(rows.start, span.stop - 1), span.stop)
    else:
        visible = maths.call.visible(rows)
        if visible is None:
            return QueryBlock(statistics.scene, batch, rows, slice(0, keys), None), None
        visible = visible[batch] if len(visible) > 1 else visible
        visible = visible.expand(-1, -1, rows.stop - rows.start, keys)
        every = visible.flatten(0, 2)
        span = _extent(every.any(0))
        visible = visible[..., span]
        partly = _extent(~every[:, span].all(0))
    hidden = Hidden(partly, ~visible[..., partly])
    return QueryBlock(statistics.scene, batch, rows, span, visible), hidden


def _extent(columns: Tensor) -> slice:
    """From the first to the last column that is set; all where none is."""
    place = columns.nonzero()
    return slice(int(place[0]), int(place[-1]) + 1) if len(place) else slice(0, len(columns))


def _measured(
    maths: Softmax,
    block: QueryBlock,
    heads: slice,
    hidden: Hidden | None,
    joined: Tensor,
    begin: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Attend for some heads.

    Args:
        maths: What to compute.
        block: Which sequences, queries and keys.
        heads: Which heads.
        hidden: What is hidden among these.
        joined: Values and features of the keys.
        begin: Where the features begin.

    Returns:
        Products with `joined`, sums over keys, entropies, and what a sink leaves of each row.
    """
    logits = maths.logits(block.batch, heads, block.rows, block.keys, hidden)
    weights = logits.softmax(-1)
    total = _log_sum(logits, weights, block)
    entropy = total - logits.mul_(weights).sum(-1)
    products = weights @ joined
    kept = maths.kept(total, heads)
    count = block.features.shape[-1]
    sums = block.sums(weights, products[..., begin : begin + count])
    if not kept.dim():
        return products, sums, entropy, torch.ones_like(total)
    return products * kept[..., None], sums, entropy, kept


# Below it, the logarithm of a rounded weight would tell too little of the logit behind it.
_LEAST = 1e-30


def _log_sum(logits: Tensor, weights: Tensor, block: QueryBlock) -> Tensor:
    """The logarithm of the sum of all exponentials of a row, without a second sum over it.

    A weight is the exponential of its logit over that sum, so that one of them tells it: that of
    the query's own position, or the greatest of the row where this one is next to nothing.
    """
    if block.scene.first is not None and logits.device.type == "cpu":
        own = block.own.expand(*logits.shape[:-1], 1)
        weight = weights.gather(-1, own).squeeze(-1)
        if bool((weight > _LEAST).all()):
            return logits.gather(-1, own).squeeze(-1) - weight.log()
    return logits.amax(-1) - weights.amax(-1).log()
